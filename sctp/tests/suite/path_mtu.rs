//! RFC 8899: how large a packet the path carries.

use crate::pair::{Side, associations, chart, message, ms, seed};
use peerless_sctp::{Association, Config, State};
use std::time::Duration;

fn searching(most: usize) -> Config {
    let mut config = Config::default();
    config.max_mtu = Some(most);
    config
}

#[test]
fn packets_grow_to_what_the_path_carries() {
    // A → HEARTBEAT PAD → ✗ thrice, then half way, until the sizes meet.
    let mut pair = associations(&searching(8900), 3);
    pair.filter = Some(Box::new(|_, packet| packet.len() <= 1400));
    pair.log = Some(Vec::new());
    pair.run(Duration::from_secs(60));
    assert!((1400 - 32..=1400).contains(&pair.a.mtu()), "{}", pair.a.mtu());
    assert!((1400 - 32..=1400).contains(&pair.z.mtu()), "{}", pair.z.mtu());
    let chart = chart(pair.log.as_ref().unwrap());
    let probes = chart.iter().filter(|line| *line == "A Heartbeat Pad").count();
    assert!((4..=30).contains(&probes), "{probes}");
    // Data is never in a packet that may be too large.
    pair.a.send(pair.now, message(0, 100_000, 1)).unwrap();
    assert!(pair.run_until(Duration::from_secs(5), |pair| pair.z.read(0).is_some()));
    assert_eq!(pair.a.stats().chunks_retransmitted, 0);
}

#[test]
fn the_greatest_size_is_tried_first() {
    let mut pair = associations(&searching(8900), 3);
    pair.run(ms(200));
    assert_eq!(pair.a.mtu(), 8900);
}

#[test]
fn without_a_maximum_nothing_is_probed() {
    let mut pair = associations(&Config::default(), 3);
    pair.log = Some(Vec::new());
    pair.run(Duration::from_secs(20));
    assert_eq!(pair.a.mtu(), 1160);
    let chart = chart(pair.log.as_ref().unwrap());
    assert!(chart.iter().all(|line| !line.contains("Pad")), "{chart:?}");
}

#[test]
fn a_black_hole_brings_the_small_packets_back() {
    let mut pair = associations(&searching(1400), 3);
    pair.run(ms(500));
    assert_eq!(pair.a.mtu(), 1400);
    // The path carries no more than 1300 from here on; what was cut for more goes in pieces, which the
    // layers below begin with after a while.
    let mut large = 0;
    pair.filter = Some(Box::new(move |side, packet| {
        let is_data = packet[12] == 0 || packet[12] == 64;
        large += usize::from(side == Side::A && packet.len() > 1300 && is_data);
        packet.len() <= 1300 || is_data && large > 15
    }));
    pair.a.send(pair.now, message(0, 5_000, 1)).unwrap();
    assert!(pair.run_until(Duration::from_secs(20), |pair| pair.z.read(0).is_some()));
    pair.run(Duration::from_secs(20));
    assert!((1300 - 32..=1300).contains(&pair.a.mtu()), "{}", pair.a.mtu());
}

#[test]
fn a_black_hole_after_a_restart_brings_the_small_packets_back() {
    // What was found before the restart is not what was configured: BASE_PLPMTU stays.
    let mut pair = associations(&searching(1400), 3);
    pair.run(ms(500));
    pair.a = Association::client(searching(1400), pair.now, seed(99, 0));
    pair.run(ms(500));
    assert_eq!((pair.a.state(), pair.z.mtu()), (State::Established, 1400));
    pair.filter = Some(Box::new(|_, packet| packet.len() <= 1300));
    pair.z.send(pair.now, message(0, 1_000, 1)).unwrap();
    pair.run(ms(100));
    assert!(pair.a.read(0).is_some());
    pair.z.send(pair.now, message(0, 5_000, 1)).unwrap();
    assert!(pair.run_until(Duration::from_secs(20), |pair| pair.z.mtu() == 1160));
}

#[test]
fn three_probes_without_an_answer_make_a_size_too_large() {
    // §5.1.2: MAX_PROBES is 3; §5.1.1: PROBE_TIMER is a second at least. What is lost so is no sign of
    // congestion (§3, 8) and no error of the path.
    let mut config = searching(8900);
    config.max_retransmits = 1;
    config.heartbeat_interval = None;
    let mut pair = associations(&config, 3);
    pair.filter = Some(Box::new(|_, packet| packet.len() <= 1160));
    pair.log = Some(Vec::new());
    let (mut sizes, mut times) = (Vec::new(), Vec::new());
    while sizes.len() < 9 && pair.step(pair.now + Duration::from_secs(5)) {
        for (side, packet) in pair.log.as_mut().unwrap().drain(..) {
            if side == Side::A && packet.len() > 1160 {
                sizes.push(packet.len());
                times.push(pair.now);
            }
        }
    }
    assert_eq!(sizes[..3], [8900; 3]);
    assert!(sizes[3] < 8900 && sizes[3..6] == [sizes[3]; 3] && sizes[6] < sizes[3], "{sizes:?}");
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= ms(1000)), "{times:?}");
    let stats = pair.a.stats();
    assert_eq!((stats.congestion_window, stats.timeouts), (10 * 1148, 0));
    assert_eq!(pair.a.state(), State::Established);
}

#[test]
fn a_larger_size_is_tried_again_after_ten_minutes() {
    // §5.1.1: PMTU_RAISE_TIMER, 600 s.
    let mut pair = associations(&searching(1400), 3);
    pair.filter = Some(Box::new(|_, packet| packet.len() <= 1250));
    pair.run(Duration::from_secs(60));
    assert!(pair.a.mtu() <= 1250);
    pair.filter = None;
    pair.run(Duration::from_secs(500));
    assert!(pair.a.mtu() <= 1250);
    pair.run(Duration::from_secs(120));
    assert_eq!(pair.a.mtu(), 1400);
}

#[test]
fn another_path_is_searched_anew() {
    let mut pair = associations(&searching(1400), 3);
    pair.run(ms(500));
    assert_eq!(pair.a.mtu(), 1400);
    pair.filter = Some(Box::new(|_, packet| packet.len() <= 1300));
    pair.a.path_changed(pair.now);
    assert_eq!(pair.a.mtu(), 1160, "what any path carries");
    pair.a.send(pair.now, message(0, 50_000, 1)).unwrap();
    assert!(pair.run_until(Duration::from_secs(5), |pair| pair.z.read(0).is_some()));
    pair.run(Duration::from_secs(20));
    assert!((1300 - 32..=1300).contains(&pair.a.mtu()), "{}", pair.a.mtu());
}

#[test]
fn who_sends_many_of_one_size_knows_of_longer_ones() {
    // What was cut for 1400 bytes cannot be cut again (RFC 9260 §6.9) when packets are smaller.
    let mut pair = associations(&searching(1400), 3);
    pair.run(ms(500));
    assert!(!pair.a.may_exceed_mtu());
    pair.filter = Some(Box::new(|side, _| side == Side::Z));
    pair.a.send(pair.now, message(0, 5000, 1)).unwrap();
    pair.run(ms(10));
    pair.a.path_changed(pair.now);
    assert_eq!(pair.a.mtu(), 1160);
    pair.a.set_mtu(1160);
    pair.filter = None;
    let (mut longer, mut told) = (0, true);
    for _ in 0..10_000 {
        let mut packet = Vec::new();
        let exceeds = pair.a.may_exceed_mtu();
        if pair.a.poll_transmit(pair.now, &mut packet).is_some() {
            let is_longer = packet.len() > pair.a.mtu();
            longer += usize::from(is_longer);
            told &= exceeds || !is_longer;
            pair.z.handle_datagram(pair.now, &packet);
        } else if pair.z.read(0).is_some() {
            break;
        } else {
            pair.step(pair.now + ms(5));
        }
    }
    assert!(longer > 0 && told);
    pair.run(Duration::from_secs(5));
    assert!(!pair.a.may_exceed_mtu());
}
