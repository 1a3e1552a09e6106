//! Our association at the ends of a flow.

use super::path::Node;
use bytes::Bytes;
use peerless_sctp::{Association, Config, Event, Outgoing, Stats};
use std::time::Instant;

/// One end: sends for ever when it is the sender, and reads all that comes.
pub(crate) struct Ours {
    association: Association,
    /// What to send, again and again.
    message: Option<Bytes>,
    received: u64,
    buf: Vec<u8>,
}

impl Ours {
    /// The two ends of a flow.
    pub(crate) fn flow(config: &Config, origin: Instant, seed: u8) -> (Self, Self) {
        let end =
            |association, message| Self { association, message, received: 0, buf: Vec::new() };
        let sender = Association::client(config.clone(), origin, [seed; 32]);
        let receiver = Association::server(config.clone(), origin, [seed ^ 0x80; 32]);
        (end(sender, Some(Bytes::from(vec![0x55; 16 << 10]))), end(receiver, None))
    }

    pub(crate) fn stats(&self) -> Stats {
        self.association.stats()
    }

    /// Goes on as another process's.
    pub(crate) fn hand_over(&mut self, now: Instant) {
        let config = self.association.config().clone();
        let bytes = self.association.hand_over(now).unwrap();
        self.association = Association::resume(config, now, [9; 32], &bytes).unwrap();
    }
}

impl Node for Ours {
    fn handle(&mut self, now: Instant, packet: &[u8]) {
        self.association.handle_datagram(now, packet);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.association.handle_timeout(now);
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.association.poll_timeout()
    }

    fn run(&mut self, now: Instant, emit: &mut dyn FnMut(&[u8])) {
        while let Some(event) = self.association.poll_event() {
            if let Event::Readable(stream) = event {
                while let Some(message) = self.association.read(stream) {
                    self.received += message.payload.len() as u64;
                }
            }
        }
        loop {
            if let Some(message) = &self.message {
                while self.association.send(now, Outgoing::new(1, 53, message.clone())).is_ok() {}
            }
            self.buf.clear();
            if self.association.poll_transmit(now, &mut self.buf).is_none() {
                break;
            }
            emit(&self.buf);
        }
    }

    fn received(&self) -> u64 {
        self.received
    }
}
