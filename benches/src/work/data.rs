use std::time::Duration;

use bytes::Bytes;

use crate::link::Link;
use crate::measure::{Sample, start, time};
use crate::{Peer, Stack};

/// Messages of `size` bytes through a reliable, ordered channel, as fast as both sides go: messages
/// a second, and allocations of both sides for a message.
#[must_use]
pub fn data<S: Stack>(size: usize, messages: u64) -> Sample {
    let mut link = Link::open::<S>(start(), 2);
    let payload = Bytes::from(vec![0x22; size]);
    let mut run = |messages: u64| {
        let before = link.b.received_messages();
        let mut sent = 0;
        while link.b.received_messages() - before < messages {
            let delivered = link.b.received_messages();
            // A few at a time: what an application does that is told when the buffer is low.
            for _ in 0..BURST {
                if sent == messages || !link.a.send_message(link.now, &payload) {
                    break;
                }
                sent += 1;
            }
            link.advance_to(link.now + Duration::from_micros(20));
            link.flush();
            if link.b.received_messages() == delivered {
                // Only a timer helps, a delayed acknowledgement for one.
                let next = [link.a.poll_timeout(), link.b.poll_timeout()];
                if let Some(next) = next.into_iter().flatten().min() {
                    link.advance_to(next);
                }
            }
        }
    };
    run(messages / 10 + 1);
    let (elapsed, allocated, ()) = time(|| run(messages));
    Sample {
        value: messages as f64 / elapsed.as_secs_f64(),
        allocations: allocated.count as f64 / messages as f64,
    }
}

const BURST: usize = 16;
