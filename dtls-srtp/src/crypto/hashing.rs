//! Hashes by RustCrypto, and what is made of them: the PRF of DTLS 1.2 and the HKDF of DTLS 1.3.
//!
//! A handshake hashes mostly a block or two at a time: its HMACs, and the transcript whenever a
//! message needs its hash. For that *ring* takes 100 ns to an HMAC more than the blocks do. rustls's
//! PRF makes one HMAC more than it uses, too.

use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr;

use hmac::digest::{Digest, KeyInit, Output};
use hmac::{Hmac, Mac};
use rustls::crypto::hash::{Context, Hash, HashAlgorithm, Output as HashOutput};
use rustls::crypto::hmac::Tag;
use rustls::crypto::tls12::Prf;
use rustls::crypto::tls13::{Hkdf, HkdfExpander, OkmBlock, OutputLengthError};
use rustls::crypto::{ActiveKeyExchange, CryptoProvider};
use rustls::version::TLS12;
use rustls::{CipherSuiteCommon, Error, SupportedCipherSuite, Tls12CipherSuite, Tls13CipherSuite};
use sha2::{Sha256, Sha384};
use zeroize::{Zeroize, Zeroizing};

static SHA256: Hashing<Sha256, Hmac<Sha256>> = Hashing(HashAlgorithm::SHA256, PhantomData);
static SHA384: Hashing<Sha384, Hmac<Sha384>> = Hashing(HashAlgorithm::SHA384, PhantomData);

/// Whether the processor hashes by instructions of its own, as most do. Where it does not, *ring*'s
/// assembly is faster than RustCrypto's portable code, and this crate's `sha2` knows those of x86
/// only.
pub(super) fn is_fast() -> bool {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    return std::is_x86_feature_detected!("sha");
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
    false
}

/// Puts this in the place of the provider's own hashes. Its suites are kept for ever, as rustls
/// wants it.
pub(super) fn replace(provider: CryptoProvider) -> CryptoProvider {
    let suites = provider.cipher_suites.iter().map(|suite| {
        let common = match suite {
            SupportedCipherSuite::Tls12(suite) => &suite.common,
            SupportedCipherSuite::Tls13(suite) => &suite.common,
        };
        match common.hash_provider.algorithm() {
            HashAlgorithm::SHA256 => with_hashing(*suite, &SHA256),
            HashAlgorithm::SHA384 => with_hashing(*suite, &SHA384),
            _ => *suite,
        }
    });
    CryptoProvider { cipher_suites: suites.collect(), ..provider }
}

fn with_hashing<H: Hash + Prf + Hkdf>(
    suite: SupportedCipherSuite,
    hashing: &'static H,
) -> SupportedCipherSuite {
    let common = |CipherSuiteCommon { suite, confidentiality_limit, .. }: &CipherSuiteCommon| {
        CipherSuiteCommon {
            suite: *suite,
            hash_provider: hashing,
            confidentiality_limit: *confidentiality_limit,
        }
    };
    match suite {
        SupportedCipherSuite::Tls12(suite) => {
            let Tls12CipherSuite { kx, sign, aead_alg, .. } = *suite;
            let common = common(&suite.common);
            let suite = Tls12CipherSuite { common, prf_provider: hashing, kx, sign, aead_alg };
            SupportedCipherSuite::Tls12(Box::leak(Box::new(suite)))
        }
        SupportedCipherSuite::Tls13(suite) => {
            let Tls13CipherSuite { aead_alg, quic, .. } = *suite;
            let common = common(&suite.common);
            let suite = Tls13CipherSuite { common, hkdf_provider: hashing, aead_alg, quic };
            SupportedCipherSuite::Tls13(Box::leak(Box::new(suite)))
        }
    }
}

/// A hash function `D`, and its HMAC `M`.
struct Hashing<D, M>(HashAlgorithm, PhantomData<fn() -> (D, M)>);

impl<D: Digest + Clone + Send + Sync + 'static, M> Hash for Hashing<D, M> {
    fn start(&self) -> Box<dyn Context> {
        Box::new(Transcript(D::new()))
    }

    fn hash(&self, data: &[u8]) -> HashOutput {
        HashOutput::new(&D::digest(data))
    }

    fn output_len(&self) -> usize {
        <D as Digest>::output_size()
    }

    fn algorithm(&self) -> HashAlgorithm {
        self.0
    }
}

/// A hash that goes on.
struct Transcript<D>(D);

impl<D: Digest + Clone + Send + Sync + 'static> Context for Transcript<D> {
    fn fork_finish(&self) -> HashOutput {
        HashOutput::new(&self.0.clone().finalize())
    }

    fn fork(&self) -> Box<dyn Context> {
        Box::new(Self(self.0.clone()))
    }

    fn finish(self: Box<Self>) -> HashOutput {
        HashOutput::new(&self.0.finalize())
    }

    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }
}

/// An HMAC that is a secret, or becomes one. The states that it comes from are not wiped: RustCrypto
/// gives no access to them.
struct Secret<M: Mac>(Output<M>);

impl<M: Mac> Secret<M> {
    fn of(mac: M) -> Self {
        Self(mac.finalize().into_bytes())
    }
}

impl<M: Mac> Deref for Secret<M> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<M: Mac> Drop for Secret<M> {
    fn drop(&mut self) {
        self.0.as_mut_slice().zeroize();
    }
}

/// An HMAC under a key. Not inlined: a handshake goes through it some twenty times, and should
/// find it in the processor's cache.
#[inline(never)]
fn sign<M: Mac + Clone>(keyed: &M, message: &[u8]) -> Secret<M> {
    let mut mac = keyed.clone();
    mac.update(message);
    Secret::of(mac)
}

fn keyed<M: Mac + KeyInit>(key: &[u8]) -> M {
    <M as Mac>::new_from_slice(key).expect("an HMAC takes keys of any length (RFC 2104 §2)")
}

fn copy(to: &mut [u8], from: &[u8]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
}

impl<D, M: Mac + KeyInit + Clone> Prf for Hashing<D, M> {
    fn for_key_exchange(
        &self,
        output: &mut [u8; 48],
        kx: Box<dyn ActiveKeyExchange>,
        peer_pub_key: &[u8],
        label: &[u8],
        seed: &[u8],
    ) -> Result<(), Error> {
        let secret = kx.complete_for_tls_version(peer_pub_key, &TLS12)?;
        self.for_secret(output, secret.secret_bytes(), label, seed);
        Ok(())
    }

    fn for_secret(&self, output: &mut [u8], secret: &[u8], label: &[u8], seed: &[u8]) {
        fill(&keyed::<M>(secret), output, label, seed);
    }
}

/// [RFC 5246 §5](https://www.rfc-editor.org/rfc/rfc5246#section-5): of the chain `A(i)` goes each
/// into the next one, and into a block of the output.
fn fill<M: Mac + Clone>(keyed: &M, output: &mut [u8], label: &[u8], seed: &[u8]) {
    // `A(i) + label + seed` in one piece: each piece of an HMAC costs as much as a block of it.
    let (mut few, mut many) = ([0; 160], Vec::new());
    let len = M::output_size() + label.len() + seed.len();
    let input = match few.get_mut(..len) {
        Some(input) => input,
        None => {
            many.resize(len, 0);
            &mut many[..]
        }
    };
    let (link, rest) = input.split_at_mut(M::output_size());
    let (to_label, to_seed) = rest.split_at_mut(label.len());
    to_label.copy_from_slice(label);
    to_seed.copy_from_slice(seed);
    link.copy_from_slice(&sign(keyed, rest));
    let mut blocks = output.chunks_mut(M::output_size()).peekable();
    while let Some(block) = blocks.next() {
        copy(block, &sign(keyed, input));
        if blocks.peek().is_some() {
            let (link, _) = input.split_at_mut(M::output_size());
            let next = sign(keyed, link);
            link.copy_from_slice(&next);
        }
    }
    let (link, _) = input.split_at_mut(M::output_size());
    link.zeroize();
}

/// The PRF of DTLS 1.2 under one secret, for several outputs.
pub(crate) enum KeyedPrf {
    Sha256(Hmac<Sha256>),
    Sha384(Hmac<Sha384>),
    /// rustls's interface takes the secret each time.
    Other(&'static dyn Prf, Zeroizing<Vec<u8>>),
}

impl KeyedPrf {
    pub(crate) fn new(prf: &'static dyn Prf, secret: &[u8]) -> Self {
        if ptr::addr_eq(prf, &raw const SHA256) {
            Self::Sha256(keyed(secret))
        } else if ptr::addr_eq(prf, &raw const SHA384) {
            Self::Sha384(keyed(secret))
        } else {
            Self::Other(prf, secret.to_vec().into())
        }
    }

    /// Fills `output`.
    pub(crate) fn fill(&self, output: &mut [u8], label: &[u8], seed: &[u8]) {
        match self {
            Self::Sha256(keyed) => fill(keyed, output, label, seed),
            Self::Sha384(keyed) => fill(keyed, output, label, seed),
            Self::Other(prf, secret) => prf.for_secret(output, secret, label, seed),
        }
    }
}

/// [RFC 5869 §2.2](https://www.rfc-editor.org/rfc/rfc5869#section-2.2). Without a salt it is zeros,
/// which HMAC adds to a key that is too short anyway.
impl<D, M: Mac + KeyInit + Clone + Send + Sync + 'static> Hkdf for Hashing<D, M> {
    fn extract_from_zero_ikm(&self, salt: Option<&[u8]>) -> Box<dyn HkdfExpander> {
        self.extract_from_secret(salt, &Output::<M>::default())
    }

    fn extract_from_secret(&self, salt: Option<&[u8]>, secret: &[u8]) -> Box<dyn HkdfExpander> {
        let salted: M = keyed(salt.unwrap_or_default());
        Box::new(Expander::<M>(keyed(&sign(&salted, secret))))
    }

    fn expander_for_okm(&self, okm: &OkmBlock) -> Box<dyn HkdfExpander> {
        Box::new(Expander::<M>(keyed(okm.as_ref())))
    }

    fn hmac_sign(&self, key: &OkmBlock, message: &[u8]) -> Tag {
        Tag::new(&sign::<M>(&keyed(key.as_ref()), message))
    }
}

/// A pseudorandom key, set up for
/// [RFC 5869 §2.3](https://www.rfc-editor.org/rfc/rfc5869#section-2.3).
struct Expander<M>(M);

impl<M: Mac + Clone> Expander<M> {
    fn first_block(&self, info: &[&[u8]]) -> Secret<M> {
        Self::finish(self.0.clone(), info, 1)
    }

    fn next_block(&self, previous: &[u8], info: &[&[u8]], number: u8) -> Secret<M> {
        let mut mac = self.0.clone();
        mac.update(previous);
        Self::finish(mac, info, number)
    }

    fn finish(mut mac: M, info: &[&[u8]], number: u8) -> Secret<M> {
        info.iter().for_each(|piece| mac.update(piece));
        mac.update(&[number]);
        Secret::of(mac)
    }
}

impl<M: Mac + Clone + Send + Sync> HkdfExpander for Expander<M> {
    fn expand_slice(&self, info: &[&[u8]], output: &mut [u8]) -> Result<(), OutputLengthError> {
        let mut blocks = output.chunks_mut(M::output_size());
        if blocks.len() > usize::from(u8::MAX) {
            return Err(OutputLengthError);
        }
        let Some(first) = blocks.next() else { return Ok(()) };
        let mut previous = self.first_block(info);
        copy(first, &previous);
        for (number, block) in (2..=u8::MAX).zip(blocks) {
            previous = self.next_block(&previous, info, number);
            copy(block, &previous);
        }
        Ok(())
    }

    fn expand_block(&self, info: &[&[u8]]) -> OkmBlock {
        OkmBlock::new(&self.first_block(info))
    }

    fn hash_len(&self) -> usize {
        M::output_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::crypto::ring;
    use serde_json::Value;

    fn vectors(json: &str) -> Vec<Value> {
        serde_json::from_str(json).unwrap()
    }

    fn bytes(vector: &Value, name: &str) -> Vec<u8> {
        let digits = vector[name].as_str().unwrap();
        let pairs = (0..digits.len()).step_by(2);
        pairs.map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn the_prf_gives_what_others_give() {
        let all = vectors(include_str!("../../tests/vectors/tls12-prf.json"));
        assert_eq!(all.len(), 2);
        for vector in all {
            let prf: &dyn Prf = if vector["hash"] == "sha256" { &SHA256 } else { &SHA384 };
            let expected = bytes(&vector, "output");
            let (secret, seed) = (bytes(&vector, "secret"), bytes(&vector, "seed"));
            let mut output = vec![0; expected.len()];
            prf.for_secret(
                &mut output,
                &secret,
                vector["label"].as_str().unwrap().as_bytes(),
                &seed,
            );
            assert_eq!(output, expected);
        }
    }

    #[test]
    fn the_hkdf_is_that_of_rfc_5869_and_passes_wycheproof() {
        let expand = |expander: &dyn HkdfExpander, vector: &Value, len| {
            let mut okm = vec![0; len];
            expander.expand_slice(&[&bytes(vector, "info")], &mut okm).ok().map(|()| okm)
        };
        let extract = |vector: &Value| {
            SHA256.extract_from_secret(Some(&bytes(vector, "salt")), &bytes(vector, "ikm"))
        };
        let all = vectors(include_str!("../../tests/vectors/hkdf-rfc5869.json"));
        assert_eq!(all.len(), 3);
        for vector in all {
            let okm = bytes(&vector, "okm");
            let key = SHA256.expander_for_okm(&OkmBlock::new(&bytes(&vector, "prk")));
            for expander in [extract(&vector), key] {
                assert_eq!(expand(&*expander, &vector, okm.len()), Some(okm.clone()));
            }
        }
        let all = vectors(include_str!("../../tests/vectors/hkdf_sha256.json"));
        assert_eq!(all.len(), 86);
        for vector in all {
            let okm =
                expand(&*extract(&vector), &vector, vector["size"].as_u64().unwrap() as usize);
            assert_eq!(okm, (vector["result"] == "valid").then(|| bytes(&vector, "okm")));
        }
    }

    /// Each suite of rustls, and ours.
    fn suites() -> Vec<(SupportedCipherSuite, SupportedCipherSuite)> {
        let (theirs, ours) = (ring::default_provider(), replace(ring::default_provider()));
        theirs.cipher_suites.into_iter().zip(ours.cipher_suites).collect()
    }

    #[test]
    fn the_hashes_are_those_of_rustls() {
        let hash = |suite: SupportedCipherSuite| match suite {
            SupportedCipherSuite::Tls12(suite) => suite.common.hash_provider,
            SupportedCipherSuite::Tls13(suite) => suite.common.hash_provider,
        };
        for (theirs, ours) in suites() {
            let (theirs, ours) = (hash(theirs), hash(ours));
            assert_eq!(ours.algorithm(), theirs.algorithm());
            assert_eq!(ours.output_len(), theirs.output_len());
            let mut contexts = [theirs, ours].map(Hash::start);
            for len in 0..=200 {
                let bytes = vec![len as u8; len];
                assert_eq!(ours.hash(&bytes).as_ref(), theirs.hash(&bytes).as_ref());
                contexts.iter_mut().for_each(|context| context.update(&bytes));
                let [theirs, ours] = contexts.each_ref().map(|context| context.fork_finish());
                assert_eq!(ours.as_ref(), theirs.as_ref());
                let [theirs, ours] = contexts.each_ref().map(|context| context.fork().finish());
                assert_eq!(ours.as_ref(), theirs.as_ref());
            }
        }
    }

    #[test]
    fn the_prf_is_that_of_rustls() {
        let mut compared = 0;
        for (theirs, ours) in suites() {
            let (SupportedCipherSuite::Tls12(theirs), SupportedCipherSuite::Tls12(ours)) =
                (theirs, ours)
            else {
                continue;
            };
            assert_eq!(theirs.common.suite, ours.common.suite);
            for len in 1..=200 {
                let secret = vec![len as u8; len];
                let fill = |prf: &dyn Prf| {
                    let mut out = vec![0; len];
                    prf.for_secret(&mut out, &secret, b"label", b"seed");
                    out
                };
                assert_eq!(fill(ours.prf_provider), fill(theirs.prf_provider), "{len} bytes");
                for suite in [ours, theirs] {
                    let keyed = KeyedPrf::new(suite.prf_provider, &secret);
                    assert_eq!(matches!(keyed, KeyedPrf::Other(..)), ptr::eq(suite, theirs));
                    let mut out = vec![0; len];
                    keyed.fill(&mut out, b"label", b"seed");
                    assert_eq!(out, fill(suite.prf_provider), "{len} bytes");
                }
            }
            compared += 1;
        }
        assert_eq!(compared, 6);
    }

    #[test]
    fn the_hkdf_is_that_of_rustls() {
        let mut compared = 0;
        for (theirs, ours) in suites() {
            let (SupportedCipherSuite::Tls13(theirs), SupportedCipherSuite::Tls13(ours)) =
                (theirs, ours)
            else {
                continue;
            };
            let [theirs, ours] = [theirs, ours].map(|suite| suite.hkdf_provider);
            for len in 1..=64 {
                let bytes = vec![len as u8; len];
                let okm = OkmBlock::new(&bytes);
                let tags = [theirs, ours].map(|hkdf| hkdf.hmac_sign(&okm, b"message"));
                assert_eq!(tags[0].as_ref(), tags[1].as_ref());
                let expanders = |hkdf: &dyn Hkdf| {
                    [
                        hkdf.extract_from_zero_ikm(None),
                        hkdf.extract_from_zero_ikm(Some(&bytes)),
                        hkdf.extract_from_secret(None, &bytes),
                        hkdf.extract_from_secret(Some(b"salt"), &bytes),
                        hkdf.expander_for_okm(&okm),
                    ]
                };
                for (theirs, ours) in expanders(theirs).into_iter().zip(expanders(ours)) {
                    assert_eq!(theirs.hash_len(), ours.hash_len());
                    let blocks = [&theirs, &ours].map(|hkdf| hkdf.expand_block(&[b"a", b"b"]));
                    assert_eq!(blocks[0].as_ref(), blocks[1].as_ref());
                    for len in [0, 1, 12, 32, 33, 48, 49, 96, 97, 200, 255 * ours.hash_len()] {
                        let mut outs = [vec![0; len], vec![0; len]];
                        theirs.expand_slice(&[b"info"], &mut outs[0]).unwrap();
                        ours.expand_slice(&[b"info"], &mut outs[1]).unwrap();
                        assert_eq!(outs[0], outs[1], "{len} bytes");
                    }
                    let mut too_long = vec![0; 255 * ours.hash_len() + 1];
                    assert!(ours.expand_slice(&[], &mut too_long).is_err());
                }
            }
            compared += 1;
        }
        assert_eq!(compared, 3);
    }
}
