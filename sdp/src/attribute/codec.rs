//! What a payload type means: `rtpmap`, `fmtp`, `rtcp-fb`; and `extmap`.

use std::fmt;

use super::Direction;
use crate::cursor::{Cursor, pieces};
use crate::error::Fault;

const PAYLOAD_TYPE: &str = "a payload type, 0 to 127";

/// `a=rtpmap`: the codec of a payload type
/// ([RFC 8866 §6.6](https://www.rfc-editor.org/rfc/rfc8866#section-6.6)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RtpMap<'a> {
    /// The payload type, 0 to 127.
    pub payload_type: u8,
    /// The name of the encoding; names are compared without regard to case.
    pub encoding: &'a str,
    /// Ticks of the RTP timestamp per second.
    pub clock_rate: u32,
    /// For audio, the number of channels; none stands for one.
    pub channels: Option<u8>,
}

impl<'a> RtpMap<'a> {
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Self, Fault> {
        let payload_type = cursor.number(PAYLOAD_TYPE, 0..=127)?;
        let (encoding, slash) = cursor.part(b'/', "an encoding name")?;
        if !slash {
            return Err(cursor.missing("a clock rate").expecting(example(encoding)));
        }
        let rate = cursor.part(b'/', "a clock rate");
        let (rate, slash) = rate.map_err(|fault| fault.expecting(example(encoding)))?;
        let clock_rate = cursor.to_number(rate, "a clock rate", 1..=u32::MAX)?;
        let channels = match slash {
            true => Some(cursor.number("a number of channels, 1 to 255", 1..=u8::MAX)?),
            false => None,
        };
        Ok(Self { payload_type, encoding, clock_rate, channels })
    }

    /// Tells whether the encoding is `name`, without regard to case.
    pub const fn is(&self, name: &str) -> bool {
        self.encoding.eq_ignore_ascii_case(name)
    }
}

/// The well-known encodings' own form, for the message.
const fn example(encoding: &str) -> &'static str {
    if encoding.eq_ignore_ascii_case("opus") {
        "opus/48000/2"
    } else if encoding.eq_ignore_ascii_case("PCMU") {
        "PCMU/8000"
    } else if encoding.eq_ignore_ascii_case("PCMA") {
        "PCMA/8000"
    } else {
        "VP8/90000"
    }
}

impl fmt::Display for RtpMap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.payload_type, self.encoding, self.clock_rate)?;
        match self.channels {
            Some(channels) => write!(f, "/{channels}"),
            None => Ok(()),
        }
    }
}

/// `a=fmtp`: the parameters of a format
/// ([RFC 8866 §6.15](https://www.rfc-editor.org/rfc/rfc8866#section-6.15)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fmtp<'a> {
    /// The format: for RTP a payload type, as text.
    pub format: &'a str,
    /// The parameters as they stand, mostly `name=value` between semicolons.
    pub parameters: &'a str,
}

impl<'a> Fmtp<'a> {
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Self, Fault> {
        let format = cursor.word("a format")?;
        Ok(Self { format, parameters: cursor.rest() })
    }

    /// Returns the payload type, if the format is one.
    pub fn payload_type(&self) -> Option<u8> {
        self.format.parse().ok().filter(|payload_type| *payload_type < 128)
    }

    /// Returns the parameters as names and values; what has no `=` has no value.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> + use<'a> {
        let trim = |text: &'a str| text.trim_matches(' ');
        let parts = pieces(self.parameters, b';').map(trim).filter(|part| !part.is_empty());
        parts.map(move |part| {
            let equals = part.bytes().position(|byte| byte == b'=');
            match equals.and_then(|equals| part.split_at_checked(equals)) {
                Some((name, value)) => (trim(name), Some(trim(value.get(1..).unwrap_or_default()))),
                None => (part, None),
            }
        })
    }

    /// Returns the value of the parameter `name`, which is compared without regard to case.
    pub fn parameter(&self, name: &str) -> Option<&'a str> {
        self.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).and_then(|(_, value)| value)
    }
}

impl fmt::Display for Fmtp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.format, self.parameters)
    }
}

/// `a=rtcp-fb`: a kind of feedback that a payload type may use
/// ([RFC 4585 §4.2](https://www.rfc-editor.org/rfc/rfc4585#section-4.2)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RtcpFb<'a> {
    /// The payload type, or none for `*`: all of them.
    pub payload_type: Option<u8>,
    /// The kind of feedback: `nack`, `ccm`, `transport-cc`, …
    pub feedback: &'a str,
    /// What narrows it: `pli` after `nack`, `fir` after `ccm`; empty when nothing does.
    pub parameter: &'a str,
}

impl<'a> RtcpFb<'a> {
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Self, Fault> {
        const WHAT: &str = "a payload type, 0 to 127, or *";
        let word = cursor.word(WHAT)?;
        let payload_type =
            if word == "*" { None } else { Some(cursor.to_number(word, WHAT, 0..=127)?) };
        let feedback = cursor.word("a kind of feedback")?;
        Ok(Self { payload_type, feedback, parameter: cursor.words().as_str() })
    }

    /// Tells whether it speaks about `payload_type`.
    pub fn applies_to(&self, payload_type: u8) -> bool {
        self.payload_type.is_none_or(|own| own == payload_type)
    }
}

impl fmt::Display for RtcpFb<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.payload_type {
            Some(payload_type) => write!(f, "{payload_type} {}", self.feedback)?,
            None => write!(f, "* {}", self.feedback)?,
        }
        if self.parameter.is_empty() { Ok(()) } else { write!(f, " {}", self.parameter) }
    }
}

/// `a=extmap`: the identifier of an RTP header extension
/// ([RFC 8285 §8](https://www.rfc-editor.org/rfc/rfc8285#section-8)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ExtMap<'a> {
    /// The identifier: 1 to 255 on the wire; 4096 to 4351 stand for "choose one".
    pub id: u16,
    /// Which way the extension is used, if not as the section.
    pub direction: Option<Direction>,
    /// The URI that names the extension.
    pub uri: &'a str,
    /// The extension's own attributes, as they stand.
    pub attributes: &'a str,
}

impl<'a> ExtMap<'a> {
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Self, Fault> {
        const ID: &str = "an extension identifier, 1 to 4351";
        const DIRECTION: &str = "one of sendrecv, sendonly, recvonly, inactive";
        let (id, slash) = cursor.part(b'/', ID)?;
        let id = cursor.to_number(id, ID, 1..=4351)?;
        let direction = match slash {
            true => {
                let word = cursor.word(DIRECTION)?;
                let direction = Direction::from_word(word);
                Some(direction.ok_or_else(|| cursor.invalid(word, DIRECTION))?)
            }
            false => None,
        };
        let uri = cursor.word("the URI of an extension")?;
        Ok(Self { id, direction, uri, attributes: cursor.words().as_str() })
    }
}

impl fmt::Display for ExtMap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)?;
        if let Some(direction) = self.direction {
            write!(f, "/{direction}")?;
        }
        write!(f, " {}", self.uri)?;
        if self.attributes.is_empty() { Ok(()) } else { write!(f, " {}", self.attributes) }
    }
}

/// Reads a number of milliseconds, which may have a fraction (RFC 8866 §9, `non-zero-int-or-real`).
pub(super) fn milliseconds<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, Fault> {
    const WHAT: &str = "a number of milliseconds";
    let word = cursor.word(WHAT)?;
    let (whole, fraction) = word.split_once('.').unwrap_or((word, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits(whole) && digits(fraction) { Ok(word) } else { Err(cursor.invalid(word, WHAT)) }
}
