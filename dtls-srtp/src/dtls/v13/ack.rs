//! The ACK message ([RFC 9147 §7](https://www.rfc-editor.org/rfc/rfc9147#section-7)), a content
//! type of its own.

use super::RecordNumber;
use crate::dtls::codec::{Malformed, Reader, Write};

/// How many bytes a record number takes.
pub(crate) const RECORD_NUMBER_LEN: usize = 16;

/// Reads which records the peer has. As many as a record holds, in whatever order it likes.
pub(crate) fn parse(
    body: &[u8],
) -> Result<impl Iterator<Item = RecordNumber> + use<'_>, Malformed> {
    let mut reader = Reader(body);
    let (numbers, rest) = reader.vec16()?.as_chunks::<RECORD_NUMBER_LEN>();
    reader.end()?;
    if !rest.is_empty() {
        return Err(Malformed);
    }
    Ok(numbers.iter().map(|number| {
        let number = u128::from_be_bytes(*number);
        RecordNumber { epoch: (number >> 64) as u64, sequence_number: number as u64 }
    }))
}

/// Appends an ACK of `numbers`, which "MUST be in numerically increasing order".
pub(crate) fn write(buf: &mut Vec<u8>, numbers: impl Iterator<Item = RecordNumber>) {
    buf.vector::<2>(|buf| {
        for number in numbers {
            buf.bytes(&number.epoch.to_be_bytes());
            buf.bytes(&number.sequence_number.to_be_bytes());
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(epoch: u64, sequence_number: u64) -> RecordNumber {
        RecordNumber { epoch, sequence_number }
    }

    #[test]
    fn record_numbers_are_read_as_written() {
        let numbers = [number(0, 1), number(2, u64::MAX), number(u64::MAX, 0)];
        let mut buf = Vec::new();
        write(&mut buf, numbers.into_iter());
        assert_eq!(buf.len(), 2 + 3 * RECORD_NUMBER_LEN);
        assert_eq!(parse(&buf).unwrap().collect::<Vec<_>>(), numbers);

        let mut empty = Vec::new();
        write(&mut empty, [].into_iter());
        assert_eq!(empty, [0, 0]);
        assert_eq!(parse(&empty).unwrap().count(), 0);
    }

    #[test]
    fn what_is_no_list_of_record_numbers_is_malformed() {
        let mut buf = Vec::new();
        write(&mut buf, [number(2, 0), number(2, 1)].into_iter());
        for len in 0..buf.len() {
            assert!(parse(&buf[..len]).is_err(), "{len}");
        }
        assert!(parse(&[&buf[..], &[0]].concat()).is_err());
        assert!(parse(&[&[0, 15][..], &[0; 15]].concat()).is_err());
    }
}
