use super::*;
use crate::handover::{Reader, Writer};
use crate::message::Outgoing;

fn message(len: usize) -> Queued {
    let message = Outgoing::new(0, 53, Bytes::from(vec![1; len]));
    Queued::new(Instant::now(), message, Parts::Whole, true)
}

fn queues() -> Queues {
    Queues::new(Scheduler::RoundRobin)
}

fn interleaved() -> Queues {
    let mut queues = queues();
    queues.set_form(Form::IData);
    queues.set_begun_limit(100_000);
    queues
}

/// Takes up to `len` bytes of the message whose turn it is.
fn take(queues: &mut Queues, len: usize) -> Option<Fragment> {
    let number = queues.schedule.first()?;
    queues.take(number, len)
}

/// Takes everything in fragments of up to ten bytes: streams, numbers, and which ends they are.
fn all(queues: &mut Queues) -> Vec<(u16, u32, bool, bool)> {
    let mut order = Vec::new();
    while queues.front(Instant::now(), &mut 0).is_some() {
        let fragment = take(queues, 10).unwrap();
        let (begin, end) = (fragment.flags & data::BEGIN != 0, fragment.flags & data::END != 0);
        order.push((fragment.stream, fragment.message, begin, end));
    }
    assert!(queues.is_empty());
    assert_eq!((queues.bytes(), queues.begun, queues.pieces), (0, 0, 0));
    order
}

#[test]
fn streams_take_turns_by_message() {
    let mut queues = queues();
    queues.push(1, message(25));
    queues.push(1, message(5));
    queues.push(2, message(5));
    let expected = [
        (1, 0, true, false),
        (1, 0, false, false),
        (1, 0, false, true),
        (2, 0, true, true),
        (1, 1, true, true),
    ];
    assert_eq!(all(&mut queues), expected);
    assert_eq!(queues.buffered(1), 0);
}

#[test]
fn a_message_that_is_not_interleaved_is_ended_before_a_more_urgent_one() {
    let mut queues = Queues::new(Scheduler::Priority);
    queues.push(1, message(25));
    take(&mut queues, 10);
    queues.set_priority(2, 1024);
    queues.push(2, message(5));
    let expected = [(1, 0, false, false), (1, 0, false, true), (2, 0, true, true)];
    assert_eq!(all(&mut queues), expected);
}

#[test]
fn interleaved_streams_take_turns_by_chunk() {
    let mut queues = interleaved();
    queues.push(1, message(25));
    queues.push(1, message(5));
    queues.push(2, message(15));
    let expected = [
        (1, 0, true, false),
        (2, 0, true, false),
        (1, 0, false, false),
        (2, 0, false, true),
        (1, 0, false, true),
        (1, 1, true, true),
    ];
    assert_eq!(all(&mut queues), expected);
}

#[test]
fn interleaved_fragments_are_numbered_and_both_orders_counted_apart() {
    let mut queues = interleaved();
    queues.push(1, message(25));
    queues.push(1, Queued { order: Order::Unordered, ..message(5) });
    queues.push(1, message(5));
    let fields: Vec<_> = std::iter::from_fn(|| take(&mut queues, 10))
        .map(|fragment| (fragment.flags & data::UNORDERED, fragment.message, fragment.ppid_or_fsn))
        .collect();
    let expected = [(0, 0, 53), (0, 0, 1), (0, 0, 2), (data::UNORDERED, 0, 53), (0, 1, 53)];
    assert_eq!(fields, expected);
}

#[test]
fn no_more_large_messages_are_begun_than_the_receiver_has_room_for() {
    let mut queues = interleaved();
    for stream in 0..5 {
        queues.push(stream, message(40_000));
    }
    queues.push(9, message(20));
    let mut begun = Vec::new();
    let mut most = 0;
    while queues.front(Instant::now(), &mut 0).is_some() {
        let fragment = take(&mut queues, 1000).unwrap();
        if fragment.flags & data::BEGIN != 0 {
            begun.push(fragment.stream);
        }
        most = most.max(queues.begun);
    }
    assert_eq!(begun, [0, 1, 9, 2, 3, 4]);
    assert_eq!(most, 80_000);
    assert!(queues.is_empty());
}

#[test]
fn a_message_may_be_written_in_parts() {
    let mut queues = interleaved();
    let mut open = message(0);
    open.parts = Parts::Open(Box::default());
    queues.push(1, open);
    assert!(queues.is_empty(), "there is no byte");
    assert!(queues.append(1, Bytes::from_static(b"one ")));
    assert_eq!(queues.front(Instant::now(), &mut 0).unwrap().1, 3, "the last byte is held back");
    let first = take(&mut queues, 10).unwrap();
    assert_eq!((&first.payload[..], first.flags), (&b"one"[..], data::BEGIN));
    assert!(queues.is_empty());
    assert!(queues.append(1, Bytes::from_static(b"two")));
    assert!(queues.append(1, Bytes::from_static(b" three")));
    assert_eq!(&take(&mut queues, 6).unwrap().payload[..], b" two t");
    assert!(queues.finish(1));
    let last = take(&mut queues, 100).unwrap();
    assert_eq!((&last.payload[..], last.flags), (&b"hree"[..], data::END));
    assert!(queues.is_empty());
    assert!(!queues.append(1, Bytes::from_static(b"late")));
    assert_eq!((queues.bytes(), queues.buffered(1)), (0, 0));
    assert_eq!((queues.pieces, queues.held_back), (0, 0));
}

#[test]
fn a_message_in_parts_may_be_abandoned() {
    let mut queues = interleaved();
    queues.push(1, message(5));
    let mut open = message(20);
    open.parts = Parts::Open(Box::default());
    queues.push(1, open);
    take(&mut queues, 10);
    take(&mut queues, 10);
    assert_eq!(queues.abandon_open(1), Some((Order::Ordered, 1)));
    assert!(queues.is_empty());
    assert_eq!((queues.bytes(), queues.buffered(1)), (0, 0));
    assert_eq!((queues.pieces, queues.held_back), (0, 0));
    queues.push(1, message(5));
    assert_eq!(take(&mut queues, 10).unwrap().message, 2);
}

#[test]
fn low_is_told_once_each_time_it_is_crossed() {
    let mut queues = queues();
    queues.set_low_threshold(1, 10);
    queues.push(1, message(30));
    assert_eq!(queues.poll_low(), None);
    take(&mut queues, 15);
    assert_eq!(queues.poll_low(), None);
    take(&mut queues, 5);
    assert_eq!(queues.poll_low(), Some(1));
    take(&mut queues, 5);
    assert_eq!(queues.poll_low(), None);
    queues.push(1, message(30));
    take(&mut queues, 5);
    take(&mut queues, 30);
    assert_eq!(queues.poll_low(), Some(1));
}

#[test]
fn low_is_told_once_until_it_is_asked_for() {
    let mut queues = queues();
    for _ in 0..3 {
        queues.push(1, message(30));
        take(&mut queues, 30);
    }
    assert_eq!([queues.poll_low(), queues.poll_low()], [Some(1), None]);
    queues.push(1, message(30));
    take(&mut queues, 30);
    assert_eq!(queues.poll_low(), Some(1));
}

#[test]
fn expired_messages_are_dropped_before_they_are_begun() {
    let now = Instant::now();
    let mut queues = queues();
    queues.push(1, Queued { expires: Some(now), ..message(30) });
    queues.push(1, message(7));
    let mut expired = 0;
    let later = now + std::time::Duration::from_millis(1);
    assert_eq!(queues.front(later, &mut expired).unwrap().1, 7);
    assert_eq!((expired, queues.bytes()), (1, 7));
    assert_eq!(take(&mut queues, 10).unwrap().message, 0, "no number was spent");
}

#[test]
fn a_reset_waits_for_the_queue() {
    let mut queues = queues();
    queues.push(3, message(5));
    queues.reset_when_empty(3);
    queues.reset_when_empty(4);
    assert_eq!(queues.drained, BTreeSet::from([4]));
    take(&mut queues, 10);
    assert_eq!(queues.drained, BTreeSet::from([3, 4]));
}

#[test]
fn what_is_queued_after_a_reset_waits_for_its_answer() {
    let mut queues = interleaved();
    queues.push(3, message(15));
    queues.reset_when_empty(3);
    queues.push(3, message(5));
    // A stream without state, too.
    queues.reset_when_empty(4);
    queues.push(4, message(5));
    assert_eq!(all_that_may_leave(&mut queues), [(3, 0), (3, 0)]);
    assert_eq!([queues.pop_drained(), queues.pop_drained()], [Some(3), Some(4)]);
    assert!(!queues.is_used(3), "it is being reset");
    assert_eq!(all_that_may_leave(&mut queues), []);
    // What waits for one reset may be followed by another.
    queues.reset_when_empty(3);
    queues.push(3, message(5));
    queues.end_reset(3, true);
    assert_eq!(all_that_may_leave(&mut queues), [(3, 0)]);
    assert_eq!(queues.pop_drained(), Some(3));
    queues.end_reset(3, false);
    queues.end_reset(4, true);
    assert_eq!(all_that_may_leave(&mut queues), [(3, 1), (4, 0)]);
    assert!(!queues.has_drained());
}

/// Takes what may leave in fragments of up to ten bytes: streams and numbers.
fn all_that_may_leave(queues: &mut Queues) -> Vec<(u16, u32)> {
    let mut left = Vec::new();
    while queues.front(Instant::now(), &mut 0).is_some() {
        let fragment = take(queues, 10).unwrap();
        left.push((fragment.stream, fragment.message));
    }
    left
}

#[test]
fn what_is_said_to_have_left_cannot_overflow_a_sum() {
    let resume = |sent: usize| {
        let mut handed = interleaved();
        for stream in 0..300 {
            handed.push(stream, message(2000));
            handed.streams.get_mut(stream).unwrap().queue[0].sent = sent;
        }
        let mut out = Writer::new(Instant::now());
        handed.hand_over(&mut out);
        let bytes = out.into_bytes();
        let mut queues = queues();
        let resumed = queues.resume(&mut Reader::new(&bytes, Instant::now()).unwrap());
        resumed.map(|()| queues.begun)
    };
    assert_eq!(resume(10), Ok(300 * 2010));
    assert!(resume((1 << 56) - 1).is_err());
}
