//! RFC 8899 over DTLS: data channels find out how large a datagram the path carries.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests may panic")]

mod common;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::base;
use peerless::security::Version;
use peerless::sim::{Interface, Link, Network, Pair, Realm, Side};
use peerless::{Configuration, DataChannelInit, Event};

const SECOND: Duration = Duration::from_secs(1);

/// A transfer of 2 MB after the search, on a path of IP packets of `mtu` bytes; gives the longest
/// datagram of data that left, UDP payload, and how many were too long for the path in all.
fn transfer(mtu: usize, max_path_mtu: Option<usize>, version: Version) -> (usize, u64) {
    let mut network = Network::new(base(), 1);
    let sides = [1, 2].map(|last| {
        let address = [192, 0, 2, last].into();
        let host = network.add_host();
        let link = Link { delay: Duration::from_millis(10), mtu, ..Link::default() };
        network.add_interface(host, Interface::new(Realm::INTERNET, address).with_links(link));
        let mut configuration = Configuration::default();
        configuration.max_path_mtu = max_path_mtu;
        configuration.security_policy.max_version = version;
        (host, SocketAddr::new(address, 5000), configuration)
    });
    let mut pair = Pair::on(network, 1, sides);
    for side in Side::BOTH {
        // Equal datagrams are given away together; a probe is none of them.
        pair.side(side).connection.set_max_segments(16);
    }
    let now = pair.now();
    let bulk =
        pair.a.connection.create_data_channel(now, "bulk", DataChannelInit::default()).unwrap();
    let opens = |pair: &mut Pair| {
        pair.a.events.iter().any(|(_, event)| matches!(event, Event::DataChannelOpen(_)))
    };
    assert!(pair.run_until(5 * SECOND, opens), "{pair:?}");
    pair.run_for(40 * SECOND);
    let searched = pair.network.statistics().too_big;
    let theirs = pair
        .b
        .events
        .iter()
        .find_map(|(_, event)| match event {
            Event::DataChannel(id) => Some(*id),
            _ => None,
        })
        .unwrap();
    let longest = Arc::new(Mutex::new(0));
    let watched = Arc::clone(&longest);
    pair.network.set_filter(move |passing| {
        let mut longest = watched.lock().unwrap();
        *longest = passing.contents.len().max(*longest);
        true
    });
    let now = pair.now();
    for _ in 0..10 {
        let mut channel = pair.a.connection.data_channel(bulk).unwrap();
        channel.send(now, vec![7; 200_000]).unwrap();
    }
    let mut bytes = 0;
    let whole = pair.run_until(20 * SECOND, |pair| {
        while let Some(message) = pair.b.connection.data_channel(theirs).unwrap().read() {
            bytes += message.len();
        }
        bytes == 2_000_000
    });
    assert!(whole, "{bytes} bytes, {pair:?}");
    assert_eq!(
        pair.network.statistics().too_big,
        searched,
        "data is in no packet that is too long"
    );
    let longest = *longest.lock().unwrap();
    (longest, searched)
}

#[test]
fn datagrams_grow_to_what_a_path_of_1500_and_one_of_1280_carries() {
    // 28 bytes of IPv4 and UDP; a search ends when 32 bytes are in question, or with DTLS 1.3 leaves
    // what DTLS 1.2 would need more of its records.
    for version in [Version::Dtls12, Version::Dtls13] {
        for mtu in [1500, 1280] {
            let payload = mtu - 28;
            let (longest, too_long) = transfer(mtu, Some(1472), version);
            println!("{version}, {mtu}: {longest} of {payload} bytes, {too_long} were too long");
            assert!((payload - 48..=payload).contains(&longest), "{longest} of {payload}");
            assert!(too_long <= 40, "{too_long}");
        }
    }
}

#[test]
fn without_a_maximum_nothing_is_searched() {
    let (longest, too_long) = transfer(1500, None, Version::Dtls13);
    assert!(longest <= 1200, "{longest}");
    assert_eq!(too_long, 0);
}
