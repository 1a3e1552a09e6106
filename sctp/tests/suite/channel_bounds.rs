//! How many channels there may be.

use crate::channels::events;
use crate::pair::{Pair, ms, origin, seed};
use peerless_sctp::data_channel::{ChannelInit, ChannelState, Config, Event, Role, Session};
use std::time::Duration;

#[test]
fn channels_beyond_the_streams_of_the_peer_close_when_that_is_known() {
    let start = origin();
    let mut config = Config::default();
    config.association.inbound_streams = 10;
    let mut pair = Pair::new(
        start,
        Session::new(Config::default(), start, seed(1, 0)),
        Session::new(config, start, seed(1, 1)),
    );
    let negotiated = |id| ChannelInit { negotiated: Some(id), ..ChannelInit::new("negotiated") };
    let open: Vec<_> = [10, 100, 200]
        .into_iter()
        .map(negotiated)
        .chain((0..8).map(|_| ChannelInit::new("announced")))
        .map(|init| pair.a.open(start, init).unwrap())
        .collect();
    pair.a.start(start, Role::Client);
    // Some are being closed by then.
    for id in [open[1], open[8], open[9]] {
        pair.a.close(start, id);
        assert_eq!(pair.a.state(id), ChannelState::Closing);
    }
    pair.z.start(start, Role::Server);
    pair.run(Duration::from_secs(2));
    let numbers = [0, 2, 4, 6, 8].map(|number| (number, ChannelState::Open));
    let news = events(&mut pair.a);
    let left: Vec<_> =
        pair.a.channels().map(|id| (pair.a.stream_id(id).unwrap(), pair.a.state(id))).collect();
    assert_eq!(left, numbers, "{news:?}");
}

#[test]
fn channels_that_the_peer_opens_and_closes_unheard_are_bounded() {
    let start = origin();
    let mut config = Config::default();
    config.max_channels = 50;
    let mut pair = Pair::new(
        start,
        Session::new(Config::default(), start, seed(1, 0)),
        Session::new(config, start, seed(1, 1)),
    );
    pair.a.start(start, Role::Client);
    pair.z.start(start, Role::Server);
    pair.run(ms(100));
    for _ in 0..20 {
        let open: Vec<_> =
            (0..20).map(|_| pair.a.open(pair.now, ChannelInit::default()).unwrap()).collect();
        pair.run(ms(100));
        for id in open {
            pair.a.close(pair.now, id);
        }
        pair.run(Duration::from_secs(1));
        events(&mut pair.a);
    }
    let kept = pair.z.channels().count();
    assert!(kept <= 100, "{kept}");
    // Once they are heard of, there is room for others.
    events(&mut pair.z);
    assert_eq!(pair.z.channels().count(), 0);
    let last = pair.a.open(pair.now, ChannelInit::default()).unwrap();
    pair.run(Duration::from_secs(1));
    assert_eq!(events(&mut pair.a), [Event::ChannelOpen(last)]);
}
