use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use rtp::extension::{ExtensionMap, Kind};
use rtp::payload::Format;
use rtp::payload::h264::PacketizationMode;
use rtp::session::section::{Codec, Media, Mode, Parameters, Receive, SectionId, Send};
use rtp::session::{Config, Frame, OutgoingPacket, Session};
use rtp::{ClockRate, PayloadType, Ssrc};

use crate::choices::Choices;
use crate::clock::{Clock, assert_does_not_spin};
use crate::wire::Wire;

/// Two sessions with audio and video, their commands in any order, and a network that changes packets
/// and makes some up.
pub fn rtp_session(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut clock = Clock::new();
    let settings = choices.byte();
    let mut sides = [1, 2].map(|index| {
        let wall_clock = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let mut session = Session::new(Config::default(), clock.now(), wall_clock, [index; 32]);
        for section in 0..2 {
            let parameters = parameters(section, u32::from(index), settings);
            session.set_section(clock.now(), SectionId(section), parameters);
        }
        Side { session, wire: Wire::default() }
    });
    for _ in 0..MAX_STEPS {
        if choices.is_empty() {
            break;
        }
        let what = choices.byte();
        let now = clock.now();
        let [a, b] = &mut sides;
        let (side, peer) = if what & 1 == 0 { (a, b) } else { (b, a) };
        let section = SectionId(u16::from(what >> 1 & 1));
        match what >> 2 {
            0..=25 => {
                if let Some(datagram) = side.wire.next(&mut choices) {
                    side.session.handle_datagram(now, &datagram);
                }
            }
            26..=31 => {
                let size = 1 + usize::from(choices.u16() & 0x1fff);
                let first = choices.byte();
                let mut data = vec![0, 0, 0, 1, first];
                data.resize(size.max(5), what);
                let frame = Frame::new(Bytes::from(data), choices.u32());
                let _ = side.session.send_frame(now, section, frame);
            }
            32..=34 => {
                let payload = Bytes::copy_from_slice(choices.bytes());
                let payload_type = PayloadType::from_low_bits(96 + (choices.byte() & 3));
                let packet = OutgoingPacket::new(payload_type, choices.u32(), payload);
                let _ = side.session.send_packet(now, section, packet);
            }
            35..=38 => {
                while let Some(packet) = side.session.read_packet(section) {
                    let _ = peer.session.forward(now, section, &packet);
                }
            }
            39..=42 => while side.session.read_frame(now, section).is_some() {},
            43..=46 => {
                clock.advance(&mut choices);
            }
            47..=50 => {
                let timeouts = [side.session.poll_timeout(), peer.session.poll_timeout()];
                clock.advance_to(timeouts.into_iter().flatten().min());
            }
            51 => side.session.handle_timeout(clock.earlier(&mut choices)),
            52..=57 => side.session.handle_datagram(now, choices.bytes()),
            58 => side.session.request_key_frame(now, section),
            59 => {
                let parameters = parameters(section.0, u32::from(choices.byte()), choices.byte());
                side.session.set_section(now, section, parameters);
            }
            60 => side.session.remove_section(now, section),
            61 => side.session.set_mtu(usize::from(choices.u16())),
            62 => side.session.set_round_trip_time(choices.duration()),
            _ => {
                let _ = side.session.inbound_stats(section).count();
                let _ = side.session.outbound_stats(section);
                if choices.byte() == 0 {
                    side.session.close(now);
                }
            }
        }
        settle(&mut sides, &clock);
    }
}

/// Enough for streams to begin, lose, repair and end.
const MAX_STEPS: usize = 1000;

struct Side {
    session: Session,
    wire: Wire,
}

fn settle(sides: &mut [Side; 2], clock: &Clock) {
    let now = clock.now();
    for index in 0..2 {
        let [a, b] = &mut *sides;
        let (from, to) = if index == 0 { (a, &mut b.wire) } else { (b, &mut a.wire) };
        from.session.handle_timeout(now);
        to.drain(|buf| from.session.poll_transmit(now, buf).is_some());
        let mut events = 0;
        while from.session.poll_event().is_some() {
            events += 1;
            assert!(events < 1000, "poll_event never ends");
        }
        assert_does_not_spin(now, from.session.poll_timeout());
    }
}

fn parameters(section: u16, index: u32, settings: u8) -> Parameters {
    let payload_type = |number: u8| PayloadType::from_low_bits(number);
    let format = match (section, settings & 1) {
        (0, _) => Format::Opus,
        (_, 0) => Format::Vp8,
        _ => Format::H264(PacketizationMode::NonInterleaved),
    };
    let rate = if section == 0 { ClockRate::HZ_48000 } else { ClockRate::HZ_90000 };
    let number = 96 + 2 * section as u8;
    let codec = Codec {
        rtx: (settings & 2 != 0).then(|| payload_type(number + 1)),
        nack: settings & 4 != 0,
        pli: true,
        fir: settings & 8 != 0,
        transport_cc: settings & 16 != 0,
        ..Codec::new(payload_type(number), format, rate)
    };
    let mut extensions = ExtensionMap::default();
    extensions.insert(1, Kind::Mid);
    extensions.insert(3, Kind::TransportSequenceNumber);
    let ssrc = |offset: u32| Ssrc(1000 * index + 10 * u32::from(section) + offset);
    Parameters {
        mid: section.to_string(),
        media: if section == 0 { Media::Audio } else { Media::Video },
        codecs: vec![codec],
        extensions,
        send: Some(Send {
            ssrc: ssrc(1),
            rtx_ssrc: codec.rtx.map(|_| ssrc(2)),
            cname: "fuzz".to_owned(),
            rid: None,
        }),
        receive: Some(Receive {
            mode: if settings & 32 != 0 { Mode::Packets } else { Mode::Frames },
            ..Receive::default()
        }),
        reduced_size: settings & 64 != 0,
    }
}
