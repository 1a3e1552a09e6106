//! Windows that follow their readers, and senders that do not care for them.

use super::*;
use crate::chunk::data::{BEGIN, Data, END, Form, UNORDERED};
use crate::recv::{Receiver, Taken};
use crate::tsn::Tsn;
use std::time::Duration;

const RTT: Duration = Duration::from_millis(50);

#[test]
fn it_follows_what_is_read_in_a_round_trip() {
    let mut now = Instant::now();
    let mut window = Window::new(&Config::default());
    assert_eq!(window.size(), 128 << 10);
    // A megabyte in each round trip.
    for _ in 0..21 {
        window.packet(now, RTT.into(), 0, 0);
        window.taken(50_000, 0);
        now += Duration::from_micros(2500);
    }
    assert!((3_800_000..4_300_000).contains(&window.size()), "{}", window.size());
}

#[test]
fn it_stays_below_the_greatest() {
    let mut now = Instant::now();
    let mut window = Window::new(&Config::default());
    for _ in 0..10 {
        window.packet(now, RTT.into(), 0, 0);
        window.taken(100 << 20, 0);
        now += RTT;
    }
    assert_eq!(window.size(), 16 << 20);
}

#[test]
fn a_reader_that_stops_gets_no_more_than_it_holds() {
    let mut now = Instant::now();
    let mut window = Window::new(&Config::default());
    window.packet(now, RTT.into(), 0, 0);
    window.taken(1 << 20, 0);
    now += RTT;
    window.packet(now, RTT.into(), 0, 0);
    assert_eq!(window.size(), 4 << 20);
    let held = 300_000;
    for _ in 0..30 {
        now += RTT;
        window.packet(now, RTT.into(), held, held);
    }
    assert_eq!(window.size(), held);
    assert_eq!(window.tell(held, held, 0), 0);
}

#[test]
fn a_message_larger_than_the_window_may_become_whole() {
    let mut window = Window::new(&Config::default());
    let held = 200 << 10;
    assert_eq!(window.tell(held, held, 0), 0, "nobody reads what is there");
    assert_eq!(window.tell(0, held, 0), (512 << 10) - held);
}

#[test]
fn messages_that_are_not_whole_have_room_up_to_the_greatest_window() {
    let mut window = Window::new(&Config::default());
    let held = 700 << 10;
    assert_eq!(window.tell(0, held, 0), 0, "it is read in parts, and nobody does");
    assert_eq!(window.tell(0, held, held), held);
    assert!(!window.admits(1000, 0, 4 * held, false));
    assert_eq!(window.tell(0, 20 << 20, 20 << 20), 0);
    assert_eq!(window.tell(held, 2 * held, held), 0);
    let few = 100 << 10;
    assert_eq!(window.tell(0, few, few), (512 << 10) - few);
}

#[test]
fn a_quiet_time_leaves_room_for_what_fills_a_gap() {
    // A large window, three packets lost at once, and much behind them.
    let mut now = Instant::now();
    let mut receiver = Receiver::new(&Config::default(), Tsn(1), None);
    for _ in 0..4 {
        receiver.window.packet(now, RTT.into(), 0, 0);
        receiver.window.taken(2 << 20, 0);
        now += RTT;
    }
    let take = |receiver: &mut Receiver, number: u32| {
        let payload = [7; 1000];
        let data = Data {
            form: Form::Data,
            flags: BEGIN | END,
            tsn: Tsn(number),
            stream: 0,
            message: number - 1,
            ppid_or_fsn: 53,
            payload: &payload,
        };
        receiver.write_sack(&mut Vec::new(), 1160);
        let taken = receiver.take(&data, true);
        assert!(matches!(taken, Ok(Taken::Yes)), "{number}: {taken:?}");
    };
    for number in 4..3000 {
        take(&mut receiver, number);
    }
    receiver.shrink();
    for number in 1..4 {
        take(&mut receiver, number);
    }
    assert_eq!(receiver.cumulative(), Tsn(2999));
}

/// A chunk of a sender that does not look at windows.
fn hostile(receiver: &mut Receiver, tsn: u32) -> bool {
    let payload = [7; 1000];
    let data = Data {
        form: Form::Data,
        flags: BEGIN | END | UNORDERED,
        tsn: Tsn(tsn),
        stream: 0,
        message: 0,
        ppid_or_fsn: 53,
        payload: &payload,
    };
    matches!(receiver.take(&data, true), Ok(Taken::Yes))
}

#[test]
fn ten_thousand_hostile_senders_stay_inside_the_budget() {
    let now = Instant::now();
    let budget = ReceiveBudget::new(64 << 20);
    let config = Config { receive_budget: Some(budget.clone()), ..Config::default() };
    let mut receivers: Vec<_> = (0..10_000).map(|_| Receiver::new(&config, Tsn(1), None)).collect();
    let mut buf = Vec::new();
    for round in 1..40 {
        for receiver in &mut receivers {
            hostile(receiver, 1 + 2 * round);
            receiver.packet_done(now, Some(RTT.into()), Duration::ZERO);
            buf.clear();
            receiver.write_sack(&mut buf, 1160);
        }
    }
    let held: usize = receivers.iter().map(Receiver::held).sum();
    assert!(held <= budget.limit(), "{held}");
    assert!(budget.used() <= budget.limit());
    assert!(held > budget.limit() / 2, "{held}");
    // One that holds nothing gets its next chunk all the same, and no other.
    let mut late = Receiver::new(&config, Tsn(1), None);
    assert_eq!(late.held(), 0);
    assert!(hostile(&mut late, 1));
    assert!(!hostile(&mut late, 2));
    drop(receivers);
    assert_eq!(budget.used(), 0, "all of it is given back");
}

#[test]
fn one_that_ignores_its_window_is_refused() {
    let mut receiver = Receiver::new(&Config::default(), Tsn(1), None);
    let taken = (1..2000).filter(|number| hostile(&mut receiver, 1 + number)).count();
    assert!(taken <= 2 * (128 << 10) / 1000, "{taken}");
}

#[test]
fn memory_that_one_byte_keeps_is_drawn_from_the_budget() {
    // An ordered message of a byte waits for an earlier one in each block; the others are read.
    let budget = ReceiveBudget::new(64 << 20);
    let config = Config { receive_budget: Some(budget.clone()), ..Config::default() };
    let mut receiver = Receiver::new(&config, Tsn(1), None);
    let mut tsn = 0;
    let mut take = |receiver: &mut Receiver, flags: u8, message: u32, payload: &[u8]| {
        tsn += 1;
        let form = Form::Data;
        let flags = BEGIN | END | flags;
        let data =
            Data { form, flags, tsn: Tsn(tsn), stream: 0, message, ppid_or_fsn: 53, payload };
        assert!(matches!(receiver.take(&data, true), Ok(Taken::Yes)));
        receiver.write_sack(&mut Vec::new(), 1160);
        while receiver.read(0).is_some() {}
    };
    for waits in 1..20 {
        take(&mut receiver, 0, waits, &[1]);
        for _ in 0..50 {
            take(&mut receiver, UNORDERED, 0, &[2; 1000]);
        }
    }
    assert!(receiver.held() < 20 * 100, "{}", receiver.held());
    assert!(budget.used() > 90_000, "{}", budget.used());
}
