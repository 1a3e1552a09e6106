//! What is wrong with a description, where, and what was expected instead.

use thiserror::Error;

/// A description, a line or an attribute that cannot be read.
///
/// It displays as one line that says where, what, by which rule, and what would have been right:
///
/// ```text
/// line 14, column 10: a=rtpmap:111 opus — a clock rate is missing after "opus" (RFC 8866 §6.6), expected e.g. "opus/48000/2"
/// ```
///
/// The values of `a=ice-pwd` and `a=crypto` are never part of it.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error(
    "line {line}, column {column}: {text} — {problem} ({reference}), expected e.g. \"{example}\""
)]
#[non_exhaustive]
pub struct ParseError {
    /// The line, counted from 1.
    pub line: usize,
    /// The column, counted in characters from 1: where the wrong field begins or, when a field is
    /// missing, where the value begins that lacks it.
    pub column: usize,
    /// The line as it was given, cut after 120 characters.
    pub text: Box<str>,
    /// What is wrong.
    pub problem: Problem,
    /// The rule, such as `RFC 8866 §6.6`.
    pub reference: &'static str,
    /// Something that would have been right in this place.
    pub example: &'static str,
}

/// What is wrong in a [`ParseError`].
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Problem {
    /// A field has a value that it cannot have.
    #[error("\"{found}\" is not {what}")]
    Invalid {
        /// What the field is, with its article: "a clock rate".
        what: &'static str,
        /// What stands there.
        found: Box<str>,
    },
    /// A field or a line is missing.
    #[error("{what} is missing after \"{after}\"")]
    Missing {
        /// What is missing, with its article: "a clock rate".
        what: &'static str,
        /// What stands before the gap.
        after: Box<str>,
    },
    /// There is more of something than the [`Limits`](crate::Limits) allow.
    #[error("there are more than {limit} {what}")]
    TooMany {
        /// What there is too much of: "bytes", "lines", "media sections".
        what: &'static str,
        /// How many are allowed.
        limit: usize,
    },
    /// Something follows where nothing can.
    #[error("\"{found}\" follows where nothing can")]
    Unexpected {
        /// What follows.
        found: Box<str>,
    },
}

impl ParseError {
    /// Places a fault: `line_text` is the whole line and `value` the part of it (a suffix) that the
    /// fault counts from.
    #[cold]
    pub(crate) fn locate(line: usize, line_text: &str, value: &str, fault: Fault) -> Self {
        let base = line_text.len() - value.len();
        let before = value.get(..fault.at).unwrap_or(value);
        let secret = before_secret(line_text);
        let found = match (secret, value.get(fault.at..fault.at + fault.length)) {
            (None, Some(found)) => shorten(found),
            _ => "…".into(),
        };
        let (offset, problem) = match fault.kind {
            FaultKind::Invalid => (base + fault.at, Problem::Invalid { what: fault.what, found }),
            FaultKind::Unexpected => (base + fault.at, Problem::Unexpected { found }),
            FaultKind::Missing => {
                let last = before.trim_end().rsplit(' ').next().unwrap_or_default();
                let after = match (secret, last) {
                    (None, "") => shorten(line_text.get(..base).unwrap_or_default()),
                    (None, last) => shorten(last),
                    (Some(name), _) => shorten(name),
                };
                (base, Problem::Missing { what: fault.what, after })
            }
        };
        Self {
            line,
            column: line_text.get(..offset).map_or(0, |text| text.chars().count()) + 1,
            text: quote(line_text),
            problem,
            reference: fault.reference,
            example: fault.example,
        }
    }
}

/// A fault inside a value, before it is known where the value stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    /// Bytes from the beginning of the value.
    pub(crate) at: usize,
    /// How many bytes are wrong.
    pub(crate) length: usize,
    pub(crate) kind: FaultKind,
    pub(crate) what: &'static str,
    pub(crate) reference: &'static str,
    pub(crate) example: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum FaultKind {
    Invalid,
    Missing,
    Unexpected,
}

impl Fault {
    /// Fills in the rule and the example, where the parser of the field gave none of its own.
    pub(crate) const fn or(mut self, reference: &'static str, example: &'static str) -> Self {
        if self.reference.is_empty() {
            self.reference = reference;
        }
        if self.example.is_empty() {
            self.example = example;
        }
        self
    }

    /// The same fault with an example of its own.
    pub(crate) const fn expecting(self, example: &'static str) -> Self {
        Self { example, ..self }
    }
}

/// What may be shown of a line, with or without its `a=`, whose value nobody may see: all before
/// the value.
pub(crate) fn before_secret(line: &str) -> Option<&str> {
    let (before, value) = line.split_at_checked(line.find(':')? + 1)?;
    let name = before.strip_prefix("a=").unwrap_or(before).trim_end_matches([':', ' ']);
    (matches!(name, "ice-pwd" | "crypto") && !value.is_empty()).then_some(before)
}

/// A line as a message has it.
pub(crate) fn quote(line: &str) -> Box<str> {
    before_secret(line).map_or_else(|| shorten(line), |name| format!("{}…", shorten(name)).into())
}

/// Cuts what is quoted in a message: a remote chooses how long it is.
fn shorten(text: &str) -> Box<str> {
    const LIMIT: usize = 120;
    match text.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()).into(),
        None => text.into(),
    }
}
