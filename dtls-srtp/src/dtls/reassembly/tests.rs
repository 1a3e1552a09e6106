use std::ops::Range;

use rand::rngs::ChaCha20Rng;
use rand::{RngExt, SeedableRng};

use super::*;

const KIND: HandshakeType = HandshakeType::Certificate;

/// A fragment of a message whose byte at `n` is `n`.
fn fragment(seq: u16, length: u32, range: Range<u32>) -> (FragmentHeader, Vec<u8>) {
    let fragment_length = range.end - range.start;
    let header = FragmentHeader {
        kind: KIND,
        length,
        message_seq: seq,
        offset: range.start,
        fragment_length,
    };
    (header, range.map(|n| n as u8).collect())
}

fn insert(inbox: &mut Inbox, (header, body): (FragmentHeader, Vec<u8>)) -> Inserted {
    inbox.insert(Epoch::PLAINTEXT, Fragment { header, body: &body })
}

fn taken(inbox: &mut Inbox) -> Option<Vec<u8>> {
    inbox.take().map(|complete| complete.message().body.to_vec())
}

#[test]
fn messages_come_out_in_order() {
    let mut inbox = Inbox::new(Role::Client, 1000);
    assert_eq!(insert(&mut inbox, fragment(1, 2, 0..2)), Inserted::Kept);
    assert_eq!(insert(&mut inbox, fragment(2, 0, 0..0)), Inserted::Kept);
    assert!(taken(&mut inbox).is_none());
    assert_eq!(insert(&mut inbox, fragment(0, 3, 0..3)), Inserted::Kept);
    assert_eq!(taken(&mut inbox), Some(vec![0, 1, 2]));
    assert_eq!(taken(&mut inbox), Some(vec![0, 1]));
    assert_eq!(taken(&mut inbox), Some(vec![]));
    assert!(taken(&mut inbox).is_none());
}

#[test]
fn any_cover_of_a_message_gives_the_message() {
    for seed in 0..200 {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let length = rng.random_range(1..200);
        let mut inbox = Inbox::new(Role::Client, 1000);
        let mut covered = vec![false; length as usize];
        loop {
            let start = rng.random_range(0..length);
            let end = rng.random_range(start..=length);
            let news = covered[start as usize..end as usize].iter().any(|byte| !byte);
            let inserted = insert(&mut inbox, fragment(0, length, start..end));
            assert_eq!(inserted == Inserted::Kept, news, "seed {seed}");
            covered[start as usize..end as usize].fill(true);
            let whole = covered.iter().all(|byte| *byte);
            let message = taken(&mut inbox);
            assert_eq!(message.is_some(), whole, "seed {seed}");
            if let Some(message) = message {
                assert_eq!(message, (0..length).map(|n| n as u8).collect::<Vec<_>>());
                break;
            }
        }
    }
}

#[test]
fn contradicting_fragments_are_dropped() {
    let mut inbox = Inbox::new(Role::Client, 1000);
    insert(&mut inbox, fragment(0, 10, 0..5));
    assert_eq!(insert(&mut inbox, fragment(0, 11, 5..11)), Inserted::Dropped, "another length");
    let (mut header, body) = fragment(0, 10, 5..10);
    header.kind = HandshakeType::ServerHello;
    assert_eq!(insert(&mut inbox, (header, body)), Inserted::Dropped, "another type");
    let (header, _) = fragment(0, 10, 0..5);
    assert_eq!(insert(&mut inbox, (header, vec![99; 5])), Inserted::Known, "nothing new");
    insert(&mut inbox, fragment(0, 10, 5..10));
    assert_eq!(taken(&mut inbox), Some((0..10).collect()));
}

#[test]
fn plaintext_cannot_stand_where_a_protected_message_belongs() {
    let mut inbox = Inbox::new(Role::Client, 1000);
    let (mut header, body) = fragment(0, 4, 0..4);
    insert(&mut inbox, (header, body.clone()));

    header.kind = HandshakeType::Finished;
    let finished = Fragment { header, body: &body };
    assert_eq!(inbox.insert(Epoch::PLAINTEXT, finished), Inserted::Dropped);
    assert_eq!(inbox.insert(Epoch::PROTECTED, finished), Inserted::Kept);
    assert_eq!(inbox.take().unwrap().message().kind, HandshakeType::Finished);
}

#[test]
fn memory_is_bounded_and_the_next_message_has_room() {
    let mut inbox = Inbox::new(Role::Client, 1000);
    assert_eq!(insert(&mut inbox, fragment(0, 501, 0..1)), Inserted::Dropped, "over half");
    assert_eq!(insert(&mut inbox, fragment(WINDOW as u16, 1, 0..1)), Inserted::Dropped, "too far");
    for seq in 1..WINDOW as u16 {
        insert(&mut inbox, fragment(seq, 400, 0..1));
    }
    assert!(inbox.bytes() <= 1000);
    assert_eq!(insert(&mut inbox, fragment(0, 500, 0..1)), Inserted::Kept);
    assert!(inbox.bytes() <= 1000);

    // Every second byte of a message, as nobody would send it, costs no more than any other part.
    let mut inbox = Inbox::new(Role::Client, 1000);
    for at in 0..250 {
        assert_eq!(insert(&mut inbox, fragment(0, 500, 2 * at..2 * at + 1)), Inserted::Kept);
    }
    assert_eq!(inbox.messages[0].came.len(), 8);
    insert(&mut inbox, fragment(0, 500, 0..500));
    assert!(taken(&mut inbox).is_some(), "and the whole message gets through");
}

#[test]
fn fragments_of_a_flight_that_was_answered_are_told() {
    let mut inbox = Inbox::new(Role::Client, 1000);
    insert(&mut inbox, fragment(0, 0, 0..0));
    insert(&mut inbox, fragment(1, 0, 0..0));
    taken(&mut inbox);
    assert_eq!(insert(&mut inbox, fragment(0, 0, 0..0)), Inserted::Known, "not answered yet");
    taken(&mut inbox);
    inbox.answered();
    assert_eq!(insert(&mut inbox, fragment(0, 0, 0..0)), Inserted::Answered);
    assert_eq!(insert(&mut inbox, fragment(1, 0, 0..0)), Inserted::Answered);
    assert_eq!(insert(&mut inbox, fragment(2, 1, 0..1)), Inserted::Kept);
}
