//! The contract that every engine keeps, clause by clause.

use rand::rngs::ChaCha20Rng;
use rand::{RngExt, SeedableRng};

use super::super::*;
use super::pair::*;

/// The settings of each version.
const VERSIONS: [fn() -> (Config, Config); 2] = [configs, configs_1_3];

/// Drives a pair with calls in a random order, some twice, late, early, and with clocks that go
/// backwards, until both are connected and have exchanged a message.
fn lazy(seed: u64, configs: (Config, Config)) {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut pair = Pair::new(configs);
    let mut now = pair.now;
    let mut flying: Vec<(Role, Vec<u8>)> = Vec::new();
    let (mut sent, mut read, mut updated) = ([false; 2], [false; 2], [false; 2]);
    for _ in 0..5_000 {
        if read == [true; 2] {
            return;
        }
        now += Duration::from_millis(rng.random_range(0..20));
        let back = Duration::from_millis(rng.random_range(0..1_000));
        let seen = if rng.random_bool(0.3) { now.checked_sub(back).unwrap_or(now) } else { now };
        let role = if rng.random_bool(0.5) { Role::Client } else { Role::Server };
        let index = usize::from(role == Role::Server);
        match rng.random_range(0..7) {
            0 => pair.side(role).handle_timeout(seen),
            1 => {
                let mut buf = Vec::new();
                if pair.side(role).poll_transmit(seen, &mut buf).is_some() {
                    flying.push((role, buf));
                }
            }
            2 if !flying.is_empty() => {
                let (from, mut datagram) = flying.remove(rng.random_range(0..flying.len()));
                let to = if from == Role::Client { Role::Server } else { Role::Client };
                let records = pair.side(to).handle_datagram(seen, &mut datagram);
                read[usize::from(to == Role::Server)] |= records.count() > 0;
            }
            3 => {
                let _unread = pair.side(role).poll_event();
                let _unheeded = pair.side(role).poll_timeout();
            }
            4 => read[index] |= pair.side(role).take_early().is_some(),
            5 if pair.side(role).may_send() && !sent[index] => {
                flying.push((role, sealed(pair.side(role), b"message")));
                sent[index] = true;
            }
            // Once: what is two keys late is lost.
            6 if !updated[index] => {
                updated[index] = pair.side(role).update_keys(seen, KeyUpdate::NotRequested);
            }
            _ => (),
        }
    }
    panic!("seed {seed}: not done, {pair:?} {pair2:?}", pair = pair.client, pair2 = pair.server);
}

#[test]
fn any_call_in_any_order_is_harmless() {
    for seed in 0..seeds() {
        for configs in VERSIONS {
            lazy(seed, configs());
        }
    }
}

#[test]
fn two_datagrams_without_a_drain_between_them_are_fine() {
    for configs in VERSIONS {
        let (client, server) = configs();
        let mut pair = Pair::new((client.with_mtu(200), server.with_mtu(200)));
        while !pair.is_connected() {
            for role in [Role::Client, Role::Server] {
                let mut datagrams = Vec::new();
                let mut buf = Vec::new();
                let now = pair.now;
                while pair.side(role).poll_transmit(now, &mut buf).is_some() {
                    datagrams.push(mem::take(&mut buf));
                }
                let other = if role == Role::Client { Role::Server } else { Role::Client };
                for mut datagram in datagrams {
                    // The iterator is dropped: the rest is processed all the same.
                    pair.side(other).handle_datagram(now, &mut datagram);
                }
            }
        }
        pair.assert_data_flows();
    }
}

#[test]
fn poll_timeout_is_never_late() {
    for seed in 0..2 * seeds() {
        let mut pair = Pair::new(VERSIONS[seed as usize % 2]());
        let mut network = lossy(seed, 0.3);
        while pair.step(&mut network) {
            // Whatever is asked before the next event, there is nothing to do until then.
            let Some(next) = pair.next() else { break };
            for part in 1..4 {
                let between = pair.now + (next - pair.now) * part / 4;
                for role in [Role::Client, Role::Server] {
                    let side = pair.side(role);
                    let timeout = side.poll_timeout();
                    side.handle_timeout(between);
                    assert_eq!(side.poll_transmit(between, &mut Vec::new()), None, "seed {seed}");
                    assert_eq!(side.poll_timeout(), timeout, "seed {seed}");
                }
            }
        }
        assert!(pair.is_connected());
    }
}

#[test]
fn poll_timeout_asks_for_transmission_at_once_and_never_spins() {
    let mut pair = Pair::new(configs());
    assert_eq!(pair.client.poll_timeout(), Some(pair.now), "there is a hello to send");
    assert_eq!(pair.server.poll_timeout(), None, "there is nothing to do");
    let mut buf = Vec::new();
    while pair.client.poll_transmit(pair.now, &mut buf).is_some() {}
    let timeout = pair.client.poll_timeout().unwrap();
    assert!(timeout > pair.now);
    pair.client.handle_timeout(timeout - Duration::from_nanos(1));
    assert_eq!(pair.client.poll_timeout(), Some(timeout), "early is harmless");
    pair.client.handle_timeout(timeout + Duration::from_secs(3600));
    assert_eq!(pair.client.stats().flights_retransmitted, 1, "an hour late is one timer");
}

#[test]
fn the_timer_starts_when_the_datagram_is_made() {
    let mut pair = Pair::new(configs());
    let later = pair.now + Duration::from_secs(5);
    pair.client.handle_timeout(later);
    assert_eq!(pair.client.stats().flights_retransmitted, 0);
    pair.client.poll_transmit(later, &mut Vec::new());
    assert_eq!(pair.client.poll_timeout(), Some(later + DEFAULT_TIMEOUT));
}

#[test]
fn poll_transmit_appends() {
    let mut pair = Pair::new(configs());
    let mut buf = b"before".to_vec();
    let range = pair.client.poll_transmit(pair.now, &mut buf).unwrap();
    assert_eq!(range, 6..buf.len());
    assert_eq!(&buf[..6], b"before");
    assert_eq!(describe(&buf[range]), "ClientHello");
}

#[test]
fn one_seed_repeats_times_and_kinds_of_datagrams() {
    for seed in 0..seeds().min(20) {
        let configs = VERSIONS[seed as usize % 2]();
        let run = || {
            let mut pair = Pair::new(configs.clone());
            pair.run(lossy(seed, 0.2));
            (pair.chart, pair.now - pair.start, pair.client_connected, pair.server_connected)
        };
        assert_eq!(run(), run());
    }
}

#[test]
fn the_hello_repeats_byte_for_byte() {
    // That of DTLS 1.3 has a key share in it, which comes from the provider's randomness.
    let now = any_instant();
    let (config, _) = configs();
    let hello = |seed| {
        let mut buf = Vec::new();
        Connection::client(config.clone(), now, seed).poll_transmit(now, &mut buf);
        buf
    };
    assert_eq!(hello([5; 32]), hello([5; 32]));
    assert_ne!(hello([5; 32]), hello([6; 32]));
}

#[test]
fn a_connection_can_move_to_another_thread() {
    fn assert_send<T: Send>(_: &T) {}
    assert_send(&Pair::connected().client);
}
