//! The five-tuples on which application data is accepted.

use std::collections::VecDeque;
use std::time::Instant;

use stun::FiveTuple;

use crate::event::PathProof;
use crate::stream::ComponentId;

/// A five-tuple that an authenticated check proved, in either direction.
#[derive(Debug)]
pub(crate) struct Path {
    pub(crate) five_tuple: FiveTuple,
    pub(crate) component: ComponentId,
    /// The newest generation of the stream that proved it.
    pub(crate) generation: u32,
    /// When the other side was last heard on it.
    pub(crate) heard: Instant,
    /// The best that proved it in that generation.
    pub(crate) proof: PathProof,
    told: bool,
    unread: bool,
}

/// All of them. Data that comes on no such path is nobody's: whoever could send it could
/// have made it up.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    entries: Vec<Path>,
    /// The one used last: nearly always the one used next.
    last: usize,
    /// Those that were told and dropped. They are read before others are told, so that there are
    /// never more of both together than entries at most.
    gone: VecDeque<(FiveTuple, ComponentId)>,
}

impl Paths {
    /// Notes that data came on a path. Returns whose it is, or `None` if nobody proved it.
    #[inline]
    pub(crate) fn hear(&mut self, now: Instant, path: &FiveTuple) -> Option<ComponentId> {
        if let Some(entry) = self.entries.get_mut(self.last)
            && entry.five_tuple == *path
        {
            entry.heard = now;
            return Some(entry.component);
        }
        self.last = self.entries.iter().position(|entry| entry.five_tuple == *path)?;
        let entry = self.entries.get_mut(self.last)?;
        entry.heard = now;
        Some(entry.component)
    }

    /// Notes that an authenticated check proved a path.
    pub(crate) fn prove(
        &mut self,
        now: Instant,
        proof: PathProof,
        five_tuple: FiveTuple,
        component: ComponentId,
        generation: u32,
        limit: usize,
    ) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.five_tuple == five_tuple) {
            if generation > entry.generation || proof > entry.proof {
                entry.proof = proof;
                entry.unread = true;
            }
            entry.heard = now;
            entry.component = component;
            entry.generation = entry.generation.max(generation);
            return;
        }
        if self.entries.len() >= limit {
            let silent = self.entries.iter().enumerate().min_by_key(|(_, entry)| entry.heard);
            if let Some(index) = silent.map(|(index, _)| index) {
                let entry = self.entries.swap_remove(index);
                self.gone.extend(entry.told.then_some((entry.five_tuple, entry.component)));
            }
        }
        self.entries.push(Path {
            five_tuple,
            component,
            generation,
            heard: now,
            proof,
            told: false,
            unread: true,
        });
    }

    pub(crate) fn proof(&self, path: &FiveTuple) -> Option<PathProof> {
        self.entries.iter().find(|entry| entry.five_tuple == *path).map(|entry| entry.proof)
    }

    pub(crate) fn heard(&self, path: &FiveTuple) -> Option<Instant> {
        self.entries.iter().find(|entry| entry.five_tuple == *path).map(|entry| entry.heard)
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&Path) -> bool) {
        for entry in self.entries.extract_if(.., |entry| !keep(entry)) {
            self.gone.extend(entry.told.then_some((entry.five_tuple, entry.component)));
        }
        self.entries.shrink_to_fit();
        self.last = 0;
    }

    /// Gives back the room for more.
    pub(crate) fn shrink(&mut self) {
        self.entries.shrink_to_fit();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Path> {
        self.entries.iter()
    }

    /// The next path to tell.
    pub(crate) fn take_unread(&mut self) -> Option<&Path> {
        let entry = self.entries.iter_mut().find(|entry| entry.unread)?;
        entry.unread = false;
        entry.told = true;
        Some(entry)
    }

    /// The next path to tell the end of.
    pub(crate) fn take_gone(&mut self) -> Option<(FiveTuple, ComponentId)> {
        self.gone.pop_front()
    }
}
