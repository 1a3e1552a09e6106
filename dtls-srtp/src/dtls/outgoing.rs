//! The records that we send.

use super::epoch::Epoch;
use super::record::{ContentType, DTLS_1_0, DTLS_1_2, Header, SEQUENCE_NUMBERS};
use super::v12::protection::Sealer;
use super::v13::RecordNumber;

/// Numbers and protects what we send.
pub(crate) struct Outgoing {
    version: u16,
    next_plaintext: u64,
    /// The keys of epoch 1, once there are any.
    pub(crate) sealer: Option<Sealer>,
}

impl Outgoing {
    /// A client's first records say DTLS 1.0, as servers that know no more would else drop them
    /// without a word.
    pub(crate) fn client() -> Self {
        Self { version: DTLS_1_0, next_plaintext: 0, sealer: None }
    }

    pub(crate) fn server() -> Self {
        Self { version: DTLS_1_2, ..Self::client() }
    }

    pub(crate) fn version_is_known(&mut self) {
        self.version = DTLS_1_2;
    }

    /// How many bytes a record adds to its contents.
    pub(crate) fn overhead(&self, epoch: Epoch) -> usize {
        match (epoch, &self.sealer) {
            (Epoch::PROTECTED, Some(sealer)) => Header::LEN + sealer.overhead(),
            _ => Header::LEN,
        }
    }

    /// Appends a record with what `contents` appends, and returns its number. `None`, and nothing
    /// appended, if there are no keys for it or all sequence numbers are used up.
    pub(crate) fn write(
        &mut self,
        epoch: Epoch,
        content_type: ContentType,
        buf: &mut Vec<u8>,
        contents: impl FnOnce(&mut Vec<u8>),
    ) -> Option<RecordNumber> {
        let sequence_number = match epoch {
            Epoch::PLAINTEXT => {
                if self.next_plaintext > SEQUENCE_NUMBERS {
                    return None;
                }
                let sequence_number = self.next_plaintext;
                self.next_plaintext += 1;
                let start = buf.len();
                let version = self.version;
                Header { content_type, version, epoch: 0, sequence_number }.write(buf, 0);
                contents(buf);
                let length = buf.len() - start - Header::LEN;
                Header::set_length(buf, start, u16::try_from(length).unwrap_or_default());
                sequence_number
            }
            _ => {
                let sealer = self.sealer.as_mut()?;
                let open = sealer.begin(content_type, buf)?;
                let sequence_number = open.sequence_number();
                contents(buf);
                // It fails for contents over 16 KiB only, which no datagram of ours has.
                sealer.seal(buf, open).ok()?;
                sequence_number
            }
        };
        Some(RecordNumber { epoch: epoch.0, sequence_number })
    }
}
