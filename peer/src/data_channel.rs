//! Data channels: the W3C's `RTCDataChannel`.

use std::time::{Duration, Instant};

use bytes::Bytes;
use sctp::data_channel::{ChannelId, ChannelInit, ChannelState, Session};
use sctp::{Order, Reliability};

use crate::configuration::Configuration;
use crate::connection::PeerConnection;
use crate::jsep::TransportId;
use crate::transport::security::DTLS_OVERHEAD;

pub use sctp::CloseReason as AssociationCloseReason;
pub use sctp::data_channel::{
    AppendError, ChannelState as DataChannelState, Message, MessagePart, SendError,
};
pub use sctp::{ReadMode, ReceiveBudget, Then};

/// SCTP with the channels on it, and the transport that carries it.
pub(crate) struct Data {
    pub(crate) channels: Session,
    /// Known once an m-section for data has been negotiated.
    pub(crate) transport: Option<TransportId>,
    /// The descriptions have closed the association; they may agree on another.
    pub(crate) rejected: bool,
    /// How many associations there were before.
    pub(crate) earlier: u32,
}

impl Data {
    pub(crate) fn new(configuration: &Configuration, now: Instant, seed: [u8; 32]) -> Self {
        let mut config = sctp::data_channel::Config::default();
        config.association.max_receive_message_size = configuration.max_message_size;
        // What the other side accepts is the bound.
        config.association.max_send_message_size = usize::MAX;
        let most = configuration.max_buffered_amount;
        // What the application was told, from the beginning: who waits until a quarter of it is
        // free would else wait for ever on a path that holds little.
        config.association.send_buffer = most;
        config.association.max_send_buffer = most;
        config.association.receive_budget = configuration.receive_budget.clone();
        config.association.over_dtls = true;
        config.association.mtu = configuration.path_mtu - DTLS_OVERHEAD;
        config.association.max_mtu =
            configuration.max_path_mtu.map(|most| most.saturating_sub(DTLS_OVERHEAD));
        Self {
            channels: Session::new(config, now, seed),
            transport: None,
            rejected: false,
            earlier: 0,
        }
    }
}

/// Names a data channel of a connection; never reused there.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DataChannelId(pub(crate) ChannelId);

/// How a data channel is to behave: the W3C's `RTCDataChannelInit`.
///
/// The default is ordered and reliable.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DataChannelInit {
    /// Whether messages arrive in the order in which they were sent.
    pub ordered: bool,
    /// Give up a message that was not delivered this long after `send`. Excludes
    /// `max_retransmits`.
    pub max_packet_life_time: Option<Duration>,
    /// Give up a message after this many retransmissions.
    pub max_retransmits: Option<u16>,
    /// The application's name for what is spoken on the channel.
    pub protocol: String,
    /// The stream id both sides have agreed on, when neither shall announce the channel.
    pub negotiated: Option<u16>,
    /// How urgent it is: 128 below normal, 256 normal, 512 high, 1024 extra high
    /// ([RFC 8831 §6.4](https://www.rfc-editor.org/rfc/rfc8831#section-6.4)).
    pub priority: u16,
}

impl Default for DataChannelInit {
    fn default() -> Self {
        Self {
            ordered: true,
            max_packet_life_time: None,
            max_retransmits: None,
            protocol: String::new(),
            negotiated: None,
            priority: 256,
        }
    }
}

impl DataChannelInit {
    /// Unordered, and every message is sent once: for what is old when it comes late.
    pub fn unreliable() -> Self {
        Self { ordered: false, max_retransmits: Some(0), ..Self::default() }
    }

    pub(crate) fn into_init(self, label: &str) -> Result<ChannelInit, &'static str> {
        let reliability = match (self.max_retransmits, self.max_packet_life_time) {
            (None, None) => Reliability::Reliable,
            (Some(times), None) => Reliability::MaxRetransmits(times),
            (None, Some(time)) => Reliability::MaxPacketLifeTime(time),
            (Some(_), Some(_)) => {
                return Err("max_retransmits and max_packet_life_time exclude each other");
            }
        };
        Ok(ChannelInit {
            label: label.into(),
            protocol: self.protocol.into(),
            order: if self.ordered { Order::Ordered } else { Order::Unordered },
            reliability,
            priority: self.priority,
            negotiated: self.negotiated,
        })
    }
}

/// A data channel, lent by [`PeerConnection::data_channel`].
pub struct DataChannel<'c> {
    connection: &'c mut PeerConnection,
    id: ChannelId,
}

impl<'c> DataChannel<'c> {
    pub(crate) fn lend(connection: &'c mut PeerConnection, id: DataChannelId) -> Option<Self> {
        connection.data.as_ref()?.channels.channel_init(id.0)?;
        Some(Self { connection, id: id.0 })
    }

    /// Sends a message: a `&'static str` or `String` as text, [`Bytes`] or `Vec<u8>` as binary.
    ///
    /// # Errors
    ///
    /// When the channel is not open, the message is larger than the other side accepts
    /// ([`SendError::TooLarge`]), or than
    /// [`max_buffered_amount`](crate::Configuration::max_buffered_amount) where that does not
    /// interleave messages ([`SendError::NeedsInterleaving`]), the buffer is full, or a message that
    /// was begun is not finished ([`SendError::MessageOpen`]). The message comes back in the error; nothing is ever
    /// dropped silently.
    pub fn send(&mut self, now: Instant, message: impl Into<Message>) -> Result<(), SendError> {
        let now = self.connection.advance(now);
        let sent = self.act(message.into(), |channels, id, own| channels.send(now, id, own));
        sent.unwrap_or_else(not_open)
    }

    /// Takes the next message; `None` when there is none.
    pub fn read(&mut self) -> Option<Message> {
        self.act((), |channels, id, ()| channels.read(id)).unwrap_or_default()
    }

    /// Begins a message that is larger than can be held, or not known to its end: `message` is its
    /// first part, which may be empty. [`Self::append`] adds the others, [`Self::finish`] or
    /// [`Self::abandon`] ends it; until then the channel takes no other message.
    ///
    /// # Errors
    ///
    /// As [`Self::send`], and when the other side cannot tell the parts of several messages apart
    /// ([`SendError::NeedsInterleaving`], RFC 8260).
    pub fn begin(&mut self, now: Instant, message: impl Into<Message>) -> Result<(), SendError> {
        let now = self.connection.advance(now);
        let begun = self.act(message.into(), |channels, id, own| channels.begin(now, id, own));
        begun.unwrap_or_else(not_open)
    }

    /// Adds a part to the message that was begun.
    ///
    /// # Errors
    ///
    /// When no message is being written, it would become larger than the other side accepts, or
    /// the buffer is full. The part comes back in the error.
    pub fn append(&mut self, now: Instant, part: impl Into<Bytes>) -> Result<(), AppendError> {
        let now = self.connection.advance(now);
        let appended = self.act(part.into(), |channels, id, own| channels.append(now, id, own));
        appended.unwrap_or_else(|part| Err(AppendError::NoMessage { part }))
    }

    /// Ends the message that was begun: it is complete. Returns whether it will be sent; if not, none
    /// was being written, or it was given up meanwhile.
    pub fn finish(&mut self, now: Instant) -> bool {
        let now = self.connection.advance(now);
        self.act((), |channels, id, ()| channels.finish(now, id)).unwrap_or_default()
    }

    /// Gives up the message that was begun: the other side's reader is told.
    pub fn abandon(&mut self, now: Instant) {
        let now = self.connection.advance(now);
        self.act((), |channels, id, ()| channels.abandon(now, id)).unwrap_or_default()
    }

    /// Sets whether the channel is read by whole messages or by parts as they arrive. Whole
    /// messages at first.
    pub fn set_read_mode(&mut self, mode: ReadMode) {
        self.act((), |channels, id, ()| channels.set_read_mode(id, mode)).unwrap_or_default()
    }

    /// Takes the next part of a message; `None` when there is none.
    pub fn read_part(&mut self) -> Option<MessagePart> {
        self.act((), |channels, id, ()| channels.read_part(id)).unwrap_or_default()
    }

    /// Returns how it was opened.
    fn init(&self) -> Option<&ChannelInit> {
        self.session()?.channel_init(self.id)
    }

    /// Whether messages arrive in the order in which they were sent.
    pub fn ordered(&self) -> bool {
        self.init().is_none_or(|init| init.order == Order::Ordered)
    }

    /// How many times a message is sent again at most, if that is limited.
    pub fn max_retransmits(&self) -> Option<u16> {
        match self.init()?.reliability {
            Reliability::MaxRetransmits(times) => Some(times),
            _ => None,
        }
    }

    /// How long after `send` a message is given up, if it is.
    pub fn max_packet_life_time(&self) -> Option<Duration> {
        match self.init()?.reliability {
            Reliability::MaxPacketLifeTime(time) => Some(time),
            _ => None,
        }
    }

    /// Whether both sides have agreed on the channel beforehand.
    pub fn negotiated(&self) -> bool {
        self.init().is_some_and(|init| init.negotiated.is_some())
    }

    /// How urgent it is, 256 for normal.
    pub fn priority(&self) -> u16 {
        self.init().map_or(256, |init| init.priority)
    }

    /// From which amount downwards [`Event::BufferedAmountLow`](crate::Event::BufferedAmountLow)
    /// tells.
    pub fn buffered_amount_low_threshold(&self) -> usize {
        self.session().map_or(0, |channels| channels.buffered_amount_low_threshold(self.id))
    }

    /// How many bytes of messages have not left; on a closed channel, how many were not sent any
    /// more.
    pub fn buffered_amount(&self) -> usize {
        self.session().map_or(0, |channels| channels.buffered_amount(self.id))
    }

    /// Asks for [`Event::BufferedAmountLow`](crate::Event::BufferedAmountLow) when the buffered
    /// amount falls to `bytes`.
    pub fn set_buffered_amount_low_threshold(&mut self, bytes: usize) {
        let set =
            |channels: &mut Session, id, ()| channels.set_buffered_amount_low_threshold(id, bytes);
        self.act((), set).unwrap_or_default()
    }

    /// Closes the channel, after what was accepted has been delivered.
    pub fn close(&mut self, now: Instant) {
        let now = self.connection.advance(now);
        self.act((), |channels, id, ()| channels.close(now, id)).unwrap_or_default()
    }

    /// The name that the opener gave it.
    pub fn label(&self) -> &str {
        self.session().and_then(|channels| channels.label(self.id)).unwrap_or_default()
    }

    /// What is spoken on it.
    pub fn protocol(&self) -> &str {
        self.session().and_then(|channels| channels.protocol(self.id)).unwrap_or_default()
    }

    /// Its state.
    pub fn ready_state(&self) -> DataChannelState {
        self.session().map_or(ChannelState::Closed, |channels| channels.state(self.id))
    }

    /// Its SCTP stream identifier, once it has one.
    pub fn id(&self) -> Option<u16> {
        self.session()?.stream_id(self.id)
    }

    fn session(&self) -> Option<&Session> {
        self.connection.data.as_ref().map(|data| &data.channels)
    }

    /// Does something to the channel, and what follows from it. What was given comes back where the
    /// channels are gone, as they are once all is read that came before the connection was closed.
    fn act<A, R>(
        &mut self,
        given: A,
        act: impl FnOnce(&mut Session, ChannelId, A) -> R,
    ) -> Result<R, A> {
        let Some(data) = &mut self.connection.data else { return Err(given) };
        let done = act(&mut data.channels, self.id, given);
        self.connection.settle_channels();
        Ok(done)
    }
}

fn not_open(message: Message) -> Result<(), SendError> {
    Err(SendError::NotOpen { message, state: ChannelState::Closed })
}
