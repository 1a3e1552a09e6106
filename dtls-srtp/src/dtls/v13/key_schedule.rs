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

use rustls::Tls13CipherSuite;
use rustls::crypto::hash::HashAlgorithm;
use rustls::crypto::hmac::Tag;
use rustls::crypto::tls13::{Hkdf, HkdfExpander, OkmBlock};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::protection::{Iv, Keyed, Opener, Sealer};
use crate::crypto::{AeadAlgorithm, Crypto};
use crate::dtls::suite::Suite13;
use crate::dtls::{ExportError, HandshakeError};

/// HKDF of a suite, and what its labels begin with.
#[derive(Clone, Copy)]
struct Schedule {
    provider: &'static Tls13CipherSuite,
    aead: AeadAlgorithm,
    labels: Labels,
}

/// Whose labels.
#[derive(Clone, Copy)]
enum Labels {
    Dtls13,
    /// Of the vectors that there are.
    #[cfg(test)]
    Tls13,
}

impl Labels {
    /// The longest that fits beside the prefix.
    const MAX: usize = 255 - 6;

    const fn prefix(self) -> &'static [u8; 6] {
        match self {
            // "Note that there is no trailing space."
            Self::Dtls13 => b"dtls13",
            #[cfg(test)]
            Self::Tls13 => b"tls13 ",
        }
    }
}

impl Schedule {
    fn new(suite: Suite13, labels: Labels) -> Self {
        Self { provider: suite.provider, aead: suite.aead, labels }
    }

    fn hkdf(self) -> &'static dyn Hkdf {
        self.provider.hkdf_provider
    }

    fn hash(self, bytes: &[u8]) -> rustls::crypto::hash::Output {
        self.provider.common.hash_provider.hash(bytes)
    }

    /// What the Handshake Secret is extracted with. No secret goes into it, so that it is the same
    /// in every handshake.
    fn early_derived(self) -> OkmBlock {
        match (self.labels, self.provider.common.hash_provider.algorithm()) {
            (Labels::Dtls13, HashAlgorithm::SHA256) => OkmBlock::new(&EARLY_DERIVED_SHA256),
            (Labels::Dtls13, HashAlgorithm::SHA384) => OkmBlock::new(&EARLY_DERIVED_SHA384),
            _ => self.derive_early(),
        }
    }

    fn derive_early(self) -> OkmBlock {
        let early = self.hkdf().extract_from_zero_ikm(None);
        self.derive(&*early, b"derived", self.hash(&[]).as_ref())
    }

    /// `HKDF-Expand-Label` ([RFC 8446 §7.1](https://www.rfc-editor.org/rfc/rfc8446#section-7.1)).
    /// `None` if it is longer than HKDF gives.
    fn expand(
        self,
        secret: &dyn HkdfExpander,
        label: &[u8],
        context: &[u8],
        out: &mut [u8],
    ) -> Option<()> {
        let [l0, l1] = u16::try_from(out.len()).ok()?.to_be_bytes();
        let prefix = self.labels.prefix();
        let lens = [l0, l1, u8::try_from(prefix.len() + label.len()).ok()?];
        let context_len = [u8::try_from(context.len()).ok()?];
        secret.expand_slice(&[&lens, prefix, label, &context_len, context], out).ok()
    }

    /// `Derive-Secret`, of messages that are already hashed.
    fn derive(self, secret: &dyn HkdfExpander, label: &[u8], hash: &[u8]) -> OkmBlock {
        let prefix = self.labels.prefix();
        let lens = [0, secret.hash_len() as u8, (prefix.len() + label.len()) as u8];
        secret.expand_block(&[&lens, prefix, label, &[hash.len() as u8], hash])
    }

    fn traffic_secret(self, secret: &dyn HkdfExpander, label: &[u8], hash: &[u8]) -> TrafficSecret {
        TrafficSecret(Secret::new(self, self.derive(secret, label, hash).as_ref()))
    }
}

/// `Derive-Secret(Early Secret, "derived", "")` with the labels of DTLS 1.3.
const EARLY_DERIVED_SHA256: [u8; 32] = [
    0xb1, 0x7b, 0xce, 0x94, 0x51, 0xee, 0x8b, 0xc6, 0xe8, 0xae, 0xbc, 0x0a, 0xa9, 0xe9, 0x82, 0x95,
    0x67, 0x7a, 0x4a, 0x6a, 0x91, 0xf7, 0x84, 0x40, 0x83, 0x31, 0x46, 0xe4, 0x65, 0xf2, 0xff, 0x95,
];

/// The same of SHA-384.
const EARLY_DERIVED_SHA384: [u8; 48] = [
    0x27, 0x00, 0x86, 0x05, 0xd3, 0x39, 0x6f, 0x88, 0x44, 0x19, 0x75, 0x65, 0xca, 0xec, 0xc5, 0x92,
    0xb3, 0xe5, 0x8f, 0x2e, 0xae, 0x55, 0xf8, 0x41, 0xb5, 0x77, 0xcf, 0xbc, 0xab, 0xb4, 0x7e, 0x22,
    0x1f, 0x67, 0x4e, 0xd3, 0xa6, 0x8a, 0xa8, 0x93, 0x43, 0x9c, 0xf5, 0x57, 0xf1, 0x11, 0xc0, 0xfc,
];

/// What is kept of a secret: as many bytes as the hash of its suite has. Wiped when dropped.
#[derive(Clone)]
struct Secret {
    schedule: Schedule,
    /// SHA-384 is the longest hash that DTLS 1.3 has.
    bytes: Zeroizing<[u8; 48]>,
}

impl Secret {
    fn new(schedule: Schedule, secret: &[u8]) -> Self {
        let mut bytes = Zeroizing::new([0; 48]);
        for (to, from) in bytes.iter_mut().zip(secret) {
            *to = *from;
        }
        Self { schedule, bytes }
    }

    fn bytes(&self) -> &[u8] {
        let len = self.schedule.provider.common.hash_provider.output_len();
        self.bytes.get(..len).unwrap_or_default()
    }

    fn expander(&self) -> Expander {
        let schedule = self.schedule;
        let hkdf = schedule.hkdf().expander_for_okm(&OkmBlock::new(self.bytes()));
        Expander { schedule, hkdf }
    }
}

/// The secrets of epoch 2, and the Master Secret.
pub(crate) struct HandshakeSecrets {
    pub(crate) client: TrafficSecret,
    pub(crate) server: TrafficSecret,
    master: Expander,
}

impl HandshakeSecrets {
    /// What comes of a key exchange. `hash` covers the messages up to and including ServerHello.
    pub(crate) fn new(suite: Suite13, shared_secret: &[u8], hash: &[u8]) -> Self {
        Self::with_labels(Labels::Dtls13, suite, shared_secret, hash)
    }

    fn with_labels(labels: Labels, suite: Suite13, shared_secret: &[u8], hash: &[u8]) -> Self {
        let schedule = Schedule::new(suite, labels);
        let derived = schedule.early_derived();
        let handshake = schedule.hkdf().extract_from_secret(Some(derived.as_ref()), shared_secret);
        let derived = schedule.derive(&*handshake, b"derived", schedule.hash(&[]).as_ref());
        let master = schedule.hkdf().extract_from_zero_ikm(Some(derived.as_ref()));
        Self {
            client: schedule.traffic_secret(&*handshake, b"c hs traffic", hash),
            server: schedule.traffic_secret(&*handshake, b"s hs traffic", hash),
            master: Expander { schedule, hkdf: master },
        }
    }

    /// What is made of them. They are not needed themselves any more.
    pub(crate) fn expand(self) -> HandshakeExpanders {
        let Self { client, server, master } = self;
        HandshakeExpanders { client: client.expander(), server: server.expander(), master }
    }
}

/// What the keys of epoch 2, the Finished messages and the secrets of epoch 3 come from: each
/// secret is set up for HKDF once.
pub(crate) struct HandshakeExpanders {
    pub(crate) client: Expander,
    pub(crate) server: Expander,
    master: Expander,
}

impl HandshakeExpanders {
    /// The secrets of application data. `hash` covers the messages up to and including the
    /// server's Finished.
    pub(crate) fn application(&self, hash: &[u8]) -> ApplicationSecrets {
        let Expander { schedule, hkdf: master } = &self.master;
        let (schedule, master) = (*schedule, &**master);
        let exporter = schedule.derive(master, b"exp master", hash);
        ApplicationSecrets {
            client: schedule.traffic_secret(master, b"c ap traffic", hash),
            server: schedule.traffic_secret(master, b"s ap traffic", hash),
            exporter: Exporter(Secret::new(schedule, exporter.as_ref())),
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
#[derive(Clone)]
pub(crate) struct TrafficSecret(Secret);

impl TrafficSecret {
    /// A secret that a key log tells.
    #[cfg(test)]
    pub(crate) fn from_bytes(suite: Suite13, secret: &[u8]) -> Self {
        Self(Secret::new(Schedule::new(suite, Labels::Dtls13), secret))
    }

    /// The secret itself, which nobody but a key log may see.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.bytes()
    }

    /// What seals the records of its side in `epoch`.
    pub(crate) fn sealer(&self, crypto: &Crypto, epoch: u64) -> Result<Sealer, HandshakeError> {
        self.expander().sealer(crypto, epoch)
    }

    /// What opens the records of its side in `epoch`.
    pub(crate) fn opener(&self, crypto: &Crypto, epoch: u64) -> Result<Opener, HandshakeError> {
        self.expander().opener(crypto, epoch)
    }

    /// The secret of the epoch after a KeyUpdate
    /// ([RFC 8446 §7.2](https://www.rfc-editor.org/rfc/rfc8446#section-7.2)).
    pub(crate) fn next(&self) -> Self {
        let Expander { schedule, hkdf } = self.expander();
        schedule.traffic_secret(&*hkdf, b"traffic upd", &[])
    }

    /// Sets it up for more than one use.
    pub(crate) fn expander(&self) -> Expander {
        self.0.expander()
    }
}

impl fmt::Debug for TrafficSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrafficSecret").finish_non_exhaustive()
    }
}

/// A secret, set up for HKDF: what the keys of one side in one epoch come from, and its Finished.
pub(crate) struct Expander {
    schedule: Schedule,
    hkdf: Box<dyn HkdfExpander>,
}

impl Expander {
    /// What seals the records of its side in `epoch`.
    pub(crate) fn sealer(&self, crypto: &Crypto, epoch: u64) -> Result<Sealer, HandshakeError> {
        let keyed = self.keyed(crypto).ok_or(HandshakeError::Internal)?;
        Ok(Sealer::new(keyed, self.schedule.aead, epoch))
    }

    /// What opens the records of its side in `epoch`.
    pub(crate) fn opener(&self, crypto: &Crypto, epoch: u64) -> Result<Opener, HandshakeError> {
        let keyed = self.keyed(crypto).ok_or(HandshakeError::Internal)?;
        Ok(Opener::new(keyed, epoch))
    }

    fn keyed(&self, crypto: &Crypto) -> Option<Keyed> {
        let keys = self.keys()?;
        let algorithm = self.schedule.aead;
        let (key, sequence_number_key) = keys.split(algorithm.key_len());
        let aead = crypto.packets.aead(algorithm, key).ok()?;
        let mask = crypto.packets.sequence_number_mask(algorithm, sequence_number_key).ok()?;
        Some(Keyed { aead, mask, iv: keys.iv })
    }

    /// [RFC 8446 §7.3](https://www.rfc-editor.org/rfc/rfc8446#section-7.3), and "sn" of
    /// [RFC 9147 §4.2.3](https://www.rfc-editor.org/rfc/rfc9147#section-4.2.3).
    fn keys(&self) -> Option<Keys> {
        let Self { schedule, hkdf } = self;
        let len = schedule.aead.key_len();
        let mut keys = Keys { key: Zeroizing::new([0; 64]), iv: Iv::default() };
        let both = keys.key.get_mut(..2 * len)?;
        let (key, sequence_number_key) = both.split_at_mut(len);
        schedule.expand(&**hkdf, b"key", &[], key)?;
        schedule.expand(&**hkdf, b"sn", &[], sequence_number_key)?;
        schedule.expand(&**hkdf, b"iv", &[], &mut *keys.iv.0)?;
        Some(keys)
    }

    /// The contents of the Finished message of its side, after the messages that `hash` covers
    /// ([RFC 8446 §4.4.4](https://www.rfc-editor.org/rfc/rfc8446#section-4.4.4)).
    pub(crate) fn verify_data(&self, hash: &[u8]) -> Tag {
        let finished_key = self.schedule.derive(&*self.hkdf, b"finished", &[]);
        self.schedule.hkdf().hmac_sign(&finished_key, hash)
    }

    /// Checks a Finished message of its side.
    pub(crate) fn check_finished(&self, hash: &[u8], body: &[u8]) -> Result<(), HandshakeError> {
        if self.verify_data(hash).as_ref().ct_eq(body).into() {
            Ok(())
        } else {
            Err(HandshakeError::BadFinished)
        }
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
pub(crate) struct Exporter(Secret);

impl Exporter {
    /// A secret that a key log tells.
    #[cfg(test)]
    pub(crate) fn from_bytes(suite: Suite13, secret: &[u8]) -> Self {
        Self(Secret::new(Schedule::new(suite, Labels::Dtls13), secret))
    }

    /// The secret itself, which nobody but a key log may see.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.bytes()
    }

    /// Fills `out`. No context and an empty one are the same here: "when context is not provided,
    /// it is the empty string".
    pub(crate) fn export(
        &self,
        label: &str,
        context: Option<&[u8]>,
        out: &mut [u8],
    ) -> Result<(), ExportError> {
        if label.len() > Labels::MAX {
            return Err(ExportError::Label);
        }
        let Expander { schedule, hkdf: master } = self.0.expander();
        let hash = schedule.hash(context.unwrap_or_default());
        let secret = schedule.derive(&*master, label.as_bytes(), schedule.hash(&[]).as_ref());
        let secret = schedule.hkdf().expander_for_okm(&secret);
        schedule.expand(&*secret, b"exporter", hash.as_ref(), out).ok_or(ExportError::OutputTooLong)
    }
}

#[cfg(test)]
mod tests;
