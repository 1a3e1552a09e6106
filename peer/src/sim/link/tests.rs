use rand::SeedableRng;

use super::*;

#[expect(clippy::disallowed_methods, reason = "any instant serves as the origin of a test")]
fn start() -> Instant {
    Instant::now()
}

/// A link with its chances and counts.
struct Bench {
    start: Instant,
    state: LinkState,
    rng: ChaCha20Rng,
    statistics: Statistics,
}

impl Bench {
    fn new(link: Link) -> Self {
        let start = start();
        Self {
            start,
            state: LinkState::new(link, start),
            rng: ChaCha20Rng::seed_from_u64(1),
            statistics: Statistics::default(),
        }
    }

    /// Sends `len` bytes of payload at a time after the start; gives the milliseconds of arrival.
    fn send(&mut self, after: Duration, len: usize) -> Vec<u128> {
        self.send_packet(after, packet(len)).0
    }

    fn send_packet(&mut self, after: Duration, packet: Packet) -> (Vec<u128>, Option<Packet>) {
        let now = self.start + after;
        match self.state.cross(now, packet, &mut self.rng, &mut self.statistics) {
            Crossing::Lost(_) => (Vec::new(), None),
            Crossing::Arrives { at, packet, again } => {
                let times = [Some(at), again].into_iter().flatten();
                (times.map(|at| (at - self.start).as_millis()).collect(), Some(packet))
            }
        }
    }
}

fn packet(len: usize) -> Packet {
    Packet {
        source: "10.0.0.1:1".parse().unwrap(),
        destination: "10.0.0.2:2".parse().unwrap(),
        ecn: None,
        contents: vec![0; len],
    }
}

const NOW: Duration = Duration::ZERO;

#[test]
fn a_perfect_link_takes_no_time() {
    let mut bench = Bench::new(Link::default());
    assert_eq!(bench.send(NOW, 100), [0]);
    assert_eq!(bench.statistics, Statistics::default());
}

#[test]
fn delay_delays() {
    let mut bench = Bench::new(Link::with_delay(Duration::from_millis(50)));
    assert_eq!(bench.send(NOW, 100), [50]);
    assert_eq!(bench.send(Duration::from_millis(7), 100), [57]);
}

#[test]
fn jitter_varies_and_keeps_the_order() {
    let jitter = Duration::from_millis(30);
    let mut bench = Bench::new(Link { jitter, ..Link::default() });
    let times: Vec<_> = (0..1000).flat_map(|n| bench.send(Duration::from_millis(n), 100)).collect();
    assert!(times.is_sorted());
    assert!(times.iter().zip(0..).all(|(at, sent)| (sent..=sent + 30).contains(at)));
    let mean = times.iter().zip(0..).map(|(at, sent)| at - sent).sum::<u128>() / 1000;
    assert!(mean > 15, "order makes waiting: {mean}");
}

#[test]
fn rate_makes_datagrams_wait_for_one_another() {
    // 1000 bits a millisecond: 125 bytes, 97 of them payload.
    let mut bench = Bench::new(Link { rate: Some(1_000_000), ..Link::default() });
    assert_eq!(bench.send(NOW, 97), [1]);
    assert_eq!(bench.send(NOW, 97), [2]);
    assert_eq!(bench.send(NOW, 1222), [12]);
    assert_eq!(bench.send(Duration::from_millis(20), 97), [21]);
}

#[test]
fn a_full_queue_drops_what_comes() {
    let mut bench = Bench::new(Link { rate: Some(1_000_000), queue: 1250, ..Link::default() });
    for _ in 0..10 {
        assert_eq!(bench.send(NOW, 97).len(), 1);
    }
    assert_eq!(bench.send(NOW, 97), []);
    assert_eq!(bench.statistics.queue_full, 1);
    assert_eq!(bench.send(Duration::from_millis(1), 97), [11]);
}

#[test]
fn a_long_queue_marks_those_who_understand() {
    let link = Link { rate: Some(1_000_000), ecn_threshold: Some(250), ..Link::default() };
    let mut bench = Bench::new(link);
    let ecn = Some(Ecn::Ect0);
    let marks: Vec<_> = (0..4)
        .map(|_| bench.send_packet(NOW, Packet { ecn, ..packet(97) }).1.unwrap().ecn)
        .collect();
    assert_eq!(marks, [ecn, ecn, Some(Ecn::Ce), Some(Ecn::Ce)]);
    assert_eq!(bench.send_packet(NOW, packet(97)).1.unwrap().ecn, None);
    assert_eq!(bench.statistics.marked, 2);
}

#[test]
fn random_loss_has_its_share() {
    let mut bench = Bench::new(Link { loss: Loss::Random(0.1), ..Link::default() });
    let arrived = (0..10_000).filter(|_| !bench.send(NOW, 1).is_empty()).count();
    assert!((8_900..9_100).contains(&arrived), "{arrived}");
    assert_eq!(bench.statistics.lost, 10_000 - arrived as u64);
}

#[test]
fn bursts_lose_several_in_a_row() {
    // A fiftieth of the time bad, for ten datagrams on average.
    let loss = Loss::Bursts {
        turns_bad: 1.0 / 490.0,
        turns_good: 0.1,
        loss_when_bad: 1.0,
        loss_when_good: 0.0,
    };
    let mut bench = Bench::new(Link { loss, ..Link::default() });
    let arrived: Vec<_> = (0..50_000).map(|_| !bench.send(NOW, 1).is_empty()).collect();
    let lost = arrived.iter().filter(|arrived| !**arrived).count();
    let bursts = arrived.windows(2).filter(|pair| pair[0] && !pair[1]).count();
    assert!((500..2000).contains(&lost), "{lost}");
    assert!((7.0..13.0).contains(&(lost as f64 / bursts as f64)), "{lost} in {bursts}");
}

#[test]
fn some_arrive_twice() {
    let mut bench = Bench::new(Link { duplicate: 0.25, ..Link::default() });
    let arrivals: usize = (0..10_000).map(|_| bench.send(NOW, 1).len()).sum();
    assert!((12_300..12_700).contains(&arrivals), "{arrivals}");
    assert_eq!(bench.statistics.duplicated, arrivals as u64 - 10_000);
}

#[test]
fn some_are_overtaken() {
    let reorder_delay = Duration::from_millis(3);
    let mut bench = Bench::new(Link { reorder: 0.1, reorder_delay, ..Link::default() });
    let times: Vec<_> = (0..1000).flat_map(|n| bench.send(Duration::from_millis(n), 1)).collect();
    let late = times.iter().zip(0..).filter(|(at, sent)| **at == sent + 3).count();
    let on_time = times.iter().zip(0..).filter(|(at, sent)| **at == *sent).count();
    assert_eq!(late + on_time, 1000);
    assert!((60..140).contains(&late), "{late}");
}

#[test]
fn corruption_flips_one_bit() {
    let mut bench = Bench::new(Link { corrupt: 1.0, ..Link::default() });
    let (_, packet) = bench.send_packet(NOW, packet(50));
    let ones: u32 = packet.unwrap().contents.iter().map(|byte| byte.count_ones()).sum();
    assert_eq!(ones, 1);
    assert_eq!(bench.send(NOW, 0), [0], "nothing to flip");
}

#[test]
fn what_is_larger_than_the_mtu_is_dropped() {
    let mut bench = Bench::new(Link { mtu: 1280, ..Link::default() });
    assert_eq!(bench.send(NOW, 1252), [0]);
    assert_eq!(bench.send(NOW, 1253), []);
    assert_eq!(bench.statistics.too_big, 1);
}

#[test]
fn wild_settings_do_not_overflow() {
    let mut bench = Bench::new(Link { rate: Some(0), queue: 2000, ..Link::default() });
    assert_eq!(bench.send(NOW, 100).len(), 1);
    let mut bench =
        Bench::new(Link { rate: Some(u64::MAX), loss: Loss::Random(7.0), ..Link::default() });
    assert_eq!(bench.send(NOW, 100), []);
}
