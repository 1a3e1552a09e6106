//! The sender, going on in another process.

use super::outstanding::Outstanding;
use super::{Counters, Sender, congestion};
use crate::handover::{HandoverError, Reader, Writer};
use crate::tsn::Tsn;
use std::time::Instant;

/// The least a_rwnd that a peer may begin with, in bytes.
const MIN_PEER_WINDOW: u32 = 1500;

impl Sender {
    pub(crate) fn hand_over(&mut self, out: &mut Writer) {
        out.flag(self.partial_reliability);
        out.size(self.peer_window);
        out.u32(self.window_probe.greatest);
        out.time(self.window_probe.at);
        out.u32(self.window_probe.count);
        self.counters.hand_over(out);
        self.rto.hand_over(out);
        self.queues.hand_over(out);
        self.outstanding.hand_over(out);
        out.option(self.recovering_until, |out, until| out.u32(until.0));
        out.flag(self.cautious);
        out.option(self.last_sent, Writer::past);
        congestion::handover::hand_over(self.congestion.as_ref(), out);
    }

    /// Takes up what was handed over; `self` is new.
    pub(crate) fn resume(
        &mut self,
        from: &mut Reader<'_>,
        now: Instant,
    ) -> Result<(), HandoverError> {
        self.partial_reliability = from.flag()?;
        self.peer_window = from.size()?;
        // An INIT with less is refused (RFC 9260 §3.3.2).
        self.window_probe.greatest = from.u32()?.max(MIN_PEER_WINDOW);
        self.window_probe.at = from.time()?;
        self.window_probe.count = from.u32()?.min(MAX_PROBES);
        self.counters = Counters::resume(from)?;
        self.rto.resume(from)?;
        self.queues.resume(from)?;
        self.update_worthwhile();
        self.outstanding = Outstanding::resume(from, now, self.form())?;
        let until = from.option(Reader::u32)?.map(Tsn);
        self.recovering_until = until.filter(|until| self.next_tsn().is_after(*until));
        self.cautious = from.flag()?;
        self.last_sent = from.option(Reader::past)?;
        congestion::handover::resume(self.congestion.as_mut(), from)?;
        self.oversized = !self.outstanding.is_empty();
        self.forward = self.outstanding.must_forward() && self.partial_reliability;
        self.follow_congestion();
        self.update_timer(now, true);
        Ok(())
    }
}

impl Counters {
    fn hand_over(&self, out: &mut Writer) {
        let Self {
            messages,
            bytes,
            chunks,
            retransmitted,
            timeouts,
            probes,
            fast_recoveries,
            expired,
            lost,
        } = *self;
        for count in [messages, bytes, chunks, retransmitted, timeouts, probes] {
            out.u64(count);
        }
        for count in [fast_recoveries, expired, lost] {
            out.u64(count);
        }
    }

    fn resume(from: &mut Reader<'_>) -> Result<Self, HandoverError> {
        Ok(Self {
            messages: from.count()?,
            bytes: from.count()?,
            chunks: from.count()?,
            retransmitted: from.count()?,
            timeouts: from.count()?,
            probes: from.count()?,
            fast_recoveries: from.count()?,
            expired: from.count()?,
            lost: from.count()?,
        })
    }
}

/// More than so many do not lengthen the time between two probes of a closed window.
const MAX_PROBES: u32 = 1000;

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the origin of virtual time")]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::message::Outgoing;
    use crate::send::queue::{Parts, Queued};
    use bytes::Bytes;

    #[test]
    fn a_peer_that_never_had_a_window_is_probed() {
        // What is ready must leave, or a driver spins.
        let now = Instant::now();
        let mut handed = Sender::new(&Config::default(), Tsn(1));
        handed.window_probe.greatest = 0;
        let mut out = Writer::new(now);
        handed.hand_over(&mut out);
        let mut sender = Sender::new(&Config::default(), Tsn(1));
        let bytes = out.into_bytes();
        sender.resume(&mut Reader::new(&bytes, now).unwrap(), now).unwrap();
        let message = Outgoing::new(0, 53, Bytes::from(vec![1; 5000]));
        sender.push(0, Queued::new(now, message, Parts::Whole, true));
        assert!(sender.is_ready(now));
        assert!(sender.write(now, &mut Vec::new(), 1160, false));
        assert!(!sender.is_ready(now));
    }
}
