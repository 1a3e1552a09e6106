//! AES in counter mode and HMAC-SHA1, by RustCrypto: what SRTP's older profiles are made of.
//!
//! *ring* has no counter mode, and its HMAC-SHA1 is portable code. aws-lc-rs has both, its HMAC-SHA1
//! slightly slower than this one.

use aes::{Aes128, Aes256};
use ctr::CtrCore;
use ctr::cipher::consts::U16;
use ctr::cipher::{
    BlockCipher, BlockEncryptMut, BlockSizeUser, InnerIvInit, KeyInit, StreamCipherCore,
};
use ctr::flavors::Ctr128BE;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;

use super::{AesCtr, AesCtrHmacSha1, CryptoError, KeyError};

pub(super) fn aes_ctr(key: &[u8]) -> Result<Box<dyn AesCtr>, KeyError> {
    Ok(match key.len() {
        32 => Box::new(Ctr(aes::<Aes256>(key)?)),
        _ => Box::new(Ctr(aes::<Aes128>(key)?)),
    })
}

pub(super) fn aes_ctr_hmac_sha1(
    cipher_key: &[u8],
    authentication_key: &[u8],
) -> Result<Box<dyn AesCtrHmacSha1>, KeyError> {
    // An HMAC key may have any length (RFC 2104 §2), so that this cannot fail.
    let hmac = <Hmac<Sha1> as Mac>::new_from_slice(authentication_key)
        .map_err(|_| KeyError::Length { actual: authentication_key.len(), expected: 20 })?;
    Ok(match cipher_key.len() {
        32 => Box::new(CtrHmac { aes: Ctr(aes::<Aes256>(cipher_key)?), hmac }),
        _ => Box::new(CtrHmac { aes: Ctr(aes::<Aes128>(cipher_key)?), hmac }),
    })
}

/// An AES key schedule, expanded once.
struct Ctr<C>(C);

impl<C> AesCtr for Ctr<C>
where
    C: Send + Sync + BlockSizeUser<BlockSize = U16>,
    for<'k> &'k C: BlockEncryptMut + BlockCipher + BlockSizeUser<BlockSize = U16>,
{
    fn apply(&self, counter: &[u8; 16], data: &mut [u8]) {
        // The keystream borrows the schedule: no key is expanded per packet. It counts its blocks
        // from zero whatever `counter` is, and only 2^128 of them would make it panic.
        CtrCore::<&C, Ctr128BE>::inner_iv_init(&self.0, counter.into())
            .apply_keystream_partial(data.into());
    }
}

struct CtrHmac<C> {
    aes: Ctr<C>,
    /// Keyed, so that its two midstates are computed; cloned for every packet.
    hmac: Hmac<Sha1>,
}

impl<C> CtrHmac<C> {
    fn mac(&self, packet: &[u8], suffix: &[u8]) -> [u8; 20] {
        let mut hmac = self.hmac.clone();
        hmac.update(packet);
        hmac.update(suffix);
        hmac.finalize().into_bytes().into()
    }
}

impl<C> AesCtrHmacSha1 for CtrHmac<C>
where
    C: Send + Sync,
    Ctr<C>: AesCtr,
{
    fn seal(&self, counter: &[u8; 16], packet: &mut [u8], clear: usize, suffix: &[u8]) -> [u8; 20] {
        if let Some(secret) = packet.get_mut(clear..) {
            self.aes.apply(counter, secret);
        }
        self.mac(packet, suffix)
    }

    fn apply(&self, counter: &[u8; 16], data: &mut [u8]) {
        self.aes.apply(counter, data);
    }

    fn open(
        &self,
        counter: &[u8; 16],
        packet: &mut [u8],
        clear: usize,
        suffix: &[u8],
        tag: &[u8],
    ) -> Result<(), CryptoError> {
        if !is_start_of(tag, &self.mac(packet, suffix)) {
            return Err(CryptoError);
        }
        if let Some(secret) = packet.get_mut(clear..) {
            self.aes.apply(counter, secret);
        }
        Ok(())
    }
}

/// Whether `tag` is a MAC, cut to the tag's length, which is not zero. The time that this takes
/// depends on the length only.
///
/// The tags of SRTP's profiles are compared as one number or two, not byte by byte: that takes a
/// tenth of the time of a packet of audio.
fn is_start_of(tag: &[u8], mac: &[u8; 20]) -> bool {
    match (tag.len(), tag.split_first_chunk::<8>(), mac.split_first_chunk::<8>()) {
        (10, Some((sent, [a, b])), Some((made, [c, d, ..]))) => {
            let first = u64::from_ne_bytes(*sent).ct_eq(&u64::from_ne_bytes(*made));
            let last = u16::from_ne_bytes([*a, *b]).ct_eq(&u16::from_ne_bytes([*c, *d]));
            (first & last).into()
        }
        (len, ..) => mac.get(..len).is_some_and(|mac| len > 0 && mac.ct_eq(tag).into()),
    }
}

fn aes<C: KeyInit>(key: &[u8]) -> Result<C, KeyError> {
    C::new_from_slice(key).map_err(|_| KeyError::Length { actual: key.len(), expected: 16 })
}

#[cfg(test)]
mod tests {
    use super::is_start_of;

    #[test]
    fn a_tag_is_a_mac_cut_short_and_nothing_else_is() {
        let mac: [u8; 20] = std::array::from_fn(|i| i as u8);
        assert!(!is_start_of(&[], &mac));
        for len in 1..=20 {
            let mut tag = mac[..len].to_vec();
            assert!(is_start_of(&tag, &mac), "{len} bytes");
            for bit in 0..len * 8 {
                tag[bit / 8] ^= 1 << (bit % 8);
                assert!(!is_start_of(&tag, &mac), "bit {bit} of {len} bytes");
                tag[bit / 8] ^= 1 << (bit % 8);
            }
        }
        assert!(!is_start_of(&[mac.as_slice(), &[20]].concat(), &mac));
    }
}
