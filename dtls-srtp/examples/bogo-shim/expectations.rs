//! Whether the handshake ended as it was to.

use std::fmt::Debug;

use peerless_dtls_srtp::certificate::Certificate;
use peerless_dtls_srtp::dtls::{Connection, Version};

use crate::flags::Flags;
use crate::{Failure, settings};

pub(crate) fn check(flags: &Flags, connection: &Connection) -> Result<(), Failure> {
    let suite = connection.cipher_suite().map(u16::from);
    let group = connection.group().map(u16::from);
    let srtp_profile = connection.srtp_keys().and_then(|keys| keys.profile.code());
    let version = connection.version().map(settings::version_code);
    equal("version", flags.expect_version, version)?;
    equal("cipher suite", flags.expect_cipher, suite)?;
    equal("group", flags.expect_curve, group)?;
    equal("SRTP profile", flags.expect_srtp_profile, srtp_profile)?;

    if let Some(expected) = flags.expect_peer_signature_algorithm {
        let scheme = connection.peer_signature_scheme().map(u16::from);
        equal("signature scheme of the peer", Some(expected), scheme)?;
    }
    if let Some(expected) = flags.expect_hello_retry_request
        && connection.version() == Some(Version::Dtls13)
    {
        // One for the hellos that agree, and one for each that had to be repeated.
        let retried = connection.round_trips().is_some_and(|trips| trips > 1);
        equal("number of hellos", Some(expected), Some(retried))?;
    }
    if let Some(index) = flags.expect_selected_credential {
        let credential = match usize::try_from(index) {
            Ok(index) => flags.credentials.get(index),
            Err(_) => flags.credentials.last(),
        };
        let file = credential.and_then(|credential| credential.certificate_file.as_deref());
        let expected = file.map(settings::certificates).transpose()?;
        let expected = expected.as_ref().and_then(|chain| chain.first());
        let shown = connection.certificate().map(Certificate::der);
        if expected.is_none() || shown != expected.map(Vec::as_slice) {
            return Err(Failure::failed("another certificate was shown than the expected one"));
        }
    }
    let certificate = connection.peer_certificate();
    if let Some(file) = &flags.expect_peer_certificate_file {
        let expected = settings::certificates(file)?;
        if certificate != expected.first().map(Vec::as_slice) {
            return Err(Failure::failed("the peer's certificate is not the expected one"));
        }
    }
    if flags.expect_no_peer_certificate && certificate.is_some() {
        return Err(Failure::failed("the peer has a certificate, and was not to"));
    }
    Ok(())
}

fn equal<T: Debug + PartialEq>(
    what: &str,
    expected: Option<T>,
    actual: Option<T>,
) -> Result<(), Failure> {
    if expected.is_some() && expected != actual {
        let why = format!("expected another {what}: {expected:?}, but got {actual:?}");
        return Err(Failure::Failed(why));
    }
    Ok(())
}
