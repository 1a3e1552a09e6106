use std::sync::mpsc;
use std::thread;

use super::*;
use crate::configuration::{BundlePolicy, Configuration};
use crate::data_channel::{DataChannelId, DataChannelInit};
use crate::event::Readable;
use crate::media::MediaKind;
use crate::media::transceiver::TransceiverInit;
use crate::origin::Origin;

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// An endpoint with one connection, and its driver.
struct Site {
    endpoint: Endpoint,
    driver: Blocking,
    id: ConnectionId,
    events: Vec<Event>,
}

impl Site {
    fn new(addresses: &[SocketAddr]) -> Self {
        let mut endpoint = Endpoint::new(Origin::system());
        let driver = Blocking::bind_all(addresses).unwrap();
        driver.introduce(&mut endpoint);
        let id = endpoint.add_connection(now(), Configuration::default());
        Self { endpoint, driver, id, events: Vec::new() }
    }

    fn turn(&mut self) {
        let events = &mut self.events;
        self.driver
            .turn(&mut self.endpoint, Some(Duration::from_millis(1)), |_, _, event| {
                events.push(event);
            })
            .unwrap();
    }

    fn connection(&mut self) -> &mut crate::PeerConnection {
        self.endpoint.connection_mut(self.id).unwrap()
    }
}

/// Two sites on real sockets whose channel is open.
struct Call {
    a: Site,
    b: Site,
    channel: DataChannelId,
}

impl Call {
    fn connect(addresses: &[SocketAddr]) -> Self {
        let (mut a, mut b) = (Site::new(addresses), Site::new(addresses));
        let init = DataChannelInit::default();
        let channel = a.connection().create_data_channel(now(), "chat", init).unwrap();
        a.connection().set_local_description(now(), None).unwrap();
        let offer = a.connection().local_description().unwrap();
        b.connection().set_remote_description(now(), offer).unwrap();
        b.connection().set_local_description(now(), None).unwrap();
        let answer = b.connection().local_description().unwrap();
        a.connection().set_remote_description(now(), answer).unwrap();
        let mut call = Self { a, b, channel };
        call.run_until(|call| {
            call.a.events.iter().any(|event| matches!(event, Event::DataChannelOpen(_)))
        });
        call
    }

    /// Gives both their turns until it is done; fails after ten seconds.
    fn run_until(&mut self, mut done: impl FnMut(&mut Self) -> bool) {
        let deadline = now() + Duration::from_secs(10);
        while !done(self) {
            assert!(now() < deadline, "it does not come: {:?} {:?}", self.a.events, self.b.events);
            self.a.turn();
            self.b.turn();
            Self::trickle(&mut self.a, &mut self.b);
            Self::trickle(&mut self.b, &mut self.a);
        }
    }

    fn trickle(from: &mut Site, to: &mut Site) {
        for event in &from.events {
            if let Event::IceCandidate(candidate) = event {
                to.connection().add_ice_candidate(now(), candidate.clone()).unwrap();
            }
        }
        from.events.retain(|event| !matches!(event, Event::IceCandidate(_)));
    }
}

#[test]
fn two_endpoints_exchange_megabytes_over_real_sockets() {
    /// More than fits the kernel's buffers.
    const TOTAL: usize = 6_000_000;

    let mut call = Call::connect(&[loopback()]);
    let (mut sent, mut received) = (0, 0);
    call.run_until(|call| {
        let channel = call.channel;
        while sent < TOTAL {
            let message = vec![(sent / 60_000) as u8; 60_000];
            let mut channel = call.a.connection().data_channel(channel).unwrap();
            if channel.send(now(), message).is_err() {
                break;
            }
            sent += 60_000;
        }
        let readable: Vec<_> = call.b.events.drain(..).collect();
        for event in readable {
            let Event::Readable(Readable::Channel(channel)) = event else { continue };
            let mut channel = call.b.connection().data_channel(channel).unwrap();
            while let Some(message) = channel.read() {
                let expected = (received / 60_000) as u8;
                assert!(message.data().iter().all(|byte| *byte == expected));
                received += message.data().len();
            }
        }
        received == TOTAL
    });
    let statistics = call.a.driver.statistics();
    assert!(statistics.sent > 4000, "{statistics:?}");
    if call.a.driver.shared_sockets().any(|socket| socket.max_segments() > 1) {
        assert!(statistics.send_calls < statistics.sent / 2, "{statistics:?}");
    }
    assert_eq!(call.a.driver.local_addresses(), call.a.endpoint.local_addresses());
}

#[test]
fn both_families_work_at_once() {
    let Ok(driver) = Blocking::bind("[::1]:0".parse().unwrap()) else {
        println!("skipped: this machine has no IPv6");
        return;
    };
    assert!(driver.local_addresses()[0].is_ipv6());
    let call = Call::connect(&[loopback(), "[::1]:0".parse().unwrap()]);
    assert_eq!(call.a.endpoint.local_addresses().len(), 2);
}

#[test]
fn a_socket_for_all_addresses_answers_from_the_one_that_was_asked() {
    let driver = Blocking::bind("0.0.0.0:0".parse().unwrap()).unwrap();
    let addresses = driver.local_addresses();
    assert!(!addresses.is_empty());
    assert!(addresses.iter().all(|address| !address.ip().is_unspecified() && address.port() != 0));
    let call = Call::connect(&["0.0.0.0:0".parse().unwrap()]);
    assert!(call.a.driver.statistics().refused == 0);
}

#[test]
fn a_waker_wakes_and_stops_from_another_thread() {
    let mut driver = Blocking::bind(loopback()).unwrap();
    let waker = driver.waker();
    let (commands, inbox) = mpsc::channel::<u32>();
    let (answers, outbox) = mpsc::channel();
    let controller = thread::spawn(move || {
        for n in 0..100 {
            commands.send(n).unwrap();
            waker.wake();
            assert_eq!(outbox.recv_timeout(Duration::from_secs(10)), Ok(n));
        }
        waker.stop();
    });
    let mut endpoint = Endpoint::new(Origin::system());
    let on_wake = |_: &mut Endpoint| inbox.try_iter().for_each(|n| answers.send(n).unwrap());
    driver.run_with(&mut endpoint, on_wake, |_, _, _| {}).unwrap();
    controller.join().unwrap();
}

/// As the one above, for an application with a loop of its own.
#[test]
fn a_waker_wakes_every_turn_that_waits() {
    let mut driver = Blocking::bind(loopback()).unwrap();
    let waker = driver.waker();
    let (commands, inbox) = mpsc::channel::<u32>();
    let (answers, outbox) = mpsc::channel();
    let controller = thread::spawn(move || {
        for n in 0..100 {
            commands.send(n).unwrap();
            waker.wake();
            assert_eq!(outbox.recv_timeout(Duration::from_secs(10)), Ok(n));
        }
    });
    let mut endpoint = Endpoint::new(Origin::system());
    let mut answered = 0;
    while answered < 100 && !controller.is_finished() {
        // A limit only so that a failure is not a test that never ends.
        let at_most = Some(Duration::from_secs(20));
        driver.turn(&mut endpoint, at_most, |_, _, _| {}).unwrap();
        for n in inbox.try_iter() {
            answers.send(n).unwrap();
            answered += 1;
        }
    }
    controller.join().unwrap();
}

#[test]
fn a_wake_during_a_turn_is_for_a_run_too() {
    let mut driver = Blocking::bind(loopback()).unwrap();
    let waker = driver.waker();
    let mut endpoint = Endpoint::new(Origin::system());
    waker.wake();
    driver.turn(&mut endpoint, None, |_, _, _| {}).unwrap();
    let mut woken = 0;
    let on_wake = |_: &mut Endpoint| {
        woken += 1;
        waker.stop();
    };
    driver.run_with(&mut endpoint, on_wake, |_, _, _| {}).unwrap();
    assert_eq!(woken, 1);
}

#[test]
fn a_stop_before_the_run_counts() {
    let mut driver = Blocking::bind(loopback()).unwrap();
    driver.waker().stop();
    driver.run(&mut Endpoint::new(Origin::system()), |_, _, _| {}).unwrap();
}

#[test]
fn a_datagram_that_had_to_wait_is_sent_before_all_others() {
    let other = std::net::UdpSocket::bind(loopback()).unwrap();
    other.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut driver = Blocking::bind(loopback()).unwrap();
    let mut endpoint = Endpoint::new(Origin::system());
    let path = FiveTuple::udp(driver.local_addresses()[0], other.local_addr().unwrap());
    driver.out.extend_from_slice(b"aabbc");
    driver.waiting = Some(Waiting { path, ecn: None, segment_size: Some(2), socket: 0 });
    driver.turn(&mut endpoint, Some(Duration::ZERO), |_, _, _| {}).unwrap();
    assert!(driver.waiting.is_none());
    let mut received = Vec::new();
    for _ in 0..3 {
        let mut buf = [0; 10];
        let len = other.recv(&mut buf).unwrap();
        received.push(buf[..len].to_vec());
    }
    assert_eq!(received, [&b"aa"[..], b"bb", b"c"]);
}

#[test]
fn while_a_datagram_waits_the_driver_waits_for_room_and_not_for_deadlines() {
    let mut driver = Blocking::bind(loopback()).unwrap();
    let mut endpoint = Endpoint::new(Origin::system());
    let id = endpoint.add_connection(now(), Configuration::default());
    assert!(endpoint.connection_mut(id).is_some());
    assert!(endpoint.poll_timeout().is_some(), "it was lent, and is due");
    let address = driver.local_addresses()[0];
    let path = FiveTuple::udp(address, address);
    driver.waiting = Some(Waiting { path, ecn: None, segment_size: None, socket: 0 });
    for open in driver.sockets.iter_mut().flatten() {
        open.readable = false;
    }
    let begin = now();
    driver.wait(&endpoint, false, Some(Duration::from_millis(30))).unwrap();
    assert!(now() - begin >= Duration::from_millis(30), "it does not spin");
}

/// Nothing would wake the driver for it, nor for anybody's deadlines; and another socket may have its
/// place by then.
#[test]
fn a_datagram_does_not_wait_for_a_socket_that_is_closed() {
    let mut driver = Blocking::bind(loopback()).unwrap();
    let mut endpoint = Endpoint::new(Origin::system());
    let id = endpoint.add_connection(now(), Configuration::default());
    let (shared, own) = (0, 1);
    let bind = SocketRequest::Bind { id: SocketId(7), address: loopback().ip() };
    driver.answer(&mut endpoint, id, bind);
    let path = FiveTuple::udp(loopback(), loopback());
    for socket in [shared, own] {
        driver.waiting = Some(Waiting { path, ecn: None, segment_size: None, socket });
        driver.answer(&mut endpoint, id, SocketRequest::Close { id: SocketId(7) });
        assert_eq!(driver.waiting.is_some(), socket == shared);
        driver.answer(&mut endpoint, id, bind);
    }
}

#[test]
fn a_path_without_a_socket_is_counted() {
    let mut driver = Blocking::bind(loopback()).unwrap();
    assert_eq!(driver.socket_for("127.0.0.1:1".parse().unwrap()), None);
    let mut endpoint = Endpoint::new(Origin::system());
    driver.refresh_addresses(&mut endpoint).unwrap();
    assert_eq!(endpoint.local_addresses(), driver.local_addresses());
}

#[test]
fn sockets_that_are_asked_for_are_opened_and_closed() {
    let mut driver = Blocking::bind(loopback()).unwrap();
    let mut endpoint = Endpoint::new(Origin::system());
    let id = endpoint.add_connection(now(), Configuration::default());
    let socket = SocketId(7);
    let bind = SocketRequest::Bind { id: socket, address: "127.0.0.1".parse().unwrap() };
    driver.answer(&mut endpoint, id, bind);
    assert_eq!(driver.sockets.iter().flatten().count(), 2);
    assert_eq!(driver.local_addresses().len(), 1, "it is the connection's own");
    driver.answer(&mut endpoint, id, SocketRequest::Close { id: socket });
    assert_eq!(driver.sockets.iter().flatten().count(), 1);

    driver.answer(&mut endpoint, id, bind);
    assert_eq!(driver.sockets.len(), 2, "the gap is used again");
    endpoint.remove_connection(now(), id);
    driver.turn(&mut endpoint, Some(Duration::ZERO), |_, _, _| {}).unwrap();
    assert_eq!(driver.sockets.iter().flatten().count(), 1, "its owner is gone");

    driver.answer(&mut endpoint, id, bind);
    assert_eq!(driver.sockets.iter().flatten().count(), 1, "nobody is there to use it");

    let id = endpoint.add_connection(now(), Configuration::default());
    let nowhere = SocketRequest::Bind { id: socket, address: "192.0.2.1".parse().unwrap() };
    driver.answer(&mut endpoint, id, nowhere);
    assert_eq!(driver.sockets.iter().flatten().count(), 1);
}

#[test]
fn sockets_go_and_come_with_the_address_that_they_were_asked_for_at() {
    let mut driver = Blocking::bind(loopback()).unwrap();
    let mut endpoint = Endpoint::new(Origin::system());
    let configuration =
        Configuration { bundle_policy: BundlePolicy::MaxCompat, ..Configuration::default() };
    let id = endpoint.add_connection(now(), configuration);
    let connection = endpoint.connection_mut(id).unwrap();
    connection.create_data_channel(now(), "chat", DataChannelInit::default()).unwrap();
    connection.add_transceiver(now(), MediaKind::Audio, TransceiverInit::default()).unwrap();
    connection.set_local_description(now(), None).unwrap();
    let turn = |driver: &mut Blocking, endpoint: &mut Endpoint| {
        driver.turn(endpoint, Some(Duration::ZERO), |_, _, _| {}).unwrap();
    };
    turn(&mut driver, &mut endpoint);
    assert_eq!(driver.sockets.iter().flatten().count(), 2);
    endpoint.remove_local_address(now(), driver.local_addresses()[0]);
    driver.report(&mut endpoint, &mut |_, _, _| {});
    assert_eq!(driver.sockets.iter().flatten().count(), 1);
    turn(&mut driver, &mut endpoint);
    assert_eq!(driver.sockets.iter().flatten().count(), 2);
}

/// Runs the driver until the endpoint has other addresses; tells what it returned last.
fn exhaust(driver: &mut Blocking, endpoint: &mut Endpoint) -> io::Result<()> {
    for open in driver.sockets.iter_mut().flatten() {
        while open.trouble.again_at().is_some() && !open.trouble.count(now()) {}
    }
    let deadline = now() + Duration::from_secs(10);
    let addresses = endpoint.local_addresses().to_vec();
    while endpoint.local_addresses() == addresses {
        assert!(now() < deadline, "it is never given up");
        driver.turn(endpoint, Some(Duration::from_millis(10)), |_, _, _| {})?;
    }
    Ok(())
}

#[test]
fn a_socket_that_cannot_receive_is_the_end_of_itself_alone() {
    let mut driver = Blocking::bind_all(&[loopback(), loopback()]).unwrap();
    let mut endpoint = Endpoint::new(Origin::system());
    let addresses = driver.local_addresses();
    driver.sockets[0].as_mut().unwrap().socket.break_down();
    let other = std::net::UdpSocket::bind(loopback()).unwrap();
    while driver.statistics().received == 0 {
        other.send_to(b"x", addresses[1]).unwrap();
        driver.turn(&mut endpoint, None, |_, _, _| {}).unwrap();
    }
    assert_eq!(endpoint.local_addresses(), addresses, "it may pass");
    assert!(driver.statistics().receive_errors > 0);

    exhaust(&mut driver, &mut endpoint).unwrap();
    assert_eq!(endpoint.local_addresses(), &addresses[1..]);
    assert_eq!(driver.local_addresses(), &addresses[1..]);

    driver.sockets[1].as_mut().unwrap().socket.break_down();
    driver.sockets[1].as_mut().unwrap().readable = true;
    driver.turn(&mut endpoint, None, |_, _, _| {}).unwrap();
    exhaust(&mut driver, &mut endpoint).unwrap_err();
}

#[test]
fn a_socket_that_cannot_receive_is_left_alone_for_a_while() {
    let mut driver = Blocking::bind(loopback()).unwrap();
    let mut endpoint = Endpoint::new(Origin::system());
    driver.sockets[0].as_mut().unwrap().socket.break_down();
    let begin = now();
    while now() - begin < Duration::from_millis(250) {
        driver.turn(&mut endpoint, Some(Duration::from_millis(250)), |_, _, _| {}).unwrap();
    }
    assert!(driver.statistics().receive_errors <= 4, "{:?}", driver.statistics());
}

#[test]
fn a_socket_of_one_connection_that_cannot_receive_is_closed() {
    let mut driver = Blocking::bind(loopback()).unwrap();
    let mut endpoint = Endpoint::new(Origin::system());
    let id = endpoint.add_connection(now(), Configuration::default());
    let bind = SocketRequest::Bind { id: SocketId(7), address: loopback().ip() };
    driver.answer(&mut endpoint, id, bind);
    let own = driver.sockets[1].as_mut().unwrap();
    own.socket.break_down();
    while !own.trouble.count(now() - Duration::from_secs(1)) {}
    driver.turn(&mut endpoint, Some(Duration::ZERO), |_, _, _| {}).unwrap();
    assert!(driver.sockets[1].is_none());
}
