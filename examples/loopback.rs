//! The smallest program without a socket: two connections in one process, from the offer to the first
//! message. The network is a `Vec`; a socket would take its place, and a web socket or a chat
//! would carry the descriptions.
//!
//! A connection does no IO. Whoever drives it makes five calls, in any order, as often as one likes:
//!
//! 1. `handle_datagram`: this came in.
//! 2. `handle_timeout`:  time has gone by.
//! 3. `poll_transmit`:   what is to go out?
//! 4. `poll_event`:      what has happened?
//! 5. `poll_timeout`:    until when is there nothing to do?
#![forbid(unsafe_code)]
#![expect(clippy::indexing_slicing, reason = "there are two peers, A and B")]

use std::{error::Error, net::SocketAddr, thread, time::Instant};

use peerless::{
    Configuration, DataChannelInit, Datagram, Event, FiveTuple, Origin, PeerConnection, Readable,
};

const A: usize = 0;
const B: usize = 1;

fn main() -> Result<(), Box<dyn Error>> {
    let mut peers =
        [(); 2].map(|()| PeerConnection::new(Configuration::default(), Origin::system()));
    peers[A].add_local_address(SocketAddr::from(([127, 0, 0, 1], 1000)));
    peers[B].add_local_address(SocketAddr::from(([127, 0, 0, 1], 2000)));
    peers[A].create_data_channel(now(), "chat", DataChannelInit::default())?;

    // A offers, B answers. `None` creates the description that is due, as in the browser.
    peers[A].set_local_description(now(), None)?;
    let offer = peers[A].local_description().ok_or("no offer")?;
    println!("A → B  offer, {} bytes", offer.sdp.len());
    peers[B].set_remote_description(now(), offer)?;
    peers[B].set_local_description(now(), None)?;
    let answer = peers[B].local_description().ok_or("no answer")?;
    println!("B → A  answer, {} bytes", answer.sdp.len());
    peers[A].set_remote_description(now(), answer)?;

    let mut datagram = Vec::new();
    loop {
        for (me, other) in [(A, B), (B, A)] {
            // 2. Timers that are due fire; if none is, nothing happens.
            peers[me].handle_timeout(now());

            // 3. Each datagram is appended to the buffer; we "send" it by giving it to the other.
            while let Some(transmit) = peers[me].poll_transmit(now(), &mut datagram) {
                let path = FiveTuple::udp(transmit.path.remote, transmit.path.local);
                // 1. It is decrypted in place, where it lies.
                peers[other].handle_datagram(now(), Datagram::new(path, &mut datagram));
                datagram.clear();
            }

            // 4. Events say that something changed; what it is, the connection knows.
            while let Some(event) = peers[me].poll_event() {
                match event {
                    // Trickle: a candidate travels as soon as it is known.
                    Event::IceCandidate(candidate) => {
                        peers[other].add_ice_candidate(now(), candidate)?;
                    }
                    Event::ConnectionStateChange(state) => println!("{}  {state}", name(me)),
                    Event::DataChannelOpen(chat) => {
                        peers[me].data_channel(chat).ok_or("closed")?.send(now(), "hello")?;
                    }
                    Event::Readable(Readable::Channel(chat)) => {
                        let message = peers[me].data_channel(chat).and_then(|mut chat| chat.read());
                        println!("{} → {}  {:?}", name(other), name(me), message.ok_or("empty")?);
                        return Ok(());
                    }
                    _ => {}
                }
            }
        }

        // 5. Both are silent until the earlier deadline; a real driver waits on its socket too.
        let deadline = peers.iter().filter_map(PeerConnection::poll_timeout).min();
        let deadline = deadline.ok_or("nothing will ever happen again")?;
        thread::sleep(deadline.saturating_duration_since(now()));
    }
}

fn name(peer: usize) -> &'static str {
    if peer == A { "A" } else { "B" }
}

#[expect(clippy::disallowed_methods, reason = "a driver is where the clock is read")]
fn now() -> Instant {
    Instant::now()
}
