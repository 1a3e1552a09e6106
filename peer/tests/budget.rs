//! Media and data on one path: the transport's budget.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests may panic")]

mod common;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::base;
use peerless::media::transceiver::TransceiverInit;
use peerless::sim::{Link, Loss, Pair};
use peerless::{DataChannelId, DataChannelInit, Event, Frame, MediaKind, Readable, TransceiverId};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// What the bottleneck holds, reckoned from what A sends into it.
#[derive(Debug)]
struct Queue {
    rate: u64,
    /// How much time's worth it holds.
    most: Duration,
    free_at: Instant,
    since: Option<Instant>,
    /// How long each datagram waits.
    waits: Vec<Duration>,
}

impl Queue {
    fn watch(pair: &mut Pair, rate: u64, milliseconds: u64) -> Arc<Mutex<Self>> {
        let most = Duration::from_millis(milliseconds);
        let queue = Self { rate, most, free_at: pair.now(), since: None, waits: Vec::new() };
        let queue = Arc::new(Mutex::new(queue));
        let (watched, host) = (Arc::clone(&queue), pair.a.host);
        pair.network.set_filter(move |passing| {
            let mut queue = watched.lock().unwrap();
            if passing.host == host {
                let bits = (passing.contents.len() as u64 + 28) * 8;
                let time = Duration::from_nanos(bits * 1_000_000_000 / queue.rate);
                let wait = queue.free_at.saturating_duration_since(passing.now);
                // What finds the queue full is dropped there.
                if wait + time <= queue.most {
                    queue.free_at = queue.free_at.max(passing.now) + time;
                }
                if queue.since.is_some_and(|since| passing.now >= since) {
                    let wait = queue.free_at - passing.now;
                    queue.waits.push(wait);
                }
            }
            true
        });
        queue
    }
}

/// A frame that looks like VP8 (RFC 6386 §9.1): a key frame, or one between.
fn vp8(n: u32, keyframe: bool, len: usize) -> Bytes {
    let mut frame = vec![n as u8; len];
    frame[0] = if keyframe { 0x10 } else { 0x11 };
    if keyframe {
        frame[3..10].copy_from_slice(&[0x9d, 0x01, 0x2a, 64, 0, 64, 0]);
    }
    Bytes::from(frame)
}

/// A call with video, and a channel, from A to B.
struct Call {
    pair: Pair,
    video: TransceiverId,
    theirs: TransceiverId,
    bulk: DataChannelId,
    bulk_theirs: DataChannelId,
    next_frame: Instant,
    frames: u32,
    /// The next frame is a key frame.
    key_frame: bool,
    /// What B has got: frames with the time that each took, and bytes of data.
    received: Vec<(Instant, u32, usize)>,
    sent_at: Vec<Instant>,
    data: u64,
}

impl Call {
    fn new(seed: u64, link: &Link) -> Self {
        let mut pair = Pair::with_link(base(), seed, link);
        let now = pair.now();
        let video = pair
            .a
            .connection
            .add_transceiver(now, MediaKind::Video, TransceiverInit::send_only())
            .unwrap();
        let bulk =
            pair.a.connection.create_data_channel(now, "bulk", DataChannelInit::default()).unwrap();
        let found = |pair: &Pair| {
            let events = || pair.b.events.iter().map(|(_, event)| event);
            let track = events().find_map(|event| match event {
                Event::Track(track) => Some(track.transceiver),
                _ => None,
            });
            let channel = events().find_map(|event| match event {
                Event::DataChannel(id) => Some(*id),
                _ => None,
            });
            let open = |(_, event): &(Instant, Event)| matches!(event, Event::DataChannelOpen(_));
            track.zip(channel).filter(|_| pair.a.events.iter().any(open))
        };
        assert!(pair.run_until(5 * SECOND, |pair| found(pair).is_some()), "{pair:?}");
        let (theirs, bulk_theirs) = found(&pair).unwrap();
        let next_frame = pair.now();
        Self {
            pair,
            video,
            theirs,
            bulk,
            bulk_theirs,
            next_frame,
            frames: 0,
            key_frame: true,
            received: Vec::new(),
            sent_at: Vec::new(),
            data: 0,
        }
    }

    /// Lets time pass, with video at `rate` bits a second, if any, and as much data as goes.
    fn run(&mut self, time: Duration, rate: Option<u64>, with_data: bool) {
        let end = self.pair.now() + time;
        self.next_frame = self.next_frame.max(self.pair.now());
        while self.pair.now() < end {
            let next = if rate.is_some() { self.next_frame.min(end) } else { end };
            let left = next.saturating_duration_since(self.pair.now()).min(5 * MS);
            let Self { pair, theirs, bulk, bulk_theirs, received, data, .. } = self;
            pair.run_until(left, |pair| {
                let now = pair.now();
                while let Some(frame) = pair.b.connection.receiver(*theirs).unwrap().read_frame(now)
                {
                    received.push((now, frame.rtp_time / 3000, frame.data.len()));
                }
                let readable = Event::Readable(Readable::Channel(*bulk_theirs));
                if pair.b.events.iter().any(|(_, event)| *event == readable) {
                    pair.b.events.clear();
                    let mut channel = pair.b.connection.data_channel(*bulk_theirs).unwrap();
                    while let Some(message) = channel.read() {
                        *data += message.len() as u64;
                    }
                }
                if with_data {
                    let mut channel = pair.a.connection.data_channel(*bulk).unwrap();
                    while channel.buffered_amount() < 1 << 20 {
                        channel.send(now, vec![0; 16 << 10]).unwrap();
                    }
                }
                false
            });
            let now = self.pair.now();
            let asked =
                |(_, event): &(Instant, Event)| matches!(event, Event::KeyFrameRequested(_));
            self.key_frame |= self.pair.a.events.iter().any(asked);
            self.pair.a.events.clear();
            if let Some(rate) = rate
                && now >= self.next_frame
                && now < end
            {
                let n = self.frames;
                let frame = Frame::new(
                    vp8(n, std::mem::take(&mut self.key_frame), rate as usize / 8 / 30),
                    n * 3000,
                );
                self.pair.a.connection.sender(self.video).unwrap().send_frame(now, frame).unwrap();
                self.sent_at.push(now);
                self.frames += 1;
                self.next_frame += SECOND / 30;
            }
        }
    }
}

/// A path of 5 Mbit/s with a queue of so many milliseconds.
fn link(round_trip: Duration, queue: u64) -> Link {
    let mut link = Link::with_delay(round_trip / 2);
    link.rate = Some(RATE);
    link.queue = (RATE * queue / 8000) as usize;
    link
}

/// What a stretch of time has brought.
#[derive(Debug)]
struct Stretch {
    /// Bits a second.
    video: u64,
    data: u64,
    /// How many frames were not there in the end.
    missing: usize,
    /// The slowest frame but for a twentieth of them.
    slow_frame: Duration,
    /// How long a datagram waited at the bottleneck, at most.
    wait: Duration,
}

/// A stretch of a call, after `settling`.
fn measure(
    call: &mut Call,
    queue: &Arc<Mutex<Queue>>,
    settling: Duration,
    time: Duration,
    video: Option<u64>,
) -> Stretch {
    call.run(settling, video, true);
    {
        let mut queue = queue.lock().unwrap();
        queue.since = Some(call.pair.now());
        queue.waits.clear();
    }
    let (data, frames, start) = (call.data, call.frames, call.pair.now());
    call.run(time, video, true);
    let data = call.data - data;
    let sent = frames..call.frames;
    // The last frames are on their way.
    let end = call.pair.now();
    call.run(SECOND / 2, video, true);
    let mut times: Vec<Duration> = call
        .received
        .iter()
        .filter(|(_, n, _)| sent.contains(n))
        .map(|(at, n, _)| *at - call.sent_at[*n as usize])
        .collect();
    times.sort_unstable();
    let got = call.received.iter().filter(|(at, ..)| *at >= start && *at < end);
    let bytes: usize = got.map(|(.., len)| *len).sum();
    let a_second = |bytes: u64| bytes * 8000 / time.as_millis() as u64;
    let wait = queue.lock().unwrap().waits.iter().max().copied().unwrap_or_default();
    Stretch {
        video: a_second(bytes as u64),
        data: a_second(data),
        missing: sent.len() - times.len(),
        slow_frame: times.get(times.len() * 95 / 100).copied().unwrap_or_default(),
        wait,
    }
}

/// Of the path.
const RATE: u64 = 5_000_000;
const VIDEO: u64 = 2_000_000;

/// Three seconds a seed: a minute by default, and 1 GB with a thousand.
fn long() -> Duration {
    3 * SECOND * u32::try_from(common::seeds()).unwrap()
}

#[test]
fn a_long_transfer_leaves_video_its_rate_and_the_queue_short() {
    for round_trip in [20 * MS, 50 * MS, 100 * MS, 200 * MS] {
        for deep in [100, 1000] {
            let mut call = Call::new(1, &link(round_trip, deep));
            let queue = Queue::watch(&mut call.pair, RATE, deep);
            call.run(SECOND, Some(VIDEO), false);
            let stretch = measure(&mut call, &queue, Duration::ZERO, long(), Some(VIDEO));
            println!("{round_trip:?}, queue of {deep} ms: {stretch:?}");
            assert!(stretch.video >= VIDEO * 99 / 100 && stretch.missing == 0, "{stretch:?}");
            assert!(stretch.wait < 100 * MS, "{stretch:?}");
            assert!(stretch.slow_frame < round_trip / 2 + 70 * MS, "{stretch:?}");
            // The video is 2.1 Mbit/s with its headers, and the data's take 7 percent of the rest.
            assert!(stretch.data >= 2_250_000, "{stretch:?}");
        }
    }
}

#[test]
fn a_queue_that_is_shorter_than_a_round_trip_does_not_lose_video() {
    for round_trip in [50 * MS, 100 * MS] {
        let mut call = Call::new(2, &link(round_trip, 50));
        let queue = Queue::watch(&mut call.pair, RATE, 50);
        let stretch = measure(&mut call, &queue, SECOND, 20 * SECOND, Some(VIDEO));
        println!("{round_trip:?}: {stretch:?}");
        assert!(stretch.video >= VIDEO * 99 / 100 && stretch.missing == 0, "{stretch:?}");
        assert!(stretch.data >= 2_000_000, "{stretch:?}");
    }
}

#[test]
fn video_that_begins_in_a_transfer_gets_its_rate_and_gives_it_back() {
    let mut call = Call::new(3, &link(50 * MS, 1000));
    let queue = Queue::watch(&mut call.pair, RATE, 1000);
    let alone = measure(&mut call, &queue, 5 * SECOND, 5 * SECOND, None);
    let beside = measure(&mut call, &queue, SECOND, 10 * SECOND, Some(VIDEO));
    let after = measure(&mut call, &queue, 5 * SECOND, 5 * SECOND, None);
    println!("{alone:?}\n{beside:?}\n{after:?}");
    assert!(alone.data >= 4_300_000, "{alone:?}");
    assert!(beside.video >= VIDEO * 99 / 100 && beside.wait < 100 * MS, "{beside:?}");
    assert!(beside.data >= 2_000_000, "{beside:?}");
    assert!(after.data >= 4_300_000, "{after:?}");
}

#[test]
fn data_follows_a_path_that_becomes_slower_and_longer() {
    let mut call = Call::new(4, &link(50 * MS, 1000));
    let queue = Queue::watch(&mut call.pair, RATE, 1000);
    measure(&mut call, &queue, SECOND, 5 * SECOND, Some(VIDEO));
    let mut slower = link(50 * MS, 1000);
    slower.rate = Some(3_000_000);
    let (host, address) = (call.pair.a.host, "192.0.2.1".parse().unwrap());
    call.pair.network.set_links(host, address, slower.clone(), slower);
    queue.lock().unwrap().rate = 3_000_000;
    let slower = measure(&mut call, &queue, 2 * SECOND, 10 * SECOND, Some(VIDEO));
    let longer = link(150 * MS, 1000);
    call.pair.network.set_links(host, address, longer.clone(), longer);
    queue.lock().unwrap().rate = RATE;
    let longer = measure(&mut call, &queue, 25 * SECOND, 10 * SECOND, Some(VIDEO));
    println!("{slower:?}\n{longer:?}");
    assert!(slower.video >= VIDEO * 99 / 100 && slower.wait < 100 * MS, "{slower:?}");
    assert!(slower.data >= 400_000, "{slower:?}");
    assert!(longer.video >= VIDEO * 99 / 100 && longer.wait < 100 * MS, "{longer:?}");
    assert!(longer.data >= 2_000_000, "{longer:?}");
}

#[test]
fn losses_by_chance_do_not_take_data_its_rate() {
    let mut lossy = link(50 * MS, 1000);
    lossy.loss = Loss::Random(0.01);
    let mut call = Call::new(5, &lossy);
    let queue = Queue::watch(&mut call.pair, RATE, 1000);
    let stretch = measure(&mut call, &queue, SECOND, 20 * SECOND, Some(VIDEO));
    println!("{stretch:?}");
    assert!(stretch.video >= VIDEO * 97 / 100 && stretch.wait < 100 * MS, "{stretch:?}");
    assert!(stretch.data >= 2_000_000, "{stretch:?}");
}
