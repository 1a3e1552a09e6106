//! Records of DTLS 1.3 as they stand in a datagram
//! ([RFC 9147 §4](https://www.rfc-editor.org/rfc/rfc9147#section-4)).

use std::fmt;
use std::mem;

use crate::dtls::record::{self, Addressed, Header, TLS12_CID};

/// The first byte of a unified header:
///
/// ```text
///  0 1 2 3 4 5 6 7
/// +-+-+-+-+-+-+-+-+
/// |0|0|1|C|S|L|E E|
/// +-+-+-+-+-+-+-+-+
/// ```
pub(super) mod first_byte {
    pub(in crate::dtls::v13) const FIXED: u8 = 0b0010_0000;
    pub(in crate::dtls::v13) const FIXED_MASK: u8 = 0b1110_0000;
    pub(in crate::dtls::v13) const CONNECTION_ID: u8 = 0b0001_0000;
    pub(in crate::dtls::v13) const LONG_SEQUENCE_NUMBER: u8 = 0b0000_1000;
    pub(in crate::dtls::v13) const LENGTH: u8 = 0b0000_0100;
    pub(in crate::dtls::v13) const EPOCH: u8 = 0b0000_0011;
}

/// A record of either form.
#[derive(Debug)]
pub(crate) enum Record<'d> {
    /// DTLSPlaintext, or a record of DTLS 1.2.
    Plaintext(Header, &'d mut [u8]),
    /// A record of DTLS 1.2 with a connection id.
    Addressed(Addressed<'d>),
    /// DTLSCiphertext.
    Ciphertext(Ciphertext<'d>),
}

/// A protected record.
pub(crate) struct Ciphertext<'d> {
    /// Header and encrypted record.
    pub(super) bytes: &'d mut [u8],
    connection_id_len: usize,
    pub(super) sequence_number_len: usize,
    pub(super) header_len: usize,
}

/// Takes the first record off a datagram. `None` is its end, or bytes that are no record, which
/// end it too: their length is not known.
///
/// `connection_id_len` is how long the ids are that the peer addresses us with; a record with an
/// id is no record when it is zero: "If no CID is negotiated, then the receiver MUST reject any
/// records it receives that contain a CID" (§9).
pub(crate) fn split<'d>(
    datagram: &mut &'d mut [u8],
    connection_id_len: usize,
) -> Option<Record<'d>> {
    if *datagram.first()? == TLS12_CID {
        return Addressed::split(datagram, connection_id_len).map(Record::Addressed);
    }
    if *datagram.first()? & first_byte::FIXED_MASK != first_byte::FIXED {
        return record::split(datagram).map(|(header, body)| Record::Plaintext(header, body));
    }
    let (ciphertext, rest) = Ciphertext::split(mem::take(datagram), connection_id_len)?;
    *datagram = rest;
    Some(Record::Ciphertext(ciphertext))
}

/// Whether a record that begins with this byte is a DTLSCiphertext with a connection id.
pub(crate) fn has_connection_id(first: u8) -> bool {
    const MASK: u8 = first_byte::FIXED_MASK | first_byte::CONNECTION_ID;
    first & MASK == first_byte::FIXED | first_byte::CONNECTION_ID
}

impl<'d> Ciphertext<'d> {
    /// Takes the record that `bytes` begin with, and gives back what is behind it.
    fn split(bytes: &'d mut [u8], connection_id_len: usize) -> Option<(Self, &'d mut [u8])> {
        let first = *bytes.first()?;
        let connection_id_len = match first & first_byte::CONNECTION_ID {
            0 => 0,
            _ if connection_id_len == 0 => return None,
            _ => connection_id_len,
        };
        let sequence_number_len = if first & first_byte::LONG_SEQUENCE_NUMBER == 0 { 1 } else { 2 };
        let length_at = 1 + connection_id_len + sequence_number_len;
        let (header_len, len) = if first & first_byte::LENGTH == 0 {
            (length_at, bytes.len())
        } else {
            let length = *bytes.get(length_at..)?.first_chunk()?;
            (length_at + 2, length_at + 2 + usize::from(u16::from_be_bytes(length)))
        };
        let (bytes, rest) = bytes.split_at_mut_checked(len)?;
        if bytes.len() < header_len {
            return None;
        }
        Some((Self { bytes, connection_id_len, sequence_number_len, header_len }, rest))
    }

    /// The low two bits of the epoch.
    pub(crate) fn epoch_bits(&self) -> u8 {
        self.bytes.first().map_or(0, |first| first & first_byte::EPOCH)
    }

    /// Whether those are of `epoch`.
    pub(crate) fn may_be_of(&self, epoch: u64) -> bool {
        u64::from(self.epoch_bits()) == epoch & u64::from(first_byte::EPOCH)
    }

    /// The id that the peer addresses us with.
    pub(crate) fn connection_id(&self) -> Option<&[u8]> {
        self.bytes.get(1..1 + self.connection_id_len).filter(|id| !id.is_empty())
    }

    /// All of it, as it came: to keep it until its keys are there.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes
    }

    /// Where the sequence number stands, behind the first byte and the connection id.
    pub(super) fn sequence_number_at(&self) -> usize {
        1 + self.connection_id_len
    }
}

impl fmt::Debug for Ciphertext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ciphertext")
            .field("epoch_bits", &self.epoch_bits())
            .field("connection_id", &self.connection_id())
            .field("length", &(self.bytes.len() - self.header_len))
            .finish()
    }
}

/// The number that ends in the low `bits` bits as `low` does, and is closest to `expected`
/// ([RFC 9147 §4.2.2](https://www.rfc-editor.org/rfc/rfc9147#section-4.2.2)), which is "one plus
/// the sequence number of the highest successfully deprotected record".
pub(crate) fn reconstruct(expected: u64, low: u64, bits: u32) -> u64 {
    let span = 1 << bits;
    let near = expected & !(span - 1) | low;
    // Half a span off at most, if there is such a number.
    if near + span / 2 < expected {
        near.checked_add(span).unwrap_or(near)
    } else if near > expected + span / 2 {
        near.checked_sub(span).unwrap_or(near)
    } else {
        near
    }
}

#[cfg(test)]
mod tests;
