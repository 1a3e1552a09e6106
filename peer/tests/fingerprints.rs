//! Which fingerprints of a description count (RFC 8122 §5), through two whole connections.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests may panic")]

mod common;

use std::time::{Duration, SystemTime};

use common::{A, B, Pair};
use peerless::security::HashAlgorithm;
use peerless::{
    Certificate, CertificateParameters, Configuration, ConnectionState, Crypto, DataChannelInit,
    SessionDescription,
};

const HASHES: [HashAlgorithm; 5] = [
    HashAlgorithm::Sha1,
    HashAlgorithm::Sha224,
    HashAlgorithm::Sha256,
    HashAlgorithm::Sha384,
    HashAlgorithm::Sha512,
];
const MD5: &str = "md5 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";
const MD2: &str = "md2 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";

/// What a certificate has by a hash function, right or with its last digit changed.
#[derive(Clone, Copy, Debug)]
enum Said {
    Right(HashAlgorithm),
    Wrong(HashAlgorithm),
    Text(&'static str),
}

use Said::{Right, Text, Wrong};

/// Two connections whose descriptions say these fingerprints of their certificates.
struct Told {
    pair: Pair,
    certificates: [Certificate; 2],
    said: Vec<Said>,
}

impl Told {
    fn new(said: &[Said]) -> Self {
        let certificates = [A, B].map(|_| {
            let date = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
            let parameters = CertificateParameters::new(date);
            Certificate::generate(&Crypto::default(), parameters).unwrap()
        });
        let [a, b] = certificates.each_ref().map(|certificate| {
            let mut configuration = Configuration::default();
            configuration.certificates = vec![certificate.clone()];
            configuration
        });
        let mut pair = Pair::with(a, b, 1);
        let now = pair.now;
        pair.peers[A].create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
        Self { pair, certificates, said: said.to_vec() }
    }

    fn lines(certificate: &Certificate, said: &[Said]) -> String {
        let lines = said.iter().map(|said| {
            let text = match *said {
                Right(hash) => certificate.fingerprint(hash).to_string(),
                Wrong(hash) => {
                    let mut text = certificate.fingerprint(hash).to_string();
                    let last = text.pop();
                    text.push(if last == Some('0') { '1' } else { '0' });
                    text
                }
                Text(text) => text.to_owned(),
            };
            format!("a=fingerprint:{text}\r\n")
        });
        lines.collect()
    }

    /// Whether the two connect; if not, why they say it is.
    fn connect(mut self) -> Result<(), String> {
        let (certificates, said) = (self.certificates.clone(), self.said.clone());
        self.pair.negotiate_munged(A, move |sdp| {
            // The one whose description this is.
            let own = certificates.iter().find(|certificate| {
                sdp.contains(&Self::lines(certificate, &[Right(HashAlgorithm::Sha256)]))
            });
            let own = own.expect("SHA-256 is what we say");
            sdp.replace(
                &Self::lines(own, &[Right(HashAlgorithm::Sha256)]),
                &Self::lines(own, &said),
            )
        });
        let all =
            |pair: &Pair, state| pair.peers.iter().all(|peer| peer.connection_state() == state);
        self.pair.run_until(Duration::from_secs(10), |pair| {
            all(pair, ConnectionState::Connected) || all(pair, ConnectionState::Failed)
        });
        if all(&self.pair, ConnectionState::Connected) {
            return Ok(());
        }
        let reasons = self.pair.peers.iter().filter_map(|peer| peer.failure_reason());
        Err(reasons.map(|reason| reason.to_string()).collect::<Vec<_>>().join("; "))
    }
}

#[test]
fn each_hash_function_is_enough_by_itself() {
    for hash in HASHES {
        assert_eq!(Told::new(&[Right(hash)]).connect(), Ok(()), "{hash:?}");
        let reason = Told::new(&[Wrong(hash)]).connect().unwrap_err();
        assert!(reason.contains("fingerprint"), "{hash:?}: {reason}");
    }
}

#[test]
fn the_strongest_that_is_told_has_to_match_and_no_weaker_one() {
    for (at, strongest) in HASHES.into_iter().enumerate() {
        for weaker in HASHES.into_iter().take(at) {
            for said in [[Right(weaker), Wrong(strongest)], [Wrong(strongest), Right(weaker)]] {
                let reason = Told::new(&said).connect().unwrap_err();
                assert!(reason.contains("fingerprint"), "{said:?}: {reason}");
            }
            assert_eq!(Told::new(&[Wrong(weaker), Right(strongest)]).connect(), Ok(()));
        }
        // Of several by the same function one is enough: there may be several certificates.
        assert_eq!(Told::new(&[Wrong(strongest), Right(strongest)]).connect(), Ok(()));
    }
}

#[test]
fn md5_and_md2_are_no_fingerprints() {
    for weak in [MD5, MD2] {
        assert_eq!(Told::new(&[Text(weak), Right(HashAlgorithm::Sha256)]).connect(), Ok(()));
        let reason = Told::new(&[Text(weak), Wrong(HashAlgorithm::Sha1)]).connect().unwrap_err();
        assert!(reason.contains("fingerprint"), "{reason}");

        let Told { mut pair, certificates, .. } = Told::new(&[]);
        let now = pair.now;
        pair.peers[A].set_local_description(now, None).unwrap();
        let offer = pair.peers[A].local_description().unwrap().sdp;
        let own = Told::lines(&certificates[A], &[Right(HashAlgorithm::Sha256)]);
        let alone = offer.replace(&own, &Told::lines(&certificates[A], &[Text(weak)]));
        assert_ne!(alone, offer);
        let error = pair.peers[B].set_remote_description(now, SessionDescription::offer(alone));
        let error = error.unwrap_err().to_string();
        assert!(error.contains("no a=fingerprint of a known hash function"), "{error}");
        assert!(pair.peers[B].remote_description().is_none());
    }
}
