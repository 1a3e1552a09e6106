use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use super::blocks::BlockId;
use crate::PayloadType;
use crate::payload::{Format, Inspection};

/// The places from the next packet to leave up to the newest that has come.
#[derive(Debug, Default)]
pub(super) struct Ring {
    base: u64,
    slots: VecDeque<Slot>,
    /// No packet is before this one: who looks for the first need not pass the same missing ones
    /// each time.
    packets_from: u64,
    #[cfg(test)]
    visits: u64,
}

#[derive(Debug)]
pub(super) enum Slot {
    /// Known to be missing since a later packet came.
    Missing {
        since: Instant,
    },
    /// Arrived, and had no payload.
    Padding,
    Packet(Stored),
}

#[derive(Debug)]
pub(super) struct Stored {
    pub(super) data: Bytes,
    pub(super) block: BlockId,
    pub(super) arrival: Instant,
    pub(super) timestamp: u32,
    pub(super) payload_type: PayloadType,
    pub(super) format: Format,
    pub(super) marker: bool,
    pub(super) inspection: Inspection,
}

impl Ring {
    /// Empties the ring, whose allocation stays, and goes on at `base`.
    pub(super) fn restart_at(&mut self, base: u64) {
        self.slots.clear();
        self.base = base;
        self.packets_from = base;
    }

    pub(super) fn base(&self) -> u64 {
        self.base
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn get(&self, seq: u64) -> Option<&Slot> {
        let index = usize::try_from(seq.checked_sub(self.base)?).ok()?;
        self.slots.get(index)
    }

    pub(super) fn is_present(&self, seq: u64) -> bool {
        matches!(self.get(seq), Some(Slot::Padding | Slot::Packet(_)))
    }

    /// Puts `slot` in its place, which is not before the base and within the caller's bound; the
    /// places skipped are missing from now on.
    pub(super) fn insert(&mut self, seq: u64, slot: Slot, now: Instant) {
        let Some(index) = seq.checked_sub(self.base).and_then(|index| usize::try_from(index).ok())
        else {
            return;
        };
        while self.slots.len() < index {
            self.slots.push_back(Slot::Missing { since: now });
        }
        if matches!(slot, Slot::Packet(_)) {
            self.packets_from = self.packets_from.min(seq);
        }
        match self.slots.get_mut(index) {
            Some(place) => *place = slot,
            None => self.slots.push_back(slot),
        }
    }

    /// Opens missing places in front.
    pub(super) fn reach_back_to(&mut self, seq: u64, now: Instant) {
        while self.base > seq {
            self.slots.push_front(Slot::Missing { since: now });
            self.base -= 1;
        }
    }

    /// Takes the first place away; the base moves even where there is none.
    pub(super) fn pop(&mut self) -> Option<Slot> {
        self.base += 1;
        self.slots.pop_front()
    }

    /// The packets before `end`.
    pub(super) fn packets(&self, end: u64) -> impl Iterator<Item = &Stored> {
        let places = usize::try_from(end.saturating_sub(self.base)).unwrap_or(usize::MAX);
        self.slots.iter().take(places).filter_map(|slot| match slot {
            Slot::Packet(packet) => Some(packet),
            Slot::Missing { .. } | Slot::Padding => None,
        })
    }

    /// The first packet that is there.
    pub(super) fn next_packet(&mut self) -> Option<&Stored> {
        let end = self.base + self.slots.len() as u64;
        self.packets_from = self.packets_from.max(self.base);
        while self.packets_from < end
            && !matches!(self.get(self.packets_from), Some(Slot::Packet(_)))
        {
            self.packets_from += 1;
            #[cfg(test)]
            {
                self.visits += 1;
            }
        }
        match self.get(self.packets_from) {
            Some(Slot::Packet(packet)) => Some(packet),
            _ => None,
        }
    }

    /// How many places were passed in search of a packet.
    #[cfg(test)]
    pub(super) fn visits(&self) -> u64 {
        self.visits
    }

    /// The number of the first packet of the frame in which `seq` begins something; `None` where a
    /// missing packet may be of that frame too.
    pub(super) fn start_of_frame(&self, seq: u64) -> Option<u64> {
        let Some(Slot::Packet(packet)) = self.get(seq) else { return None };
        if packet.format == Format::Vp8 {
            return Some(seq);
        }
        let mut first = seq;
        loop {
            match self.get(first.checked_sub(1)?)? {
                Slot::Packet(before) if before.timestamp == packet.timestamp => first -= 1,
                Slot::Packet(_) | Slot::Padding => return Some(first),
                Slot::Missing { .. } => return None,
            }
        }
    }
}
