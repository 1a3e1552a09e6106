//! What Peerless promises about the heap.

use peerless_benches::allocator::Counting;
use peerless_benches::stacks::Peerless;
use peerless_benches::{data, work};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Reports and statistics may allocate now and then: a hundredth of an allocation a packet.
const NONE: f64 = 0.01;

#[test]
fn a_media_packet_costs_no_allocation_on_either_side() {
    let sample = work::media::<Peerless>(10_000);
    assert!(sample.allocations < NONE, "{sample:?}");
}

#[test]
fn a_forwarded_packet_costs_no_allocation() {
    let sample = work::forward::<Peerless>(20, 500);
    assert!(sample.allocations < NONE, "{sample:?}");
}

#[test]
fn a_small_message_costs_no_allocation_on_either_side() {
    let sample = work::data::<Peerless>(100, 20_000);
    // A block of 16 KiB for received messages, where the application still holds the one before.
    assert!(sample.allocations < 0.02, "{sample:?}");
}

#[test]
fn a_large_message_costs_at_most_its_memory_and_the_count_of_its_holders() {
    let sample = work::data::<Peerless>(64 << 10, 200);
    assert!(sample.allocations <= 2.0, "{sample:?}");
}

#[test]
fn an_idle_peer_takes_at_most_48_kib() {
    let idle = work::idle::<Peerless>(4, 1);
    assert!(idle.heap_bytes <= 48.0 * 1024.0, "{idle:?}");
}

#[test]
fn an_idle_association_takes_at_most_4_kib() {
    let idle = data::idle::idle(4, 1);
    assert!(idle.heap_bytes <= 4096.0, "{idle:?}");
    // A HEARTBEAT and its answer, every half a minute: nothing happens in between.
    assert!(idle.calls_per_minute <= 6.0, "{idle:?}");
}

#[test]
fn a_channel_opens_in_four_round_trips() {
    let round_trips = work::opening_round_trips::<Peerless>();
    assert!(round_trips <= 4.01, "{round_trips}");
}
