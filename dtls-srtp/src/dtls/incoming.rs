//! The keys of the records that come.

use std::mem;
use std::time::{Duration, Instant};

use super::connection_id::Ids;
use super::epoch::Epoch;
use super::record::{Addressed, ContentType, Header};
use super::v13::RecordNumber;
use super::v13::handshake_opener::HandshakeOpener;
use super::v13::key_schedule::TrafficSecret;
use super::v13::record::Ciphertext;
use super::{v12, v13};
use crate::crypto::Crypto;

/// Opens what the peer has protected: at most three epochs at a time, and two of them for long.
#[derive(Default)]
pub(crate) struct Incoming {
    /// The keys of a DTLS 1.3 handshake, until nothing under them can come any more.
    handshake: Option<HandshakeOpener>,
    application: Option<Opener>,
    /// The keys before the peer's newest KeyUpdate, and when that came.
    previous: Option<Box<(v13::protection::Opener, Instant)>>,
    /// What the peer is to address us with.
    ids: Ids,
    /// Whether it has agreed to.
    addressing: bool,
    datagram: Datagram,
    /// The newest record that was opened.
    newest: Option<RecordNumber>,
}

/// What the records of the datagram at hand have told so far.
#[derive(Clone, Copy, Default)]
pub(crate) struct Datagram {
    addressee: Addressee,
    /// Whether the newest record that was opened came with it.
    is_newest: bool,
}

/// Whom a datagram is for, as far as its records have told.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
enum Addressee {
    #[default]
    Unknown,
    /// Us: the records that follow need not repeat it.
    Us,
    /// "If the second or later record has a connection ID which does not correspond to the same
    /// association used for previous records, the rest of the datagram MUST be discarded"
    /// ([RFC 9147 §4](https://www.rfc-editor.org/rfc/rfc9147#section-4)).
    SomebodyElse,
}

/// The keys of application data, once there are any.
enum Opener {
    Dtls12(v12::protection::Opener),
    Dtls13(v13::protection::Opener),
}

/// What a record held.
pub(crate) struct Opened<'d> {
    pub(crate) number: RecordNumber,
    pub(crate) content_type: ContentType,
    pub(crate) plaintext: &'d mut [u8],
}

/// Why a record was not opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Closed {
    /// There are no keys of its epoch.
    NoKeys,
    /// It is not addressed to us.
    Misdirected,
    /// It came before, or is too old to know.
    Replayed,
    /// It was not sealed by the peer.
    Forged,
    /// The peer has sealed what no record may hold.
    Invalid,
    /// The peer has sealed more than a record may hold.
    TooLong,
}

impl Incoming {
    /// How long the keys before a KeyUpdate are kept for what is late: "for up to the default MSL"
    /// ([RFC 9147 §4.2.1](https://www.rfc-editor.org/rfc/rfc9147#section-4.2.1)), or until those
    /// after it are in use.
    const MSL: Duration = Duration::from_secs(120);

    /// Offers an id to be addressed with.
    pub(crate) fn offer_connection_id(&mut self, id: Box<[u8]>) {
        self.ids = Ids::one(id);
    }

    /// What we have offered to be addressed with, or agreed to be.
    pub(crate) fn offered_connection_id(&self) -> &[u8] {
        self.ids.current()
    }

    /// How long the ids are that we have offered or agreed on.
    pub(crate) fn connection_id_len(&self) -> usize {
        self.ids.len()
    }

    /// The peer addresses us with the id that was offered.
    pub(crate) fn expect_connection_id(&mut self) {
        self.addressing = self.ids.len() > 0;
    }

    /// The peer does not address us.
    pub(crate) fn forget_connection_id(&mut self) {
        self.ids = Ids::default();
    }

    /// What the peer addresses us with.
    pub(crate) fn connection_id(&self) -> Option<&[u8]> {
        self.addressing.then(|| self.ids.current())
    }

    /// What the peer may address us with.
    pub(crate) fn connection_ids(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.ids.iter().filter(|_| self.addressing)
    }

    /// Gives the peer more ids: see [`Ids::add`].
    pub(crate) fn add_connection_ids(
        &mut self,
        wanted: u8,
        max: u8,
        fill: impl FnOnce(&mut [u8]) -> bool,
    ) -> usize {
        self.ids.add(wanted, max, fill)
    }

    /// Says that the records to come are of another datagram than those before.
    pub(crate) fn start_datagram(&mut self) {
        self.datagram = Datagram::default();
    }

    /// Says that all records of the datagram at hand were read.
    pub(crate) fn end_datagram(&mut self) {
        if self.handshake.as_ref().is_some_and(HandshakeOpener::is_roused) {
            self.rest_handshake_keys();
        }
    }

    /// Says that the records to come are of an older datagram, which was for us for sure or not,
    /// and gives back what is known of the one at hand.
    pub(crate) fn start_kept(&mut self, is_ours: bool) -> Datagram {
        let addressee = if is_ours { Addressee::Us } else { Addressee::Unknown };
        mem::replace(&mut self.datagram, Datagram { addressee, is_newest: false })
    }

    /// Goes on with the datagram at hand.
    pub(crate) fn resume(&mut self, datagram: Datagram) {
        self.datagram = datagram;
    }

    /// Takes note of the id of a record that cannot be opened yet. Returns whether its datagram is
    /// for us for sure.
    pub(crate) fn see_connection_id(&mut self, connection_id: Option<&[u8]>) -> bool {
        self.is_for_us(connection_id);
        self.datagram.addressee == Addressee::Us
    }

    /// Whether the peer has protected anything that came.
    pub(crate) fn has_opened(&self) -> bool {
        self.newest.is_some()
    }

    /// Whether there are keys of a handshake of DTLS 1.3.
    pub(crate) fn has_handshake_keys(&self) -> bool {
        self.handshake.is_some()
    }

    /// Whether the datagram at hand had a record that is newer than all before it.
    pub(crate) fn is_newest(&self) -> bool {
        self.datagram.is_newest
    }

    /// Whether a record with this id may be opened.
    fn is_for_us(&mut self, connection_id: Option<&[u8]>) -> bool {
        let addressee = match (connection_id, self.datagram.addressee) {
            (_, Addressee::SomebodyElse) => return false,
            (None, Addressee::Us) => return true,
            // A ServerHello that is late may say that there are ids.
            (None, Addressee::Unknown) => return !self.addressing,
            (Some(id), _) => match self.ids.find(id) {
                true => Addressee::Us,
                false => Addressee::SomebodyElse,
            },
        };
        self.datagram.addressee = addressee;
        addressee == Addressee::Us
    }

    /// Takes note of a record that was opened.
    fn note(&mut self, number: RecordNumber) {
        if self.datagram.addressee == Addressee::Us {
            self.ids.note_use();
        }
        if self.newest.is_none_or(|newest| newest < number) {
            (self.newest, self.datagram.is_newest) = (Some(number), true);
        }
    }

    /// Takes the keys of DTLS 1.2 into use.
    pub(crate) fn set_keys_1_2(&mut self, opener: v12::protection::Opener) {
        self.application = Some(Opener::Dtls12(opener));
    }

    /// Takes the handshake keys of DTLS 1.3 into use, which are those of `secret`.
    pub(crate) fn set_handshake_keys(
        &mut self,
        secret: TrafficSecret,
        opener: v13::protection::Opener,
    ) {
        self.handshake = Some(HandshakeOpener::new(secret, opener));
    }

    /// Says that little will come under the handshake keys any more.
    pub(crate) fn rest_handshake_keys(&mut self) {
        self.handshake = self.handshake.take().map(HandshakeOpener::rest);
    }

    /// Forgets the handshake keys.
    pub(crate) fn drop_handshake_keys(&mut self) {
        self.handshake = None;
    }

    /// Takes application keys of DTLS 1.3 into use. Those before are kept for what is late, those
    /// before them are not, nor those of the handshake: whoever updates has seen its end.
    pub(crate) fn set_application_keys(&mut self, now: Instant, opener: v13::protection::Opener) {
        if let Some(Opener::Dtls13(previous)) = self.application.replace(Opener::Dtls13(opener)) {
            self.previous = Some(Box::new((previous, now)));
            self.handshake = None;
        }
    }

    /// Forgets keys that nothing can come under any more. As long as the peer has not used the newer
    /// ones, it may repeat its KeyUpdate under the older: "receivers MUST retain the pre-update keying
    /// material until receipt and successful decryption of a message using the new keys"
    /// ([RFC 9147 §8](https://www.rfc-editor.org/rfc/rfc9147#section-8)).
    pub(crate) fn forget_old(&mut self, now: Instant) {
        let in_use =
            matches!(&self.application, Some(Opener::Dtls13(opener)) if opener.has_opened());
        if in_use && self.previous.as_ref().is_some_and(|previous| now > previous.1 + Self::MSL) {
            self.previous = None;
        }
    }

    /// How many epochs there are keys for.
    pub(crate) fn epochs(&self) -> usize {
        usize::from(self.handshake.is_some())
            + usize::from(self.application.is_some())
            + usize::from(self.previous.is_some())
    }

    /// Whether there are keys that a record of DTLS 1.3 can be sealed with.
    pub(crate) fn has_keys_of(&self, record: &Ciphertext<'_>) -> bool {
        let fits = |opener: &v13::protection::Opener| record.may_be_of(opener.epoch());
        matches!(&self.application, Some(Opener::Dtls13(opener)) if fits(opener))
            || self.previous.as_ref().is_some_and(|previous| fits(&previous.0))
            || self.handshake.is_some() && record.may_be_of(Epoch::HANDSHAKE.0)
    }

    /// The epoch of the newest application keys.
    pub(crate) fn newest_epoch(&self) -> Option<Epoch> {
        match self.application.as_ref()? {
            Opener::Dtls12(_) => Some(Epoch::PROTECTED),
            Opener::Dtls13(opener) => Some(Epoch(opener.epoch())),
        }
    }

    /// Whether so many forgeries came that the peer should use other keys.
    pub(crate) fn needs_update(&self) -> bool {
        matches!(&self.application, Some(Opener::Dtls13(opener)) if opener.needs_update())
    }

    /// Whether so many forgeries came that the keys can be trusted no more.
    pub(crate) fn is_worn_out(&self) -> bool {
        matches!(&self.application, Some(Opener::Dtls13(opener)) if opener.is_worn_out())
    }

    /// Lets so many forgeries have come.
    #[cfg(test)]
    pub(crate) fn wear_out(&mut self, forged: u64) {
        if let Some(Opener::Dtls13(opener)) = &mut self.application {
            opener.wear_out(forged);
        }
    }

    /// Opens a record of DTLS 1.2, in place.
    pub(crate) fn open_1_2<'d>(
        &mut self,
        header: Header,
        body: &'d mut [u8],
    ) -> Result<Opened<'d>, Closed> {
        if !self.is_for_us(None) {
            return Err(Closed::Misdirected);
        }
        let Some(Opener::Dtls12(opener)) = &mut self.application else {
            return Err(Closed::NoKeys);
        };
        let plaintext = opener.open(header, body)?;
        let (epoch, sequence_number) = (Epoch::PROTECTED.0, header.sequence_number);
        let number = RecordNumber { epoch, sequence_number };
        self.note(number);
        Ok(Opened { number, content_type: header.content_type, plaintext })
    }

    /// Opens a record of DTLS 1.2 with a connection id, in place.
    pub(crate) fn open_addressed<'d>(
        &mut self,
        record: Addressed<'d>,
    ) -> Result<Opened<'d>, Closed> {
        if !self.is_for_us(Some(record.connection_id)) {
            return Err(Closed::Misdirected);
        }
        let Some(Opener::Dtls12(opener)) = &mut self.application else {
            return Err(Closed::NoKeys);
        };
        let (epoch, sequence_number) = (Epoch::PROTECTED.0, record.sequence_number);
        let (content_type, plaintext) = opener.open_addressed(record)?;
        let number = RecordNumber { epoch, sequence_number };
        self.note(number);
        Ok(Opened { number, content_type, plaintext })
    }

    /// Opens a record of DTLS 1.3, in place: with the newest keys whose epoch it can be of.
    pub(crate) fn open_1_3<'d>(
        &mut self,
        record: Ciphertext<'d>,
        crypto: &Crypto,
    ) -> Result<Opened<'d>, Closed> {
        if !self.is_for_us(record.connection_id()) {
            return Err(Closed::Misdirected);
        }
        let application = match &mut self.application {
            Some(Opener::Dtls13(opener)) => Some(opener),
            _ => None,
        };
        let previous = self.previous.as_mut().map(|previous| &mut previous.0);
        let opener = [application, previous]
            .into_iter()
            .flatten()
            .find(|opener| record.may_be_of(opener.epoch()));
        let opened = match (opener, &mut self.handshake) {
            (Some(opener), _) => opener.open(record),
            (None, Some(handshake)) if record.may_be_of(Epoch::HANDSHAKE.0) => {
                handshake.open(record, crypto).ok_or(Closed::NoKeys)?
            }
            _ => return Err(Closed::NoKeys),
        };
        let v13::protection::Opened { number, content_type, plaintext } = opened?;
        self.note(number);
        Ok(Opened { number, content_type, plaintext })
    }
}

impl From<v12::protection::OpenError> for Closed {
    fn from(error: v12::protection::OpenError) -> Self {
        match error {
            v12::protection::OpenError::Replayed => Self::Replayed,
            v12::protection::OpenError::Forged => Self::Forged,
            v12::protection::OpenError::TooLong => Self::TooLong,
        }
    }
}

impl From<v13::protection::OpenError> for Closed {
    fn from(error: v13::protection::OpenError) -> Self {
        match error {
            v13::protection::OpenError::Replayed => Self::Replayed,
            v13::protection::OpenError::Forged => Self::Forged,
            v13::protection::OpenError::Invalid => Self::Invalid,
            v13::protection::OpenError::TooLong => Self::TooLong,
        }
    }
}
