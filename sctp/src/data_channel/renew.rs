//! Another association in place of one that has ended.

use super::channel::Channel;
use super::early::Early;
use super::message::DCEP;
use super::open::CHANNEL;
use super::session::Session;
use crate::association::Association;
use crate::recv::OVERHEAD;
use crate::stream_table::StreamTable;
use std::time::Instant;

impl Session {
    /// Ends the association, and makes a new one that is not begun: "a new SCTP association can be
    /// established" ([RFC 8841 §9.3](https://www.rfc-editor.org/rfc/rfc8841#section-9.3)). Channels
    /// of the old one are closed, and read as before; what nobody has read counts in the new one's
    /// window. What the old one still had to send is not: who wants its peer told polls first. Settings
    /// made since the session was made, as [`Session::set_mtu`]'s, are to be made again.
    ///
    /// `seed` is 32 bytes of fresh entropy, a secret.
    pub fn renew(&mut self, now: Instant, seed: [u8; 32]) {
        self.abort(now, "");
        let config = self.association.config().clone();
        self.association = Association::with_control_ppid(config, now, seed, Some(DCEP));
        (self.role, self.remote_init) = (None, None);
        self.by_stream = StreamTable::new();
        self.next_stream = 0;
        self.early = Early::new(self.early.most);
        self.remote_max_message_size = None;
        let held = |channel: &Channel| -> usize {
            channel.unread.iter().map(|message| message.payload.len() + OVERHEAD).sum()
        };
        for (_, channel) in self.slots.iter().flatten() {
            self.association.receiver().set_aside(held(channel));
            if channel.incoming {
                self.association.receiver().admit_channel(CHANNEL + channel.name_len());
            }
        }
    }

    /// Sets our port (`a=sctp-port`), before the association is begun.
    pub fn set_local_port(&mut self, port: u16) {
        self.association.set_local_port(port);
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the origin of virtual time")]
mod tests {
    use super::*;
    use crate::data_channel::{ChannelInit, ChannelState, Config, Event, Message, Role};

    /// Delivers what the two have to say, until neither has anything.
    fn exchange(sessions: &mut [Session; 2], now: Instant) {
        let mut quiet = false;
        while !quiet {
            quiet = true;
            for (from, to) in [(0, 1), (1, 0)] {
                let mut packet = Vec::new();
                while sessions[from].poll_transmit(now, &mut packet).is_some() {
                    sessions[to].handle_datagram(now, &packet);
                    packet.clear();
                    quiet = false;
                }
            }
        }
    }

    fn begin(sessions: &mut [Session; 2], now: Instant) {
        sessions[0].start(now, Role::Client);
        sessions[1].start(now, Role::Server);
        exchange(sessions, now);
    }

    fn incoming(session: &mut Session) -> crate::data_channel::ChannelId {
        std::iter::from_fn(|| session.poll_event())
            .find_map(|event| match event {
                Event::ChannelIncoming(id) => Some(id),
                _ => None,
            })
            .expect("a channel")
    }

    #[test]
    fn a_new_association_leaves_the_old_ones_messages_readable() {
        let now = Instant::now();
        let mut sessions = [1, 2].map(|seed| Session::new(Config::default(), now, [seed; 32]));
        let mut held = 0;
        for (round, port) in [(1_u8, 5000_u16), (2, 5001)] {
            for session in &mut sessions {
                session.set_local_port(port);
                session.set_remote_port(port);
            }
            let ours = sessions[0].open(now, ChannelInit::new("chat")).unwrap();
            begin(&mut sessions, now);
            assert_eq!(sessions[0].state(ours), ChannelState::Open, "round {round}");
            let theirs = incoming(&mut sessions[1]);
            for text in ["one", "two"] {
                sessions[0].send(now, ours, Message::from(text)).unwrap();
            }
            exchange(&mut sessions, now);
            for (session, seed) in sessions.iter_mut().zip([11, 12]) {
                session.renew(now, [seed + 2 * round; 32]);
            }
            assert_eq!(sessions[0].state(ours), ChannelState::Closed);
            assert_eq!(sessions[1].state(theirs), ChannelState::Closed);
            assert!(sessions[1].association.receiver().held() > held, "it counts in the window");
            held = sessions[1].association.receiver().held();
        }
        // What both rounds have left is read as ever, and is held no more.
        let closed: Vec<_> = sessions[1].channels().collect();
        while sessions[1].poll_event().is_some() {}
        assert_eq!(closed.len(), 2);
        for id in closed {
            for text in ["one", "two"] {
                assert_eq!(sessions[1].read(id), Some(Message::from(text)));
            }
            assert_eq!(sessions[1].read(id), None);
        }
        assert!(!sessions[1].has_channels());
        assert_eq!(sessions[1].association.receiver().held(), 0);
        assert_eq!(sessions[1].channels_opened(), 2);
    }
}
