//! What is lost in DTLS 1.2, its timers, and when they give up.

use super::super::*;
use super::pair::*;

/// Loses the datagrams of these numbers.
fn losing(lost: &[usize]) -> impl FnMut(Role, &[u8]) -> Fate {
    let mut sent = 0;
    move |_, _| {
        sent += 1;
        if lost.contains(&sent) { vec![] } else { vec![DELAY] }
    }
}

#[test]
fn the_first_timer_is_one_and_a_half_round_trips_or_400_ms() {
    for (told, expected) in [(None, 400), (Some(100), 150), (Some(1), 30)] {
        let mut pair = Pair::new(configs());
        if let Some(told) = told {
            pair.client.set_round_trip_time(Duration::from_millis(told));
        }
        pair.client.poll_transmit(pair.now, &mut Vec::new()).unwrap();
        let timeout = pair.client.poll_timeout().unwrap() - pair.now;
        assert_eq!(timeout, Duration::from_millis(expected));
    }
}

#[test]
fn a_timer_without_end_is_a_day_and_one_without_length_a_millisecond() {
    let day = Duration::from_secs(24 * 60 * 60);
    let extremes = [(Duration::MAX, day), (Duration::ZERO, Duration::from_millis(1))];
    for ((client, server), (told, expected)) in [configs(), configs_1_3()]
        .into_iter()
        .flat_map(|configs| extremes.map(|e| (configs.clone(), e)))
    {
        let config = |config: Config| {
            let config = config.with_initial_timeout(told).with_max_timeout(told);
            config.with_max_retransmissions(u32::MAX)
        };
        let mut pair = Pair::new((config(client), config(server).with_cookies()));
        pair.client.poll_transmit(pair.now, &mut Vec::new()).unwrap();
        while pair.client.poll_transmit(pair.now, &mut Vec::new()).is_some() {}
        assert_eq!(pair.client.poll_timeout(), Some(pair.now + expected));
        pair.now += expected;
        pair.client.handle_timeout(pair.now);
        // With cookies, the whole of that is waited for.
        let mut datagram = Vec::new();
        while pair.client.poll_transmit(pair.now, &mut datagram).is_some() {
            pair.server.handle_datagram(pair.now, &mut datagram);
            datagram.clear();
        }
        assert!(pair.server.poll_transmit(pair.now, &mut Vec::new()).is_some());
    }
    let mut pair = Pair::new(configs_1_3());
    pair.client.set_round_trip_time(Duration::MAX);
    pair.client.poll_transmit(pair.now, &mut Vec::new()).unwrap();
    // The other bound is the ceiling.
    assert_eq!(pair.client.poll_timeout(), Some(pair.now));
    while pair.client.poll_transmit(pair.now, &mut Vec::new()).is_some() {}
    assert_eq!(pair.client.poll_timeout(), Some(pair.now + Duration::from_secs(3)));
}

#[test]
fn the_timer_doubles_up_to_its_ceiling_and_then_the_client_gives_up() {
    let (client, server) = configs();
    let client = client
        .with_initial_timeout(Duration::from_secs(1))
        .with_max_timeout(Duration::from_secs(4))
        .with_max_retransmissions(4);
    let mut pair = Pair::new((client, server));
    let mut times = Vec::new();
    while pair.client.close_reason().is_none() {
        assert!(pair.step(&mut |_, _| vec![]));
        times.push((pair.now - pair.start).as_secs());
    }
    // Sent at 0 and 1 s, twice at 3, 7 and 11 s; given up at 15 s.
    assert_eq!(times, [1, 3, 7, 11, 15]);
    assert_eq!(pair.chart.len(), 8);
    assert_eq!(pair.client.poll_event(), Some(Event::Closed(CloseReason::TimedOut)));
    assert_eq!(pair.client.poll_timeout(), None);
}

#[test]
fn a_changed_first_timer_is_that_of_the_flight_that_waits_too() {
    let ms = Duration::from_millis;
    let now = any_instant();
    let (config, _) = configs();
    let mut client = Connection::client(config.with_initial_timeout(ms(400)), now, [1; 32]);
    let mut buf = Vec::new();
    let mut send = |client: &mut Connection, now| {
        assert!(client.poll_transmit(now, &mut buf).is_some());
        while client.poll_transmit(now, &mut buf).is_some() {}
        client.poll_timeout().unwrap() - now
    };
    assert_eq!(send(&mut client, now), ms(400));

    // It began with the flight.
    client.set_initial_timeout(now + ms(100), ms(200));
    assert_eq!(client.poll_timeout(), Some(now + ms(200)));
    client.handle_timeout(now + ms(200));
    assert_eq!(send(&mut client, now + ms(200)), ms(400));

    // It has doubled once.
    client.set_initial_timeout(now + ms(200), ms(300));
    assert_eq!(client.poll_timeout(), Some(now + ms(800)));
    // What that makes late is due at once.
    client.set_initial_timeout(now + ms(500), ms(100));
    client.handle_timeout(now + ms(500));
    assert_eq!(send(&mut client, now + ms(500)), ms(400));
}

#[test]
fn the_timer_begins_anew_when_the_peer_begins_to_listen() {
    let ms = Duration::from_millis;
    let start = any_instant();
    let (config, _) = configs();
    let mut client = Connection::client(config.with_initial_timeout(ms(400)), start, [1; 32]);
    let mut buf = Vec::new();
    let mut send = |client: &mut Connection, now| {
        while client.poll_transmit(now, &mut buf).is_some() {}
        client.poll_timeout().unwrap() - start
    };
    assert_eq!(send(&mut client, start), ms(400));
    // It goes on if it ends sooner.
    client.peer_listens(start + ms(100));
    assert_eq!(client.poll_timeout(), Some(start + ms(400)));
    client.handle_timeout(start + ms(400));
    assert_eq!(send(&mut client, start + ms(400)), ms(1200));
    client.peer_listens(start + ms(500));
    assert_eq!(client.poll_timeout(), Some(start + ms(900)));
    // And doubles from the first one.
    client.handle_timeout(start + ms(900));
    assert_eq!(send(&mut client, start + ms(900)), ms(1700));
    // Nothing to wait for.
    let mut pair = Pair::connected();
    pair.client.peer_listens(pair.now);
    assert_eq!(pair.client.poll_timeout(), None);
}

#[test]
fn each_lost_flight_costs_one_timer() {
    // client → ClientHello, flight 4 ←, → flight 5, flight 6 ←
    for lost in 1..=4 {
        let mut pair = Pair::new(configs());
        pair.client.set_round_trip_time(2 * DELAY);
        pair.server.set_round_trip_time(2 * DELAY);
        pair.run(losing(&[lost]));
        assert!(pair.is_connected());
        assert_eq!(pair.client_connected, Some(7 * DELAY), "150 ms for datagram {lost}");
        assert!(pair.chart.len() <= 7, "{:#?}", pair.chart);
    }
}

#[test]
fn a_flight_is_repeated_whenever_the_peer_repeats_its_own() {
    let mut pair = Pair::new(configs());
    // Every flight 6 is lost for a while: the client asks again and again.
    let mut lost = 0;
    pair.run(|from, datagram| {
        let last = from == Role::Server && describe(datagram).starts_with("ChangeCipherSpec");
        if last && lost < 5 {
            lost += 1;
            return vec![];
        }
        vec![DELAY]
    });
    assert_eq!(lost, 5);
    assert!(pair.is_connected());
    assert_eq!(pair.server.stats().flights_retransmitted, 5);
}

#[test]
fn duplicates_do_not_multiply() {
    // Everything arrives three times, a little apart.
    let mut pair = Pair::new(configs());
    pair.run(|_, _| [0, 3, 9].map(|ms| DELAY + Duration::from_millis(ms)).to_vec());
    assert!(pair.is_connected());
    assert_eq!(pair.chart.len(), 4, "{:#?}", pair.chart);
}

#[test]
fn the_last_flight_is_forgotten_after_four_minutes() {
    let mut pair = Pair::connected();
    let kept = |pair: &Pair| {
        matches!(&pair.server.phase, Phase::Established { rest: Rest::LastFlight(_), .. })
    };
    pair.server.handle_datagram(pair.now, &mut []);
    assert!(kept(&pair));
    pair.server.handle_datagram(pair.now + Duration::from_secs(241), &mut []);
    assert!(!kept(&pair));
    pair.assert_data_flows();
}

#[test]
fn a_flight_that_is_not_answered_is_cut_smaller() {
    let (client, server) = configs();
    let mut pair = Pair::new((client, server.with_mtu(1500)));
    let mut sizes = Vec::new();
    let start = pair.start;
    // A path that swallows datagrams over 600 bytes without a word.
    pair.run(|from, datagram| {
        if from == Role::Server {
            sizes.push(datagram.len());
        }
        if datagram.len() > 600 { vec![] } else { vec![DELAY] }
    });
    assert!(pair.is_connected(), "{sizes:?}");
    assert!(pair.client_connected.unwrap() < Duration::from_secs(4), "{:?}", pair.now - start);
}

#[test]
fn a_flight_is_cut_anew_when_it_is_sent_again() {
    let now = any_instant();
    let mut server = Connection::server(configs().1.with_mtu(300), now, [1; 32]);
    let mut client = Connection::client(configs().0, now, [2; 32]);
    let flight = |connection: &mut Connection, now| {
        let mut datagrams = Vec::new();
        loop {
            let mut buf = Vec::new();
            if connection.poll_transmit(now, &mut buf).is_none() {
                return datagrams;
            }
            datagrams.push(buf.len());
        }
    };
    let mut hello = Vec::new();
    while client.poll_transmit(now, &mut hello).is_some() {
        server.handle_datagram(now, &mut hello);
        hello.clear();
    }
    assert!(flight(&mut server, now).len() > 2);

    let later = server.poll_timeout().unwrap();
    server.set_mtu(1200);
    server.handle_timeout(later);
    assert_eq!(flight(&mut server, later).len(), 1);
}

#[test]
fn what_was_lost_twice_is_sent_twice_unless_it_is_long() {
    // Five records, and seven.
    for (mtu, times) in [(1200, 2), (200, 1)] {
        let now = any_instant();
        let mut server = Connection::server(configs().1.with_mtu(mtu), now, [1; 32]);
        let mut client = Connection::client(configs().0, now, [2; 32]);
        let mut hello = Vec::new();
        while client.poll_transmit(now, &mut hello).is_some() {
            server.handle_datagram(now, &mut hello);
            hello.clear();
        }
        let [first, second, third] = [(); 3].map(|()| {
            let now = server.poll_timeout().unwrap();
            server.handle_timeout(now);
            let mut sent = Vec::new();
            while server.poll_transmit(now, &mut sent).is_some() {}
            sent.len()
        });
        assert_eq!(second, first, "MTU {mtu}");
        // That of records cut for 548 bytes comes on top.
        assert_eq!(third / first, times, "MTU {mtu}: {first} {third}");
    }
}
