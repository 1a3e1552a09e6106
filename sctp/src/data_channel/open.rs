//! How channels begin ([RFC 8832 §6](https://www.rfc-editor.org/rfc/rfc8832#section-6)).

use super::channel::{Channel, ChannelState, Events};
use super::dcep::{self, DataChannelOpen, DcepMessage, ParseError};
use super::message;
use super::session::Session;
use super::{ChannelId, Role};
use crate::message::{Order, Outgoing, Reliability};
use bytes::Bytes;
use std::time::Instant;
use thiserror::Error;

/// How a channel is to be (W3C's `RTCDataChannelInit`, and its label).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChannelInit {
    /// The name that the application gives it: at most 65 535 bytes, any number of channels may
    /// have the same.
    pub label: Box<str>,
    /// The subprotocol, at most 65 535 bytes; empty for none.
    pub protocol: Box<str>,
    /// Whether messages keep their order.
    pub order: Order,
    /// How hard to try to deliver a message.
    pub reliability: Reliability,
    /// How urgent: 128 below normal, 256 normal, 512 high, 1024 extra high (RFC 8831 §6.4). Told
    /// to the peer.
    pub priority: u16,
    /// The number that both sides have agreed upon, when they have: such a channel is not
    /// announced, both open it.
    pub negotiated: Option<u16>,
}

impl ChannelInit {
    /// An ordered and reliable channel called `label`, announced in band.
    pub fn new(label: impl Into<Box<str>>) -> Self {
        Self { label: label.into(), ..Self::default() }
    }
}

impl Default for ChannelInit {
    fn default() -> Self {
        Self {
            label: Box::default(),
            protocol: Box::default(),
            order: Order::Ordered,
            reliability: Reliability::Reliable,
            priority: 256,
            negotiated: None,
        }
    }
}

/// Why a channel cannot be opened.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum OpenError {
    /// The association has ended.
    #[error("the association is closed")]
    Closed,
    /// The negotiated number belongs to a channel.
    #[error("channel number {id} is in use")]
    IdInUse {
        /// The number.
        id: u16,
    },
    /// The negotiated number does not exist.
    #[error("channel number {id} is not below {streams}, the number of streams")]
    IdOutOfRange {
        /// The number.
        id: u16,
        /// The number of streams.
        streams: u16,
    },
    /// The label or the protocol is too long.
    #[error("label and protocol may have 65535 bytes each")]
    NameTooLong,
    /// There are as many channels as there may be.
    #[error("there are too many channels")]
    TooManyChannels,
}

impl Session {
    /// Opens a channel. Allowed before [`Session::start`].
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn open(&mut self, now: Instant, mut init: ChannelInit) -> Result<ChannelId, OpenError> {
        if let Reliability::Priority(_) = init.reliability {
            init.reliability = Reliability::Reliable;
        }
        let over = self.association.close_reason().is_some();
        if over || !self.association.state().takes_messages() {
            return Err(OpenError::Closed);
        }
        let max = usize::from(u16::MAX);
        if init.label.len() > max || init.protocol.len() > max {
            return Err(OpenError::NameTooLong);
        }
        if self.live >= self.max_channels {
            return Err(OpenError::TooManyChannels);
        }
        let stream = match (init.negotiated, self.role) {
            (Some(id), _) => {
                let streams = self.streams();
                if id >= streams {
                    return Err(OpenError::IdOutOfRange { id, streams });
                }
                if self.on_stream(id).is_some() {
                    return Err(OpenError::IdInUse { id });
                }
                Some(id)
            }
            (None, Some(role)) => Some(self.free_stream(role).ok_or(OpenError::TooManyChannels)?),
            (None, None) => None,
        };
        let id = self.insert(Channel { init, ..Channel::default() });
        if let Some(stream) = stream {
            self.attach(now, id, stream);
            self.settle(now);
        }
        Ok(id)
    }

    /// How many numbers there are for channels: both sides have the stream, and 65 535 is no
    /// number (RFC 8832 §8.2.1, "Stream Identifier").
    pub(super) fn streams(&self) -> u16 {
        self.association.outbound_streams().min(self.association.inbound_streams())
    }

    /// The lowest free number of our side.
    fn free_stream(&mut self, role: Role) -> Option<u16> {
        let first = match role {
            Role::Client => 0,
            Role::Server => 1,
        };
        let start = self.next_stream.max(first);
        let found =
            (start..self.streams()).step_by(2).find(|stream| self.on_stream(*stream).is_none())?;
        self.next_stream = found;
        Some(found)
    }

    /// The side is known: channels without a number get theirs, in the order of their opening.
    pub(crate) fn assign_streams(&mut self, now: Instant) {
        let Some(role) = self.role else { return };
        self.next_stream = match role {
            Role::Client => 0,
            Role::Server => 1,
        };
        let mut waiting: Vec<ChannelId> = self
            .channels()
            .filter(|id| {
                self.channel(*id).is_some_and(|channel| {
                    channel.stream.is_none() && channel.state == ChannelState::Connecting
                })
            })
            .collect();
        waiting.sort_unstable();
        for id in waiting {
            match self.free_stream(role) {
                Some(stream) => self.attach(now, id, stream),
                None => self.end(id),
            }
        }
    }

    /// Puts a channel into the table.
    fn insert(&mut self, channel: Channel) -> ChannelId {
        let serial = self.next_serial;
        self.next_serial = serial.wrapping_add(1);
        self.live += 1;
        let entry = Some((serial, Box::new(channel)));
        if let Some(slot) = self.free.pop()
            && let Some(place) = self.slots.get_mut(slot as usize)
        {
            *place = entry;
            return ChannelId { serial, slot };
        }
        self.slots.push(entry);
        let slot = u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX);
        ChannelId { serial, slot }
    }

    /// Gives a channel of ours its streams, and announces it.
    fn attach(&mut self, now: Instant, id: ChannelId, stream: u16) {
        *self.by_stream.entry(stream) = Some(id);
        let early = self.early.take(stream);
        let connected = self.connected;
        let Some(channel) = self.channel_mut(id) else { return };
        channel.stream = Some(stream);
        channel.unread = early;
        let readable = !channel.unread.is_empty();
        let threshold = channel.low_threshold;
        let (read_mode, priority) = (channel.read_mode, channel.init.priority);
        let announcement = if channel.init.negotiated.is_some() {
            channel.confirmed = true;
            None
        } else {
            let open = DataChannelOpen {
                order: channel.init.order,
                reliability: channel.init.reliability,
                priority: channel.init.priority,
                label: &channel.init.label,
                protocol: &channel.init.protocol,
            };
            Some(open.to_bytes())
        };
        if connected {
            channel.state = ChannelState::Open;
        }
        if threshold > 0 {
            self.association.set_buffered_amount_low_threshold(stream, threshold);
        }
        if let Some(mode) = read_mode {
            self.association.set_read_mode(stream, mode);
        }
        self.association.set_stream_priority(stream, priority);
        if let Some(bytes) = announcement {
            self.send_dcep(now, stream, Bytes::from(bytes));
        }
        if connected {
            self.opened += 1;
            self.tell(id, Events::OPEN);
        }
        if readable {
            self.tell(id, Events::READABLE);
        }
        // What has come in part is still there.
        self.association.receiver().tell_if_readable(stream);
    }

    /// §6: DCEP's own messages are ordered and reliable.
    fn send_dcep(&mut self, now: Instant, stream: u16, payload: Bytes) {
        self.association.send_control(now, Outgoing::new(stream, message::DCEP, payload));
    }

    /// The association is up: so are the channels.
    pub(crate) fn handle_connected(&mut self) {
        self.connected = true;
        self.events.push_back(super::Event::Connected);
        let streams = self.streams();
        let ids: Vec<ChannelId> = self.channels().collect();
        for id in ids {
            let Some(channel) = self.channel_mut(id) else { continue };
            let Some(stream) = channel.own_stream() else { continue };
            // One that is being closed already would wait for a reset that cannot be.
            if stream >= streams {
                self.end(id);
            } else if channel.state == ChannelState::Connecting {
                channel.state = ChannelState::Open;
                self.opened += 1;
                self.tell(id, Events::OPEN);
            }
        }
    }

    /// A DCEP message has arrived.
    pub(crate) fn handle_dcep(&mut self, now: Instant, stream: u16, payload: &[u8]) {
        match DcepMessage::parse(payload) {
            Ok(DcepMessage::Open(open)) => self.handle_open(now, stream, &open),
            Ok(DcepMessage::Ack) => {
                if let Some(channel) = self.on_stream(stream).and_then(|id| self.channel_mut(id)) {
                    channel.confirmed = true;
                }
            }
            // What later standards may add is no error.
            Err(ParseError::MessageType(_)) => {}
            // The peer means a channel that we cannot make out: it is closed.
            Err(error) => {
                tracing::debug!(stream, %error, "a DCEP message is refused");
                match self.on_stream(stream) {
                    Some(id) => self.begin_closing(now, id, stream),
                    None => self.refuse_stream(now, stream),
                }
            }
        }
    }

    /// DATA_CHANNEL_OPEN.
    fn handle_open(&mut self, now: Instant, stream: u16, open: &DataChannelOpen<'_>) {
        if let Some(id) = self.on_stream(stream) {
            let reset_by_both = self
                .channel(id)
                .is_some_and(|channel| channel.incoming_reset && channel.reset_asked);
            if !(reset_by_both && self.association.confirm_reset(stream)) {
                // Of the two that it means, none can go on.
                return self.begin_closing(now, id, stream);
            }
            // The peer has reset its stream, knows that ours is, and uses the number anew.
            self.end(id);
        }
        let name_len = open.label.len() + open.protocol.len();
        // Closed ones that the application has not heard of count, too.
        let closed = self.slots.len() - self.free.len() - self.live;
        let fits = self.live < self.max_channels
            && closed < self.max_channels
            && self.name_bytes + name_len <= self.max_name_bytes
            && stream < self.streams()
            && self.association.receiver().admit_channel(CHANNEL + name_len);
        if !fits {
            return self.refuse_stream(now, stream);
        }
        self.name_bytes += name_len;
        let unread = self.early.take(stream);
        let readable = !unread.is_empty();
        let id = self.insert(Channel {
            init: ChannelInit {
                label: open.label.into(),
                protocol: open.protocol.into(),
                order: open.order,
                reliability: open.reliability,
                priority: open.priority,
                negotiated: None,
            },
            state: ChannelState::Open,
            stream: Some(stream),
            confirmed: true,
            incoming: true,
            unread,
            ..Channel::default()
        });
        *self.by_stream.entry(stream) = Some(id);
        self.association.set_stream_priority(stream, open.priority);
        self.send_dcep(now, stream, Bytes::from_static(dcep::ACK));
        self.opened += 1;
        self.tell(id, Events::INCOMING);
        if readable {
            self.tell(id, Events::READABLE);
        }
        self.association.receiver().tell_if_readable(stream);
    }
}

/// What a channel takes at both ends of its life, with the answer to its announcement.
pub(super) const CHANNEL: usize = 1 << 10;
