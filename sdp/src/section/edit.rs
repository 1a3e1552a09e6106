//! Adding, replacing and removing lines.

use std::fmt::{self, Write};

use super::{CRLF, Line, Section, Tag, is_clean, tag};
use crate::attribute::{Attribute, AttributeKind, Direction};
use crate::error::ParseError;

/// The order of lines in RFC 8866 §9: an attribute comes after all others.
const ORDER: &[u8] = b"vmosiuepcbtrzka";

/// A section never grows beyond this: 32 bits say where a line is. What does not fit is left out.
pub(crate) const LARGEST: usize = 1 << 30;

impl Section {
    pub(crate) fn push(&mut self, attribute: &Attribute<'_>) {
        self.write_line(self.index.len(), b'a', attribute);
    }

    pub(crate) fn push_text(&mut self, text: &str) -> Result<(), ParseError> {
        let text = text.strip_prefix("a=").unwrap_or(text);
        self.parse_line(1, &format!("a={text}"))
    }

    pub(crate) fn set(&mut self, attribute: &Attribute<'_>) {
        let tag = Tag::Attribute(attribute.kind());
        match self.index.iter().position(|line| line.tag == tag) {
            Some(at) => {
                self.remove_line(at);
                self.write_line(at, b'a', attribute);
            }
            None => self.push(attribute),
        }
    }

    pub(crate) fn set_direction(&mut self, direction: Direction) {
        const KINDS: [AttributeKind; 4] = [
            AttributeKind::Inactive,
            AttributeKind::RecvOnly,
            AttributeKind::SendOnly,
            AttributeKind::SendRecv,
        ];
        let is_direction = |line: &Line| KINDS.iter().any(|kind| line.tag == Tag::Attribute(*kind));
        let at = self.index.iter().position(is_direction);
        self.retain_lines(|_, line| !is_direction(&line));
        self.write_line(at.unwrap_or(self.index.len()), b'a', &direction.attribute());
    }

    pub(crate) fn remove(&mut self, kind: AttributeKind) {
        self.retain_lines(|_, line| line.tag != Tag::Attribute(kind));
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&Attribute<'_>) -> bool) {
        self.retain_lines(|section, line| {
            let Tag::Attribute(kind) = line.tag else { return true };
            let text = section.line(line).get(2..).unwrap_or_default();
            let (name, value) = crate::attribute::split(text);
            Attribute::from_value(kind, name, value).is_ok_and(|attribute| keep(&attribute))
        });
    }

    /// Replaces the line with this letter, or puts it where the order of letters wants it.
    pub(crate) fn set_letter(&mut self, letter: u8, value: &dyn fmt::Display) {
        match self.index.iter().position(|line| line.tag == Tag::Letter(letter)) {
            Some(at) => {
                self.remove_line(at);
                self.write_line(at, letter, value);
            }
            None => self.insert_letter(letter, value),
        }
    }

    /// Puts a line after all those of the same or an earlier letter.
    pub(crate) fn insert_letter(&mut self, letter: u8, value: &dyn fmt::Display) {
        let rank = |letter: u8| ORDER.iter().position(|own| *own == letter);
        let own = rank(letter);
        let later = |line: &Line| match line.tag {
            Tag::Attribute(_) => true,
            Tag::Letter(letter) => rank(letter) > own,
        };
        let at = self.index.iter().position(later).unwrap_or(self.index.len());
        self.write_line(at, letter, value);
    }

    /// Writes a line at a place in the order of lines.
    ///
    /// Text that would break the line is written as a space, lest an application's string begin a
    /// line of its own.
    fn write_line(&mut self, at: usize, letter: u8, value: &dyn fmt::Display) {
        let start = self.text.len();
        let _infallible = write!(self.text, "{}={value}", char::from(letter));
        let mut written = self.text.get(start..).unwrap_or_default();
        let owned;
        if !is_clean(written) {
            owned = written.replace(BREAKS, " ");
            self.text.truncate(start);
            self.text.push_str(&owned);
            written = &owned;
        }
        let (tag, value) = tag(written);
        let line = Line {
            start: start as u32,
            value: (self.text.len() - value.len()) as u32,
            end: self.text.len() as u32,
            tag,
        };
        self.text.push_str(CRLF);
        if self.text.len() > LARGEST {
            self.text.truncate(start);
            return;
        }
        self.index.push(line);
        if at + 1 < self.index.len() {
            self.move_last_to(at);
        }
    }

    /// Moves the last line before the one at `at`. Lines that are not appended are few, and the
    /// sections that have them short: the whole section is written anew.
    fn move_last_to(&mut self, at: usize) {
        let mut index = std::mem::take(&mut self.index);
        let Some(last) = index.pop() else { return };
        index.insert(at.min(index.len()), last);
        let mut moved = Self::with_capacity(self.text.len(), index.len());
        for line in &index {
            moved.text_line(self.line(*line), (line.value - line.start) as usize, line.tag);
        }
        *self = moved;
    }

    fn remove_line(&mut self, at: usize) {
        let mut index = 0;
        self.retain_lines(|_, _| {
            index += 1;
            index - 1 != at
        });
    }

    /// Keeps some lines, in one pass over the text.
    fn retain_lines(&mut self, mut keep: impl FnMut(&Self, Line) -> bool) {
        let mut kept = Self::with_capacity(self.text.len(), self.index.len());
        for line in &self.index {
            if keep(self, *line) {
                kept.text_line(self.line(*line), (line.value - line.start) as usize, line.tag);
            }
        }
        *self = kept;
    }
}

const BREAKS: [char; 3] = ['\r', '\n', '\0'];
