//! The state cookie ([RFC 9260 §5.1.3](https://www.rfc-editor.org/rfc/rfc9260#section-5.1.3)).
//!
//! What an INIT asks for is not kept but handed to its sender, under an HMAC whose key only we
//! know, and taken back with its COOKIE ECHO: so an INIT costs us nothing but the answer.

use crate::chunk::init::{Extensions, Init};
use crate::chunk::{u16_at, u32_at};
use crate::handover::{HandoverError, Reader, Writer};
use crate::tsn::Tsn;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::time::Duration;
use zeroize::Zeroizing;

/// What a cookie says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Cookie {
    /// When it was made, counted from when the association object was.
    pub(crate) made: Duration,
    /// Our side: what our INIT ACK said.
    pub(crate) local: Init,
    /// The peer's side: what its INIT said.
    pub(crate) peer: Init,
    /// The tie-tags: the tags of the association that existed when the INIT came, ours and the
    /// peer's, or zeroes.
    pub(crate) tie_tags: (u32, u32),
}

/// The key that cookies are made with.
pub(crate) struct CookieKey(Zeroizing<[u8; 32]>);

impl CookieKey {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self(Zeroizing::new(key))
    }

    pub(crate) fn hand_over(&self, out: &mut Writer) {
        self.0.iter().for_each(|byte| out.u8(*byte));
    }

    pub(crate) fn resume(from: &mut Reader<'_>) -> Result<Self, HandoverError> {
        let mut key = Zeroizing::new([0; 32]);
        for byte in key.iter_mut() {
            *byte = from.u8()?;
        }
        Ok(Self(key))
    }

    fn mac(&self, bytes: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_slice()).ok()?;
        mac.update(bytes);
        Some(mac)
    }

    /// Makes the cookie.
    pub(crate) fn seal(&self, cookie: &Cookie) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(COOKIE_LEN);
        let millis = u64::try_from(cookie.made.as_millis()).unwrap_or(u64::MAX);
        bytes.extend_from_slice(&millis.to_be_bytes());
        for init in [&cookie.local, &cookie.peer] {
            bytes.extend_from_slice(&init.initiate_tag.to_be_bytes());
            bytes.extend_from_slice(&init.a_rwnd.to_be_bytes());
            bytes.extend_from_slice(&init.outbound_streams.to_be_bytes());
            bytes.extend_from_slice(&init.inbound_streams.to_be_bytes());
            bytes.extend_from_slice(&init.initial_tsn.0.to_be_bytes());
            bytes.extend_from_slice(&[0, 0, 0, init.extensions.to_bits()]);
        }
        bytes.extend_from_slice(&cookie.tie_tags.0.to_be_bytes());
        bytes.extend_from_slice(&cookie.tie_tags.1.to_be_bytes());
        debug_assert_eq!(bytes.len(), PLAIN_LEN);
        if let Some(mac) = self.mac(&bytes) {
            bytes.extend_from_slice(&mac.finalize().into_bytes());
        }
        bytes
    }

    /// Reads a cookie, if we made it.
    pub(crate) fn open(&self, bytes: &[u8]) -> Option<Cookie> {
        let (plain, tag) = bytes.split_at_checked(PLAIN_LEN)?;
        // In constant time.
        self.mac(plain)?.verify_slice(tag).ok()?;
        let (millis, rest) = plain.split_first_chunk::<8>()?;
        let init = |offset: usize| {
            let [_, _, _, bits] = u32_at(rest, offset + 16)?.to_be_bytes();
            Some(Init {
                initiate_tag: u32_at(rest, offset)?,
                a_rwnd: u32_at(rest, offset + 4)?,
                outbound_streams: u16_at(rest, offset + 8)?,
                inbound_streams: u16_at(rest, offset + 10)?,
                initial_tsn: Tsn(u32_at(rest, offset + 12)?),
                extensions: Extensions::from_bits(bits),
            })
        };
        Some(Cookie {
            made: Duration::from_millis(u64::from_be_bytes(*millis)),
            local: init(0)?,
            peer: init(INIT_LEN)?,
            tie_tags: (u32_at(rest, 2 * INIT_LEN)?, u32_at(rest, 2 * INIT_LEN + 4)?),
        })
    }
}

impl std::fmt::Debug for CookieKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CookieKey(..)")
    }
}

const INIT_LEN: usize = 20;
/// Time, two sides, two tie-tags.
const PLAIN_LEN: usize = 8 + 2 * INIT_LEN + 8;
const COOKIE_LEN: usize = PLAIN_LEN + 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn cookie() -> Cookie {
        let local = Init {
            initiate_tag: 1,
            a_rwnd: 2,
            outbound_streams: 3,
            inbound_streams: 4,
            initial_tsn: Tsn(5),
            extensions: Extensions::from_bits(0b0_1101),
        };
        let extensions = Extensions::from_bits(0b1_0010);
        let peer = Init { initiate_tag: 9, extensions, ..local };
        Cookie { made: Duration::from_millis(77), local, peer, tie_tags: (6, 7) }
    }

    #[test]
    fn a_cookie_comes_back_as_it_was() {
        let key = CookieKey::new([3; 32]);
        let sealed = key.seal(&cookie());
        assert_eq!(sealed.len(), COOKIE_LEN);
        assert_eq!(key.open(&sealed), Some(cookie()));
    }

    #[test]
    fn a_changed_or_foreign_cookie_is_refused() {
        let key = CookieKey::new([3; 32]);
        let sealed = key.seal(&cookie());
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert_eq!(key.open(&changed), None);
            assert_eq!(key.open(&sealed[..index]), None);
        }
        assert_eq!(CookieKey::new([4; 32]).open(&sealed), None);
    }

    #[test]
    fn the_key_is_not_printed() {
        assert_eq!(format!("{:?}", CookieKey::new([3; 32])), "CookieKey(..)");
    }
}
