use std::time::{Duration, Instant};

use rand::rngs::ChaCha20Rng;
use rand::{RngExt as _, SeedableRng as _};

use super::pair::*;
use crate::session::{Config, Event, Frame, OutgoingPacket, Session};

/// Some calls on a session, chosen at random, with the times given; what comes out.
fn drive(number: u64, jump_back: bool) -> Vec<Vec<u8>> {
    let start = base();
    let mut rng = ChaCha20Rng::seed_from_u64(number);
    let mut pair = [Side::A, Side::B].map(|side| {
        let mut session = Session::new(Config::default(), start, wall_clock(), seed(side, number));
        session.set_section(start, AUDIO, frames(audio(side)));
        session.set_section(start, VIDEO, video(side));
        session
    });
    let mut output = Vec::new();
    let mut newest = start;
    let mut wire: Vec<(usize, Vec<u8>)> = Vec::new();
    for step in 0..3000u32 {
        newest += Duration::from_micros(rng.random_range(0..4000));
        let back = Duration::from_millis(rng.random_range(0..500));
        let back = back.min(newest - start);
        let now = if jump_back && rng.random_bool(0.3) { newest - back } else { newest };
        // A first call with the newest time fixes what older ones mean.
        if jump_back {
            pair.iter_mut().for_each(|session| session.handle_timeout(newest));
        }
        let side = rng.random_range(0..2usize);
        match rng.random_range(0..8) {
            0 => {
                let frame = vp8_frame(step, rng.random_range(20..5000), step % 30 == 0);
                let _ = pair[side].send_frame(now, VIDEO, Frame::new(frame, step * 300));
            }
            1 => {
                let packet = OutgoingPacket::new(OPUS, step * 960, vec![step as u8; 60].into());
                let _ = pair[side].send_packet(now, AUDIO, packet);
            }
            2 | 3 => {
                let mut buf = Vec::new();
                while let Some(range) = pair[side].poll_transmit(now, &mut buf) {
                    if rng.random_bool(0.95) {
                        wire.push((1 - side, buf[range.clone()].to_vec()));
                    }
                    output.push(buf[range].to_vec());
                }
            }
            4 if !wire.is_empty() => {
                let (to, datagram) = wire.swap_remove(rng.random_range(0..wire.len()));
                pair[to].handle_datagram(now, &datagram);
            }
            5 => pair[side].handle_timeout(now),
            6 => {
                while pair[side].read_packet(VIDEO).is_some() {}
                if let Some(frame) = pair[side].read_frame(now, AUDIO) {
                    output.push(frame.data.to_vec());
                }
            }
            _ => {
                while pair[side].poll_event().is_some() {}
                pair[side].request_key_frame(now, VIDEO);
            }
        }
        if jump_back {
            pair.iter_mut().for_each(|session| session.handle_timeout(newest));
        }
    }
    output
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    for number in seeds() {
        assert_eq!(drive(number, false), drive(number, false), "seed {number}");
    }
}

#[test]
fn an_older_time_is_read_as_the_newest() {
    for number in seeds() {
        let start = base();
        let run = |backward: bool| {
            let mut session =
                Session::new(Config::default(), start, wall_clock(), seed(Side::A, number));
            session.set_section(start, VIDEO, video(Side::A));
            let mut output = Vec::new();
            for step in 0..500u32 {
                let now = start + MS * 10 * step;
                session.handle_timeout(now);
                let again = if backward { start + MS * step } else { now };
                let packet = OutgoingPacket::new(VP8, step, vec![1; 50].into());
                session.send_packet(again, VIDEO, packet).unwrap();
                let mut buf = Vec::new();
                while let Some(range) = session.poll_transmit(again, &mut buf) {
                    output.push(buf[range].to_vec());
                }
                session.handle_timeout(again);
            }
            output
        };
        assert_eq!(run(false), run(true), "seed {number}");
        drive(number, true);
    }
}

/// A driver that forgets calls, and makes them late and twice.
#[test]
fn a_lazy_driver_loses_nothing() {
    for number in seeds() {
        let start = base();
        let mut rng = ChaCha20Rng::seed_from_u64(number);
        let mut sessions = [Side::A, Side::B].map(|side| {
            let mut session =
                Session::new(Config::default(), start, wall_clock(), seed(side, number));
            session.set_section(start, VIDEO, video(side));
            session
        });
        let mut now = start;
        let mut wire: Vec<Vec<Vec<u8>>> = vec![Vec::new(), Vec::new()];
        let (mut sent, mut read) = (0u32, Vec::new());
        while sent < 300 || now < start + Duration::from_secs(60) {
            now += Duration::from_micros(rng.random_range(0..40_000));
            for side in 0..2 {
                for datagram in std::mem::take(&mut wire[side]) {
                    // What is lost before anything arrived isn't missed.
                    let first = sessions[1].inbound_stats(VIDEO).count() == 0;
                    if first || rng.random_bool(0.95) {
                        sessions[side].handle_datagram(now, &datagram);
                    }
                }
                if rng.random_bool(0.5) {
                    sessions[side].handle_timeout(now);
                }
                if rng.random_bool(0.5) {
                    let mut buf = Vec::new();
                    // Not always to the end.
                    for _ in 0..rng.random_range(0..6) {
                        let Some(range) = sessions[side].poll_transmit(now, &mut buf) else {
                            break;
                        };
                        wire[1 - side].push(buf[range].to_vec());
                    }
                }
            }
            if rng.random_bool(0.3) && sent < 300 {
                let packet = OutgoingPacket::new(VP8, sent, sent.to_be_bytes().to_vec().into());
                if sessions[0].send_packet(now, VIDEO, packet).is_ok() {
                    sent += 1;
                }
            } else if sent == 300 && rng.random_bool(0.1) {
                // Later packets show that earlier ones are missing.
                let packet = OutgoingPacket::new(VP8, 9999, vec![1].into());
                sessions[0].send_packet(now, VIDEO, packet).unwrap();
            }
            if rng.random_bool(0.2) {
                while let Some(packet) = sessions[1].read_packet(VIDEO) {
                    if packet.payload.len() == 4 {
                        read.push(packet.timestamp);
                    }
                }
            }
        }
        read.sort_unstable();
        assert!(read.into_iter().eq(0..300), "seed {number}");
    }
}

#[test]
fn the_timeout_is_now_exactly_while_something_can_leave() {
    for number in seeds() {
        let start = base();
        let mut rng = ChaCha20Rng::seed_from_u64(number);
        let mut session =
            Session::new(Config::default(), start, wall_clock(), seed(Side::A, number));
        session.set_section(start, VIDEO, video(Side::A));
        session.set_section(start, AUDIO, audio(Side::A));
        let rate = crate::Bitrate::from_bits_per_second(300_000);
        session.set_pacing_rate(Some(rate));
        let mut now = start;
        let mut buf = Vec::new();
        for step in 0..1000u32 {
            match rng.random_range(0..4) {
                0 => {
                    let packet = OutgoingPacket::new(VP8, step, vec![0; 700].into());
                    let _ = session.send_packet(now, VIDEO, packet);
                }
                1 => {
                    let packet = OutgoingPacket::new(OPUS, step, vec![0; 50].into());
                    let _ = session.send_packet(now, AUDIO, packet);
                }
                _ => {}
            }
            session.handle_timeout(now);
            let told = session.poll_timeout();
            let left = session.poll_transmit(now, &mut buf).is_some();
            assert_eq!(told.is_some_and(|told| told <= now), left, "seed {number}, step {step}");
            if !left {
                // Until then nothing happens; then something does.
                now = match told {
                    Some(told) if rng.random_bool(0.7) => told,
                    _ => now + Duration::from_micros(rng.random_range(1..10_000)),
                };
            }
        }
    }
}

#[test]
fn a_machine_that_slept_goes_on() {
    let mut pair = Pair::new();
    pair.set(Side::B, VIDEO, frames(video(Side::B)));
    pair.a.send_frame(pair.now, VIDEO, Frame::new(vp8_frame(0, 5000, true), 0)).unwrap();
    pair.run(50 * MS);
    pair.now += Duration::from_secs(3600);
    pair.a.send_frame(pair.now, VIDEO, Frame::new(vp8_frame(1, 5000, true), 1)).unwrap();
    pair.run(50 * MS);
    assert!(pair.b.read_frame(pair.now, VIDEO).is_some());
    assert!(pair.b.read_frame(pair.now, VIDEO).is_some());
    let count = pair.log.len();
    assert!(count < 30, "no storm of missed timers: {count}");
    assert!(pair.saw(Side::B, Event::Readable(VIDEO)));
}

#[test]
fn whatever_comes_in_nothing_panics() {
    for number in seeds() {
        let mut rng = ChaCha20Rng::seed_from_u64(number);
        let mut pair = Pair::with(Config::default(), number);
        pair.set(Side::B, VIDEO, frames(video(Side::B)));
        let mut templates: Vec<Vec<u8>> = Vec::new();
        let mut network = lossy(number, 0.2);
        for step in 0..60u32 {
            let frame = Frame::new(vp8_frame(step, 3000, step % 9 == 0), step * 3000);
            pair.a.send_frame(pair.now, VIDEO, frame).unwrap();
            pair.run_over(33 * MS, &mut network);
        }
        templates.extend(pair.log.iter().map(|(_, _, datagram)| datagram.clone()));
        for _ in 0..3000 {
            let mut datagram = templates[rng.random_range(0..templates.len())].clone();
            for _ in 0..rng.random_range(0..6) {
                let at = rng.random_range(0..datagram.len().min(60));
                datagram[at] = rng.random();
            }
            datagram.truncate(rng.random_range(0..=datagram.len()));
            let now: Instant = pair.now;
            pair.session(if rng.random() { Side::A } else { Side::B })
                .handle_datagram(now, &datagram);
            if rng.random_bool(0.05) {
                pair.run(MS * 10);
                while pair.b.read_frame(pair.now, VIDEO).is_some() {}
            }
        }
    }
}
