//! Hellos that come in parts, and what else they are mixed with.

use super::*;

#[test]
fn one_datagram_keeps_one_client_waiting_at_most() {
    for body in [&[][..], &[7]] {
        let mut door = Door::new(configs_1_3());
        let questions = door.questions();
        let [first, second] = &questions[..] else { panic!("a hello in two datagrams") };
        // Act: between the halves of a hello comes a datagram with the beginnings of many.
        door.ask(ADDRESS, first);
        let parts: Vec<_> =
            (0..MAX_INCOMPLETE as u16).map(|n| (part(MAX_HELLO, n, 0, body.len()), body)).collect();
        door.ask(b"192.0.2.66:5000", &record(&parts));
        // Assert
        assert_eq!(door.acceptor.incomplete.len(), 1 + body.len());
        assert_eq!(door.acceptor.stats().forgotten, 0);
        assert_eq!(door.acceptor.stats().dropped, (MAX_INCOMPLETE - body.len()) as u64);
        assert!(!door.ask(ADDRESS, second).0.is_empty());
    }
}

#[test]
fn an_address_has_one_hello_under_way() {
    let mut door = Door::new(configs_1_3());
    for n in 0..10 {
        door.ask(ADDRESS, &record(&[(part(1_000, n, 0, 1), &[7])]));
        assert_eq!(door.acceptor.incomplete.len(), 1);
        assert_eq!(door.acceptor.stats().forgotten, u64::from(n));
    }
}

#[test]
fn what_a_datagram_holds_beside_a_hello_does_not_count_twice() {
    let mut door = Door::new(configs_1_3());
    let body = short_hello();
    let (most, rest) = body.split_at(body.len() - 1);
    let len = body.len();
    let datagrams = [
        record(&[(part(len, 1, 0, most.len()), most), (part(len, 0, 0, len), &body)]),
        record(&[(part(len, 1, most.len(), rest.len()), rest)]),
    ];
    let asked: usize = datagrams.iter().map(Vec::len).sum();
    let answered: usize = datagrams.iter().map(|d| door.ask(ADDRESS, d).0.len()).sum();
    assert!(answered > 0 && answered <= asked, "{answered} for {asked}");
}

#[test]
fn the_end_of_an_older_hello_is_not_put_to_a_newer_one() {
    let config = || versions(Version::Dtls13, Version::Dtls13).with_any_remote_certificate();
    let mut door = Door::new((config(), config()));
    // The network brings the end of a hello twice, and then the client begins anew.
    let stray = door.questions().remove(1);
    door.ask(ADDRESS, &stray);
    door.now += Duration::from_secs(2);
    door.client = Connection::client(config(), door.now, [9; 32]);
    let mut server = door.enter();
    let now = door.now;
    finish(&mut door.client, &mut server, now);
    assert_eq!(door.acceptor.stats().forgotten, 1);
}

#[test]
fn the_parts_of_a_hello_may_change_places() {
    let mut door = Door::new(configs_1_3());
    let questions = door.questions();
    assert!(door.ask(ADDRESS, &questions[1]).0.is_empty());
    assert!(!door.ask(ADDRESS, &questions[0]).0.is_empty());
}

#[test]
fn an_old_part_goes_when_anything_comes() {
    let mut door = Door::new(configs_1_3());
    let first = door.questions().remove(0);
    door.ask(ADDRESS, &first);
    door.now += Duration::from_secs(11);
    door.ask(b"192.0.2.66:5000", b"anything");
    assert!(door.acceptor.incomplete.is_empty());
}
