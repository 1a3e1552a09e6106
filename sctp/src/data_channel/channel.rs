//! What is kept of a channel.

use super::Event;
use super::open::ChannelInit;
use super::streaming::Writing;
use crate::message::{Message, ReadMode};
use crate::recv::OVERHEAD;
use std::collections::VecDeque;

/// Where a channel is in its life (W3C's `RTCDataChannelState`).
///
/// ```text
/// Connecting ──▶ Open ──▶ Closing ──▶ Closed
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum ChannelState {
    /// The association is not up yet.
    #[default]
    Connecting,
    /// Messages flow.
    Open,
    /// One side has closed it; what was sent before is still on its way.
    Closing,
    /// It has ended.
    Closed,
}

/// Figures about a channel.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct ChannelStats {
    /// Messages handed over to be sent.
    pub messages_sent: u64,
    /// Their bytes.
    pub bytes_sent: u64,
    /// Messages read.
    pub messages_received: u64,
    /// Their bytes.
    pub bytes_received: u64,
}

/// A channel.
#[derive(Debug, Default)]
pub(crate) struct Channel {
    pub(crate) init: ChannelInit,
    pub(crate) state: ChannelState,
    /// The number of its streams, once it is known.
    pub(crate) stream: Option<u16>,
    /// The peer knows the channel: messages need no order for that any more (RFC 8832 §6).
    pub(crate) confirmed: bool,
    /// The peer has opened it.
    pub(crate) incoming: bool,
    /// We have asked for the reset of our stream.
    pub(crate) reset_asked: bool,
    /// Our stream was reset, and theirs.
    pub(crate) outgoing_reset: bool,
    pub(crate) incoming_reset: bool,
    /// Messages that are not in the association any more or never were in the stream's queue:
    /// they arrived before the channel was opened here, or before it was closed.
    pub(crate) unread: VecDeque<Message>,
    /// The payload protocol identifier of a message that was being read in parts when the stream
    /// ended: the rest of it will not come.
    pub(crate) cut_short: Option<u32>,
    /// The first one in `unread` is the rest of such a message, which had arrived.
    pub(crate) rest_unread: bool,
    pub(crate) low_threshold: usize,
    /// What it had not sent when it ended.
    pub(crate) unsent: usize,
    /// How it is read, when that was said.
    pub(crate) read_mode: Option<ReadMode>,
    /// The message that is being written in parts.
    pub(crate) writing: Option<Writing>,
    /// Made with the first message: there may be 65 535 channels, and most of them idle.
    pub(super) stats: Option<Box<ChannelStats>>,
    pub(crate) events: Events,
    /// In the session's list of channels with events.
    pub(crate) listed: bool,
}

impl Channel {
    /// The number of its streams, while they are its own: a closed channel has left them to others.
    pub(crate) fn own_stream(&self) -> Option<u16> {
        self.stream.filter(|_| self.state != ChannelState::Closed)
    }

    /// What was counted.
    pub(crate) fn stats(&self) -> ChannelStats {
        self.stats.as_deref().copied().unwrap_or_default()
    }

    pub(crate) fn stats_mut(&mut self) -> &mut ChannelStats {
        self.stats.get_or_insert_default()
    }

    /// The bytes of its names, which a remote chooses.
    pub(crate) const fn name_len(&self) -> usize {
        self.init.label.len() + self.init.protocol.len()
    }

    /// Whether it is closed, and nothing of it is left to be told or read.
    pub(crate) fn is_done(&self) -> bool {
        self.state == ChannelState::Closed
            && self.events.is_empty()
            && self.unread.is_empty()
            && self.cut_short.is_none()
    }

    /// Takes the next message that was set aside, and what it counted for.
    pub(crate) fn pop_unread(&mut self) -> Option<(Message, usize)> {
        let message = self.unread.pop_front()?;
        let len = message.payload.len() + OVERHEAD;
        Some((message, len))
    }
}

/// The events of a channel that were not polled, as bits in the order in which they are told.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Events(u8);

impl Events {
    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    pub(crate) const fn from_bits(bits: u8) -> Self {
        Self(bits & 0x3f)
    }

    pub(crate) const INCOMING: u8 = 1;
    pub(crate) const OPEN: u8 = 1 << 1;
    pub(crate) const READABLE: u8 = 1 << 2;
    pub(crate) const LOW: u8 = 1 << 3;
    pub(crate) const CLOSING: u8 = 1 << 4;
    pub(crate) const CLOSED: u8 = 1 << 5;

    pub(crate) const fn set(&mut self, bit: u8) {
        self.0 |= bit;
    }

    pub(crate) const fn clear(&mut self, bit: u8) {
        self.0 &= !bit;
    }

    pub(crate) const fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Takes the first one.
    pub(crate) fn take(&mut self, id: super::ChannelId) -> Option<Event> {
        let bit = 1_u8.checked_shl(self.0.trailing_zeros())?;
        self.clear(bit);
        Some(match bit {
            Self::INCOMING => Event::ChannelIncoming(id),
            Self::OPEN => Event::ChannelOpen(id),
            Self::READABLE => Event::Readable(id),
            Self::LOW => Event::BufferedAmountLow(id),
            Self::CLOSING => Event::ChannelClosing(id),
            _ => Event::ChannelClosed(id),
        })
    }
}
