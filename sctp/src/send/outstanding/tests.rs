//! Rules of SACK processing, chunk by chunk.

use super::*;
use crate::chunk::Chunks;
use crate::chunk::forward_tsn::Skipped;
use crate::chunk::sack::{self, Sack};
use std::time::Duration;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn fragment(len: usize) -> Fragment {
    Fragment {
        payload: Bytes::from(vec![0; len]),
        expires: None,
        ppid_or_fsn: 53,
        max_retransmits: None,
        message: 0,
        stream: 1,
        form: Form::Data,
        flags: data::BEGIN | data::END,
    }
}

/// So many chunks, each in a packet of its own.
fn filled(count: usize, now: Instant) -> Outstanding {
    let mut outstanding = Outstanding::new(Tsn(1));
    for _ in 0..count {
        outstanding.packets.close();
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
    let progress = outstanding.acknowledge(now, &sack);
    outstanding.check();
    progress
}

/// Sends the first marked chunk again.
fn repair(outstanding: &mut Outstanding, now: Instant) {
    outstanding.packets.close();
    let (index, _) = outstanding.next_marked(now, true, |_| {}).unwrap();
    outstanding.send_again(now, index, &mut Vec::new());
    outstanding.check();
}

#[test]
fn three_later_packets_mark_a_chunk() {
    let now = Instant::now();
    let mut outstanding = filled(6, now);
    for last in [3, 4] {
        acknowledge(&mut outstanding, now, 1, &[(3, last)]).unwrap();
        assert_eq!(outstanding.detect(now, ms(50).into(), ms(50).into()).bytes, 0);
    }
    acknowledge(&mut outstanding, now, 1, &[(3, 5)]).unwrap();
    assert_eq!(outstanding.detect(now, ms(50).into(), ms(50).into()).bytes, 116);
    assert_eq!(outstanding.state(Tsn(2)), Some(State::Marked));
    assert_eq!(outstanding.in_flight(), 116);
}

#[test]
fn one_later_packet_marks_a_chunk_after_the_reordering_window() {
    // RFC 8985 §6.2 step 5.
    let now = Instant::now();
    let mut outstanding = filled(2, now);
    let later = now + ms(40);
    acknowledge(&mut outstanding, later, 0, &[(2, 2)]).unwrap();
    let losses = outstanding.detect(later, ms(40).into(), ms(40).into());
    assert_eq!((losses.bytes, losses.next), (0, Some(now + ms(50))), "40 and a quarter of it");
    assert_eq!(outstanding.detect(now + ms(50), ms(40).into(), ms(40).into()).bytes, 116);
}

#[test]
fn a_retransmission_that_is_lost_is_found_without_a_timer() {
    let now = Instant::now();
    let mut outstanding = filled(5, now);
    acknowledge(&mut outstanding, now, 0, &[(2, 5)]).unwrap();
    assert_eq!(outstanding.detect(now, ms(50).into(), ms(50).into()).bytes, 116);
    repair(&mut outstanding, now);
    for _ in 0..3 {
        outstanding.packets.close();
        outstanding.send(now, fragment(100), 0, &mut Vec::new());
    }
    acknowledge(&mut outstanding, now, 0, &[(2, 8)]).unwrap();
    assert_eq!(outstanding.detect(now, ms(50).into(), ms(50).into()).bytes, 116);
    assert_eq!(outstanding.state(Tsn(1)), Some(State::Marked));
}

#[test]
fn a_path_that_reorders_is_given_time() {
    let now = Instant::now();
    let mut outstanding = filled(10, now);
    acknowledge(&mut outstanding, now, 0, &[(3, 3)]).unwrap();
    outstanding.detect(now, ms(50).into(), ms(50).into());
    // 1 and 2 come after 3: the path reorders, and three later packets say nothing any more.
    acknowledge(&mut outstanding, now, 3, &[]).unwrap();
    acknowledge(&mut outstanding, now, 3, &[(5, 10)]).unwrap();
    let losses = outstanding.detect(now, ms(50).into(), ms(50).into());
    assert_eq!((losses.bytes, losses.next), (0, Some(now + ms(50) + ms(50) / 4)));
    // A needless retransmission makes the window wider.
    outstanding.was_needless();
    outstanding.was_needless();
    let losses = outstanding.detect(now, ms(50).into(), ms(50).into());
    assert_eq!(losses.next, Some(now + ms(75)));
}

#[test]
fn the_reordering_window_grows_once_in_a_round_and_shrinks_again() {
    // RFC 8985 §6.2 step 4.
    let now = Instant::now();
    let mut outstanding = filled(10, now);
    let late = |outstanding: &mut Outstanding| {
        acknowledge(outstanding, now, 0, &[(3, 3)]).unwrap();
        outstanding.detect(now, ms(200).into(), ms(50).into()).next.map(|at| at - now - ms(200))
    };
    assert_eq!(late(&mut outstanding), Some(ms(50) / 4));
    for _ in 0..40 {
        outstanding.was_needless();
    }
    assert_eq!(late(&mut outstanding), Some(ms(25)), "a spike is one round");
    for _ in 0..15 {
        outstanding.recovered();
    }
    assert_eq!(late(&mut outstanding), Some(ms(25)));
    outstanding.recovered();
    assert_eq!(late(&mut outstanding), Some(ms(50) / 4));
    // The packets that left since are acknowledged: it is another round.
    outstanding.packets.close();
    outstanding.send(now, fragment(100), 0, &mut Vec::new());
    acknowledge(&mut outstanding, now, 0, &[(3, 3), (11, 11)]).unwrap();
    outstanding.was_needless();
    outstanding.was_needless();
    assert_eq!(late(&mut outstanding), Some(ms(25)));
    outstanding.path_changed();
    assert_eq!(
        outstanding.detect(now, ms(200).into(), ms(50).into()).next,
        None,
        "all is sent again"
    );
}

#[test]
fn a_chunk_that_was_marked_and_arrives_was_not_lost() {
    let now = Instant::now();
    let mut outstanding = filled(5, now);
    acknowledge(&mut outstanding, now, 0, &[(2, 5)]).unwrap();
    outstanding.detect(now, ms(50).into(), ms(50).into());
    let progress = acknowledge(&mut outstanding, now, 5, &[]).unwrap();
    assert_eq!(progress.spurious, 116);
    assert_eq!(outstanding.next_marked(now, true, |_| {}), None);
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
    acknowledge(&mut outstanding, now, 1, &[]).unwrap();
    assert_eq!(outstanding.state(Tsn(5)), Some(State::InFlight));
    assert_eq!(outstanding.payload(), 500);
}

#[test]
fn a_receiver_that_reneges_again_and_again_makes_no_list_grow() {
    let now = Instant::now();
    let mut outstanding = filled(100, now);
    for round in 0..1000 {
        // All but the first are there; and only the last one is.
        let now = now + ms(round);
        acknowledge(&mut outstanding, now, 0, &[(2, 100)]).unwrap();
        outstanding.detect(now, ms(1).into(), ms(1).into());
        acknowledge(&mut outstanding, now, 0, &[(100, 100)]).unwrap();
        outstanding.detect(now, ms(1).into(), ms(1).into());
        for _ in 0..round % 7 {
            if outstanding.has_marked() {
                repair(&mut outstanding, now);
            }
        }
        assert!(outstanding.lost.len() <= 200, "{round}: {}", outstanding.lost.len());
        assert!(outstanding.sent_again() <= 200, "{round}: {}", outstanding.sent_again());
    }
    while outstanding.has_marked() {
        repair(&mut outstanding, now);
    }
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
fn runs_agree_with_the_chunks_whatever_sacks_say() {
    // Gap blocks that grow, join, shrink and vanish by chance, against a plain model.
    let now = Instant::now();
    let mut state = 3_u64;
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % below
    };
    let mut outstanding = filled(60, now);
    let mut cumulative = 0;
    for _ in 0..2000 {
        while outstanding.len() < 40 {
            outstanding.packets.close();
            outstanding.send(now, fragment(100), 0, &mut Vec::new());
        }
        cumulative += u32::try_from(random(3)).unwrap();
        let mut known = vec![false; 30];
        for has in &mut known {
            *has = random(3) > 0;
        }
        let mut gaps = Vec::new();
        for (offset, has) in (2..).zip(&known) {
            match gaps.last_mut() {
                Some((_, last)) if *has && *last + 1 == cumulative + offset => *last += 1,
                _ if *has => gaps.push((cumulative + offset, cumulative + offset)),
                _ => {}
            }
        }
        acknowledge(&mut outstanding, now, cumulative, &gaps).unwrap();
        let told = gaps.last().map_or(0, |(_, last)| last - cumulative - 1);
        for (offset, has) in (1..told).zip(&known) {
            let acknowledged =
                outstanding.state(Tsn(cumulative + 1 + offset)) == Some(State::Acknowledged);
            assert_eq!(acknowledged, *has);
        }
    }
}

#[test]
fn a_message_is_given_up_with_all_its_fragments() {
    let now = Instant::now();
    let mut outstanding = Outstanding::new(Tsn(1));
    for index in 0..3 {
        let flags = if index == 0 { data::BEGIN } else { 0 };
        let piece = Fragment { flags, max_retransmits: Some(0), ..fragment(100) };
        outstanding.send(now, piece, 0, &mut Vec::new());
    }
    outstanding.mark_all();
    let mut unfinished = Vec::new();
    assert_eq!(outstanding.next_marked(now, true, |message| unfinished.push(message)), None);
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
    let mut outstanding = Outstanding::new(Tsn(1));
    for index in 0..6 {
        let stream = 1 + index % 2;
        let piece = Fragment {
            form: Form::IData,
            stream,
            flags: [data::BEGIN, 0, data::END][usize::from(index / 2)],
            max_retransmits: (stream == 1).then_some(0),
            ..fragment(100)
        };
        outstanding.send(now, piece, 0, &mut Vec::new());
    }
    outstanding.mark_all();
    let mut unfinished = Vec::new();
    let next = outstanding.next_marked(now, true, |message| unfinished.push(message));
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
