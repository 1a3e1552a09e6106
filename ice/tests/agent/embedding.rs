//! What checks and responses carry for the protocol above.

use std::sync::Arc;

use peerless_ice::{Config, Datagram, Embedded, Embedding, Event, FiveTuple, Role};
use stun::{AttributeType, Message};

use crate::network::{Network, address, ms};

fn embedding(datagrams: &[&[u8]], acknowledgements: &[u32]) -> Option<Embedding> {
    let datagrams = datagrams.iter().map(|own| Arc::from(*own)).collect();
    Some(Embedding { datagrams, acknowledgements: acknowledgements.to_vec() })
}

/// What host `index` was told, in order.
fn told(network: &Network, index: usize) -> Vec<Embedded> {
    let events = network.hosts[index].events.iter();
    let embedded = events.filter_map(|(_, event)| match event {
        Event::Embedded(_, embedded) => Some(embedded.clone()),
        _ => None,
    });
    embedded.collect()
}

fn set(network: &mut Network, index: usize, embedding: Option<Embedding>) {
    let now = network.now;
    let host = &mut network.hosts[index];
    host.agent.set_embedding(now, host.stream, embedding);
}

#[test]
fn a_check_carries_a_datagram_and_its_response_another() {
    let mut network = Network::pair(1);
    set(&mut network, 0, embedding(&[b"hello"], &[]));
    set(&mut network, 1, embedding(&[b"world"], &[stun::crc32(b"hello")]));
    network.start();
    network.run_for(ms(500));
    let hello = Embedded { datagram: Some(b"hello".to_vec()), acknowledgements: Some(vec![]) };
    let acknowledgements = Some(vec![stun::crc32(b"hello")]);
    let world = Embedded { datagram: Some(b"world".to_vec()), acknowledgements };
    assert!(told(&network, 1).iter().all(|embedded| *embedded == hello));
    assert!(told(&network, 0).iter().all(|embedded| *embedded == world));
    // A request and a response each way at least.
    assert!(told(&network, 0).len() >= 2 && told(&network, 1).len() >= 2);
}

#[test]
fn all_datagrams_are_under_way_before_the_first_answer() {
    // 0 ms: A → check with "1" → Z; 5 ms: → "2"; 10 ms: → "3"; 50 ms: the first arrives.
    let mut network = Network::pair(2);
    network.signalling = ms(0);
    set(&mut network, 0, embedding(&[b"1", b"2", b"3"], &[]));
    set(&mut network, 1, embedding(&[], &[]));
    network.start();
    network.run_for(ms(70));
    let datagrams: Vec<_> = told(&network, 1).into_iter().filter_map(|own| own.datagram).collect();
    assert_eq!(datagrams[..3], [b"1", b"2", b"3"]);
    let requests = network.trace.iter().filter(|(at, host, _)| *host == 0 && *at <= ms(49));
    assert_eq!(requests.map(|(at, ..)| *at).collect::<Vec<_>>(), [ms(0), ms(5), ms(10)]);
    // The other one has nothing to carry, and sends one check like everyone.
    let others = network.trace.iter().filter(|(at, host, _)| *host == 1 && *at <= ms(49));
    assert_eq!(others.count(), 1);
}

#[test]
fn whoever_does_not_carry_says_neither() {
    let mut network = Network::pair(3);
    set(&mut network, 0, embedding(&[b"hello"], &[]));
    network.start();
    assert!(network.run_until(ms(2000), |network| !told(network, 0).is_empty()));
    assert!(told(&network, 0).iter().all(|embedded| *embedded == Embedded::default()));
    assert!(told(&network, 1).is_empty());
    // Nor does who has stopped.
    set(&mut network, 0, None);
    let sent = network.trace.len();
    network.run_for(ms(10_000));
    for (.., bytes) in &network.trace[sent..] {
        let message = Message::parse(bytes).unwrap();
        assert_eq!(message.attribute(AttributeType::MetaDtlsInStun), None);
        assert_eq!(message.attribute(AttributeType::MetaDtlsInStunAcknowledgement), None);
    }
}

#[test]
fn no_message_is_longer_than_the_limit_and_one_that_fits_is_carried() {
    for max_message_size in [300, 301, 302, 303, 1200] {
        let mut network = Network::new(4);
        let config = Config { max_message_size, ..Config::default() };
        network.add_host(config.clone(), Role::Controlling, &["[2001:db8::1]:1000"]);
        network.add_host(config, Role::Controlled, &["[2001:db8::2]:2000"]);
        network.start();
        let stream = network.hosts[0].stream;
        let room = network.hosts[0].agent.embedding_room(stream);
        assert!(room > max_message_size - 160);
        for host in [0, 1] {
            let crcs = [1, 2, 3, 4];
            set(&mut network, host, embedding(&[&vec![22; room + 1], &vec![23; room]], &crcs));
        }
        network.run_for(ms(3000));
        assert!(network.trace.iter().all(|(.., bytes)| bytes.len() <= max_message_size));
        assert!(told(&network, 1).iter().all(|own| own.datagram == Some(vec![23; room])));
        assert!(told(&network, 1).len() >= 2);
    }
}

#[test]
fn what_nobody_reads_is_bounded_and_the_newest_stays() {
    let mut network = Network::pair(5);
    network.trickle = false;
    network.start();
    set(&mut network, 0, embedding(&[], &[]));
    let host = &mut network.hosts[0];
    let local = address("192.0.2.1:1000");
    let key = stun::Key::short_term(&host.agent.local_credentials(host.stream).unwrap().pwd);
    let ufrag = host.agent.local_credentials(host.stream).unwrap().ufrag.clone();
    while host.agent.poll_event().is_some() {}
    for n in 0..40u8 {
        let mut bytes = Vec::new();
        let id = stun::TransactionId::new([n; 12]);
        stun::MessageWriter::new(&mut bytes, stun::Class::Request, stun::Method::Binding, id)
            .username(&format!("{ufrag}:them"))
            .priority(1)
            .ice_controlled(1)
            // An odd one is discarded, as if it were not there.
            .attribute(AttributeType::MetaDtlsInStunAcknowledgement, &[0; 3])
            .attribute(AttributeType::MetaDtlsInStun, &[n])
            .integrity(&key)
            .fingerprint()
            .finish();
        let path = FiveTuple::udp(local, address("198.51.100.2:2000"));
        host.agent.handle_datagram(network.now, Datagram::new(path, &mut bytes));
        // A forged one is not looked at.
        let last = bytes.len() - 40;
        bytes[last] ^= 1;
        host.agent.handle_datagram(network.now, Datagram::new(path, &mut bytes));
    }
    let mut kept = Vec::new();
    while let Some(event) = host.agent.poll_event() {
        if let Event::Embedded(_, embedded) = event {
            assert_eq!(embedded.acknowledgements, None);
            kept.extend(embedded.datagram);
        }
    }
    assert_eq!(kept, (24..40u8).map(|n| vec![n]).collect::<Vec<_>>());
    assert_eq!(host.agent.counters().dropped_embedded, 24);
}

#[test]
fn a_restart_carries_on() {
    let mut network = Network::pair(6);
    set(&mut network, 0, embedding(&[b"hello"], &[]));
    network.start();
    network.run_for(ms(500));
    let (now, stream) = (network.now, network.hosts[0].stream);
    network.hosts[0].agent.restart(now, stream);
    set(&mut network, 1, embedding(&[], &[]));
    network.exchange_credentials();
    network.run_for(ms(500));
    assert!(told(&network, 1).iter().any(|own| own.datagram.as_deref() == Some(b"hello")));
}

/// Where a request comes from its integrity does not say.
#[test]
fn a_response_to_an_address_that_has_answered_nothing_is_not_much_longer_than_the_request() {
    let mut network = Network::pair(7);
    network.trickle = false;
    network.start();
    set(&mut network, 0, embedding(&[&[22; 600]], &[]));
    let now = network.now;
    let host = &mut network.hosts[0];
    let own = host.agent.local_credentials(host.stream).unwrap().clone();
    let mut buf = Vec::new();
    while host.agent.poll_transmit(now, &mut buf).is_some() {}
    let mut respond = |id: u8, datagram: &[u8]| {
        let mut request = Vec::new();
        let id = stun::TransactionId::new([id; 12]);
        stun::MessageWriter::new(&mut request, stun::Class::Request, stun::Method::Binding, id)
            .username(&format!("{}:them", own.ufrag))
            .priority(1)
            .ice_controlled(1)
            .attribute(AttributeType::MetaDtlsInStun, datagram)
            .integrity(&stun::Key::short_term(&own.pwd))
            .fingerprint()
            .finish();
        let length = request.len();
        let path = FiveTuple::udp(address("192.0.2.1:1000"), address("203.0.113.9:9"));
        host.agent.handle_datagram(now, Datagram::new(path, &mut request));
        buf.clear();
        let transmit = host.agent.poll_transmit(now, &mut buf).unwrap();
        let response = Message::parse(transmit.contents).unwrap();
        assert_eq!(
            (response.class(), response.transaction_id()),
            (stun::Class::SuccessResponse, id)
        );
        // With the headers of IPv4 and UDP.
        let sent = transmit.contents.len() + 28;
        assert!(sent <= 3 * (length + 28), "{sent} to {length}");
        response.attribute(AttributeType::MetaDtlsInStun).map(<[u8]>::len)
    };
    assert_eq!(respond(1, &[]), Some(0));
    assert_eq!(respond(2, &[20; 100]), Some(0));
    // A ClientHello brings enough.
    assert_eq!(respond(3, &[22; 200]), Some(600));
}

#[test]
fn a_response_on_a_path_that_was_confirmed_carries_what_there_is() {
    let mut network = Network::pair(8);
    network.start();
    network.run_for(ms(2000));
    set(&mut network, 0, embedding(&[&[22; 600]], &[]));
    set(&mut network, 1, embedding(&[], &[]));
    // One consent check each way at least.
    network.run_for(ms(7000));
    let long = |own: &&Embedded| own.datagram.as_ref().is_some_and(|own| own.len() == 600);
    assert!(told(&network, 1).iter().filter(long).count() >= 2);
    assert_eq!(told(&network, 1).iter().filter(long).count(), told(&network, 1).len());
}
