//! The one-line form of a message.

use std::fmt;

use super::{Attribute, AttributeType, ErrorCode, Message, address};
use crate::fingerprint::Fingerprint;

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "STUN {} {} {}", self.method(), self.class(), self.transaction_id())?;
        self.attributes().try_for_each(|attribute| self.fmt_attribute(attribute, f))
    }
}

impl Message<'_> {
    fn fmt_attribute(
        &self,
        Attribute { kind, value }: Attribute<'_>,
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        write!(f, ", {kind}")?;
        match kind {
            AttributeType::Username
            | AttributeType::Realm
            | AttributeType::Software
            | AttributeType::AlternateDomain => {
                write!(f, " {}", String::from_utf8_lossy(value).escape_debug())
            }
            AttributeType::MappedAddress | AttributeType::AlternateServer => {
                fmt_option(address::parse(value), f)
            }
            AttributeType::XorMappedAddress => fmt_option(
                address::parse(value).map(|address| address::xor(address, self.transaction_id())),
                f,
            ),
            AttributeType::ErrorCode => fmt_option(ErrorCode::parse(value), f),
            AttributeType::UnknownAttributes => {
                self.unknown_attributes().try_for_each(|kind| write!(f, " {kind}"))
            }
            AttributeType::Priority => fmt_option(self.priority(), f),
            AttributeType::IceControlled | AttributeType::IceControlling => {
                f.write_str(" ")?;
                value.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            AttributeType::Fingerprint => match self.check_fingerprint() {
                Fingerprint::Wrong => f.write_str(" (wrong)"),
                Fingerprint::Absent | Fingerprint::Valid => Ok(()),
            },
            // Not worth a line, or not for a log: a nonce may be a server's cookie.
            AttributeType::MessageIntegrity
            | AttributeType::MessageIntegritySha256
            | AttributeType::Nonce
            | AttributeType::PasswordAlgorithm
            | AttributeType::PasswordAlgorithms
            | AttributeType::UseCandidate
            | AttributeType::Userhash => Ok(()),
            AttributeType::MetaDtlsInStun
            | AttributeType::MetaDtlsInStunAcknowledgement
            | AttributeType::Unknown(_) => write!(f, "[{}]", value.len()),
        }
    }
}

fn fmt_option(value: Option<impl fmt::Display>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match value {
        Some(value) => write!(f, " {value}"),
        None => f.write_str(" (malformed)"),
    }
}
