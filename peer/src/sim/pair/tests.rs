use super::*;
use crate::data_channel::{DataChannelId, DataChannelInit, DataChannelState};
use crate::event::Readable;
use crate::sim::{Loss, Nat};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

#[expect(clippy::disallowed_methods, reason = "any instant serves as the origin of a test")]
fn start() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "the number of seeds is asked of the caller")]
fn seeds() -> u64 {
    std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(20)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn open_channel(pair: &mut Pair) -> DataChannelId {
    let (now, init) = (pair.now(), DataChannelInit::default());
    pair.a.connection.create_data_channel(now, "chat", init).unwrap()
}

/// Opens a channel and lets time pass until messages can be sent on it.
fn connect(pair: &mut Pair, limit: Duration) -> DataChannelId {
    let channel = open_channel(pair);
    let open = pair.run_until(limit, |pair| {
        let channel = pair.a.connection.data_channel(channel);
        channel.is_some_and(|channel| channel.ready_state() == DataChannelState::Open)
    });
    assert!(open, "{pair:?} {:?}", pair.a.connection.failure_reason());
    assert_eq!(pair.a.connection.connection_state(), ConnectionState::Connected);
    channel
}

/// What B has read, in order.
fn read(pair: &mut Pair) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    for (_, event) in &pair.b.events {
        let Event::Readable(Readable::Channel(channel)) = event else { continue };
        let Some(mut channel) = pair.b.connection.data_channel(*channel) else { continue };
        messages.extend(std::iter::from_fn(|| channel.read()).map(|m| m.data().to_vec()));
    }
    messages
}

fn say(pair: &mut Pair, channel: DataChannelId, text: &'static str) {
    let now = pair.now();
    pair.a.connection.data_channel(channel).unwrap().send(now, text).unwrap();
}

#[test]
fn two_sides_connect_and_talk() {
    let mut pair = Pair::with_link(start(), 1, &Link::with_delay(25 * MS));
    let channel = connect(&mut pair, 5 * SECOND);
    assert!(pair.elapsed() < SECOND, "{pair:?}");
    say(&mut pair, channel, "hello");
    pair.run_for(SECOND);
    assert_eq!(read(&mut pair), [b"hello"]);
    assert_eq!(pair.errors(), [""; 0]);
}

#[test]
fn both_may_offer_at_once() {
    let mut pair = Pair::with_link(start(), 1, &Link::with_delay(25 * MS));
    open_channel(&mut pair);
    let (now, init) = (pair.now(), DataChannelInit::default());
    pair.b.connection.create_data_channel(now, "back", init).unwrap();
    assert!(pair.connect(10 * SECOND), "{pair:?}");
    pair.run_for(SECOND);
    for side in Side::BOTH {
        let opened = |(_, event): &(_, Event)| matches!(event, Event::DataChannel(_));
        assert!(pair.side(side).events.iter().any(opened), "{side:?} {pair:?}");
    }
    assert_eq!(pair.errors(), [""; 0]);
}

/// Two hosts, each behind a translator of its own, and a STUN server.
fn behind(seed: u64, a: Nat, b: Nat) -> Pair {
    let mut network = Network::new(start(), seed);
    let server = Interface::new(Realm::INTERNET, ip("192.0.2.1"));
    network.add_stun_server(server.with_links(Link::with_delay(5 * MS)), 3478);
    let sides = [(a, "10.0.0.1"), (b, "10.0.0.1")].map(|(nat, address)| {
        let home = network.add_nat(Realm::INTERNET, nat);
        let host = network.add_host();
        let interface = Interface::new(home, ip(address)).with_links(Link::with_delay(10 * MS));
        network.add_interface(host, interface);
        let stun_servers = vec!["192.0.2.1:3478".parse().unwrap()];
        let configuration = Configuration { stun_servers, ..Configuration::default() };
        (host, SocketAddr::new(ip(address), 5000), configuration)
    });
    Pair::on(network, seed, sides)
}

#[test]
fn holes_are_punched_where_they_can_be() {
    type Make = fn(IpAddr) -> Nat;
    let kinds: [(&str, Make); 4] = [
        ("full cone", Nat::full_cone),
        ("address-restricted", Nat::address_restricted),
        ("port-restricted", Nat::port_restricted),
        ("symmetric", Nat::symmetric),
    ];
    for (a_name, a) in kinds {
        for (b_name, b) in kinds {
            let mut pair = behind(1, a(ip("203.0.113.1")), b(ip("203.0.113.2")));
            open_channel(&mut pair);
            let connected = pair.connect(20 * SECOND);
            // Each port that a symmetric one opens is new to the other side, which then must let
            // in a port that it has not sent to.
            let possible = !matches!(
                (a_name, b_name),
                ("symmetric", "symmetric" | "port-restricted") | ("port-restricted", "symmetric")
            );
            assert_eq!(connected, possible, "{a_name} and {b_name}: {pair:?}");
        }
    }
}

#[test]
fn a_call_survives_bad_weather() {
    for seed in 0..seeds() {
        let link = Link {
            delay: 20 * MS,
            jitter: 10 * MS,
            rate: Some(2_000_000),
            loss: Loss::Random(0.05),
            duplicate: 0.02,
            reorder: 0.02,
            ..Link::default()
        };
        let mut pair = Pair::with_link(start(), seed, &link);
        println!("seed {seed}");
        let channel = connect(&mut pair, 20 * SECOND);
        // Not earlier: DTLS has no integrity before its Finished, and a flipped bit in a handshake
        // that UDP's checksum did not notice ends it, as it must.
        let (host, corrupting) = (pair.a.host, Link { corrupt: 0.05, ..link });
        pair.network.set_links(host, ip("192.0.2.1"), corrupting.clone(), corrupting);
        say(&mut pair, channel, "first");
        say(&mut pair, channel, "second");
        pair.run_for(10 * SECOND);
        assert_eq!(read(&mut pair), [&b"first"[..], b"second"], "seed {seed}: {pair:?}");
    }
}

/// By the contract of the five calls, a bad driver costs time and nothing else.
#[test]
fn a_lazy_driver_gets_the_same_outcome() {
    for seed in 0..seeds() {
        let mut pair = Pair::with_link(start(), seed, &Link::with_delay(5 * MS));
        pair.drive_lazily(seed);
        println!("seed {seed}");
        let channel = connect(&mut pair, 30 * SECOND);
        say(&mut pair, channel, "hello");
        let mut messages = Vec::new();
        let done = pair.run_until(10 * SECOND, |pair| {
            messages.extend(read(pair));
            !messages.is_empty()
        });
        assert!(done, "seed {seed}: {pair:?}");
        assert_eq!(messages, [b"hello"], "seed {seed}");
    }
}

/// A laptop leaves its network for another: the old address goes, a new one comes, ICE restarts.
#[test]
fn a_call_survives_a_change_of_network() {
    let mut pair = Pair::with_link(start(), 1, &Link::with_delay(10 * MS));
    let channel = connect(&mut pair, 5 * SECOND);
    let (now, host) = (pair.now(), pair.a.host);
    let (old, new) = (ip("192.0.2.1"), ip("192.0.2.77"));
    pair.network.remove_interface(host, old);
    pair.network.add_interface(host, Interface::new(Realm::INTERNET, new));
    pair.a.connection.remove_local_address(now, SocketAddr::new(old, 5000));
    pair.a.connection.add_local_address(SocketAddr::new(new, 5000));
    pair.a.connection.restart_ice(now);
    say(&mut pair, channel, "from elsewhere");
    pair.run_for(10 * SECOND);
    assert_eq!(read(&mut pair), [b"from elsewhere"], "{pair:?}");
    assert_eq!(pair.a.connection.connection_state(), ConnectionState::Connected);
}

#[test]
fn without_a_network_a_connection_fails() {
    let mut pair = Pair::new(start(), 1);
    open_channel(&mut pair);
    assert!(pair.connect(5 * SECOND));
    pair.network.set_filter(|_| false);
    let failed = pair.run_until(60 * SECOND, |pair| {
        pair.a.connection.connection_state() == ConnectionState::Failed
    });
    assert!(failed, "{pair:?}");
    let states: Vec<_> = pair
        .a
        .events
        .iter()
        .filter_map(|(_, event)| match event {
            Event::ConnectionStateChange(state) => Some(*state),
            _ => None,
        })
        .collect();
    assert!(states.ends_with(&[ConnectionState::Disconnected, ConnectionState::Failed]));
}

#[test]
fn channels_close_when_the_transport_below_fails() {
    let mut pair = Pair::with_link(start(), 1, &Link::with_delay(25 * MS));
    let channel = connect(&mut pair, 5 * SECOND);
    pair.run_for(SECOND);
    // DTLS breaks off with an alert, as it does where keys are worn out.
    let now = pair.now();
    let dtls = pair.a.connection.transports[0].dtls.as_mut().unwrap();
    dtls.abort(now, dtls_srtp::dtls::AlertDescription::InternalError);
    pair.a.connection.settle();
    pair.run_for(100 * MS);
    for peer in [&mut pair.a, &mut pair.b] {
        assert_eq!(peer.connection.connection_state(), ConnectionState::Failed);
        let counts = peer.connection.stats(now).peer_connection;
        assert_eq!((counts.data_channels_opened, counts.data_channels_closed), (1, 1));
    }
    let closed = Event::DataChannelClose(channel);
    assert!(pair.a.events.iter().any(|(_, event)| *event == closed));
}
