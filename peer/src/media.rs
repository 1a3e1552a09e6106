//! Media: transceivers, and the views through which an application sends and receives.

use std::fmt;

pub mod codec;
pub(crate) mod receiver;
pub(crate) mod sender;
pub mod transceiver;

pub use receiver::Receiver;
pub use sender::{SendMediaError, SendMediaErrorKind, Sender};

/// Audio or video.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum MediaKind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
}

impl MediaKind {
    /// As written in an m-line ([RFC 8866 §5.14](https://www.rfc-editor.org/rfc/rfc8866#section-5.14)).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
        }
    }
}

impl fmt::Display for MediaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
