//! Error causes, the values of ABORT and ERROR
//! ([RFC 9260 §3.3.10](https://www.rfc-editor.org/rfc/rfc9260#section-3.3.10)).

use crate::chunk::parameter::{self, Parameters};
use std::fmt;

/// Why a peer complains or aborts.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ErrorCause {
    /// DATA on a stream that does not exist (1).
    InvalidStreamIdentifier,
    /// An INIT or INIT ACK lacks something (2).
    MissingMandatoryParameter,
    /// The cookie came too late (3).
    StaleCookie,
    /// The endpoint has no resources (4).
    OutOfResource,
    /// An address cannot be resolved (5).
    UnresolvableAddress,
    /// A chunk type is not known (6).
    UnrecognizedChunkType,
    /// A mandatory parameter has a value that cannot be (7).
    InvalidMandatoryParameter,
    /// Parameters are not known (8).
    UnrecognizedParameters,
    /// A DATA chunk without user data (9).
    NoUserData,
    /// A COOKIE ECHO came while shutting down (10).
    CookieReceivedWhileShuttingDown,
    /// An INIT added addresses to an association (11).
    RestartWithNewAddresses,
    /// The application wanted it so (12).
    UserInitiatedAbort,
    /// The peer did what the protocol forbids (13).
    ProtocolViolation,
    /// Any other.
    Unknown(u16),
}

impl ErrorCause {
    /// The cause with this code.
    pub const fn from_wire(code: u16) -> Self {
        match code {
            1 => Self::InvalidStreamIdentifier,
            2 => Self::MissingMandatoryParameter,
            3 => Self::StaleCookie,
            4 => Self::OutOfResource,
            5 => Self::UnresolvableAddress,
            6 => Self::UnrecognizedChunkType,
            7 => Self::InvalidMandatoryParameter,
            8 => Self::UnrecognizedParameters,
            9 => Self::NoUserData,
            10 => Self::CookieReceivedWhileShuttingDown,
            11 => Self::RestartWithNewAddresses,
            12 => Self::UserInitiatedAbort,
            13 => Self::ProtocolViolation,
            other => Self::Unknown(other),
        }
    }

    /// The code of this cause.
    pub const fn to_wire(self) -> u16 {
        match self {
            Self::InvalidStreamIdentifier => 1,
            Self::MissingMandatoryParameter => 2,
            Self::StaleCookie => 3,
            Self::OutOfResource => 4,
            Self::UnresolvableAddress => 5,
            Self::UnrecognizedChunkType => 6,
            Self::InvalidMandatoryParameter => 7,
            Self::UnrecognizedParameters => 8,
            Self::NoUserData => 9,
            Self::CookieReceivedWhileShuttingDown => 10,
            Self::RestartWithNewAddresses => 11,
            Self::UserInitiatedAbort => 12,
            Self::ProtocolViolation => 13,
            Self::Unknown(code) => code,
        }
    }
}

impl fmt::Display for ErrorCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidStreamIdentifier => "invalid stream identifier",
            Self::MissingMandatoryParameter => "missing mandatory parameter",
            Self::StaleCookie => "stale cookie",
            Self::OutOfResource => "out of resource",
            Self::UnresolvableAddress => "unresolvable address",
            Self::UnrecognizedChunkType => "unrecognized chunk type",
            Self::InvalidMandatoryParameter => "invalid mandatory parameter",
            Self::UnrecognizedParameters => "unrecognized parameters",
            Self::NoUserData => "no user data",
            Self::CookieReceivedWhileShuttingDown => "cookie received while shutting down",
            Self::RestartWithNewAddresses => "restart of an association with new addresses",
            Self::UserInitiatedAbort => "user-initiated abort",
            Self::ProtocolViolation => "protocol violation",
            Self::Unknown(code) => return write!(f, "cause {code}"),
        })
    }
}

/// The causes in the value of an ABORT or ERROR chunk, each with its information.
pub fn parse(value: &[u8]) -> impl Iterator<Item = (ErrorCause, &[u8])> {
    // A cause has the form of a parameter.
    Parameters::new(value).map(|cause| (ErrorCause::from_wire(cause.kind), cause.value))
}

/// Appends a cause.
pub(crate) fn write(buf: &mut Vec<u8>, cause: ErrorCause, information: &[u8]) {
    parameter::write(buf, cause.to_wire(), information);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_survive_the_wire() {
        for code in 0..20 {
            assert_eq!(ErrorCause::from_wire(code).to_wire(), code);
        }
        let mut buf = Vec::new();
        write(&mut buf, ErrorCause::ProtocolViolation, b"why");
        let causes: Vec<_> = parse(&buf).collect();
        assert_eq!(causes, [(ErrorCause::ProtocolViolation, &b"why"[..])]);
    }
}
