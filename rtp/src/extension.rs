//! RTP header extensions: what the elements of a packet mean, and the typed ones.
//!
//! SDP binds a number of 1..=255 to a URI (`a=extmap`,
//! [RFC 8285 §5](https://www.rfc-editor.org/rfc/rfc8285#section-5)): an [`ExtensionMap`] is that
//! binding, a [`Kind`] one of the URIs we know, [`Values`] the elements that travel with a packet
//! from end to end. Those that belong to the hop (mid, rid, sequence numbers and send times of the
//! transport) are written and read by the session.

mod capture_time;
mod level;
mod orientation;
mod playout_delay;
mod send_time;
mod values;

pub use self::capture_time::AbsCaptureTime;
pub use self::level::AudioLevel;
pub use self::orientation::{Rotation, VideoOrientation};
pub use self::playout_delay::PlayoutDelay;
pub use self::send_time::AbsSendTime;
pub use self::values::Values;

/// A header extension that we know by its URI.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
#[repr(u8)]
pub enum Kind {
    /// When the frame was captured, by the capturer's clock ([`AbsCaptureTime`]).
    AbsCaptureTime = 1,
    /// When the packet left ([`AbsSendTime`]); of the hop.
    AbsSendTime,
    /// How loud the audio is ([`AudioLevel`], RFC 6464).
    AudioLevel,
    /// The colours of a video frame.
    ColorSpace,
    /// Checksums of samples, by which corruption of video is found.
    CorruptionDetection,
    /// How loud each contributing source is (RFC 6465).
    CsrcAudioLevel,
    /// Which frames a frame depends on (AV1 RTP specification, appendix A).
    DependencyDescriptor,
    /// How loud the comfort noise is.
    InbandComfortNoise,
    /// The m-section that the stream belongs to (RFC 8843 §15); of the hop.
    Mid,
    /// How long a receiver should buffer ([`PlayoutDelay`]).
    PlayoutDelay,
    /// The encoding that a repair stream repairs (RFC 8852 §3.2); of the hop.
    RepairedRid,
    /// The encoding of a simulcast that a stream is (RFC 8852 §3.1); of the hop.
    Rid,
    /// How much later than its timestamp a packet left (RFC 5450); of the hop.
    TransmissionTimeOffset,
    /// A sequence number over all streams of a transport, for its congestion control; of the hop.
    TransportSequenceNumber,
    /// Whether video shows a screen.
    VideoContentType,
    /// A frame's number, for measurements.
    VideoFrameTrackingId,
    /// The layers that a sender allocates its bit rate to.
    VideoLayersAllocation,
    /// Which way up video is ([`VideoOrientation`], 3GPP TS 26.114 §7.4.5).
    VideoOrientation,
    /// How long encoding and pacing took.
    VideoTiming,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 19] = [
        Self::AbsCaptureTime,
        Self::AbsSendTime,
        Self::AudioLevel,
        Self::ColorSpace,
        Self::CorruptionDetection,
        Self::CsrcAudioLevel,
        Self::DependencyDescriptor,
        Self::InbandComfortNoise,
        Self::Mid,
        Self::PlayoutDelay,
        Self::RepairedRid,
        Self::Rid,
        Self::TransmissionTimeOffset,
        Self::TransportSequenceNumber,
        Self::VideoContentType,
        Self::VideoFrameTrackingId,
        Self::VideoLayersAllocation,
        Self::VideoOrientation,
        Self::VideoTiming,
    ];

    /// The URI that `a=extmap` has.
    pub const fn uri(self) -> &'static str {
        match self {
            Self::AbsCaptureTime => "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
            Self::AbsSendTime => "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
            Self::AudioLevel => "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
            Self::ColorSpace => "http://www.webrtc.org/experiments/rtp-hdrext/color-space",
            Self::CorruptionDetection => {
                "http://www.webrtc.org/experiments/rtp-hdrext/corruption-detection"
            }
            Self::CsrcAudioLevel => "urn:ietf:params:rtp-hdrext:csrc-audio-level",
            Self::DependencyDescriptor => {
                "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
            }
            Self::InbandComfortNoise => "http://www.webrtc.org/experiments/rtp-hdrext/inband-cn",
            Self::Mid => "urn:ietf:params:rtp-hdrext:sdes:mid",
            Self::PlayoutDelay => "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
            Self::RepairedRid => "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
            Self::Rid => "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
            Self::TransmissionTimeOffset => "urn:ietf:params:rtp-hdrext:toffset",
            Self::TransportSequenceNumber => {
                "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
            }
            Self::VideoContentType => {
                "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type"
            }
            Self::VideoFrameTrackingId => {
                "http://www.webrtc.org/experiments/rtp-hdrext/video-frame-tracking-id"
            }
            Self::VideoLayersAllocation => {
                "http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00"
            }
            Self::VideoOrientation => "urn:3gpp:video-orientation",
            Self::VideoTiming => "http://www.webrtc.org/experiments/rtp-hdrext/video-timing",
        }
    }

    /// The kind with this URI.
    pub fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.uri() == uri)
    }

    /// Whether the element speaks about this hop only: the session writes it, and a forwarder must
    /// not pass it on.
    pub const fn is_of_the_hop(self) -> bool {
        matches!(
            self,
            Self::AbsSendTime
                | Self::Mid
                | Self::RepairedRid
                | Self::Rid
                | Self::TransmissionTimeOffset
                | Self::TransportSequenceNumber
        )
    }
}

/// Which id stands for which kind of extension: what the `a=extmap` lines of an m-section agree on.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ExtensionMap {
    /// The kinds of ids 1..=14, those that the one-byte form has: an index instead of a search.
    one_byte: [Option<Kind>; 14],
    rest: Vec<(u8, Kind)>,
}

impl ExtensionMap {
    /// A map without entries.
    pub const fn new() -> Self {
        Self { one_byte: [None; 14], rest: Vec::new() }
    }

    /// Binds `id` to `kind`, in place of what either was bound to. Id 0 stands for nothing and is
    /// ignored, and so is 15, which ends the one-byte form.
    pub fn insert(&mut self, id: u8, kind: Kind) {
        if matches!(id, 0 | 15) {
            return;
        }
        for slot in &mut self.one_byte {
            slot.take_if(|bound| *bound == kind);
        }
        self.rest.retain(|(bound, other)| *bound != id && *other != kind);
        match self.one_byte.get_mut(usize::from(id) - 1) {
            Some(slot) => *slot = Some(kind),
            None => self.rest.push((id, kind)),
        }
    }

    /// What `id` stands for.
    pub fn kind(&self, id: u8) -> Option<Kind> {
        match self.one_byte.get(usize::from(id).wrapping_sub(1)) {
            Some(kind) => *kind,
            None => self.rest.iter().find(|(bound, _)| *bound == id).map(|(_, kind)| *kind),
        }
    }

    /// The id that stands for `kind`.
    pub fn id(&self, kind: Kind) -> Option<u8> {
        self.iter().find(|(_, bound)| *bound == kind).map(|(id, _)| id)
    }

    /// The entries, by id.
    pub fn iter(&self) -> impl Iterator<Item = (u8, Kind)> + '_ {
        let one_byte = (1..).zip(&self.one_byte);
        one_byte.filter_map(|(id, kind)| Some((id, (*kind)?))).chain(self.rest.iter().copied())
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

impl FromIterator<(u8, Kind)> for ExtensionMap {
    fn from_iter<T: IntoIterator<Item = (u8, Kind)>>(entries: T) -> Self {
        let mut map = Self::new();
        for (id, kind) in entries {
            map.insert(id, kind);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_and_kinds_convert_both_ways() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_uri(kind.uri()), Some(kind));
        }
        assert_eq!(Kind::from_uri("urn:example:unheard-of"), None);
    }

    #[test]
    fn a_map_finds_both_ways_and_an_entry_takes_the_place_of_older_ones() {
        let mut map = ExtensionMap::from_iter([(1, Kind::Mid), (200, Kind::Rid)]);
        assert_eq!((map.kind(1), map.kind(200)), (Some(Kind::Mid), Some(Kind::Rid)));
        assert_eq!((map.id(Kind::Mid), map.id(Kind::Rid)), (Some(1), Some(200)));
        map.insert(14, Kind::Mid);
        map.insert(200, Kind::AudioLevel);
        assert_eq!((map.kind(1), map.kind(14)), (None, Some(Kind::Mid)));
        assert_eq!(map.id(Kind::Rid), None);
        assert_eq!(map.iter().count(), 2);
    }

    #[test]
    fn ids_0_and_15_stand_for_nothing() {
        let map = ExtensionMap::from_iter([(0, Kind::Mid), (15, Kind::Rid)]);
        assert!(map.is_empty());
        assert_eq!((map.kind(0), map.kind(15)), (None, None));
    }
}
