//! Records as they stand in a datagram, and plaintext ones
//! ([RFC 6347 §4.1](https://www.rfc-editor.org/rfc/rfc6347#section-4.1)).

use std::mem;

/// What a record carries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ContentType {
    ChangeCipherSpec,
    Alert,
    Handshake,
    ApplicationData,
    /// Of DTLS 1.3 ([RFC 9147 §7](https://www.rfc-editor.org/rfc/rfc9147#section-7)).
    Ack,
}

impl ContentType {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::ChangeCipherSpec => 20,
            Self::Alert => 21,
            Self::Handshake => 22,
            Self::ApplicationData => 23,
            Self::Ack => 26,
        }
    }

    pub(crate) const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            20 => Self::ChangeCipherSpec,
            21 => Self::Alert,
            22 => Self::Handshake,
            23 => Self::ApplicationData,
            26 => Self::Ack,
            _ => return None,
        })
    }
}

/// `{254, 255}`: DTLS 1.0, which stands on the first records and in HelloVerifyRequest, before
/// the version is known.
pub(crate) const DTLS_1_0: u16 = 0xfeff;
/// `{254, 253}`, which also stands on records and hellos of DTLS 1.3.
pub(crate) const DTLS_1_2: u16 = 0xfefd;
/// `{254, 252}`, which stands in `supported_versions` only.
pub(crate) const DTLS_1_3: u16 = 0xfefc;

/// The type of a protected record of DTLS 1.2 with a connection id, whose own type is inside
/// ([RFC 9146 §4](https://www.rfc-editor.org/rfc/rfc9146#section-4)).
pub(crate) const TLS12_CID: u8 = 25;

/// The largest plaintext: 2^14 bytes
/// ([RFC 5246 §6.2.1](https://www.rfc-editor.org/rfc/rfc5246#section-6.2.1)).
pub(crate) const MAX_PLAINTEXT: usize = 1 << 14;
/// The longest ciphertext that is looked at
/// ([RFC 5246 §6.2.3](https://www.rfc-editor.org/rfc/rfc5246#section-6.2.3)).
pub(crate) const MAX_CIPHERTEXT_1_2: usize = MAX_PLAINTEXT + 2048;
/// The same in DTLS 1.3 ([RFC 8446 §5.2](https://www.rfc-editor.org/rfc/rfc8446#section-5.2)).
pub(crate) const MAX_CIPHERTEXT_1_3: usize = MAX_PLAINTEXT + 256;

/// The header of a record:
///
/// ```text
///  0      1        3       5                 11       13
/// +------+--------+-------+-----------------+--------+
/// | type | version| epoch | sequence_number | length |
/// +------+--------+-------+-----------------+--------+
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Header {
    pub(crate) content_type: ContentType,
    pub(crate) version: u16,
    pub(crate) epoch: u16,
    /// 48 bits.
    pub(crate) sequence_number: u64,
}

impl Header {
    pub(crate) const LEN: usize = 13;
    const LENGTH_AT: usize = 11;

    /// Writes the header of a record with `length` bytes behind it.
    pub(crate) fn write(self, buf: &mut Vec<u8>, length: u16) {
        buf.push(self.content_type.code());
        buf.extend_from_slice(&self.version.to_be_bytes());
        buf.extend_from_slice(&self.number());
        buf.extend_from_slice(&length.to_be_bytes());
    }

    /// The epoch and the sequence number as one value of eight bytes, as the cipher sees it.
    pub(crate) fn number(self) -> [u8; 8] {
        record_number(self.epoch, self.sequence_number)
    }

    /// Says the length once it is known, in the record that starts at `start`.
    pub(crate) fn set_length(buf: &mut [u8], start: usize, length: u16) {
        let at = start + Self::LENGTH_AT;
        if let Some(field) = buf.get_mut(at..at + 2) {
            field.copy_from_slice(&length.to_be_bytes());
        }
    }
}

/// An epoch and a sequence number as they stand in the header.
pub(crate) fn record_number(epoch: u16, sequence_number: u64) -> [u8; 8] {
    (u64::from(epoch) << 48 | sequence_number & SEQUENCE_NUMBERS).to_be_bytes()
}

/// The largest sequence number.
pub(crate) const SEQUENCE_NUMBERS: u64 = (1 << 48) - 1;

/// Takes the first record off a datagram. `None` is its end, or bytes that are no record of ours,
/// which end it too: their length is not known.
pub(crate) fn split<'d>(datagram: &mut &'d mut [u8]) -> Option<(Header, &'d mut [u8])> {
    let (header, rest) = mem::take(datagram).split_first_chunk_mut::<{ Header::LEN }>()?;
    let &mut [kind, v0, v1, e0, e1, s0, s1, s2, s3, s4, s5, l0, l1] = header;
    let header = Header {
        content_type: ContentType::from_code(kind)?,
        version: u16::from_be_bytes([v0, v1]),
        epoch: u16::from_be_bytes([e0, e1]),
        sequence_number: u64::from_be_bytes([0, 0, s0, s1, s2, s3, s4, s5]),
    };
    let length = u16::from_be_bytes([l0, l1]).into();
    // Any version with the major number of DTLS: it is checked where it matters.
    if v0 != 0xfe || length > rest.len() {
        return None;
    }
    let (body, rest) = rest.split_at_mut(length);
    *datagram = rest;
    Some((header, body))
}

/// A record of DTLS 1.2 with a connection id, which stands before the length.
#[derive(Debug)]
pub(crate) struct Addressed<'d> {
    pub(crate) version: u16,
    pub(crate) epoch: u16,
    pub(crate) sequence_number: u64,
    pub(crate) connection_id: &'d [u8],
    pub(crate) body: &'d mut [u8],
}

impl<'d> Addressed<'d> {
    /// Takes a record whose id has this length off a datagram.
    pub(crate) fn split(datagram: &mut &'d mut [u8], connection_id_len: usize) -> Option<Self> {
        if connection_id_len == 0 {
            return None;
        }
        let (header, rest) = mem::take(datagram).split_first_chunk_mut::<11>()?;
        let &mut [TLS12_CID, v0, v1, e0, e1, s0, s1, s2, s3, s4, s5] = header else { return None };
        let (connection_id, rest) = rest.split_at_mut_checked(connection_id_len)?;
        let (length, rest) = rest.split_first_chunk_mut()?;
        let (body, rest) = rest.split_at_mut_checked(u16::from_be_bytes(*length).into())?;
        *datagram = rest;
        Some(Self {
            version: u16::from_be_bytes([v0, v1]),
            epoch: u16::from_be_bytes([e0, e1]),
            sequence_number: u64::from_be_bytes([0, 0, s0, s1, s2, s3, s4, s5]),
            connection_id,
            body,
        })
    }

    /// Writes what stands before the body, without its length.
    pub(crate) fn write(buf: &mut Vec<u8>, number: [u8; 8], connection_id: &[u8]) {
        buf.push(TLS12_CID);
        buf.extend_from_slice(&DTLS_1_2.to_be_bytes());
        buf.extend_from_slice(&number);
        buf.extend_from_slice(connection_id);
        buf.extend_from_slice(&[0; 2]);
    }

    /// All of it, to keep it.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Header::LEN + self.connection_id.len());
        Self::write(
            &mut bytes,
            record_number(self.epoch, self.sequence_number),
            self.connection_id,
        );
        // As it came: a version that is not DTLS 1.2's is refused later, too.
        if let Some(field) = bytes.get_mut(1..3) {
            field.copy_from_slice(&self.version.to_be_bytes());
        }
        let length = (self.body.len() as u16).to_be_bytes();
        if let Some(field) = bytes.last_chunk_mut() {
            *field = length;
        }
        bytes.extend_from_slice(self.body);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        content_type: ContentType::Handshake,
        version: DTLS_1_2,
        epoch: 1,
        sequence_number: 0x0102_0304_0506,
    };

    #[test]
    fn records_are_read_as_written() {
        let mut buf = Vec::new();
        HEADER.write(&mut buf, 3);
        buf.extend_from_slice(b"abc");
        HEADER.write(&mut buf, 0);
        assert_eq!(buf.len(), 2 * Header::LEN + 3);

        let mut datagram = buf.as_mut_slice();
        assert_eq!(split(&mut datagram), Some((HEADER, &mut b"abc".to_owned()[..])));
        assert_eq!(split(&mut datagram), Some((HEADER, &mut [][..])));
        assert_eq!(split(&mut datagram), None);
    }

    #[test]
    fn what_is_no_record_ends_the_datagram() {
        let mut whole = Vec::new();
        HEADER.write(&mut whole, 1);
        whole.push(0);
        for len in 0..whole.len() {
            assert_eq!(split(&mut &mut whole.clone()[..len]), None, "{len}");
        }
        for (at, value) in [(0, 25), (0, 0x2f), (1, 3)] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            assert_eq!(split(&mut bytes.as_mut_slice()), None);
        }
    }
}
