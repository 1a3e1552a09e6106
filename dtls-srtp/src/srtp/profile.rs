use super::keys::{Derivation, MasterKey};
use crate::crypto::Crypto;

/// A crypto suite of SRTP, in DTLS a protection profile: cipher, lengths of keys and tags.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Profile {
    /// AES-128 in counter mode with an 80-bit HMAC-SHA1 tag
    /// ([RFC 5764 §4.1.2](https://www.rfc-editor.org/rfc/rfc5764#section-4.1.2)): mandatory for
    /// WebRTC.
    Aes128CmHmacSha1_80,
    /// The same with a 32-bit tag on RTP; RTCP keeps its 80 bits.
    Aes128CmHmacSha1_32,
    /// AES-256 in counter mode with an 80-bit HMAC-SHA1 tag
    /// ([RFC 6188](https://www.rfc-editor.org/rfc/rfc6188)): keyed by hand or by SDES only, as DTLS
    /// has no number for it.
    Aes256CmHmacSha1_80,
    /// The same with a 32-bit tag on RTP; RTCP keeps its 80 bits.
    Aes256CmHmacSha1_32,
    /// AES-128 in Galois/Counter Mode with a 128-bit tag
    /// ([RFC 7714 §14.2](https://www.rfc-editor.org/rfc/rfc7714#section-14.2)).
    AeadAes128Gcm,
    /// AES-256 in Galois/Counter Mode with a 128-bit tag.
    AeadAes256Gcm,
}

impl Profile {
    /// The default of ours to offer and to choose, best first: GCM is both faster (one pass, with
    /// the processor's instructions) and has the longer tag.
    pub const DEFAULT: [Self; 3] =
        [Self::AeadAes128Gcm, Self::AeadAes256Gcm, Self::Aes128CmHmacSha1_80];

    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Aes128CmHmacSha1_80,
        Self::Aes128CmHmacSha1_32,
        Self::Aes256CmHmacSha1_80,
        Self::Aes256CmHmacSha1_32,
        Self::AeadAes128Gcm,
        Self::AeadAes256Gcm,
    ];

    /// Returns the profile with this number in DTLS's `use_srtp` extension
    /// ([IANA](https://www.iana.org/assignments/srtp-protection/srtp-protection.xhtml)).
    pub const fn from_code(code: u16) -> Option<Self> {
        match code {
            0x0001 => Some(Self::Aes128CmHmacSha1_80),
            0x0002 => Some(Self::Aes128CmHmacSha1_32),
            0x0007 => Some(Self::AeadAes128Gcm),
            0x0008 => Some(Self::AeadAes256Gcm),
            _ => None,
        }
    }

    /// Returns the number in DTLS's `use_srtp` extension; `None` for what DTLS cannot negotiate.
    pub const fn code(self) -> Option<u16> {
        match self {
            Self::Aes128CmHmacSha1_80 => Some(0x0001),
            Self::Aes128CmHmacSha1_32 => Some(0x0002),
            Self::Aes256CmHmacSha1_80 | Self::Aes256CmHmacSha1_32 => None,
            Self::AeadAes128Gcm => Some(0x0007),
            Self::AeadAes256Gcm => Some(0x0008),
        }
    }

    /// Returns the profile with this name in SDES
    /// ([IANA](https://www.iana.org/assignments/sdp-security-descriptions/sdp-security-descriptions.xhtml)).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }

    /// Returns the name in SDES (`a=crypto`) and in W3C statistics (`srtpCipher`).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes128CmHmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::Aes128CmHmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Self::Aes256CmHmacSha1_80 => "AES_256_CM_HMAC_SHA1_80",
            Self::Aes256CmHmacSha1_32 => "AES_256_CM_HMAC_SHA1_32",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// Returns the length of the master key in bytes.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes128CmHmacSha1_80 | Self::Aes128CmHmacSha1_32 | Self::AeadAes128Gcm => 16,
            Self::Aes256CmHmacSha1_80 | Self::Aes256CmHmacSha1_32 | Self::AeadAes256Gcm => 32,
        }
    }

    /// Returns the length of the master salt in bytes.
    pub const fn salt_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 12,
            _ => 14,
        }
    }

    /// Returns how many RTP packets one master key may protect: 2^48, and with AES-256-CM, whose
    /// standard says less, 2^31 ([RFC 6188 §4](https://www.rfc-editor.org/rfc/rfc6188#section-4)).
    pub const fn max_rtp_packets(self) -> u64 {
        match self {
            Self::Aes256CmHmacSha1_80 | Self::Aes256CmHmacSha1_32 => 1 << 31,
            _ => 1 << 48,
        }
    }

    /// How many RTCP packets one master key may protect, whatever the profile.
    pub const MAX_RTCP_PACKETS: u64 = 1 << 31;

    /// Returns the length in bytes of the keying material that both directions take
    /// ([RFC 5764 §4.2](https://www.rfc-editor.org/rfc/rfc5764#section-4.2)).
    pub const fn keying_material_len(self) -> usize {
        2 * (self.key_len() + self.salt_len())
    }

    /// Whether `crypto` has what it takes.
    pub(crate) fn is_supported(self, crypto: &Crypto) -> bool {
        let zeros = [0; 32];
        let key = zeros.get(..self.key_len()).unwrap_or_default();
        let salt = zeros.get(..self.salt_len()).unwrap_or_default();
        Derivation::new(self, &MasterKey::new(key, salt), crypto)
            .and_then(|derivation| derivation.rtp(crypto))
            .is_ok()
    }

    /// Returns the length in bytes of the tag of an SRTP packet.
    pub const fn rtp_tag_len(self) -> usize {
        match self {
            Self::Aes128CmHmacSha1_80 | Self::Aes256CmHmacSha1_80 => 10,
            Self::Aes128CmHmacSha1_32 | Self::Aes256CmHmacSha1_32 => 4,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
        }
    }

    /// Returns the length in bytes of the tag of an SRTCP packet.
    pub const fn rtcp_tag_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
            _ => 10,
        }
    }
}

impl std::fmt::Display for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
