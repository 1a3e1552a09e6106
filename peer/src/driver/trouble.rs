//! Sockets that cannot receive.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

/// How long a socket that failed is left alone.
const PAUSE: Duration = Duration::from_millis(100);

/// How many failures one after another end a socket. With the pauses they are thirty seconds: by then
/// nobody who was reached by it consents any more
/// ([RFC 7675 §5.1](https://www.rfc-editor.org/rfc/rfc7675#section-5.1)).
const MOST_FAILURES: u32 = 300;

/// What an error says to somebody who wanted to receive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Meaning {
    /// Nothing is there.
    Empty,
    /// One datagram is lost, most often one that was sent earlier, as an ICMP message tells. There may
    /// be more to read.
    Datagram,
    /// Receiving does not work, at least now: the system is short of memory, its network is down, or
    /// the socket is none.
    Socket,
}

impl Meaning {
    pub(super) fn of(error: &io::Error) -> Self {
        /// On Windows, the time to live of a datagram was over on its way; `ErrorKind` has no name
        /// for it. No other system has numbers as large.
        const WSAENETRESET: i32 = 10_052;

        match error.kind() {
            ErrorKind::WouldBlock => Self::Empty,
            ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::HostUnreachable
            | ErrorKind::Interrupted
            | ErrorKind::NetworkUnreachable => Self::Datagram,
            _ if error.raw_os_error() == Some(WSAENETRESET) => Self::Datagram,
            _ => Self::Socket,
        }
    }
}

/// The failures of a socket since it last worked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trouble {
    failures: u32,
    /// When it is tried again.
    again_at: Option<Instant>,
}

impl Trouble {
    /// Counts a failure; returns whether it is one too many.
    pub(super) fn count(&mut self, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.again_at = now.checked_add(PAUSE);
        self.failures > MOST_FAILURES
    }

    /// When the socket is tried again, if it is to be left alone before.
    pub(super) const fn again_at(&self) -> Option<Instant> {
        self.again_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::Origin;

    #[test]
    fn what_errors_mean() {
        use ErrorKind::{
            BrokenPipe, ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted,
            InvalidInput, NetworkDown, NetworkUnreachable, NotConnected, OutOfMemory,
            PermissionDenied, WouldBlock,
        };
        let table = [
            (Meaning::Empty, &[WouldBlock][..]),
            (
                Meaning::Datagram,
                &[
                    ConnectionRefused,
                    ConnectionReset,
                    HostUnreachable,
                    Interrupted,
                    NetworkUnreachable,
                ],
            ),
            (
                Meaning::Socket,
                &[
                    BrokenPipe,
                    InvalidInput,
                    NetworkDown,
                    NotConnected,
                    OutOfMemory,
                    PermissionDenied,
                ],
            ),
        ];
        for (meaning, kinds) in table {
            for kind in kinds {
                assert_eq!(Meaning::of(&io::Error::from(*kind)), meaning, "{kind}");
            }
        }
        let of_code = |code| Meaning::of(&io::Error::from_raw_os_error(code));
        assert_eq!(of_code(10_052), Meaning::Datagram, "WSAENETRESET");
        assert_eq!(of_code(10_053), Meaning::Socket);
    }

    #[test]
    fn a_socket_is_given_up_after_thirty_seconds_of_failures() {
        let mut now = Origin::system().now;
        let (begin, mut trouble) = (now, Trouble::default());
        assert_eq!(trouble.again_at(), None);
        while !trouble.count(now) {
            now = trouble.again_at().unwrap();
        }
        assert_eq!(now - begin, Duration::from_secs(30));
        assert!(trouble.count(now), "nor does it come back");
    }
}
