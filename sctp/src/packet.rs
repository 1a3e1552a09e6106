//! The SCTP packet: a common header, then chunks
//! ([RFC 9260 §3](https://www.rfc-editor.org/rfc/rfc9260#section-3)).

use crate::checksum;
use crate::chunk::Chunks;
use thiserror::Error;

/// The length of the common header in bytes.
pub const HEADER_LEN: usize = 12;

/// A checked view of a packet's common header and the bytes of its chunks.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |      Source Port Number       |    Destination Port Number    |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                       Verification Tag                        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                           Checksum                            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    header: &'a [u8; HEADER_LEN],
    chunks: &'a [u8],
}

/// Why bytes are not an SCTP packet.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ParseError {
    /// The checksum does not match: the packet was damaged.
    #[error("the checksum does not match")]
    Checksum,
    /// There are fewer bytes than the common header has.
    #[error("a packet of {len} bytes has no room for the common header of 12")]
    TooShort {
        /// The number of bytes given.
        len: usize,
    },
}

impl<'a> Packet<'a> {
    /// Reads the common header and verifies the checksum.
    ///
    /// The chunks are checked one by one by [`Packet::chunks`].
    ///
    /// # Errors
    ///
    /// When the header is cut off or the CRC32c is wrong.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let packet = Self::split(bytes)?;
        packet.verify()?;
        Ok(packet)
    }

    /// Reads the common header of a packet that a layer below protects from damage: a checksum of
    /// zero is accepted, whatever it should be
    /// ([RFC 9653 §5.3](https://www.rfc-editor.org/rfc/rfc9653#section-5.3)).
    ///
    /// # Errors
    ///
    /// When the header is cut off, or the CRC32c is neither zero nor right.
    pub fn parse_protected(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let packet = Self::split(bytes)?;
        if packet.checksum() != 0 {
            packet.verify()?;
        }
        Ok(packet)
    }

    fn split(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let (header, chunks) = bytes
            .split_first_chunk::<HEADER_LEN>()
            .ok_or(ParseError::TooShort { len: bytes.len() })?;
        Ok(Self { header, chunks })
    }

    fn verify(&self) -> Result<(), ParseError> {
        let right = self.checksum() == checksum_of(self.header, self.chunks);
        if right { Ok(()) } else { Err(ParseError::Checksum) }
    }

    /// The sender's port.
    pub const fn source_port(&self) -> u16 {
        u16::from_be_bytes([self.header[0], self.header[1]])
    }

    /// The receiver's port.
    pub const fn destination_port(&self) -> u16 {
        u16::from_be_bytes([self.header[2], self.header[3]])
    }

    /// The tag that tells the receiver that the packet belongs to this association.
    pub const fn verification_tag(&self) -> u32 {
        let [_, _, _, _, a, b, c, d, ..] = *self.header;
        u32::from_be_bytes([a, b, c, d])
    }

    /// The CRC32c as it stands in the header: the one little-endian number of the protocol
    /// ([RFC 9260 §A](https://www.rfc-editor.org/rfc/rfc9260#appendix-A)).
    const fn checksum(&self) -> u32 {
        let [.., a, b, c, d] = *self.header;
        u32::from_le_bytes([a, b, c, d])
    }

    /// The chunks, in order. Stops at the first one whose length is impossible.
    pub const fn chunks(&self) -> Chunks<'a> {
        Chunks::new(self.chunks)
    }
}

/// Appends a common header; [`finish`] fills its checksum in.
pub(crate) fn begin(buf: &mut Vec<u8>, source_port: u16, destination_port: u16, tag: u32) {
    let [a, b] = source_port.to_be_bytes();
    let [c, d] = destination_port.to_be_bytes();
    let [e, f, g, h] = tag.to_be_bytes();
    buf.extend_from_slice(&[a, b, c, d, e, f, g, h, 0, 0, 0, 0]);
}

/// Computes the checksum of the packet that begins at `start` and ends with the buffer.
pub(crate) fn finish(buf: &mut [u8], start: usize) {
    let Some((header, chunks)) =
        buf.get_mut(start..).and_then(|packet| packet.split_first_chunk_mut::<HEADER_LEN>())
    else {
        debug_assert!(false, "a packet is finished that was not begun");
        return;
    };
    let sum = checksum_of(header, chunks);
    let [.., a, b, c, d] = header;
    [*a, *b, *c, *d] = sum.to_le_bytes();
}

/// The CRC32c of a packet whose checksum field counts as zero
/// ([RFC 9260 §6.8](https://www.rfc-editor.org/rfc/rfc9260#section-6.8)).
fn checksum_of(header: &[u8; HEADER_LEN], chunks: &[u8]) -> u32 {
    let [a, b, c, d, e, f, g, h, ..] = *header;
    checksum::append(checksum::append(0, &[a, b, c, d, e, f, g, h, 0, 0, 0, 0]), chunks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_packet_reads_back() {
        let mut buf = vec![0xff; 3];
        begin(&mut buf, 5000, 5001, 0x0102_0304);
        buf.extend_from_slice(&[11, 0, 0, 4]);
        finish(&mut buf, 3);
        let packet = Packet::parse(&buf[3..]).unwrap();
        assert_eq!(packet.source_port(), 5000);
        assert_eq!(packet.destination_port(), 5001);
        assert_eq!(packet.verification_tag(), 0x0102_0304);
        assert_eq!(packet.chunks().count(), 1);
    }

    #[test]
    fn a_damaged_packet_is_refused() {
        let mut buf = Vec::new();
        begin(&mut buf, 5000, 5000, 1);
        buf.extend_from_slice(&[11, 0, 0, 4]);
        finish(&mut buf, 0);
        for index in 0..buf.len() {
            let mut damaged = buf.clone();
            damaged[index] ^= 0x10;
            assert_eq!(Packet::parse(&damaged).err(), Some(ParseError::Checksum));
            let protected = Packet::parse_protected(&damaged).err();
            assert_eq!(protected, Some(ParseError::Checksum));
        }
        let mut omitted = buf.clone();
        omitted[8..12].fill(0);
        assert_eq!(Packet::parse(&omitted).err(), Some(ParseError::Checksum));
        assert!(Packet::parse_protected(&omitted).is_ok());
        assert_eq!(Packet::parse(&buf[..11]).err(), Some(ParseError::TooShort { len: 11 }));
    }

    #[test]
    fn zero_may_be_the_right_checksum() {
        // RFC 9653 §3, figure 1.
        let mut packet = vec![0x13, 0x89, 0x13, 0x89];
        packet.extend([0; 8]);
        packet.extend([1, 0, 0, 20, 0xfc, 0xb7, 0x5c, 0xca, 0, 0, 0x05, 0xdc, 0, 1, 0, 1]);
        packet.extend([0; 4]);
        assert!(Packet::parse(&packet).is_ok());
    }

    #[test]
    fn the_checksum_field_counts_as_zero() {
        let mut packet = [0xff; 32];
        let sums = [0, 0xff].map(|field| {
            packet[8..12].fill(field);
            let (header, chunks) = packet.split_first_chunk().unwrap();
            checksum_of(header, chunks)
        });
        packet[8..12].fill(0);
        assert_eq!(sums, [checksum::append(0, &packet); 2]);
    }
}
