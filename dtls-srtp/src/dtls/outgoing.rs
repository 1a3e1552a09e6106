//! The records that we send.

use super::SealError;
use super::epoch::Epoch;
use super::record::{ContentType, DTLS_1_0, DTLS_1_2, Header, SEQUENCE_NUMBERS};
use super::v13::RecordNumber;
use super::{v12, v13};

/// Numbers and protects what we send.
pub(crate) struct Outgoing {
    version: u16,
    next_plaintext: u64,
    /// The keys of a DTLS 1.3 handshake, until the peer has all of it.
    handshake: Option<Box<v13::protection::Sealer>>,
    application: Option<Sealer>,
    /// What the peer wants to be addressed with; nothing, if it does not.
    connection_id: Box<[u8]>,
}

/// The keys of application data, once there are any.
enum Sealer {
    Dtls12(v12::protection::Sealer),
    Dtls13(v13::protection::Sealer),
}

/// A record that was begun, of either version.
#[derive(Debug)]
pub(crate) enum Open {
    Dtls12(v12::protection::Open),
    Dtls13(v13::protection::Open),
}

impl Open {
    /// Where the record begins in its buffer.
    pub(crate) fn start(&self) -> usize {
        match self {
            Self::Dtls12(open) => open.start(),
            Self::Dtls13(open) => open.start(),
        }
    }

    fn number(&self) -> RecordNumber {
        match self {
            Self::Dtls12(open) => {
                RecordNumber { epoch: Epoch::PROTECTED.0, sequence_number: open.sequence_number() }
            }
            Self::Dtls13(open) => open.number(),
        }
    }
}

impl Sealer {
    fn epoch(&self) -> u64 {
        match self {
            Self::Dtls12(_) => Epoch::PROTECTED.0,
            Self::Dtls13(sealer) => sealer.epoch(),
        }
    }

    fn overhead(&self) -> usize {
        match self {
            Self::Dtls12(sealer) => Header::LEN + sealer.overhead(),
            Self::Dtls13(sealer) => sealer.overhead(),
        }
    }

    fn begin(&mut self, content_type: ContentType, buf: &mut Vec<u8>) -> Option<Open> {
        match self {
            Self::Dtls12(sealer) => sealer.begin(content_type, buf).map(Open::Dtls12),
            Self::Dtls13(sealer) => sealer.begin(content_type, buf).map(Open::Dtls13),
        }
    }

    fn seal(&self, buf: &mut Vec<u8>, open: Open) -> Result<(), SealError> {
        match (self, open) {
            (Self::Dtls12(sealer), Open::Dtls12(open)) => sealer.seal(buf, open),
            (Self::Dtls13(sealer), Open::Dtls13(open)) if open.number().epoch == sealer.epoch() => {
                sealer.seal(buf, open)
            }
            (_, open) => {
                buf.truncate(open.start());
                Err(SealError::KeyUpdated)
            }
        }
    }
}

impl Outgoing {
    /// A client's first records say DTLS 1.0, as servers that know no more would else drop them
    /// without a word.
    pub(crate) fn client() -> Self {
        Self {
            version: DTLS_1_0,
            next_plaintext: 0,
            handshake: None,
            application: None,
            connection_id: Box::default(),
        }
    }

    pub(crate) fn server() -> Self {
        Self { version: DTLS_1_2, ..Self::client() }
    }

    /// Says that our first record has this sequence number.
    pub(crate) fn start_at(&mut self, sequence_number: u64) {
        self.next_plaintext = sequence_number;
    }

    pub(crate) fn version_is_known(&mut self) {
        self.version = DTLS_1_2;
    }

    /// Addresses the peer with `id` in all protected records.
    pub(crate) fn set_connection_id(&mut self, id: &[u8]) {
        self.connection_id = id.into();
        if let Some(sealer) = &mut self.handshake {
            sealer.set_connection_id(id);
        }
        if let Some(Sealer::Dtls13(sealer)) = &mut self.application {
            sealer.set_connection_id(id);
        }
    }

    /// What the peer wants to be addressed with.
    pub(crate) fn connection_id(&self) -> &[u8] {
        &self.connection_id
    }

    /// Takes the keys of DTLS 1.2 into use.
    pub(crate) fn set_keys_1_2(&mut self, sealer: v12::protection::Sealer) {
        self.application = Some(Sealer::Dtls12(sealer.with_connection_id(&self.connection_id)));
    }

    /// Takes the handshake keys of DTLS 1.3 into use.
    pub(crate) fn set_handshake_keys(&mut self, mut sealer: v13::protection::Sealer) {
        sealer.set_connection_id(&self.connection_id);
        self.handshake = Some(Box::new(sealer));
    }

    /// Forgets the handshake keys: the peer has all that they protected.
    pub(crate) fn drop_handshake_keys(&mut self) {
        self.handshake = None;
    }

    /// Takes application keys of DTLS 1.3 into use, which replace those before.
    pub(crate) fn set_application_keys(&mut self, mut sealer: v13::protection::Sealer) {
        sealer.set_connection_id(&self.connection_id);
        self.application = Some(Sealer::Dtls13(sealer));
    }

    /// The newest epoch that there are keys for.
    pub(crate) fn newest_epoch(&self) -> Epoch {
        match (&self.application, &self.handshake) {
            (Some(sealer), _) => Epoch(sealer.epoch()),
            (None, Some(_)) => Epoch::HANDSHAKE,
            (None, None) => Epoch::PLAINTEXT,
        }
    }

    /// Whether there are keys of a DTLS 1.3 handshake.
    pub(crate) fn has_handshake_keys(&self) -> bool {
        self.handshake.is_some()
    }

    /// How many bytes a record of application data adds to it.
    pub(crate) fn application_overhead(&self) -> usize {
        self.application.as_ref().map_or(0, Sealer::overhead)
    }

    /// Whether application data can be protected.
    pub(crate) fn has_application_keys(&self) -> bool {
        self.application.is_some()
    }

    /// Whether so many records were sealed that it is time for other keys.
    pub(crate) fn needs_update(&self) -> bool {
        matches!(&self.application, Some(Sealer::Dtls13(sealer)) if sealer.needs_update())
    }

    /// Lets the keys be used half up by the next record.
    #[cfg(test)]
    pub(crate) fn wear_out(&mut self) {
        if let Some(Sealer::Dtls13(sealer)) = &mut self.application {
            sealer.wear_out();
        }
    }

    /// Lets the keys have protected all the application data that they may.
    #[cfg(test)]
    pub(crate) fn use_up(&mut self) {
        match &mut self.application {
            Some(Sealer::Dtls12(sealer)) => sealer.use_up(),
            Some(Sealer::Dtls13(sealer)) => sealer.use_up(),
            None => (),
        }
    }

    /// How many bytes a record adds to its contents.
    pub(crate) fn overhead(&self, epoch: Epoch) -> usize {
        match (epoch, &self.handshake, &self.application) {
            (Epoch::PLAINTEXT, ..) => Header::LEN,
            (Epoch::HANDSHAKE, Some(sealer), _) => sealer.overhead(),
            (_, _, Some(sealer)) => sealer.overhead(),
            _ => Header::LEN,
        }
    }

    /// Begins a record of application data.
    pub(crate) fn begin(&mut self, buf: &mut Vec<u8>) -> Option<Open> {
        self.application.as_mut()?.begin(ContentType::ApplicationData, buf)
    }

    /// Closes a record of application data. After an error it is taken off the buffer.
    pub(crate) fn seal(&self, buf: &mut Vec<u8>, open: Open) -> Result<(), SealError> {
        match &self.application {
            Some(sealer) => sealer.seal(buf, open),
            None => {
                buf.truncate(open.start());
                Err(SealError::Closed)
            }
        }
    }

    /// Whether the peer may acknowledge what is sent now: there are no ACKs in DTLS 1.2.
    pub(crate) fn may_be_acknowledged(&self) -> bool {
        !matches!(self.application, Some(Sealer::Dtls12(_)))
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
        // Sealing fails for contents over 16 KiB only, which no datagram of ours has.
        match (epoch, &mut self.handshake, &mut self.application) {
            (Epoch::PLAINTEXT, ..) => self.write_plaintext(content_type, buf, contents),
            (Epoch::HANDSHAKE, Some(sealer), _) => {
                let open = sealer.begin(content_type, buf)?;
                let number = open.number();
                contents(buf);
                sealer.seal(buf, open).ok()?;
                Some(number)
            }
            (_, _, Some(sealer)) if sealer.epoch() == epoch.0 => {
                let open = sealer.begin(content_type, buf)?;
                let number = open.number();
                contents(buf);
                sealer.seal(buf, open).ok()?;
                Some(number)
            }
            _ => None,
        }
    }

    fn write_plaintext(
        &mut self,
        content_type: ContentType,
        buf: &mut Vec<u8>,
        contents: impl FnOnce(&mut Vec<u8>),
    ) -> Option<RecordNumber> {
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
        Some(RecordNumber { epoch: 0, sequence_number })
    }
}
