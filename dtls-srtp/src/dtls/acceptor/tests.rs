use std::time::Duration;

use rand::RngExt;
use rustls::NamedGroup;

use super::super::tests::pair::*;
use super::*;

mod parts;
mod restart;

const ADDRESS: &[u8] = b"192.0.2.1:5000";

/// A client and the door that it stands before.
struct Door {
    client: Connection,
    acceptor: Acceptor,
    now: Instant,
    largest_answer: usize,
}

impl Door {
    fn new((client, server): (Config, Config)) -> Self {
        let now = any_instant();
        Self {
            client: Connection::client(client, now, [1; 32]),
            acceptor: Acceptor::new(server, now, [2; 32]),
            now,
            largest_answer: 0,
        }
    }

    /// The datagrams that the client has to send.
    fn questions(&mut self) -> Vec<Vec<u8>> {
        let mut questions = Vec::new();
        let mut datagram = Vec::new();
        while self.client.poll_transmit(self.now, &mut datagram).is_some() {
            questions.push(mem::take(&mut datagram));
        }
        questions
    }

    /// Lets the acceptor answer from `address`.
    fn ask(&mut self, address: &[u8], question: &[u8]) -> (Vec<u8>, Option<Connection>) {
        let mut answer = Vec::new();
        let mut question = question.to_vec();
        let connection =
            self.acceptor.handle_datagram(self.now, address, &mut question, &mut answer);
        self.largest_answer = self.largest_answer.max(answer.len());
        (answer, connection)
    }

    /// Lets the client stand there until it is let in.
    fn enter(&mut self) -> Connection {
        for _ in 0..4 {
            for question in self.questions() {
                let (mut answer, connection) = self.ask(ADDRESS, &question);
                if let Some(connection) = connection {
                    return connection;
                }
                self.client.handle_datagram(self.now, &mut answer);
            }
        }
        panic!("nobody was let in: {:?}", self.acceptor);
    }
}

/// Lets both sides finish their handshake, and sees application data arrive.
fn finish(client: &mut Connection, server: &mut Connection, now: Instant) {
    let mut datagram = Vec::new();
    for _ in 0..8 {
        while server.poll_transmit(now, &mut datagram).is_some() {
            client.handle_datagram(now, &mut datagram);
            datagram.clear();
        }
        while client.poll_transmit(now, &mut datagram).is_some() {
            server.handle_datagram(now, &mut datagram);
            datagram.clear();
        }
    }
    assert!(client.is_connected() && server.is_connected(), "{client:?} {server:?}");
    let mut datagram = sealed(client, b"hello");
    let read = server.handle_datagram(now, &mut datagram).next().map(|data| data.to_vec());
    assert_eq!(read.as_deref(), Some(&b"hello"[..]));
}

/// What a connection in its handshake has of the client's hello.
fn client_random(connection: &Connection) -> Option<[u8; 32]> {
    match &connection.phase {
        Phase::Handshaking(handshake) => Some(handshake.client_random),
        _ => None,
    }
}

#[test]
fn a_client_of_either_version_enters_with_a_cookie() {
    for configs in [configs(), configs_1_3()] {
        let mut door = Door::new(configs);
        let mut server = door.enter();
        let stats = door.acceptor.stats();
        assert_eq!((stats.cookies_sent, stats.accepted), (1, 1));
        assert_eq!((stats.refused, stats.dropped), (0, 0));
        assert!(door.acceptor.incomplete.is_empty());
        let now = door.now;
        finish(&mut door.client, &mut server, now);
        assert_eq!(door.client.version(), server.version());
    }
}

#[test]
fn a_retry_asks_for_the_key_share_of_another_group_too() {
    // The client guesses X25519, the server takes nothing but P-384.
    let (client, server) = configs_1_3();
    let client = client.with_groups(&[NamedGroup::X25519, NamedGroup::secp384r1]).unwrap();
    let server = server.with_groups(&[NamedGroup::secp384r1]).unwrap();
    let mut door = Door::new((client, server));
    let mut server = door.enter();
    assert_eq!(door.acceptor.stats().cookies_sent, 1);
    let now = door.now;
    finish(&mut door.client, &mut server, now);
    assert_eq!(server.group(), Some(NamedGroup::secp384r1));
}

#[test]
fn a_hello_that_is_repeated_is_answered_alike_and_one_that_proved_its_address_continues() {
    for configs in [configs(), configs_1_3()] {
        let mut door = Door::new(configs);
        let first = door.questions();
        let answers: Vec<_> = first.iter().map(|question| door.ask(ADDRESS, question).0).collect();
        let again: Vec<_> = first.iter().map(|question| door.ask(ADDRESS, question).0).collect();
        assert_eq!(answers, again);
        for mut answer in answers {
            door.client.handle_datagram(door.now, &mut answer);
        }
        let second = door.questions();
        let server = second.iter().find_map(|question| door.ask(ADDRESS, question).1);
        let mut server = server.expect("the cookie is good");
        // The first hello is late, the second one came twice.
        for question in first.iter().chain(&second) {
            server.handle_datagram(door.now, &mut question.clone());
        }
        let now = door.now;
        finish(&mut door.client, &mut server, now);
    }
}

#[test]
fn a_cookie_is_good_for_its_address_and_a_minute() {
    for (configs, refused) in [(configs(), 0), (configs_1_3(), 1)] {
        let mut door = Door::new(configs);
        // Beside the time at which the key of cookies changes.
        door.now += Duration::from_secs(599);
        for question in door.questions() {
            let (mut answer, _) = door.ask(ADDRESS, &question);
            door.client.handle_datagram(door.now, &mut answer);
        }
        let questions = door.questions();
        let came = door.now;
        for (address, after, is_good) in
            [(&b"192.0.2.2:5000"[..], 0, false), (ADDRESS, 61, false), (ADDRESS, 60, true)]
        {
            let before = door.acceptor.stats();
            // An older now is read as the newest one, so that each has a door of its own.
            door.acceptor.now = came;
            door.now = came + Duration::from_secs(after);
            let outcomes: Vec<_> =
                questions.iter().map(|question| door.ask(address, question)).collect();
            assert_eq!(outcomes.iter().any(|(_, made)| made.is_some()), is_good, "{after}");
            let stats = door.acceptor.stats();
            if !is_good {
                // DTLS 1.2 gives another cookie, DTLS 1.3 refuses.
                assert_eq!(stats.refused - before.refused, refused);
                assert_eq!(stats.cookies_sent - before.cookies_sent, 1 - refused);
            }
        }
    }
}

#[test]
fn every_changed_cookie_is_noticed() {
    let (_, server) = configs_1_3();
    let now = any_instant();
    let mut cookies = Cookies::new(&server.shared, now, [3; 32]);
    let settings = &*server.shared;
    let (suite, group) = (settings.suites_1_3[0], settings.groups[0]);
    let content = RetryCookie { suite, group, named: true, hello_hash: &[7; 32] };
    let random = &[5; 32];
    let cookie = cookies.for_retry(now, ADDRESS, random, &content).bytes;
    let good = cookies.check_retry(now, ADDRESS, random, &cookie, settings).unwrap();
    assert_eq!((good.suite.id, good.group.name()), (suite.id, group.name()));
    assert_eq!((good.named, good.hello_hash), (true, &[7; 32][..]));
    for bit in 0..8 * cookie.len() {
        let mut changed = cookie.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let checked = cookies.check_retry(now, ADDRESS, random, &changed, settings);
        assert!(checked.is_none(), "{bit}");
    }
    for len in 0..cookie.len() {
        let checked = cookies.check_retry(now, ADDRESS, random, &cookie[..len], settings);
        assert!(checked.is_none(), "{len}");
    }
    // Nor is it good for another client, or in the other version.
    assert!(cookies.check_retry(now, ADDRESS, &[6; 32], &cookie, settings).is_none());
    assert!(!cookies.check_verify(now, ADDRESS, random, &cookie));
    let verify = cookies.for_verify(now, ADDRESS, random);
    assert!(cookies.check_verify(now, ADDRESS, random, &verify));
    assert!(cookies.check_retry(now, ADDRESS, random, &verify, settings).is_none());
}

#[test]
fn what_is_refused_is_told_so_and_nothing_is_kept() {
    // A client that knows nothing but DTLS 1.2, and a server that does not.
    let (client, server) = (configs().0, configs_1_3().1);
    let mut door = Door::new((client, server));
    for question in door.questions() {
        let (mut answer, _) = door.ask(ADDRESS, &question);
        door.client.handle_datagram(door.now, &mut answer);
    }
    assert_eq!(door.acceptor.stats().refused, 1);
    let reason = door.client.close_reason();
    assert_eq!(
        reason,
        Some(super::super::CloseReason::Alert(HandshakeError::NoCommonVersion.alert()))
    );
}

#[test]
fn a_hello_that_is_shorter_than_its_answer_gets_none() {
    let mut door = Door::new(configs_1_3());
    let body = short_hello();
    let datagram = record(&[(part(body.len(), 0, 0, body.len()), &body)]);
    let (answer, connection) = door.ask(ADDRESS, &datagram);
    assert!(answer.is_empty() && connection.is_none());
    assert_eq!(door.acceptor.stats().dropped, 1);
}

#[test]
fn a_million_forged_hellos_leave_no_trace() {
    let now = any_instant();
    let server = acquainted((versions(Version::Dtls12, Version::Dtls13), configs().1)).0;
    let mut acceptor = Acceptor::new(server, now, [2; 32]);
    // Hellos of each version; a post-quantum one comes in two datagrams.
    let hellos: Vec<Vec<Vec<u8>>> = [configs().0, configs_1_3().0]
        .into_iter()
        .chain([configs_1_3().0.with_groups(&[NamedGroup::X25519]).unwrap()])
        .map(|config| Door::new((config, configs().1)).questions())
        .collect();
    assert_eq!(hellos.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 1]);

    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let (mut answer, mut datagram) = (Vec::new(), Vec::new());
    let (mut asked, mut answered) = (0, 0);
    for n in 0..1_000_000_u32 {
        let hello = &hellos[rng.random_range(0..hellos.len())];
        datagram.clear();
        datagram.extend_from_slice(&hello[rng.random_range(0..hello.len())]);
        let address = n.to_be_bytes();
        let made = acceptor.handle_datagram(now, &address, &mut datagram, &mut answer);
        assert!(made.is_none());
        assert!(answer.len() <= datagram.len());
        asked += datagram.len();
        answered += answer.len();
        answer.clear();
        assert!(acceptor.incomplete.len() <= MAX_INCOMPLETE);
    }
    let stats = acceptor.stats();
    assert!(stats.cookies_sent > 500_000 && stats.forgotten > 200_000, "{stats:?}");
    assert_eq!(stats.accepted, 0);
    assert!(answered < asked / 2);
    let held: usize = acceptor.incomplete.iter().map(|hello| hello.inbox.bytes()).sum();
    assert!(held <= MAX_INCOMPLETE * (FragmentHeader::LEN + MAX_HELLO), "{held}");
}

#[test]
fn the_oldest_incomplete_hello_goes_first() {
    let mut door = Door::new(configs_1_3());
    let questions = door.questions();
    let [first, second] = &questions[..] else { panic!("a hello in two datagrams") };
    for n in 0..=MAX_INCOMPLETE as u8 {
        assert!(door.ask(&[n], first).0.is_empty());
    }
    assert_eq!(door.acceptor.stats().forgotten, 1);
    // The first one has to begin again, the others need one datagram more.
    assert!(door.ask(&[0], second).0.is_empty());
    assert!(!door.ask(&[2], second).0.is_empty());
    assert_eq!(door.acceptor.stats().cookies_sent, 1);
    assert!(door.largest_answer <= first.len() + second.len());
}

/// A record with these fragments of ClientHellos.
fn record(fragments: &[(FragmentHeader, &[u8])]) -> Vec<u8> {
    let mut datagram = Vec::new();
    let header = Header {
        content_type: ContentType::Handshake,
        version: DTLS_1_2,
        epoch: 0,
        sequence_number: 0,
    };
    header.write(&mut datagram, 0);
    for (fragment, body) in fragments {
        datagram.extend_from_slice(&fragment.bytes());
        datagram.extend_from_slice(body);
    }
    let length = datagram.len() - Header::LEN;
    Header::set_length(&mut datagram, 0, length as u16);
    datagram
}

/// The header of a part of a ClientHello of this length.
fn part(length: usize, message_seq: u16, offset: usize, bytes: usize) -> FragmentHeader {
    FragmentHeader {
        kind: HandshakeType::ClientHello,
        length: length as u32,
        message_seq,
        offset: offset as u32,
        fragment_length: bytes as u32,
    }
}

/// A datagram with a byte of a ClientHello of this length.
fn one_byte(length: usize, offset: usize, byte: u8) -> Vec<u8> {
    record(&[(part(length, 0, offset, 1), &[byte])])
}

#[test]
fn a_forged_part_of_a_hello_keeps_no_client_out() {
    let hello = Door::new(configs_1_3()).questions().remove(0);
    let length = u32::from_be_bytes([0, hello[14], hello[15], hello[16]]) as usize;
    // Another length; a byte that the client's first part has, and one that its second has.
    for forged in [one_byte(100, 0, 7), one_byte(length, 2, 0), one_byte(length, 1_300, 0)] {
        let mut door = Door::new(configs_1_3());
        assert!(door.ask(ADDRESS, &forged).0.is_empty());
        // What is sent again brings it in at the latest.
        for _ in 0..2 {
            for question in door.questions() {
                let (mut answer, _) = door.ask(ADDRESS, &question);
                door.client.handle_datagram(door.now, &mut answer);
            }
            assert!(door.acceptor.incomplete.len() <= 1);
            if let Some(deadline) = door.client.poll_timeout().filter(|at| *at > door.now) {
                door.now = deadline;
                door.client.handle_timeout(deadline);
            }
        }
        assert_eq!(door.acceptor.stats().refused, 0);
        let mut server = door.enter();
        let now = door.now;
        finish(&mut door.client, &mut server, now);
    }
}

#[test]
fn half_a_hello_is_not_put_together_with_that_of_another_client() {
    let half = Door::new(configs_1_3()).questions().remove(0);
    let after = |wait| {
        let mut door = Door::new(configs_1_3());
        assert!(door.ask(ADDRESS, &half).0.is_empty());
        door.now += wait;
        door.client = Connection::client(configs_1_3().0, door.now, [9; 32]);
        door
    };
    // It begins anew at once, from the same address.
    let mut door = after(Duration::ZERO);
    let client = configs_1_3().0;
    door.client = Connection::client(client.with_any_remote_certificate(), door.now, [9; 32]);
    let server = door.enter();
    assert_eq!(client_random(&server), client_random(&door.client));
    // After a while, half a hello is no half of anything.
    for (wait, is_kept) in [(10, true), (11, false)] {
        let mut door = after(Duration::from_secs(wait));
        let second = door.questions().remove(1);
        door.ask(ADDRESS, &second);
        let stats = door.acceptor.stats();
        assert_eq!(stats.forgotten, u64::from(!is_kept));
        assert_eq!(stats.cookies_sent + stats.refused, u64::from(is_kept));
    }
}

#[test]
fn what_is_no_hello_is_dropped() {
    let mut door = Door::new(configs());
    let question = door.questions().remove(0);
    for len in 0..question.len() {
        let (answer, connection) = door.ask(ADDRESS, &question[..len]);
        assert!(answer.is_empty() && connection.is_none());
    }
    let mut other = question.clone();
    other[Header::LEN] = 2;
    assert!(door.ask(ADDRESS, &other).0.is_empty());
    let mut protected = question;
    protected[4] = 1;
    assert!(door.ask(ADDRESS, &protected).0.is_empty());
    assert!(door.acceptor.incomplete.is_empty());
}

#[test]
fn a_hello_is_put_together_up_to_its_longest() {
    let mut door = Door::new(configs());
    for (length, kept) in [(MAX_HELLO, 1), (MAX_HELLO + 1, 0)] {
        door.acceptor.incomplete.clear();
        assert!(door.ask(ADDRESS, &one_byte(length, 0, 7)).0.is_empty());
        assert_eq!(door.acceptor.incomplete.len(), kept);
    }
}

#[test]
fn how_many_hellos_are_kept_and_how_long_they_are_is_a_setting() {
    for (max, kept) in [(0, 0), (1, 1), (3, 3)] {
        let mut door = Door::new(configs_1_3());
        door.acceptor = door.acceptor.with_max_incomplete(max);
        let first = door.questions().remove(0);
        for n in 0..5 {
            assert!(door.ask(&[n], &first).0.is_empty());
        }
        assert_eq!(door.acceptor.incomplete.len(), kept);
    }
    // The hello of a post-quantum client is no longer put together, but another one is answered.
    for (configs, answered) in [(configs_1_3(), false), (configs(), true)] {
        let mut door = Door::new(configs);
        door.acceptor = door.acceptor.with_max_hello_bytes(1_000);
        let questions = door.questions();
        let answers: Vec<_> =
            questions.iter().map(|question| door.ask(ADDRESS, question)).collect();
        assert_eq!(answers.iter().any(|(answer, _)| !answer.is_empty()), answered);
    }
}

#[test]
fn a_hello_that_is_let_in_is_not_too_long_for_its_connection() {
    for configs in [configs(), configs_1_3()] {
        let (client, server) = configs;
        // A hello of DTLS 1.2 has some 200 bytes, a post-quantum one 1 500.
        let mut door = Door::new((client, server.with_max_handshake_bytes(256)));
        let mut server = door.enter();
        assert!(server.poll_transmit(door.now, &mut Vec::new()).is_some());
    }
}

#[test]
fn how_long_cookies_and_their_keys_live_is_a_setting() {
    for (after, is_good) in [(5, true), (6, false)] {
        for key_lifetime in [0, 1, 3_600] {
            let mut door = Door::new(configs());
            let lifetime = Duration::from_secs(5);
            let key_lifetime = Duration::from_secs(key_lifetime);
            door.acceptor = door.acceptor.with_cookie_lifetime(lifetime);
            door.acceptor = door.acceptor.with_cookie_key_lifetime(key_lifetime);
            for question in door.questions() {
                let (mut answer, _) = door.ask(ADDRESS, &question);
                door.client.handle_datagram(door.now, &mut answer);
            }
            let question = door.questions().remove(0);
            door.now += Duration::from_secs(after);
            assert_eq!(door.ask(ADDRESS, &question).1.is_some(), is_good, "{after}");
        }
    }
}
