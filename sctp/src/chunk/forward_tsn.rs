//! FORWARD TSN ([RFC 3758 §3.2](https://www.rfc-editor.org/rfc/rfc3758#section-3.2)) and
//! I-FORWARD-TSN ([RFC 8260 §2.3.1](https://www.rfc-editor.org/rfc/rfc8260#section-2.3.1)).

use crate::chunk::data::Form;
use crate::chunk::{Chunk, ChunkType, begin, end};
use crate::message::Order;
use crate::tsn::Tsn;

/// The length of the chunk without streams.
pub const MIN_LEN: usize = 8;

/// A view of a FORWARD TSN or I-FORWARD-TSN chunk.
///
/// ```text
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |  Type = 192   |  Flags = 0x00 |        Length = Variable      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                      New Cumulative TSN                       |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |         Stream-1              |       Stream Sequence-1       |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// \                                                               \
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
///
/// The streams of an I-FORWARD-TSN (type 194) look like this:
///
/// ```text
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |       Stream Identifier       |          Reserved           |U|
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                       Message Identifier                      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ForwardTsn<'a> {
    /// The receiver counts everything up to this number as received.
    pub new_cumulative_tsn: Tsn,
    /// The form of the user data that is skipped.
    pub form: Form,
    streams: &'a [u8],
}

/// The last message that is skipped in a stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Skipped {
    /// The stream.
    pub stream: u16,
    /// Which of the stream's messages are meant; a FORWARD TSN names ordered ones only.
    pub order: Order,
    /// The stream sequence number, or the message identifier.
    pub message: u32,
}

impl<'a> ForwardTsn<'a> {
    /// Reads a FORWARD TSN or I-FORWARD-TSN chunk; `None` for another one.
    pub fn parse(chunk: &Chunk<'a>) -> Option<Self> {
        let form = match chunk.kind {
            ChunkType::ForwardTsn => Form::Data,
            ChunkType::IForwardTsn => Form::IData,
            _ => return None,
        };
        let (tsn, streams) = chunk.value.split_first_chunk::<4>()?;
        Some(Self { new_cumulative_tsn: Tsn(u32::from_be_bytes(*tsn)), form, streams })
    }

    /// The streams in which messages are skipped.
    pub fn streams(&self) -> impl Iterator<Item = Skipped> + use<'a> {
        let (form, streams) = (self.form, self.streams);
        streams.chunks_exact(entry_len(form)).filter_map(move |entry| {
            let (&[s0, s1, a, b], rest) = entry.split_first_chunk::<4>()?;
            let stream = u16::from_be_bytes([s0, s1]);
            Some(match rest.first_chunk::<4>() {
                None => {
                    let message = u32::from(u16::from_be_bytes([a, b]));
                    Skipped { stream, order: Order::Ordered, message }
                }
                Some(mid) => {
                    let order = if b & 1 == 0 { Order::Ordered } else { Order::Unordered };
                    Skipped { stream, order, message: u32::from_be_bytes(*mid) }
                }
            })
        })
    }
}

/// The bytes that a stream takes in the chunk.
pub(crate) const fn entry_len(form: Form) -> usize {
    match form {
        Form::Data => 4,
        Form::IData => 8,
    }
}

/// Appends the chunk.
pub(crate) fn write(buf: &mut Vec<u8>, form: Form, new_cumulative_tsn: Tsn, streams: &[Skipped]) {
    let kind = match form {
        Form::Data => ChunkType::ForwardTsn,
        Form::IData => ChunkType::IForwardTsn,
    };
    let start = begin(buf, kind, 0);
    buf.extend_from_slice(&new_cumulative_tsn.0.to_be_bytes());
    for Skipped { stream, order, message } in streams {
        buf.extend_from_slice(&stream.to_be_bytes());
        let [_, _, low, lowest] = message.to_be_bytes();
        match form {
            Form::Data => buf.extend_from_slice(&[low, lowest]),
            Form::IData => {
                buf.extend_from_slice(&[0, u8::from(*order == Order::Unordered)]);
                buf.extend_from_slice(&message.to_be_bytes());
            }
        }
    }
    end(buf, start);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::Chunks;

    #[test]
    fn both_forms_read_back() {
        let ordered = Skipped { stream: 1, order: Order::Ordered, message: 2 };
        let last = Skipped { stream: 65535, order: Order::Ordered, message: 65535 };
        let unordered = Skipped { stream: 7, order: Order::Unordered, message: u32::MAX };
        for (form, streams) in
            [(Form::Data, vec![ordered, last]), (Form::IData, vec![ordered, last, unordered])]
        {
            let mut buf = Vec::new();
            write(&mut buf, form, Tsn(3), &streams);
            assert_eq!(buf.len(), MIN_LEN + streams.len() * entry_len(form));
            let chunk = Chunks::new(&buf).next().unwrap();
            let forward = ForwardTsn::parse(&chunk).unwrap();
            assert_eq!((forward.new_cumulative_tsn, forward.form), (Tsn(3), form));
            assert_eq!(forward.streams().collect::<Vec<_>>(), streams);
        }
    }
}
