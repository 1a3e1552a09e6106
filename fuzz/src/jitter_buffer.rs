use rtp::jitter_buffer::{Arrived, Config, JitterBuffer};
use rtp::payload::Format;
use rtp::payload::h264::PacketizationMode;
use rtp::{ClockRate, ExtendedSequenceNumber, PayloadType};

use crate::choices::Choices;
use crate::clock::{Clock, assert_does_not_spin};

/// Packets of any format in any order, with time going on or back.
pub fn jitter_buffer(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut clock = Clock::new();
    let config = Config { max_packets: 64, max_bytes: 4 << 14, ..Config::default() };
    let mut buffer = JitterBuffer::new(config, ClockRate::HZ_90000, clock.now());
    let mut sequence_number = u64::from(choices.u16());
    let mut timestamp = choices.u32();
    while !choices.is_empty() {
        match choices.byte() {
            0..=0xbf => {
                let step = choices.byte();
                sequence_number = match step {
                    0..=0x3f => sequence_number.saturating_sub(u64::from(step)),
                    0x40..=0x7f => sequence_number.saturating_add(u64::from(step - 0x3f)),
                    0x80..=0xfd => sequence_number.saturating_add(1),
                    0xfe => sequence_number.saturating_add(u64::from(choices.u16())),
                    0xff => u64::from(choices.u32()) << 32,
                };
                let flags = choices.byte();
                timestamp = timestamp.wrapping_add(u32::from(flags >> 4) * 3000);
                let format = match flags >> 2 & 3 {
                    0 => Format::Vp8,
                    1 => Format::H264(PacketizationMode::NonInterleaved),
                    2 => Format::Opus,
                    _ => Format::Other,
                };
                buffer.insert(
                    clock.now(),
                    Arrived {
                        sequence_number: ExtendedSequenceNumber(sequence_number),
                        timestamp,
                        marker: flags & 1 == 1,
                        payload_type: PayloadType::from_low_bits(flags),
                        format,
                        payload: choices.bytes(),
                    },
                );
            }
            0xc0..=0xcf => buffer.handle_timeout(clock.advance(&mut choices)),
            0xd0..=0xd7 => buffer.handle_timeout(clock.earlier(&mut choices)),
            0xd8..=0xdf => buffer.handle_timeout(clock.advance_to(buffer.poll_timeout())),
            0xe0..=0xe3 => buffer.set_round_trip_time(choices.duration()),
            0xe4..=0xe7 => buffer.set_retransmission(choices.flag()),
            _ => {
                let readable = buffer.is_readable();
                let frame = buffer.read_frame(clock.now());
                assert!(readable || frame.is_none());
                assert!(frame.is_none_or(|frame| !frame.data.is_empty() && frame.packets > 0));
            }
        }
        buffer.handle_timeout(clock.now());
        assert_does_not_spin(clock.now(), buffer.poll_timeout());
    }
    let _ = (buffer.needs_key_frame(), buffer.stats());
}
