//! Resets and additions of streams, handed over.

use super::{Asked, Deferred, MAX_STREAMS, Open, Reset, Streams};
use crate::chunk::re_config::ResetResult;
use crate::handover::{HandoverError, Reader, Writer, check};
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
        out.flag(self.added);
        out.flag(self.refused);
    }

    pub(crate) fn resume(
        from: &mut Reader<'_>,
        inbound_streams: u16,
    ) -> Result<Self, HandoverError> {
        let supported = from.flag()?;
        let (next_request, expected) = (Tsn(from.u32()?), Tsn(from.u32()?));
        let mut reset = Self { supported, ..Self::new(next_request, expected) };
        reset.answers = [from.u32()?, from.u32()?].map(ResetResult::from_wire);
        reset.add_outgoing = from.u16()?;
        reset.add_incoming = from.u16()?;
        reset.open = from.option(|from| {
            let sequence = from.u32()?;
            let asked = match from.u8()? {
                0 => Asked::Reset(Streams::resume(from)?),
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
        reset.added = from.flag()?;
        reset.refused = from.flag()?;
        // A request for a stream that does not exist is refused when it comes.
        let mut deferred = reset.deferred.iter().flat_map(|deferred| &deferred.streams);
        check(deferred.all(|stream| *stream < inbound_streams))?;
        Ok(reset)
    }

    /// Whether a request waits for its answer.
    pub(crate) const fn is_open(&self) -> bool {
        self.open.is_some()
    }
}

impl Streams {
    fn resume(from: &mut Reader<'_>) -> Result<Self, HandoverError> {
        let streams = Self {
            last_assigned_tsn: Tsn(from.u32()?),
            numbers: from.list(Reader::u16)?,
            confirmed: from.list(Reader::u16)?,
        };
        // None at all would be the reset of all streams (§4.1).
        check((1..=MAX_STREAMS).contains(&streams.numbers.len()))?;
        let asked = |stream| streams.numbers.contains(stream);
        check(streams.confirmed.len() <= streams.numbers.len())?;
        check(streams.confirmed.iter().all(asked))?;
        Ok(streams)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the origin of virtual time")]
mod tests {
    use super::*;
    use std::time::Instant;

    fn moved(reset: &Reset) -> Result<Reset, HandoverError> {
        let now = Instant::now();
        let mut out = Writer::new(now);
        reset.hand_over(&mut out);
        Reset::resume(&mut Reader::new(&out.into_bytes(), now)?, 10)
    }

    fn asking(numbers: impl IntoIterator<Item = u16>, confirmed: &[u16]) -> Reset {
        let asked = Asked::Reset(Streams {
            last_assigned_tsn: Tsn(7),
            numbers: numbers.into_iter().collect(),
            confirmed: confirmed.to_vec(),
        });
        let open = Open { sequence: 1, asked, in_progress: false };
        Reset { open: Some(Box::new(open)), ..Reset::new(Tsn(1), Tsn(2)) }
    }

    fn asked(streams: &[u16]) -> Reset {
        let (sequence, last_assigned_tsn) = (1, Tsn(7));
        let deferred = Deferred { sequence, last_assigned_tsn, streams: streams.to_vec() };
        Reset { deferred: Some(Box::new(deferred)), ..Reset::new(Tsn(1), Tsn(2)) }
    }

    #[test]
    fn a_request_of_ours_has_as_many_streams_as_there_is_room_for() {
        assert!(moved(&asking(0..200, &[3, 199])).is_ok());
        for refused in [asking(0..201, &[]), asking(0..0, &[]), asking(0..9, &[9])] {
            assert_eq!(moved(&refused).map(|_| ()), Err(HandoverError::Malformed));
        }
    }

    #[test]
    fn a_request_of_the_peer_is_for_streams_that_exist() {
        for accepted in [asked(&[]), asked(&[0, 9])] {
            assert!(moved(&accepted).is_ok());
        }
        assert_eq!(moved(&asked(&[3, 10])).map(|_| ()), Err(HandoverError::Malformed));
    }
}
