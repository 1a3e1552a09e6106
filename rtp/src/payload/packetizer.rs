use bytes::Bytes;
use rand::{Rng, RngExt as _};
use thiserror::Error;

use super::fragment::Kind;
use super::{CodecInfo, Format, Fragment, Fragments, audio, h264, vp8};

/// Turns the frames of one stream into RTP payloads, and keeps what the payload format counts from
/// frame to frame (VP8's picture id, where a talk spurt begins).
///
/// One packetizer belongs to one SSRC.
#[derive(Debug)]
pub struct Packetizer(State);

#[derive(Debug)]
enum State {
    Audio { format: Format, talk_spurt: audio::TalkSpurt },
    Vp8(vp8::Packetizer),
    H264(h264::Packetizer),
    Other(Format),
}

impl Packetizer {
    /// Starts a stream of `format`; `random` gives VP8's first picture id
    /// ([RFC 7741 §4.2](https://www.rfc-editor.org/rfc/rfc7741#section-4.2) lets it be random).
    #[must_use]
    pub fn new(format: Format, random: &mut impl Rng) -> Self {
        Self(match format {
            Format::Opus | Format::Pcmu | Format::Pcma | Format::G722 => {
                State::Audio { format, talk_spurt: audio::TalkSpurt::default() }
            }
            Format::Vp8 => State::Vp8(vp8::Packetizer::new(random.random())),
            Format::H264(mode) => State::H264(h264::Packetizer::new(mode)),
            Format::Named(_) | Format::Other => State::Other(format),
        })
    }

    /// Returns the format that this packetizer makes.
    #[must_use]
    pub fn format(&self) -> Format {
        match &self.0 {
            State::Audio { format, .. } => *format,
            State::Vp8(_) => Format::Vp8,
            State::H264(packetizer) => Format::H264(packetizer.mode()),
            State::Other(format) => *format,
        }
    }

    /// Cuts `frame`, captured at the RTP `timestamp`, into payloads of at most `max_payload` bytes.
    ///
    /// The frame is one Opus packet, a run of G.711 or G.722 samples, a VP8 frame, an H.264 access
    /// unit in Annex B form (start codes of three or four bytes), or anything for
    /// [`Format::Named`] and [`Format::Other`]. On an error the stream's state is as before.
    ///
    /// # Errors
    ///
    /// The frame is empty, or its format gives no way to cut it small enough.
    pub fn packetize(
        &mut self,
        frame: Bytes,
        timestamp: u32,
        max_payload: usize,
        info: CodecInfo,
    ) -> Result<Fragments, PacketizeError> {
        if frame.is_empty() {
            return Err(PacketizeError::Empty);
        }
        if max_payload < MIN_PAYLOAD {
            return Err(PacketizeError::LimitTooSmall { limit: max_payload });
        }
        Ok(Fragments(match &mut self.0 {
            State::Audio { format: Format::Opus, talk_spurt } => {
                fits(&frame, max_payload)?;
                let marker = talk_spurt.begins(timestamp, audio::opus_duration(&frame));
                Kind::Whole(Some(Fragment::whole(frame, marker)))
            }
            State::Audio { talk_spurt, .. } => {
                // A G.711 or G.722 byte is one tick of the clock, whatever its length in samples.
                let ticks = u32::try_from(frame.len()).map_err(|_| PacketizeError::TooLarge {
                    size: frame.len(),
                    limit: max_payload,
                })?;
                Kind::Samples(audio::Samples::new(
                    frame,
                    talk_spurt.begins(timestamp, Some(ticks)),
                    max_payload,
                ))
            }
            State::Vp8(packetizer) => Kind::Vp8(packetizer.packetize(frame, max_payload, info)),
            State::H264(packetizer) => Kind::H264(packetizer.packetize(frame, max_payload)?),
            State::Other(_) => {
                fits(&frame, max_payload)?;
                Kind::Whole(Some(Fragment::whole(frame, false)))
            }
        }))
    }
}

fn fits(frame: &Bytes, limit: usize) -> Result<(), PacketizeError> {
    if frame.len() > limit {
        return Err(PacketizeError::TooLarge { size: frame.len(), limit });
    }
    Ok(())
}

/// Room for any payload header and for some payload behind it; no path has an MTU near this.
pub(crate) const MIN_PAYLOAD: usize = 16;

/// Why a frame was not packetized.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum PacketizeError {
    /// There is nothing to send.
    #[error("the frame is empty")]
    Empty,
    /// The limit leaves no room for a payload header with some payload.
    #[error("a limit of {limit} bytes a payload is less than {MIN_PAYLOAD}")]
    LimitTooSmall {
        /// The limit given.
        limit: usize,
    },
    /// An H.264 access unit must be in Annex B form: a start code before every NAL unit.
    #[error("no start code (00 00 01) begins the H.264 frame: it must be in Annex B form")]
    NoStartCode,
    /// The format (or H.264's packetization mode 0) sends this piece in one packet or not at all.
    #[error(
        "{size} bytes must travel in one payload of at most {limit}: this format cannot cut it"
    )]
    TooLarge {
        /// The size of the frame or NAL unit in bytes.
        size: usize,
        /// The largest payload allowed.
        limit: usize,
    },
}
