use std::collections::VecDeque;

use super::section::SectionId;

/// Something that changed; each at most once for a section until it is polled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// There is something to read, [`read_frame`](super::Session::read_frame) or
    /// [`read_packet`](super::Session::read_packet). Told again only after a read.
    Readable(SectionId),
    /// The other side wants a key frame (PLI or FIR).
    KeyFrameRequested(SectionId),
    /// A source of the section said goodbye.
    Goodbye(SectionId),
}

/// Events that wait, at most one of each kind for a section.
#[derive(Debug, Default)]
pub(super) struct Events {
    queue: VecDeque<Event>,
}

impl Events {
    pub(super) fn poll(&mut self) -> Option<Event> {
        self.queue.pop_front()
    }

    /// Adds an event that its section remembers not to add twice.
    pub(super) fn push(&mut self, event: Event) {
        self.queue.push_back(event);
    }

    pub(super) fn forget(&mut self, section: SectionId) {
        self.queue.retain(|event| event.section() != section);
    }
}

impl Event {
    /// The section that it is about.
    pub const fn section(&self) -> SectionId {
        match *self {
            Self::Readable(id) | Self::KeyFrameRequested(id) | Self::Goodbye(id) => id,
        }
    }
}
