//! What a connection gives to others: keying material, SRTP keys, and lines of a key log.

use std::sync::Mutex;

use hmac::{Hmac, Mac};
use rustls::crypto::{ActiveKeyExchange, SharedSecret, SupportedKxGroup};
use rustls::{CipherSuite, NamedGroup};
use sha2::Sha256;

use super::super::*;
use super::pair::*;
use crate::crypto::{
    Aead, AeadAlgorithm, AesCtr, AesCtrHmacSha1, Crypto, KeyError, PacketCrypto, SequenceNumberMask,
};
use crate::srtp::Profile;

#[derive(Debug, Default)]
pub(super) struct Lines(pub(super) Mutex<Vec<String>>);

impl KeyLog for Lines {
    fn log(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }
}

#[test]
fn both_sides_log_the_same_secrets() {
    const LABELS_1_3: [&str; 5] = [
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        "CLIENT_TRAFFIC_SECRET_0",
        "SERVER_TRAFFIC_SECRET_0",
        "EXPORTER_SECRET",
    ];
    for (configs, labels) in [(configs(), &["CLIENT_RANDOM"][..]), (configs_1_3(), &LABELS_1_3)] {
        let logs = [(); 2].map(|()| Arc::new(Lines::default()));
        let (client, server) = configs;
        let client = client.with_key_log(logs[0].clone());
        let server = server.with_key_log(logs[1].clone());
        let mut pair = Pair::new((client, server));
        pair.run(perfect);
        assert!(pair.is_connected());

        let [client, server] = logs.map(|log| log.0.lock().unwrap().clone());
        assert_eq!(client, server);
        let words: Vec<Vec<_>> = client.iter().map(|line| line.split(' ').collect()).collect();
        assert_eq!(words.iter().map(|line| line[0]).collect::<Vec<_>>(), labels);
        assert!(words.iter().all(|line| line.len() == 3 && line[1] == words[0][1]));
        let secret_len = if labels.len() == 1 { 2 * 48 } else { 2 * 32 };
        assert!(words.iter().all(|line| line[1].len() == 64 && line[2].len() == secret_len));
    }
}

#[test]
fn both_sides_log_the_secrets_after_each_key_update() {
    let logs = [(); 2].map(|()| Arc::new(Lines::default()));
    let (client, server) = configs_1_3();
    let client = client.with_key_log(logs[0].clone());
    let server = server.with_key_log(logs[1].clone());
    let mut pair = Pair::new((client, server));
    pair.run(perfect);
    let before = logs[0].0.lock().unwrap().clone();
    let now = pair.now;
    assert!(pair.client.update_keys(now, KeyUpdate::Requested));
    pair.run(perfect);
    let now = pair.now;
    assert!(pair.server.update_keys(now, KeyUpdate::NotRequested));
    pair.run(perfect);
    pair.assert_data_flows();

    let sorted = |log: Arc<Lines>| {
        let mut lines = log.0.lock().unwrap().split_off(before.len());
        lines.sort();
        lines
    };
    let [client, server] = logs.map(sorted);
    assert_eq!(client, server);
    let words: Vec<Vec<_>> = client.iter().map(|line| line.split(' ').collect()).collect();
    assert_eq!(
        words.iter().map(|line| line[0]).collect::<Vec<_>>(),
        ["CLIENT_TRAFFIC_SECRET_1", "SERVER_TRAFFIC_SECRET_1", "SERVER_TRAFFIC_SECRET_2"]
    );
    // Of the same connection, and what follows from the secret before.
    assert!(words.iter().all(|line| before[0].split(' ').nth(1) == Some(line[1])));
    let suite = *pair.client.settings.suites_1_3.first().unwrap();
    let secret_0 = before.iter().find_map(|line| line.strip_prefix("CLIENT_TRAFFIC_SECRET_0 "));
    let hex = secret_0.unwrap().split(' ').nth(1).unwrap();
    let bytes: Vec<_> =
        (0..32).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect();
    let secret_1 = v13::key_schedule::TrafficSecret::from_bytes(suite, &bytes).next();
    let hex: String = secret_1.bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, words[0][2]);
}

#[test]
fn a_context_that_is_absent_is_an_empty_one_in_1_3_only() {
    for (configs, same) in [(configs(), false), (configs_1_3(), true)] {
        let mut pair = Pair::new(configs);
        pair.run(perfect);
        let export = |side: &Connection, context| {
            side.export_keying_material("label", context, 100).unwrap().to_vec()
        };
        for context in [None, Some(&b""[..]), Some(b"context")] {
            assert_eq!(export(&pair.client, context), export(&pair.server, context));
        }
        let (absent, empty) = (export(&pair.client, None), export(&pair.client, Some(b"")));
        assert_eq!(absent == empty, same);
        assert_ne!(export(&pair.client, Some(b"context")), empty);
    }
}

#[test]
fn the_servers_order_of_srtp_profiles_decides_in_both_versions() {
    use Profile::{AeadAes128Gcm, AeadAes256Gcm, Aes128CmHmacSha1_80};
    for configs in [configs(), configs_1_3()] {
        for (client, server, agreed) in [
            (
                &[AeadAes128Gcm, Aes128CmHmacSha1_80][..],
                &[Aes128CmHmacSha1_80, AeadAes128Gcm][..],
                Some(Aes128CmHmacSha1_80),
            ),
            (&[AeadAes256Gcm, AeadAes128Gcm], &[AeadAes128Gcm], Some(AeadAes128Gcm)),
            (&[AeadAes256Gcm], &[AeadAes128Gcm], None),
            (&[], &[AeadAes128Gcm], None),
            (&[AeadAes128Gcm], &[], None),
        ] {
            let (for_client, for_server) = configs.clone();
            let mut pair = Pair::new((
                for_client.with_srtp_profiles(client),
                for_server.with_srtp_profiles(server),
            ));
            pair.run(perfect);
            assert!(pair.is_connected());
            let keys = [pair.client.srtp_keys(), pair.server.srtp_keys()];
            assert_eq!(keys.map(|keys| keys.map(|keys| keys.profile)), [agreed; 2]);
        }
    }
}

/// A key exchange that always agrees on the same secret.
#[derive(Debug)]
struct Known;

impl Known {
    const SECRET: [u8; 32] = [7; 32];
}

impl SupportedKxGroup for Known {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, rustls::Error> {
        Ok(Box::new(Self))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

impl ActiveKeyExchange for Known {
    fn complete(self: Box<Self>, _peer: &[u8]) -> Result<SharedSecret, rustls::Error> {
        Ok(SharedSecret::from(&Self::SECRET[..]))
    }

    fn pub_key(&self) -> &[u8] {
        &[9; 32]
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

/// `PRF(secret, label, seed)` with SHA-256, of 48 bytes
/// ([RFC 5246 §5](https://www.rfc-editor.org/rfc/rfc5246#section-5)).
fn prf(secret: &[u8], label: &[u8], seed: &[u8]) -> Vec<u8> {
    let hmac = |parts: &[&[u8]]| {
        let mut hmac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
        parts.iter().for_each(|part| hmac.update(part));
        hmac.finalize().into_bytes()
    };
    let first = hmac(&[label, seed]);
    let second = hmac(&[&first]);
    [hmac(&[&first, label, seed]), hmac(&[&second, label, seed])].concat()[..48].to_vec()
}

/// "master_secret = PRF(pre_master_secret, "master secret", ClientHello.random +
/// ServerHello.random)" ([RFC 5246 §8.1](https://www.rfc-editor.org/rfc/rfc5246#section-8.1)).
#[test]
fn without_the_extended_master_secret_the_randoms_are_its_seed() {
    let mut provider = (*Crypto::default().handshake).clone();
    // The curve of the certificates has to be offered as well.
    provider.kx_groups.retain(|group| group.name() == NamedGroup::secp256r1);
    provider.kx_groups.insert(0, &Known);
    let crypto = Crypto { handshake: Arc::new(provider), ..Crypto::default() };
    let logs = [(); 2].map(|()| Arc::new(Lines::default()));
    let side = |log: &Arc<Lines>| {
        let suite = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
        let config = Config::new(certificate(), crypto.clone()).unwrap();
        let mut config = config
            .with_versions(Version::Dtls12, Version::Dtls12)
            .and_then(|config| config.with_cipher_suites(&[suite]))
            .unwrap()
            .with_optional_extended_master_secret()
            .with_key_log(log.clone());
        config.settings().extended_master_secret_left_out = true;
        config
    };
    let mut randoms = Vec::new();
    let mut pair = Pair::new(acquainted((side(&logs[0]), side(&logs[1]))));
    pair.run(|from, datagram| {
        // The client's first message and the server's, behind the headers and the version.
        if randoms.len() == if from == Role::Client { 0 } else { 32 } {
            randoms.extend_from_slice(&datagram[27..59]);
        }
        perfect(from, datagram)
    });
    assert!(pair.is_connected());
    pair.assert_data_flows();

    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let secret = prf(&Known::SECRET, b"master secret", &randoms);
    let line = format!("CLIENT_RANDOM {} {}", hex(&randoms[..32]), hex(&secret));
    assert_eq!(logs.map(|log| log.0.lock().unwrap().clone()), [[line.clone()], [line]]);
    let export = |side: &Connection| side.export_keying_material("label", None, 60).unwrap();
    assert_eq!(*export(&pair.client), *export(&pair.server));
}

/// Packet cryptography without AES-256-GCM.
#[derive(Debug)]
struct Small;

impl PacketCrypto for Small {
    fn aead(&self, algorithm: AeadAlgorithm, key: &[u8]) -> Result<Box<dyn Aead>, KeyError> {
        match algorithm {
            AeadAlgorithm::Aes256Gcm => Err(KeyError::Unsupported(algorithm)),
            _ => Crypto::default().packets.aead(algorithm, key),
        }
    }

    fn sequence_number_mask(
        &self,
        algorithm: AeadAlgorithm,
        key: &[u8],
    ) -> Result<Box<dyn SequenceNumberMask>, KeyError> {
        Crypto::default().packets.sequence_number_mask(algorithm, key)
    }

    fn aes_ctr(&self, key: &[u8]) -> Result<Box<dyn AesCtr>, KeyError> {
        Crypto::default().packets.aes_ctr(key)
    }

    fn aes_ctr_hmac_sha1(
        &self,
        cipher_key: &[u8],
        authentication_key: &[u8],
    ) -> Result<Box<dyn AesCtrHmacSha1>, KeyError> {
        Crypto::default().packets.aes_ctr_hmac_sha1(cipher_key, authentication_key)
    }
}

#[test]
fn a_profile_that_the_packet_cryptography_lacks_is_not_agreed_on() {
    let profiles = [Profile::AeadAes256Gcm, Profile::AeadAes128Gcm];
    let settings = || Config::new(certificate(), Crypto::default()).unwrap();
    let small = Crypto { packets: &Small, ..Crypto::default() };
    for set in [true, false] {
        let server = Config::new(certificate(), small.clone()).unwrap();
        let server = if set { server.with_srtp_profiles(&profiles) } else { server };
        let client = settings().with_srtp_profiles(&profiles);
        let mut pair = Pair::new(acquainted((client, server)));
        pair.run(perfect);
        assert_eq!(pair.server.srtp_profile(), Some(Profile::AeadAes128Gcm));
    }
}
