//! ABORT ([RFC 9260 §3.3.7](https://www.rfc-editor.org/rfc/rfc9260#section-3.3.7)) and ERROR
//! ([§3.3.10](https://www.rfc-editor.org/rfc/rfc9260#section-3.3.10)): both carry error causes.
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Type = 6, 9  |  Reserved   |T|            Length             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! \                   zero or more Error Causes                   \
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use crate::chunk::error_cause::{self, ErrorCause};
use crate::chunk::{ChunkType, begin, end};

/// Flag T of ABORT and SHUTDOWN COMPLETE: the sender had no association, and the verification tag
/// is the one of the packet that it answers.
pub const REFLECTED: u8 = 0x01;

/// Appends an ABORT or ERROR with one cause.
pub(crate) fn write(buf: &mut Vec<u8>, kind: ChunkType, cause: ErrorCause, information: &[u8]) {
    let start = begin(buf, kind, 0);
    error_cause::write(buf, cause, information);
    end(buf, start);
}
