//! Against usrsctp, the SCTP that Firefox, libdatachannel and older Chromiums use, over UDP on
//! loopback. Without Debian's `libusrsctp-dev` and a C compiler the tests say so and pass.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy.toml exempts only inside test functions"
)]
#![expect(clippy::disallowed_methods, reason = "a real peer lives in real time")]

use peerless_sctp::data_channel::{ChannelId, ChannelInit, Config, Event, Message, Role, Session};
use peerless_sctp::{CloseReason, Order, Reliability};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The compiled peer, or why there is none.
fn peer_program() -> Option<&'static str> {
    static PROGRAM: OnceLock<bool> = OnceLock::new();
    const PATH: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/usrsctp-peer");
    let there = PROGRAM.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/usrsctp/peer.c");
        Command::new("cc")
            .args(["-O1", "-o", PATH])
            .arg(source)
            .args(["-lusrsctp", "-lpthread"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    });
    if !there {
        println!("skipped: needs a C compiler and usrsctp (apt install gcc libusrsctp-dev)");
    }
    there.then_some(PATH)
}

/// A session of ours and the process at its other end.
struct Live {
    session: Session,
    socket: UdpSocket,
    peer: Child,
    remote: SocketAddr,
    /// Every so many packets, each way, one is dropped.
    loss: Option<u32>,
    count: u32,
    events: Vec<Event>,
}

impl Live {
    fn start(mode: &str, loss: Option<u32>) -> Option<Self> {
        let program = peer_program()?;
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        let mut peer = Command::new(program)
            .args([port.to_string().as_str(), mode])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(peer.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let remote = (Ipv4Addr::LOCALHOST, line.trim().parse::<u16>().unwrap()).into();
        let now = Instant::now();
        let mut session = Session::new(Config::default(), now, [3; 32]);
        let role = if mode == "connect" { Role::Server } else { Role::Client };
        session.start(now, role);
        Some(Self { session, socket, peer, remote, loss, count: 0, events: Vec::new() })
    }

    fn lost(&mut self) -> bool {
        self.count += 1;
        self.loss.is_some_and(|every| self.count.is_multiple_of(every))
    }

    /// Drives the session until `done`, for at most 30 s.
    fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let limit = Instant::now() + Duration::from_secs(30);
        let mut buf = Vec::new();
        let mut packet = [0; 2048];
        loop {
            let now = Instant::now();
            self.session.handle_timeout(now);
            while self.session.poll_transmit(now, &mut buf).is_some() {
                if !self.lost() {
                    let _ = self.socket.send_to(&buf, self.remote);
                }
                buf.clear();
            }
            while let Some(event) = self.session.poll_event() {
                self.events.push(event);
            }
            if done(self) {
                return;
            }
            assert!(now < limit, "{what}: {:?} {:?}", self.events, self.session.stats());
            let wait = self.session.poll_timeout().map_or(Duration::from_millis(50), |at| {
                at.saturating_duration_since(now).min(Duration::from_millis(50))
            });
            self.socket.set_read_timeout(Some(wait.max(Duration::from_micros(100)))).unwrap();
            while let Ok(len) = self.socket.recv(&mut packet) {
                if !self.lost() {
                    self.session.handle_datagram(Instant::now(), &packet[..len]);
                }
                self.socket.set_nonblocking(true).unwrap();
            }
            self.socket.set_nonblocking(false).unwrap();
        }
    }

    fn open(&mut self, init: ChannelInit) -> ChannelId {
        let id = self.session.open(Instant::now(), init).unwrap();
        self.until("open", |live| live.events.contains(&Event::ChannelOpen(id)));
        id
    }

    /// Sends messages and waits until they have come back.
    fn echo(&mut self, id: ChannelId, messages: &[Message]) {
        let (mut sent, mut back) = (0, 0);
        self.until("echo", |live| {
            while sent < messages.len()
                && live.session.send(Instant::now(), id, messages[sent].clone()).is_ok()
            {
                sent += 1;
            }
            while let Some(message) = live.session.read(id) {
                assert!(message == messages[back], "message {back} has changed");
                back += 1;
            }
            back == messages.len()
        });
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.peer.kill();
        let _ = self.peer.wait();
    }
}

fn filled(len: usize, fill: usize) -> Message {
    Message::from((0..len).map(|index| (index * 7 + fill) as u8).collect::<Vec<_>>())
}

#[test]
fn messages_of_every_kind_and_size_come_back() {
    for mode in ["listen", "connect"] {
        let Some(mut live) = Live::start(mode, None) else { return };
        let id = live.open(ChannelInit::new("echo"));
        live.echo(id, &["text".into(), "".into(), Message::from(vec![]), filled(1, 0)]);
        let sizes = [1131, 1132, 1133, 65_535, 65_536, 262_143, 262_144];
        let messages: Vec<_> = sizes.iter().map(|size| filled(*size, *size)).collect();
        live.echo(id, &messages);
        let many: Vec<_> = (0..5_000).map(|number| filled(1 + number % 300, number)).collect();
        live.echo(id, &many);
    }
}

/// `MEGABYTES` says how many go each way, 30 by default; through loss it is a tenth.
///
/// Through loss it goes there at 10 to 40 MB/s and comes back at about one. That is usrsctp's sender:
/// where what it sends again is lost as well, or too little follows a loss to tell of it, it waits
/// for T3-rtx, which is never shorter than RTO.Min, a second; it is silent so for nearly all of the
/// time. With 200 ms for RTO.Min (`SCTP_RTOINFO`) it comes back at 2.7 MB/s, with 50 ms at 7.5.
#[test]
fn a_bulk_transfer_comes_back_through_loss() {
    let megabytes = std::env::var("MEGABYTES").map_or(30, |said| said.parse().expect("a number"));
    for (loss, count) in [(None, megabytes * 10), (Some(50), megabytes)] {
        let Some(mut live) = Live::start("listen", loss) else { return };
        let id = live.open(ChannelInit::new("bulk"));
        let (mut sent, mut back, mut there) = (0, 0, None);
        let start = Instant::now();
        // In steps, each of which has its time: no clock says how long all of it may take.
        for step in (0..=count).step_by(30) {
            live.until("bulk", |live| {
                while sent < count && sent < back + 200 {
                    let message = filled(100_000, sent);
                    if live.session.send(Instant::now(), id, message).is_err() {
                        break;
                    }
                    sent += 1;
                }
                while let Some(message) = live.session.read(id) {
                    assert!(message == filled(100_000, back), "message {back} has changed");
                    back += 1;
                }
                if sent == count && live.session.total_buffered_amount() == 0 {
                    there.get_or_insert_with(|| start.elapsed());
                }
                back >= step
            });
        }
        live.until("the rest", |live| {
            back += usize::from(live.session.read(id).is_some());
            back == count
        });
        let [there, back] = [there.unwrap_or_else(|| start.elapsed()), start.elapsed()]
            .map(|time| count as f64 * 0.1 / time.as_secs_f64());
        println!("loss 1 in {loss:?}: {there:.1} MB/s there, {back:.1} MB/s back");
    }
}

#[test]
fn a_thousand_channels_are_open_at_once() {
    let Some(mut live) = Live::start("listen", None) else { return };
    let now = Instant::now();
    let ids: Vec<_> = (0..1000)
        .map(|number| {
            let mut init = ChannelInit::new(format!("channel {number}"));
            init.negotiated = Some(number);
            live.session.open(now, init).unwrap()
        })
        .collect();
    live.until("all are open", |live| {
        ids.iter().all(|id| live.events.contains(&Event::ChannelOpen(*id)))
    });
    for (number, id) in ids.iter().enumerate() {
        live.session.send(Instant::now(), *id, filled(1 + number, number)).unwrap();
    }
    let mut waiting = ids.len();
    live.until("each has its message back", |live| {
        for (number, id) in ids.iter().enumerate() {
            while let Some(message) = live.session.read(*id) {
                assert!(message == filled(1 + number, number), "channel {number}");
                waiting -= 1;
            }
        }
        waiting == 0
    });
    ids.iter().for_each(|id| live.session.close(Instant::now(), *id));
    live.until("all are closed", |live| {
        ids.iter().all(|id| live.events.contains(&Event::ChannelClosed(*id)))
    });
}

#[test]
fn channels_close_and_their_numbers_are_used_again() {
    let Some(mut live) = Live::start("listen", None) else { return };
    for round in 0..5 {
        let id = live.open(ChannelInit::new(format!("round {round}")));
        assert_eq!(live.session.stream_id(id), Some(0));
        live.echo(id, &["hello".into()]);
        live.session.close(Instant::now(), id);
        live.until("close", |live| live.events.contains(&Event::ChannelClosed(id)));
    }
}

#[test]
fn unordered_and_unreliable_channels_work() {
    let Some(mut live) = Live::start("listen", Some(10)) else { return };
    let id = live.open(ChannelInit {
        order: Order::Unordered,
        reliability: Reliability::MaxRetransmits(0),
        ..ChannelInit::new("lossy")
    });
    let mut back = 0;
    for number in 0..200 {
        live.session.send(Instant::now(), id, filled(2_500, number)).unwrap();
        live.until("send", |live| {
            while let Some(message) = live.session.read(id) {
                assert_eq!(message.len(), 2_500);
                back += 1;
            }
            live.session.buffered_amount(id) == 0
        });
    }
    live.until("all acknowledged or given up, and many back", |live| {
        while live.session.read(id).is_some() {
            back += 1;
        }
        live.session.total_buffered_amount() == 0 && back > 50
    });
    assert!(live.session.stats().messages_abandoned > 0);
    let reliable = live.open(ChannelInit::new("reliable"));
    live.echo(reliable, &["still there".into()]);
}

#[test]
fn shutdown_ends_both_sides() {
    let Some(mut live) = Live::start("listen", None) else { return };
    let id = live.open(ChannelInit::new("last"));
    live.echo(id, &["hello".into()]);
    live.session.shutdown(Instant::now());
    live.until("shutdown", |live| live.events.contains(&Event::Closed(CloseReason::Shutdown)));
    live.until("exit", |live| live.peer.try_wait().unwrap().is_some());
}
