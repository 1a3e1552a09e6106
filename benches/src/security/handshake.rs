//! Handshakes a second and core, both sides, beside the public-key operations that they cannot do
//! without.

use ring::agreement::ECDH_P256;
use ring::rand::SystemRandom;
use rustls::NamedGroup;

use super::{Goal, Row, Show, each};
use crate::bare;
#[cfg(feature = "peers")]
use crate::layers::dtls::Dimpl;
use crate::layers::dtls::{Peerless, Stack};
use crate::measure::{Contestant, start};

pub(super) fn rows() -> Vec<Row<'static>> {
    let p256 = Peerless::new(|config| {
        config.with_groups(&[NamedGroup::secp256r1]).expect("every provider has P-256")
    });
    vec![Row {
        name: "DTLS 1.2 handshake, both sides, P-256",
        show: Show::PerSecond,
        goal: Some(Goal::AtLeast(0.93)),
        ours: handshake(p256),
        bare: Some(bare_p256()),
        others: vec![
            #[cfg(feature = "peers")]
            ("dimpl 0.9", handshake(Dimpl::v12_p256())),
        ],
    }]
}

const ROUNDS: u32 = 50;

fn handshake(stack: impl Stack + 'static) -> Contestant<'static> {
    let now = start();
    each(ROUNDS, move || stack.handshake(now))
}

fn bare_p256() -> Contestant<'static> {
    let random = SystemRandom::new();
    let key = bare::signing_key(&random);
    each(ROUNDS, move || {
        bare::agreement(&ECDH_P256, &random);
        bare::signatures(&random, &key);
    })
}
