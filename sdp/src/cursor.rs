//! Reads the fields of one value from left to right.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::error::{Fault, FaultKind};

/// Words separated by spaces: what several attributes and the `m=` line end with.
///
/// It borrows its text; to build one, join the words with single spaces.
///
/// ```
/// # use peerless_sdp::Words;
/// let mids = Words::new("audio video data");
/// assert!(mids.contains("video"));
/// assert_eq!(mids.iter().count(), 3);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    /// The words of `text`.
    pub const fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// Returns the text as it stands.
    pub const fn as_str(&self) -> &'a str {
        self.0
    }

    /// Returns the words in order.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + Clone + use<'a> {
        pieces(self.0, b' ').filter(|word| !word.is_empty())
    }

    /// Tells whether one of the words is `word`, compared exactly.
    pub fn contains(&self, word: &str) -> bool {
        self.iter().any(|own| own == word)
    }

    /// Returns the first word.
    pub fn first(&self) -> Option<&'a str> {
        self.iter().next()
    }
}

/// The pieces of a text between separators, as `str::split` has them. Pieces are a few bytes long:
/// looking at each byte is faster than starting a vectorised search for each.
pub(crate) fn pieces(text: &str, separator: u8) -> impl Iterator<Item = &str> + Clone {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        let end = text.bytes().position(|byte| byte == separator).unwrap_or(text.len());
        let (piece, after) = text.split_at_checked(end)?;
        rest = after.get(1..);
        Some(piece)
    })
}

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// The reading position in a value.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    length: usize,
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self { length: text.len(), rest: text }
    }

    fn offset(&self) -> usize {
        self.length - self.rest.len()
    }

    fn skip_spaces(&mut self) {
        while let Some(rest) = self.rest.strip_prefix(' ') {
            self.rest = rest;
        }
    }

    pub(crate) fn is_at_end(&mut self) -> bool {
        self.skip_spaces();
        self.rest.is_empty()
    }

    /// The fault that `what` is missing here.
    #[cold]
    pub(crate) fn missing(&self, what: &'static str) -> Fault {
        Fault {
            at: self.offset(),
            length: 0,
            kind: FaultKind::Missing,
            what,
            reference: "",
            example: "",
        }
    }

    /// The fault that `found`, a part of the value already read, is not `what`.
    #[cold]
    pub(crate) fn invalid(&self, found: &str, what: &'static str) -> Fault {
        // The part borrows from the value, which ends where the rest ends: the distance of their
        // ends is what was read after it.
        let end = self.rest.as_ptr() as usize + self.rest.len();
        let at = self.length.saturating_sub(end.saturating_sub(found.as_ptr() as usize));
        Fault {
            at,
            length: found.len(),
            kind: FaultKind::Invalid,
            what,
            reference: "",
            example: "",
        }
    }

    /// Reads up to the next space or the end.
    pub(crate) fn word(&mut self, what: &'static str) -> Result<&'a str, Fault> {
        self.skip_spaces();
        let end = self.rest.bytes().position(|byte| byte == b' ').unwrap_or(self.rest.len());
        self.take(end, what)
    }

    /// Reads the word that begins here up to `separator`, which is consumed, a space, or the end.
    /// Tells whether the separator was there.
    pub(crate) fn part(
        &mut self,
        separator: u8,
        what: &'static str,
    ) -> Result<(&'a str, bool), Fault> {
        self.skip_spaces();
        let stop = |byte: u8| byte == b' ' || byte == separator;
        let end = self.rest.bytes().position(stop).unwrap_or(self.rest.len());
        let part = self.take(end, what)?;
        match self.rest.as_bytes().split_first() {
            Some((first, _)) if *first == separator && separator != b' ' => {
                self.rest = self.rest.get(1..).unwrap_or_default();
                Ok((part, true))
            }
            _ => Ok((part, false)),
        }
    }

    fn take(&mut self, end: usize, what: &'static str) -> Result<&'a str, Fault> {
        match self.rest.split_at_checked(end) {
            Some(("", _)) | None => Err(self.missing(what)),
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
        }
    }

    /// Reads a decimal number that fills a word.
    pub(crate) fn number<T: FromStr + PartialOrd>(
        &mut self,
        what: &'static str,
        range: RangeInclusive<T>,
    ) -> Result<T, Fault> {
        let word = self.word(what)?;
        self.to_number(word, what, range)
    }

    /// Reads a word that was already taken as a decimal number.
    pub(crate) fn to_number<T: FromStr + PartialOrd>(
        &self,
        word: &str,
        what: &'static str,
        range: RangeInclusive<T>,
    ) -> Result<T, Fault> {
        let digits = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        match word.parse() {
            Ok(number) if digits && range.contains(&number) => Ok(number),
            _ => Err(self.invalid(word, what)),
        }
    }

    /// Reads everything that is left, without the spaces before it.
    pub(crate) fn rest(&mut self) -> &'a str {
        self.skip_spaces();
        let (all, nothing) = self.rest.split_at(self.rest.len());
        self.rest = nothing;
        all
    }

    /// Reads everything that is left as words.
    pub(crate) fn words(&mut self) -> Words<'a> {
        Words(self.rest().trim_end_matches(' '))
    }

    /// Requires that nothing is left but spaces.
    pub(crate) fn end(&mut self) -> Result<(), Fault> {
        self.skip_spaces();
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(Fault {
            at: self.offset(),
            length: self.rest.len(),
            kind: FaultKind::Unexpected,
            what: "",
            reference: "",
            example: "",
        })
    }
}
