//! Handshakes a second and core, both sides, beside the public-key operations that they cannot do
//! without.

use dtls_srtp::dtls::Version;
use ring::agreement::ECDH_P256;
use ring::rand::SystemRandom;
use rustls::NamedGroup;

use super::{Goal, Row, Show, each};
use crate::bare;
#[cfg(feature = "peers")]
use crate::layers::dtls::Dimpl;
#[cfg(feature = "openssl-peer")]
use crate::layers::dtls::OpenSsl;
#[cfg(feature = "security-peers")]
use crate::layers::dtls::RtcDtls;
use crate::layers::dtls::{Peerless, Stack};
use crate::measure::{Contestant, start};

pub(super) fn rows() -> Vec<Row<'static>> {
    vec![
        Row {
            name: "DTLS 1.2 handshake, both sides, P-256",
            show: Show::PerSecond,
            goal: Some(Goal::AtLeast(0.93)),
            ours: ours(Version::Dtls12, NamedGroup::secp256r1),
            bare: Some(bare_p256()),
            others: vec![
                #[cfg(feature = "peers")]
                ("dimpl 0.9", handshake(Dimpl::v12_p256())),
                #[cfg(feature = "security-peers")]
                ("rtc-dtls 0.21", handshake(RtcDtls::default())),
                #[cfg(feature = "openssl-peer")]
                (openssl::version::version(), handshake(OpenSsl::default())),
            ],
        },
        Row {
            name: "DTLS 1.3 handshake, both sides, P-256",
            show: Show::PerSecond,
            goal: Some(Goal::AtLeast(0.87)),
            ours: ours(Version::Dtls13, NamedGroup::secp256r1),
            bare: Some(bare_p256()),
            others: vec![
                #[cfg(feature = "peers")]
                ("dimpl 0.9", handshake(Dimpl::v13_p256())),
            ],
        },
        Row {
            name: "DTLS 1.3 handshake, both sides, X25519MLKEM768",
            show: Show::PerSecond,
            goal: Some(Goal::AtLeast(0.87)),
            ours: ours(Version::Dtls13, NamedGroup::X25519MLKEM768),
            bare: Some(bare_hybrid()),
            others: Vec::new(),
        },
    ]
}

const ROUNDS: u32 = 50;

fn ours(version: Version, group: NamedGroup) -> Contestant<'static> {
    handshake(Peerless::new(|config| {
        let config = config.with_versions(version, version).expect("both are there");
        config.with_groups(&[group]).expect("the default provider has it")
    }))
}

fn handshake(stack: impl Stack + 'static) -> Contestant<'static> {
    let now = start();
    each(ROUNDS, move || drop(stack.connected(now)))
}

fn bare_p256() -> Contestant<'static> {
    let random = SystemRandom::new();
    let key = bare::signing_key(&random);
    each(ROUNDS, move || {
        bare::agreement(&ECDH_P256, &random);
        bare::signatures(&random, &key);
    })
}

fn bare_hybrid() -> Contestant<'static> {
    let random = SystemRandom::new();
    let key = bare::signing_key(&random);
    let group = bare::hybrid();
    each(ROUNDS, move || {
        bare::hybrid_agreement(&group);
        bare::signatures(&random, &key);
    })
}
