//! Fragments of interleaved messages, in any order.

use super::*;
use crate::chunk::data::{BEGIN, END, Form};
use crate::tsn::Tsn;

fn fragment(fsn: u32, flags: u8, payload: &'static [u8]) -> Data<'static> {
    let ppid_or_fsn = if flags & BEGIN != 0 { 51 } else { fsn };
    Data { form: Form::IData, flags, tsn: Tsn(0), stream: 1, message: 7, ppid_or_fsn, payload }
}

#[test]
fn fragments_in_any_order_make_the_message() {
    let fragments = [
        fragment(0, BEGIN, b"one "),
        fragment(1, 0, b"two "),
        fragment(2, 0, b"three "),
        fragment(3, END, b"four"),
    ];
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1], [3, 0, 2, 1]] {
        let mut partial = Partial::default();
        for (count, index) in order.into_iter().enumerate() {
            partial.insert(&fragments[index], 100, 50, &mut Memory::default()).unwrap();
            assert_eq!(partial.is_whole(), count == 3, "{order:?}");
        }
        assert_eq!(partial.held(), Held { bytes: 18 + 2 * OVERHEAD, reserved: 50, stuck: 0 });
        let (bytes, end) = partial.take().unwrap();
        assert_eq!((&bytes[..], end), (&b"one two three four"[..], true));
    }
}

#[test]
fn a_message_can_be_taken_in_parts() {
    let mut partial = Partial::default();
    partial.insert(&fragment(2, END, b"three"), 100, 0, &mut Memory::default()).unwrap();
    assert_eq!(partial.take(), None);
    partial.insert(&fragment(0, BEGIN, b"one"), 100, 0, &mut Memory::default()).unwrap();
    assert_eq!(partial.take(), Some((Bytes::from_static(b"one"), false)));
    assert_eq!(partial.take(), None);
    partial.insert(&fragment(1, 0, b"two"), 100, 0, &mut Memory::default()).unwrap();
    assert_eq!(partial.take(), Some((Bytes::from_static(b"twothree"), true)));
    assert_eq!(partial.held().bytes, OVERHEAD);
}

#[test]
fn misfits_are_found() {
    let inconsistent = |fragments: &[Data<'static>]| {
        let mut partial = Partial::default();
        let (last, before) = fragments.split_last().unwrap();
        for fragment in before {
            partial.insert(fragment, 10, 0, &mut Memory::default()).unwrap();
        }
        assert_eq!(
            partial.insert(last, 10, 0, &mut Memory::default()),
            Err(Misfit::Inconsistent),
            "{fragments:?}"
        );
    };
    let begin = fragment(0, BEGIN, b"a");
    inconsistent(&[begin, begin]);
    inconsistent(&[begin, fragment(1, 0, b"b"), fragment(1, 0, b"b")]);
    inconsistent(&[begin, fragment(2, END, b"b"), fragment(3, 0, b"b")]);
    inconsistent(&[begin, fragment(3, 0, b"b"), fragment(2, END, b"b")]);
    inconsistent(&[begin, fragment(u32::MAX, 0, b"b")]);
    let mut partial = Partial::default();
    partial.insert(&begin, 4, 0, &mut Memory::default()).unwrap();
    assert_eq!(
        partial.insert(&fragment(5, 0, b"many"), 4, 0, &mut Memory::default()),
        Err(Misfit::TooLarge)
    );
}

#[test]
fn fragments_that_come_last_first_are_copied_a_few_times_only() {
    // Runs that touch are joined when that costs no more than what has come.
    let (mut partial, memory) = (Partial::default(), &mut Memory::default());
    partial.insert(&fragment(5000, END, &[0; 4000]), 10_000, 0, memory).unwrap();
    for fsn in (1..5000).rev() {
        assert!(!partial.is_whole());
        partial.insert(&fragment(fsn, 0, b"x"), 10_000, 0, memory).unwrap();
        let lens: Vec<_> = partial.runs.iter().map(|run| run.bytes.len()).collect();
        assert!(lens.windows(2).all(|pair| 2 * pair[0] < pair[1]), "{fsn}: {lens:?}");
    }
    partial.insert(&fragment(0, BEGIN, b"first"), 10_000, 0, memory).unwrap();
    assert!(partial.is_whole());
    let payload = partial.into_payload(memory).unwrap();
    assert_eq!(payload.len(), 5 + 4999 + 4000);
    assert_eq!(&payload[..7], b"firstxx");
}

#[test]
fn runs_are_bounded() {
    let mut partial = Partial::default();
    for index in 0..2048 {
        partial
            .insert(&fragment(2 * index + 2, 0, b"x"), 10_000, 0, &mut Memory::default())
            .unwrap();
    }
    assert_eq!(
        partial.insert(&fragment(5000, 0, b"x"), 10_000, 0, &mut Memory::default()),
        Err(Misfit::Inconsistent)
    );
}

#[test]
fn messages_given_up_are_dropped() {
    let mut partials = Partials::default();
    for (message, flags) in [(1, 0), (2, 0), (3, 0), (1, 4), (2, 4)] {
        let data = Data { message, ..fragment(0, BEGIN | flags, b"xyz") };
        partials
            .entry(&data, &mut Memory::default())
            .insert(&data, 100, 0, &mut Memory::default())
            .unwrap();
        partials.note_begun(data.order(), message);
    }
    let dropped = partials.forward_to(Order::Ordered, 2);
    assert_eq!(dropped, Held { bytes: 2 * (3 + 2 * OVERHEAD), reserved: 0, stuck: 0 });
    assert!(partials.get_mut(Order::Ordered, 2).is_none());
    assert!(partials.get_mut(Order::Ordered, 3).is_some());
    assert!(partials.get_mut(Order::Unordered, 1).is_some());
    assert_eq!(partials.readable(3), Some((Order::Ordered, 3)));
    assert_eq!(partials.readable(2), Some((Order::Unordered, 1)));
    partials.forward_to(Order::Unordered, 1);
    assert_eq!(partials.readable(2), Some((Order::Unordered, 2)));
    partials.remove(Order::Unordered, 2);
    assert_eq!(partials.readable(2), None);
    assert_eq!(partials.clear().bytes, 3 + 2 * OVERHEAD);
    assert!(partials.begun.is_empty());
}

#[test]
fn messages_given_up_are_found_across_the_wrap() {
    for last in [0, 1, 5, (1 << 31) - 2, (1 << 31) - 1, 1 << 31, u32::MAX - 1, u32::MAX] {
        let mut partials = Partials::default();
        for (distance, flags) in [(-3, 0), (0, 0), (1, 0), (-(1 << 30), 0), (1 << 30, 0), (0, 4)] {
            let message = last.wrapping_add_signed(distance);
            let data = Data { message, ..fragment(0, BEGIN | flags, b"x") };
            let memory = &mut Memory::default();
            partials.entry(&data, memory).insert(&data, 100, 0, memory).unwrap();
        }
        partials.forward_to(Order::Ordered, last);
        let left: Vec<_> = partials.all.keys().copied().collect();
        assert_eq!(left.len(), 3, "{last}: {left:?}");
        for (order, message) in left {
            assert!(order == Order::Unordered || number_is_after(message, last), "{last}");
        }
    }
}
