//! What a bulk transfer makes of a path.

use crate::pair::{Link, associations, message, ms};
use peerless_sctp::{Config, State};
use std::time::Duration;

/// Sends for `time` after the handshake; gives Mbit/s of messages that were read, and the last
/// statistics.
fn bulk(link: Link, time: Duration, number: u64) -> (f64, peerless_sctp::Stats) {
    let mut pair = associations(&Config::default(), number).with_link(link, number);
    assert!(pair.run_until(Duration::from_secs(10), |pair| pair.z.state() == State::Established));
    let start = pair.now;
    let mut received = 0;
    pair.run_until(time, |pair| {
        while pair.a.send(pair.now, message(1, 16 << 10, 1)).is_ok() {}
        while let Some(message) = pair.z.read(1) {
            received += message.payload.len();
        }
        false
    });
    let seconds = (pair.now - start).as_secs_f64();
    (received as f64 * 8.0 / 1e6 / seconds, pair.a.stats())
}

#[test]
fn a_path_of_100_mbit_and_50_ms_is_filled() {
    // 100 Mbit/s, a queue of one bandwidth-delay product.
    let rate = 12_500_000;
    let link = Link { delay: ms(25), rate: Some((rate, rate as usize / 20)), ..Link::default() };
    let (goodput, stats) = bulk(link, Duration::from_secs(10), 1);
    println!("{goodput:.1} Mbit/s {stats:?}");
    assert!(goodput >= 90.0, "{goodput}");
    assert!(stats.chunks_retransmitted * 100 < stats.chunks_sent, "{stats:?}");
}

#[test]
fn a_short_queue_still_gives_most_of_the_path() {
    let rate = 12_500_000;
    let link = Link { delay: ms(25), rate: Some((rate, rate as usize / 80)), ..Link::default() };
    let (goodput, stats) = bulk(link, Duration::from_secs(10), 1);
    println!("{goodput:.1} Mbit/s {stats:?}");
    assert!(goodput >= 60.0, "{goodput}");
}
