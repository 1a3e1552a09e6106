//! The parsers of DTLS by themselves, for fuzz targets that hold them against models of their own.

use super::Role;
use super::codec::Reader;
use super::epoch::Epoch;
use super::message::hello::{ClientHello, ServerHello, parse_hello_verify_request};
use super::message::post_handshake::{
    NewConnectionId, check_new_session_ticket, parse_request_connection_id,
};
use super::message::{
    Fragment, authentication, certificate, encrypted_extensions::EncryptedExtensions,
    post_handshake::KeyUpdate,
};
use super::reassembly::{self, Inbox};
use super::v13::{ack, record};

/// The form of a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// In the clear, or of DTLS 1.2.
    Plaintext,
    /// Of DTLS 1.2, with a connection id.
    Addressed,
    /// Of DTLS 1.3.
    Ciphertext,
}

/// A record that was taken off a datagram.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// Its form.
    pub form: Form,
    /// The epoch, of a ciphertext its low two bits.
    pub epoch: u16,
    /// Of all but ciphertexts, whose number is encrypted.
    pub sequence_number: Option<u64>,
    /// Empty where there is none.
    pub connection_id: Vec<u8>,
    /// All of it, as it is kept to be read again.
    pub kept: Vec<u8>,
    /// How many bytes are behind it.
    pub rest: usize,
}

/// Takes the records off a datagram until its end, or until something is no record.
pub fn records(mut datagram: &mut [u8], connection_id_len: usize) -> Vec<Record> {
    let mut records = Vec::new();
    while let Some(record) = record::split(&mut datagram, connection_id_len) {
        let rest = datagram.len();
        records.push(match record {
            record::Record::Plaintext(header, body) => {
                let mut kept = Vec::new();
                header.write(&mut kept, body.len() as u16);
                kept.extend_from_slice(body);
                Record {
                    form: Form::Plaintext,
                    epoch: header.epoch,
                    sequence_number: Some(header.sequence_number),
                    connection_id: Vec::new(),
                    kept,
                    rest,
                }
            }
            record::Record::Addressed(record) => Record {
                form: Form::Addressed,
                epoch: record.epoch,
                sequence_number: Some(record.sequence_number),
                connection_id: record.connection_id.to_vec(),
                kept: record.bytes(),
                rest,
            },
            record::Record::Ciphertext(record) => Record {
                form: Form::Ciphertext,
                epoch: record.epoch_bits().into(),
                sequence_number: None,
                connection_id: record.connection_id().unwrap_or_default().to_vec(),
                kept: record.bytes().to_vec(),
                rest,
            },
        });
    }
    records
}

/// Returns the sequence number that ends in the low `bits` bits as `low` does and is closest to
/// `expected`.
pub fn reconstruct(expected: u64, low: u64, bits: u32) -> u64 {
    record::reconstruct(expected, low, bits)
}

/// What became of a fragment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Inserted {
    /// It brought something new.
    Kept,
    /// It brought nothing new.
    Known,
    /// It is a part of a flight that was answered.
    Answered,
    /// It contradicts what came before, or is beyond a bound.
    Dropped,
    /// Its message is longer than one may be, and it is authentic.
    TooLong,
    /// It is no fragment.
    Malformed,
}

/// What puts messages together.
#[expect(missing_debug_implementations, reason = "it is for fuzz targets only")]
pub struct Reassembly(Inbox);

impl Reassembly {
    /// Makes one of a client that keeps at most `max_bytes`.
    pub fn new(max_bytes: usize) -> Self {
        Self(Inbox::new(Role::Client, max_bytes))
    }

    /// Takes the first fragment of a record that came in an epoch.
    pub fn insert(&mut self, epoch: u64, record: &[u8]) -> Inserted {
        let Ok(fragment) = Fragment::read(&mut Reader(record)) else { return Inserted::Malformed };
        match self.0.insert(Epoch(epoch), fragment) {
            reassembly::Inserted::Kept => Inserted::Kept,
            reassembly::Inserted::Known => Inserted::Known,
            reassembly::Inserted::Answered => Inserted::Answered,
            reassembly::Inserted::Dropped => Inserted::Dropped,
            reassembly::Inserted::TooLong => Inserted::TooLong,
        }
    }

    /// Takes a record that is the next message and nothing else, and returns its body.
    pub fn take_whole(&mut self, epoch: u64, record: &[u8]) -> Option<Vec<u8>> {
        self.0.take_whole(Epoch(epoch), record).map(|message| message.body.to_vec())
    }

    /// Takes out the next message with its header, if all of it is here.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        self.0.take().map(|complete| complete.message().bytes.to_vec())
    }

    /// Says that all that was taken is answered.
    pub fn answered(&mut self) {
        self.0.answered();
    }

    /// Returns how many bytes are kept.
    pub fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// Returns whether something is missing before something that came.
    pub fn has_gap(&self) -> bool {
        self.0.has_gap()
    }
}

/// A message that bytes were taken for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reading {
    /// What it is.
    pub name: &'static str,
    /// What was read, written again, where all of it is read.
    pub written: Option<Vec<u8>>,
}

/// Reads bytes as the body of each message that we know, and returns those that they can be.
pub fn messages(body: &[u8]) -> Vec<Reading> {
    let mut readings = Vec::new();
    let mut add = |name, written| readings.push(Reading { name, written });
    let written = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut buf = Vec::new();
        write(&mut buf);
        Some(buf)
    };
    if let Ok(hello) = ClientHello::parse(body) {
        let _ = (hello.offers_dtls_1_2(), hello.offers_dtls_1_3(), hello.offer_1_3());
        add("ClientHello", None);
    }
    if let Ok(hello) = ServerHello::parse(body) {
        let _ = (hello.selected_version(), hello.is_downgraded(), hello.answer_1_3());
        add("ServerHello", None);
    }
    if parse_hello_verify_request(body).is_ok() {
        add("HelloVerifyRequest", None);
    }
    if EncryptedExtensions::parse(body).is_ok() {
        add("EncryptedExtensions", None);
    }
    if authentication::parse_certificate(body).is_ok() {
        add("Certificate of DTLS 1.2", None);
    }
    if certificate::parse_certificate(body).is_ok() {
        add("Certificate of DTLS 1.3", None);
    }
    if authentication::parse_certificate_request(body).is_ok() {
        add("CertificateRequest of DTLS 1.2", None);
    }
    if certificate::parse_request(body).is_ok() {
        add("CertificateRequest of DTLS 1.3", None);
    }
    if authentication::ServerKeyExchange::parse(body).is_ok() {
        add("ServerKeyExchange", None);
    }
    if let Ok(key) = authentication::parse_client_key_exchange(body) {
        let write = |buf: &mut Vec<u8>| authentication::write_client_key_exchange(buf, key);
        add("ClientKeyExchange", written(&write));
    }
    if let Ok(signed) = authentication::Signed::parse(body) {
        add("CertificateVerify", written(&|buf| signed.write(buf)));
    }
    if let Ok(update) = KeyUpdate::parse(body) {
        add("KeyUpdate", written(&|buf| update.write(buf)));
    }
    if let Ok(new) = NewConnectionId::parse(body) {
        let write = |buf: &mut Vec<u8>| NewConnectionId::write(buf, new.ids(), new.usage);
        add("NewConnectionId", written(&write));
    }
    if let Ok(count) = parse_request_connection_id(body) {
        add("RequestConnectionId", Some(vec![count]));
    }
    if check_new_session_ticket(body).is_ok() {
        add("NewSessionTicket", None);
    }
    if let Ok(numbers) = ack::parse(body) {
        let numbers: Vec<_> = numbers.collect();
        add("ACK", written(&|buf| ack::write(buf, numbers.iter().copied())));
    }
    readings
}
