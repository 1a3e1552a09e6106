use std::fmt;

use super::{CodecInfo, DepacketizeError, h264, vp8};

/// The payload format of a payload type, as far as we take it apart.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Format {
    /// Opus: a payload is one Opus packet, [RFC 7587](https://www.rfc-editor.org/rfc/rfc7587).
    Opus,
    /// G.711 µ-law: a byte is a sample, [RFC 3551 §4.5.14](https://www.rfc-editor.org/rfc/rfc3551#section-4.5.14).
    Pcmu,
    /// G.711 A-law: a byte is a sample, [RFC 3551 §4.5.14](https://www.rfc-editor.org/rfc/rfc3551#section-4.5.14).
    Pcma,
    /// G.722: a byte is one tick of its (historic) 8 kHz RTP clock,
    /// [RFC 3551 §4.5.2](https://www.rfc-editor.org/rfc/rfc3551#section-4.5.2).
    G722,
    /// VP8, [RFC 7741](https://www.rfc-editor.org/rfc/rfc7741).
    Vp8,
    /// H.264 with the packetization mode to send, [RFC 6184](https://www.rfc-editor.org/rfc/rfc6184).
    H264(h264::PacketizationMode),
    /// Opaque to us, but told apart from others by its name: a payload passes unchanged, and is
    /// taken for a whole frame.
    Named(EncodingName),
    /// The same, of unknown name.
    #[default]
    Other,
}

/// The encoding name of a format that is opaque to us.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct EncodingName([u8; 15]);

impl EncodingName {
    /// Of a longer name the first 15 bytes count, in any case.
    fn new(name: &str) -> Self {
        let mut bytes = [0; 15];
        bytes.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from.to_ascii_uppercase());
        Self(bytes)
    }
}

impl fmt::Debug for EncodingName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = String::from_utf8_lossy(&self.0);
        name.trim_end_matches('\0').fmt(f)
    }
}

/// What one payload tells about its place in a frame ([`Format::inspect`]).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Inspection {
    /// Whether a frame can begin with this payload.
    ///
    /// VP8 knows. An H.264 payload that may be the first of an access unit says yes too, so that a
    /// receiver that has seen the payload before it must compare the timestamps.
    pub can_start_frame: bool,
    /// Whether the frame is over with this payload whatever the marker bit says: so are all frames
    /// of the formats whose payloads are whole frames.
    pub is_whole_frame: bool,
    /// Whether this payload proves that its frame is a key frame.
    pub key_frame: bool,
    /// Whether this payload opens a key frame: the first of a VP8 key frame; in H.264 also the
    /// sequence parameter set that comes before one.
    pub begins_key_frame: bool,
    /// Bytes of payload header before the first byte of the frame (zero for H.264, whose headers
    /// are rewritten).
    pub header_len: usize,
    /// What the payload header says about the frame.
    pub codec_info: CodecInfo,
}

impl Format {
    /// Returns the format of an `a=rtpmap` encoding name, in any case
    /// ([RFC 8866 §6.6](https://www.rfc-editor.org/rfc/rfc8866#section-6.6)).
    ///
    /// H.264 comes with packetization mode 0, the default of RFC 6184 §8.1 when `a=fmtp` has no
    /// `packetization-mode`.
    #[must_use]
    pub fn from_encoding_name(name: &str) -> Self {
        const NAMES: [(&str, Format); 6] = [
            ("opus", Format::Opus),
            ("PCMU", Format::Pcmu),
            ("PCMA", Format::Pcma),
            ("G722", Format::G722),
            ("VP8", Format::Vp8),
            ("H264", Format::H264(h264::PacketizationMode::SingleNalUnit)),
        ];
        let known = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        known.map_or_else(|| Self::Named(EncodingName::new(name)), |&(_, format)| format)
    }

    /// Returns whether frames of this format depend on a key frame that we can recognise.
    #[must_use]
    pub fn has_key_frames(self) -> bool {
        matches!(self, Self::Vp8 | Self::H264(_))
    }

    /// Returns whether an encoded frame is a key frame; `None` where we cannot tell.
    ///
    /// Every frame of the audio formats can be decoded on its own and counts as one.
    #[must_use]
    pub fn is_key_frame(self, frame: &[u8]) -> Option<bool> {
        match self {
            Self::Opus | Self::Pcmu | Self::Pcma | Self::G722 => Some(true),
            Self::Vp8 => Some(vp8::is_key_frame(frame)),
            Self::H264(_) => Some(h264::is_key_frame(frame)),
            Self::Named(_) | Self::Other => None,
        }
    }

    /// Looks at one received payload: can a frame begin here, is it a key frame?
    ///
    /// # Errors
    ///
    /// The payload is empty, cut short, or of a kind that the negotiated mode does not have.
    pub fn inspect(self, payload: &[u8]) -> Result<Inspection, DepacketizeError> {
        if payload.is_empty() {
            return Err(DepacketizeError::Empty);
        }
        match self {
            Self::Opus | Self::Pcmu | Self::Pcma | Self::G722 | Self::Named(_) | Self::Other => {
                Ok(Inspection {
                    can_start_frame: true,
                    is_whole_frame: true,
                    key_frame: self.is_key_frame(payload) == Some(true),
                    begins_key_frame: self.is_key_frame(payload) == Some(true),
                    header_len: 0,
                    codec_info: CodecInfo::None,
                })
            }
            Self::Vp8 => vp8::inspect(payload),
            Self::H264(_) => h264::inspect(payload),
        }
    }
}
