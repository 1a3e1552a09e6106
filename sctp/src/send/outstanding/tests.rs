//! Rules of SACK processing, chunk by chunk.

use super::*;
use crate::chunk::Chunks;
use crate::chunk::forward_tsn::Skipped;
use crate::chunk::sack;

fn fragment(len: usize) -> Fragment {
    Fragment {
        form: Form::Data,
        stream: 1,
        message: 0,
        ppid_or_fsn: 53,
        order: Order::Ordered,
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
    assert_eq!(outstanding.next_marked(now, |message| unfinished.push(message)), None);
    outstanding.check();
    let message = Unfinished { form: Form::Data, stream: 1, order: Order::Ordered, message: 0 };
    assert_eq!(unfinished, [Some(message)]);
    assert!(outstanding.must_forward());
    let mut streams = Vec::new();
    // Three fragments, and the number that stands for the rest.
    assert_eq!(outstanding.forward_point(Form::Data, 10, &mut streams), Tsn(4));
    assert_eq!(streams, [Skipped { stream: 1, order: Order::Ordered, message: 0 }]);
    assert_eq!(outstanding.payload(), 0);
    acknowledge(&mut outstanding, now, 4, &[]).unwrap();
    assert!(outstanding.is_empty());
}

#[test]
fn an_interleaved_message_is_given_up_and_those_between_stay() {
    // Fragments of messages on streams 1 and 2 in turn; the one on 1 may not be sent again.
    let now = Instant::now();
    let mut outstanding = Outstanding::new(Tsn(1), 1000);
    for index in 0..6 {
        let stream = 1 + index % 2;
        let piece = Fragment {
            form: Form::IData,
            stream,
            begin: index < 2,
            end: index >= 4,
            max_retransmits: (stream == 1).then_some(0),
            ..fragment(100)
        };
        outstanding.send(now, piece, 0, &mut Vec::new());
    }
    outstanding.mark_all();
    let mut unfinished = Vec::new();
    let next = outstanding.next_marked(now, |message| unfinished.push(message));
    assert_eq!(next, Some((1, 120)));
    assert_eq!(unfinished, [None]);
    outstanding.check();
    let states = [1, 2, 3, 4, 5, 6].map(|tsn| outstanding.state(Tsn(tsn)).unwrap());
    let (given_up, lost) = (State::Abandoned, State::Marked);
    assert_eq!(states, [given_up, lost, given_up, lost, given_up, lost]);
    let mut streams = Vec::new();
    assert_eq!(outstanding.forward_point(Form::IData, 100, &mut streams), Tsn(1));
    assert_eq!(streams, [Skipped { stream: 1, order: Order::Ordered, message: 0 }]);
}
