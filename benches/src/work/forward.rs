use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::link::{Link, Outbox};
use crate::measure::{Sample, start, time};
use crate::work::media::PAYLOAD;
use crate::{Peer, Stack};

/// One publisher's packets to many subscribers: microseconds and allocations of the server alone for a packet forwarded. Receiving from the publisher and the subscribers' reports
/// are in it; what the clients do is not.
#[must_use]
pub fn forward<S: Stack>(subscribers: u64, packets: u64) -> Sample {
    let now = start();
    let mut room = Room {
        publisher: Link::open::<S>(now, 3),
        subscribers: (0..subscribers).map(|seed| Link::open::<S>(now, 4 + seed)).collect(),
        uplink: Outbox::default(),
        downlinks: (0..subscribers).map(|_| Outbox::default()).collect(),
        feedback: (0..subscribers).map(|_| Outbox::default()).collect(),
        to_publisher: Outbox::default(),
        now: now + Duration::from_secs(5),
        index: 0,
        payload: Bytes::from(vec![0x33; PAYLOAD]),
    };
    // Histories are full when they are a second long.
    room.run(1500);
    let mut elapsed = Duration::ZERO;
    let mut allocations = 0;
    let mut received = 0;
    for _ in 0..packets {
        let (spent, allocated, arrived) = room.step();
        elapsed += spent;
        allocations += allocated;
        received += arrived;
    }
    let forwarded = packets * subscribers;
    assert!(received * 10 >= forwarded * 9, "{}: {received} of {forwarded}", S::NAME);
    Sample {
        value: elapsed.as_secs_f64() * 1e6 / forwarded as f64,
        allocations: allocations as f64 / forwarded as f64,
    }
}

/// In the publisher's link `a` is the client; in the subscribers' links `a` is the server.
struct Room<P> {
    publisher: Link<P>,
    subscribers: Vec<Link<P>>,
    uplink: Outbox,
    downlinks: Vec<Outbox>,
    feedback: Vec<Outbox>,
    to_publisher: Outbox,
    now: Instant,
    index: u64,
    payload: Bytes,
}

impl<P: Peer> Room<P> {
    fn run(&mut self, packets: u64) {
        for _ in 0..packets {
            self.step();
        }
    }

    fn step(&mut self) -> (Duration, u64, u64) {
        self.now += Duration::from_millis(1);
        let now = self.now;
        let client = &mut self.publisher.a;
        wake(client, now);
        client.send_packet(now, self.index, &self.payload);
        self.index += 1;
        client.drain(now, &mut self.uplink);

        let (spent, allocated, ()) = time(|| self.serve());

        while let Some(mut datagram) = self.to_publisher.pop() {
            self.publisher.a.handle_datagram(now, &mut datagram);
            self.to_publisher.recycle(datagram);
        }
        let mut arrived = 0;
        let clients = self.subscribers.iter_mut().zip(&mut self.downlinks).zip(&mut self.feedback);
        for ((link, downlink), feedback) in clients {
            wake(&mut link.b, now);
            while let Some(mut datagram) = downlink.pop() {
                link.b.handle_datagram(now, &mut datagram);
                downlink.recycle(datagram);
            }
            link.b.drain(now, feedback);
            while link.b.read_packet(now).is_some() {
                arrived += 1;
            }
        }
        (spent, allocated.count, arrived)
    }

    /// What the server does in a millisecond: this is what is timed.
    fn serve(&mut self) {
        let now = self.now;
        let server = &mut self.publisher.b;
        wake(server, now);
        while let Some(mut datagram) = self.uplink.pop() {
            server.handle_datagram(now, &mut datagram);
            self.uplink.recycle(datagram);
        }
        server.drain(now, &mut self.to_publisher);
        for (link, feedback) in self.subscribers.iter_mut().zip(&mut self.feedback) {
            wake(&mut link.a, now);
            while let Some(mut datagram) = feedback.pop() {
                link.a.handle_datagram(now, &mut datagram);
                feedback.recycle(datagram);
            }
        }
        while let Some(packet) = server.read_packet(now) {
            for (link, downlink) in self.subscribers.iter_mut().zip(&mut self.downlinks) {
                link.a.forward(now, &packet);
                link.a.drain(now, downlink);
            }
        }
    }
}

fn wake<P: Peer>(peer: &mut P, now: Instant) {
    if peer.poll_timeout().is_some_and(|due| due <= now) {
        peer.handle_timeout(now);
    }
}
