use super::{
    PacketsLeft, Profile,
    cipher::Cipher,
    extension::{ExtensionIds, HeaderCipher},
    keys::{self, MasterKey},
};
use crate::crypto::{Crypto, KeyError};

/// The master keys of a context: one, or several that tell themselves apart by their identifiers
/// ([RFC 3711 §8.1](https://www.rfc-editor.org/rfc/rfc3711#section-8.1)).
pub(super) struct Keyring {
    /// What is sent with, and the first that is tried.
    pub(super) current: Key,
    others: Vec<Key>,
}

/// The session keys of one master key, and how often they were used.
pub(super) struct Key {
    /// The master key identifier: empty if packets carry none.
    pub(super) mki: Box<[u8]>,
    pub(super) rtp: Cipher,
    pub(super) rtcp: Cipher,
    /// For RFC 6904, where it is used.
    pub(super) header: Option<Box<HeaderCipher>>,
    /// "For each master key, there is a counter of the number of SRTP packets that have been
    /// processed (sent) with that master key" (RFC 3711 §3.2.1). It counts down.
    pub(super) left: PacketsLeft,
}

impl Key {
    pub(super) fn new(
        profile: Profile,
        master: &MasterKey,
        encrypted_extensions: ExtensionIds,
        left: PacketsLeft,
        crypto: &Crypto,
    ) -> Result<Self, KeyError> {
        let derivation = keys::Derivation::new(profile, master, crypto)?;
        let header = match encrypted_extensions.is_empty() {
            true => None,
            false => Some(Box::new(derivation.header_cipher(encrypted_extensions, crypto)?)),
        };
        Ok(Self {
            mki: master.mki().into(),
            rtp: derivation.rtp(crypto)?,
            rtcp: derivation.rtcp(crypto)?,
            header,
            left,
        })
    }

    /// Which header extension elements are encrypted.
    pub(super) fn encrypted_extensions(&self) -> ExtensionIds {
        self.header.as_ref().map(|header| header.ids).unwrap_or_default()
    }
}

impl Keyring {
    pub(super) const fn new(key: Key) -> Self {
        Self { current: key, others: Vec::new() }
    }

    pub(super) const fn mki_len(&self) -> usize {
        self.current.mki.len()
    }

    #[inline]
    pub(super) fn find(&self, mki: &[u8]) -> Option<&Key> {
        // Without identifiers there is one key.
        if mki.is_empty() || *self.current.mki == *mki {
            return Some(&self.current);
        }
        self.others.iter().find(|key| *key.mki == *mki)
    }

    /// The caller has looked whether it is there.
    pub(super) fn add(&mut self, key: Key) {
        self.others.push(key);
    }

    pub(super) fn send_with(&mut self, mki: &[u8]) -> bool {
        if *self.current.mki == *mki {
            return true;
        }
        let Some(key) = self.others.iter_mut().find(|key| *key.mki == *mki) else { return false };
        std::mem::swap(key, &mut self.current);
        true
    }

    pub(super) fn remove(&mut self, mki: &[u8]) -> bool {
        let before = self.others.len();
        self.others.retain(|key| *key.mki != *mki);
        self.others.len() != before
    }
}
