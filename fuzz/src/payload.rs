use bytes::{Bytes, BytesMut};
use rand::SeedableRng as _;
use rand::rngs::ChaCha20Rng;
use rtp::payload::h264::PacketizationMode;
use rtp::payload::{CodecInfo, Depacketizer, Format, Packetizer};

use crate::choices::Choices;

/// Joins payloads of Opus; cuts and joins a frame.
pub fn opus(bytes: &[u8]) {
    let _ = rtp::payload::audio::opus_duration(bytes);
    exercise(Format::Opus, bytes);
}

/// Joins payloads of G.711; cuts and joins a frame.
pub fn g711(bytes: &[u8]) {
    exercise(Format::Pcmu, bytes);
}

/// Joins payloads of VP8; cuts and joins a frame.
pub fn vp8(bytes: &[u8]) {
    exercise(Format::Vp8, bytes);
}

/// Joins payloads of H.264; cuts and joins an access unit.
pub fn h264(bytes: &[u8]) {
    exercise(Format::H264(PacketizationMode::NonInterleaved), bytes);
    exercise(Format::H264(PacketizationMode::SingleNalUnit), bytes);
}

fn exercise(format: Format, bytes: &[u8]) {
    join(format, bytes);
    cut_and_join(format, bytes);
}

/// The input as payloads of one frame.
fn join(format: Format, bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut out = BytesMut::new();
    let mut depacketizer = Depacketizer::new(format, &mut out);
    while !choices.is_empty() {
        let payload = choices.bytes();
        let inspection = format.inspect(payload);
        let pushed = depacketizer.push(payload);
        assert!(inspection.is_ok() || pushed.is_err());
    }
    if let Ok(assembled) = depacketizer.finish() {
        assert_eq!(assembled.len, out.len());
        // Tiny NAL units get a start code of 4 bytes for a length of 2.
        assert!(out.len() <= 4 * bytes.len());
    } else {
        assert!(out.is_empty());
    }
}

/// The input as a frame: what can be cut comes back, for H.264 in its canonical form.
fn cut_and_join(format: Format, bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let limit = usize::from(choices.byte());
    let frame = Bytes::copy_from_slice(choices.rest());
    let Some(joined) = round_trip(format, &frame, limit) else { return };
    if let Format::H264(_) = format {
        let again = round_trip(format, &joined.clone().freeze(), limit);
        assert_eq!(again.as_ref(), Some(&joined), "the canonical form comes back as it is");
        assert_eq!(format.is_key_frame(&joined), format.is_key_frame(&joined));
    } else if format != Format::Pcmu {
        assert_eq!(joined, frame);
    }
}

fn round_trip(format: Format, frame: &Bytes, limit: usize) -> Option<BytesMut> {
    let mut packetizer = Packetizer::new(format, &mut ChaCha20Rng::from_seed([0; 32]));
    let fragments = packetizer.packetize(frame.clone(), 0, limit, CodecInfo::None).ok()?;
    let mut out = BytesMut::new();
    let mut depacketizer = Depacketizer::new(format, &mut out);
    let mut marked = false;
    for (index, fragment) in fragments.enumerate() {
        assert!(!marked || format == Format::Pcmu, "nothing follows the marker");
        marked = fragment.marker();
        let mut payload = Vec::new();
        fragment.write_to(&mut payload);
        assert!((1..=limit).contains(&payload.len()));
        if format == Format::Pcmu && index > 0 {
            // A long run of samples is several frames.
            return None;
        }
        depacketizer.push(&payload).expect("what a packetizer makes can be joined");
    }
    depacketizer.finish().expect("what a packetizer makes is whole");
    Some(out)
}
