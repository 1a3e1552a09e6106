//! What comes in goes out again: media frame by frame or packet by packet, chat to everybody, files
//! back to their owner.

use std::time::Instant;

use peerless::{
    DataChannelId, Frame, Message, PeerConnection, ReceiveMode, SendError, TransceiverId,
};
use serde::{Deserialize, Serialize};
use tracing::debug;

use crate::signalling::Mode;

/// Sets every receiver of a connection to frames or packets.
pub(crate) fn set_mode(pc: &mut PeerConnection, now: Instant, mode: Mode) {
    for id in pc.transceivers().collect::<Vec<_>>() {
        if let Some(mut receiver) = pc.receiver(id) {
            receiver.set_mode(
                now,
                match mode {
                    Mode::Frames => ReceiveMode::Frames,
                    Mode::Packets => ReceiveMode::Packets,
                },
            );
        }
    }
}

/// Returns the media that a transceiver has received.
pub(crate) fn media(pc: &mut PeerConnection, now: Instant, id: TransceiverId, mode: Mode) {
    match mode {
        Mode::Frames => frames(pc, now, id),
        Mode::Packets => packets(pc, now, id),
    }
}

/// Packets have become frames, which become packets again.
fn frames(pc: &mut PeerConnection, now: Instant, id: TransceiverId) {
    while let Some(frame) = pc.receiver(id).and_then(|mut receiver| receiver.read_frame(now)) {
        // After a gap a decoder shows damage until the next key frame: ask for it now.
        if frame.discontinuity
            && !frame.keyframe
            && let Some(mut receiver) = pc.receiver(id)
        {
            receiver.request_key_frame(now);
        }
        let Some(mut sender) = pc.sender(id) else { return };
        let mut echo = Frame::new(frame.data, frame.rtp_time);
        echo.payload_type = Some(frame.payload_type);
        echo.keyframe = frame.keyframe;
        echo.codec_info = frame.codec_info;
        echo.extensions = frame.extensions;
        if let Err(error) = sender.send_frame(now, echo) {
            debug!(%error, "a frame does not go back");
        }
    }
}

/// Each packet is sent on as it is, under a source and with numbers of ours.
fn packets(pc: &mut PeerConnection, now: Instant, id: TransceiverId) {
    while let Some(packet) = pc.receiver(id).and_then(|mut receiver| receiver.read_packet()) {
        let Some(mut sender) = pc.sender(id) else { return };
        if let Err(error) = sender.forward(now, &packet) {
            debug!(%error, "a packet does not go back");
        }
    }
}

/// The data channels of a call.
#[derive(Debug)]
pub(crate) struct Channels(Vec<Channel>);

#[derive(Debug)]
struct Channel {
    id: DataChannelId,
    kind: Kind,
    /// Read, but there was no room to send it: nothing more is read until there is, so that
    /// SCTP's window, and in the end the page, stops.
    waiting: Option<Message>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Chat,
    /// Whatever comes goes back: files, and any channel that we do not know.
    Echo,
}

/// What a page writes to the chat.
#[derive(Deserialize)]
struct Said {
    text: String,
    number: u64,
}

/// What every page reads there.
#[derive(Serialize)]
struct Heard<'a> {
    from: &'a str,
    text: &'a str,
    number: u64,
}

impl Channels {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Takes up a channel that the page opened, and returns its label.
    pub(crate) fn add(&mut self, pc: &mut PeerConnection, id: DataChannelId) -> String {
        let Some(mut channel) = pc.data_channel(id) else { return String::new() };
        channel.set_buffered_amount_low_threshold(LOW);
        let label = channel.label().to_owned();
        let kind = if label == "chat" { Kind::Chat } else { Kind::Echo };
        self.0.push(Channel { id, kind, waiting: None });
        label
    }

    pub(crate) fn remove(&mut self, id: DataChannelId) {
        self.0.retain(|channel| channel.id != id);
    }

    /// Reads a channel. Returns what is to be said in every chat.
    pub(crate) fn readable(
        &mut self,
        pc: &mut PeerConnection,
        now: Instant,
        id: DataChannelId,
        name: &str,
    ) -> Vec<String> {
        let Some(channel) = self.0.iter_mut().find(|channel| channel.id == id) else {
            return Vec::new();
        };
        if channel.kind == Kind::Echo {
            channel.echo(pc, now);
            return Vec::new();
        }
        let mut heard = Vec::new();
        while let Some(message) = pc.data_channel(id).and_then(|mut channel| channel.read()) {
            let Ok(Said { text, number }) = serde_json::from_slice(message.data()) else {
                continue;
            };
            if text.len() > MAX_TEXT {
                continue;
            }
            let json = serde_json::to_string(&Heard { from: name, text: &text, number });
            heard.extend(json.ok());
        }
        heard
    }

    /// Goes on where there was no room before.
    pub(crate) fn writable(&mut self, pc: &mut PeerConnection, now: Instant, id: DataChannelId) {
        if let Some(channel) = self.0.iter_mut().find(|channel| channel.id == id) {
            channel.echo(pc, now);
        }
    }

    /// Writes to the chat channels. Who does not read misses it.
    pub(crate) fn chat(&self, pc: &mut PeerConnection, now: Instant, text: &str) {
        for channel in self.0.iter().filter(|channel| channel.kind == Kind::Chat) {
            let Some(mut lent) = pc.data_channel(channel.id) else { continue };
            if lent.buffered_amount() < MAX_CHAT_BACKLOG {
                lent.send(now, text.to_owned()).ok();
            }
        }
    }
}

impl Channel {
    fn echo(&mut self, pc: &mut PeerConnection, now: Instant) {
        if self.kind != Kind::Echo {
            return;
        }
        let Some(mut channel) = pc.data_channel(self.id) else { return };
        while let Some(message) = self.waiting.take().or_else(|| channel.read()) {
            match channel.send(now, message) {
                Ok(()) => {}
                Err(SendError::BufferFull { message, .. }) => {
                    self.waiting = Some(message);
                    return;
                }
                Err(error) => debug!(%error, "a message does not go back"),
            }
        }
    }
}

/// From here on further messages of a file are read: far from empty, so that sending never pauses.
const LOW: usize = 4 * 1024 * 1024;

const MAX_TEXT: usize = 16_000;
const MAX_CHAT_BACKLOG: usize = 64 * 1024;
