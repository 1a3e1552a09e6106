//! RFC 9260 §7.2 and RFC 9438: windows.

use crate::lone::Lone;
use crate::pair::{message, ms, plain};
use peerless_sctp::CongestionControl;
use std::time::Duration;

/// The largest DATA chunk, PMDCS: 1160 bytes without the common header.
const SEGMENT: usize = 1148;

/// Z, which has much to send in chunks of that size.
struct Flow {
    lone: Lone,
    /// How many chunks have left for the first time, and how many were acknowledged.
    sent: i32,
    acknowledged: i32,
}

impl Flow {
    fn new(congestion_control: CongestionControl, packets: u32) -> Self {
        let mut config = plain();
        config.congestion_control = congestion_control;
        config.initial_window = packets;
        config.heartbeat_interval = None;
        let lone = Lone::new(&config);
        let mut flow = Self { lone, sent: 0, acknowledged: 0 };
        flow.lone.take_sack(-1, 10_000_000, &[]);
        flow
    }

    fn reno(packets: u32) -> Self {
        Self::new(CongestionControl::NewReno, packets)
    }

    /// Whatever may leave in a round trip does.
    fn fly(&mut self) -> i32 {
        while self.lone.z.total_buffered_amount() < 1_000_000 {
            self.lone.z.send(self.lone.now, message(0, 1132, 1)).unwrap();
        }
        self.go()
    }

    /// What is there may leave.
    fn go(&mut self) -> i32 {
        let made = self.lone.round();
        let numbers = made.iter().flat_map(|made| self.lone.numbers(&made.bytes));
        let next = numbers.map(|number| number as i32 + 1).max().unwrap_or(0);
        let before = self.sent;
        self.sent = self.sent.max(next);
        self.sent - before
    }

    /// All but the oldest `lost` have arrived.
    fn lose(&mut self, lost: i32) {
        let (first, last) = (lost + 1, self.sent - self.acknowledged);
        self.lone.take_sack(self.acknowledged - 1, 10_000_000, &[(first as u16, last as u16)]);
    }

    fn acknowledge(&mut self, count: i32) {
        self.acknowledged += count;
        self.lone.take_sack(self.acknowledged - 1, 10_000_000, &[]);
    }

    fn acknowledge_all(&mut self) {
        self.acknowledge(self.sent - self.acknowledged);
    }

    fn window(&self) -> usize {
        self.lone.z.stats().congestion_window
    }

    fn threshold(&self) -> Option<usize> {
        self.lone.z.stats().slow_start_threshold
    }
}

#[test]
fn the_window_begins_as_configured_and_is_filled() {
    // §7.2.1: "an endpoint is allowed to have cwnd bytes of data outstanding". §7.2: chunks count with
    // their header and padding.
    let mut flow = Flow::reno(4);
    assert_eq!(
        (flow.window(), flow.threshold()),
        (4 * SEGMENT, None),
        "ssthresh is arbitrarily high"
    );
    assert_eq!(flow.fly(), 4);
    assert_eq!(flow.lone.z.stats().bytes_in_flight, 4 * SEGMENT);
    let mut lone = Lone::new(&plain());
    lone.send(1);
    lone.now();
    assert_eq!(lone.z.stats().bytes_in_flight, 16 + 4);
}

#[test]
fn slow_start_adds_what_is_acknowledged() {
    // §7.2.1: "the total size of the previously outstanding DATA chunk(s) acknowledged".
    let mut flow = Flow::reno(10);
    flow.fly();
    for count in 1..=4 {
        flow.acknowledge(1);
        assert_eq!(flow.window(), (10 + count) * SEGMENT);
    }
    // One that acknowledges nothing adds nothing.
    flow.acknowledge(0);
    assert_eq!(flow.window(), 14 * SEGMENT);
}

#[test]
fn a_window_that_is_not_used_does_not_grow() {
    // §7.2.1: "only if the current congestion window is being fully utilized".
    let mut flow = Flow::reno(10);
    for _ in 0..20 {
        for _ in 0..3 {
            flow.lone.send(1132);
        }
        assert_eq!(flow.go(), 3);
        flow.acknowledge_all();
    }
    assert_eq!(flow.window(), 10 * SEGMENT);
}

#[test]
fn a_loss_halves_the_window() {
    // §7.2.3, §7.2.4: ssthresh = max(cwnd / 2, 4 · PMDCS), cwnd = ssthresh.
    let mut flow = Flow::reno(20);
    assert_eq!(flow.fly(), 20);
    flow.lose(1);
    assert_eq!((flow.window(), flow.threshold()), (10 * SEGMENT, Some(10 * SEGMENT)));
    let mut flow = Flow::reno(5);
    flow.fly();
    flow.lose(1);
    assert_eq!((flow.window(), flow.threshold()), (4 * SEGMENT, Some(4 * SEGMENT)));
}

#[test]
fn congestion_avoidance_adds_one_packet_in_a_round_trip() {
    // §7.2.2: "SCTP MUST NOT increment cwnd by more than PMDCS per RTT."
    let mut flow = Flow::reno(20);
    flow.fly();
    flow.lose(1);
    flow.fly();
    flow.acknowledge_all();
    for packets in 11..21 {
        assert_eq!(flow.window(), packets * SEGMENT);
        assert_eq!(flow.fly(), packets as i32);
        flow.acknowledge_all();
    }
    // "if the sender has cwnd or more bytes of data outstanding".
    let before = flow.window();
    while flow.lone.z.total_buffered_amount() > 0 {
        flow.go();
        flow.acknowledge_all();
    }
    let full = flow.window();
    assert!(full > before);
    for _ in 0..100 {
        flow.lone.send(1132);
        flow.go();
        flow.acknowledge_all();
    }
    assert_eq!(flow.window(), full);
}

#[test]
fn three_packets_that_left_later_show_a_loss_and_two_do_not() {
    // §7.2.4: "it SHOULD wait for two further miss indications". Packets are counted, not SACKs.
    let mut flow = Flow::reno(10);
    assert_eq!(flow.fly(), 10);
    for last in [2, 3] {
        flow.lone.take_sack(-1, 10_000_000, &[(2, last)]);
        assert!(flow.lone.now().iter().all(|made| !flow.lone.numbers(&made.bytes).contains(&0)));
    }
    assert_eq!(flow.lone.z.stats().fast_recoveries, 0);
    flow.lone.take_sack(-1, 10_000_000, &[(2, 4)]);
    // Step 3: at once, whatever cwnd says: 7 packets are in flight and cwnd is 5.
    assert_eq!(flow.lone.numbers_now()[0], [0]);
    assert_eq!(flow.lone.z.stats().fast_recoveries, 1);
    assert!(flow.window() < flow.lone.z.stats().bytes_in_flight);
}

#[test]
fn as_many_lost_chunks_go_at_once_as_fit_into_one_packet() {
    // §7.2.4, 3: "Retransmit those K DATA chunks in a single packet."
    let mut flow = Flow::reno(10);
    for _ in 0..30 {
        flow.lone.send(300);
        flow.lone.now();
    }
    flow.go();
    let chunk_len = flow.lone.z.stats().bytes_in_flight / 30;
    assert_eq!(chunk_len, 316);
    flow.lone.take_sack(-1, 10_000_000, &[(7, 10)]);
    // 20 chunks are in flight still, more than cwnd.
    let numbers = flow.lone.numbers_now();
    assert_eq!(numbers, [[0, 1, 2]]);
    // The others when cwnd allows.
    flow.lone.take_sack(2, 10_000_000, &[(4, 27)]);
    assert_eq!(flow.lone.numbers_now()[0], [3, 4, 5]);
}

#[test]
fn one_recovery_halves_the_window_once() {
    // §7.2.4, 6: "one SHOULD NOT reduce the cwnd further due to a subsequent Fast Retransmit"; and when
    // the exit point is acknowledged, "Fast Recovery is exited" (§6.2.1 D.iv).
    let mut flow = Flow::reno(20);
    flow.fly();
    flow.lone.take_sack(-1, 10_000_000, &[(2, 9)]);
    assert_eq!(flow.window(), 10 * SEGMENT);
    flow.lone.now();
    flow.lone.take_sack(-1, 10_000_000, &[(2, 9), (11, 20)]);
    assert_eq!((flow.window(), flow.lone.z.stats().fast_recoveries), (10 * SEGMENT, 1));
    flow.fly();
    // Nor does it grow before its end.
    flow.lone.take_sack(8, 10_000_000, &[(2, 11)]);
    assert_eq!(flow.window(), 10 * SEGMENT);
    flow.acknowledge_all();
    flow.fly();
    flow.lose(1);
    assert_eq!((flow.window(), flow.lone.z.stats().fast_recoveries), (5 * SEGMENT, 2));
}

#[test]
fn a_retransmission_that_is_lost_needs_no_second_timer() {
    // Beyond §7.2.4, 5, which leaves it to T3-rtx: RFC 8985.
    let mut flow = Flow::reno(20);
    flow.fly();
    flow.lose(1);
    let sent = flow.sent;
    flow.fly();
    assert!(flow.sent > sent + 3, "new data flows behind it");
    flow.lose(1);
    assert_eq!(flow.lone.numbers_now()[0], [0]);
    assert_eq!(flow.lone.z.stats().timeouts, 0);
}

#[test]
fn an_idle_window_shrinks_with_each_timeout() {
    // §7.2.1: "SHOULD be adjusted to max(cwnd / 2, 4 * PMDCS) once per RTO. Before the first cwnd
    // adjustment, the ssthresh … SHOULD be set to the cwnd." Not below what it would begin with.
    let mut flow = Flow::reno(4);
    for _ in 0..5 {
        flow.fly();
        flow.acknowledge_all();
    }
    while flow.lone.z.total_buffered_amount() > 0 {
        flow.go();
        flow.acknowledge_all();
    }
    let (window, rto) = (flow.window(), flow.lone.z.stats().retransmission_timeout);
    assert!(window > 64 * SEGMENT, "{window}");
    flow.lone.wait(2 * rto + ms(10));
    flow.lone.send(10);
    flow.lone.now();
    assert_eq!((flow.window(), flow.threshold()), (window / 4, Some(window)));
    flow.sent += 1;
    flow.acknowledge_all();
    flow.lone.wait(Duration::from_secs(100));
    flow.lone.send(10);
    flow.lone.now();
    assert_eq!(flow.window(), 4 * SEGMENT);
}

#[test]
fn another_path_begins_with_a_new_window() {
    // §7.2.5.2: "the congestion control parameters … MUST be reset to their initial values".
    for kind in [CongestionControl::NewReno, CongestionControl::Cubic, CongestionControl::Bbr] {
        let mut flow = Flow::new(kind, 10);
        for _ in 0..3 {
            flow.fly();
            flow.acknowledge_all();
        }
        flow.fly();
        assert!(flow.window() > 10 * SEGMENT, "{kind:?}");
        flow.lone.z.path_changed(flow.lone.now);
        assert_eq!((flow.window(), flow.threshold()), (10 * SEGMENT, None), "{kind:?}");
        // What was outstanding goes again, at once, and is no verdict on this path.
        let again = flow.lone.numbers_now().into_iter().flatten().next();
        assert_eq!(again.map(|number| number as i32), Some(flow.acknowledged), "{kind:?}");
        assert_eq!((flow.window(), flow.threshold()), (10 * SEGMENT, None), "{kind:?}");
        assert_eq!(flow.lone.z.stats().timeouts, 0, "{kind:?}");
    }
}

#[test]
fn cubic_keeps_seven_tenths_and_returns_to_where_it_was() {
    // RFC 9438 §4.6: β is 0.7; §4.2: the window is at W_max again after K = ∛(W_max · 0.3 / 0.4)
    // seconds, and rests there.
    let mut flow = Flow::new(CongestionControl::Cubic, 100);
    assert_eq!(flow.fly(), 100);
    flow.lose(1);
    assert_eq!(flow.window(), 70 * SEGMENT);
    flow.fly();
    flow.acknowledge_all();
    let begin = flow.lone.now;
    let mut reached = None;
    let mut before = flow.window();
    while reached.is_none() {
        flow.fly();
        flow.acknowledge_all();
        assert!(flow.window() >= before, "concave, not back");
        before = flow.window();
        reached = (before >= 99 * SEGMENT).then_some(flow.lone.now - begin);
    }
    // K is 4.2 s; as fast as NewReno at least (§4.3), which adds 0.53 packets in each 20 ms.
    let reached = reached.unwrap();
    assert!((ms(500)..ms(4300)).contains(&reached), "{reached:?}");
}

#[test]
fn the_model_does_not_take_one_loss_for_congestion() {
    // One of a hundred is lost where round trips show no queue: the window stays.
    let mut flow = Flow::new(CongestionControl::Bbr, 100);
    for _ in 0..3 {
        flow.fly();
        flow.acknowledge_all();
    }
    flow.fly();
    let before = flow.window();
    flow.lose(1);
    assert!(flow.window() >= before * 9 / 10, "{} {before}", flow.window());
    assert_eq!(flow.lone.numbers_now()[0][0] as i32, flow.acknowledged);
}
