use rustls::{CipherSuite, NamedGroup, SignatureScheme};

use super::super::*;
use super::pair::*;
use crate::certificate::Certificate;
use crate::crypto::Crypto;

/// Settings for `first` and, if nobody can verify that, `second`.
fn config(version: Version, first: &Certificate, second: &Certificate) -> Config {
    let config = Config::new(first.clone(), Crypto::default()).unwrap();
    let config = config.with_versions(version, version).unwrap();
    config.with_alternative_certificate(second.clone()).with_any_remote_certificate()
}

#[test]
fn the_first_certificate_that_suits_the_peer_is_shown() {
    let rsa = recorded_certificate("rsa-2048");
    let (p256, p384) = (recorded_certificate("p256-v1"), recorded_certificate("p384"));
    let rsa_only = [SignatureScheme::RSA_PSS_SHA256];
    for version in [Version::Dtls12, Version::Dtls13] {
        for role in [Role::Client, Role::Server] {
            for (first, second, schemes, shown) in [
                (&p256, &rsa, &rsa_only[..], &rsa),
                (&rsa, &p256, &rsa_only[..], &rsa),
                (&p256, &rsa, &[SignatureScheme::ECDSA_NISTP256_SHA256, rsa_only[0]], &p256),
                (&rsa, &p256, &[SignatureScheme::ECDSA_NISTP256_SHA256, rsa_only[0]], &rsa),
                (&rsa, &p384, &[SignatureScheme::ECDSA_NISTP384_SHA384, rsa_only[0]], &rsa),
            ] {
                // Arrange: one side has a choice, the other verifies these schemes only.
                let chooser = config(version, first, second);
                let other = config(version, &rsa, &rsa).with_signature_schemes(schemes).unwrap();
                let mut pair = Pair::new(match role {
                    Role::Client => (chooser, other),
                    Role::Server => (other, chooser),
                });
                // Act
                pair.run(perfect);
                // Assert
                assert_eq!(pair.client.version(), Some(version), "{role:?} {:#?}", pair.chart);
                let shown = Some(shown.der());
                assert_eq!(pair.side(role).certificate().map(Certificate::der), shown);
                let other = if role == Role::Client { &pair.server } else { &pair.client };
                assert_eq!(other.peer_certificate(), shown, "{version} {role:?}");
                pair.assert_data_flows();
            }
        }
    }
}

#[test]
fn each_side_signs_with_the_first_of_its_own_schemes_that_the_other_has() {
    use SignatureScheme as Scheme;
    let rsa = recorded_certificate("rsa-2048");
    let own = [Scheme::RSA_PSS_SHA384, Scheme::RSA_PKCS1_SHA256, Scheme::RSA_PSS_SHA256];
    for (theirs, signed) in
        [(&own[..], own[0]), (&[Scheme::RSA_PSS_SHA256, Scheme::RSA_PSS_SHA512], own[2])]
    {
        for version in [Version::Dtls12, Version::Dtls13] {
            let [ours, other] = [&own, theirs].map(|schemes| {
                config(version, &rsa, &rsa).with_signature_schemes(schemes).unwrap()
            });
            for role in [Role::Client, Role::Server] {
                let configs = (ours.clone(), other.clone());
                let configs = if role == Role::Client { configs } else { (configs.1, configs.0) };
                let mut pair = Pair::new(configs);
                pair.run(perfect);
                assert_eq!(pair.side(role).local_signature_scheme(), Some(signed), "{version}");
                pair.assert_data_flows();
            }
        }
    }
}

#[test]
fn a_client_of_1_2_shows_no_certificate_whose_key_has_none_of_its_schemes() {
    let (p256, rsa) = (recorded_certificate("p256-v1"), recorded_certificate("rsa-2048"));
    let client = config(Version::Dtls12, &p256, &p256);
    let client = client.with_signature_schemes(&[SignatureScheme::RSA_PSS_SHA256]).unwrap();
    let server = config(Version::Dtls12, &rsa, &rsa);
    let server = server.with_client_authentication(ClientAuthentication::Requested);
    let mut pair = Pair::new((client, server));
    pair.run(perfect);
    assert_eq!(pair.client.local_signature_scheme(), None);
    assert!(pair.client.certificate().is_none() && pair.server.peer_certificate().is_none());
    pair.assert_data_flows();
}

#[test]
fn where_no_certificate_suits_the_client_the_server_breaks_off() {
    let (p256, p384) = (recorded_certificate("p256-v1"), recorded_certificate("p384"));
    let rsa = recorded_certificate("rsa-2048");
    for version in [Version::Dtls12, Version::Dtls13] {
        let server = config(version, &p256, &p384);
        let client = config(version, &rsa, &rsa);
        let client = client.with_signature_schemes(&[SignatureScheme::RSA_PSS_SHA256]).unwrap();
        let mut pair = Pair::new((client, server));
        pair.run(perfect);
        let reason = HandshakeError::NoCommonSignatureScheme;
        assert_eq!(pair.server.close_reason(), Some(CloseReason::Handshake(reason)));
        assert!(pair.server.certificate().is_none());
    }
}

#[test]
fn settings_that_leave_nothing_are_refused_for_what_is_wrong_with_them() {
    use Version::{Dtls12, Dtls13};
    let config = Config::new(recorded_certificate("p256-v1"), Crypto::default()).unwrap();
    let hybrid = [NamedGroup::X25519MLKEM768];
    let error = config.clone().with_versions(Dtls13, Dtls12).unwrap_err();
    assert_eq!(error, ConfigError::VersionRange);
    // In either order.
    let old = config.clone().with_versions(Dtls12, Dtls12).unwrap();
    assert_eq!(old.with_groups(&hybrid).unwrap_err(), ConfigError::NoGroup);
    let new = config.clone().with_groups(&hybrid).unwrap();
    assert_eq!(new.with_versions(Dtls12, Dtls12).unwrap_err(), ConfigError::NoGroup);
    let foreign = config.with_signature_schemes(&[SignatureScheme::RSA_PSS_SHA256]).unwrap();
    assert_eq!(foreign.with_versions(Dtls13, Dtls13).unwrap_err(), ConfigError::NoVersion);
}

#[test]
fn only_the_cipher_suites_of_the_configuration_are_used() {
    use CipherSuite as C;
    let old = [
        C::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        C::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ];
    let new = [C::TLS13_CHACHA20_POLY1305_SHA256, C::TLS13_AES_256_GCM_SHA384];
    let p256 = recorded_certificate("p256-v1");
    let config = || Config::new(p256.clone(), Crypto::default()).unwrap();
    let config = || config().with_any_remote_certificate();
    // The server's order decides, and the newest version that both have suites of.
    for (client, server, agreed) in [
        (&[old[0], old[1]][..], &[old[1], old[0]][..], Some(old[1])),
        (&[new[0], new[1]], &[new[1], new[0]], Some(new[1])),
        (&[old[0], new[0]], &[new[0], old[0]], Some(new[0])),
        (&[old[0], new[0]], &old, Some(old[0])),
        (&new, &[new[0]], Some(new[0])),
        (&new[..1], &new[1..], None),
        (&old[..1], &old[1..], None),
    ] {
        let [client, server] = [client, server].map(|s| config().with_cipher_suites(s).unwrap());
        let mut pair = Pair::new((client, server));
        pair.run(perfect);
        assert_eq!(pair.client.cipher_suite(), agreed);
        assert_eq!(pair.server.cipher_suite(), agreed);
        match agreed {
            Some(_) => pair.assert_data_flows(),
            None => assert_eq!(
                pair.server.close_reason(),
                Some(CloseReason::Handshake(HandshakeError::NoCommonCipherSuite))
            ),
        }
    }
    // None that there is, none for the key, none for the version.
    for (version, suites) in [
        (Version::Dtls13, &[C::TLS13_AES_128_CCM_SHA256][..]),
        (Version::Dtls12, &[C::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]),
        (Version::Dtls13, &old),
        (Version::Dtls12, &new),
        (Version::Dtls12, &[]),
    ] {
        let config = config().with_versions(version, version).unwrap();
        assert_eq!(config.with_cipher_suites(suites).unwrap_err(), ConfigError::NoCipherSuite);
    }
}

#[test]
fn in_1_2_the_key_of_the_servers_certificate_is_on_a_curve_of_the_client() {
    let (p256, p384) = (recorded_certificate("p256-v1"), recorded_certificate("p384"));
    let (rsa, ed25519) = (recorded_certificate("rsa-2048"), recorded_certificate("ed25519"));
    let only = [NamedGroup::X25519];
    let with_p384 = [NamedGroup::X25519, NamedGroup::secp384r1];
    for (groups, first, second, shown) in [
        (&with_p384[..], &p256, &p384, Some(&p384)),
        (&with_p384, &p384, &p256, Some(&p384)),
        (&only, &p256, &rsa, Some(&rsa)),
        (&only, &p256, &ed25519, Some(&ed25519)),
        (&only, &p256, &p384, None),
    ] {
        let client = config(Version::Dtls12, &p256, &p256).with_groups(groups).unwrap();
        let mut pair = Pair::new((client, config(Version::Dtls12, first, second)));
        pair.run(perfect);
        assert_eq!(pair.is_connected(), shown.is_some(), "{groups:?}");
        assert_eq!(pair.server.certificate().map(Certificate::der), shown.map(Certificate::der));
        if shown.is_none() {
            let reason = HandshakeError::NoCommonGroup;
            assert_eq!(pair.server.close_reason(), Some(CloseReason::Handshake(reason)));
        }
    }
    // DTLS 1.3 has schemes that say the curve.
    let client = config(Version::Dtls13, &p256, &p256).with_groups(&only).unwrap();
    let mut pair = Pair::new((client, config(Version::Dtls13, &p256, &p256)));
    pair.run(perfect);
    assert!(pair.is_connected());
}

#[test]
fn a_client_of_1_2_refuses_a_key_on_another_curve() {
    let p256 = recorded_certificate("p256-v1");
    let client = config(Version::Dtls12, &p256, &p256);
    let mut pair = Pair::new((client.clone(), config(Version::Dtls12, &p256, &p256)));
    // It has said more than it means.
    pair.step(&mut perfect);
    pair.client.settings = client.with_groups(&[NamedGroup::X25519]).unwrap().shared;
    pair.run(perfect);
    let reason = CloseReason::Handshake(HandshakeError::UnsupportedCertificate);
    assert_eq!(pair.client.close_reason(), Some(reason));
    let alert = CloseReason::Alert(AlertDescription::UnsupportedCertificate);
    assert_eq!(pair.server.close_reason(), Some(alert));
}
