//! The contract of the five calls, over a whole call with media and data.
//!
//! A tidy driver drains everything after every call. This one makes the calls in random order,
//! twice, late or not at all, stops polling after any datagram, and tells times that step back. It
//! wakes up for deadlines and arrivals only, and its applications act on events only, so that news
//! which nobody tells stalls the call. The applications at both ends must see the same as ever.
//!
//! After any call it may also ask whether all the news of that call were told: a further call that
//! has nothing to do must not bring any.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests may panic")]

#[path = "lazy/applications.rs"]
mod applications;
mod common;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use applications::Chapter;
use common::{A, B, Fate, Pair, seeds};
use peerless::media::transceiver::TransceiverInit;
use peerless::{
    BundlePolicy, Configuration, DataChannelId, DataChannelInit, Datagram, Event, IceCandidate,
    MediaKind, Message, SessionDescription, TransceiverId,
};

const MESSAGES: u32 = 40;
const FRAMES: u32 = 20;

/// xorshift64*, enough to choose calls.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n
    }
}

/// What the signalling channel carries, in order.
enum Mail {
    Description(SessionDescription),
    Candidate(IceCandidate),
}

struct Call {
    pair: Pair,
    random: Random,
    mail: VecDeque<(usize, Mail)>,
    /// Somebody's offer has not been answered yet.
    negotiating: bool,
    bundled: bool,
    next_port: u16,
    /// News that were told, and that no application has looked at.
    inbox: [VecDeque<Event>; 2],
    chapter: Chapter,
    begun: bool,
    chat: DataChannelId,
    video: TransceiverId,
    theirs: Option<TransceiverId>,
    open: bool,
    sent: u32,
    frames_sent: u32,
    next_frame: Option<Instant>,
    key_frame_wanted: bool,
    messages: Vec<Message>,
    echoed: u32,
    frames: Vec<u32>,
    second: Option<DataChannelId>,
    /// Its other end, at A.
    second_incoming: Option<DataChannelId>,
    audio: Option<TransceiverId>,
    frames_returned: u32,
}

impl Call {
    fn new(seed: u64) -> Self {
        let mut configuration = Configuration::default();
        let bundled = seed % 4 != 3;
        if !bundled {
            // A transport and a socket for each section.
            configuration.bundle_policy = BundlePolicy::MaxCompat;
        }
        let mut pair = Pair::with(configuration.clone(), configuration, seed as u8);
        pair.trickle = false;
        let mut random = Random::new(seed);
        pair.delay = Duration::from_millis(1 + random.below(40));
        let mut loss = Random::new(seed + 1000);
        // Media are not to be lost, nor so late that the jitter buffer gives up: frames would be
        // missing at the end.
        pair.fate = Box::new(move |_, contents| match contents.first() {
            Some(0..64) if loss.below(25) == 0 => Fate::Drop,
            Some(20..) if loss.below(25) == 0 => Fate::Duplicate,
            Some(20..) if loss.below(8) == 0 => Fate::Delay(Duration::from_millis(loss.below(10))),
            _ => Fate::Deliver,
        });
        let now = pair.now;
        let a = &mut pair.peers[A];
        let chat = a.create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
        let video = a.add_transceiver(now, MediaKind::Video, TransceiverInit::send_only()).unwrap();
        Self {
            pair,
            random,
            mail: VecDeque::new(),
            negotiating: false,
            bundled,
            next_port: 6000,
            inbox: [VecDeque::new(), VecDeque::new()],
            chapter: Chapter::Channel,
            begun: false,
            chat,
            video,
            theirs: None,
            open: false,
            sent: 0,
            frames_sent: 0,
            next_frame: None,
            key_frame_wanted: true,
            messages: Vec::new(),
            echoed: 0,
            frames: Vec::new(),
            second: None,
            second_incoming: None,
            audio: None,
            frames_returned: 0,
        }
    }

    fn done(&self) -> bool {
        self.chapter == Chapter::End
            && !self.negotiating
            && self.messages.len() as u32 == MESSAGES
            && self.echoed == MESSAGES
            && self.frames.last() == Some(&((self.frames_sent - 1) * 3000))
    }

    // The driver.

    fn turn(&mut self) -> Result<(), String> {
        let peer = self.random.below(2) as usize;
        // Times step back by up to 20 ms.
        let back = self.random.below(4) * self.random.below(5000);
        let told = self.pair.now - Duration::from_micros(back);
        match self.random.below(12) {
            0..=3 => {
                // Some datagrams, not all.
                let mut buf = Vec::new();
                for _ in 0..self.random.below(4) {
                    buf.clear();
                    let transmit = self.pair.peers[peer].poll_transmit(told, &mut buf);
                    let Some(transmit) = transmit else { break };
                    let path = transmit.path;
                    let sent: Vec<Vec<u8>> = transmit.datagrams().map(<[u8]>::to_vec).collect();
                    for contents in sent {
                        self.pair.put(peer, path, contents);
                    }
                }
                self.asked(peer);
            }
            4 | 5 => {
                // What has arrived, several without a drain between.
                for _ in 0..=self.random.below(4) {
                    let now = self.pair.now;
                    let arrived = self.pair.wire.iter().position(|datagram| datagram.at <= now);
                    let Some(at) = arrived else { break };
                    let mut datagram = self.pair.wire.remove(at);
                    let arrived = Datagram::new(datagram.path, &mut datagram.contents);
                    self.pair.peers[datagram.to].handle_datagram(told, arrived);
                    self.asked(datagram.to);
                }
            }
            6 | 7 => {
                // Early, late or repeated.
                for _ in 0..=self.random.below(2) {
                    self.pair.peers[peer].handle_timeout(told);
                }
                self.asked(peer);
            }
            8 => self.read_events(peer),
            9 => self.work(),
            10 => {
                let _ = self.pair.peers[peer].poll_timeout();
                self.read_mail();
            }
            _ => return self.sleep(),
        }
        Ok(())
    }

    /// Sleeps until something is due, and then some. Only the deadlines that the connections name,
    /// arrivals and the application's own clock wake this driver up; and letters and events, which
    /// it may leave for a while but not for ever.
    fn sleep(&mut self) -> Result<(), String> {
        if self.drowsy() {
            return Ok(());
        }
        let application = self.next_frame.filter(|_| self.wants_frames());
        let Some(next) = [self.pair.next(), application].into_iter().flatten().min() else {
            let (elapsed, chapter) = (self.pair.elapsed(), self.chapter);
            return Err(format!("nothing will happen after {elapsed:?}, in {chapter:?}"));
        };
        if next > self.pair.now {
            let late = self.random.below(3) * self.random.below(3000);
            self.pair.now = next + Duration::from_micros(late);
        }
        Ok(())
    }

    /// Whether there is something to read. Some time passes then, not more than a little.
    fn drowsy(&mut self) -> bool {
        for peer in [A, B] {
            if let Some(event) = self.pair.peers[peer].poll_event() {
                self.inbox[peer].push_back(event);
            }
        }
        let unread = !self.mail.is_empty() || self.inbox.iter().any(|inbox| !inbox.is_empty());
        if unread {
            let until = self.pair.now + Duration::from_micros(self.random.below(2000));
            self.pair.now =
                self.pair.next().map_or(until, |next| until.min(next.max(self.pair.now)));
        }
        unread
    }

    /// A call was made: now and then, asks whether it left any news untold.
    fn asked(&mut self, peer: usize) {
        if self.random.below(3) == 0 {
            let by_datagram = self.random.below(2) == 0;
            common::told_everything(&mut self.pair, peer, by_datagram, |event| {
                self.inbox[peer].push_back(event);
            });
        }
    }

    fn run(&mut self) -> Result<(), String> {
        self.offer(A, None);
        let limit = self.pair.now + Duration::from_secs(60);
        for _ in 0..1_000_000 {
            if self.done() {
                return self.check();
            }
            if self.pair.now > limit {
                return Err(format!(
                    "stalled in {:?}: {} of {MESSAGES} messages, {} echoed, {} of {} frames",
                    self.chapter,
                    self.messages.len(),
                    self.echoed,
                    self.frames.len(),
                    self.frames_sent,
                ));
            }
            self.turn()?;
        }
        Err(format!("it spins: a million calls by {:?}", self.pair.elapsed()))
    }

    fn check(&mut self) -> Result<(), String> {
        let transports = self.pair.peers[A].stats(self.pair.now).transports.len();
        if (transports == 1) != self.bundled {
            return Err(format!("{transports} transports"));
        }
        for (n, message) in self.messages.iter().enumerate() {
            if *message != Message::from(format!("message {n}")) {
                return Err(format!("message {n} is {message:?}"));
            }
        }
        // Nothing of the media was lost: from the first key frame that can be read, all is there.
        if !self.frames.is_sorted_by(|a, b| a + 3000 == *b) {
            return Err(format!("frames are missing or out of order: {:?}", self.frames));
        }
        Ok(())
    }
}

#[test]
fn a_driver_that_calls_in_any_order_sees_the_same_call() {
    for seed in 0..seeds() {
        println!("seed {seed}");
        if let Err(error) = Call::new(seed).run() {
            panic!("seed {seed}: {error}");
        }
    }
}
