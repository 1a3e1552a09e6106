//! Alerts ([RFC 5246 §7.2](https://www.rfc-editor.org/rfc/rfc5246#section-7.2)).

use std::fmt;

use super::HandshakeError;

/// What an alert says, as registered by IANA.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum AlertDescription {
    /// The sender will send no more.
    CloseNotify,
    /// A message came that does not belong there.
    UnexpectedMessage,
    /// A record could not be authenticated.
    BadRecordMac,
    /// A record is longer than it may be.
    RecordOverflow,
    /// No common parameters.
    HandshakeFailure,
    /// The certificate is corrupt, or not the one that was announced.
    BadCertificate,
    /// A certificate of a kind that is not supported.
    UnsupportedCertificate,
    /// A field is out of range or inconsistent.
    IllegalParameter,
    /// A message could not be parsed.
    DecodeError,
    /// A signature or a Finished message did not verify.
    DecryptError,
    /// No common protocol version.
    ProtocolVersion,
    /// Parameters that are not secure enough.
    InsufficientSecurity,
    /// Something went wrong on the sender's side.
    InternalError,
    /// The handshake is cancelled.
    UserCanceled,
    /// A renegotiation was refused; a warning.
    NoRenegotiation,
    /// An extension is missing that has to be there.
    MissingExtension,
    /// An extension was answered that had not been offered.
    UnsupportedExtension,
    /// The client gives no certificate, and must.
    CertificateRequired,
    /// Another one.
    Unknown(u8),
}

impl AlertDescription {
    const TABLE: [(Self, u8, &'static str); 18] = [
        (Self::CloseNotify, 0, "close_notify"),
        (Self::UnexpectedMessage, 10, "unexpected_message"),
        (Self::BadRecordMac, 20, "bad_record_mac"),
        (Self::RecordOverflow, 22, "record_overflow"),
        (Self::HandshakeFailure, 40, "handshake_failure"),
        (Self::BadCertificate, 42, "bad_certificate"),
        (Self::UnsupportedCertificate, 43, "unsupported_certificate"),
        (Self::IllegalParameter, 47, "illegal_parameter"),
        (Self::DecodeError, 50, "decode_error"),
        (Self::DecryptError, 51, "decrypt_error"),
        (Self::ProtocolVersion, 70, "protocol_version"),
        (Self::InsufficientSecurity, 71, "insufficient_security"),
        (Self::InternalError, 80, "internal_error"),
        (Self::UserCanceled, 90, "user_canceled"),
        (Self::NoRenegotiation, 100, "no_renegotiation"),
        (Self::MissingExtension, 109, "missing_extension"),
        (Self::UnsupportedExtension, 110, "unsupported_extension"),
        (Self::CertificateRequired, 116, "certificate_required"),
    ];

    fn entry(self) -> Option<(Self, u8, &'static str)> {
        Self::TABLE.into_iter().find(|entry| entry.0 == self)
    }

    /// Returns the number on the wire.
    pub fn code(self) -> u8 {
        match self {
            Self::Unknown(code) => code,
            known => known.entry().map_or(0, |entry| entry.1),
        }
    }

    /// Whether it ends a connection of DTLS 1.3: all that are not about closing "MUST be treated as
    /// error alerts when received regardless of the AlertLevel in the message. Unknown Alert types
    /// MUST be treated as error alerts"
    /// ([RFC 8446 §6](https://www.rfc-editor.org/rfc/rfc8446#section-6)).
    pub(crate) fn is_error(self) -> bool {
        !matches!(self, Self::CloseNotify | Self::UserCanceled)
    }
}

impl From<u8> for AlertDescription {
    fn from(code: u8) -> Self {
        Self::TABLE.into_iter().find(|entry| entry.1 == code).map_or(Self::Unknown(code), |e| e.0)
    }
}

impl fmt::Display for AlertDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(code) => write!(f, "alert {code}"),
            known => f.write_str(known.entry().map_or("", |entry| entry.2)),
        }
    }
}

const WARNING: u8 = 1;
const FATAL: u8 = 2;

/// An alert as it is sent and received.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Alert {
    pub(crate) fatal: bool,
    pub(crate) description: AlertDescription,
}

impl Alert {
    pub(crate) const CLOSE_NOTIFY: Self =
        Self { fatal: false, description: AlertDescription::CloseNotify };
    pub(crate) const NO_RENEGOTIATION: Self =
        Self { fatal: false, description: AlertDescription::NoRenegotiation };

    pub(crate) const fn fatal(description: AlertDescription) -> Self {
        Self { fatal: true, description }
    }

    /// A level that there is not is an error in DTLS 1.3 too, as with BoringSSL, though what the
    /// level says "can safely be ignored" there
    /// ([RFC 8446 §6](https://www.rfc-editor.org/rfc/rfc8446#section-6)).
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, HandshakeError> {
        let &[level, code] = bytes else { return Err(HandshakeError::Malformed) };
        if !matches!(level, WARNING | FATAL) {
            return Err(HandshakeError::IllegalParameter);
        }
        Ok(Self { fatal: level == FATAL, description: code.into() })
    }

    /// Of its body, in bytes.
    pub(crate) const LEN: usize = 2;

    pub(crate) fn bytes(self) -> [u8; Self::LEN] {
        [if self.fatal { FATAL } else { WARNING }, self.description.code()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_written_as_read() {
        for code in 0..=u8::MAX {
            let description = AlertDescription::from(code);
            assert_eq!(description.code(), code);
            assert!(!description.to_string().is_empty());
            let alert = Alert::fatal(description);
            assert_eq!(Alert::parse(&alert.bytes()), Ok(alert));
        }
        assert_eq!(Alert::parse(&[3, 0]), Err(HandshakeError::IllegalParameter));
        assert_eq!(Alert::parse(&[1, 0, 0]), Err(HandshakeError::Malformed));
    }
}
