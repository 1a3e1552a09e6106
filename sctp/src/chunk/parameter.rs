//! Optional and variable-length parameters
//! ([RFC 9260 §3.2.1](https://www.rfc-editor.org/rfc/rfc9260#section-3.2.1)).

use crate::chunk::{IfUnknown, padded};

/// IPv4 address (§3.3.2.1.1); RFC 8261 forbids it, it is ignored.
pub const IPV4_ADDRESS: u16 = 5;
/// IPv6 address (§3.3.2.1.2); RFC 8261 forbids it, it is ignored.
pub const IPV6_ADDRESS: u16 = 6;
/// State cookie (§3.3.3.1).
pub const STATE_COOKIE: u16 = 7;
/// Unrecognized parameter (§3.3.3.1).
pub const UNRECOGNIZED_PARAMETER: u16 = 8;
/// Cookie preservative (§3.3.2.1.3).
pub const COOKIE_PRESERVATIVE: u16 = 9;
/// Host name address (§3.3.2.1.4), deprecated.
pub const HOST_NAME_ADDRESS: u16 = 11;
/// Supported address types (§3.3.2.1.5).
pub const SUPPORTED_ADDRESS_TYPES: u16 = 12;
/// Outgoing SSN reset request (RFC 6525 §4.1).
pub const OUTGOING_SSN_RESET_REQUEST: u16 = 13;
/// Incoming SSN reset request (RFC 6525 §4.2).
pub const INCOMING_SSN_RESET_REQUEST: u16 = 14;
/// SSN/TSN reset request (RFC 6525 §4.3).
pub const SSN_TSN_RESET_REQUEST: u16 = 15;
/// Re-configuration response (RFC 6525 §4.4).
pub const RE_CONFIGURATION_RESPONSE: u16 = 16;
/// Add outgoing streams request (RFC 6525 §4.5).
pub const ADD_OUTGOING_STREAMS_REQUEST: u16 = 17;
/// Add incoming streams request (RFC 6525 §4.6).
pub const ADD_INCOMING_STREAMS_REQUEST: u16 = 18;
/// ECN capable (RFC 9260 appendix A of RFC 4960), reserved.
pub const ECN_CAPABLE: u16 = 0x8000;
/// Zero checksum acceptable (RFC 9653 §4).
pub const ZERO_CHECKSUM_ACCEPTABLE: u16 = 0x8001;
/// Supported extensions (RFC 5061 §4.2.7).
pub const SUPPORTED_EXTENSIONS: u16 = 0x8008;
/// Forward-TSN supported (RFC 3758 §3.1).
pub const FORWARD_TSN_SUPPORTED: u16 = 0xc000;

/// One parameter, undecoded.
///
/// ```text
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |        Parameter Type         |       Parameter Length        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// \                        Parameter Value                        \
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Parameter<'a> {
    /// The type.
    pub kind: u16,
    /// The value, without padding.
    pub value: &'a [u8],
    /// The parameter with its header, without padding.
    pub whole: &'a [u8],
}

impl Parameter<'_> {
    /// Whether it is one that an INIT or INIT ACK may have, as far as we know. Addresses are known and
    /// not looked at: RFC 8261 §6.1 forbids them, there is one path.
    pub(crate) const fn is_known(&self) -> bool {
        matches!(
            self.kind,
            HOST_NAME_ADDRESS
                | IPV4_ADDRESS
                | IPV6_ADDRESS
                | SUPPORTED_ADDRESS_TYPES
                | STATE_COOKIE
                | UNRECOGNIZED_PARAMETER
                | COOKIE_PRESERVATIVE
                | ECN_CAPABLE
                | SUPPORTED_EXTENSIONS
                | ZERO_CHECKSUM_ACCEPTABLE
                | FORWARD_TSN_SUPPORTED
        )
    }

    /// What its type says of whoever does not know it.
    pub(crate) const fn if_unknown(&self) -> IfUnknown {
        let [high, _] = self.kind.to_be_bytes();
        IfUnknown::from_high_bits(high)
    }
}

/// The parameters in the rest of a chunk. Stops at the first impossible length.
#[derive(Clone, Debug)]
pub struct Parameters<'a> {
    rest: &'a [u8],
}

impl<'a> Parameters<'a> {
    /// The parameters in `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Those of an INIT or INIT ACK that are to be processed: what stands behind one that we do not
    /// know, and whose type says so, is not.
    pub(crate) fn processed(self) -> impl Iterator<Item = Parameter<'a>> + Clone {
        let mut stopped = false;
        self.take_while(move |parameter| {
            let before = stopped;
            stopped |= !parameter.is_known() && !parameter.if_unknown().skip;
            !before
        })
    }
}

impl<'a> Iterator for Parameters<'a> {
    type Item = Parameter<'a>;

    fn next(&mut self) -> Option<Parameter<'a>> {
        let &[k0, k1, l0, l1] = self.rest.first_chunk::<4>()?;
        let len = usize::from(u16::from_be_bytes([l0, l1]));
        let whole = self.rest.get(..len)?;
        let value = whole.get(4..)?;
        self.rest = self.rest.get(padded(len)..).unwrap_or_default();
        Some(Parameter { kind: u16::from_be_bytes([k0, k1]), value, whole })
    }
}

/// Appends a parameter, padded.
pub(crate) fn write(buf: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let len = value.len() + 4;
    debug_assert!(len <= usize::from(u16::MAX), "a parameter of {len} bytes");
    buf.extend_from_slice(&kind.to_be_bytes());
    buf.extend_from_slice(&u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes());
    buf.extend_from_slice(value);
    buf.resize(buf.len() + padded(len) - len, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_read_back() {
        let mut buf = Vec::new();
        write(&mut buf, FORWARD_TSN_SUPPORTED, &[]);
        write(&mut buf, SUPPORTED_EXTENSIONS, &[130, 192, 1]);
        let read: Vec<_> = Parameters::new(&buf).map(|p| (p.kind, p.value.to_vec())).collect();
        assert_eq!(
            read,
            [(FORWARD_TSN_SUPPORTED, vec![]), (SUPPORTED_EXTENSIONS, vec![130, 192, 1])]
        );
        assert_eq!(Parameters::new(&[0, 5, 0, 3]).count(), 0);
        assert_eq!(Parameters::new(&[0, 5, 0, 5]).count(), 0);
    }
}
