//! Clients that begin anew from the same address.

use super::super::super::Event;
use super::*;

/// A client that was let in, whose connection is finished.
fn accepted(door: &mut Door) -> AcceptedClient {
    let mut client = AcceptedClient::new(door.enter());
    let now = door.now;
    finish(&mut door.client, client.connection_mut(), now);
    assert_eq!(client.poll_event(), Some(Event::Connected));
    client
}

/// Hands over a datagram of a client, and the answer to the one that stands at the door.
fn receive(client: &mut AcceptedClient, door: &mut Door, datagram: &[u8]) -> Vec<Vec<u8>> {
    let (mut datagram, mut answer) = (datagram.to_vec(), Vec::new());
    let read =
        client.handle_datagram(door.now, ADDRESS, &mut datagram, &mut door.acceptor, &mut answer);
    let mut read: Vec<_> = read.map(|data| data.to_vec()).collect();
    read.extend(std::iter::from_fn(|| client.connection_mut().take_early()));
    door.client.handle_datagram(door.now, &mut answer);
    read
}

/// Sends all that there is to send to the one that stands at the door.
fn transmit(client: &mut AcceptedClient, door: &mut Door) {
    let mut datagram = Vec::new();
    while client.poll_transmit(door.now, &mut datagram).is_some() {
        door.client.handle_datagram(door.now, &mut datagram);
        datagram.clear();
    }
}

/// Another client with the same address, which has the one before forgotten.
fn restart(door: &mut Door, config: Config, seed: u8) -> Connection {
    mem::replace(&mut door.client, Connection::client(config, door.now, [seed; 32]))
}

/// Brings the client as far as its hello with the cookie, which is returned.
fn second_hello(client: &mut AcceptedClient, door: &mut Door) -> Vec<Vec<u8>> {
    for question in door.questions() {
        receive(client, door, &question);
    }
    door.questions()
}

#[test]
fn the_old_connection_goes_on_until_the_new_one_is_connected() {
    let (old, new) = (Version::Dtls12, Version::Dtls13);
    let pairs = [(old, old), (new, new), (old, new), (new, old)];
    // Each of the client's datagrams comes once, or twice, before the answers and after them.
    for (times, (first, second)) in (1..=2).flat_map(|times| pairs.map(|pair| (times, pair))) {
        let server = versions(old, new).with_any_remote_certificate();
        let config = |version| versions(version, version).with_any_remote_certificate();
        let mut door = Door::new((config(first), server));
        let mut client = accepted(&mut door);
        let mut before = restart(&mut door, config(second), 9);

        let mut rounds = 0;
        while !door.client.is_connected() || client.newer().is_some() {
            let questions = door.questions();
            for question in questions.iter().flat_map(|question| vec![question; times]) {
                receive(&mut client, &mut door, question);
            }
            if times > 1 {
                transmit(&mut client, &mut door);
                for question in &questions {
                    receive(&mut client, &mut door, question);
                }
            }
            // As long as the new one is not connected, the old one serves.
            if client.newer().is_some() {
                let data = sealed(&mut before, b"still here");
                let read = receive(&mut client, &mut door, &data);
                assert_eq!(read, [b"still here"], "{first} {second}");
                assert_eq!(client.poll_event(), None);
            }
            transmit(&mut client, &mut door);
            rounds += 1;
            assert!(rounds < 10, "{first} {second}: {:?} {client:?}", door.client);
        }
        assert_eq!(client.connection().version(), Some(second));
        assert_eq!(client.poll_event(), Some(Event::Connected));
        let data = sealed(&mut door.client, b"back again");
        assert_eq!(receive(&mut client, &mut door, &data), [b"back again"]);
        // The old keys are worth nothing now.
        let data = sealed(&mut before, b"too late");
        assert!(receive(&mut client, &mut door, &data).is_empty());
        assert_eq!(door.acceptor.stats().accepted, 2);
    }
}

#[test]
fn recorded_hellos_begin_nothing() {
    for configs in [configs(), configs_1_3()] {
        let mut door = Door::new(configs);
        let mut recorded = Vec::new();
        let mut server = None;
        while server.is_none() {
            for question in door.questions() {
                let (mut answer, connection) = door.ask(ADDRESS, &question);
                door.client.handle_datagram(door.now, &mut answer);
                server = connection.or(server);
                recorded.push(question);
            }
        }
        let mut client = AcceptedClient::new(server.expect("it was let in"));
        let now = door.now;
        finish(&mut door.client, client.connection_mut(), now);
        for hello in &recorded {
            receive(&mut client, &mut door, hello);
        }
        assert!(client.newer().is_none(), "its cookie was used");
        let data = sealed(&mut door.client, b"as before");
        assert_eq!(receive(&mut client, &mut door, &data), [b"as before"]);
    }
}

#[test]
fn a_late_hello_does_not_throw_out_a_newer_handshake() {
    for version in [Version::Dtls12, Version::Dtls13] {
        let config = || versions(version, version).with_any_remote_certificate();
        for came_before in [true, false] {
            let mut door = Door::new((config(), config()));
            let mut client = accepted(&mut door);
            // It restarts twice. The hello of the first time comes, or does not, and comes late.
            restart(&mut door, config(), 8);
            let late = second_hello(&mut client, &mut door);
            if came_before {
                late.iter().for_each(|hello| _ = receive(&mut client, &mut door, hello));
                assert!(client.newer().is_some());
            }
            door.now += Duration::from_secs(2);
            restart(&mut door, config(), 9);
            for hello in second_hello(&mut client, &mut door) {
                receive(&mut client, &mut door, &hello);
            }
            let random = client.newer().and_then(|newer| client_random(newer));
            assert_eq!(random, client_random(&door.client));
            let accepted = door.acceptor.stats().accepted;
            late.iter().for_each(|hello| _ = receive(&mut client, &mut door, hello));
            assert_eq!(door.acceptor.stats().accepted, accepted, "no work is done for it");
            for _ in 0..3 {
                transmit(&mut client, &mut door);
                for question in door.questions() {
                    receive(&mut client, &mut door, &question);
                }
            }
            assert!(door.client.is_connected() && client.newer().is_none());
            let data = sealed(&mut door.client, b"the newest");
            assert_eq!(receive(&mut client, &mut door, &data), [b"the newest"]);
        }
    }
}

#[test]
fn a_late_hello_does_not_throw_out_the_first_handshake() {
    for version in [Version::Dtls12, Version::Dtls13] {
        let config = || versions(version, version).with_any_remote_certificate();
        let mut door = Door::new((config(), config()));
        // It restarts with a cookie in its hand, and its hello comes when the next one is let in.
        for question in door.questions() {
            let (mut answer, _) = door.ask(ADDRESS, &question);
            door.client.handle_datagram(door.now, &mut answer);
        }
        let late = door.questions();
        door.now += Duration::from_secs(2);
        restart(&mut door, config(), 9);
        let mut client = AcceptedClient::new(door.enter());
        late.iter().for_each(|hello| _ = receive(&mut client, &mut door, hello));
        assert_eq!(client_random(client.connection()), client_random(&door.client), "{version}");
        assert_eq!(door.acceptor.stats().accepted, 1, "no work is done for it");
        let now = door.now;
        finish(&mut door.client, client.connection_mut(), now);
    }
}

#[test]
fn a_client_that_restarts_in_the_middle_of_its_first_handshake_is_let_in() {
    for version in [Version::Dtls12, Version::Dtls13] {
        let config = || versions(version, version).with_any_remote_certificate();
        let mut door = Door::new((config(), config()));
        let mut client = AcceptedClient::new(door.enter());
        transmit(&mut client, &mut door);
        restart(&mut door, config(), 9);
        for _ in 0..5 {
            for question in door.questions() {
                receive(&mut client, &mut door, &question);
            }
            transmit(&mut client, &mut door);
        }
        assert!(door.client.is_connected() && client.newer().is_none());
    }
}

#[test]
fn a_client_that_failed_is_let_in_again() {
    // Its first certificate is the wrong one. Its flight takes several datagrams.
    let (right, server) = configs();
    let wrong = versions(Version::Dtls12, Version::Dtls12).with_any_remote_certificate();
    let mut door = Door::new((wrong, server));
    let mut client = AcceptedClient::new(door.enter());
    while door.client.close_reason().is_none() {
        transmit(&mut client, &mut door);
        for question in door.questions() {
            receive(&mut client, &mut door, &question);
        }
    }
    assert!(client.connection().close_reason().is_some());
    restart(&mut door, right.with_mtu(300), 9);
    for _ in 0..8 {
        for question in door.questions() {
            // Its alert may be said again after some time.
            door.now += Duration::from_millis(1);
            receive(&mut client, &mut door, &question);
            transmit(&mut client, &mut door);
        }
        door.now += Duration::from_millis(300);
        transmit(&mut client, &mut door);
    }
    assert!(door.client.is_connected(), "{:?}", door.client);
    assert!(client.connection().is_connected() && client.newer().is_none());
}

#[test]
fn a_handshake_that_is_not_finished_is_given_up() {
    let config = || versions(Version::Dtls13, Version::Dtls13).with_any_remote_certificate();
    let mut door = Door::new((config(), config()));
    let mut client = accepted(&mut door);
    let mut before = restart(&mut door, config(), 9);
    for hello in second_hello(&mut client, &mut door) {
        receive(&mut client, &mut door, &hello);
    }
    assert!(client.newer().is_some());
    transmit(&mut client, &mut door);
    // The client is gone.
    while let Some(next) = client.poll_timeout() {
        door.now = next;
        client.handle_timeout(next);
        while client.poll_transmit(next, &mut Vec::new()).is_some() {}
    }
    assert!(client.newer().is_none());
    let data = sealed(&mut before, b"still here");
    assert_eq!(receive(&mut client, &mut door, &data), [b"still here"]);
}
