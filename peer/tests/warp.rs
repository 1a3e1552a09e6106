//! Round trips until a channel is open: DTLS 1.2 and 1.3, SNAP, and SNAP with SPED, which are WARP
//! together.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests may panic")]

mod common;

use std::time::Duration;

use common::{A, B, Pair};
use peerless::security::Version;
use peerless::{Configuration, DataChannelInit, Event};

const MS: Duration = Duration::from_millis(1);

/// How long after the answer a channel of `opener`'s is open on both sides, 100 ms a round trip.
fn open(version: Version, snap: bool, sped: bool, opener: usize) -> Duration {
    let [a, b] = [(); 2].map(|()| {
        let mut configuration = Configuration::default();
        configuration.security_policy.max_version = version;
        (configuration.snap, configuration.sped) = (snap, sped);
        configuration
    });
    let mut pair = Pair::with(a, b, 1);
    pair.delay = 50 * MS;
    let now = pair.now;
    let mut ours = pair.peers[A].create_data_channel(now, "a", DataChannelInit::default()).unwrap();
    pair.negotiate(A);
    if opener == B {
        let now = pair.now;
        ours = pair.peers[B].create_data_channel(now, "b", DataChannelInit::default()).unwrap();
    }
    let open = pair.run_until(Duration::from_secs(5), |pair| {
        pair.saw(opener, &Event::DataChannelOpen(ours))
            && pair.events[1 - opener].iter().any(|event| matches!(event, Event::DataChannel(_)))
    });
    assert!(open, "{:?}", pair.elapsed());
    pair.elapsed()
}

#[test]
fn a_channel_opens_in_as_few_round_trips_as_the_protocols_allow() {
    // ICE takes 1: the answerer, which is DTLS's client, knows then that its path works.
    // 1.2: DTLS 2; with its last flight SCTP's INIT, COOKIE ECHO ½ later with the OPEN: 4.
    // 1.3: ClientHello ½, the server's flight ½ with nothing of SCTP, for it does not know its client
    //      yet but for an INIT; COOKIE ECHO and the OPEN: 3.5.
    // SNAP: the client's OPEN goes behind its Finished, at 2, and is there at 2.5. A server's goes
    //      when that has come, and is there at 3.
    // SNAP and SPED: the handshake goes along with the checks, and the client's OPEN arrives at 1.5,
    //      the server's at 2. A post-quantum hello needs two checks, 5 ms apart.
    let (no, yes) = (false, true);
    for (version, snap, sped, by_server, by_client) in [
        (Version::Dtls12, no, no, 400, 400),
        (Version::Dtls13, no, no, 350, 350),
        (Version::Dtls12, yes, no, 300, 250),
        (Version::Dtls13, yes, no, 300, 250),
        (Version::Dtls12, yes, yes, 200, 150),
        (Version::Dtls13, yes, yes, 200, 150),
    ] {
        for (opener, limit) in [(A, by_server), (B, by_client)] {
            let took = open(version, snap, sped, opener);
            println!("{version}, SNAP {snap}, SPED {sped}, opened by {opener}: {took:?}");
            let limit = limit * MS;
            let most = if sped { limit + 10 * MS } else { limit };
            assert!((limit..=most).contains(&took), "{version} {snap} {sped} {opener}: {took:?}");
        }
    }
}
