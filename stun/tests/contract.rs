//! The contract of every engine, held by `Binding`: any call, in any order, at any time.
#![expect(clippy::unwrap_used, reason = "the helpers of tests fail by panicking")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use peerless_stun::{
    AttributeType, Binding, BindingConfig, BindingEvent, BindingFailure, BindingServer, Class,
    Datagram, FiveTuple, Message, MessageWriter, Method, Schedule, TransactionId,
};
use rand::rngs::ChaCha20Rng;
use rand::{RngExt, SeedableRng};

const SEEN: &str = "203.0.113.9:61000";

#[expect(clippy::disallowed_methods, reason = "any instant serves as the origin of a test")]
fn start() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "the number of seeds is asked of the caller")]
fn seeds() -> u64 {
    std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(20)
}

fn path() -> FiveTuple {
    FiveTuple::udp("192.168.1.2:5000".parse().unwrap(), "192.0.2.1:3478".parse().unwrap())
}

fn binding(now: Instant, seed: u8) -> Binding {
    Binding::new(BindingConfig::default(), path(), now, [seed; 32])
}

fn transmit(binding: &mut Binding, now: Instant) -> Option<Vec<u8>> {
    let mut buf = b"kept".to_vec();
    let contents = binding.poll_transmit(now, &mut buf).map(|sent| {
        assert_eq!(sent.path, path());
        sent.contents.to_vec()
    });
    assert!(buf.starts_with(b"kept"));
    contents
}

fn answer(mut request: Vec<u8>) -> Vec<u8> {
    let seen = FiveTuple::udp(path().remote, SEEN.parse().unwrap());
    let mut buf = Vec::new();
    let server = BindingServer::new();
    server.respond(&Datagram::new(seen, &mut request), &mut buf).unwrap().contents.to_vec()
}

fn respond(id: TransactionId, class: Class, write: impl FnOnce(MessageWriter<'_>)) -> Vec<u8> {
    let mut buf = Vec::new();
    write(MessageWriter::new(&mut buf, class, Method::Binding, id));
    buf
}

fn handle(binding: &mut Binding, now: Instant, mut bytes: Vec<u8>) -> bool {
    binding.handle_datagram(now, Datagram::new(path(), &mut bytes)).is_none()
}

/// Follows `poll_timeout` until the transaction ends; gives the times of its requests.
fn run_out(binding: &mut Binding, start: Instant) -> (Vec<u64>, u64) {
    let mut sent = Vec::new();
    let mut now = start;
    while let Some(deadline) = binding.poll_timeout() {
        assert!(deadline >= now);
        now = deadline;
        binding.handle_timeout(now);
        while transmit(binding, now).is_some() {
            sent.push((now - start).as_millis() as u64);
        }
    }
    (sent, (now - start).as_millis() as u64)
}

#[test]
fn a_response_gives_the_address() {
    // client -> Binding request  -> server
    // client <- success response <- server
    let now = start();
    let mut binding = binding(now, 1);
    let request = transmit(&mut binding, now).unwrap();
    assert_eq!(transmit(&mut binding, now), None);
    let later = now + Duration::from_millis(30);
    assert!(handle(&mut binding, later, answer(request)));
    assert_eq!(binding.poll_event(), Some(BindingEvent::Mapped(SEEN.parse().unwrap())));
    assert_eq!(binding.poll_event(), None);
    assert_eq!(binding.poll_timeout(), None);
    assert_eq!(binding.mapped_address(), Some(SEEN.parse().unwrap()));
    assert_eq!(binding.round_trip_time(), Some(Duration::from_millis(30)));
}

#[test]
fn without_a_response_it_retransmits_and_fails() {
    let now = start();
    let mut binding = binding(now, 1);
    let (sent, failed) = run_out(&mut binding, now);
    assert_eq!(sent, [0, 500, 1500, 3500, 7500, 15500, 31500]);
    assert_eq!(failed, 39500);
    assert_eq!(binding.poll_event(), Some(BindingEvent::Failed(BindingFailure::TimedOut)));
    assert_eq!(binding.failure(), Some(BindingFailure::TimedOut));
    assert_eq!(transmit(&mut binding, now + Duration::from_secs(99)), None);
}

#[test]
fn the_settings_are_followed() {
    let now = start();
    let config = BindingConfig {
        schedule: Schedule { rto: Duration::from_millis(100), max_requests: 3, last_wait: 4 },
        software: Some("a client".to_owned()),
        fingerprint: true,
    };
    let mut binding = Binding::new(config, path(), now, [1; 32]);
    let request = transmit(&mut binding, now).unwrap();
    let message = Message::parse(&request).unwrap();
    assert_eq!(message.software(), Some("a client"));
    assert_eq!(message.check_fingerprint(), peerless_stun::Fingerprint::Valid);
    assert_eq!(run_out(&mut binding, now), (vec![100, 300], 700));
}

#[test]
fn retransmissions_are_the_same_bytes() {
    let now = start();
    let mut binding = binding(now, 1);
    let first = transmit(&mut binding, now).unwrap();
    let second = transmit(&mut binding, now + Duration::from_millis(500)).unwrap();
    assert_eq!(first, second);
    let later = now + Duration::from_millis(510);
    assert!(handle(&mut binding, later, answer(first)));
    assert_eq!(binding.round_trip_time(), None, "it could be the answer to either");
}

#[test]
fn what_is_not_its_own_comes_back() {
    let now = start();
    let mut binding = binding(now, 1);
    let request = transmit(&mut binding, now).unwrap();
    assert!(!handle(&mut binding, now, b"not STUN".to_vec()));
    assert!(!handle(&mut binding, now, request.clone()), "a request is no response");
    let stranger = TransactionId::new([3; 12]);
    let other = respond(stranger, Class::SuccessResponse, |writer| {
        let _ = writer.xor_mapped_address(SEEN.parse().unwrap()).finish();
    });
    assert!(!handle(&mut binding, now, other));
    assert_eq!(binding.poll_event(), None);

    // A second answer is swallowed: nobody else waits for it.
    assert!(handle(&mut binding, now, answer(request.clone())));
    assert!(handle(&mut binding, now, answer(request)));
    assert_eq!(binding.dropped(), 1);
}

#[test]
fn a_bad_answer_fails_with_a_reason() {
    type Write = fn(MessageWriter<'_>);
    let cases: [(Class, Write, BindingFailure); 4] = [
        (Class::SuccessResponse, |_| (), BindingFailure::NoAddress),
        (
            Class::SuccessResponse,
            |writer| {
                let _ = writer.attribute(AttributeType::from(0x7abc), &[]).finish();
            },
            BindingFailure::UnknownAttribute { kind: 0x7abc },
        ),
        (
            Class::ErrorResponse,
            |writer| {
                let _ = writer.error_code(500, "tired").finish();
            },
            BindingFailure::Refused { code: Some(500) },
        ),
        (Class::ErrorResponse, |_| (), BindingFailure::Refused { code: None }),
    ];
    for (class, write, failure) in cases {
        let now = start();
        let mut binding = binding(now, 1);
        transmit(&mut binding, now).unwrap();
        let response = respond(binding.transaction_id(), class, write);
        assert!(handle(&mut binding, now, response));
        assert_eq!(binding.poll_event(), Some(BindingEvent::Failed(failure)));
        assert_eq!(binding.poll_timeout(), None);
    }
}

#[test]
fn a_damaged_answer_is_dropped_and_the_next_one_counts() {
    let now = start();
    let mut binding = binding(now, 1);
    let request = transmit(&mut binding, now).unwrap();
    let id = binding.transaction_id();
    let mut damaged = respond(id, Class::SuccessResponse, |writer| {
        let _ = writer.xor_mapped_address("192.0.2.7:7".parse().unwrap()).fingerprint().finish();
    });
    *damaged.last_mut().unwrap() ^= 1;
    assert!(handle(&mut binding, now, damaged));
    assert_eq!((binding.poll_event(), binding.dropped()), (None, 1));
    assert!(handle(&mut binding, now, answer(request)));
    assert!(matches!(binding.poll_event(), Some(BindingEvent::Mapped(_))));
}

#[test]
fn an_old_server_without_the_xor_is_understood() {
    let now = start();
    let mut binding = binding(now, 1);
    transmit(&mut binding, now).unwrap();
    let address: SocketAddr = SEEN.parse().unwrap();
    let response = respond(binding.transaction_id(), Class::SuccessResponse, |writer| {
        let _ = writer.mapped_address(address).finish();
    });
    assert!(handle(&mut binding, now, response));
    assert_eq!(binding.mapped_address(), Some(address));
}

#[test]
fn backward_time_is_read_as_the_newest() {
    let now = start() + Duration::from_secs(100);
    let mut binding = binding(now, 1);
    let past = now - Duration::from_secs(50);
    assert!(transmit(&mut binding, past).is_some());
    assert_eq!(binding.poll_timeout(), Some(now + Duration::from_millis(500)));
    binding.handle_timeout(past);
    assert_eq!(transmit(&mut binding, past), None);

    let later = now + Duration::from_millis(600);
    binding.handle_timeout(later);
    assert_eq!(binding.poll_timeout(), Some(later), "a request is due");
    assert!(transmit(&mut binding, past).is_some());
    assert_eq!(binding.poll_timeout(), Some(later + Duration::from_secs(1)));
}

#[test]
fn a_late_driver_sends_each_due_request_once() {
    let now = start();
    let mut binding = binding(now, 1);
    transmit(&mut binding, now).unwrap();
    let late = now + Duration::from_secs(3600);
    binding.handle_timeout(late);
    binding.handle_timeout(late);
    assert!(transmit(&mut binding, late).is_some());
    assert_eq!(transmit(&mut binding, late), None);
    assert_eq!(binding.poll_event(), None, "sleeping is not failing");
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let now = start();
    let request = |seed| transmit(&mut binding(now, seed), now).unwrap();
    assert_eq!(request(1), request(1));
    assert_ne!(request(1), request(2));
}

/// A driver that makes the calls in random order, twice, late, early and with time stepping back;
/// a server that answers the request that survives. The application sees the address.
#[test]
fn a_lazy_driver_gets_the_same_outcome() {
    for seed in 0..seeds() {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let start = start();
        let mut binding = binding(start, 1);
        let answered = rng.random_range(1..=7);
        let (mut newest, mut requests, mut events) = (start, 0, Vec::new());
        let mut response = None;
        for step in 0.. {
            assert!(step < 100_000, "seed {seed}: no end");
            let now = match rng.random_range(0..4) {
                // A response that is on its way arrives in time.
                0 if response.is_none() => binding.poll_timeout().unwrap_or(newest),
                1 => newest.checked_sub(Duration::from_millis(700)).unwrap_or(newest),
                2 => newest + Duration::from_millis(rng.random_range(0..50)),
                _ => newest,
            };
            newest = newest.max(now);
            match rng.random_range(0..5) {
                0 => binding.handle_timeout(now),
                1 => {
                    if let Some(request) = transmit(&mut binding, now) {
                        requests += 1;
                        if requests == answered {
                            response = Some(answer(request));
                        }
                    }
                }
                2 => events.extend(binding.poll_event()),
                3 => {
                    if let Some(response) = &response
                        && rng.random_bool(0.5)
                    {
                        assert!(handle(&mut binding, now, response.clone()), "seed {seed}");
                    } else {
                        assert!(!handle(&mut binding, now, vec![0; 30]), "seed {seed}");
                    }
                }
                _ => {
                    let due = binding.poll_timeout();
                    assert_eq!(due, binding.poll_timeout(), "seed {seed}");
                    if due.is_none()
                        && binding.poll_event().map(|event| events.push(event)).is_none()
                    {
                        break;
                    }
                }
            }
        }
        assert_eq!(events, [BindingEvent::Mapped(SEEN.parse().unwrap())], "seed {seed}");
        assert!(requests >= answered, "seed {seed}");
    }
}

/// A driver that sleeps until `poll_timeout` misses nothing, one that calls earlier gains nothing.
#[test]
fn poll_timeout_is_never_late_and_never_spins() {
    let start = start();
    let (mut eager, mut patient) = (binding(start, 1), binding(start, 1));
    let mut now = start;
    let mut eager_sent = Vec::new();
    while eager.poll_timeout().is_some() {
        eager.handle_timeout(now);
        if transmit(&mut eager, now).is_some() {
            eager_sent.push((now - start).as_millis() as u64);
            assert!(eager.poll_timeout().unwrap() > now, "it would spin");
        }
        now += Duration::from_millis(1);
    }
    assert_eq!(run_out(&mut patient, start).0, eager_sent);
}
