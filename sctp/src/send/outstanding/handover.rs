//! What was sent and not yet acknowledged, handed over.

use super::{Outstanding, Sent, State};
use crate::chunk::data::{BEGIN, END, Form, UNORDERED};
use crate::handover::{HandoverError, Reader, Writer, check};
use crate::tsn::Tsn;
use std::collections::VecDeque;
use std::time::Instant;

impl Outstanding {
    pub(crate) fn hand_over(&self, out: &mut Writer) {
        out.u32(self.cumulative.0);
        out.u64(self.packets.delivered());
        self.detection.hand_over(out);
        out.list(self.chunks.iter(), |out, chunk| {
            out.u8(match chunk.state {
                State::InFlight => 0,
                State::Acknowledged => 1,
                State::Marked => 2,
                State::Abandoned => 3,
            });
            out.u8(chunk.flags);
            out.u16(chunk.stream);
            out.u32(chunk.message);
            out.u32(chunk.ppid_or_fsn);
            out.u16(chunk.transmissions);
            out.option(chunk.max_retransmits, Writer::u16);
            out.time(chunk.expires);
            out.bytes(&chunk.payload);
        });
    }

    /// Takes up what was handed over. What is on its way counts as sent just before: a SACK for
    /// it may come any moment.
    pub(crate) fn resume(
        from: &mut Reader<'_>,
        now: Instant,
        form: Form,
    ) -> Result<Self, HandoverError> {
        let cumulative = Tsn(from.u32()?);
        let mut outstanding = Self::new(cumulative.next());
        // One packet stands for all that had carried what is on its way; of the path it says nothing.
        outstanding.packets.resume(from.count()?);
        outstanding.detection.resume(from)?;
        let packet = outstanding.packets.current(now, 0);
        outstanding.packets.close();
        let chunks = from.list(|from| {
            let state = match from.u8()? {
                0 => State::InFlight,
                1 => State::Acknowledged,
                2 => State::Marked,
                3 => State::Abandoned,
                _ => return Err(HandoverError::Malformed),
            };
            let flags = from.u8()?;
            check(flags & !(BEGIN | END | UNORDERED) == 0)?;
            let (stream, message, ppid_or_fsn) = (from.u16()?, from.u32()?, from.u32()?);
            // Counted as once more, so that no round-trip time is measured from it.
            let transmissions = from.u16()?.saturating_add(1);
            let (max_retransmits, expires) = (from.option(Reader::u16)?, from.time()?);
            let payload = from.bytes()?;
            check(payload.len() <= MAX_PAYLOAD)?;
            check(!payload.is_empty() || state == State::Abandoned)?;
            Ok(Sent {
                payload,
                expires,
                packet,
                ppid_or_fsn,
                max_retransmits: max_retransmits.map(|max| max.saturating_add(1)),
                message,
                stream,
                transmissions,
                form,
                flags,
                state,
            })
        })?;
        for (tsn, chunk) in (0..).map(|index| cumulative.next().plus(index)).zip(&chunks) {
            match chunk.state {
                State::InFlight => {
                    outstanding.in_flight += chunk.wire_len();
                    outstanding.detection.sent_again(packet, tsn);
                }
                State::Marked => {
                    outstanding.marked += 1;
                    outstanding.lost.push_back(tsn);
                }
                State::Acknowledged => match outstanding.runs.last_mut() {
                    Some((_, last)) if last.next() == tsn => *last = tsn,
                    _ => outstanding.runs.push((tsn, tsn)),
                },
                State::Abandoned => outstanding.abandoned += 1,
            }
            if matches!(chunk.state, State::InFlight | State::Marked) {
                outstanding.payload += chunk.payload.len();
            }
        }
        outstanding.packets.grow(outstanding.in_flight);
        outstanding.detection.advance_past(chunks.len());
        outstanding.chunks = VecDeque::from(chunks);
        Ok(outstanding)
    }
}

/// A chunk's length has 16 bits.
const MAX_PAYLOAD: usize = 65_000;
