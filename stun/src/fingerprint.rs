//! FINGERPRINT: a CRC-32 that tells STUN from what only looks like it
//! ([RFC 8489 §14.7](https://www.rfc-editor.org/rfc/rfc8489#section-14.7)).

/// What a message's FINGERPRINT says, from
/// [`Message::check_fingerprint`](crate::Message::check_fingerprint).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fingerprint {
    /// There is none.
    Absent,
    /// It is that of the message.
    Valid,
    /// It is not: the bytes were damaged, or are another protocol's.
    Wrong,
}

/// "STUN" in ASCII: a CRC-32 of the application's own must not pass for ours.
const XOR: u32 = 0x5354_554e;

/// Computes the attribute's value over the pieces of a message that precede it.
pub(crate) fn compute(pieces: &[&[u8]]) -> u32 {
    let crc = pieces.iter().fold(u32::MAX, |crc, piece| update(crc, piece));
    !crc ^ XOR
}

/// Computes the CRC-32 of ITU V.42, by which
/// [what rides in a check](crate::AttributeType::MetaDtlsInStun) is acknowledged.
///
/// ```
/// assert_eq!(peerless_stun::crc32(b"123456789"), 0xcbf4_3926);
/// ```
pub fn crc32(bytes: &[u8]) -> u32 {
    !update(u32::MAX, bytes)
}

/// Takes `bytes` into a CRC-32 of ITU V.42, four at a time.
fn update(crc: u32, bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks::<4>();
    let crc = words.iter().fold(crc, |crc, word| {
        let [a, b, c, d] = (crc ^ u32::from_le_bytes(*word)).to_le_bytes();
        step(3, a) ^ step(2, b) ^ step(1, c) ^ step(0, d)
    });
    rest.iter().fold(crc, |crc, byte| {
        let [low, ..] = crc.to_le_bytes();
        (crc >> 8) ^ step(0, low ^ byte)
    })
}

/// What `byte` does to the remainder after `zeros` more bytes of zero.
#[expect(clippy::indexing_slicing, reason = "a byte is an index of a table of 256")]
const fn step(zeros: usize, byte: u8) -> u32 {
    TABLES[zeros][byte as usize]
}

static TABLES: [[u32; 256]; 4] = tables();

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which checks it")]
const fn tables() -> [[u32; 256]; 4] {
    /// The polynomial of ITU V.42, reflected.
    const POLYNOMIAL: u32 = 0xedb8_8320;

    let mut tables = [[0; 256]; 4];
    let mut byte = 0;
    while byte < 256 {
        let mut remainder = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            remainder = (remainder >> 1) ^ if remainder & 1 == 1 { POLYNOMIAL } else { 0 };
            bit += 1;
        }
        tables[0][byte] = remainder;
        byte += 1;
    }
    let mut byte = 0;
    while byte < 256 {
        let mut zeros = 1;
        while zeros < 4 {
            let before = tables[zeros - 1][byte];
            tables[zeros][byte] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            zeros += 1;
        }
        byte += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_crc_32_is_met() {
        assert_eq!(compute(&[b"123456789"]) ^ XOR, 0xcbf4_3926);
    }

    #[test]
    fn pieces_give_what_the_whole_gives() {
        let bytes: Vec<u8> = (0..=255).collect();
        let whole = compute(&[&bytes]);
        for cut in 0..bytes.len() {
            let (left, right) = bytes.split_at(cut);
            assert_eq!(compute(&[left, right]), whole);
        }
    }
}
