//! The whole description: the session's section and the media sections.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use crate::attribute::{Attribute, AttributeKind, Direction};
use crate::error::{Fault, FaultKind, ParseError, Problem, quote};
use crate::line::{Bandwidth, Connection, MediaLine, Origin, Timing};
use crate::section::Section;
use crate::section::edit::LARGEST;

/// How large a description may be.
///
/// A description comes from the other side, through a channel that the application vouches for or
/// not: memory and time spent on one are bounded by these. What is kept is at most the text twice
/// and 16 bytes a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Bytes of text. The default is 1 MiB: an offer of a browser takes about 6 KiB for each kind of
    /// video section, so that there is room for more than a hundred of them.
    pub bytes: usize,
    /// Lines. The default is 32 768, which at 32 bytes a line is the same size.
    pub lines: usize,
    /// Media sections. The default is 1024.
    pub media: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 1 << 20, lines: 1 << 15, media: 1 << 10 }
    }
}

/// A session description ([RFC 8866](https://www.rfc-editor.org/rfc/rfc8866)).
///
/// It dereferences to the [`Section`] that comes before the first `m=` line, so that
/// `description.groups()` and `description.ice_options()` are the session's.
///
/// Displaying it writes it out, with CRLF: byte for byte what was parsed, if that had CRLF too.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SessionDescription {
    section: Section,
    /// The media sections, in order.
    pub media: Vec<MediaDescription>,
}

/// One media section: an `m=` line and what follows it.
///
/// It dereferences to the [`Section`] of its lines.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MediaDescription {
    section: Section,
}

impl SessionDescription {
    /// Begins a description: `v=0`, this origin, no name, no bounds in time.
    ///
    /// ```
    /// # use peerless_sdp::{Origin, SessionDescription};
    /// let description = SessionDescription::new(Origin::new(42, 1));
    /// assert_eq!(description.to_string(), "v=0\r\no=- 42 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n");
    /// ```
    pub fn new(origin: Origin<'_>) -> Self {
        let mut section = Section::default();
        section.insert_letter(b'v', &"0");
        section.insert_letter(b'o', &origin);
        section.insert_letter(b's', &"-");
        section.insert_letter(b't', &Timing::default());
        Self { section, media: Vec::new() }
    }

    /// Parses a description within the default [`Limits`].
    ///
    /// Lines may end with CRLF or LF. Lines of an unknown letter, unknown attributes, blank lines
    /// and the order of lines are kept as they are; `v=`, `o=`, `s=` must come first and `t=` before
    /// the first `m=`.
    ///
    /// # Errors
    ///
    /// [`ParseError`] for a line that is none, for a known line or attribute with a value that it
    /// cannot have, for a mandatory line that is missing, and for what is beyond the limits.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        Self::parse_within(text, Limits::default())
    }

    /// Parses a description that may not be UTF-8, as it comes from a network.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse), and for bytes that are not UTF-8 (RFC 8866 §4.5 allows other
    /// character sets, which WebRTC never uses).
    pub fn parse_bytes(bytes: &[u8]) -> Result<Self, ParseError> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::parse(text),
            Err(error) => {
                let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
                let valid = std::str::from_utf8(valid).unwrap_or_default();
                let text = valid.rsplit('\n').next().unwrap_or_default();
                let fault = Fault {
                    at: text.len(),
                    length: 0,
                    kind: FaultKind::Missing,
                    what: "a character in UTF-8",
                    reference: "RFC 8866 §5",
                    example: "text in UTF-8",
                };
                let line = valid.split('\n').count();
                let mut error = ParseError::locate(line, text, text, fault);
                error.column = text.chars().count() + 1;
                Err(error)
            }
        }
    }

    /// Parses a description within limits of one's own.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn parse_within(text: &str, limits: Limits) -> Result<Self, ParseError> {
        let limit = limits.bytes.min(LARGEST / 2);
        if text.len() > limit {
            return Err(too_many("bytes", limit, 1));
        }
        let (session, mut rest) = split_section(text, limits.lines)?;
        let mut number = 1;
        let section = session.parse(&mut number)?;
        check_order(&section, number)?;
        let mut media = Vec::new();
        while !rest.is_empty() {
            if media.len() >= limits.media {
                return Err(too_many("media sections", limits.media, number));
            }
            let (lines, next) = split_section(rest, limits.lines.saturating_sub(number - 1))
                .map_err(|_| too_many("lines", limits.lines, number))?;
            media.push(MediaDescription { section: lines.parse(&mut number)? });
            rest = next;
        }
        Ok(Self { section, media })
    }

    /// Returns the `o=` line.
    pub fn origin(&self) -> Origin<'_> {
        let origin = self.section.read_letter(b'o', Origin::read).next();
        origin.unwrap_or(Origin::new(0, 0))
    }

    /// Replaces the `o=` line.
    pub fn set_origin(&mut self, origin: Origin<'_>) {
        self.section.set_letter(b'o', &origin);
    }

    /// Returns the `s=` line: the session's name, mostly `-`.
    pub fn name(&self) -> &str {
        self.section.letter(b's').unwrap_or_default()
    }

    /// Replaces the `s=` line.
    pub fn set_name(&mut self, name: &str) {
        self.section.set_letter(b's', &name);
    }

    /// Returns the first `t=` line.
    pub fn timing(&self) -> Timing {
        self.section.read_letter(b't', Timing::read).next().unwrap_or_default()
    }

    /// Replaces the first `t=` line.
    pub fn set_timing(&mut self, timing: Timing) {
        self.section.set_letter(b't', &timing);
    }

    /// Returns the media section with this `a=mid`, and its place among them.
    pub fn media_by_mid(&self, mid: &str) -> Option<(usize, &MediaDescription)> {
        self.media.iter().enumerate().find(|(_, media)| media.mid() == Some(mid))
    }

    /// Returns the first BUNDLE group.
    pub fn bundle_group(&self) -> Option<crate::Group<'_>> {
        self.groups().find(crate::Group::is_bundle)
    }
}

impl MediaDescription {
    /// Begins a media section.
    pub fn new(line: MediaLine<'_>) -> Self {
        let mut section = Section::default();
        section.insert_letter(b'm', &line);
        Self { section }
    }

    /// Returns the `m=` line.
    pub fn media_line(&self) -> MediaLine<'_> {
        self.section.read_letter(b'm', MediaLine::read).next().unwrap_or(MediaLine {
            media: "",
            port: 0,
            port_count: None,
            protocol: "",
            formats: crate::Words::new(""),
        })
    }

    /// Replaces the `m=` line.
    pub fn set_media_line(&mut self, line: MediaLine<'_>) {
        self.section.set_letter(b'm', &line);
    }

    /// Returns the kind of media: `audio`, `video`, `application`.
    pub fn kind(&self) -> &str {
        self.media_line().media
    }

    /// Returns the port of the `m=` line; 0 stands for a rejected or bundled section.
    pub fn port(&self) -> u16 {
        self.media_line().port
    }

    /// Replaces the port of the `m=` line.
    pub fn set_port(&mut self, port: u16) {
        let text = self.section.letter(b'm').unwrap_or_default().to_owned();
        if let Ok(line) = MediaLine::read(&mut crate::cursor::Cursor::new(&text)) {
            self.set_media_line(MediaLine { port, ..line });
        }
    }
}

/// The changes that both kinds of section have.
macro_rules! edits {
    ($($description:ident)*) => { $(
        impl Deref for $description {
            type Target = Section;

            fn deref(&self) -> &Section {
                &self.section
            }
        }

        impl $description {
            /// Appends an attribute.
            ///
            /// Line breaks and NUL in its text are written as spaces. A value that its attribute
            /// cannot have is written as it is, and the getters don't see it.
            pub fn push(&mut self, attribute: Attribute<'_>) {
                self.section.push(&attribute);
            }

            /// Appends an attribute that is given as text, with or without `a=`.
            ///
            /// # Errors
            ///
            /// As [`Attribute::parse`]; nothing is appended then.
            pub fn push_text(&mut self, text: &str) -> Result<(), ParseError> {
                self.section.push_text(text)
            }

            /// Replaces the first attribute of the same kind, or appends it if there is none.
            pub fn set(&mut self, attribute: Attribute<'_>) {
                self.section.set(&attribute);
            }

            /// Replaces the direction, or appends it if there is none.
            pub fn set_direction(&mut self, direction: Direction) {
                self.section.set_direction(direction);
            }

            /// Removes all attributes of a kind.
            pub fn remove(&mut self, kind: AttributeKind) {
                self.section.remove(kind);
            }

            /// Keeps the attributes for which `keep` is true, and all other lines.
            pub fn retain(&mut self, keep: impl FnMut(&Attribute<'_>) -> bool) {
                self.section.retain(keep);
            }

            /// Replaces the `c=` line, or adds it.
            pub fn set_connection(&mut self, connection: Connection<'_>) {
                self.section.set_letter(b'c', &connection);
            }

            /// Adds a `b=` line.
            pub fn push_bandwidth(&mut self, bandwidth: Bandwidth<'_>) {
                self.section.insert_letter(b'b', &bandwidth);
            }
        }

        impl fmt::Display for $description {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.section.as_str())?;
                self.write_media(f)
            }
        }
    )* };
}

edits! { SessionDescription MediaDescription }

impl SessionDescription {
    fn write_media(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.media.iter().try_for_each(|media| f.write_str(media.section.as_str()))
    }
}

impl MediaDescription {
    #[expect(clippy::unused_self, reason = "a media section has no media sections")]
    const fn write_media(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

impl FromStr for SessionDescription {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text)
    }
}

/// The text of one section, measured.
struct Lines<'a> {
    text: &'a str,
    count: usize,
}

impl Lines<'_> {
    fn parse(&self, number: &mut usize) -> Result<Section, ParseError> {
        // An end that is LF alone becomes CRLF, so that the text may grow by a byte a line.
        let mut section = Section::with_capacity(self.text.len() + 2, self.count);
        for line in self.text.split_inclusive('\n') {
            let line = line.strip_suffix('\n').unwrap_or(line);
            section.parse_line(*number, line.strip_suffix('\r').unwrap_or(line))?;
            *number += 1;
        }
        Ok(section)
    }
}

/// Cuts off the lines before the next `m=` line that is not the first.
fn split_section(text: &str, limit: usize) -> Result<(Lines<'_>, &str), ParseError> {
    let (mut end, mut count) = (0, 0);
    for line in text.split_inclusive('\n') {
        if line.starts_with("m=") && count > 0 {
            break;
        }
        if count >= limit {
            return Err(too_many("lines", limit, count));
        }
        end += line.len();
        count += 1;
    }
    let (section, rest) = text.split_at(end);
    Ok((Lines { text: section, count }, rest))
}

/// Requires the lines that no description may lack, in the order of RFC 8866 §5. The order of the
/// others is let through.
fn check_order(section: &Section, next: usize) -> Result<(), ParseError> {
    const FIRST: [(&str, &str, &str, &str); 3] = [
        ("v=", "the version, v=0, in the first line", "RFC 8866 §5.1", "v=0"),
        ("o=", "the origin, o=", "RFC 8866 §5.2", "o=- 4962303333179871722 1 IN IP4 127.0.0.1"),
        ("s=", "the session's name, s=", "RFC 8866 §5.3", "s=-"),
    ];
    let mut lines = section.lines();
    let mut before = "";
    for (number, (letter, what, reference, example)) in FIRST.into_iter().enumerate() {
        let line = lines.next().unwrap_or_default();
        if !line.starts_with(letter) {
            return Err(missing_line(number + 1, line, before, what, reference, example));
        }
        before = line;
    }
    if section.letter(b't').is_none() {
        let last = section.lines().last().unwrap_or_default();
        let what = "the time, t=, before the first m= line";
        return Err(missing_line(next, "", last, what, "RFC 8866 §5.9", "t=0 0"));
    }
    Ok(())
}

#[cold]
fn missing_line(
    line: usize,
    text: &str,
    after: &str,
    what: &'static str,
    reference: &'static str,
    example: &'static str,
) -> ParseError {
    // The fault says where the line should have been, which is before what stands there.
    let fault = Fault { at: 0, length: 0, kind: FaultKind::Missing, what, reference, example };
    let mut error = ParseError::locate(line, text, text, fault);
    error.problem = Problem::Missing { what, after: quote(after) };
    error
}

#[cold]
fn too_many(what: &'static str, limit: usize, line: usize) -> ParseError {
    ParseError {
        line,
        column: 1,
        text: "".into(),
        problem: Problem::TooMany { what, limit },
        reference: "the limits of the one who parses",
        example: "fewer media sections, or larger limits",
    }
}
