use rustls::SignatureScheme;

use super::super::*;
use super::pair::*;
use crate::certificate::Certificate;
use crate::crypto::Crypto;

/// The settings of both sides, whose key is elsewhere, and the key.
fn external(version: Version) -> ((Config, Config), Certificate) {
    let key = recorded_certificate("p256-v1");
    let schemes = vec![SignatureScheme::ECDSA_NISTP256_SHA256];
    let certificate = Certificate::with_external_key(vec![key.der().to_vec()], schemes).unwrap();
    let config = Config::new(certificate, Crypto::default()).unwrap();
    let config = config.with_versions(version, version).unwrap();
    (acquainted((config.clone(), config)), key)
}

/// Signs as asked.
fn signature(connection: &Connection, key: &Certificate) -> Vec<u8> {
    let SignatureRequest { scheme, message } = connection.signature_request().unwrap();
    key.key().choose_scheme(&[scheme]).unwrap().sign(message).unwrap()
}

/// Goes on until `role` asks for a signature.
fn run_until_asked(pair: &mut Pair, role: Role) {
    while pair.side(role).signature_request().is_none() {
        assert!(pair.step(&mut perfect), "{:#?}", pair.chart);
    }
}

#[test]
fn a_handshake_waits_for_signatures_that_come_later() {
    for version in [Version::Dtls12, Version::Dtls13] {
        let (configs, key) = external(version);
        let mut pair = Pair::new(configs);
        for role in [Role::Server, Role::Client] {
            run_until_asked(&mut pair, role);
            assert_eq!(pair.side(role).poll_event(), Some(Event::SignatureNeeded));
            assert_eq!(pair.side(role).poll_event(), None);
            assert_eq!(
                pair.side(role).signature_request().unwrap().scheme,
                SignatureScheme::ECDSA_NISTP256_SHA256
            );
            // The module takes its time: the other side asks again, and nothing comes.
            let before = pair.side(role).stats().flights_retransmitted;
            let later = pair.now + Duration::from_secs(2);
            while pair.next().is_some_and(|next| next < later) {
                pair.step(&mut perfect);
            }
            assert_eq!(pair.side(role).stats().flights_retransmitted, before);
            let signature = signature(pair.side(role), &key);
            let now = pair.now;
            pair.side(role).provide_signature(now, &signature);
            assert!(pair.side(role).signature_request().is_none());
            pair.side(role).provide_signature(now, b"nobody has asked");
        }
        pair.run(perfect);
        assert_eq!(pair.client.version(), Some(version));
        pair.assert_data_flows();
    }
}

#[test]
fn a_refused_signature_ends_the_handshake() {
    for version in [Version::Dtls12, Version::Dtls13] {
        for role in [Role::Server, Role::Client] {
            let (configs, key) = external(version);
            let mut pair = Pair::new(configs);
            run_until_asked(&mut pair, Role::Server);
            if role == Role::Client {
                let signature = signature(&pair.server, &key);
                pair.server.provide_signature(pair.now, &signature);
                run_until_asked(&mut pair, role);
            }
            let now = pair.now;
            pair.side(role).refuse_signature(now);
            let internal = CloseReason::Handshake(HandshakeError::Internal);
            assert_eq!(pair.side(role).poll_event(), Some(Event::Closed(internal)));
            pair.run(perfect);
            let other = if role == Role::Client { &pair.server } else { &pair.client };
            let alert = CloseReason::Alert(AlertDescription::InternalError);
            assert_eq!(other.close_reason(), Some(alert), "{version} {role:?}");
        }
    }
}

#[test]
fn a_signature_that_is_too_long_to_be_sent_ends_the_handshake() {
    for version in [Version::Dtls12, Version::Dtls13] {
        let mut pair = Pair::new(external(version).0);
        run_until_asked(&mut pair, Role::Server);
        pair.server.provide_signature(pair.now, &[0; 1 << 16]);
        let internal = CloseReason::Handshake(HandshakeError::Internal);
        assert_eq!(pair.server.close_reason(), Some(internal));
    }
}

#[test]
fn a_wrong_signature_is_found_out_by_the_peer() {
    for version in [Version::Dtls12, Version::Dtls13] {
        let (configs, _) = external(version);
        let mut pair = Pair::new(configs);
        run_until_asked(&mut pair, Role::Server);
        pair.server.provide_signature(pair.now, b"wrong");
        pair.run(perfect);
        let bad = CloseReason::Handshake(HandshakeError::BadSignature);
        assert_eq!(pair.client.close_reason(), Some(bad));
    }
}

#[test]
fn a_connection_that_waits_for_a_signature_can_be_closed() {
    let (configs, _) = external(Version::Dtls13);
    let mut pair = Pair::new(configs);
    run_until_asked(&mut pair, Role::Server);
    pair.server.close(pair.now);
    assert!(pair.server.signature_request().is_none());
    assert_eq!(pair.server.poll_event(), Some(Event::Closed(CloseReason::Local)));
    pair.run(perfect);
    assert_eq!(pair.client.close_reason(), Some(CloseReason::Remote));
}
