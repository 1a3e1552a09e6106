//! Rules of SACK processing, chunk by chunk.

use super::*;
use crate::chunk::Chunks;
use crate::chunk::sack;

fn fragment(len: usize) -> Fragment {
    Fragment {
        stream: 1,
        ssn: 0,
        ppid: 53,
        unordered: false,
        max_retransmits: None,
        expires: None,
        begin: true,
        end: true,
        payload: Bytes::from(vec![0; len]),
    }
}

fn filled(count: usize, now: Instant) -> Outstanding {
    let mut outstanding = Outstanding::new(Tsn(1), 1000);
    for _ in 0..count {
        outstanding.send(now, fragment(100), 0, &mut Vec::new());
    }
    outstanding
}

fn acknowledge(
    outstanding: &mut Outstanding,
    now: Instant,
    cumulative: u32,
    gaps: &[(u32, u32)],
) -> Result<Progress, NeverSent> {
    let gaps: Vec<_> = gaps.iter().map(|&(first, last)| (Tsn(first), Tsn(last))).collect();
    let mut buf = Vec::new();
    sack::write(&mut buf, Tsn(cumulative), 1000, &gaps, &[], 1000);
    let sack = Sack::parse(&Chunks::new(&buf).next().unwrap()).unwrap();
    let progress = outstanding.acknowledge(now, &sack, None);
    outstanding.check();
    progress
}

#[test]
fn three_miss_indications_mark_a_chunk() {
    let now = Instant::now();
    let mut outstanding = filled(6, now);
    for last in [3, 4] {
        let progress = acknowledge(&mut outstanding, now, 1, &[(3, last)]).unwrap();
        assert!(!progress.lost);
    }
    assert!(acknowledge(&mut outstanding, now, 1, &[(3, 5)]).unwrap().lost);
    assert_eq!(outstanding.state(Tsn(2)), Some(State::Marked));
    assert_eq!(outstanding.in_flight(), 116);
}

#[test]
fn the_same_sack_again_is_no_miss_indication() {
    let now = Instant::now();
    let mut outstanding = filled(6, now);
    for _ in 0..5 {
        assert!(!acknowledge(&mut outstanding, now, 1, &[(3, 4)]).unwrap().lost);
    }
}

#[test]
fn a_receiver_may_renege() {
    let now = Instant::now();
    let mut outstanding = filled(6, now);
    acknowledge(&mut outstanding, now, 1, &[(3, 3), (5, 5)]).unwrap();
    assert_eq!(outstanding.payload(), 300);
    acknowledge(&mut outstanding, now, 1, &[(5, 5)]).unwrap();
    assert_eq!(outstanding.state(Tsn(3)), Some(State::InFlight));
    assert_eq!(outstanding.payload(), 400);
}

#[test]
fn what_was_never_sent_cannot_be_acknowledged() {
    let now = Instant::now();
    let mut outstanding = filled(3, now);
    assert_eq!(acknowledge(&mut outstanding, now, 4, &[]).err(), Some(NeverSent));
    assert_eq!(acknowledge(&mut outstanding, now, 1, &[(3, 9)]).err(), Some(NeverSent));
    let progress = acknowledge(&mut outstanding, now, 3, &[]).unwrap();
    assert_eq!(progress.bytes, 2 * 116);
    assert!(outstanding.is_empty());
}

#[test]
fn a_message_is_given_up_with_all_its_fragments() {
    let now = Instant::now();
    let mut outstanding = Outstanding::new(Tsn(1), 1000);
    for index in 0..3 {
        let piece =
            Fragment { begin: index == 0, end: false, max_retransmits: Some(0), ..fragment(100) };
        outstanding.send(now, piece, 0, &mut Vec::new());
    }
    outstanding.mark_all();
    let mut unfinished = Vec::new();
    assert_eq!(outstanding.next_marked(now, |stream| unfinished.push(stream)), None);
    outstanding.check();
    assert_eq!(unfinished, [Some(1)]);
    assert!(outstanding.must_forward());
    let mut streams = Vec::new();
    // Three fragments, and the number that stands for the rest.
    assert_eq!(outstanding.forward_point(10, &mut streams), Tsn(4));
    assert_eq!(streams, [(1, 0)]);
    assert_eq!(outstanding.payload(), 0);
    acknowledge(&mut outstanding, now, 4, &[]).unwrap();
    assert!(outstanding.is_empty());
}
