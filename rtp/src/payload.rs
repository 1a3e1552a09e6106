//! Payload formats: how an encoded frame becomes RTP payloads, and how it is put together again.
//!
//! A [`Packetizer`] turns one frame into [`Fragments`], an iterator that cuts the frame's [`Bytes`](bytes::Bytes)
//! without copying them: a [`Fragment`] is a few bytes of payload header made by us and a slice of
//! the frame. A [`Depacketizer`] is the way back. Both are lossless: the frame that comes out is the
//! frame that went in, byte for byte (for H.264, in Annex B form with 4-byte start codes).
//!
//! ```
//! use bytes::{Bytes, BytesMut};
//! use peerless_rtp::payload::{CodecInfo, Depacketizer, Format, Packetizer};
//! use rand::SeedableRng as _;
//!
//! let frame = Bytes::from_iter((0..3000).map(|i| (i % 251) as u8));
//! let mut random = rand::rngs::ChaCha20Rng::from_seed([0; 32]);
//! let mut packetizer = Packetizer::new(Format::Vp8, &mut random);
//! let fragments = packetizer.packetize(frame.clone(), 90_000, 1200, CodecInfo::None)?;
//!
//! let mut received = BytesMut::new();
//! let mut depacketizer = Depacketizer::new(Format::Vp8, &mut received);
//! for fragment in fragments {
//!     let mut packet = Vec::new();
//!     fragment.write_to(&mut packet);
//!     assert!(packet.len() <= 1200);
//!     depacketizer.push(&packet)?;
//! }
//! depacketizer.finish()?;
//! assert_eq!(received, frame);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What is understood: Opus ([RFC 7587](https://www.rfc-editor.org/rfc/rfc7587)), G.711 and G.722
//! ([RFC 3551](https://www.rfc-editor.org/rfc/rfc3551)), VP8
//! ([RFC 7741](https://www.rfc-editor.org/rfc/rfc7741)) and H.264
//! ([RFC 6184](https://www.rfc-editor.org/rfc/rfc6184), packetization modes 0 and 1). Of every other
//! format a packet's payload is passed through as it is: one payload is one frame.

pub mod audio;
pub mod h264;
pub mod vp8;

mod depacketizer;
mod format;
mod fragment;
mod packetizer;

pub use self::depacketizer::{Assembled, DepacketizeError, Depacketizer};
pub use self::format::{EncodingName, Format, Inspection};
pub use self::fragment::{Fragment, Fragments};
pub use self::packetizer::{PacketizeError, Packetizer};

/// What an encoder knows about a frame, and what a payload header told about it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum CodecInfo {
    /// Nothing: right for every encoder without layers.
    #[default]
    None,
    /// A VP8 frame's place among the temporal layers.
    Vp8(vp8::Layer),
}

#[cfg(test)]
mod tests;
