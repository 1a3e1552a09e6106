//! The engine of data channels: an association, and the channels on it.

use super::channel::{Channel, ChannelState, ChannelStats, Events};
use super::config::Config;
use super::early::Early;
use super::message::{self, Message};
use super::{ChannelId, Event, Role};
use crate::association::Association;
use crate::association::snap::RemoteInit;
use crate::association::stats::{PathReport, Stats};
use crate::event;
use crate::stream_table::StreamTable;
use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

/// All data channels of a connection.
///
/// Channels can be opened at any time; [`Session::start`] begins the association once the side of
/// the DTLS connection is known.
#[derive(Debug)]
pub struct Session {
    pub(crate) association: Association,
    pub(crate) max_channels: usize,
    pub(crate) max_name_bytes: usize,
    pub(crate) role: Option<Role>,
    /// The peer's INIT, when it came with its description.
    pub(crate) remote_init: Option<Box<RemoteInit>>,
    pub(crate) slots: Vec<Option<(u32, Box<Channel>)>>,
    pub(crate) free: Vec<u32>,
    pub(crate) next_serial: u32,
    pub(crate) live: usize,
    /// Channels that have been open, whatever became of them.
    pub(crate) opened: u64,
    pub(crate) by_stream: StreamTable<Option<ChannelId>>,
    /// Where to look for a free stream number.
    pub(crate) next_stream: u16,
    /// Bytes of the names that the peer chose.
    pub(crate) name_bytes: usize,
    pub(crate) early: Early,
    pub(crate) remote_max_message_size: Option<usize>,
    pub(crate) connected: bool,
    pub(crate) events: VecDeque<Event>,
    pub(crate) listed: VecDeque<ChannelId>,
}

impl Session {
    /// A session whose association is not begun.
    ///
    /// `seed` is 32 bytes of fresh entropy, a secret.
    pub fn new(config: Config, now: Instant, seed: [u8; 32]) -> Self {
        let association =
            Association::with_control_ppid(config.association, now, seed, Some(message::DCEP));
        Self {
            association,
            max_channels: config.max_channels,
            max_name_bytes: config.max_name_bytes,
            role: None,
            remote_init: None,
            slots: Vec::new(),
            free: Vec::new(),
            next_serial: 0,
            live: 0,
            opened: 0,
            by_stream: StreamTable::new(),
            next_stream: 0,
            name_bytes: 0,
            early: Early::new(config.max_early_bytes),
            remote_max_message_size: None,
            connected: false,
            events: VecDeque::new(),
            listed: VecDeque::new(),
        }
    }

    /// Begins the association and gives the channels their numbers. Later calls do nothing.
    ///
    /// The DTLS client sends INIT at once. The server holds its own back for one retransmission
    /// timeout, since the client's is about to come: the association is up sooner than after a
    /// collision. A peer that waits too is answered after that time.
    pub fn start(&mut self, now: Instant, role: Role) {
        if self.role.is_some() {
            return;
        }
        self.role = Some(role);
        self.assign_streams(now);
        if self.remote_init.is_some() {
            return;
        }
        let hold = match role {
            Role::Client => Duration::ZERO,
            Role::Server => self.association.handshake_timeout(),
        };
        self.association.connect(now, hold);
        self.settle(now);
    }

    /// Returns our INIT chunk, to be given to the peer with our description (`a=sctp-init`).
    pub fn local_init_chunk(&self) -> Vec<u8> {
        self.association.local_init_chunk()
    }

    /// Takes the peer's INIT from its description, after it was given ours and before
    /// [`Self::start`]: the association needs no handshake and is up as soon as the layer below is,
    /// which [`Self::lower_layer_up`] or a packet tells.
    pub fn set_remote_init(&mut self, init: RemoteInit) {
        if self.role.is_none() {
            self.remote_init = Some(Box::new(init));
        }
    }

    /// The DTLS connection below is up. Says nothing new but to an association without a handshake.
    pub fn lower_layer_up(&mut self, now: Instant) {
        if self.role.is_some()
            && let Some(init) = self.remote_init.take()
        {
            self.association.establish(now, &init);
            self.settle(now);
        }
    }

    /// Lets a server begin the association without waiting for the client, which it does for a
    /// moment otherwise: where DTLS lets it send first.
    pub fn end_hold(&mut self, now: Instant) {
        self.association.end_hold(now);
        self.settle(now);
    }

    /// Takes an SCTP packet, the plaintext of a DTLS record.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        self.lower_layer_up(now);
        self.association.handle_datagram(now, datagram);
        self.settle(now);
    }

    /// Fires the timers that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.association.handle_timeout(now);
        self.settle(now);
        if self.association.is_quiet() {
            self.events.shrink_to(0);
            self.listed.shrink_to(0);
            self.slots.shrink_to_fit();
        }
    }

    /// Appends the next packet to `buf` and gives its range, or `None` when there is nothing to
    /// send now.
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Range<usize>> {
        let range = self.association.poll_transmit(now, buf);
        self.settle(now);
        range
    }

    /// Returns when there is something to do; `None` for not before the next datagram or command.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.association.poll_timeout()
    }

    /// Returns what has changed.
    pub fn poll_event(&mut self) -> Option<Event> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        while let Some(&id) = self.listed.front() {
            let Some(channel) = self.channel_mut(id) else {
                self.listed.pop_front();
                continue;
            };
            if let Some(event) = channel.events.take(id) {
                if channel.events.is_empty() {
                    channel.listed = false;
                    self.listed.pop_front();
                }
                if event == Event::ChannelClosed(id) {
                    self.free_if_done(id);
                }
                return Some(event);
            }
            channel.listed = false;
            self.listed.pop_front();
        }
        None
    }

    /// Returns the next message of a channel; none while one is being read in parts, of which
    /// [`Self::read_part`] has given the first but not the last.
    pub fn read(&mut self, id: ChannelId) -> Option<Message> {
        loop {
            let channel = self.channel_mut(id)?;
            channel.events.clear(Events::READABLE);
            if channel.rest_unread {
                return None;
            }
            // What is on the stream after its reset belongs to the next channel.
            let (stream, closed) = (channel.stream, channel.state == ChannelState::Closed);
            let over = closed || channel.incoming_reset;
            let raw = if let Some((message, len)) = channel.pop_unread() {
                self.association.receiver().release(len);
                Some(message)
            } else if over {
                None
            } else {
                stream.and_then(|stream| self.association.read(stream))
            };
            let Some(raw) = raw else {
                self.free_if_done(id);
                return None;
            };
            // Other identifiers are none of a data channel's (RFC 8831 §6.6).
            let Some(message) = Message::from_sctp(raw.ppid, raw.payload) else { continue };
            let channel = self.channel_mut(id)?;
            channel.stats_mut().messages_received += 1;
            channel.stats_mut().bytes_received += message.len() as u64;
            if closed && channel.unread.is_empty() {
                self.free_if_done(id);
            }
            return Some(message);
        }
    }

    /// Returns the state of a channel; `Closed` when there is none.
    pub fn state(&self, id: ChannelId) -> ChannelState {
        self.channel(id).map_or(ChannelState::Closed, |channel| channel.state)
    }

    /// Returns how a channel was opened: label, protocol, order, reliability, priority.
    pub fn channel_init(&self, id: ChannelId) -> Option<&super::ChannelInit> {
        self.channel(id).map(|channel| &channel.init)
    }

    /// Returns a channel's label.
    pub fn label(&self, id: ChannelId) -> Option<&str> {
        self.channel(id).map(|channel| &*channel.init.label)
    }

    /// Returns a channel's subprotocol.
    pub fn protocol(&self, id: ChannelId) -> Option<&str> {
        self.channel(id).map(|channel| &*channel.init.protocol)
    }

    /// Returns the number of a channel's streams (W3C's `id`), once it has one.
    pub fn stream_id(&self, id: ChannelId) -> Option<u16> {
        self.channel(id).and_then(|channel| channel.stream)
    }

    /// Returns the figures of a channel.
    pub fn channel_stats(&self, id: ChannelId) -> Option<ChannelStats> {
        self.channel(id).map(Channel::stats)
    }

    /// Returns all channels that are not forgotten: closed ones stay until
    /// [`Event::ChannelClosed`] was polled and all that arrived is read.
    pub fn channels(&self) -> impl Iterator<Item = ChannelId> {
        self.slots.iter().zip(0..).filter_map(|(slot, index)| {
            slot.as_ref().map(|(serial, _)| ChannelId { serial: *serial, slot: index })
        })
    }

    /// Returns whether there is a channel that is not forgotten.
    pub const fn has_channels(&self) -> bool {
        self.slots.len() > self.free.len()
    }

    /// Returns how many channels have been open since the beginning, whichever side opened them and
    /// whether they still are. One that ended before the association was up is none.
    pub const fn channels_opened(&self) -> u64 {
        self.opened
    }

    /// Returns the figures of the association.
    pub fn stats(&self) -> Stats {
        self.association.stats()
    }

    /// Returns whether the association is up.
    pub const fn is_connected(&self) -> bool {
        self.connected
    }

    /// Returns the association, to look at.
    pub const fn association(&self) -> &Association {
        &self.association
    }

    /// Sets the peer's port (`a=sctp-port`), before the association is begun.
    pub fn set_remote_port(&mut self, port: u16) {
        self.association.set_remote_port(port);
    }

    /// Sets the largest packet to make, in bytes.
    pub fn set_mtu(&mut self, mtu: usize) {
        self.association.set_mtu(mtu);
    }

    /// Takes a round-trip time that a layer below has measured: the first timers follow it.
    pub fn set_round_trip_time(&mut self, rtt: Duration) {
        self.association.set_round_trip_time(rtt);
    }

    /// Returns what the path has shown of itself, and begins the next report.
    pub fn take_path_report(&mut self) -> PathReport {
        self.association.take_path_report()
    }

    /// Sets the most that data may take of the path, in bytes a second; `None` for no limit.
    pub fn set_rate_limit(&mut self, bytes_per_second: Option<u64>) {
        self.association.set_rate_limit(bytes_per_second);
    }

    /// The layer below uses another path now.
    pub fn path_changed(&mut self, now: Instant) {
        self.association.path_changed(now);
    }

    /// Ends the association once all that was sent is acknowledged; all channels close with it.
    pub fn shutdown(&mut self, now: Instant) {
        self.association.shutdown(now);
        self.settle(now);
    }

    /// Ends the association at once.
    pub fn abort(&mut self, now: Instant, reason: &str) {
        self.association.abort(now, reason);
        self.settle(now);
    }

    pub(crate) fn channel(&self, id: ChannelId) -> Option<&Channel> {
        let (serial, channel) = self.slots.get(id.slot as usize)?.as_ref()?;
        (*serial == id.serial).then_some(channel)
    }

    #[inline]
    pub(crate) fn channel_mut(&mut self, id: ChannelId) -> Option<&mut Channel> {
        let (serial, channel) = self.slots.get_mut(id.slot as usize)?.as_mut()?;
        (*serial == id.serial).then_some(channel)
    }

    pub(crate) fn on_stream(&self, stream: u16) -> Option<ChannelId> {
        self.by_stream.get(stream).copied().flatten()
    }

    /// Notes that something happened to a channel.
    pub(crate) fn tell(&mut self, id: ChannelId, bit: u8) {
        let Some(channel) = self.channel_mut(id) else { return };
        channel.events.set(bit);
        // RFC 8832 §6: any message of the peer says that the OPEN has arrived.
        channel.confirmed |= bit == Events::READABLE;
        if !channel.listed {
            channel.listed = true;
            self.listed.push_back(id);
        }
    }

    /// Carries what has happened to the association over to the channels: first what happened to
    /// the association as a whole, then announcements, then messages and resets, so that each finds
    /// the channel that it is meant for.
    pub(super) fn settle(&mut self, now: Instant) {
        while let Some(event) = self.association.poll_own_event() {
            match event {
                event::Event::Connected => self.handle_connected(),
                event::Event::Restarted => self.handle_restart(),
                event::Event::Closed(reason) => {
                    self.close_all();
                    self.association.receiver().drop_unfinished();
                    self.events.push_back(Event::Closed(reason));
                }
                _ => {}
            }
        }
        // With the packet that ends the association may have come what would have needed it.
        let over = self.association.close_reason().is_some();
        while let Some((stream, message)) = self.association.receiver().read_control() {
            if !over {
                self.handle_dcep(now, stream, &message.payload);
            }
        }
        while let Some(event) = self.association.poll_event() {
            match event {
                event::Event::Readable(stream) => match self.on_stream(stream) {
                    Some(id) => self.tell(id, Events::READABLE),
                    None => self.keep_early(now, stream),
                },
                event::Event::BufferedAmountLow(stream) => {
                    if let Some(id) = self.on_stream(stream) {
                        self.tell(id, Events::LOW);
                    }
                }
                event::Event::IncomingStreamReset(stream) => self.incoming_reset(now, stream),
                event::Event::OutgoingStreamReset(stream) => self.outgoing_reset(stream),
                // Taken above; none of them comes from what was done since.
                event::Event::Connected
                | event::Event::Restarted
                | event::Event::Closed(_)
                | event::Event::StreamsAdded
                | event::Event::StreamsRefused => {}
            }
        }
    }
}
