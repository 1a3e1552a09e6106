//! Whose a path is.

use super::*;

/// A check that authenticates itself to a connection of the server.
fn check(bench: &Bench, client: usize, id: u8) -> Vec<u8> {
    let connection = bench.server.connection(bench.clients[client].id).unwrap();
    let sdp = connection.local_description().unwrap().sdp;
    let value = |name| sdp.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let mut check = Vec::new();
    let id = stun::TransactionId::new([id; 12]);
    stun::MessageWriter::new(&mut check, stun::Class::Request, stun::Method::Binding, id)
        .username(&format!("{}:theirs", value("a=ice-ufrag:")))
        .priority(u32::MAX)
        .ice_controlling(u64::MAX)
        .use_candidate()
        .integrity(&stun::Key::short_term(value("a=ice-pwd:")))
        .fingerprint()
        .finish();
    check
}

/// Whoever has a connection of their own can make an authentic check; where it comes from they can
/// make up.
#[test]
fn a_check_from_a_forged_address_takes_nobodys_path() {
    let mut bench = Bench::new();
    bench.add_client();
    bench.add_client();
    bench.run(Duration::from_secs(3));
    assert!(bench.all_connected());
    let forged = FiveTuple::udp(server_address(), bench.clients[0].address);
    for id in 0..3 {
        let mut check = check(&bench, 1, id);
        bench.server.handle_datagram(bench.now, Datagram::new(forged, &mut check));
        bench.run(Duration::from_secs(1));
    }
    bench.say(0, "still here");
    bench.say(1, "here too");
    bench.run(Duration::from_secs(1));
    assert_eq!(bench.clients[0].received, [b"still here"]);
    assert_eq!(bench.clients[1].received, [b"here too"]);
}

/// The same before the other one has come: the answer to our check shows who is there.
#[test]
fn a_check_from_a_forged_address_reserves_no_path() {
    let mut bench = Bench::new();
    bench.add_client();
    bench.run(Duration::from_secs(3));
    bench.add_client();
    let forged = FiveTuple::udp(server_address(), bench.clients[1].address);
    let mut check = check(&bench, 0, 1);
    bench.server.handle_datagram(bench.now, Datagram::new(forged, &mut check));
    bench.run(Duration::from_secs(3));
    assert!(bench.all_connected());
    bench.say(1, "hello");
    bench.run(Duration::from_secs(1));
    assert_eq!(bench.clients[1].received, [b"hello"]);
}

#[test]
fn a_client_takes_over_the_port_of_one_that_has_vanished() {
    let mut bench = Bench::new();
    bench.add_client();
    bench.add_client();
    bench.run(Duration::from_secs(3));
    assert!(bench.all_connected());
    let vanished = bench.clients.pop().unwrap();
    // It gets the address of the one before it.
    bench.add_client();
    assert_eq!(bench.clients[1].address, vanished.address);
    bench.run(Duration::from_secs(3));
    bench.say(1, "somebody else");
    bench.run(Duration::from_secs(1));
    assert_eq!(bench.clients[1].received, [b"somebody else"]);

    // What belongs to the one that has vanished goes without the path.
    assert!(bench.server.remove_connection(bench.now, vanished.id).is_some());
    bench.say(1, "and still");
    bench.run(Duration::from_secs(1));
    assert_eq!(bench.clients[1].received.len(), 2);
}

/// The endpoint remembers the paths that ICE has, whichever was proved first.
#[test]
fn a_path_in_use_outlives_any_number_of_others() {
    let mut bench = Bench::new();
    bench.add_client();
    bench.run(Duration::from_secs(3));
    assert!(bench.all_connected());
    for port in 0..200 {
        bench.say(0, "in use");
        bench.run(5 * MS);
        let elsewhere = SocketAddr::from(([203, 0, 113, 1], 1000 + port));
        let mut check = check(&bench, 0, port as u8);
        let path = FiveTuple::udp(server_address(), elsewhere);
        bench.server.handle_datagram(bench.now, Datagram::new(path, &mut check));
        assert!(bench.server.routes().1 <= 64, "those that ICE has dropped are forgotten");
    }
    bench.run(Duration::from_secs(1));
    assert_eq!(bench.clients[0].received.len(), 200);
    let connection = bench.server.connection(bench.clients[0].id).unwrap();
    assert_eq!(connection.ice.proved_paths().count(), bench.server.routes().1);
}

#[test]
fn a_connection_in_no_endpoint_keeps_no_routes() {
    let mut bench = Bench::new();
    bench.add_client();
    bench.run(Duration::from_secs(3));
    for _ in 0..3 {
        let connection = &mut bench.clients[0].connection;
        connection.restart_ice(bench.now);
        connection.set_local_description(bench.now, None).unwrap();
        let offer = connection.local_description().unwrap();
        let answerer = bench.server.connection_mut(bench.clients[0].id).unwrap();
        answerer.set_remote_description(bench.now, offer).unwrap();
        answerer.set_local_description(bench.now, None).unwrap();
        let answer = answerer.local_description().unwrap();
        bench.clients[0].connection.set_remote_description(bench.now, answer).unwrap();
        bench.run(Duration::from_secs(5));
        assert!(bench.all_connected());
    }
    assert_eq!(bench.clients[0].connection.poll_route(), None);
    // The one before the last restart, and the one of now.
    assert!((1..=2).contains(&bench.server.routes().0));
}

/// Whoever takes a connection out and goes on driving it has nobody who takes its news of paths.
#[test]
fn a_connection_that_is_taken_out_keeps_no_routes() {
    let mut bench = Bench::new();
    bench.add_client();
    bench.run(Duration::from_secs(3));
    assert!(bench.all_connected());
    let checks: Vec<_> = (0..100).map(|id| check(&bench, 0, id)).collect();
    let mut taken = bench.server.remove_connection(bench.now, bench.clients[0].id).unwrap();
    for (port, mut check) in (1000..).zip(checks) {
        let path = FiveTuple::udp(server_address(), ([203, 0, 113, 1], port).into());
        taken.handle_datagram(bench.now, Datagram::new(path, &mut check));
        assert_eq!(taken.poll_route(), None);
    }
}
