//! The shim for BoringSSL's runner (`examples/bogo-shim`), with ours as the runner: what goes over
//! the connection, and what its exit code says.
//!
//! `cargo test` builds the examples beside the tests; `cargo test --test bogo_shim` does not. A test
//! that finds no shim says so in one line, and passes, but not where `CI` is set.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod runner;

use std::net::Shutdown;
use std::thread;
use std::time::Duration;

use peerless_dtls_srtp::dtls::Version;

use crate::runner::{Link, Peer, Shim};

#[test]
fn what_it_does_not_have_is_89() {
    for (flags, code, words) in [
        ("-is-handshaker-supported", 0, "No\n"),
        ("-dtls -select-alpn foo", 89, "not supported: -select-alpn\n"),
        ("-server", 89, "not supported: TLS over a stream\n"),
        ("-dtls -mtu", 1, "-mtu has no value\n"),
    ] {
        let Some(shim) = Shim::start(flags) else { return };
        assert_eq!(shim.end(), (code, words.to_owned()), "{flags}");
    }
}

#[test]
fn it_exports_first_and_echoes_upside_down() {
    for (side, is_client) in [("", false), ("-server", true)] {
        for (version, code) in [(Version::Dtls12, 0xfefd), (Version::Dtls13, 0xfefc)] {
            let export = "-export-keying-material 20 -export-label a -export-context b";
            let version_flags = format!("-max-version {code} -expect-version {code}");
            let flags = format!("-dtls {side} {version_flags} {export} -use-export-context");
            let Some(shim) = Shim::start(&flags) else { return };
            let mut peer = Peer::connect(shim.accept(), is_client);
            assert_eq!(peer.connection.version(), Some(version));
            peer.say(b"\x00\x0f\xff");
            peer.drive_until(|peer| peer.read.len() == 2);
            let exported = peer.connection.export_keying_material("a", Some(b"b"), 20).unwrap();
            assert_eq!(peer.read, [exported.to_vec(), b"\xff\xf0\x00".to_vec()]);
            peer.close();
            assert_eq!(shim.end(), (0, String::new()), "{flags}");
        }
    }
}

#[test]
fn two_of_them_speak_with_each_other() {
    /// More than the handshake takes: from there on they echo each other without an end.
    const MESSAGES: usize = 40;
    let Some(client) = Shim::start("-dtls -shim-writes-first") else { return };
    let Some(server) = Shim::start("-dtls -server") else { return };
    let relay = |mut from: Link, mut to: Link| {
        for _ in 0..MESSAGES {
            to.send(&from.receive().expect("they speak on").unwrap());
        }
        to.0.shutdown(Shutdown::Write).unwrap();
    };
    let (one, other) = (client.accept(), server.accept());
    let (to_one, to_other) = (one.try_clone(), other.try_clone());
    let there = thread::spawn(move || relay(one, to_other));
    relay(other, to_one);
    there.join().unwrap();
    assert_eq!(client.end(), (0, String::new()));
    assert_eq!(server.end(), (0, String::new()));
}

#[test]
fn its_clock_is_the_runners() {
    let Some(shim) = Shim::start("-dtls") else { return };
    let mut link = shim.accept();
    assert!(!link.pass(Duration::ZERO).is_empty(), "the ClientHello");
    let mut timeout = Duration::from_millis(400);
    for _ in 0..12 {
        link.expect_timeout(timeout);
        let before = link.pass(timeout - Duration::from_nanos(1));
        assert!(before.is_empty(), "{before:?}");
        link.expect_timeout(Duration::from_nanos(1));
        assert!(link.pass(Duration::from_nanos(1)).is_empty());
        assert!(!link.pass(Duration::ZERO).is_empty(), "sent again after {timeout:?}");
        timeout = (timeout * 2).min(Duration::from_secs(60));
    }
    link.pass(timeout);
    assert_eq!(link.opcode(&mut Vec::new()), None);
    drop(link);
    assert_eq!(shim.end(), (1, "the peer does not answer\n".to_owned()));
}

#[test]
fn timers_and_sizes_are_set_on_the_way() {
    let Some(shim) = Shim::start("-dtls -initial-timeout-duration-ms 250") else { return };
    let mut link = shim.accept();
    let datagrams = link.pass(Duration::ZERO);
    assert!(datagrams.iter().any(|datagram| datagram.len() > 300));
    link.expect_timeout(Duration::from_millis(250));
    link.command(b'U', &100_u32.to_be_bytes());
    link.expect_timeout(Duration::from_millis(100));
    link.command(b'M', &300_u32.to_be_bytes());
    assert!(link.pass(Duration::from_millis(100)).is_empty());
    let datagrams = link.pass(Duration::ZERO);
    assert!(datagrams.len() > 1, "the ClientHello in pieces");
    assert!(datagrams.iter().all(|datagram| datagram.len() <= 300));

    link.expect_timeout(Duration::from_secs(7));
    assert_eq!(link.opcode(&mut Vec::new()), None);
    drop(link);
    let (code, words) = shim.end();
    assert_eq!(code, 1);
    assert!(words.starts_with("expected a timeout of Some(7s), but got"), "{words}");
}

#[test]
fn what_the_runner_must_not_do_is_a_failure() {
    let Some(shim) = Shim::start("-dtls") else { return };
    let mut link = shim.accept();
    link.command(b'X', &[]);
    drop(link);
    assert_eq!(shim.end(), (1, "the runner sent an opcode that is not known: 88\n".to_owned()));

    let Some(shim) = Shim::start("-dtls -server -resume-count 1") else { return };
    drop(shim.accept());
    assert_eq!(shim.end(), (1, "the runner hung up during the handshake\n".to_owned()));
}

#[test]
fn a_resumption_is_89_once_the_first_connection_has_gone_well() {
    for (side, is_client) in [("", false), ("-server", true)] {
        for (goes_on, expected) in [
            (true, (89, "not supported: session resumption\n")),
            (false, (1, "the runner wants no other connection\n")),
        ] {
            let Some(shim) = Shim::start(&format!("-dtls {side} -resume-count 1")) else { return };
            Peer::connect(shim.accept(), is_client).close();
            let mut link = shim.accept();
            if goes_on {
                link.command(b'T', &0_u64.to_be_bytes());
                assert_eq!(link.opcode(&mut Vec::new()), None);
            }
            drop(link);
            assert_eq!(shim.end(), (expected.0, expected.1.to_owned()), "{side} {goes_on}");
        }
        let flags = format!("-dtls {side} -resume-count 1 -expect-session-miss");
        let Some(shim) = Shim::start(&flags) else { return };
        Peer::connect(shim.accept(), is_client).close();
        Peer::connect(shim.accept(), is_client).close();
        assert_eq!(shim.end(), (0, String::new()));
    }
}
