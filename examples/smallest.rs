//! The smallest program that talks by a socket, as the README shows it: its test compares the two.
#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, reason = "a driver is where the clock is read")]

use std::error::Error;
use std::net::UdpSocket;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use peerless::{
    Configuration, DataChannelInit, Datagram, Event, FiveTuple, IceCandidate, Origin,
    PeerConnection, Readable, SessionDescription,
};

/// What goes to the other side by a way of your own, say a web socket.
enum Signal {
    Description(SessionDescription),
    Candidate(IceCandidate),
}

fn chat(offers: bool, to: &Sender<Signal>, from: &Receiver<Signal>) -> Result<(), Box<dyn Error>> {
    let mut pc = PeerConnection::new(Configuration::default(), Origin::system());
    let socket = UdpSocket::bind("127.0.0.1:0")?; // an interface's address, never 0.0.0.0
    let local = socket.local_addr()?;
    pc.add_local_address(local);
    if offers {
        pc.create_data_channel(Instant::now(), "chat", DataChannelInit::default())?;
        pc.set_local_description(Instant::now(), None)?; // the offer, as in the browser
        to.send(Signal::Description(pc.local_description().ok_or("no offer")?))?;
    }
    let (mut out, mut buf) = (Vec::new(), [0; 2048]);
    loop {
        let now = Instant::now();
        for signal in from.try_iter() {
            match signal {
                Signal::Candidate(candidate) => pc.add_ice_candidate(now, candidate)?,
                Signal::Description(description) => {
                    pc.set_remote_description(now, description)?;
                    if !offers {
                        pc.set_local_description(now, None)?; // the answer
                        to.send(Signal::Description(pc.local_description().ok_or("no answer")?))?;
                    }
                }
            }
        }
        pc.handle_timeout(now);
        while let Some(transmit) = pc.poll_transmit(now, &mut out) {
            socket.send_to(transmit.contents, transmit.path.remote)?;
            out.clear();
        }
        while let Some(event) = pc.poll_event() {
            match event {
                Event::IceCandidate(candidate) => to.send(Signal::Candidate(candidate))?,
                Event::DataChannel(id) | Event::DataChannelOpen(id) => {
                    pc.data_channel(id).ok_or("closed")?.send(now, "hello")?;
                }
                Event::Readable(Readable::Channel(id)) => {
                    while let Some(message) = pc.data_channel(id).and_then(|mut chat| chat.read()) {
                        println!("{message}");
                        if offers {
                            return Ok(());
                        }
                    }
                }
                _ => {}
            }
        }
        // A datagram, a deadline or a signal, whatever comes first.
        let deadline = pc.poll_timeout().map(|at| at.saturating_duration_since(Instant::now()));
        let (least, most) = (Duration::from_millis(1), Duration::from_millis(10));
        socket.set_read_timeout(Some(deadline.unwrap_or(most).clamp(least, most)))?;
        if let Ok((len, remote)) = socket.recv_from(&mut buf) {
            let path = FiveTuple::udp(local, remote);
            pc.handle_datagram(Instant::now(), Datagram::new(path, buf.split_at_mut(len).0));
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let ((to_other, other_from), (to_us, from)) = (channel(), channel());
    thread::spawn(move || chat(false, &to_us, &other_from).map_err(|error| error.to_string()));
    chat(true, &to_other, &from)
}
