//! The `candidate` attribute of SDP
//! ([RFC 8839 §5.1](https://www.rfc-editor.org/rfc/rfc8839#section-5.1)), as browsers write it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use stun::Transport;
use thiserror::Error;

use super::{Candidate, CandidateAddress, CandidateKind, TcpType};

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { foundation, component, transport, priority, .. } = self;
        write!(f, "candidate:{foundation} {component} {transport} {priority} ")?;
        match &self.address {
            CandidateAddress::Ip(address) => write!(f, "{} {}", address.ip(), address.port())?,
            CandidateAddress::Name { host, port } => write!(f, "{host} {port}")?,
        }
        write!(f, " typ {}", self.kind.as_str())?;
        if let Some(related) = self.related_address {
            write!(f, " raddr {} rport {}", related.ip(), related.port())?;
        }
        if let Some(tcp_type) = self.tcp_type {
            write!(f, " tcptype {}", tcp_type.as_str())?;
        }
        if let Some(ufrag) = &self.ufrag {
            write!(f, " ufrag {ufrag}")?;
        }
        for (name, value) in &self.extensions {
            write!(f, " {name} {value}")?;
        }
        Ok(())
    }
}

/// Why a candidate's text was refused. Columns count bytes from 1.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ParseCandidateError {
    /// The text is empty, which is how browsers say that no more candidates will come
    /// ([RFC 8838 §14](https://www.rfc-editor.org/rfc/rfc8838#section-14)).
    #[error("no candidate: the end of the candidates")]
    EndOfCandidates,
    /// The text ends where something was expected.
    #[error("{expected} is missing at column {column}")]
    Missing {
        /// What was expected.
        expected: &'static str,
        /// Where.
        column: usize,
    },
    /// Something else stands where `expected` was.
    #[error("expected {expected} at column {column}, found {found:?}")]
    Unexpected {
        /// What was expected.
        expected: &'static str,
        /// What stands there.
        found: String,
        /// Where.
        column: usize,
    },
}

impl FromStr for Candidate {
    type Err = ParseCandidateError;

    /// Reads the attribute's value, leniently: with or without `a=` and `candidate:`, in any
    /// case, with extensions in any order.
    ///
    /// A transport or a candidate type that is not known is an error; the other side may still
    /// have candidates that are of use, so ignore the one and go on
    /// ([RFC 8839 §5.1](https://www.rfc-editor.org/rfc/rfc8839#section-5.1)).
    fn from_str(text: &str) -> Result<Self, ParseCandidateError> {
        let mut words = Words::new(text);
        if words.rest.is_empty() {
            return Err(ParseCandidateError::EndOfCandidates);
        }
        let foundation = words.expect("a foundation", |word| {
            let known = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_=.:".contains(&byte);
            (word.len() <= 32 && word.bytes().all(known)).then(|| word.to_owned())
        })?;
        let component = words.expect("a component ID of 1 to 255", |word| {
            word.parse().ok().filter(|&component: &u8| component > 0)
        })?;
        let transport = words.expect("a transport", |word| {
            [Transport::Udp, Transport::Tcp]
                .into_iter()
                .find(|transport| word.eq_ignore_ascii_case(transport_name(*transport)))
        })?;
        // RFC 8445 §5.1.2 limits it to 2³¹ − 1; libwebrtc has sent more, and nothing breaks.
        let priority = words.expect("a priority", |word| word.parse().ok())?;
        let host = words.expect("an address", |word| Some(word.to_owned()))?;
        let port = words.expect("a port", |word| word.parse().ok())?;
        words.expect("\"typ\"", |word| word.eq_ignore_ascii_case("typ").then_some(()))?;
        let kind = words.expect("a candidate type", kind)?;

        let mut candidate = Self {
            foundation,
            component,
            transport,
            priority,
            address: match parse_ip(&host) {
                Some(ip) => CandidateAddress::Ip(SocketAddr::new(ip, port)),
                None => CandidateAddress::Name { host, port },
            },
            kind,
            related_address: None,
            tcp_type: None,
            ufrag: None,
            extensions: Vec::new(),
        };
        candidate.parse_extensions(&mut words);
        Ok(candidate)
    }
}

impl Candidate {
    /// Reads name-value pairs to the end; what is not understood is kept and ignored.
    fn parse_extensions(&mut self, words: &mut Words<'_>) {
        let mut related_ip = None;
        while let (Some(name), Some(value)) = (words.next(), words.next()) {
            match name.to_ascii_lowercase().as_str() {
                "raddr" => related_ip = parse_ip(value),
                // A related address that is hidden (0.0.0.0, or a name) is no address.
                "rport" => {
                    self.related_address = related_ip.zip(value.parse().ok()).map(SocketAddr::from);
                }
                "tcptype" => self.tcp_type = tcp_type(value),
                "ufrag" => self.ufrag = Some(value.to_owned()),
                _ if self.extensions.len() < MAX_EXTENSIONS => {
                    self.extensions.push((name.to_owned(), value.to_owned()));
                }
                _ => {}
            }
        }
    }
}

/// Browsers write three or four; a line of thousands would be an attack on memory.
const MAX_EXTENSIONS: usize = 16;

const fn transport_name(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "tcp",
        _ => "udp",
    }
}

fn kind(word: &str) -> Option<CandidateKind> {
    use CandidateKind::{Host, PeerReflexive, Relayed, ServerReflexive};
    [Host, ServerReflexive, PeerReflexive, Relayed]
        .into_iter()
        .find(|kind| word.eq_ignore_ascii_case(kind.as_str()))
}

fn tcp_type(word: &str) -> Option<TcpType> {
    [TcpType::Active, TcpType::Passive, TcpType::SimultaneousOpen]
        .into_iter()
        .find(|tcp_type| word.eq_ignore_ascii_case(tcp_type.as_str()))
}

fn parse_ip(word: &str) -> Option<IpAddr> {
    word.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// The words of a line, with the column of each for error messages.
struct Words<'t> {
    rest: &'t str,
    column: usize,
}

impl<'t> Words<'t> {
    fn new(text: &'t str) -> Self {
        let mut words = Self { rest: text, column: 1 };
        words.skip_spaces();
        for prefix in ["a=", "candidate:"] {
            if let Some(start) = words.rest.get(..prefix.len())
                && start.eq_ignore_ascii_case(prefix)
            {
                words.advance(prefix.len());
            }
        }
        words.skip_spaces();
        words
    }

    fn advance(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
        self.column += bytes;
    }

    fn skip_spaces(&mut self) {
        self.advance(self.rest.len() - self.rest.trim_start().len());
        self.rest = self.rest.trim_end();
    }

    fn next(&mut self) -> Option<&'t str> {
        let word = self.rest.split_whitespace().next()?;
        self.advance(word.len());
        self.skip_spaces();
        Some(word)
    }

    fn expect<T>(
        &mut self,
        expected: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, ParseCandidateError> {
        let column = self.column;
        let word = self.next().ok_or(ParseCandidateError::Missing { expected, column })?;
        let unexpected = || ParseCandidateError::Unexpected {
            expected,
            found: word.chars().take(64).collect(),
            column,
        };
        read(word).ok_or_else(unexpected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Chromium, Firefox, aiortc and RFC 8839 write them.
    const LINES: &[&str] = &[
        "candidate:4037922214 1 udp 2122260223 127.0.0.1 60320 typ host generation 0 network-id 1 network-cost 50",
        "candidate:1 1 udp 2122252543 fd99::1 51190 typ host",
        "candidate:2 1 tcp 2105458943 10.99.0.1 9 typ host tcptype active",
        "candidate:842163049 1 udp 1677729535 198.51.100.7 46154 typ srflx raddr 10.0.0.5 rport 46154 ufrag 8kPg generation 0",
        "candidate:1 2 udp 2113937151 8b1a9953-c461-4d5e-9b1f-0e1c0f0a1b2c.local 50000 typ host",
        "candidate:3 1 udp 16777215 203.0.113.9 3478 typ relay raddr 0.0.0.0 rport 0",
    ];

    #[test]
    fn every_line_is_written_back_as_it_was_read() {
        for line in LINES {
            let candidate: Candidate = line.parse().unwrap();
            assert_eq!(candidate.to_string(), *line);
        }
    }

    #[test]
    fn browsers_spellings_are_understood() {
        let firefox: Candidate =
            "a=candidate:0 1 UDP 2122187007 10.99.0.1 34622 typ host".parse().unwrap();
        assert_eq!(firefox.transport, Transport::Udp);
        assert_eq!(firefox.socket_addr(), Some("10.99.0.1:34622".parse().unwrap()));
        let rfc: Candidate =
            "2 1 UDP 1694498815 192.0.2.3 45664 typ srflx raddr 203.0.113.141 rport 8998 "
                .parse()
                .unwrap();
        assert_eq!(rfc.kind, CandidateKind::ServerReflexive);
        assert_eq!(rfc.related_address, Some("203.0.113.141:8998".parse().unwrap()));
    }

    #[test]
    fn a_hidden_address_is_a_name() {
        let candidate: Candidate = LINES[4].parse().unwrap();
        assert_eq!(candidate.socket_addr(), None);
        assert!(matches!(candidate.address, CandidateAddress::Name { ref host, port: 50000 }
            if host.ends_with(".local")));
    }

    #[test]
    fn an_empty_string_ends_the_candidates() {
        for text in ["", "candidate:", "a=candidate:", "  "] {
            assert_eq!(text.parse::<Candidate>(), Err(ParseCandidateError::EndOfCandidates));
        }
    }

    #[test]
    fn errors_say_what_stands_where() {
        let error = "candidate:1 1 udp 5 192.0.2.1 port typ host".parse::<Candidate>();
        assert_eq!(error.unwrap_err().to_string(), "expected a port at column 31, found \"port\"");
        let error = "candidate:1 1 udp".parse::<Candidate>().unwrap_err();
        assert_eq!(error.to_string(), "a priority is missing at column 18");
        for bad in [
            "candidate:1 0 udp 5 192.0.2.1 5 typ host",
            "candidate:1 1 carrier-pigeon 5 192.0.2.1 5 typ host",
            "candidate:1 1 udp 5 192.0.2.1 65536 typ host",
            "candidate:1 1 udp 5 192.0.2.1 5 typ oracle",
            "candidate:1 1 udp 5 192.0.2.1 5 host",
            "candidate:é 1 udp 5 192.0.2.1 5 typ host",
        ] {
            assert!(bad.parse::<Candidate>().is_err(), "{bad}");
        }
    }

    #[test]
    fn extensions_are_bounded() {
        let mut line = "candidate:1 1 udp 5 192.0.2.1 5 typ host".to_owned();
        for n in 0..1000 {
            line += &format!(" x{n} y");
        }
        assert_eq!(line.parse::<Candidate>().unwrap().extensions.len(), MAX_EXTENSIONS);
    }
}
