//! Data channels that come and go at random.

use crate::channels::sessions;
use crate::pair::{Link, ms, seeds};
use peerless_sctp::data_channel::{ChannelId, ChannelInit, Event, Message, Session};
use rand::rngs::ChaCha20Rng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::time::Duration;

#[test]
fn channels_come_and_go_at_random_and_both_sides_agree() {
    for number in 0..seeds() {
        println!("seed {number}");
        let mut rng = ChaCha20Rng::seed_from_u64(number);
        let link = Link {
            delay: ms(u64::from(rng.next_u32() % 40)),
            jitter: ms(u64::from(rng.next_u32() % 20)),
            loss: rng.next_u32() % 100,
            duplication: rng.next_u32() % 30,
            rate: None,
        };
        let mut pair = sessions(number).with_link(link, number);
        let mut sides = [Book::default(), Book::default()];
        for _ in 0..300 {
            let index = (rng.next_u32() % 2) as usize;
            let now = pair.now;
            let session = if index == 0 { &mut pair.a } else { &mut pair.z };
            sides[index].act(now, session, &mut rng);
            if rng.next_u32().is_multiple_of(3) {
                pair.run(ms(u64::from(rng.next_u32() % 60)));
            }
            sides[0].look(&mut pair.a);
            sides[1].look(&mut pair.z);
        }
        for (session, book) in [(&mut pair.a, &sides[0]), (&mut pair.z, &sides[1])] {
            for id in book.open.clone() {
                session.close(pair.now, id);
            }
        }
        for _ in 0..100 {
            pair.run(Duration::from_secs(2));
            sides[0].look(&mut pair.a);
            sides[1].look(&mut pair.z);
        }
        assert_eq!(pair.a.channels().count(), 0, "seed {number}");
        assert_eq!(pair.z.channels().count(), 0, "seed {number}");
        let [a, z] = &sides;
        assert_eq!(a.sent, z.received, "seed {number}");
        assert_eq!(z.sent, a.received, "seed {number}");
        assert_eq!(pair.a.stats().receive_buffered, 0);
    }
}

/// What an application at one side did and saw.
#[derive(Default)]
struct Book {
    open: Vec<ChannelId>,
    opened: u32,
    /// By label: what was sent and received, in order.
    sent: BTreeMap<String, Vec<Message>>,
    received: BTreeMap<String, Vec<Message>>,
    labels: BTreeMap<ChannelId, String>,
}

impl Book {
    fn act(&mut self, now: std::time::Instant, session: &mut Session, rng: &mut ChaCha20Rng) {
        match rng.next_u32() % 6 {
            0 => {
                // The two sides' labels differ by the parity of their numbers.
                let label = format!("{} {:p}", self.opened, session);
                self.opened += 1;
                let id = session.open(now, ChannelInit::new(label.clone())).unwrap();
                self.labels.insert(id, label);
                self.open.push(id);
            }
            1 if !self.open.is_empty() => {
                let index = rng.next_u32() as usize % self.open.len();
                let id = self.open.swap_remove(index);
                session.close(now, id);
            }
            _ if !self.open.is_empty() => {
                let id = self.open[rng.next_u32() as usize % self.open.len()];
                let len = rng.next_u32() as usize % 3000;
                let message = Message::from(vec![rng.next_u32() as u8; len]);
                if session.send(now, id, message.clone()).is_ok() {
                    self.sent.entry(self.labels[&id].clone()).or_default().push(message);
                }
            }
            _ => {}
        }
    }

    fn look(&mut self, session: &mut Session) {
        while let Some(event) = session.poll_event() {
            match event {
                Event::ChannelIncoming(id) => {
                    self.labels.insert(id, session.label(id).unwrap().to_owned());
                    self.open.push(id);
                }
                Event::Readable(id) => {
                    while let Some(message) = session.read(id) {
                        let label = self.labels[&id].clone();
                        self.received.entry(label).or_default().push(message);
                    }
                }
                Event::ChannelClosing(id) => self.open.retain(|other| *other != id),
                Event::ChannelClosed(id) => {
                    self.open.retain(|other| *other != id);
                    while let Some(message) = session.read(id) {
                        let label = self.labels[&id].clone();
                        self.received.entry(label).or_default().push(message);
                    }
                }
                Event::Closed(reason) => panic!("closed: {reason}"),
                _ => {}
            }
        }
    }
}
