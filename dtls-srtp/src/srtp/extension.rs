//! Header extension elements, encrypted one by one
//! ([RFC 6904](https://www.rfc-editor.org/rfc/rfc6904)).

use rtp::packet::Extensions;

use super::cipher::Salt;
use crate::crypto::AesCtr;

/// The ids of the header extension elements whose data is encrypted, 1 to 255: those that SDP maps
/// to `urn:ietf:params:rtp-hdrext:encrypt`
/// ([RFC 6904 §4](https://www.rfc-editor.org/rfc/rfc6904#section-4)).
///
/// ```
/// use peerless_dtls_srtp::srtp::ExtensionIds;
/// let ids: ExtensionIds = [1, 3].into_iter().collect();
/// assert!(ids.contains(3) && !ids.contains(2));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ExtensionIds([u128; 2]);

impl ExtensionIds {
    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns whether the element with this id is encrypted.
    pub fn contains(&self, id: u8) -> bool {
        let half = self.0.get(usize::from(id >> 7)).copied().unwrap_or_default();
        half & (1 << (id & 0x7F)) != 0
    }
}

impl FromIterator<u8> for ExtensionIds {
    fn from_iter<I: IntoIterator<Item = u8>>(ids: I) -> Self {
        let mut set = Self::default();
        for id in ids {
            if let Some(half) = set.0.get_mut(usize::from(id >> 7)) {
                *half |= 1 << (id & 0x7F);
            }
        }
        set
    }
}

/// The header encryption key and the header salting key.
pub(super) struct HeaderCipher {
    cipher: Box<dyn AesCtr>,
    salt: Salt,
    /// What they are for.
    pub(super) ids: ExtensionIds,
}

impl HeaderCipher {
    pub(super) const fn new(cipher: Box<dyn AesCtr>, salt: Salt, ids: ExtensionIds) -> Self {
        Self { cipher, salt, ids }
    }

    /// Encrypts, or decrypts, the data of the elements that are to be. What announces the elements is not
    /// touched and reads the same before and after.
    pub(super) fn apply(&self, ssrc: u32, index: u64, profile: u16, elements: &mut [u8]) {
        // "The same encryption transform and Initialization Vector (IV) as are used for that
        // packet's SRTP payload", under other keys (§3.2); AES-CM for GCM too (RFC 7714 §8.3).
        let mut keystream = Keystream {
            cipher: &*self.cipher,
            counter: u128::from_be_bytes(self.salt.counter(ssrc, index)),
            start: None,
            bytes: [0; KEYSTREAM_LEN],
        };
        let mut at = 0;
        while let Some((id, range)) = Extensions::new(profile, elements).locate(at) {
            at = range.end;
            if self.ids.contains(id)
                && let Some(data) = elements.get_mut(range.clone())
            {
                keystream.add(range.start, data);
            }
        }
    }
}

/// The keystream of one header extension, from its first element, made as far as it is needed.
struct Keystream<'k> {
    cipher: &'k dyn AesCtr,
    counter: u128,
    /// Where in the keystream `bytes` are from.
    start: Option<usize>,
    bytes: [u8; KEYSTREAM_LEN],
}

impl Keystream<'_> {
    /// Adds (XOR) the keystream from byte `from` to `data`.
    fn add(&mut self, from: usize, data: &mut [u8]) {
        for (at, byte) in (from..).zip(data) {
            *byte ^= self.byte(at);
        }
    }

    fn byte(&mut self, at: usize) -> u8 {
        let offset = at % KEYSTREAM_LEN;
        let start = at - offset;
        if self.start != Some(start) {
            self.bytes.fill(0);
            let counter = self.counter.wrapping_add((start / 16) as u128);
            self.cipher.apply(&counter.to_be_bytes(), &mut self.bytes);
            self.start = Some(start);
        }
        self.bytes.get(offset).copied().unwrap_or_default()
    }
}

/// Four blocks: most header extensions are shorter.
const KEYSTREAM_LEN: usize = 64;
