//! Resets and additions of streams, handed over.

use super::{Asked, Deferred, Open, Reset, Streams};
use crate::chunk::re_config::ResetResult;
use crate::handover::{HandoverError, Reader, Writer};
use crate::tsn::Tsn;
use std::collections::BTreeSet;

impl Reset {
    pub(crate) fn hand_over(&self, out: &mut Writer) {
        out.flag(self.supported);
        out.u32(self.next_request);
        out.u32(self.expected);
        for answer in self.answers {
            out.u32(answer.to_wire());
        }
        out.u16(self.add_outgoing);
        out.u16(self.add_incoming);
        let numbers = |out: &mut Writer, numbers: &[u16]| {
            out.list(numbers.iter(), |out, stream| out.u16(*stream));
        };
        out.option(self.open.as_ref(), |out, open| {
            out.u32(open.sequence);
            match &open.asked {
                Asked::Reset(streams) => {
                    out.u8(0);
                    out.u32(streams.last_assigned_tsn.0);
                    numbers(out, &streams.numbers);
                    numbers(out, &streams.confirmed);
                }
                Asked::AddOutgoing(count) => {
                    out.u8(1);
                    out.u16(*count);
                }
                Asked::AddIncoming(count) => {
                    out.u8(2);
                    out.u16(*count);
                }
            }
        });
        out.option(self.deferred.as_ref(), |out, deferred| {
            out.u32(deferred.sequence);
            out.u32(deferred.last_assigned_tsn.0);
            numbers(out, &deferred.streams);
        });
        for told in [&self.incoming, &self.outgoing] {
            out.list(told.iter(), |out, stream| out.u16(*stream));
        }
    }

    pub(crate) fn resume(from: &mut Reader<'_>) -> Result<Self, HandoverError> {
        let supported = from.flag()?;
        let (next_request, expected) = (Tsn(from.u32()?), Tsn(from.u32()?));
        let mut reset = Self { supported, ..Self::new(next_request, expected) };
        reset.answers = [from.u32()?, from.u32()?].map(ResetResult::from_wire);
        reset.add_outgoing = from.u16()?;
        reset.add_incoming = from.u16()?;
        reset.open = from.option(|from| {
            let sequence = from.u32()?;
            let asked = match from.u8()? {
                0 => Asked::Reset(Streams {
                    last_assigned_tsn: Tsn(from.u32()?),
                    numbers: from.list(Reader::u16)?,
                    confirmed: from.list(Reader::u16)?,
                }),
                1 => Asked::AddOutgoing(from.u16()?),
                2 => Asked::AddIncoming(from.u16()?),
                _ => return Err(HandoverError::Malformed),
            };
            Ok(Box::new(Open { sequence, asked, in_progress: false }))
        })?;
        reset.deferred = from.option(|from| {
            Ok(Box::new(Deferred {
                sequence: from.u32()?,
                last_assigned_tsn: Tsn(from.u32()?),
                streams: from.list(Reader::u16)?,
            }))
        })?;
        reset.incoming = BTreeSet::from_iter(from.list(Reader::u16)?);
        reset.outgoing = BTreeSet::from_iter(from.list(Reader::u16)?);
        Ok(reset)
    }

    /// Whether a request waits for its answer.
    pub(crate) const fn is_open(&self) -> bool {
        self.open.is_some()
    }
}
