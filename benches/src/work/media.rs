use std::time::Duration;

use bytes::Bytes;

use crate::link::Link;
use crate::measure::{Sample, start, time};
use crate::{Peer, Stack};

/// Packets from one side to the other, one a millisecond: microseconds and allocations of both sides
/// together, for a packet, with the reports and timers of those seconds in it.
#[must_use]
pub fn media<S: Stack>(packets: u64) -> Sample {
    let mut link = Link::open::<S>(start(), 1);
    let payload = Bytes::from(vec![0x11; PAYLOAD]);
    let mut index = 0;
    let mut run = |packets: u64| {
        let mut received = 0;
        for _ in 0..packets {
            link.advance_to(link.now + Duration::from_millis(1));
            link.a.send_packet(link.now, index, &payload);
            index += 1;
            link.flush();
            while link.b.read_packet(link.now).is_some() {
                received += 1;
            }
        }
        received
    };
    // Streams are found, buffers grow: 3 seconds, as long as a history keeps packets.
    run(3000);
    let (elapsed, allocated, received) = time(|| run(packets));
    assert!(received * 10 >= packets * 9, "{}: {received} of {packets} arrived", S::NAME);
    Sample {
        value: elapsed.as_secs_f64() * 1e6 / packets as f64,
        allocations: allocated.count as f64 / packets as f64,
    }
}

/// With headers, extensions and tag that is a datagram of 1200 bytes.
pub(crate) const PAYLOAD: usize = 1150;
