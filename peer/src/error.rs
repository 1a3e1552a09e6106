//! Why a command was refused.

use thiserror::Error as ThisError;

/// The W3C's name for a kind of error: what a page would find in `DOMException.name`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
#[expect(clippy::enum_variant_names, reason = "the W3C's names")]
pub enum ErrorKind {
    /// The argument cannot be used for this object.
    InvalidAccessError,
    /// The description changes what may not be changed.
    InvalidModificationError,
    /// The call does not fit the state.
    InvalidStateError,
    /// It could not be done, though the call was right.
    OperationError,
    /// An argument is outside its range.
    RangeError,
    /// A description or candidate could not be parsed.
    SyntaxError,
    /// The argument has the wrong shape.
    TypeError,
}

/// Why a command of a [`PeerConnection`](crate::PeerConnection) was refused. The connection is as
/// it was before the command.
#[derive(Clone, Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// The connection is closed.
    #[error("{operation}: the connection is closed (InvalidStateError)")]
    Closed {
        /// The command.
        operation: &'static str,
    },
    /// The call does not fit the state: of signalling, or of the data channels.
    #[error("{operation}: {reason} (InvalidStateError)")]
    InvalidState {
        /// The command.
        operation: &'static str,
        /// What does not fit, and what would.
        reason: String,
    },
    /// A description could not be parsed.
    #[error("{0}")]
    Sdp(#[from] sdp::ParseError),
    /// A description was parsed, and says something that cannot be applied.
    #[error("{operation}: line {line}: {reason}")]
    Description {
        /// The command.
        operation: &'static str,
        /// The line of the description, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A candidate could not be parsed.
    #[error("add_ice_candidate: {0}")]
    Candidate(String),
    /// A description changes what offer and answer may not change.
    #[error("{operation}: {reason} (InvalidModificationError)")]
    InvalidModification {
        /// The command.
        operation: &'static str,
        /// What was changed.
        reason: String,
    },
    /// An argument is outside its range.
    #[error("{operation}: {reason}")]
    Argument {
        /// The command.
        operation: &'static str,
        /// What the range is.
        reason: String,
    },
    /// No such object in this connection.
    #[error("{operation}: there is no such {object} in this connection (InvalidAccessError)")]
    NotFound {
        /// The command.
        operation: &'static str,
        /// What was looked for.
        object: &'static str,
    },
    /// It could not be done, though the call was right.
    #[error("{operation}: {reason} (OperationError)")]
    Operation {
        /// The command.
        operation: &'static str,
        /// What failed.
        reason: String,
    },
}

impl Error {
    /// The W3C's name for this error.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Closed { .. } | Self::InvalidState { .. } => ErrorKind::InvalidStateError,
            Self::Sdp(_) => ErrorKind::SyntaxError,
            Self::Description { .. } => ErrorKind::InvalidAccessError,
            Self::Candidate(_) | Self::Operation { .. } => ErrorKind::OperationError,
            Self::InvalidModification { .. } => ErrorKind::InvalidModificationError,
            Self::Argument { .. } => ErrorKind::RangeError,
            Self::NotFound { .. } => ErrorKind::InvalidAccessError,
        }
    }
}
