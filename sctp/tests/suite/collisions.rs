//! RFC 9260 §5: cookies, and the chunks of a handshake that come at any other time.

use crate::lone::{Lone, lines, value_of};
use crate::pair::{associations, chunk, chunks, data, message, ms, origin, packet, plain, seed};
use crate::refusals::{cause, init};
use peerless_sctp::chunk::ChunkType;
use peerless_sctp::{Association, CloseReason, Event, State};
use std::time::{Duration, Instant};

/// An association and the time.
struct Alone {
    engine: Association,
    now: Instant,
}

/// What an INIT ACK gave.
struct Given {
    /// The tag that it asks for, and the one that it was sent with.
    tag: u32,
    to: u32,
    /// The rest of its fixed part: window, streams, the first number.
    rest: Vec<u8>,
    cookie: Vec<u8>,
}

impl Alone {
    /// One that waits for an INIT.
    fn server() -> Self {
        let now = origin();
        Self { engine: Association::server(plain(), now, seed(1, 1)), now }
    }

    /// One that has sent its INIT, and the tag in it.
    fn client() -> (Self, u32, Vec<u8>) {
        let now = origin();
        let mut alone = Self { engine: Association::client(plain(), now, seed(1, 0)), now };
        let sent = alone.sent();
        let value = value_of(&sent[0], ChunkType::Init).unwrap();
        let tag = u32::from_be_bytes(value[..4].try_into().unwrap());
        (alone, tag, value[4..16].to_vec())
    }

    fn take(&mut self, tag: u32, chunks: &[u8]) {
        self.engine.handle_datagram(self.now, &packet(tag, chunks));
    }

    /// What it sends now.
    fn sent(&mut self) -> Vec<Vec<u8>> {
        let mut buf = Vec::new();
        std::iter::from_fn(|| {
            buf.clear();
            self.engine.poll_transmit(self.now, &mut buf).map(|range| buf[range].to_vec())
        })
        .collect()
    }

    fn chart(&mut self) -> Vec<String> {
        self.sent().iter().map(|packet| chunks(packet)).collect()
    }

    /// What it sends in this time.
    fn wait(&mut self, time: Duration) -> Vec<String> {
        let limit = self.now + time;
        let mut chart = self.chart();
        while let Some(next) = self.engine.poll_timeout().filter(|next| *next <= limit) {
            self.now = next.max(self.now);
            self.engine.handle_timeout(self.now);
            chart.extend(self.chart());
        }
        self.now = limit;
        chart
    }

    /// Takes an INIT with this tag and answers it.
    fn answer(&mut self, tag: u32) -> Given {
        self.take(0, &chunk(1, 0, &init(tag, 50_000, 10, 10, &[])));
        let sent = self.sent();
        assert_eq!(chunks(&sent[0]), "InitAck");
        let value = value_of(&sent[0], ChunkType::InitAck).unwrap();
        let len = usize::from(u16::from_be_bytes([value[18], value[19]]));
        assert_eq!(value[16..18], [0, 7]);
        Given {
            tag: u32::from_be_bytes(value[..4].try_into().unwrap()),
            to: u32::from_be_bytes(sent[0][4..8].try_into().unwrap()),
            rest: value[4..16].to_vec(),
            cookie: value[20..16 + len].to_vec(),
        }
    }

    fn echo(&mut self, given: &Given) {
        self.take(given.tag, &chunk(10, 0, &given.cookie));
    }

    /// Takes an INIT ACK of a peer with this tag.
    fn accept(&mut self, own: u32, tag: u32) {
        let value = init(tag, 50_000, 10, 10, &[0, 7, 0, 8, 1, 2, 3, 4]);
        self.take(own, &chunk(2, 0, &value));
    }

    /// A server whose handshake with the tag 5 is over.
    fn established() -> Self {
        let mut alone = Self::server();
        let given = alone.answer(5);
        alone.echo(&given);
        assert_eq!(alone.chart(), ["CookieAck"]);
        assert_eq!(alone.engine.poll_event(), Some(Event::Connected));
        alone
    }
}

#[test]
fn data_with_the_cookie_is_acknowledged_at_once_behind_the_cookie_ack() {
    // §5.1.5, 6 and 7. A → COOKIE ECHO, DATA → Z; Z → COOKIE ACK, SACK → A
    let mut z = Alone::server();
    let given = z.answer(5);
    let both = [chunk(10, 0, &given.cookie), data(1, 0, 0, 3, b"hello")].concat();
    z.take(given.tag, &both);
    assert_eq!(z.chart(), ["CookieAck Sack"]);
    assert_eq!(z.engine.read(0).map(|message| message.payload.to_vec()), Some(b"hello".to_vec()));
}

#[test]
fn a_changed_cookie_is_discarded_with_all_that_came_with_it() {
    // §5.1.5, 2: "the SCTP packet, including the COOKIE ECHO chunk and any DATA chunks, MUST be
    // silently discarded".
    let mut z = Alone::server();
    let mut given = z.answer(5);
    given.cookie[10] ^= 1;
    let both = [chunk(10, 0, &given.cookie), data(1, 0, 0, 3, b"hello")].concat();
    z.take(given.tag, &both);
    assert_eq!((z.chart().len(), z.engine.state()), (0, State::Closed));
    assert_eq!(z.engine.read(0), None);
}

#[test]
fn a_cookie_is_small_and_each_has_a_tag_of_its_own() {
    // §5.1.3: "as small as possible"; §5.3.1: a new tag each time, and none is zero.
    let mut z = Alone::server();
    let mut tags: Vec<_> = (1..100).map(|tag| (z.answer(tag).tag, z.answer(tag).to)).collect();
    assert!(tags.iter().zip(1..).all(|((tag, to), number)| *tag != 0 && *to == number));
    tags.sort_unstable();
    tags.dedup_by_key(|(tag, _)| *tag);
    assert_eq!(tags.len(), 99);
    assert!(z.answer(1).cookie.len() <= 100, "{}", z.answer(1).cookie.len());
}

#[test]
fn nothing_but_the_cookie_is_sent_before_its_answer() {
    // §5.1 C: "until the COOKIE ACK chunk is returned, the sender MUST NOT send any other packets".
    // §5.1.4: T1-cookie repeats it Max.Init.Retransmits times.
    let (mut a, tag, _) = Alone::client();
    a.accept(tag, 5);
    let mut chart = Vec::new();
    for _ in 0..20 {
        a.engine.send(a.now, message(0, 10, 1)).unwrap();
        a.take(tag, &chunk(4, 0, &[0, 1, 0, 8, 1, 2, 3, 4]));
        chart.extend(a.wait(ms(50)));
    }
    chart.extend(a.wait(Duration::from_secs(200)));
    assert!(chart.iter().all(|line| line.starts_with("CookieEcho Data")), "{chart:?}");
    assert_eq!(chart.len(), 9);
    assert_eq!(a.engine.close_reason(), Some(&CloseReason::NotAnswered));
}

#[test]
fn an_init_is_answered_with_what_our_own_said() {
    // §5.2.1: in COOKIE-WAIT and COOKIE-ECHOED, "using the same parameters it sent in its original
    // INIT chunk (including its Initiate Tag, unchanged)", and the timer runs on.
    let (mut a, tag, rest) = Alone::client();
    let given = a.answer(5);
    assert_eq!((given.tag, given.to, &given.rest), (tag, 5, &rest));
    assert_eq!(a.engine.state(), State::CookieWait);
    assert_eq!(a.wait(ms(500)), ["Init"]);
    a.accept(tag, 6);
    assert_eq!(a.chart(), ["CookieEcho"]);
    let given = a.answer(7);
    assert_eq!((given.tag, given.to, &given.rest), (tag, 7, &rest));
    assert_eq!(a.engine.state(), State::CookieEchoed);
    assert_eq!(a.wait(ms(500)), ["CookieEcho"]);
}

#[test]
fn an_unexpected_init_is_answered_with_a_new_tag_and_changes_no_state() {
    // §5.2.2, in each state that there is.
    let mut lone = Lone::new(&plain());
    let (own, tsn_z) = (lone.tag, lone.tsn_z);
    let answer = |lone: &mut Lone, state| {
        assert_eq!(lone.z.state(), state);
        lone.z.handle_datagram(lone.now, &packet(0, &chunk(1, 0, &init(9, 50_000, 10, 10, &[]))));
        let made = lone.now();
        assert_eq!(lines(&made), ["InitAck"]);
        let value = value_of(&made[0].bytes, ChunkType::InitAck).unwrap();
        assert_eq!(made[0].bytes[4..8], [0, 0, 0, 9]);
        assert_ne!(value[..4], own.to_be_bytes());
        assert_eq!(lone.z.state(), state);
    };
    answer(&mut lone, State::Established);
    lone.send(10);
    lone.now();
    lone.z.shutdown(lone.now);
    answer(&mut lone, State::ShutdownPending);
    lone.take(&chunk(7, 0, &tsn_z.wrapping_sub(1).to_be_bytes()));
    answer(&mut lone, State::ShutdownReceived);
    let mut lone = Lone::new(&plain());
    lone.z.shutdown(lone.now);
    lone.now();
    answer(&mut lone, State::ShutdownSent);
}

#[test]
fn an_init_ack_that_comes_twice_is_discarded() {
    // §5.2.3. Z → INIT ACK → A, and again
    let (mut a, tag, _) = Alone::client();
    a.accept(tag, 5);
    assert_eq!(a.chart(), ["CookieEcho"]);
    a.accept(tag, 6);
    assert_eq!((a.chart().len(), a.engine.state()), (0, State::CookieEchoed));
    a.take(tag, &chunk(11, 0, &[]));
    assert_eq!(a.engine.state(), State::Established);
    a.engine.send(a.now, message(0, 10, 1)).unwrap();
    assert_eq!(a.sent()[0][4..8], [0, 0, 0, 5], "the first one's tag");
}

#[test]
fn a_cookie_echo_for_our_own_tag_makes_the_association() {
    // §5.2.4 B, with the peer's tag not known yet. A → INIT → ✗; Z → INIT → A; A → INIT ACK → Z;
    // Z → COOKIE ECHO → A; A → COOKIE ACK → Z; T1-init does not go on
    let (mut a, _, _) = Alone::client();
    let given = a.answer(5);
    a.echo(&given);
    assert_eq!((a.chart(), a.engine.state()), (vec!["CookieAck".to_owned()], State::Established));
    assert!(a.wait(Duration::from_secs(20)).is_empty());
}

#[test]
fn a_cookie_echo_with_another_tag_of_the_peer_updates_it() {
    // §5.2.4 B: "The endpoint SHOULD stay in … the ESTABLISHED state, but it MUST update its peer's
    // Verification Tag from the State Cookie … and send a COOKIE ACK chunk."
    let (mut a, _, _) = Alone::client();
    let (first, second) = (a.answer(5), a.answer(6));
    a.echo(&first);
    assert_eq!(a.sent()[0][4..8], [0, 0, 0, 5]);
    assert_eq!(a.engine.poll_event(), Some(Event::Connected));
    a.echo(&second);
    let sent = a.sent();
    assert_eq!((chunks(&sent[0]), &sent[0][4..8]), ("CookieAck".to_owned(), &[0, 0, 0, 6][..]));
    assert_eq!((a.engine.state(), a.engine.poll_event()), (State::Established, None));
}

#[test]
fn our_own_cookie_that_comes_late_is_discarded() {
    // §5.2.4 C. Z answers an INIT, begins itself, and has sent its COOKIE ECHO when the cookie comes
    // back: "The endpoint SHOULD NOT change states and SHOULD leave any timers running."
    let mut z = Alone::server();
    let late = z.answer(5);
    z.engine.connect(z.now, Duration::ZERO);
    let sent = z.sent();
    let value = value_of(&sent[0], ChunkType::Init).unwrap();
    let own = u32::from_be_bytes(value[..4].try_into().unwrap());
    assert_ne!(own, late.tag);
    z.accept(own, 5);
    assert_eq!(z.chart(), ["CookieEcho"]);
    z.echo(&late);
    assert_eq!((z.chart().len(), z.engine.state()), (0, State::CookieEchoed));
    assert_eq!(z.wait(ms(120)), ["CookieEcho"]);
    z.take(own, &chunk(11, 0, &[]));
    assert_eq!(z.engine.state(), State::Established);
}

#[test]
fn a_cookie_echo_with_both_tags_ends_our_own_handshake() {
    // §5.2.4 D: "the endpoint SHOULD enter the ESTABLISHED state if it is in the COOKIE-ECHOED state.
    // It SHOULD stop any T1-cookie timer that is running and send a COOKIE ACK chunk."
    let (mut a, tag, _) = Alone::client();
    let given = a.answer(5);
    a.accept(tag, 5);
    assert_eq!(a.chart(), ["CookieEcho"]);
    a.echo(&given);
    assert_eq!(a.wait(Duration::from_secs(20)), ["CookieAck"]);
    assert_eq!(a.engine.state(), State::Established);
}

#[test]
fn a_cookie_of_the_association_is_never_too_old() {
    // §5.2.4, 3: both tags match: valid "even if the lifespan is exceeded".
    let mut z = Alone::server();
    let given = z.answer(5);
    z.echo(&given);
    assert_eq!(z.chart(), ["CookieAck"]);
    z.wait(Duration::from_secs(61));
    z.echo(&given);
    assert_eq!((z.chart(), z.engine.state()), (vec!["CookieAck".to_owned()], State::Established));
}

#[test]
fn an_old_cookie_of_a_restart_is_stale() {
    // §5.2.4, 3: the tags do not match: an ERROR with the cause 3.
    let mut z = Alone::established();
    let restart = z.answer(9);
    z.wait(Duration::from_secs(61));
    z.echo(&restart);
    let sent = z.sent();
    let value = value_of(&sent[0], ChunkType::Error).unwrap();
    assert_eq!((value[..2].to_vec(), &sent[0][4..8]), (vec![0, 3], &[0, 0, 0, 9][..]));
    assert_eq!(z.engine.poll_event(), None);
}

#[test]
fn a_cookie_from_before_a_restart_is_discarded() {
    // Table 12: neither tags nor tie-tags match.
    let mut z = Alone::established();
    let (first, second) = (z.answer(9), z.answer(10));
    z.echo(&second);
    assert_eq!(z.chart(), ["CookieAck"]);
    assert_eq!(z.engine.poll_event(), Some(Event::Restarted));
    z.echo(&first);
    assert_eq!((z.chart().len(), z.engine.poll_event()), (0, None));
    z.engine.send(z.now, message(0, 10, 1)).unwrap();
    assert_eq!(z.sent()[0][4..8], [0, 0, 0, 10]);
}

#[test]
fn a_restart_begins_congestion_control_anew() {
    // §5.2.4 A: "All the congestion control parameters … MUST be reset to their initial values".
    let mut z = Alone::established();
    let (window, threshold) =
        (z.engine.stats().congestion_window, z.engine.stats().slow_start_threshold);
    let restart = z.answer(9);
    z.engine.send(z.now, message(0, 1000, 1)).unwrap();
    z.wait(ms(700));
    assert!(z.engine.stats().timeouts > 0);
    assert!(z.engine.stats().congestion_window < window);
    z.echo(&restart);
    let stats = z.engine.stats();
    assert_eq!((stats.congestion_window, stats.slow_start_threshold), (window, threshold));
    assert_eq!(z.engine.state(), State::Established);
}

#[test]
fn a_restart_does_not_undo_a_shutdown() {
    let mut z = Alone::established();
    let restart = z.answer(9);
    z.engine.send(z.now, message(0, 1000, 1)).unwrap();
    z.engine.shutdown(z.now);
    assert_eq!((z.chart(), z.engine.state()), (vec!["Data".to_owned()], State::ShutdownPending));
    z.echo(&restart);
    assert_eq!(z.engine.poll_event(), Some(Event::Restarted));
    assert_eq!(
        (z.chart(), z.engine.state()),
        (vec!["CookieAck Shutdown".to_owned()], State::ShutdownSent)
    );
}

#[test]
fn inits_do_not_hold_ours_back_for_ever() {
    // A waits a moment for the peer's INIT (or has sent its own): one comes again and again, and never
    // a COOKIE ECHO.
    let mut a = Alone::server();
    a.engine.connect(a.now, ms(200));
    let begun = (0..100).any(|_| {
        a.take(0, &chunk(1, 0, &init(9, 50_000, 10, 10, &[])));
        a.wait(ms(100)).iter().any(|line| line == "Init")
    });
    assert!(begun);
}

#[test]
fn a_restart_at_the_end_of_a_shutdown_is_put_off() {
    // §5.2.4 A: in SHUTDOWN-ACK-SENT "it MUST NOT set up a new association but instead resend the
    // SHUTDOWN ACK chunk and send an ERROR chunk with a "Cookie Received While Shutting Down"".
    let mut lone = Lone::new(&plain());
    lone.z.handle_datagram(lone.now, &packet(0, &chunk(1, 0, &init(9, 50_000, 10, 10, &[]))));
    let made = lone.now();
    let value = value_of(&made[0].bytes, ChunkType::InitAck).unwrap();
    let tag = u32::from_be_bytes(value[..4].try_into().unwrap());
    let len = usize::from(u16::from_be_bytes([value[18], value[19]]));
    let cookie = chunk(10, 0, &value[20..16 + len]);
    lone.take(&chunk(7, 0, &lone.tsn_z.wrapping_sub(1).to_be_bytes()));
    assert_eq!(lines(&lone.now()), ["ShutdownAck"]);
    lone.z.handle_datagram(lone.now, &packet(tag, &cookie));
    let made = lone.now();
    assert_eq!(lines(&made), ["ShutdownAck Error"]);
    assert_eq!(value_of(&made[0].bytes, ChunkType::Error).unwrap()[..2], [0, 10]);
    assert_eq!(lone.z.state(), State::ShutdownAckSent);
}

#[test]
fn a_stale_cookie_is_only_believed_while_ours_is_out() {
    // §5.2.6: in COOKIE-ECHOED a new INIT; "if the association is not in the COOKIE-ECHOED state, the
    // ERROR chunk SHOULD be silently discarded".
    let stale = chunk(9, 0, &[0, 3, 0, 8, 0, 0, 0, 9]);
    let (mut a, tag, _) = Alone::client();
    a.take(tag, &stale);
    assert!(a.chart().is_empty());
    a.accept(tag, 5);
    assert_eq!(a.chart(), ["CookieEcho"]);
    a.take(tag, &stale);
    assert_eq!((a.chart(), a.engine.state()), (vec!["Init".to_owned()], State::CookieWait));
    a.accept(tag, 5);
    a.take(tag, &chunk(11, 0, &[]));
    a.take(tag, &stale);
    assert_eq!(a.engine.state(), State::Established);
}

#[test]
fn a_refused_init_ack_is_answered_with_its_own_tag() {
    // §5.1: "The Verification Tag field … MUST be set to the Initiate Tag value of the received INIT
    // or INIT ACK chunk this ABORT chunk is responding to."
    let mut pair = associations(&plain(), 1);
    let mut buf = Vec::new();
    pair.a.poll_transmit(pair.now, &mut buf).unwrap();
    let tag = u32::from_be_bytes(buf[16..20].try_into().unwrap());
    pair.a.handle_datagram(pair.now, &packet(tag, &chunk(2, 0, &init(77, 5_000, 0, 1, &[]))));
    buf.clear();
    pair.a.poll_transmit(pair.now, &mut buf).unwrap();
    assert_eq!((&buf[4..8], buf[13], cause(&buf).0), (&[0, 0, 0, 77][..], 0, 7));
}
