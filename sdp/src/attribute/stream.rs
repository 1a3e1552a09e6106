//! How sections and streams are arranged: `group`, `rid`, `simulcast`; and SCTP's attributes.

use std::fmt;

use crate::cursor::{Cursor, Words};
use crate::error::Fault;

/// `a=group`: media sections that belong together
/// ([RFC 5888 §5](https://www.rfc-editor.org/rfc/rfc5888#section-5)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Group<'a> {
    /// How: `BUNDLE` (one transport, RFC 9143), `LS` (lip synchronisation), …
    pub semantics: &'a str,
    /// The `a=mid` values of the sections; none are left when all were rejected.
    pub mids: Words<'a>,
}

impl<'a> Group<'a> {
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Self, Fault> {
        let semantics = cursor.word("the semantics of the group")?;
        Ok(Self { semantics, mids: cursor.words() })
    }

    /// Tells whether the sections share one transport.
    pub fn is_bundle(&self) -> bool {
        self.semantics == "BUNDLE"
    }
}

impl fmt::Display for Group<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.semantics)?;
        if self.mids.as_str().is_empty() { Ok(()) } else { write!(f, " {}", self.mids) }
    }
}

/// Which way an RTP stream with an identifier goes, seen from the one who says it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum RidDirection {
    /// Towards the one who says it.
    Recv,
    /// From the one who says it.
    Send,
}

impl RidDirection {
    fn from_word(word: &str) -> Option<Self> {
        match word {
            "recv" => Some(Self::Recv),
            "send" => Some(Self::Send),
            _ => None,
        }
    }

    /// Returns the same direction seen from the other side.
    #[must_use]
    pub const fn reversed(self) -> Self {
        match self {
            Self::Recv => Self::Send,
            Self::Send => Self::Recv,
        }
    }

    /// Returns the word of the attribute.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recv => "recv",
            Self::Send => "send",
        }
    }
}

impl fmt::Display for RidDirection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

const RID_DIRECTION: &str = "one of send, recv";

/// `a=rid`: the identifier of an RTP stream
/// ([RFC 8851 §4](https://www.rfc-editor.org/rfc/rfc8851#section-4)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rid<'a> {
    /// The identifier.
    pub id: &'a str,
    /// Which way the stream goes.
    pub direction: RidDirection,
    /// Its restrictions as they stand: `pt=97,98;max-width=1280`; often empty.
    pub restrictions: &'a str,
}

impl<'a> Rid<'a> {
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Self, Fault> {
        let id = cursor.word("an RTP stream identifier")?;
        let word = cursor.word(RID_DIRECTION)?;
        let direction = RidDirection::from_word(word);
        let direction = direction.ok_or_else(|| cursor.invalid(word, RID_DIRECTION))?;
        Ok(Self { id, direction, restrictions: cursor.words().as_str() })
    }

    /// Returns the value of the restriction `name`, such as `pt` or `max-width`.
    pub fn restriction(&self, name: &str) -> Option<&'a str> {
        self.restrictions.split(';').find_map(|part| {
            part.trim().split_once('=').filter(|(own, _)| *own == name).map(|(_, value)| value)
        })
    }
}

impl fmt::Display for Rid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.direction)?;
        if self.restrictions.is_empty() { Ok(()) } else { write!(f, " {}", self.restrictions) }
    }
}

/// `a=simulcast`: the RTP streams that carry one source
/// ([RFC 8853 §5.1](https://www.rfc-editor.org/rfc/rfc8853#section-5.1)).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Simulcast<'a> {
    /// What is sent, as it stands: streams between semicolons, alternatives between commas, `~`
    /// before those that are paused.
    pub send: Option<&'a str>,
    /// What is received, in the same form.
    pub recv: Option<&'a str>,
}

/// One alternative of one stream of [`Simulcast`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SimulcastStream<'a> {
    /// The `a=rid` identifier.
    pub rid: &'a str,
    /// Whether it begins paused.
    pub paused: bool,
}

impl<'a> Simulcast<'a> {
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Self, Fault> {
        let mut simulcast = Self::default();
        loop {
            let word = cursor.word(RID_DIRECTION)?;
            let direction = RidDirection::from_word(word);
            let direction = direction.ok_or_else(|| cursor.invalid(word, RID_DIRECTION))?;
            let list = match direction {
                RidDirection::Recv => &mut simulcast.recv,
                RidDirection::Send => &mut simulcast.send,
            };
            if list.is_some() {
                return Err(cursor.invalid(word, "the other direction: each may be given once"));
            }
            *list = Some(cursor.word("a list of RTP stream identifiers")?);
            if cursor.is_at_end() {
                return Ok(simulcast);
            }
        }
    }

    /// Returns the streams of one direction, each as an iterator of its alternatives.
    pub fn streams(
        &self,
        direction: RidDirection,
    ) -> impl Iterator<Item = impl Iterator<Item = SimulcastStream<'a>> + use<'a>> + use<'a> {
        let list = match direction {
            RidDirection::Recv => self.recv,
            RidDirection::Send => self.send,
        };
        let streams = list.unwrap_or_default().split(';').filter(|stream| !stream.is_empty());
        streams.map(|stream| {
            stream.split(',').map(|rid| match rid.strip_prefix('~') {
                Some(rid) => SimulcastStream { rid, paused: true },
                None => SimulcastStream { rid, paused: false },
            })
        })
    }
}

impl fmt::Display for Simulcast<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.send, self.recv) {
            (Some(send), Some(recv)) => write!(f, "send {send} recv {recv}"),
            (Some(send), None) => write!(f, "send {send}"),
            (None, Some(recv)) => write!(f, "recv {recv}"),
            (None, None) => Ok(()),
        }
    }
}

/// `a=sctpmap`: the SCTP port of data channels, as implementations before RFC 8841 say it
/// (draft-ietf-mmusic-sctp-sdp-05 §5.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SctpMap<'a> {
    /// The SCTP port.
    pub port: u16,
    /// What runs on it: `webrtc-datachannel`.
    pub application: &'a str,
    /// How many streams there may be.
    pub streams: Option<u32>,
}

impl<'a> SctpMap<'a> {
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Self, Fault> {
        let port = cursor.number("an SCTP port, 0 to 65535", 0..=u16::MAX)?;
        let application = cursor.word("an application")?;
        let streams = match cursor.is_at_end() {
            true => None,
            false => Some(cursor.number("a number of streams", 0..=u32::MAX)?),
        };
        Ok(Self { port, application, streams })
    }
}

impl fmt::Display for SctpMap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.port, self.application)?;
        match self.streams {
            Some(streams) => write!(f, " {streams}"),
            None => Ok(()),
        }
    }
}

/// Reads base64 with or without padding.
pub(super) fn sctp_init<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, Fault> {
    const WHAT: &str = "an INIT chunk in base64";
    let word = cursor.word(WHAT)?;
    let digits = word.trim_end_matches('=');
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    if digits.bytes().all(base64) && digits.len() % 4 != 1 {
        Ok(word)
    } else {
        Err(cursor.invalid(word, WHAT))
    }
}
