//! What can be sent and received: codecs and RTP header extensions, and when two descriptions of a
//! codec mean the same one.

mod h264;

use std::borrow::Cow;

use rtp::extension::Kind;
use rtp::payload::Format;
use rtp::payload::h264::PacketizationMode;

use super::MediaKind;

/// A codec that can be offered: the W3C's `RTCRtpCodec`, with the numbers that we would give it.
///
/// The library moves encoded media, so that a codec is a name and a payload format: any can be
/// added to [`Configuration::codecs`](crate::Configuration::codecs). Those whose payload format
/// [`Format`] does not know are sent and received as packets.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CodecCapability {
    /// Audio or video.
    pub kind: MediaKind,
    /// The encoding's name, as in `a=rtpmap`; compared without regard to case.
    pub name: Cow<'static, str>,
    /// Ticks of the RTP timestamp per second.
    pub clock_rate: u32,
    /// For audio, the number of channels; none stands for one.
    pub channels: Option<u8>,
    /// The parameters of `a=fmtp`; empty when there are none.
    pub parameters: Cow<'static, str>,
    /// The RTCP feedback that is understood.
    pub feedback: CodecFeedback,
    /// The payload type, 0 to 127: the one wanted when we offer, the one agreed on in what was
    /// negotiated.
    pub payload_type: u8,
    /// The same for its retransmissions (RFC 4588); none when it has none. Then we send nothing
    /// again: SRTP encrypts once under a number
    /// ([RFC 3711 §9.1](https://www.rfc-editor.org/rfc/rfc3711#section-9.1)).
    pub rtx_payload_type: Option<u8>,
}

/// The RTCP feedback of a codec ([RFC 4585 §4.2](https://www.rfc-editor.org/rfc/rfc4585#section-4.2)).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct CodecFeedback {
    /// `nack`: lost packets are asked for. Whether one is sent again is the asked one's affair; we
    /// do it where there is [`rtx`](CodecCapability::rtx_payload_type).
    pub nack: bool,
    /// `nack pli`: key frames are asked for after loss.
    pub pli: bool,
    /// `ccm fir`: key frames are asked for (RFC 5104).
    pub fir: bool,
    /// `transport-cc`: arrival times of packets are reported.
    pub transport_cc: bool,
}

impl CodecFeedback {
    /// Everything that video uses.
    pub const VIDEO: Self = Self { nack: true, pli: true, fir: true, transport_cc: true };
    /// What audio uses.
    pub const AUDIO: Self = Self { nack: false, pli: false, fir: false, transport_cc: true };

    /// The `a=rtcp-fb` values, each with its parameter.
    pub(crate) fn lines(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        [
            (self.transport_cc, ("transport-cc", "")),
            (self.fir, ("ccm", "fir")),
            (self.nack, ("nack", "")),
            (self.pli, ("nack", "pli")),
        ]
        .into_iter()
        .filter_map(|(has, line)| has.then_some(line))
    }

    /// What both sides understand.
    pub(crate) fn intersect<'f>(self, lines: impl Iterator<Item = sdp::RtcpFb<'f>>) -> Self {
        let mut both = Self::default();
        for line in lines {
            match (line.feedback, line.parameter) {
                ("nack", "") => both.nack = self.nack,
                ("nack", "pli") => both.pli = self.pli,
                ("ccm", "fir") => both.fir = self.fir,
                ("transport-cc", _) => both.transport_cc = self.transport_cc,
                _ => {}
            }
        }
        both
    }
}

impl CodecCapability {
    /// Opus, stereo ([RFC 7587](https://www.rfc-editor.org/rfc/rfc7587)).
    pub const fn opus() -> Self {
        Self {
            kind: MediaKind::Audio,
            name: Cow::Borrowed("opus"),
            clock_rate: 48_000,
            channels: Some(2),
            parameters: Cow::Borrowed("minptime=10;useinbandfec=1"),
            feedback: CodecFeedback::AUDIO,
            payload_type: 111,
            rtx_payload_type: None,
        }
    }

    /// G.711 µ-law ([RFC 3551 §4.5.14](https://www.rfc-editor.org/rfc/rfc3551#section-4.5.14)).
    pub const fn pcmu() -> Self {
        Self::telephone("PCMU", 0)
    }

    /// G.711 A-law ([RFC 3551 §4.5.14](https://www.rfc-editor.org/rfc/rfc3551#section-4.5.14)).
    pub const fn pcma() -> Self {
        Self::telephone("PCMA", 8)
    }

    const fn telephone(name: &'static str, payload_type: u8) -> Self {
        Self {
            kind: MediaKind::Audio,
            name: Cow::Borrowed(name),
            clock_rate: 8000,
            channels: None,
            parameters: Cow::Borrowed(""),
            feedback: CodecFeedback::AUDIO,
            payload_type,
            rtx_payload_type: None,
        }
    }

    /// VP8 ([RFC 7741](https://www.rfc-editor.org/rfc/rfc7741)).
    pub const fn vp8() -> Self {
        Self {
            kind: MediaKind::Video,
            name: Cow::Borrowed("VP8"),
            clock_rate: 90_000,
            channels: None,
            parameters: Cow::Borrowed(""),
            feedback: CodecFeedback::VIDEO,
            payload_type: 96,
            rtx_payload_type: Some(97),
        }
    }

    /// H.264, constrained baseline profile, level 3.1, in the given packetization mode
    /// ([RFC 6184 §8.1](https://www.rfc-editor.org/rfc/rfc6184#section-8.1)).
    pub const fn h264(mode: PacketizationMode) -> Self {
        let (parameters, payload_type) = match mode {
            PacketizationMode::NonInterleaved => {
                ("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f", 102)
            }
            _ => ("level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f", 104),
        };
        Self {
            kind: MediaKind::Video,
            name: Cow::Borrowed("H264"),
            clock_rate: 90_000,
            channels: None,
            parameters: Cow::Borrowed(parameters),
            feedback: CodecFeedback::VIDEO,
            payload_type,
            rtx_payload_type: Some(payload_type + 1),
        }
    }

    /// What a connection offers when nothing else is said, most wanted first: the codecs that every
    /// browser has (RFC 7874 §3, RFC 7742 §5).
    pub fn defaults() -> Vec<Self> {
        vec![
            Self::opus(),
            Self::pcmu(),
            Self::pcma(),
            Self::vp8(),
            Self::h264(PacketizationMode::NonInterleaved),
            Self::h264(PacketizationMode::SingleNalUnit),
        ]
    }

    /// Returns the W3C's name, such as `video/VP8`.
    pub fn mime_type(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }

    /// Returns the payload format.
    pub fn format(&self) -> Format {
        match Format::from_encoding_name(&self.name) {
            Format::H264(_) if self.parameter("packetization-mode") == Some("1") => {
                Format::H264(PacketizationMode::NonInterleaved)
            }
            format => format,
        }
    }

    /// Returns the value of a parameter of `a=fmtp`.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        parameter(&self.parameters, name)
    }

    /// Tells whether another description of a codec means this one: the same name, clock rate and
    /// channels, and of the parameters those that change the bit stream.
    pub fn is_same_codec(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.is(&other.name, other.clock_rate, other.channels, &other.parameters)
    }

    /// The same, for what stands in a description.
    pub(crate) fn is(
        &self,
        name: &str,
        clock_rate: u32,
        channels: Option<u8>,
        parameters: &str,
    ) -> bool {
        if !self.name.eq_ignore_ascii_case(name)
            || self.clock_rate != clock_rate
            || self.channels.unwrap_or(1) != channels.unwrap_or(1)
        {
            return false;
        }
        if name.eq_ignore_ascii_case("H264") {
            return h264::is_same(&self.parameters, parameters);
        }
        // RFC 9628 §6 and the AV1 RTP specification §7.2.1: profile 0 where nothing is said.
        let variant = name_of_variant(name);
        let profile = |parameters| parameter(parameters, variant).unwrap_or("0").to_owned();
        profile(&self.parameters) == profile(parameters)
    }

    /// The parameters of our answer to an offer of this codec.
    pub(crate) fn answer_parameters(&self, offered: &str) -> Cow<'static, str> {
        if self.name.eq_ignore_ascii_case("H264") {
            return h264::answer(&self.parameters, offered).into();
        }
        self.parameters.clone()
    }
}

/// The parameter that tells variants of a codec apart.
const fn name_of_variant(name: &str) -> &'static str {
    if name.eq_ignore_ascii_case("VP9") { "profile-id" } else { "profile" }
}

/// The value of a parameter of `a=fmtp`.
fn parameter<'p>(parameters: &'p str, name: &str) -> Option<&'p str> {
    sdp::Fmtp { format: "", parameters }.parameter(name)
}

/// An RTP header extension that can be offered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HeaderExtensionCapability {
    /// Which one.
    pub kind: Kind,
    /// Whether it is offered for audio.
    pub audio: bool,
    /// Whether it is offered for video.
    pub video: bool,
    /// The identifier that is wanted, 1 to 14.
    pub id: u8,
}

impl HeaderExtensionCapability {
    /// An extension for both kinds of media.
    pub const fn both(kind: Kind, id: u8) -> Self {
        Self { kind, audio: true, video: true, id }
    }

    /// An extension for audio.
    pub const fn audio(kind: Kind, id: u8) -> Self {
        Self { kind, audio: true, video: false, id }
    }

    /// An extension for video.
    pub const fn video(kind: Kind, id: u8) -> Self {
        Self { kind, audio: false, video: true, id }
    }

    /// What a connection offers when nothing else is said, under the numbers that Chromium uses.
    pub fn defaults() -> Vec<Self> {
        vec![
            Self::audio(Kind::AudioLevel, 1),
            Self::both(Kind::AbsSendTime, 2),
            Self::both(Kind::TransportSequenceNumber, 3),
            Self::both(Kind::Mid, 4),
            Self::video(Kind::VideoOrientation, 13),
        ]
    }

    /// Tells whether it is offered for this kind of media.
    pub const fn is_for(&self, kind: MediaKind) -> bool {
        match kind {
            MediaKind::Audio => self.audio,
            MediaKind::Video => self.video,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_are_told_apart_by_what_changes_the_bit_stream() {
        let opus = CodecCapability::opus();
        assert!(opus.is("OPUS", 48_000, Some(2), "stereo=1"));
        assert!(!opus.is("opus", 48_000, None, ""));
        assert!(CodecCapability::pcmu().is("pcmu", 8000, Some(1), ""));
        let vp9 = CodecCapability { name: "VP9".into(), ..CodecCapability::vp8() };
        assert!(vp9.is("VP9", 90_000, None, "profile-id=0"));
        assert!(!vp9.is("VP9", 90_000, None, "profile-id=2"));
    }

    #[test]
    fn formats_know_the_packetization_mode() {
        for mode in [PacketizationMode::SingleNalUnit, PacketizationMode::NonInterleaved] {
            assert_eq!(CodecCapability::h264(mode).format(), Format::H264(mode));
        }
        assert_eq!(CodecCapability::vp8().format(), Format::Vp8);
        assert_eq!(CodecCapability::vp8().mime_type(), "video/VP8");
    }

    #[test]
    fn default_numbers_do_not_collide() {
        let codecs = CodecCapability::defaults();
        let mut numbers: Vec<u8> = codecs
            .iter()
            .flat_map(|codec| [Some(codec.payload_type), codec.rtx_payload_type])
            .flatten()
            .collect();
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count);
    }
}
