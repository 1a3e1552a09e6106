//! Chunks, the units of information in a packet
//! ([RFC 9260 §3.2](https://www.rfc-editor.org/rfc/rfc9260#section-3.2)): one file for each kind.
//!
//! Each is a view that is checked once, in its `parse`, and a `write` that appends the chunk to
//! the packet that is being made.

pub mod abort;
pub mod cookie_echo;
pub mod data;
pub mod error_cause;
pub mod forward_tsn;
pub mod heartbeat;
pub mod init;
pub mod parameter;
pub mod re_config;
pub mod sack;
pub mod shutdown;

/// The length of a chunk's header: type, flags and length.
pub const HEADER_LEN: usize = 4;

/// The kind of a chunk ([RFC 9260 §3.2](https://www.rfc-editor.org/rfc/rfc9260#section-3.2) and
/// IANA's registry "Chunk Types").
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ChunkType {
    /// User data (0).
    Data,
    /// Begins an association (1).
    Init,
    /// Answers [`ChunkType::Init`] (2).
    InitAck,
    /// Acknowledges data (3).
    Sack,
    /// Asks whether the peer is there (4).
    Heartbeat,
    /// Answers [`ChunkType::Heartbeat`] (5).
    HeartbeatAck,
    /// Ends the association at once (6).
    Abort,
    /// Ends the association when all data is acknowledged (7).
    Shutdown,
    /// Answers [`ChunkType::Shutdown`] (8).
    ShutdownAck,
    /// Reports something that does not end the association (9).
    Error,
    /// Gives the state cookie back (10).
    CookieEcho,
    /// The association is up (11).
    CookieAck,
    /// Closes the shutdown (14).
    ShutdownComplete,
    /// User data whose fragments may be interleaved (64, RFC 8260).
    IData,
    /// Resets and adds streams (130, RFC 6525).
    ReConfig,
    /// Filler (132, RFC 4820).
    Pad,
    /// Skips abandoned data (192, RFC 3758).
    ForwardTsn,
    /// Skips abandoned data of interleaved messages (194, RFC 8260).
    IForwardTsn,
    /// Any other.
    Unknown(u8),
}

impl ChunkType {
    /// The kind with this number.
    pub const fn from_wire(value: u8) -> Self {
        match value {
            0 => Self::Data,
            1 => Self::Init,
            2 => Self::InitAck,
            3 => Self::Sack,
            4 => Self::Heartbeat,
            5 => Self::HeartbeatAck,
            6 => Self::Abort,
            7 => Self::Shutdown,
            8 => Self::ShutdownAck,
            9 => Self::Error,
            10 => Self::CookieEcho,
            11 => Self::CookieAck,
            14 => Self::ShutdownComplete,
            64 => Self::IData,
            130 => Self::ReConfig,
            132 => Self::Pad,
            192 => Self::ForwardTsn,
            194 => Self::IForwardTsn,
            other => Self::Unknown(other),
        }
    }

    /// The number of this kind.
    pub const fn to_wire(self) -> u8 {
        match self {
            Self::Data => 0,
            Self::Init => 1,
            Self::InitAck => 2,
            Self::Sack => 3,
            Self::Heartbeat => 4,
            Self::HeartbeatAck => 5,
            Self::Abort => 6,
            Self::Shutdown => 7,
            Self::ShutdownAck => 8,
            Self::Error => 9,
            Self::CookieEcho => 10,
            Self::CookieAck => 11,
            Self::ShutdownComplete => 14,
            Self::IData => 64,
            Self::ReConfig => 130,
            Self::Pad => 132,
            Self::ForwardTsn => 192,
            Self::IForwardTsn => 194,
            Self::Unknown(value) => value,
        }
    }
}

/// What to do with a type that is not known: its two highest bits say it, for chunks
/// ([RFC 9260 §3.2](https://www.rfc-editor.org/rfc/rfc9260#section-3.2)) as for parameters (§3.2.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct IfUnknown {
    /// The rest is processed; otherwise processing stops here.
    pub skip: bool,
    /// The peer is told.
    pub report: bool,
}

impl IfUnknown {
    /// Reads the two highest bits of the first byte of a type.
    pub const fn from_high_bits(byte: u8) -> Self {
        Self { skip: byte & 0x80 != 0, report: byte & 0x40 != 0 }
    }
}

/// One chunk, undecoded.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    /// The kind.
    pub kind: ChunkType,
    /// The flags, whose meaning depends on the kind.
    pub flags: u8,
    /// What follows the chunk header, without padding.
    pub value: &'a [u8],
    /// The chunk with its header, without padding.
    pub whole: &'a [u8],
}

/// The chunks of a packet.
#[derive(Clone, Debug)]
pub struct Chunks<'a> {
    rest: &'a [u8],
}

impl<'a> Chunks<'a> {
    /// The chunks in `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Chunk<'a>;

    #[inline]
    fn next(&mut self) -> Option<Chunk<'a>> {
        let &[kind, flags, high, low] = self.rest.first_chunk::<HEADER_LEN>()?;
        let len = usize::from(u16::from_be_bytes([high, low]));
        let whole = self.rest.get(..len)?;
        let value = whole.get(HEADER_LEN..)?;
        // The last chunk's padding may be missing: it is not part of the chunk.
        self.rest = self.rest.get(padded(len)..).unwrap_or_default();
        Some(Chunk { kind: ChunkType::from_wire(kind), flags, value, whole })
    }
}

/// `len` rounded up to the next multiple of four.
pub(crate) const fn padded(len: usize) -> usize {
    (len + 3) & !3
}

/// Appends a chunk or parameter header with a length to be filled in by [`end`]; gives where it
/// starts.
pub(crate) fn begin(buf: &mut Vec<u8>, kind: ChunkType, flags: u8) -> usize {
    let start = buf.len();
    buf.extend_from_slice(&[kind.to_wire(), flags, 0, 0]);
    start
}

/// Fills in the length of what began at `start`, and pads it to four bytes.
pub(crate) fn end(buf: &mut Vec<u8>, start: usize) {
    let len = buf.len() - start;
    debug_assert!(len <= usize::from(u16::MAX), "a chunk of {len} bytes");
    let [high, low] = u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes();
    if let Some([_, _, a, b]) =
        buf.get_mut(start..).and_then(|chunk| chunk.first_chunk_mut::<HEADER_LEN>())
    {
        [*a, *b] = [high, low];
    }
    buf.resize(start + padded(len), 0);
}

/// Appends a chunk that has no value.
pub(crate) fn write_empty(buf: &mut Vec<u8>, kind: ChunkType, flags: u8) {
    buf.extend_from_slice(&[kind.to_wire(), flags, 0, 4]);
}

/// Reads a big-endian `u32` at `offset`.
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let value = bytes.get(offset..)?.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*value))
}

/// Reads a big-endian `u16` at `offset`.
pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    let value = bytes.get(offset..)?.first_chunk::<2>()?;
    Some(u16::from_be_bytes(*value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_survive_the_wire() {
        for value in 0..=u8::MAX {
            assert_eq!(ChunkType::from_wire(value).to_wire(), value);
        }
    }

    #[test]
    fn iteration_stops_at_an_impossible_length() {
        // A length of 3 is shorter than the header itself; one of 9 is longer than what is there.
        for len in [0, 3, 9] {
            let bytes = [11, 0, 0, 4, 11, 0, 0, len, 0, 0, 0, 0];
            assert_eq!(Chunks::new(&bytes).count(), 1, "length {len}");
        }
    }

    #[test]
    fn the_last_padding_may_be_missing() {
        let bytes = [4, 0, 0, 5, 7, 0, 0, 0, 5, 0, 0, 6, 1, 2];
        let chunks: Vec<_> = Chunks::new(&bytes).map(|chunk| chunk.value.to_vec()).collect();
        assert_eq!(chunks, [vec![7], vec![1, 2]]);
    }

    #[test]
    fn unknown_types_say_what_to_do() {
        let what = |byte| {
            let IfUnknown { skip, report } = IfUnknown::from_high_bits(byte);
            (skip, report)
        };
        assert_eq!(what(0x3f), (false, false));
        assert_eq!(what(0x7f), (false, true));
        assert_eq!(what(0xbf), (true, false));
        assert_eq!(what(0xff), (true, true));
    }
}
