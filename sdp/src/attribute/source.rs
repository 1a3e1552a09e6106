//! RTP streams and what they belong to: `ssrc`, `ssrc-group`, `msid`, `msid-semantic`.

use std::fmt;

use crate::cursor::{Cursor, Words};
use crate::error::Fault;

const SSRC: &str = "an SSRC, 0 to 4294967295";

/// `a=ssrc`: a property of one RTP stream
/// ([RFC 5576 §4.1](https://www.rfc-editor.org/rfc/rfc5576#section-4.1)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ssrc<'a> {
    /// The stream's SSRC.
    pub ssrc: u32,
    /// The property: `cname`, `msid`, …
    pub attribute: &'a str,
    /// Its value, if it has one.
    pub value: Option<&'a str>,
}

impl<'a> Ssrc<'a> {
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Self, Fault> {
        let ssrc = cursor.number(SSRC, 0..=u32::MAX)?;
        let (attribute, colon) = cursor.part(b':', "a property of the stream")?;
        let value = colon.then(|| cursor.rest());
        Ok(Self { ssrc, attribute, value })
    }

    /// Returns the stream's canonical name, if this is what the line gives.
    pub fn cname(&self) -> Option<&'a str> {
        self.value.filter(|_| self.attribute == "cname")
    }
}

impl fmt::Display for Ssrc<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value {
            Some(value) => write!(f, "{} {}:{value}", self.ssrc, self.attribute),
            None => write!(f, "{} {}", self.ssrc, self.attribute),
        }
    }
}

/// `a=ssrc-group`: RTP streams that belong together
/// ([RFC 5576 §4.2](https://www.rfc-editor.org/rfc/rfc5576#section-4.2)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SsrcGroup<'a> {
    /// How: `FID` (a stream and its retransmissions), `SIM`, `FEC-FR`, …
    pub semantics: &'a str,
    /// The SSRCs, as they stand.
    pub members: Words<'a>,
}

impl<'a> SsrcGroup<'a> {
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Self, Fault> {
        let semantics = cursor.word("the semantics of the group")?;
        let members = cursor.words();
        for word in members.iter() {
            cursor.to_number(word, SSRC, 0..=u32::MAX)?;
        }
        Ok(Self { semantics, members })
    }

    /// Returns the SSRCs in order.
    pub fn ssrcs(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.members.iter().filter_map(|word| word.parse().ok())
    }
}

impl fmt::Display for SsrcGroup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.semantics, self.members)
    }
}

/// `a=msid`: the stream and the track that a section sends
/// ([RFC 8830 §2](https://www.rfc-editor.org/rfc/rfc8830#section-2)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Msid<'a> {
    /// The stream; `-` stands for none.
    pub stream: &'a str,
    /// The track, if one is named.
    pub track: Option<&'a str>,
}

impl<'a> Msid<'a> {
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Self, Fault> {
        let stream = cursor.word("a stream identifier")?;
        let track = match cursor.is_at_end() {
            true => None,
            false => Some(cursor.word("a track identifier")?),
        };
        Ok(Self { stream, track })
    }

    /// Returns the stream, unless it is the `-` that stands for none.
    pub fn stream_id(&self) -> Option<&'a str> {
        Some(self.stream).filter(|stream| *stream != "-")
    }
}

impl fmt::Display for Msid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.track {
            Some(track) => write!(f, "{} {track}", self.stream),
            None => f.write_str(self.stream),
        }
    }
}

/// `a=msid-semantic`: what the stream identifiers are for (draft-ietf-mmusic-msid-17 §4, which
/// RFC 8830 no longer has and browsers still write).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MsidSemantic<'a> {
    /// The semantic: `WMS`.
    pub semantic: &'a str,
    /// The streams it is about; `*` stands for all.
    pub streams: Words<'a>,
}

impl<'a> MsidSemantic<'a> {
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Self, Fault> {
        let semantic = cursor.word("a semantic")?;
        Ok(Self { semantic, streams: cursor.words() })
    }
}

impl fmt::Display for MsidSemantic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.semantic)?;
        if self.streams.as_str().is_empty() { Ok(()) } else { write!(f, " {}", self.streams) }
    }
}
