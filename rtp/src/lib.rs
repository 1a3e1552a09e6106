//! RTP and RTCP (RFC 3550): packets, sessions, payload formats and loss repair, without IO.
//!
//! # What RTP is for
//!
//! Live media cannot wait: a picture that comes late is worth less than the next one. So it travels
//! in datagrams, which may be lost, reordered and delayed, and each carries enough for the receiver
//! to cope: a *sequence number* tells what is missing, a *timestamp* when it was sampled, a *payload
//! type* how to decode it, and an *SSRC* which of many streams it belongs to. RTCP goes beside it,
//! a few packets a second: what was sent, what arrived, what is missed, when a decoder is lost.
//!
//! ```text
//!   encoder                                                                      decoder
//!      │ frame                                                              frame ▲
//!      ▼                                                                          │
//!  packetizer ── packets ──► history ── pacer ──►  network  ──► jitter buffer + depacketizer
//!      ▲                        ▲                     │               │ missing
//!      │ key frame wanted       │ send these again    │               ▼
//!      └─────────── PLI ────────┴──────── NACK ◄──────┴───── receiver: loss, jitter, arrivals
//! ```
//!
//! What a lost packet costs depends on who repairs it. Asked for again at once (a NACK), it comes a
//! round trip later, from the sender's history: mostly in time. What never comes leaves a picture
//! that cannot be decoded, and all that depend on it, until the sender makes a frame that depends on
//! nothing, a *key frame* — ten times as large, so it is asked for (a PLI) only when repair failed.
//!
//! # A call
//!
//! A [`Session`] does all that for the streams of one transport. Like every engine of this project
//! it does no IO and reads no clock: a driver hands it datagrams and the time, and takes datagrams,
//! events and a deadline from it, in any order. Here two of them talk in memory.
//!
//! ```
//! use std::time::{Duration, Instant, SystemTime};
//! use bytes::Bytes;
//! use peerless_rtp::payload::Format;
//! use peerless_rtp::section::{Codec, Parameters, Receive, Send};
//! use peerless_rtp::session::{Config, Frame};
//! use peerless_rtp::{ClockRate, PayloadType, SectionId, Session, Ssrc};
//!
//! // What SDP negotiates: Opus is 111, we are source 1 in one direction.
//! let opus = Codec::new(PayloadType::from_low_bits(111), Format::Opus, ClockRate::HZ_48000);
//! let send = Send { ssrc: Ssrc(1), rtx_ssrc: None, cname: "alice".into(), rid: None };
//! let section = Parameters { mid: "0".into(), codecs: vec![opus], ..Parameters::default() };
//!
//! let (mut now, wall_clock) = (Instant::now(), SystemTime::now());
//! let mut alice = Session::new(Config::default(), now, wall_clock, [1; 32]);
//! let mut bob = Session::new(Config::default(), now, wall_clock, [2; 32]);
//! alice.set_section(now, SectionId(0), Parameters { send: Some(send), ..section.clone() });
//! let receive = Some(Receive::default());
//! bob.set_section(now, SectionId(0), Parameters { receive, ..section });
//!
//! let (mut buf, mut heard) = (Vec::new(), 0);
//! for number in 0..100 {
//!     let packet = Bytes::from_static(&[0xFC, 0xFF, 0xFE]); // 20 ms of silence
//!     alice.send_frame(now, SectionId(0), Frame::new(packet, number * 960))?;
//!     alice.handle_timeout(now);
//!     while let Some(range) = alice.poll_transmit(now, &mut buf) {
//!         bob.handle_datagram(now, &buf[range]); // SRTP and a network go here
//!         buf.clear();
//!     }
//!     while let Some(frame) = bob.read_frame(now, SectionId(0)) {
//!         assert_eq!(frame.rtp_time, heard * 960);
//!         heard += 1;
//!     }
//!     now += Duration::from_millis(20);
//! }
//! assert_eq!(heard, 100);
//! # Ok::<(), peerless_rtp::session::SendError>(())
//! ```
//!
//! # What is here
//!
//! * [`Packet`] reads an RTP packet: a view that is checked once, in [`Packet::parse`], after which no
//!   accessor can fail; [`packet::HeaderWriter`] writes a header at the end of a buffer of the
//!   caller's. [`rtcp`] has the same for RTCP. Neither allocates.
//! * [`extension`]: header extensions, what their numbers mean and the typed ones.
//! * [`payload`]: how frames of Opus, G.711, VP8 and H.264 become payloads and are joined again.
//! * [`jitter_buffer`]: from packets as they arrive to frames in decode order; usable alone.
//! * [`pacer`]: spreads bursts; usable alone.
//! * [`session`]: everything together, many streams in both directions on one transport, for
//!   applications that have frames and for those that forward packets.
//!
//! # What is not here
//!
//! Addresses and encryption: `peerless` puts SRTP (`peerless-dtls-srtp`) around a session's packets,
//! and sends them where ICE says. Codecs: frames are bytes. Playing out in time: the jitter buffer
//! gives frames out as soon as they can be decoded.
#![forbid(unsafe_code)]

pub mod clock;
pub mod extension;
pub mod jitter_buffer;
pub mod pacer;
pub mod packet;
pub mod payload;
pub mod rtcp;
pub mod session;

mod payload_type;
mod sequence;
mod ssrc;

pub use clock::{ClockRate, NtpTime};
pub use pacer::Bitrate;
pub use packet::Packet;
pub use payload_type::PayloadType;
pub use sequence::{ExtendedSequenceNumber, SequenceNumber, Unwrapper};
pub use session::{SectionId, Session, section};
pub use ssrc::Ssrc;
