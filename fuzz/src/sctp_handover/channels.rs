//! A session with channels, going on in another process.

use std::time::Duration;

use bytes::Bytes;
use sctp::data_channel::{ChannelId, ChannelInit, ChannelState, Config, Message, Role, Session};
use sctp::{Order, ReadMode, ReceiveBudget, Reliability};

use crate::choices::Choices;
use crate::clock::{Clock, assert_does_not_spin};
use crate::sctp_packet::fix_checksum;
use crate::wire::Wire;

/// Two sessions whose channels are opened, used and closed as the input says, until one is handed
/// over: unchanged, when both must go on agreeing, or changed, when what is accepted must behave.
pub(super) fn channels(choices: &mut Choices<'_>) {
    let mut clock = Clock::new();
    let now = clock.now();
    let how = choices.byte();
    let mut config = Config::default();
    config.association.interleaving = how & 1 != 0;
    config.association.read_mode = if how & 2 != 0 { ReadMode::Parts } else { ReadMode::Whole };
    config.association.send_buffer = SEND_BUFFER;
    config.association.max_send_buffer = SEND_BUFFER;
    if how & 4 != 0 {
        config.association.receive_budget = Some(ReceiveBudget::new(1 << 20));
    }
    let roles =
        if how & 8 != 0 { [Role::Client, Role::Server] } else { [Role::Server, Role::Client] };
    let mut sides = [1, 2].map(|seed| Side {
        session: Session::new(config.clone(), now, [seed; 32]),
        wire: Wire::default(),
    });
    for _ in 0..how >> 4 & 3 {
        open(&mut sides, choices, &clock);
    }
    for (side, role) in sides.iter_mut().zip(roles) {
        side.session.start(now, role);
    }
    run(&mut sides, &mut clock, 4);

    for _ in 0..choices.byte() {
        if choices.is_empty() {
            break;
        }
        step(&mut sides, choices, &mut clock, false);
    }
    let [moving, _] = &mut sides;
    let now = clock.now();
    let Ok(bytes) = moving.session.hand_over(now) else { return };
    let changed = change(&bytes, choices);
    let resumed = Session::resume(config, now, [3; 32], &changed);
    if changed == bytes {
        let resumed = resumed.expect("what was handed over is taken up");
        assert_same(&moving.session, &resumed);
        moving.session = resumed;
        settle(&mut sides, &clock);
        agree(&mut sides, &mut clock);
        return;
    }
    let Ok(resumed) = resumed else { return };
    moving.session = resumed;
    settle(&mut sides, &clock);
    use_all(&mut sides, &clock);
    for _ in 0..MAX_STEPS {
        if choices.is_empty() {
            break;
        }
        step(&mut sides, choices, &mut clock, true);
    }
    run(&mut sides, &mut clock, 20);
    use_all(&mut sides, &clock);
    run(&mut sides, &mut clock, 20);
    let [moved, _] = &mut sides;
    if let Ok(again) = moved.session.hand_over(clock.now()) {
        // Each step can have added a channel or a message of less than 16 KiB.
        let room = 2 * MAX_STEPS * (16 << 10);
        assert!(again.len() <= changed.len() + room, "{} became {}", changed.len(), again.len());
    }
}

/// What is kept of the bytes.
fn change(bytes: &[u8], choices: &mut Choices<'_>) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..choices.byte() & 0x0f {
        let (how, at) = (choices.byte(), usize::from(choices.u16()));
        let len = bytes.len().max(1);
        // What is the session's own stands behind what is its association's.
        let at = if how & 0x80 == 0 { len - 1 - at % len } else { at % len };
        match how & 7 {
            0..=2 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= choices.byte();
                }
            }
            // Numbers at their end, or near it.
            3 | 4 => {
                let width = 1 << (how >> 3 & 3);
                bytes.iter_mut().skip(at).take(width).for_each(|byte| *byte = 0xff);
                if how & 7 == 4
                    && let Some(last) = bytes.get_mut(at + width - 1)
                {
                    *last = choices.byte();
                }
            }
            5 => bytes.truncate(at),
            6 => drop(bytes.splice(at.min(bytes.len()).., choices.bytes().iter().copied())),
            _ => {
                let end = (at + usize::from(choices.byte())).min(bytes.len());
                let copied = bytes.get(at..end).unwrap_or_default().to_vec();
                bytes.splice(at..at, copied);
            }
        }
    }
    bytes
}

/// Something that an application, the network or time does; on a hostile network packets come
/// changed, and some are made up.
fn step(sides: &mut [Side; 2], choices: &mut Choices<'_>, clock: &mut Clock, hostile: bool) {
    let what = choices.byte();
    let now = clock.now();
    let [a, z] = &mut *sides;
    let side = if what & 1 == 0 { a } else { z };
    match what >> 1 {
        0..=39 => {
            let packet = match hostile {
                true => side.wire.next(choices),
                // Lost, repeated or overtaken at worst.
                false => side.wire.next(&mut Choices::new(&[choices.byte() % 0xd8])),
            };
            if let Some(mut packet) = packet {
                if what & 2 != 0 {
                    fix_checksum(&mut packet);
                }
                side.session.handle_datagram(now, &packet);
            }
        }
        40..=47 => {
            clock.advance(choices);
        }
        48..=57 => {
            let timeouts = sides.each_ref().map(|side| side.session.poll_timeout());
            clock.advance_to(timeouts.into_iter().flatten().min());
        }
        58..=67 => open(sides, choices, clock),
        68..=87 => {
            if let Some(id) = side.pick(choices) {
                let _ = side.session.send(now, id, message(choices));
            }
        }
        88..=93 => {
            if let Some(id) = side.pick(choices) {
                side.session.close(now, id);
            }
        }
        94..=103 => {
            let Some(id) = side.pick(choices) else { return };
            match choices.byte() & 3 {
                0 => drop(side.session.begin(now, id, message(choices))),
                1 => drop(side.session.append(now, id, message(choices).into_data())),
                2 => {
                    side.session.finish(now, id);
                }
                _ => side.session.abandon(now, id),
            }
        }
        104..=113 => {
            if let Some(id) = side.pick(choices) {
                for _ in 0..=choices.byte() & 3 {
                    side.session.read(id);
                    side.session.read_part(id);
                }
            }
        }
        114..=121 => drain_events(side),
        122 | 123 => {
            if let Some(id) = side.pick(choices) {
                side.session.set_buffered_amount_low_threshold(id, choices.u16().into());
            }
        }
        124 => {
            if let Some(id) = side.pick(choices) {
                let mode = if choices.flag() { ReadMode::Parts } else { ReadMode::Whole };
                side.session.set_read_mode(id, mode);
            }
        }
        125 => side.session.set_remote_max_message_size(u64::from(choices.u16())),
        126 if hostile => side.session.handle_timeout(clock.earlier(choices)),
        127 if hostile => match choices.byte() {
            0 => side.session.abort(now, "fuzz"),
            1 => side.session.shutdown(now),
            2 => side.session.path_changed(now),
            _ => {}
        },
        _ => {}
    }
    settle(sides, clock);
}

/// Opens a channel: on one side, or a negotiated one on both.
fn open(sides: &mut [Side; 2], choices: &mut Choices<'_>, clock: &Clock) {
    let how = choices.byte();
    let name = String::from_utf8_lossy(choices.bytes()).into_owned();
    let mut init = ChannelInit::new(name.as_str());
    init.order = if how & 1 != 0 { Order::Unordered } else { Order::Ordered };
    init.reliability = match how >> 1 & 3 {
        0 | 1 => Reliability::Reliable,
        2 => Reliability::MaxRetransmits(u16::from(how >> 6)),
        _ => Reliability::MaxPacketLifeTime(Duration::from_millis(choices.u16().into())),
    };
    init.priority = 128 << (how >> 3 & 3);
    if how & 0x80 != 0 {
        init.protocol = name.into();
    }
    let both = how & 0x60 == 0x60;
    if both {
        // Beyond those that are announced: the same number both ways would be a misuse.
        init.negotiated = Some(1000 + u16::from(choices.byte() & 7));
    }
    let [a, z] = sides;
    let (one, other) = if how & 0x20 != 0 { (a, z) } else { (z, a) };
    let now = clock.now();
    let opened = one.session.open(now, init.clone());
    if both && opened.is_ok() {
        let _ = other.session.open(now, init);
    }
}

fn message(choices: &mut Choices<'_>) -> Message {
    let len = choices.byte();
    let bytes = Bytes::from(vec![len; usize::from(len) * usize::from(len & 0x3f)]);
    if len & 0x40 == 0 { Message::Binary(bytes) } else { Message::Text(bytes) }
}

/// Does on each channel whatever can be done.
fn use_all(sides: &mut [Side; 2], clock: &Clock) {
    let now = clock.now();
    for side in &mut *sides {
        let session = &mut side.session;
        let _ = session.open(now, ChannelInit::new("one more"));
        let ids: Vec<_> = session.channels().collect();
        for id in ids {
            let _ = session.send(now, id, "a message");
            let _ = session.begin(now, id, "a beginning");
            let _ = session.append(now, id, &b" and more"[..]);
            session.set_buffered_amount_low_threshold(id, 1);
            // A closed one keeps what it had not sent, and is no part of the sum any more.
            assert!(
                session.state(id) == ChannelState::Closed
                    || session.buffered_amount(id) <= session.total_buffered_amount()
            );
            while session.read_part(id).is_some() {}
            while session.read(id).is_some() {}
            // Some are closed, some have their message ended, some are left as they are.
            match session.channel_stats(id).map_or(0, |stats| stats.messages_sent % 3) {
                0 => session.close(now, id),
                1 => {
                    session.finish(now, id);
                }
                _ => {}
            }
        }
    }
    settle(sides, clock);
}

/// All that can be seen of a session is as it was.
fn assert_same(before: &Session, after: &Session) {
    assert!(before.channels().eq(after.channels()));
    for id in before.channels() {
        assert_eq!(before.state(id), after.state(id));
        assert_eq!(before.stream_id(id), after.stream_id(id));
        assert_eq!(before.channel_init(id), after.channel_init(id));
        assert_eq!(before.channel_stats(id), after.channel_stats(id));
        assert_eq!(before.buffered_amount(id), after.buffered_amount(id));
        let low = Session::buffered_amount_low_threshold;
        assert_eq!(low(before, id), low(after, id));
    }
    assert_eq!(before.total_buffered_amount(), after.total_buffered_amount());
    assert_eq!(before.channels_opened(), after.channels_opened());
    assert_eq!(before.is_connected(), after.is_connected());
    assert_eq!(before.can_stream(), after.can_stream());
    assert_eq!(before.max_message_size(), after.max_message_size());
}

/// Ends what was begun, and once all has arrived, what one side sees of the channels that are open
/// is what the other does.
fn agree(sides: &mut [Side; 2], clock: &mut Clock) {
    let now = clock.now();
    for side in &mut *sides {
        let ids: Vec<_> = side.session.channels().collect();
        for id in ids {
            side.session.finish(now, id);
        }
    }
    settle(sides, clock);
    for _ in 0..MAX_ROUNDS {
        run(sides, clock, 1);
        for side in &mut *sides {
            drain(side);
        }
        if sides.iter().any(|side| side.session.association().close_reason().is_some()) {
            return;
        }
        if sides.iter().all(Side::is_idle) {
            break;
        }
    }
    let [a, z] = &*sides;
    assert!(a.is_idle() && z.is_idle(), "never at rest: {a:?} {z:?}");
    for (one, other) in [(a, z), (z, a)] {
        for id in one.session.channels() {
            if one.session.state(id) != ChannelState::Open {
                continue;
            }
            let stream = one.session.stream_id(id);
            let twin = other.session.channels().find(|twin| {
                other.session.stream_id(*twin) == stream
                    && other.session.state(*twin) == ChannelState::Open
            });
            let Some(init) = one.session.channel_init(id) else { continue };
            // What came before the other side had opened a negotiated one may have been dropped.
            if init.negotiated.is_some() {
                continue;
            }
            let twin = twin.expect("a channel is open on one side only");
            assert_eq!(other.session.channel_init(twin), Some(init));
            let stats = [one.session.channel_stats(id), other.session.channel_stats(twin)];
            let [Some(sent), Some(received)] = stats else { continue };
            if init.reliability == Reliability::Reliable {
                assert_eq!(sent.messages_sent, received.messages_received);
            } else {
                assert!(sent.messages_sent >= received.messages_received);
            }
        }
    }
}

/// Packets arrive as they were sent, time goes from one deadline to the next.
fn run(sides: &mut [Side; 2], clock: &mut Clock, rounds: usize) {
    for _ in 0..rounds {
        for index in 0..2 {
            while let Some(packet) =
                sides.get_mut(index).and_then(|side| side.wire.next(&mut Choices::new(&[])))
            {
                if let Some(side) = sides.get_mut(index) {
                    side.session.handle_datagram(clock.now(), &packet);
                }
                settle(sides, clock);
            }
        }
        let timeouts = sides.each_ref().map(|side| side.session.poll_timeout());
        clock.advance_to(timeouts.into_iter().flatten().min());
        settle(sides, clock);
    }
}

fn settle(sides: &mut [Side; 2], clock: &Clock) {
    let now = clock.now();
    for index in 0..2 {
        let [a, z] = &mut *sides;
        let (from, to) = if index == 0 { (a, z) } else { (z, a) };
        from.session.handle_timeout(now);
        to.wire.drain(|buf| from.session.poll_transmit(now, buf).is_some());
        assert_does_not_spin(now, from.session.poll_timeout());
    }
}

fn drain_events(side: &mut Side) {
    let mut events = 0;
    while side.session.poll_event().is_some() {
        events += 1;
        assert!(events < 100_000, "poll_event never ends");
    }
}

/// Takes all that there is to take.
fn drain(side: &mut Side) {
    drain_events(side);
    let ids: Vec<_> = side.session.channels().collect();
    for id in ids {
        while side.session.read_part(id).is_some() {}
    }
}

#[derive(Debug)]
struct Side {
    session: Session,
    /// On its way to this side.
    wire: Wire,
}

impl Side {
    fn pick(&self, choices: &mut Choices<'_>) -> Option<ChannelId> {
        let count = self.session.channels().count().max(1);
        self.session.channels().nth(usize::from(choices.byte()) % count)
    }

    fn is_idle(&self) -> bool {
        self.session.total_buffered_amount() == 0
            && self.wire.is_empty()
            && self.session.channels().all(|id| self.session.state(id) != ChannelState::Closing)
    }
}

/// Small, so that it is full now and then.
const SEND_BUFFER: usize = 64 << 10;
/// More would only make a run slower.
const MAX_STEPS: usize = 300;
/// Enough for all that was sent to arrive, whatever was lost before.
const MAX_ROUNDS: usize = 500;
