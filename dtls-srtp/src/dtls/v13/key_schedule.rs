//! The key schedule ([RFC 8446 §7](https://www.rfc-editor.org/rfc/rfc8446#section-7)), with the
//! labels of [RFC 9147 §5.9](https://www.rfc-editor.org/rfc/rfc9147#section-5.9):
//!
//! ```text
//!             0
//!   0 ──▶ HKDF-Extract = Early Secret
//!             │ "derived"
//!  (EC)DHE ──▶ HKDF-Extract = Handshake Secret ──▶ "c hs traffic", "s hs traffic"
//!             │ "derived"
//!   0 ──▶ HKDF-Extract = Master Secret ──▶ "c ap traffic", "s ap traffic", "exp master"
//! ```

use std::fmt;

use rustls::crypto::tls13::{HkdfExpander, OkmBlock};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::protection::{Iv, Keyed, Opener, Sealer};
use crate::crypto::Crypto;
use crate::dtls::suite::Suite13;
use crate::dtls::{ExportError, HandshakeError};

/// "Note that there is no trailing space."
const PREFIX: &[u8; 6] = b"dtls13";

/// The longest label that fits beside [`PREFIX`].
const MAX_LABEL: usize = 255 - PREFIX.len();

/// HKDF of a suite, and what its labels begin with.
#[derive(Clone, Copy)]
struct Schedule {
    suite: Suite13,
    prefix: &'static [u8; 6],
}

impl Schedule {
    /// `HKDF-Expand-Label` ([RFC 8446 §7.1](https://www.rfc-editor.org/rfc/rfc8446#section-7.1)).
    /// `None` if it is longer than HKDF gives.
    fn expand(
        self,
        secret: &dyn HkdfExpander,
        label: &[u8],
        context: &[u8],
        out: &mut [u8],
    ) -> Option<()> {
        let len = u16::try_from(out.len()).ok()?.to_be_bytes();
        let label_len = [u8::try_from(self.prefix.len() + label.len()).ok()?];
        let context_len = [u8::try_from(context.len()).ok()?];
        let info = [&len[..], &label_len, self.prefix, label, &context_len, context];
        secret.expand_slice(&info, out).ok()
    }

    /// `Derive-Secret`, of messages that are already hashed.
    fn derive(self, secret: &dyn HkdfExpander, label: &[u8], hash: &[u8]) -> OkmBlock {
        let len = [0, secret.hash_len() as u8];
        let label_len = [(self.prefix.len() + label.len()) as u8];
        let hash_len = [hash.len() as u8];
        secret.expand_block(&[&len, &label_len, self.prefix, label, &hash_len, hash])
    }

    fn traffic_secret(self, secret: &dyn HkdfExpander, label: &[u8], hash: &[u8]) -> TrafficSecret {
        TrafficSecret { schedule: self, secret: self.derive(secret, label, hash) }
    }

    fn expander(self, secret: &OkmBlock) -> Box<dyn HkdfExpander> {
        self.suite.provider.hkdf_provider.expander_for_okm(secret)
    }

    /// The hash of no message.
    fn empty_hash(self) -> rustls::crypto::hash::Output {
        self.suite.hash().hash(&[])
    }
}

/// The secrets of epoch 2, and the way to those of epoch 3.
pub(crate) struct HandshakeSecrets {
    schedule: Schedule,
    pub(crate) client: TrafficSecret,
    pub(crate) server: TrafficSecret,
    master: Box<dyn HkdfExpander>,
}

impl HandshakeSecrets {
    /// What comes of a key exchange. `hash` covers the messages up to and including ServerHello.
    pub(crate) fn new(suite: Suite13, shared_secret: &[u8], hash: &[u8]) -> Self {
        Self::with_prefix(PREFIX, suite, shared_secret, hash)
    }

    fn with_prefix(
        prefix: &'static [u8; 6],
        suite: Suite13,
        shared_secret: &[u8],
        hash: &[u8],
    ) -> Self {
        let schedule = Schedule { suite, prefix };
        let hkdf = suite.provider.hkdf_provider;
        let empty = schedule.empty_hash();
        let early = hkdf.extract_from_zero_ikm(None);
        let derived = schedule.derive(&*early, b"derived", empty.as_ref());
        let handshake = hkdf.extract_from_secret(Some(derived.as_ref()), shared_secret);
        let derived = schedule.derive(&*handshake, b"derived", empty.as_ref());
        Self {
            schedule,
            client: schedule.traffic_secret(&*handshake, b"c hs traffic", hash),
            server: schedule.traffic_secret(&*handshake, b"s hs traffic", hash),
            master: hkdf.extract_from_zero_ikm(Some(derived.as_ref())),
        }
    }

    /// The secrets of application data. `hash` covers the messages up to and including the
    /// server's Finished.
    pub(crate) fn application(&self, hash: &[u8]) -> ApplicationSecrets {
        let (schedule, master) = (self.schedule, &*self.master);
        ApplicationSecrets {
            client: schedule.traffic_secret(master, b"c ap traffic", hash),
            server: schedule.traffic_secret(master, b"s ap traffic", hash),
            exporter: Exporter { schedule, secret: schedule.derive(master, b"exp master", hash) },
        }
    }
}

/// The secrets of epoch 3.
pub(crate) struct ApplicationSecrets {
    pub(crate) client: TrafficSecret,
    pub(crate) server: TrafficSecret,
    pub(crate) exporter: Exporter,
}

/// What the keys of one side in one epoch come from. Wiped when dropped.
pub(crate) struct TrafficSecret {
    schedule: Schedule,
    secret: OkmBlock,
}

impl TrafficSecret {
    /// A secret that a key log tells.
    #[cfg(test)]
    pub(crate) fn from_bytes(suite: Suite13, secret: &[u8]) -> Self {
        let schedule = Schedule { suite, prefix: PREFIX };
        Self { schedule, secret: OkmBlock::new(secret) }
    }

    /// The secret itself, which nobody but a key log may see.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.secret.as_ref()
    }

    /// What seals the records of its side in `epoch`.
    pub(crate) fn sealer(&self, crypto: &Crypto, epoch: u64) -> Result<Sealer, HandshakeError> {
        let keyed = self.keyed(crypto).ok_or(HandshakeError::Internal)?;
        Ok(Sealer::new(keyed, self.schedule.suite.aead, epoch))
    }

    /// What opens the records of its side in `epoch`.
    pub(crate) fn opener(&self, crypto: &Crypto, epoch: u64) -> Result<Opener, HandshakeError> {
        let keyed = self.keyed(crypto).ok_or(HandshakeError::Internal)?;
        Ok(Opener::new(keyed, epoch))
    }

    fn keyed(&self, crypto: &Crypto) -> Option<Keyed> {
        let keys = self.keys()?;
        let algorithm = self.schedule.suite.aead;
        let (key, sequence_number_key) = keys.split(algorithm.key_len());
        let aead = crypto.packets.aead(algorithm, key).ok()?;
        let mask = crypto.packets.sequence_number_mask(algorithm, sequence_number_key).ok()?;
        Some(Keyed { aead, mask, iv: keys.iv })
    }

    /// [RFC 8446 §7.3](https://www.rfc-editor.org/rfc/rfc8446#section-7.3), and "sn" of
    /// [RFC 9147 §4.2.3](https://www.rfc-editor.org/rfc/rfc9147#section-4.2.3).
    fn keys(&self) -> Option<Keys> {
        let Self { schedule, secret } = self;
        let expander = schedule.expander(secret);
        let len = schedule.suite.aead.key_len();
        let mut keys = Keys { key: Zeroizing::new([0; 64]), iv: Iv::default() };
        let both = keys.key.get_mut(..2 * len)?;
        let (key, sequence_number_key) = both.split_at_mut(len);
        schedule.expand(&*expander, b"key", &[], key)?;
        schedule.expand(&*expander, b"sn", &[], sequence_number_key)?;
        schedule.expand(&*expander, b"iv", &[], &mut *keys.iv.0)?;
        Some(keys)
    }

    /// The contents of the Finished message of its side, after the messages that `hash` covers
    /// ([RFC 8446 §4.4.4](https://www.rfc-editor.org/rfc/rfc8446#section-4.4.4)).
    pub(crate) fn verify_data(&self, hash: &[u8]) -> rustls::crypto::hmac::Tag {
        let Self { schedule, secret } = self;
        let finished_key = schedule.derive(&*schedule.expander(secret), b"finished", &[]);
        schedule.suite.provider.hkdf_provider.hmac_sign(&finished_key, hash)
    }

    /// Checks a Finished message of its side.
    pub(crate) fn check_finished(&self, hash: &[u8], body: &[u8]) -> Result<(), HandshakeError> {
        if self.verify_data(hash).as_ref().ct_eq(body).into() {
            Ok(())
        } else {
            Err(HandshakeError::BadFinished)
        }
    }

    /// The secret of the epoch after a KeyUpdate
    /// ([RFC 8446 §7.2](https://www.rfc-editor.org/rfc/rfc8446#section-7.2)).
    pub(crate) fn next(&self) -> Self {
        let Self { schedule, secret } = self;
        let secret = schedule.derive(&*schedule.expander(secret), b"traffic upd", &[]);
        Self { schedule: *schedule, secret }
    }
}

impl fmt::Debug for TrafficSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrafficSecret").finish_non_exhaustive()
    }
}

/// The keys of one direction.
struct Keys {
    /// The key of the AEAD, and that of the sequence numbers behind it.
    key: Zeroizing<[u8; 64]>,
    iv: Iv,
}

impl Keys {
    fn split(&self, key_len: usize) -> (&[u8], &[u8]) {
        let (key, rest) = self.key.split_at_checked(key_len).unwrap_or_default();
        (key, rest.get(..key_len).unwrap_or_default())
    }
}

/// What keys for others come from
/// ([RFC 8446 §7.5](https://www.rfc-editor.org/rfc/rfc8446#section-7.5)). Wiped when dropped.
pub(crate) struct Exporter {
    schedule: Schedule,
    secret: OkmBlock,
}

impl Exporter {
    /// A secret that a key log tells.
    #[cfg(test)]
    pub(crate) fn from_bytes(suite: Suite13, secret: &[u8]) -> Self {
        let schedule = Schedule { suite, prefix: PREFIX };
        Self { schedule, secret: OkmBlock::new(secret) }
    }

    /// The secret itself, which nobody but a key log may see.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.secret.as_ref()
    }

    /// Fills `out`. No context and an empty one are the same here: "when context is not provided,
    /// it is the empty string".
    pub(crate) fn export(
        &self,
        label: &str,
        context: Option<&[u8]>,
        out: &mut [u8],
    ) -> Result<(), ExportError> {
        if label.len() > MAX_LABEL {
            return Err(ExportError::Label);
        }
        let schedule = self.schedule;
        let hash = schedule.suite.hash().hash(context.unwrap_or_default());
        let master = schedule.expander(&self.secret);
        let secret = schedule.derive(&*master, label.as_bytes(), schedule.empty_hash().as_ref());
        schedule
            .expand(&*schedule.expander(&secret), b"exporter", hash.as_ref(), out)
            .ok_or(ExportError::OutputTooLong)
    }
}

#[cfg(test)]
mod tests;
