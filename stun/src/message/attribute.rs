//! Attributes: types, values, and the walk over them.

use std::fmt;

use super::ATTRIBUTE_HEADER_LEN;

macro_rules! attribute_types {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// The type of an attribute, of the registry in
        /// [RFC 8489 §18.3](https://www.rfc-editor.org/rfc/rfc8489#section-18.3) and
        /// [RFC 8445 §20.1](https://www.rfc-editor.org/rfc/rfc8445#section-20.1).
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[non_exhaustive]
        pub enum AttributeType {
            $($(#[$doc])* $name,)*
            /// A type that this crate does not know.
            Unknown(u16),
        }

        impl From<u16> for AttributeType {
            fn from(number: u16) -> Self {
                match number {
                    $($number => Self::$name,)*
                    other => Self::Unknown(other),
                }
            }
        }

        impl AttributeType {
            /// Returns the type's number.
            pub const fn number(self) -> u16 {
                match self {
                    $(Self::$name => $number,)*
                    Self::Unknown(number) => number,
                }
            }

            /// Every type that this crate knows.
            #[cfg(test)]
            pub(crate) const KNOWN: &[Self] = &[$(Self::$name,)*];
        }

        impl fmt::Display for AttributeType {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name => f.write_str($text),)*
                    Self::Unknown(number) => write!(f, "{number:#06x}"),
                }
            }
        }
    };
}

attribute_types! {
    /// MAPPED-ADDRESS.
    MappedAddress = 0x0001, "mapped-address";
    /// USERNAME.
    Username = 0x0006, "username";
    /// MESSAGE-INTEGRITY.
    MessageIntegrity = 0x0008, "message-integrity";
    /// ERROR-CODE.
    ErrorCode = 0x0009, "error-code";
    /// UNKNOWN-ATTRIBUTES.
    UnknownAttributes = 0x000a, "unknown-attributes";
    /// REALM.
    Realm = 0x0014, "realm";
    /// NONCE.
    Nonce = 0x0015, "nonce";
    /// MESSAGE-INTEGRITY-SHA256.
    MessageIntegritySha256 = 0x001c, "message-integrity-sha256";
    /// PASSWORD-ALGORITHM.
    PasswordAlgorithm = 0x001d, "password-algorithm";
    /// USERHASH.
    Userhash = 0x001e, "userhash";
    /// XOR-MAPPED-ADDRESS.
    XorMappedAddress = 0x0020, "xor-mapped-address";
    /// PRIORITY, of ICE.
    Priority = 0x0024, "priority";
    /// USE-CANDIDATE, of ICE.
    UseCandidate = 0x0025, "use-candidate";
    /// PASSWORD-ALGORITHMS.
    PasswordAlgorithms = 0x8002, "password-algorithms";
    /// ALTERNATE-DOMAIN.
    AlternateDomain = 0x8003, "alternate-domain";
    /// SOFTWARE.
    Software = 0x8022, "software";
    /// ALTERNATE-SERVER.
    AlternateServer = 0x8023, "alternate-server";
    /// FINGERPRINT.
    Fingerprint = 0x8028, "fingerprint";
    /// ICE-CONTROLLED, of ICE.
    IceControlled = 0x8029, "ice-controlled";
    /// ICE-CONTROLLING, of ICE.
    IceControlling = 0x802a, "ice-controlling";
    /// META-DTLS-IN-STUN, of draft-hancke-webrtc-sped.
    MetaDtlsInStun = 0xc070, "meta-dtls-in-stun";
    /// META-DTLS-IN-STUN-ACKNOWLEDGEMENT, of draft-hancke-webrtc-sped.
    MetaDtlsInStunAcknowledgement = 0xc071, "meta-dtls-in-stun-acknowledgement";
}

impl AttributeType {
    /// Returns whether a receiver that does not understand the attribute must refuse the message:
    /// the number is below 0x8000.
    pub const fn is_comprehension_required(self) -> bool {
        self.number() < 0x8000
    }

    /// Returns whether this crate knows the attribute.
    pub const fn is_known(self) -> bool {
        !matches!(self, Self::Unknown(_))
    }
}

/// One attribute of a message
/// ([RFC 8489 §14](https://www.rfc-editor.org/rfc/rfc8489#section-14)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Attribute<'a> {
    /// Its type.
    pub kind: AttributeType,
    /// Its value, without padding.
    pub value: &'a [u8],
}

/// Splits the first attribute with its padding off `bytes`; `None` when it does not fit.
pub(super) fn split(bytes: &[u8]) -> Option<(Attribute<'_>, &[u8])> {
    let (header, rest) = bytes.split_first_chunk::<ATTRIBUTE_HEADER_LEN>()?;
    let kind = AttributeType::from(u16::from_be_bytes([header[0], header[1]]));
    let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let value = rest.get(..len)?;
    let rest = rest.get(len.next_multiple_of(4)..)?;
    Some((Attribute { kind, value }, rest))
}

/// The attributes of a message, from [`Message::attributes`](super::Message::attributes).
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    rest: &'a [u8],
    seen: Guard,
}

/// The last of the guarding attributes that was seen: each ends what may follow.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Guard {
    None,
    MessageIntegrity,
    MessageIntegritySha256,
    Fingerprint,
}

impl<'a> Attributes<'a> {
    pub(super) const fn new(rest: &'a [u8]) -> Self {
        Self { rest, seen: Guard::None }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        loop {
            let (attribute, rest) = split(self.rest)?;
            self.rest = rest;
            let guard = match attribute.kind {
                AttributeType::MessageIntegrity => Guard::MessageIntegrity,
                AttributeType::MessageIntegritySha256 => Guard::MessageIntegritySha256,
                AttributeType::Fingerprint => Guard::Fingerprint,
                _ if self.seen == Guard::None => return Some(attribute),
                _ => continue,
            };
            if guard > self.seen {
                self.seen = guard;
                return Some(attribute);
            }
        }
    }
}

/// An error code and its reason
/// ([RFC 8489 §14.8](https://www.rfc-editor.org/rfc/rfc8489#section-14.8)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ErrorCode<'a> {
    /// The code, 300 to 699; the consts of this type name those of the RFCs.
    pub code: u16,
    /// What the sender says about it, for people; empty when it is not UTF-8.
    pub reason: &'a str,
}

impl<'a> ErrorCode<'a> {
    /// Try another server: RFC 8489 §10.
    pub const TRY_ALTERNATE: u16 = 300;
    /// The request was malformed.
    pub const BAD_REQUEST: u16 = 400;
    /// The request lacks credentials or has wrong ones.
    pub const UNAUTHENTICATED: u16 = 401;
    /// The request has comprehension-required attributes that the server does not know.
    pub const UNKNOWN_ATTRIBUTE: u16 = 420;
    /// The nonce is no longer valid.
    pub const STALE_NONCE: u16 = 438;
    /// Both ICE agents claim the same role: RFC 8445 §7.3.1.1.
    pub const ROLE_CONFLICT: u16 = 487;
    /// The server had a passing fault.
    pub const SERVER_ERROR: u16 = 500;

    pub(super) fn parse(value: &'a [u8]) -> Option<Self> {
        let (head, reason) = value.split_first_chunk::<4>()?;
        let (class, number) = (u16::from(head[2] & 0x07), u16::from(head[3]));
        if !(3..=6).contains(&class) || number > 99 {
            return None;
        }
        Some(Self { code: class * 100 + number, reason: str::from_utf8(reason).unwrap_or("") })
    }
}

impl fmt::Display for ErrorCode<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.reason.escape_debug())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_type_has_a_number_of_its_own_that_leads_back() {
        for kind in AttributeType::KNOWN {
            assert_eq!(AttributeType::from(kind.number()), *kind);
        }
    }

    #[test]
    fn every_number_survives_the_registry() {
        for number in 0..=u16::MAX {
            assert_eq!(AttributeType::from(number).number(), number);
        }
    }

    #[test]
    fn an_error_code_out_of_range_is_not_one() {
        assert_eq!(ErrorCode::parse(&[0, 0, 2, 0]), None);
        assert_eq!(ErrorCode::parse(&[0, 0, 7, 0]), None);
        assert_eq!(ErrorCode::parse(&[0, 0, 4, 100]), None);
        assert_eq!(ErrorCode::parse(&[0, 0, 4]), None);
        assert_eq!(
            ErrorCode::parse(b"\0\0\x04\x57busy"),
            Some(ErrorCode { code: 487, reason: "busy" })
        );
    }
}
