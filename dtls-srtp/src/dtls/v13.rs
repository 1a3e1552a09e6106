//! DTLS 1.3 ([RFC 9147](https://www.rfc-editor.org/rfc/rfc9147)), which is TLS 1.3
//! ([RFC 8446](https://www.rfc-editor.org/rfc/rfc8446)) over datagrams.

pub(crate) mod ack;
pub(crate) mod key_schedule;
pub(crate) mod protection;
pub(crate) mod record;

/// Which record: of which keys, and which of theirs
/// ([RFC 9147 §4](https://www.rfc-editor.org/rfc/rfc9147#section-4)).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct RecordNumber {
    pub(crate) epoch: u64,
    pub(crate) sequence_number: u64,
}
