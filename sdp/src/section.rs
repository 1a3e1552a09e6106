//! The lines of one section, kept as they were written.
//!
//! A section is one text and an index of its lines. Parsing checks every line and copies it once;
//! a typed value is read from its line when it is asked for; writing a description is one copy a
//! section. Nothing is reordered, so what nobody understands survives.

pub(crate) mod edit;
mod typed;

use std::fmt;

use crate::attribute::{self, Attribute, AttributeKind};
use crate::cursor::Cursor;
use crate::error::{Fault, FaultKind, ParseError, before_secret};
use crate::line::{Bandwidth, Connection, MediaLine, Origin, Timing};

/// The lines of a session's or a media section's description, and everything that can be read
/// from them.
///
/// [`SessionDescription`](crate::SessionDescription) and
/// [`MediaDescription`](crate::MediaDescription) both dereference to it. A getter returns what the
/// first line of its kind says, or an iterator of what all of them say, in order.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Section {
    /// Every line, each with CRLF.
    text: String,
    index: Vec<Line>,
}

/// Where a line stands in its section's text. 32 bits are enough: see `edit::LARGEST`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Line {
    start: u32,
    /// Where the value begins: after `x=`, and for an attribute after its name and colon.
    value: u32,
    /// Where the line ends, before CRLF.
    end: u32,
    tag: Tag,
}

/// What a line is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Tag {
    Attribute(AttributeKind),
    /// The letter of another line; 0 for an empty line.
    Letter(u8),
}

const CRLF: &str = "\r\n";

impl Section {
    pub(crate) fn with_capacity(bytes: usize, lines: usize) -> Self {
        Self { text: String::with_capacity(bytes), index: Vec::with_capacity(lines) }
    }

    /// Returns the lines as they were written, without their ends.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.index.iter().map(|line| self.line(*line))
    }

    /// Returns the attributes, typed.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute<'_>> {
        self.index.iter().filter_map(|line| {
            let Tag::Attribute(kind) = line.tag else { return None };
            let (name, value) = attribute::split(self.line(*line).get(2..)?);
            Attribute::from_value(kind, name, value).ok()
        })
    }

    /// Returns the attributes as text, without `a=`.
    pub fn attribute_texts(&self) -> impl Iterator<Item = &str> {
        let attributes = self.index.iter().filter(|line| matches!(line.tag, Tag::Attribute(_)));
        attributes.filter_map(|line| self.line(*line).get(2..))
    }

    /// Returns the text of the section, each line with CRLF.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn line(&self, line: Line) -> &str {
        self.text.get(line.start as usize..line.end as usize).unwrap_or_default()
    }

    fn value(&self, line: Line) -> &str {
        self.text.get(line.value as usize..line.end as usize).unwrap_or_default()
    }

    /// The values of the lines of one kind.
    fn values(&self, tag: Tag) -> impl Iterator<Item = &str> {
        self.index.iter().filter(move |line| line.tag == tag).map(|line| self.value(*line))
    }

    /// The lines of one letter, typed. Every line was checked when it came in, so that those that
    /// are left out here are only what a typed value with spaces in its words has become.
    pub(crate) fn read_letter<'a, T>(
        &'a self,
        letter: u8,
        read: fn(&mut Cursor<'a>) -> Result<T, Fault>,
    ) -> impl Iterator<Item = T> {
        self.values(Tag::Letter(letter)).filter_map(move |value| read(&mut Cursor::new(value)).ok())
    }

    /// The value of the first line with a letter.
    pub(crate) fn letter(&self, letter: u8) -> Option<&str> {
        self.values(Tag::Letter(letter)).next()
    }

    fn attributes_of(&self, kind: AttributeKind) -> impl Iterator<Item = Attribute<'_>> {
        self.values(Tag::Attribute(kind))
            .filter_map(move |value| Attribute::from_value(kind, kind.name(), Some(value)).ok())
    }

    /// Checks a line, which has no end any more, and appends it.
    pub(crate) fn parse_line(&mut self, number: usize, text: &str) -> Result<(), ParseError> {
        check_bytes(text, number)?;
        let (tag, value) = classify(text, number)?;
        self.text_line(text, text.len() - value.len(), tag);
        Ok(())
    }

    /// Appends a line whose value begins at `value`.
    fn text_line(&mut self, text: &str, value: usize, tag: Tag) {
        let start = self.text.len();
        self.text.push_str(text);
        let end = self.text.len();
        self.text.push_str(CRLF);
        self.index.push(Line {
            start: start as u32,
            value: (start + value) as u32,
            end: end as u32,
            tag,
        });
    }
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.lines().map(|line| before_secret(line).unwrap_or(line));
        f.debug_list().entries(shown).finish()
    }
}

/// Finds out what a line is by its letter and name, and gives its value.
fn tag(text: &str) -> (Tag, &str) {
    let value = text.get(2..).unwrap_or_default();
    match text.as_bytes() {
        [] => (Tag::Letter(0), text),
        [b'a', b'=', ..] => {
            let (name, value) = attribute::split(value);
            let kind = AttributeKind::from_name(name.trim_end_matches(' '));
            (Tag::Attribute(kind), value.unwrap_or_else(|| attribute::end(text)))
        }
        [letter, ..] => (Tag::Letter(*letter), value),
    }
}

/// Finds out what a line is and checks what it says.
fn classify(text: &str, number: usize) -> Result<(Tag, &str), ParseError> {
    let (tag, value) = tag(text);
    let checked = match (text.as_bytes(), tag) {
        // Blank lines are no part of the grammar, and nobody means anything by them.
        ([], _) => Ok(()),
        ([b'a', b'=', ..], Tag::Attribute(kind)) => {
            Attribute::from_value(kind, "", Some(value)).map(drop)
        }
        ([letter @ b'a'..=b'z', b'=', ..], _) => check_letter(*letter, value),
        _ => {
            let fault = Fault {
                at: 0,
                length: text.find(['=', ' ']).unwrap_or(text.len()).max(1),
                kind: FaultKind::Invalid,
                what: "the beginning of a line: a small letter and \"=\"",
                reference: "RFC 8866 §5",
                example: "a=sendrecv",
            };
            return Err(ParseError::locate(number, text, text, fault));
        }
    };
    match checked {
        Ok(()) => Ok((tag, value)),
        Err(fault) => Err(ParseError::locate(number, text, value, fault)),
    }
}

/// Checks the value of a line that is not an attribute. Unknown letters are let through: RFC 8866
/// §5 would have us ignore the whole description, which helps nobody.
fn check_letter(letter: u8, value: &str) -> Result<(), Fault> {
    let cursor = &mut Cursor::new(value);
    let (result, reference, example) = match letter {
        b'b' => (Bandwidth::read(cursor).map(drop), "RFC 8866 §5.8", "AS:2000"),
        b'c' => (Connection::read(cursor).map(drop), "RFC 8866 §5.7", "IN IP4 0.0.0.0"),
        b'm' => {
            (MediaLine::read(cursor).map(drop), "RFC 8866 §5.14", "audio 9 UDP/TLS/RTP/SAVPF 111")
        }
        b'o' => (
            Origin::read(cursor).map(drop),
            "RFC 8866 §5.2",
            "- 4962303333179871722 1 IN IP4 0.0.0.0",
        ),
        b't' => (Timing::read(cursor).map(drop), "RFC 8866 §5.9", "0 0"),
        b'v' => {
            let version = cursor.number("a version that is known, 0", 0..=0u8);
            (version.map(drop), "RFC 8866 §5.1", "0")
        }
        _ => return Ok(()),
    };
    result.and_then(|()| cursor.end()).map_err(|fault| fault.or(reference, example))
}

/// Refuses what may not be inside a line: another parser could take it for the line's end.
pub(crate) fn check_bytes(text: &str, number: usize) -> Result<(), ParseError> {
    if is_clean(text) {
        return Ok(());
    }
    let at = text.bytes().position(is_break).unwrap_or_default();
    let fault = Fault {
        at,
        length: 1,
        kind: FaultKind::Invalid,
        what: "a character that a line can have in it",
        reference: "RFC 8866 §9, byte-string",
        example: "a line that ends with CR and LF",
    };
    Err(ParseError::locate(number, text, text, fault))
}

const fn is_break(byte: u8) -> bool {
    matches!(byte, 0 | b'\r' | b'\n')
}

/// Whether a text can be inside a line. Without an early exit this is a few vector instructions.
fn is_clean(text: &str) -> bool {
    !text.bytes().fold(false, |bad, byte| bad | is_break(byte))
}
