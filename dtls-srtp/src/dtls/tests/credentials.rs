use rustls::SignatureScheme;

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
