//! Receive windows and send buffers that follow the path, and zero windows.

use crate::ours::Ours;
use crate::pair::{connected, message, ms, origin};
use crate::path::{Network, Path};
use peerless_sctp::{Config, State};
use std::time::Duration;

#[test]
fn the_window_follows_the_path() {
    let origin = origin();
    let config = Config::default();
    let mut network = Network::new(origin, Path::new(100, ms(50), 100), 1);
    let (sender, receiver) = Ours::flow(&config, origin, 1);
    network.add(Duration::ZERO, sender, receiver);
    network.run_until(ms(60));
    assert_eq!(network.receiver(0).stats().receive_window, 128 << 10);
    network.run_until(Duration::from_secs(3));
    let window = network.receiver(0).stats().receive_window;
    // Four times the path's product of 625 kB, and a bit of its queue.
    assert!((2_300_000..5_000_000).contains(&window), "{window}");
}

#[test]
fn the_send_buffer_follows_the_path() {
    let origin = origin();
    let mut config = Config::default();
    config.send_buffer = 100_000;
    let mut network = Network::new(origin, Path::new(100, ms(50), 100), 1);
    let (sender, receiver) = Ours::flow(&config, origin, 1);
    network.add(Duration::ZERO, sender, receiver);
    network.run_until(ms(10));
    assert!(network.sender(0).stats().send_buffered <= 100_000);
    network.run_until(Duration::from_secs(3));
    let buffered = network.sender(0).stats().send_buffered;
    assert!((1_200_000..=4_000_000).contains(&buffered), "{buffered}");
    config.max_send_buffer = 0;
    let mut pair = connected(&config);
    pair.a.send(pair.now, message(0, 100_000, 1)).unwrap();
    assert!(pair.a.send(pair.now, message(0, 1, 1)).is_err());
}

#[test]
fn a_closed_window_is_probed_until_it_opens() {
    // §6.1 A: Z's reader stops; A → DATA, Z → SACK a_rwnd 0, each RTO: A → one DATA
    let mut config = Config::default();
    config.receive_window = 20_000;
    config.max_receive_window = 20_000;
    config.max_receive_message_size = 10_000;
    let mut pair = connected(&config);
    for number in 0..10 {
        pair.a.send(pair.now, message(0, 10_000, number)).unwrap();
    }
    pair.run(Duration::from_secs(5));
    let before = pair.sent;
    pair.run(Duration::from_secs(60));
    let probes = pair.sent - before;
    assert!((4..40).contains(&probes), "{probes} packets in a minute");
    assert_eq!(pair.a.state(), State::Established);
    let mut read = 0;
    // A window that opens is told at once.
    assert!(
        pair.run_until(ms(500), |pair| {
            while let Some(message) = pair.z.read(0) {
                assert_eq!(message.payload[0], read);
                read += 1;
            }
            read == 10
        }),
        "{read}"
    );
}
