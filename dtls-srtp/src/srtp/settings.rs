use super::{Cryptex, ExtensionIds, PacketsLeft, Profile};

/// The bounds and the options of a [`Context`](super::Context).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// How many packets of a source before its newest can still arrive: older ones are refused as
    /// they could be replays. At least 64 ([RFC 3711
    /// §3.3.2](https://www.rfc-editor.org/rfc/rfc3711#section-3.3.2)), at most 65 536 (sequence
    /// numbers do not reach back farther than half of that), and rounded up to a power of two; each
    /// costs a bit per source. The default, 1024, is a fifth of a second of a 50 Mbit/s stream.
    pub replay_window: usize,
    /// The same for RTCP. The default, 128, is more than comes in half a minute.
    pub rtcp_replay_window: usize,
    /// How many sources a context follows. Packets of further ones are refused, for as long as the
    /// context lives: forgetting a source would let its packets be replayed. The default, 1024, is
    /// far above what most sessions of one transport have and keeps the table below 256 KiB.
    pub max_sources: usize,
    /// How many RTP packets a master key protects at most, those of all sources together. The
    /// default is the profile's limit ([`Profile::max_rtp_packets`]), which cannot be exceeded.
    pub max_rtp_packets: Option<u64>,
    /// The same for RTCP packets; the limit is 2^31.
    pub max_rtcp_packets: Option<u64>,
    /// Whether CSRCs and header extensions are encrypted.
    pub cryptex: Cryptex,
    /// Which header extension elements are encrypted one by one, in packets that cryptex does not
    /// encrypt whole ([RFC 6904](https://www.rfc-editor.org/rfc/rfc6904)). The default is none;
    /// what holds when the context is made holds as long as it lives.
    pub encrypted_extensions: ExtensionIds,
    /// Whether a packet with the index of an earlier one can be protected.
    pub repetition: Repetition,
}

/// Whether [`protect_rtp`](super::Context::protect_rtp) takes a packet whose index was used before.
///
/// "Any fixed keystream output, generated from the same key and index MUST only be used to encrypt
/// once" ([RFC 3711 §9.1](https://www.rfc-editor.org/rfc/rfc3711#section-9.1)): of two payloads under
/// one, whoever hears both learns the difference.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Repetition {
    /// It is refused, and so is one that is too old to know.
    #[default]
    Refused,
    /// It is taken in counter mode: the caller sees to it that payload, padding and SSRC are those of
    /// the packet before, as they are where lost packets are sent again as they were, without RFC
    /// 4588. What is not encrypted may differ. It is refused all the same under GCM, where that
    /// would give the authentication key away, with [`encrypted
    /// extensions`](Settings::encrypted_extensions), and as soon as [`Cryptex`] was anything but
    /// off once, as header extensions are encrypted then, which change.
    SamePayload,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            replay_window: 1024,
            rtcp_replay_window: 128,
            max_sources: 1024,
            max_rtp_packets: None,
            max_rtcp_packets: None,
            cryptex: Cryptex::Off,
            encrypted_extensions: ExtensionIds::default(),
            repetition: Repetition::Refused,
        }
    }
}

impl Settings {
    /// Returns the settings within what the standards allow.
    pub(super) fn bounded(self) -> Self {
        Self {
            replay_window: self.replay_window.clamp(MIN_REPLAY_WINDOW, MAX_REPLAY_WINDOW),
            rtcp_replay_window: self.rtcp_replay_window.clamp(MIN_REPLAY_WINDOW, MAX_REPLAY_WINDOW),
            ..self
        }
    }

    /// Returns how many packets a master key may protect.
    pub(super) fn lifetime(&self, profile: Profile) -> PacketsLeft {
        let at_most = |set: Option<u64>, limit: u64| set.map_or(limit, |set| set.min(limit));
        PacketsLeft {
            rtp: at_most(self.max_rtp_packets, profile.max_rtp_packets()),
            rtcp: at_most(self.max_rtcp_packets, Profile::MAX_RTCP_PACKETS),
        }
    }
}

/// "The replay list … window size … MUST be at least 64" (RFC 3711 §3.3.2).
const MIN_REPLAY_WINDOW: usize = 64;

/// 8 KiB for each source.
const MAX_REPLAY_WINDOW: usize = 1 << 16;
