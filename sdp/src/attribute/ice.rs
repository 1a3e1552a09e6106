//! How to reach a side: candidates, credentials, and the port of RTCP.

use std::fmt;

use crate::cursor::Cursor;
use crate::error::Fault;
use crate::line::Connection;

/// `a=candidate`: an ICE candidate
/// ([RFC 8839 §5.1](https://www.rfc-editor.org/rfc/rfc8839#section-5.1)).
///
/// This is as far as a description needs it: the address stays text, since it may be a host name
/// that ends in `.local`, and unknown transports and types are let through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Candidate<'a> {
    /// Candidates with equal foundations are frozen and thawed together.
    pub foundation: &'a str,
    /// The component: 1 for RTP (or everything), 2 for RTCP.
    pub component: u16,
    /// The transport: `udp`, `tcp`, in any case.
    pub transport: &'a str,
    /// The priority.
    pub priority: u32,
    /// The IP address or host name.
    pub address: &'a str,
    /// The port.
    pub port: u16,
    /// The type: `host`, `srflx`, `prflx` or `relay`.
    pub kind: &'a str,
    /// What follows, as it stands: `raddr`, `rport`, `tcptype`, `generation`, …, each with a value.
    pub extensions: &'a str,
}

impl<'a> Candidate<'a> {
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Self, Fault> {
        let foundation = cursor.word("a foundation")?;
        let component = cursor.number("a component, 1 to 256", 1..=256)?;
        let transport = cursor.word("a transport")?;
        let priority = cursor.number("a priority, 0 to 4294967295", 0..=u32::MAX)?;
        let address = cursor.word("an address")?;
        let port = cursor.number("a port, 0 to 65535", 0..=u16::MAX)?;
        let typ = cursor.word("the word \"typ\"")?;
        if typ != "typ" {
            return Err(cursor.invalid(typ, "the word \"typ\""));
        }
        let kind = cursor.word("a candidate type")?;
        let extensions = cursor.words().as_str();
        Ok(Self { foundation, component, transport, priority, address, port, kind, extensions })
    }

    /// Returns the value of the extension `name`, such as `raddr` or `ufrag`.
    pub fn extension(&self, name: &str) -> Option<&'a str> {
        let mut words = self.extensions.split(' ').filter(|word| !word.is_empty());
        while let (Some(own), Some(value)) = (words.next(), words.next()) {
            if own == name {
                return Some(value);
            }
        }
        None
    }

    /// Returns the related address and port, where both are given.
    pub fn related_address(&self) -> Option<(&'a str, u16)> {
        Some((self.extension("raddr")?, self.extension("rport")?.parse().ok()?))
    }
}

impl fmt::Display for Candidate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { foundation, component, transport, priority, address, port, kind, extensions } =
            self;
        write!(f, "{foundation} {component} {transport} {priority} {address} {port} typ {kind}")?;
        if extensions.is_empty() { Ok(()) } else { write!(f, " {extensions}") }
    }
}

/// `a=rtcp`: the port of RTCP where it is not multiplexed
/// ([RFC 3605 §2.1](https://www.rfc-editor.org/rfc/rfc3605#section-2.1)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rtcp<'a> {
    /// The port.
    pub port: u16,
    /// The address, if it is not that of the section.
    pub connection: Option<Connection<'a>>,
}

impl<'a> Rtcp<'a> {
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Self, Fault> {
        let port = cursor.number("a port, 0 to 65535", 0..=u16::MAX)?;
        let connection = if cursor.is_at_end() { None } else { Some(Connection::read(cursor)?) };
        Ok(Self { port, connection })
    }
}

impl fmt::Display for Rtcp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.connection {
            Some(connection) => write!(f, "{} {connection}", self.port),
            None => write!(f, "{}", self.port),
        }
    }
}

/// Lengths are checked, since ICE could not work otherwise; which characters there are is not,
/// since several implementations use more than the letters, digits, `+` and `/` of the grammar.
pub(super) fn ufrag<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, Fault> {
    const WHAT: &str = "a user name fragment of 4 to 256 characters";
    let word = cursor.word(WHAT)?;
    if (4..=256).contains(&word.len()) { Ok(word) } else { Err(cursor.invalid(word, WHAT)) }
}

pub(super) fn pwd<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, Fault> {
    const WHAT: &str = "a password of 22 to 256 characters";
    let word = cursor.word(WHAT)?;
    if (22..=256).contains(&word.len()) { Ok(word) } else { Err(cursor.invalid(word, WHAT)) }
}
