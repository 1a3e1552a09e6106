//! What is lost, and how soon it comes again.

use rustls::NamedGroup;

use super::super::*;
use super::pair::*;

/// How long a quarter of the first timer is, which is one and a half round trips.
const QUARTER: Duration = Duration::from_micros(37_500);

/// A pair of these groups over a path of 100 ms that both sides know.
fn pair_of(group: NamedGroup, mtu: usize) -> Pair {
    let config = || {
        let config = versions(Version::Dtls12, Version::Dtls13).with_mtu(mtu);
        config.with_groups(&[group]).unwrap()
    };
    let mut pair = Pair::new(acquainted((config(), config())));
    pair.client.set_round_trip_time(2 * DELAY);
    pair.server.set_round_trip_time(2 * DELAY);
    pair
}

/// Loses the datagrams of these numbers, counted from one for each side.
fn losing(from: Role, lost: &[usize]) -> impl FnMut(Role, &[u8]) -> Fate {
    let mut sent = 0;
    move |side, _| {
        sent += usize::from(side == from);
        if side == from && lost.contains(&sent) { vec![] } else { vec![DELAY] }
    }
}

#[test]
fn each_lost_flight_costs_one_timer() {
    // client → ClientHello, flight 2 ←, → flight 3, ACK ←
    for (from, lost, client, server) in [
        (Role::Client, 1, 250, 300),
        (Role::Server, 1, 250, 300),
        (Role::Client, 2, 100, 300),
        (Role::Server, 2, 100, 150),
    ] {
        let mut pair = pair_of(NamedGroup::X25519, 1200);
        pair.run(losing(from, &[lost]));
        assert_eq!(pair.client_connected, Some(Duration::from_millis(client)), "{:#?}", pair.chart);
        assert_eq!(pair.server_connected, Some(Duration::from_millis(server)), "{:#?}", pair.chart);
        assert!(pair.chart.len() <= 8, "{:#?}", pair.chart);
        pair.assert_data_flows();
    }
}

#[test]
fn of_a_hello_in_two_datagrams_a_lost_one_costs_one_timer() {
    for lost in [1, 2] {
        let mut pair = pair_of(NamedGroup::X25519MLKEM768, 1200);
        pair.run(losing(Role::Client, &[lost]));
        assert_eq!(pair.client_connected, Some(Duration::from_millis(250)), "{:#?}", pair.chart);
    }
    // In the wrong order, it costs nothing.
    let mut pair = pair_of(NamedGroup::X25519MLKEM768, 1200);
    let mut sent = 0;
    pair.run(|_, _| {
        sent += 1;
        if sent == 1 { vec![DELAY + Duration::from_millis(1)] } else { vec![DELAY] }
    });
    assert_eq!(pair.client_connected, Some(2 * DELAY + Duration::from_millis(1)));
}

/// Loses a datagram of flight 3, which has two of at most 300 bytes.
fn losing_of_flight_3(lost: usize) -> Pair {
    let mut pair = pair_of(NamedGroup::X25519, 300);
    let mut sent = 0;
    pair.run(|from, datagram| {
        if from == Role::Client && describe(datagram) == "[2]" {
            sent += 1;
            if sent == lost {
                return vec![];
            }
        }
        vec![DELAY]
    });
    assert_eq!(sent, 3, "two and the lost one again: {:#?}", pair.chart);
    pair
}

#[test]
fn what_is_missing_before_something_that_came_is_asked_for_at_once() {
    // client → the first of flight 3, lost; the other → server
    // client ← ACK of the other ← server
    // client → the first again → server
    let pair = losing_of_flight_3(1);
    assert_eq!(pair.server_connected, Some(5 * DELAY), "two and a half round trips");
}

#[test]
fn what_is_missing_at_the_end_is_asked_for_after_a_quarter_of_the_timer() {
    let pair = losing_of_flight_3(2);
    assert_eq!(pair.server_connected, Some(5 * DELAY + QUARTER));
}

#[test]
fn protected_records_without_a_server_hello_make_the_client_ask_sooner() {
    let mut pair = pair_of(NamedGroup::X25519MLKEM768, 1200);
    pair.run(losing(Role::Server, &[1]));
    // client ← half of the ServerHello, lost; the rest ← server
    // client → ClientHello, after a quarter of the timer → server
    let connected = Some(4 * DELAY + QUARTER);
    assert_eq!(pair.client_connected, connected, "{:#?}", pair.chart);
}

#[test]
fn so_they_do_after_a_hello_retry_request() {
    let config = |groups: &[NamedGroup]| {
        versions(Version::Dtls12, Version::Dtls13).with_groups(groups).unwrap()
    };
    let (both, hybrid) =
        ([NamedGroup::X25519, NamedGroup::X25519MLKEM768], NamedGroup::X25519MLKEM768);
    let mut pair = Pair::new(acquainted((config(&both), config(&[hybrid]))));
    // No round-trip time is known: the timer is 400 ms, and a quarter of it 100 ms.
    pair.run(losing(Role::Server, &[2]));
    // client → ClientHello, ← HelloRetryRequest, → ClientHello, ← half of ServerHello, lost; the rest
    // client → ClientHello after a quarter of the timer, ← the flight again
    let connected = Some(6 * DELAY + Duration::from_millis(100));
    assert_eq!(pair.client_connected, connected, "{:#?}", pair.chart);
}

#[test]
fn the_rest_of_an_answer_is_asked_for_by_the_timer_too() {
    // The end of the server's flight is lost five times.
    let mut pair = pair_of(NamedGroup::X25519MLKEM768, 1200);
    let (mut lost, mut acks) = (0, 0);
    pair.run(|from, datagram| {
        if from == Role::Server && datagram.len() < 1100 && lost < 5 {
            lost += 1;
            return vec![];
        }
        acks += usize::from(from == Role::Client && lost < 5 && describe(datagram) == "[2]");
        vec![DELAY]
    });
    assert!(pair.is_connected(), "{:#?}", pair.chart);
    assert!(acks >= 2, "{:#?}", pair.chart);
    assert!(pair.client_connected.unwrap() < Duration::from_millis(1_500), "{:#?}", pair.chart);
}

#[test]
fn a_client_without_any_acknowledgement_gives_up() {
    let (client, server) = configs_1_3();
    let client = client.with_max_retransmissions(3);
    let mut pair = Pair::new((client, server));
    pair.run(|from, datagram: &[u8]| {
        if from == Role::Server && describe(datagram) == "[3]" { vec![] } else { vec![DELAY] }
    });
    assert_eq!(pair.client.close_reason(), Some(CloseReason::TimedOut));
    assert!(pair.server.is_connected());
}

#[test]
fn duplicates_do_not_multiply() {
    let mut pair = pair_of(NamedGroup::X25519MLKEM768, 1200);
    pair.run(|_, _| [0, 3, 9].map(|ms| DELAY + Duration::from_millis(ms)).to_vec());
    assert!(pair.is_connected());
    assert_eq!(pair.chart.len(), 6, "{:#?}", pair.chart);
}

#[test]
fn the_handshake_keys_are_forgotten_after_four_minutes() {
    let mut pair = Pair::connected_1_3();
    assert_eq!((pair.client.incoming.epochs(), pair.server.incoming.epochs()), (1, 2));
    pair.server.handle_datagram(pair.now + Duration::from_secs(241), &mut []);
    assert_eq!(pair.server.incoming.epochs(), 1);
    pair.now += Duration::from_secs(242);
    pair.assert_data_flows();
}

#[test]
fn records_of_the_handshake_are_told_apart_after_its_end_too() {
    let mut pair = pair_of(NamedGroup::X25519, 1200);
    let mut flight_3 = Vec::new();
    pair.run(|from, datagram| {
        if from == Role::Client && describe(datagram) == "[2]" {
            flight_3 = datagram.to_vec();
        }
        vec![DELAY]
    });
    for times in 1..3 {
        pair.server.handle_datagram(pair.now, &mut flight_3.clone());
        assert_eq!(pair.server.stats(), Stats { records_replayed: times, ..Stats::default() });
    }
    *flight_3.last_mut().unwrap() ^= 1;
    pair.server.handle_datagram(pair.now, &mut flight_3);
    assert_eq!(pair.server.stats().records_dropped, 1);
    pair.assert_data_flows();
}

#[test]
fn a_flight_that_is_not_answered_is_cut_smaller() {
    let mut pair = pair_of(NamedGroup::X25519MLKEM768, 1500);
    pair.run(|_, datagram| if datagram.len() > 600 { vec![] } else { vec![DELAY] });
    assert!(pair.is_connected(), "{:#?}", pair.chart);
    assert!(pair.server_connected.unwrap() < Duration::from_secs(3), "{:#?}", pair.chart);
}
