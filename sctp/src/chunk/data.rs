//! User data: DATA ([RFC 9260 §3.3.1](https://www.rfc-editor.org/rfc/rfc9260#section-3.3.1)) and
//! I-DATA ([RFC 8260 §2.1](https://www.rfc-editor.org/rfc/rfc8260#section-2.1)), which differ in how
//! a fragment says where it belongs.

use crate::chunk::{Chunk, ChunkType, padded};
use crate::message::Order;
use crate::tsn::Tsn;

/// Which of the two chunks carries user data. An association uses one of them only
/// ([RFC 8260 §2.2.1](https://www.rfc-editor.org/rfc/rfc8260#section-2.2.1)).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Form {
    /// DATA: the fragments of a message have consecutive transmission sequence numbers.
    #[default]
    Data,
    /// I-DATA: fragments are numbered within their message, so that those of several streams may
    /// be interleaved.
    IData,
}

impl Form {
    /// The length of the chunk before its user data.
    pub const fn header_len(self) -> usize {
        match self {
            Self::Data => 16,
            Self::IData => 20,
        }
    }

    /// The bytes that a chunk with so much user data takes in a packet.
    pub(crate) const fn wire_len(self, payload_len: usize) -> usize {
        self.header_len() + padded(payload_len)
    }
}

/// Flag E: the last fragment of a message.
pub const END: u8 = 0x01;
/// Flag B: the first fragment of a message.
pub const BEGIN: u8 = 0x02;
/// Flag U: outside the order of its stream.
pub const UNORDERED: u8 = 0x04;
/// Flag I: the sender wants a SACK at once (RFC 7053).
pub const IMMEDIATE: u8 = 0x08;

/// A view of a DATA or I-DATA chunk.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   Type = 0    |  Res  |I|U|B|E|            Length             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                              TSN                              |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |      Stream Identifier S      |   Stream Sequence Number n    |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                  Payload Protocol Identifier                  |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// \                                                               \
/// /                 User Data (seq n of Stream S)                 /
/// \                                                               \
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
///
/// An I-DATA chunk has the same first bytes, and then:
///
/// ```text
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |      Stream Identifier        |           Reserved            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                      Message Identifier                       |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |    Payload Protocol Identifier / Fragment Sequence Number     |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// \                           User Data                           \
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Data<'a> {
    /// Which chunk it is.
    pub form: Form,
    /// The flags: [`END`], [`BEGIN`], [`UNORDERED`], [`IMMEDIATE`].
    pub flags: u8,
    /// The number of this chunk.
    pub tsn: Tsn,
    /// The stream that the message belongs to.
    pub stream: u16,
    /// The message's place in its stream: the 16 bits of DATA's stream sequence number, which has
    /// no meaning when unordered, or I-DATA's message identifier, where ordered and unordered
    /// messages are counted apart.
    pub message: u32,
    /// What the payload is, for the application; where an I-DATA chunk does not begin a message,
    /// the fragment's number instead.
    pub ppid_or_fsn: u32,
    /// The fragment.
    pub payload: &'a [u8],
}

impl<'a> Data<'a> {
    /// Reads a DATA or I-DATA chunk; `None` when its header is cut off, or it is another chunk. The
    /// payload may be empty: whoever asks then aborts the association (§6.2).
    #[inline]
    pub fn parse(chunk: &Chunk<'a>) -> Option<Self> {
        let (form, message, rest) = match chunk.kind {
            ChunkType::Data => {
                let (header, _) = chunk.value.split_first_chunk::<8>()?;
                let [_, _, _, _, _, _, n0, n1] = *header;
                (Form::Data, u32::from(u16::from_be_bytes([n0, n1])), chunk.value.get(8..)?)
            }
            ChunkType::IData => {
                let (mid, rest) = chunk.value.get(8..)?.split_first_chunk::<4>()?;
                (Form::IData, u32::from_be_bytes(*mid), rest)
            }
            _ => return None,
        };
        let (&[t0, t1, t2, t3, s0, s1, ..], _) = chunk.value.split_first_chunk::<8>()?;
        let (ppid_or_fsn, payload) = rest.split_first_chunk::<4>()?;
        Some(Self {
            form,
            flags: chunk.flags,
            tsn: Tsn(u32::from_be_bytes([t0, t1, t2, t3])),
            stream: u16::from_be_bytes([s0, s1]),
            message,
            ppid_or_fsn: u32::from_be_bytes(*ppid_or_fsn),
            payload,
        })
    }

    /// What the payload is, for the application; `None` when this chunk does not say it.
    pub const fn ppid(&self) -> Option<u32> {
        match self.form {
            Form::IData if !self.is_begin() => None,
            _ => Some(self.ppid_or_fsn),
        }
    }

    /// The number of the fragment in its message; `None` for DATA, which does not count them.
    pub const fn fsn(&self) -> Option<u32> {
        match self.form {
            Form::Data => None,
            // §2.1: "the FSN is implicitly considered to be 0".
            Form::IData if self.is_begin() => Some(0),
            Form::IData => Some(self.ppid_or_fsn),
        }
    }

    /// Whether this is the first fragment of its message.
    pub const fn is_begin(&self) -> bool {
        self.flags & BEGIN != 0
    }

    /// Whether this is the last fragment of its message.
    pub const fn is_end(&self) -> bool {
        self.flags & END != 0
    }

    /// Whether the message keeps its place in its stream.
    pub const fn order(&self) -> Order {
        if self.flags & UNORDERED == 0 { Order::Ordered } else { Order::Unordered }
    }

    /// Whether the sender wants a SACK at once.
    pub const fn is_immediate(&self) -> bool {
        self.flags & IMMEDIATE != 0
    }

    /// Appends the chunk.
    #[inline(always)]
    pub(crate) fn write(&self, buf: &mut Vec<u8>) {
        let len = self.form.header_len() + self.payload.len();
        debug_assert!(len <= usize::from(u16::MAX), "a chunk of {len} bytes of user data");
        let [l0, l1] = u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes();
        let [t0, t1, t2, t3] = self.tsn.0.to_be_bytes();
        let [s0, s1] = self.stream.to_be_bytes();
        let [m0, m1, m2, m3] = self.message.to_be_bytes();
        let [p0, p1, p2, p3] = self.ppid_or_fsn.to_be_bytes();
        match self.form {
            Form::Data => {
                let kind = ChunkType::Data.to_wire();
                buf.extend_from_slice(&[
                    kind, self.flags, l0, l1, t0, t1, t2, t3, s0, s1, m2, m3, p0, p1, p2, p3,
                ]);
            }
            Form::IData => {
                let kind = ChunkType::IData.to_wire();
                buf.extend_from_slice(&[
                    kind, self.flags, l0, l1, t0, t1, t2, t3, s0, s1, 0, 0, m0, m1, m2, m3, p0, p1,
                    p2, p3,
                ]);
            }
        }
        buf.extend_from_slice(self.payload);
        let padding = padded(len) - len;
        if padding > 0 {
            buf.resize(buf.len() + padding, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::Chunks;

    #[test]
    fn both_forms_read_back() {
        for form in [Form::Data, Form::IData] {
            for (len, flags) in [(1, BEGIN), (2, END), (3, 0), (4, UNORDERED), (1159, IMMEDIATE)] {
                let payload = vec![7; len];
                let data = Data {
                    form,
                    flags,
                    tsn: Tsn(0xfffe_fdfc),
                    stream: 65534,
                    message: if form == Form::Data { 65_530 } else { 0x0102_0304 },
                    ppid_or_fsn: 53,
                    payload: &payload,
                };
                let mut buf = Vec::new();
                data.write(&mut buf);
                assert_eq!(buf.len(), form.wire_len(len));
                let chunk = Chunks::new(&buf).next().unwrap();
                let read = Data::parse(&chunk).unwrap();
                assert_eq!((read.form, read.flags, read.tsn), (form, flags, data.tsn));
                assert_eq!((read.stream, read.message), (65534, data.message));
                assert_eq!(read.payload, payload);
                let (begins, interleaved) = (flags == BEGIN, form == Form::IData);
                assert_eq!(read.ppid(), (begins || !interleaved).then_some(53));
                assert_eq!(read.fsn(), interleaved.then_some(if begins { 0 } else { 53 }));
                for cut in 4..form.header_len() {
                    let mut short = buf[..cut].to_vec();
                    short[3] = cut as u8;
                    short[2] = 0;
                    assert!(Data::parse(&Chunks::new(&short).next().unwrap()).is_none());
                }
            }
        }
    }
}
