//! The lines that are not attributes, typed: `o=`, `c=`, `b=`, `t=` and `m=`.

use std::fmt;

use crate::cursor::{Cursor, Words};
use crate::error::Fault;

/// `o=`: who made the session and which version of it this is
/// ([RFC 8866 §5.2](https://www.rfc-editor.org/rfc/rfc8866#section-5.2)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Origin<'a> {
    /// The user's name; `-` stands for none.
    pub username: &'a str,
    /// Identifies the session, with the other fields; for JSEP below 2⁶³.
    pub session_id: u64,
    /// Counts the versions of the description.
    pub session_version: u64,
    /// The address from which the session was made; WebRTC hides it.
    pub connection: Connection<'a>,
}

impl<'a> Origin<'a> {
    /// The origin as JSEP writes it: `- session_id session_version IN IP4 127.0.0.1`
    /// ([RFC 9429 §5.2.1](https://www.rfc-editor.org/rfc/rfc9429#section-5.2.1)).
    pub const fn new(session_id: u64, session_version: u64) -> Self {
        let connection =
            Connection { network_type: "IN", address_type: "IP4", address: "127.0.0.1" };
        Self { username: "-", session_id, session_version, connection }
    }

    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, Fault> {
        let username = cursor.word("a user name")?;
        let session_id = cursor.number("a session identifier", 0..=u64::MAX)?;
        let session_version = cursor.number("a session version", 0..=u64::MAX)?;
        let connection = Connection::read(cursor)?;
        Ok(Self { username, session_id, session_version, connection })
    }
}

impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { username, session_id, session_version, connection } = self;
        write!(f, "{username} {session_id} {session_version} {connection}")
    }
}

/// `c=`, and the end of other lines: a network address
/// ([RFC 8866 §5.7](https://www.rfc-editor.org/rfc/rfc8866#section-5.7)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Connection<'a> {
    /// The kind of network: `IN`.
    pub network_type: &'a str,
    /// The kind of address: `IP4` or `IP6`.
    pub address_type: &'a str,
    /// The address or host name, for multicast with its scope.
    pub address: &'a str,
}

impl<'a> Connection<'a> {
    /// What is written while there is no address: `IN IP4 0.0.0.0`
    /// ([RFC 9429 §5.2.1](https://www.rfc-editor.org/rfc/rfc9429#section-5.2.1)).
    pub const UNSPECIFIED: Connection<'static> =
        Connection { network_type: "IN", address_type: "IP4", address: "0.0.0.0" };

    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, Fault> {
        let network_type = cursor.word("a network type")?;
        let address_type = cursor.word("an address type")?;
        let address = cursor.word("an address")?;
        Ok(Self { network_type, address_type, address })
    }
}

impl fmt::Display for Connection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.network_type, self.address_type, self.address)
    }
}

/// `b=`: a bandwidth
/// ([RFC 8866 §5.8](https://www.rfc-editor.org/rfc/rfc8866#section-5.8)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bandwidth<'a> {
    /// What is limited and in which unit: `AS` and `CT` are kilobits per second, `TIAS` (RFC 3890),
    /// `RS` and `RR` (RFC 3556) bits per second.
    pub kind: &'a str,
    /// How much.
    pub value: u64,
}

impl<'a> Bandwidth<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, Fault> {
        let (kind, colon) = cursor.part(b':', "a kind of bandwidth")?;
        if !colon {
            return Err(cursor.missing("a colon and a number"));
        }
        Ok(Self { kind, value: cursor.number("a bandwidth", 0..=u64::MAX)? })
    }
}

impl fmt::Display for Bandwidth<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.value)
    }
}

/// `t=`: when the session is active, in seconds since 1900; WebRTC says `0 0`, always
/// ([RFC 8866 §5.9](https://www.rfc-editor.org/rfc/rfc8866#section-5.9)).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Timing {
    /// When it begins; 0 stands for no bound.
    pub start: u64,
    /// When it ends; 0 stands for no bound.
    pub stop: u64,
}

impl Timing {
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        let start = cursor.number("a start time", 0..=u64::MAX)?;
        Ok(Self { start, stop: cursor.number("a stop time", 0..=u64::MAX)? })
    }
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.start, self.stop)
    }
}

/// `m=`: what a media section carries and how
/// ([RFC 8866 §5.14](https://www.rfc-editor.org/rfc/rfc8866#section-5.14)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MediaLine<'a> {
    /// The kind of media: `audio`, `video`, `application`.
    pub media: &'a str,
    /// The port; 0 stands for a rejected or bundled section, 9 for one not yet known.
    pub port: u16,
    /// How many ports follow each other, if that is said.
    pub port_count: Option<u16>,
    /// The transport: `UDP/TLS/RTP/SAVPF`, `UDP/DTLS/SCTP`.
    pub protocol: &'a str,
    /// The formats in order of preference: payload types, or `webrtc-datachannel`.
    pub formats: Words<'a>,
}

impl<'a> MediaLine<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Result<Self, Fault> {
        const PORT: &str = "a port, 0 to 65535";
        let media = cursor.word("a kind of media")?;
        let (port, slash) = cursor.part(b'/', PORT)?;
        let port = cursor.to_number(port, PORT, 0..=u16::MAX)?;
        let port_count = match slash {
            true => Some(cursor.number("a number of ports, 1 to 65535", 1..=u16::MAX)?),
            false => None,
        };
        let protocol = cursor.word("a transport")?;
        if cursor.is_at_end() {
            return Err(cursor.missing("a format"));
        }
        Ok(Self { media, port, port_count, protocol, formats: cursor.words() })
    }

    /// Returns the formats that are payload types.
    pub fn payload_types(&self) -> impl Iterator<Item = u8> + use<'a> {
        let numbers = self.formats.iter().filter_map(|format| format.parse().ok());
        numbers.filter(|payload_type| *payload_type < 128)
    }
}

impl fmt::Display for MediaLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.media, self.port)?;
        if let Some(count) = self.port_count {
            write!(f, "/{count}")?;
        }
        write!(f, " {} {}", self.protocol, self.formats)
    }
}
