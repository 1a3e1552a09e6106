//! All channels of a connection, going on in another process.

use super::channel::{Channel, ChannelState, ChannelStats, Events};
use super::config::Config;
use super::early::Early;
use super::message::DCEP;
use super::open::{CHANNEL, ChannelInit};
use super::session::Session;
use super::streaming::Writing;
use super::{ChannelId, Event, Role};
use crate::association::Association;
use crate::handover::{HandoverError, Reader, Writer, check};
use crate::message::{Order, Reliability};
use crate::recv::OVERHEAD;
use crate::recv::handover::{read_message, read_mode, write_message, write_mode};
use std::collections::VecDeque;
use std::time::Instant;

impl Session {
    /// Returns the association and all its channels as bytes, from which [`Self::resume`] makes
    /// them anew; see [`Association::hand_over`]. [`ChannelId`]s stay what they are.
    ///
    /// # Errors
    ///
    /// When the association is not established ([`HandoverError::NotEstablished`]).
    pub fn hand_over(&mut self, now: Instant) -> Result<Vec<u8>, HandoverError> {
        let role = self.role.ok_or(HandoverError::NotEstablished)?;
        let mut out = Writer::new(now);
        self.association.write_handover(&mut out)?;
        out.flag(role == Role::Server);
        out.option(self.remote_max_message_size, Writer::size);
        out.flag(self.events.contains(&Event::Connected));
        out.u32(self.next_serial);
        out.u64(self.opened);
        out.list(self.slots.iter(), |out, slot| {
            out.option(slot.as_ref(), |out, (serial, channel)| {
                out.u32(*serial);
                write_channel(out, channel);
            });
        });
        out.list(self.listed.iter(), |out, id| {
            out.u32(id.serial);
            out.u32(id.slot);
        });
        self.early.hand_over(&mut out);
        Ok(out.into_bytes())
    }

    /// Makes a session of what [`Self::hand_over`] gave, perhaps in another process; see
    /// [`Association::resume`]. `config` must allow as much as that had: so many channels, and as
    /// many bytes of their names and of what came early.
    ///
    /// # Errors
    ///
    /// When the bytes are not what was handed over, or hold more than `config` allows
    /// ([`HandoverError`]).
    pub fn resume(
        config: Config,
        now: Instant,
        seed: [u8; 32],
        bytes: &[u8],
    ) -> Result<Self, HandoverError> {
        let association =
            Association::with_control_ppid(config.association.clone(), now, seed, Some(DCEP));
        let mut session = Self::new(config, now, seed);
        session.association = association;
        let mut from = Reader::new(bytes, now)?;
        session.association.read_handover(&mut from)?;
        // What it had to say was carried over to the channels.
        check(session.association.poll_own_event().is_none())?;
        session.read_channels(&mut from)?;
        from.end()?;
        Ok(session)
    }

    fn read_channels(&mut self, from: &mut Reader<'_>) -> Result<(), HandoverError> {
        self.role = Some(if from.flag()? { Role::Server } else { Role::Client });
        self.connected = true;
        self.remote_max_message_size = from.option(Reader::size)?;
        check(self.remote_max_message_size != Some(0))?;
        if from.flag()? {
            self.events.push_back(Event::Connected);
        }
        self.next_serial = from.u32()?;
        self.opened = from.count()?;
        let slots =
            from.list(|from| from.option(|from| Ok((from.u32()?, Box::new(read_channel(from)?)))))?;
        // What the association does not hold any more counts in its window all the same.
        let (mut set_aside, mut opened, mut incoming) = (0, 0, 0_usize);
        for (slot, entry) in (0_u32..).zip(&slots) {
            let Some((serial, channel)) = entry else {
                self.free.push(slot);
                continue;
            };
            check(channel.can_be())?;
            opened += u64::from(channel.state == ChannelState::Open || channel.incoming);
            if let Some(stream) = channel.own_stream() {
                self.live += 1;
                check(stream < self.streams() && self.on_stream(stream).is_none())?;
                check(channel.writing.is_some() || self.association.written(stream).is_none())?;
                *self.by_stream.entry(stream) = Some(ChannelId { serial: *serial, slot });
            }
            if channel.incoming {
                incoming += 1;
                self.name_bytes += channel.name_len();
                check(self.name_bytes <= self.max_name_bytes)?;
                self.association.receiver().admit_channel(CHANNEL + channel.name_len());
            }
            set_aside += channel
                .unread
                .iter()
                .map(|message| message.payload.len() + OVERHEAD)
                .sum::<usize>();
        }
        check(opened <= self.opened && self.live <= self.max_channels)?;
        // As many again may be closed.
        check(incoming <= self.max_channels.saturating_mul(2))?;
        self.slots = slots;
        let listed = from.list(|from| Ok(ChannelId { serial: from.u32()?, slot: from.u32()? }))?;
        for id in listed {
            if let Some(channel) = self.channel_mut(id).filter(|channel| !channel.listed) {
                channel.listed = true;
                self.listed.push_back(id);
            }
        }
        let is_told = |channel: &Channel| channel.listed || channel.events.is_empty();
        check(self.slots.iter().flatten().all(|(_, channel)| is_told(channel)))?;
        self.early.resume(from)?;
        let streams = self.association.inbound_streams();
        for stream in self.early.streams.keys() {
            check(*stream < streams && self.on_stream(*stream).is_none())?;
        }
        self.association.receiver().set_aside(set_aside + self.early.bytes);
        Ok(())
    }
}

impl Early {
    fn hand_over(&self, out: &mut Writer) {
        out.list(self.streams.iter(), |out, (stream, messages)| {
            out.u16(*stream);
            out.list(messages.iter(), write_message);
        });
    }

    /// Takes up what was handed over; `self` is new.
    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), HandoverError> {
        let streams =
            from.list(|from| Ok((from.u16()?, VecDeque::from(from.list(read_message)?))))?;
        for (stream, messages) in streams {
            self.bytes += messages.iter().map(Self::size).sum::<usize>();
            check(self.streams.insert(stream, messages).is_none())?;
        }
        check(self.bytes <= self.most)
    }
}

impl Channel {
    /// Whether a channel of an established association can be so.
    fn can_be(&self) -> bool {
        let is_reset = self.outgoing_reset || self.incoming_reset;
        let agreed = self.init.negotiated.is_none_or(|number| self.stream == Some(number));
        let over = self.state == ChannelState::Closed || self.incoming_reset;
        let in_state = match self.state {
            // Its number is given when the side of the DTLS connection is known.
            ChannelState::Connecting => false,
            ChannelState::Open => self.stream.is_some() && !self.reset_asked && !is_reset,
            ChannelState::Closing => {
                self.stream.is_some()
                    && self.reset_asked
                    && !(self.outgoing_reset && self.incoming_reset)
            }
            // It is kept for what was not told or read.
            ChannelState::Closed => !self.is_done(),
        };
        in_state
            && agreed
            && (self.writing.is_none() || self.state == ChannelState::Open)
            && (self.cut_short.is_none() || over)
            && (!self.rest_unread || over && !self.unread.is_empty())
            && (self.state == ChannelState::Closed || !self.events.has(Events::CLOSED))
            && !(self.incoming && self.init.negotiated.is_some())
    }
}

fn write_channel(out: &mut Writer, channel: &Channel) {
    let init = &channel.init;
    out.bytes(init.label.as_bytes());
    out.bytes(init.protocol.as_bytes());
    out.order(init.order);
    match init.reliability {
        Reliability::Reliable | Reliability::Priority(_) => out.u8(0),
        Reliability::MaxRetransmits(count) => {
            out.u8(1);
            out.u16(count);
        }
        Reliability::MaxPacketLifeTime(time) => {
            out.u8(2);
            out.duration(time);
        }
    }
    out.u16(init.priority);
    out.option(init.negotiated, Writer::u16);
    out.u8(match channel.state {
        ChannelState::Connecting => 0,
        ChannelState::Open => 1,
        ChannelState::Closing => 2,
        ChannelState::Closed => 3,
    });
    out.option(channel.stream, Writer::u16);
    for flag in [
        channel.confirmed,
        channel.incoming,
        channel.reset_asked,
        channel.outgoing_reset,
        channel.incoming_reset,
    ] {
        out.flag(flag);
    }
    out.list(channel.unread.iter(), write_message);
    out.option(channel.cut_short, Writer::u32);
    out.flag(channel.rest_unread);
    out.size(channel.low_threshold);
    out.option(channel.read_mode, write_mode);
    out.option(channel.writing, |out, writing| out.flag(writing.binary));
    let stats = channel.stats();
    for count in
        [stats.messages_sent, stats.bytes_sent, stats.messages_received, stats.bytes_received]
    {
        out.u64(count);
    }
    out.u8(channel.events.bits());
}

fn read_channel(from: &mut Reader<'_>) -> Result<Channel, HandoverError> {
    let text = |from: &mut Reader<'_>| {
        let text = std::str::from_utf8(from.slice()?).map_err(|_| HandoverError::Malformed)?;
        check(text.len() <= usize::from(u16::MAX))?;
        Ok::<_, HandoverError>(Box::from(text))
    };
    let (label, protocol) = (text(from)?, text(from)?);
    let order: Order = from.order()?;
    let reliability = match from.u8()? {
        0 => Reliability::Reliable,
        1 => Reliability::MaxRetransmits(from.u16()?),
        2 => Reliability::MaxPacketLifeTime(from.duration()?),
        _ => return Err(HandoverError::Malformed),
    };
    let (priority, negotiated) = (from.u16()?, from.option(Reader::u16)?);
    let init = ChannelInit { label, protocol, order, reliability, priority, negotiated };
    let state = match from.u8()? {
        0 => ChannelState::Connecting,
        1 => ChannelState::Open,
        2 => ChannelState::Closing,
        3 => ChannelState::Closed,
        _ => return Err(HandoverError::Malformed),
    };
    Ok(Channel {
        init,
        state,
        stream: from.option(Reader::u16)?,
        confirmed: from.flag()?,
        incoming: from.flag()?,
        reset_asked: from.flag()?,
        outgoing_reset: from.flag()?,
        incoming_reset: from.flag()?,
        unread: VecDeque::from(from.list(read_message)?),
        cut_short: from.option(Reader::u32)?,
        rest_unread: from.flag()?,
        low_threshold: from.size()?,
        unsent: 0,
        read_mode: from.option(read_mode)?,
        writing: from.option(|from| Ok(Writing { binary: from.flag()? }))?,
        stats: Some(Box::new(ChannelStats {
            messages_sent: from.count()?,
            bytes_sent: from.count()?,
            messages_received: from.count()?,
            bytes_received: from.count()?,
        })),
        events: Events::from_bits(from.u8()?),
        listed: false,
    })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the origin of virtual time")]
mod tests;
