//! What bulk transfers make of a path, and of each other.

use crate::ours::Ours;
use crate::pair::{ms, origin};
use crate::path::{Loss, Network, Node, Path, Queue};
use peerless_sctp::{Config, CongestionControl};
use std::time::Duration;

/// What a flow alone got.
#[derive(Debug)]
struct Outcome {
    /// Mbit/s of messages that were read.
    goodput: f64,
    /// Of the chunks, in percent.
    retransmitted: f64,
    overflowed: u64,
    mean_wait: Duration,
}

fn alone(config: &Config, path: Path, time: Duration) -> Outcome {
    let origin = origin();
    let mut network = Network::new(origin, path, 7);
    let (sender, receiver) = Ours::flow(config, origin, 1);
    network.add(Duration::ZERO, sender, receiver);
    // From when the association is up.
    let begin = 2 * path.delay + path.delay;
    network.run_until(begin + time);
    let stats = network.sender(0).stats();
    Outcome {
        goodput: network.receiver(0).received() as f64 * 8.0 / 1e6 / time.as_secs_f64(),
        retransmitted: stats.chunks_retransmitted as f64 * 100.0 / stats.chunks_sent as f64,
        overflowed: network.seen.overflowed,
        mean_wait: network.seen.mean_wait(),
    }
}

fn hundred(queue: u64, loss: u32) -> Path {
    Path { loss: Loss::Random(loss), ..Path::new(100, ms(50), queue) }
}

#[test]
fn a_path_is_filled_whatever_it_loses() {
    let config = Config::default();
    for (loss, least) in [(0, 93.0), (1_000, 90.0), (10_000, 80.0)] {
        let outcome = alone(&config, hundred(100, loss), Duration::from_secs(60));
        println!("{loss}: {outcome:?}");
        assert!(outcome.goodput >= least, "{outcome:?}");
        assert!(outcome.retransmitted <= 1.5, "{outcome:?}");
    }
}

#[test]
fn a_long_path_is_filled_whatever_it_loses() {
    let path = Path { loss: Loss::Random(10_000), ..Path::new(100, ms(200), 100) };
    let outcome = alone(&Config::default(), path, Duration::from_secs(30));
    println!("{outcome:?}");
    assert!(outcome.goodput >= 60.0, "{outcome:?}");
}

#[test]
fn a_path_without_a_limit_gives_what_the_windows_allow() {
    for (loss, least) in [(0, 2_000.0), (10_000, 400.0)] {
        let path = Path { rate: None, loss: Loss::Random(loss), ..Path::new(100, ms(50), 100) };
        let outcome = alone(&Config::default(), path, Duration::from_secs(5));
        println!("{loss}: {outcome:?}");
        assert!(outcome.goodput >= least, "{outcome:?}");
    }
}

/// Two flows, the second one `apart` later; gives the share of the first, from the first quarter of
/// the time on.
fn share(configs: [&Config; 2], path: Path, apart: Duration, time: Duration) -> f64 {
    let origin = origin();
    let mut network = Network::new(origin, path, 7);
    for (flow, config) in configs.into_iter().enumerate() {
        let (sender, receiver) = Ours::flow(config, origin, flow as u8 + 1);
        network.add(apart * flow as u32, sender, receiver);
    }
    network.run_until(time / 4);
    let before = [0, 1].map(|flow| network.receiver(flow).received());
    network.run_until(time);
    let got = [0, 1].map(|flow| (network.receiver(flow).received() - before[flow]) as f64);
    got[0] / (got[0] + got[1])
}

#[test]
fn a_loss_based_neighbour_keeps_its_share() {
    let mut reno = Config::default();
    reno.congestion_control = CongestionControl::NewReno;
    for (queue, least) in [(100, 0.40), (25, 0.20)] {
        for apart in [0, 5] {
            let apart = Duration::from_secs(apart);
            let path = hundred(queue, 0);
            let share =
                1.0 - share([&Config::default(), &reno], path, apart, Duration::from_secs(120));
            println!("a queue of {queue} %: NewReno has {share:.3}");
            assert!(share >= least, "{share}");
        }
    }
}

#[test]
fn a_loss_based_neighbour_keeps_its_share_of_short_and_managed_queues() {
    let mut reno = Config::default();
    reno.congestion_control = CongestionControl::NewReno;
    let short = |mbit, rtt| Path::new(mbit, ms(rtt), 10);
    let managed = |mbit, rtt| Path { queue: Queue::CoDel(2_500_000), ..short(mbit, rtt) };
    for (path, least) in [
        (short(100, 20), 0.35),
        (short(10, 50), 0.30),
        (managed(100, 20), 0.35),
        (managed(100, 50), 0.30),
        (managed(10, 100), 0.30),
    ] {
        let configs = [&Config::default(), &reno];
        let share = 1.0 - share(configs, path, ms(1000), Duration::from_secs(90));
        println!("{path:?}: NewReno has {share:.3}");
        assert!(share >= least, "{share}");
    }
}

#[test]
fn two_of_ours_share_evenly() {
    for apart in [0, 3] {
        let share = share(
            [&Config::default(), &Config::default()],
            hundred(100, 0),
            Duration::from_secs(apart),
            Duration::from_secs(120),
        );
        println!("{share:.3}");
        assert!((0.45..=0.55).contains(&share), "{share}");
    }
}

#[test]
fn the_algorithms_of_the_standards_fill_a_path_without_loss() {
    for algorithm in [CongestionControl::NewReno, CongestionControl::Cubic] {
        let mut config = Config::default();
        config.congestion_control = algorithm;
        let outcome = alone(&config, hundred(100, 0), Duration::from_secs(20));
        println!("{algorithm:?}: {outcome:?}");
        assert!(outcome.goodput >= 88.0, "{outcome:?}");
    }
}

#[test]
fn bursts_of_losses_are_repaired_at_the_rate_of_the_path() {
    let path = Path { loss: Loss::Bursts(10_000), ..Path::new(100, ms(50), 100) };
    let outcome = alone(&Config::default(), path, Duration::from_secs(20));
    println!("{outcome:?}");
    assert!(outcome.goodput >= 80.0, "{outcome:?}");
    assert!(outcome.retransmitted <= 1.5, "{outcome:?}");
}

#[test]
fn a_managed_queue_stays_short() {
    let path = Path { queue: Queue::CoDel(2_500_000), ..Path::new(100, ms(50), 100) };
    let outcome = alone(&Config::default(), path, Duration::from_secs(20));
    println!("{outcome:?}");
    assert!(outcome.goodput >= 90.0, "{outcome:?}");
    assert!(outcome.mean_wait < ms(5), "{outcome:?}");
}

#[test]
fn slow_start_ends_before_the_queue_overflows() {
    let outcome = alone(&Config::default(), hundred(100, 0), Duration::from_secs(2));
    assert_eq!(outcome.overflowed, 0);
}
