use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{
    cipher::{Cipher, Salt},
    extension::{ExtensionIds, HeaderCipher},
    profile::Profile,
};
use crate::crypto::{AeadAlgorithm, AesCtr, Crypto, KeyError};

/// A master key with its salt: what one direction's session keys are derived from. Wiped when
/// dropped, and never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct MasterKey {
    key: Vec<u8>,
    salt: Vec<u8>,
    mki: Vec<u8>,
}

impl MasterKey {
    /// Makes a master key. [`Context::new`](super::Context::new) checks the lengths, which are
    /// the profile's: [`Profile::key_len`] and [`Profile::salt_len`].
    pub fn new(key: &[u8], salt: &[u8]) -> Self {
        Self { key: key.to_vec(), salt: salt.to_vec(), mki: Vec::new() }
    }

    /// Gives the key an identifier (MKI), which then follows every packet under it and tells it
    /// from others ([`Context::add_key`](super::Context::add_key)). Both sides must have agreed on
    /// it; DTLS never does here, as an MKI that it offers is answered with none.
    #[must_use]
    pub fn with_mki(mut self, mki: &[u8]) -> Self {
        self.mki = mki.to_vec();
        self
    }

    /// Returns the identifier, which is empty without one.
    pub fn mki(&self) -> &[u8] {
        &self.mki
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MasterKey").finish_non_exhaustive()
    }
}

/// The master keys of both directions, as a DTLS handshake gives them.
#[derive(Clone, Debug)]
pub struct SessionKeys {
    /// The profile that was negotiated.
    pub profile: Profile,
    /// For what we send.
    pub local: MasterKey,
    /// For what we receive.
    pub remote: MasterKey,
}

impl SessionKeys {
    /// The label of the exporter that gives the keying material
    /// ([RFC 5764 §4.2](https://www.rfc-editor.org/rfc/rfc5764#section-4.2)).
    pub const EXPORTER_LABEL: &'static str = "EXTRACTOR-dtls_srtp";

    /// Cuts exported keying material into the keys of the DTLS client. `None` unless it has
    /// [`Profile::keying_material_len`] bytes.
    pub fn for_client(profile: Profile, material: &[u8]) -> Option<Self> {
        if material.len() != profile.keying_material_len() {
            return None;
        }
        // client_write_SRTP_master_key, server_write_SRTP_master_key, client's salt, server's.
        let (client_key, rest) = material.split_at_checked(profile.key_len())?;
        let (server_key, rest) = rest.split_at_checked(profile.key_len())?;
        let (client_salt, server_salt) = rest.split_at_checked(profile.salt_len())?;
        Some(Self {
            profile,
            local: MasterKey::new(client_key, client_salt),
            remote: MasterKey::new(server_key, server_salt),
        })
    }

    /// The same for the DTLS server.
    pub fn for_server(profile: Profile, material: &[u8]) -> Option<Self> {
        let Self { profile, local, remote } = Self::for_client(profile, material)?;
        Some(Self { profile, local: remote, remote: local })
    }
}

/// The pseudo-random function under one master key: AES in counter mode, started at the label
/// ([RFC 3711 §4.3](https://www.rfc-editor.org/rfc/rfc3711#section-4.3),
/// [RFC 6188 §3](https://www.rfc-editor.org/rfc/rfc6188#section-3),
/// [RFC 7714 §11](https://www.rfc-editor.org/rfc/rfc7714#section-11)). Its AES has the length of
/// the master key.
pub(super) struct Derivation {
    profile: Profile,
    prf: Box<dyn AesCtr>,
    /// The master salt times 2^16: shorter salts are filled with zeros to the right, as libsrtp
    /// does for the 96 bits of GCM.
    counter: Zeroizing<[u8; 16]>,
}

impl Derivation {
    pub(super) fn new(
        profile: Profile,
        key: &MasterKey,
        crypto: &Crypto,
    ) -> Result<Self, KeyError> {
        for (actual, expected) in
            [(key.key.len(), profile.key_len()), (key.salt.len(), profile.salt_len())]
        {
            if actual != expected {
                return Err(KeyError::Length { actual, expected });
            }
        }
        let mut counter = Zeroizing::new([0; 16]);
        for (to, from) in counter.iter_mut().zip(&key.salt) {
            *to = *from;
        }
        Ok(Self { profile, prf: crypto.packets.aes_ctr(&key.key)?, counter })
    }

    /// The session keys of RTP.
    pub(super) fn rtp(&self, crypto: &Crypto) -> Result<Cipher, KeyError> {
        self.cipher(self.profile.rtp_tag_len(), RTP_LABELS, crypto)
    }

    /// The session keys of RTCP.
    pub(super) fn rtcp(&self, crypto: &Crypto) -> Result<Cipher, KeyError> {
        self.cipher(self.profile.rtcp_tag_len(), RTCP_LABELS, crypto)
    }

    /// "k_he (SRTP header encryption): <label> = 0x06", "k_hs (SRTP header salting key): <label> =
    /// 0x07" ([RFC 6904 §3](https://www.rfc-editor.org/rfc/rfc6904#section-3)). With GCM, too, it is
    /// AES-CM ([RFC 7714 §8.3](https://www.rfc-editor.org/rfc/rfc7714#section-8.3)), with a salt of
    /// "the same size" as for the payload: 96 bits, filled with zeros, as in libsrtp.
    pub(super) fn header_cipher(
        &self,
        ids: ExtensionIds,
        crypto: &Crypto,
    ) -> Result<HeaderCipher, KeyError> {
        let cipher = crypto.packets.aes_ctr(&self.key(HEADER_ENCRYPTION_LABEL))?;
        Ok(HeaderCipher::new(cipher, self.salt(HEADER_SALT_LABEL), ids))
    }

    /// Fills `out` with the key of `label`, the key derivation rate being zero.
    fn derive(&self, label: u8, out: &mut [u8]) {
        // "key_id = <label> || r", 56 bits, XOR the 112-bit salt, aligned to the right.
        let mut counter: Zeroizing<[u8; 16]> = self.counter.clone();
        let block: &mut [u8; 16] = &mut counter;
        block[7] ^= label;
        out.fill(0);
        self.prf.apply(block, out);
    }

    fn key(&self, label: u8) -> Zeroizing<Vec<u8>> {
        let mut key = Zeroizing::new(vec![0; self.profile.key_len()]);
        self.derive(label, &mut key);
        key
    }

    fn salt(&self, label: u8) -> Salt {
        let mut salt = Salt::default();
        self.derive(label, salt.0.get_mut(..self.profile.salt_len()).unwrap_or_default());
        salt
    }

    fn cipher(&self, tag_len: usize, labels: Labels, crypto: &Crypto) -> Result<Cipher, KeyError> {
        let key = self.key(labels.encryption);
        let salt = self.salt(labels.salt);
        let algorithm = match self.profile {
            Profile::AeadAes128Gcm => AeadAlgorithm::Aes128Gcm,
            Profile::AeadAes256Gcm => AeadAlgorithm::Aes256Gcm,
            Profile::Aes128CmHmacSha1_80
            | Profile::Aes128CmHmacSha1_32
            | Profile::Aes256CmHmacSha1_80
            | Profile::Aes256CmHmacSha1_32 => {
                let mut authentication = Zeroizing::new([0; 20]);
                self.derive(labels.authentication, &mut *authentication);
                let object = crypto.packets.aes_ctr_hmac_sha1(&key, &*authentication)?;
                return Ok(Cipher::counter_mode(object, salt, tag_len));
            }
        };
        Ok(Cipher::aead(crypto.packets.aead(algorithm, &key)?, salt))
    }
}

#[derive(Clone, Copy)]
struct Labels {
    encryption: u8,
    authentication: u8,
    salt: u8,
}

const RTP_LABELS: Labels = Labels { encryption: 0, authentication: 1, salt: 2 };
const RTCP_LABELS: Labels = Labels { encryption: 3, authentication: 4, salt: 5 };
const HEADER_ENCRYPTION_LABEL: u8 = 6;
const HEADER_SALT_LABEL: u8 = 7;

#[cfg(test)]
mod tests;
