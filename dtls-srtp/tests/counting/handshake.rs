//! A `CryptoProvider` around another, that counts.

use std::sync::Arc;

use rustls::crypto::hash::{Context, Hash, HashAlgorithm, Output};
use rustls::crypto::tls12::Prf;
use rustls::crypto::tls13::{Hkdf, HkdfExpander, OkmBlock, OutputLengthError};
use rustls::crypto::{
    ActiveKeyExchange, CompletedKeyExchange, CryptoProvider, GetRandomFailed, KeyProvider,
    SecureRandom, SharedSecret, SupportedKxGroup, WebPkiSupportedAlgorithms, hmac,
};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::pki_types::{
    AlgorithmIdentifier, InvalidSignature, PrivateKeyDer, SignatureVerificationAlgorithm,
    SubjectPublicKeyInfoDer,
};
use rustls::sign::{Signer, SigningKey};
use rustls::{
    CipherSuiteCommon, Error, NamedGroup, ProtocolVersion, SignatureAlgorithm, SignatureScheme,
    SupportedCipherSuite, Tls12CipherSuite, Tls13CipherSuite,
};

use crate::counts::{Counts, Work};

/// Wraps all that a handshake uses; it is leaked, as providers are for ever.
pub(crate) fn counting(inner: &CryptoProvider, counts: &'static Counts) -> CryptoProvider {
    let algorithms = inner.signature_verification_algorithms;
    CryptoProvider {
        cipher_suites: inner.cipher_suites.iter().map(|suite| wrap(*suite, counts)).collect(),
        kx_groups: inner
            .kx_groups
            .iter()
            .map(|inner| leak(Group { inner: *inner, counts }) as &dyn SupportedKxGroup)
            .collect(),
        signature_verification_algorithms: WebPkiSupportedAlgorithms {
            all: algorithms.all,
            mapping: leak_slice(algorithms.mapping.iter().map(|(scheme, algorithms)| {
                let wrapped = algorithms.iter().map(|inner| {
                    leak(Algorithm { inner: *inner, counts }) as &dyn SignatureVerificationAlgorithm
                });
                (*scheme, leak_slice(wrapped))
            })),
        },
        secure_random: leak(Random { inner: inner.secure_random, counts }),
        key_provider: leak(Keys { inner: inner.key_provider, counts }),
    }
}

fn wrap(suite: SupportedCipherSuite, counts: &'static Counts) -> SupportedCipherSuite {
    let common = |common: &CipherSuiteCommon| CipherSuiteCommon {
        suite: common.suite,
        hash_provider: leak(CountedHash { inner: common.hash_provider, counts }),
        confidentiality_limit: common.confidentiality_limit,
    };
    match suite {
        SupportedCipherSuite::Tls12(suite) => SupportedCipherSuite::Tls12(leak(Tls12CipherSuite {
            common: common(&suite.common),
            prf_provider: leak(CountedPrf { inner: suite.prf_provider, counts }),
            kx: suite.kx,
            sign: suite.sign,
            aead_alg: suite.aead_alg,
        })),
        SupportedCipherSuite::Tls13(suite) => SupportedCipherSuite::Tls13(leak(Tls13CipherSuite {
            common: common(&suite.common),
            hkdf_provider: leak(CountedHkdf { inner: suite.hkdf_provider, counts }),
            aead_alg: suite.aead_alg,
            quic: None,
        })),
    }
}

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn leak_slice<T>(values: impl Iterator<Item = T>) -> &'static [T] {
    Vec::leak(values.collect())
}

fn refused() -> Error {
    Error::General("refused".to_owned())
}

#[derive(Debug)]
struct Random {
    inner: &'static dyn SecureRandom,
    counts: &'static Counts,
}

impl SecureRandom for Random {
    fn fill(&self, buf: &mut [u8]) -> Result<(), GetRandomFailed> {
        match self.counts.count(Work::Randomness) {
            true => self.inner.fill(buf),
            false => Err(GetRandomFailed),
        }
    }
}

#[derive(Debug)]
struct Group {
    inner: &'static dyn SupportedKxGroup,
    counts: &'static Counts,
}

impl SupportedKxGroup for Group {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        if !self.counts.count(Work::KeyExchangeStarted) {
            return Err(refused());
        }
        Ok(Box::new(Active { inner: self.inner.start()?, counts: self.counts }))
    }

    fn start_and_complete(&self, peer: &[u8]) -> Result<CompletedKeyExchange, Error> {
        let started = self.counts.count(Work::KeyExchangeStarted);
        match started && self.counts.count(Work::KeyExchangeCompleted) {
            true => self.inner.start_and_complete(peer),
            false => Err(refused()),
        }
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        self.inner.ffdhe_group()
    }

    fn name(&self) -> NamedGroup {
        self.inner.name()
    }

    fn usable_for_version(&self, version: ProtocolVersion) -> bool {
        self.inner.usable_for_version(version)
    }
}

struct Active {
    inner: Box<dyn ActiveKeyExchange>,
    counts: &'static Counts,
}

impl ActiveKeyExchange for Active {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        match self.counts.count(Work::KeyExchangeCompleted) {
            true => self.inner.complete(peer),
            false => Err(refused()),
        }
    }

    fn hybrid_component(&self) -> Option<(NamedGroup, &[u8])> {
        self.inner.hybrid_component()
    }

    fn complete_hybrid_component(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        match self.counts.count(Work::KeyExchangeCompleted) {
            true => self.inner.complete_hybrid_component(peer),
            false => Err(refused()),
        }
    }

    fn pub_key(&self) -> &[u8] {
        self.inner.pub_key()
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        self.inner.ffdhe_group()
    }

    fn group(&self) -> NamedGroup {
        self.inner.group()
    }
}

#[derive(Debug)]
struct Algorithm {
    inner: &'static dyn SignatureVerificationAlgorithm,
    counts: &'static Counts,
}

impl SignatureVerificationAlgorithm for Algorithm {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        match self.counts.count(Work::Verified) {
            true => self.inner.verify_signature(public_key, message, signature),
            false => Err(InvalidSignature),
        }
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.inner.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.inner.signature_alg_id()
    }
}

#[derive(Debug)]
struct Keys {
    inner: &'static dyn KeyProvider,
    counts: &'static Counts,
}

impl KeyProvider for Keys {
    fn load_private_key(&self, key: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        Ok(Arc::new(Key { inner: self.inner.load_private_key(key)?, counts: self.counts }))
    }
}

#[derive(Debug)]
struct Key {
    inner: Arc<dyn SigningKey>,
    counts: &'static Counts,
}

impl SigningKey for Key {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let inner = self.inner.choose_scheme(offered)?;
        Some(Box::new(CountedSigner { inner, counts: self.counts }))
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        self.inner.public_key()
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.inner.algorithm()
    }
}

#[derive(Debug)]
struct CountedSigner {
    inner: Box<dyn Signer>,
    counts: &'static Counts,
}

impl Signer for CountedSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        match self.counts.count(Work::Signed) {
            true => self.inner.sign(message),
            false => Err(refused()),
        }
    }

    fn scheme(&self) -> SignatureScheme {
        self.inner.scheme()
    }
}

struct CountedHash {
    inner: &'static dyn Hash,
    counts: &'static Counts,
}

impl CountedHash {
    fn counted(&self, output: Output) -> Output {
        match self.counts.count(Work::Hashed) {
            true => output,
            false => Output::new(&vec![0; output.as_ref().len()]),
        }
    }
}

impl Hash for CountedHash {
    fn start(&self) -> Box<dyn Context> {
        let hash = Self { inner: self.inner, counts: self.counts };
        Box::new(CountedContext { inner: self.inner.start(), hash })
    }

    fn hash(&self, data: &[u8]) -> Output {
        self.counted(self.inner.hash(data))
    }

    fn output_len(&self) -> usize {
        self.inner.output_len()
    }

    fn algorithm(&self) -> HashAlgorithm {
        self.inner.algorithm()
    }
}

struct CountedContext {
    inner: Box<dyn Context>,
    hash: CountedHash,
}

impl Context for CountedContext {
    fn fork_finish(&self) -> Output {
        self.hash.counted(self.inner.fork_finish())
    }

    fn fork(&self) -> Box<dyn Context> {
        let hash = CountedHash { inner: self.hash.inner, counts: self.hash.counts };
        Box::new(Self { inner: self.inner.fork(), hash })
    }

    fn finish(self: Box<Self>) -> Output {
        self.hash.counted(self.inner.finish())
    }

    fn update(&mut self, data: &[u8]) {
        self.inner.update(data);
    }
}

struct CountedPrf {
    inner: &'static dyn Prf,
    counts: &'static Counts,
}

impl Prf for CountedPrf {
    fn for_key_exchange(
        &self,
        output: &mut [u8; 48],
        kx: Box<dyn ActiveKeyExchange>,
        peer: &[u8],
        label: &[u8],
        seed: &[u8],
    ) -> Result<(), Error> {
        self.inner.for_key_exchange(output, kx, peer, label, seed)?;
        if !self.counts.count(Work::Derived) {
            output.fill(0);
        }
        Ok(())
    }

    fn for_secret(&self, output: &mut [u8], secret: &[u8], label: &[u8], seed: &[u8]) {
        self.inner.for_secret(output, secret, label, seed);
        if !self.counts.count(Work::Derived) {
            output.fill(0);
        }
    }
}

struct CountedHkdf {
    inner: &'static dyn Hkdf,
    counts: &'static Counts,
}

impl CountedHkdf {
    fn expander(&self, inner: Box<dyn HkdfExpander>) -> Box<dyn HkdfExpander> {
        self.counts.count(Work::Derived);
        Box::new(CountedExpander { inner, counts: self.counts })
    }
}

impl Hkdf for CountedHkdf {
    fn extract_from_zero_ikm(&self, salt: Option<&[u8]>) -> Box<dyn HkdfExpander> {
        self.expander(self.inner.extract_from_zero_ikm(salt))
    }

    fn extract_from_secret(&self, salt: Option<&[u8]>, secret: &[u8]) -> Box<dyn HkdfExpander> {
        self.expander(self.inner.extract_from_secret(salt, secret))
    }

    fn expander_for_okm(&self, okm: &OkmBlock) -> Box<dyn HkdfExpander> {
        self.expander(self.inner.expander_for_okm(okm))
    }

    fn hmac_sign(&self, key: &OkmBlock, message: &[u8]) -> hmac::Tag {
        let tag = self.inner.hmac_sign(key, message);
        match self.counts.count(Work::Derived) {
            true => tag,
            false => hmac::Tag::new(&vec![0; tag.as_ref().len()]),
        }
    }
}

struct CountedExpander {
    inner: Box<dyn HkdfExpander>,
    counts: &'static Counts,
}

impl HkdfExpander for CountedExpander {
    fn expand_slice(&self, info: &[&[u8]], output: &mut [u8]) -> Result<(), OutputLengthError> {
        self.inner.expand_slice(info, output)?;
        if !self.counts.count(Work::Derived) {
            output.fill(0);
        }
        Ok(())
    }

    fn expand_block(&self, info: &[&[u8]]) -> OkmBlock {
        let block = self.inner.expand_block(info);
        match self.counts.count(Work::Derived) {
            true => block,
            false => OkmBlock::new(&vec![0; block.as_ref().len()]),
        }
    }

    fn hash_len(&self) -> usize {
        self.inner.hash_len()
    }
}
