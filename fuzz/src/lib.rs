//! What must hold whatever bytes arrive: every target is a function here, in a file of its own.
//!
//! `cargo test -p peerless-fuzz` replays each target over its corpus, `corpus/<target>/`, and over
//! mutations of it. To look for more, with clang installed:
//!
//! ```text
//! cargo install cargo-fuzz
//! RUSTC_BOOTSTRAP=1 cargo fuzz run --features libfuzzer -s none sdp -- -max_total_time=600
//! ```
//!
//! A parser's target parses, reads everything, and writes back where the format can be written. An
//! engine's target is a call between two engines under a hostile network: the input decides, byte by
//! byte, which datagram is delivered, dropped, repeated, changed or made up, which command is given
//! and how far time goes, forward or back. After each step the contract of the five calls is checked:
//! nothing panics, draining ends, and `poll_timeout` never asks for a time that has passed.
//!
//! What was found stays in the corpus as a file named after it.
#![forbid(unsafe_code)]

mod certificate;
mod choices;
mod clock;
mod dtls;
mod dtls_message;
mod dtls_reassembly;
mod dtls_record;
mod ice;
mod jitter_buffer;
mod payload;
mod peer_connection;
mod rtcp;
mod rtp_packet;
mod rtp_session;
mod sctp_association;
mod sctp_cookie;
mod sctp_handover;
mod sctp_packet;
mod sdp;
mod srtp;
mod stun;
mod wire;

pub use self::certificate::certificate;
pub use self::dtls::{dtls_acceptor, dtls_client, dtls_server};
pub use self::dtls_message::dtls_message;
pub use self::dtls_reassembly::dtls_reassembly;
pub use self::dtls_record::dtls_record;
pub use self::ice::{ice_agent, ice_candidate};
pub use self::jitter_buffer::jitter_buffer;
pub use self::payload::{g711, h264, opus, vp8};
pub use self::peer_connection::peer_connection;
pub use self::rtcp::rtcp;
pub use self::rtp_packet::rtp_packet;
pub use self::rtp_session::rtp_session;
pub use self::sctp_association::sctp_association;
pub use self::sctp_cookie::sctp_cookie;
pub use self::sctp_handover::sctp_handover;
pub use self::sctp_packet::sctp_packet;
pub use self::sdp::sdp;
pub use self::srtp::{srtcp, srtp};
pub use self::stun::stun;

/// A target: a function that must return, whatever it is given.
pub type Target = fn(&[u8]);

/// All targets with the names of their corpora.
pub const TARGETS: &[(&str, Target)] = &[
    ("certificate", certificate),
    ("dtls_acceptor", dtls_acceptor),
    ("dtls_client", dtls_client),
    ("dtls_message", dtls_message),
    ("dtls_reassembly", dtls_reassembly),
    ("dtls_record", dtls_record),
    ("dtls_server", dtls_server),
    ("g711", g711),
    ("h264", h264),
    ("ice_agent", ice_agent),
    ("ice_candidate", ice_candidate),
    ("jitter_buffer", jitter_buffer),
    ("opus", opus),
    ("peer_connection", peer_connection),
    ("rtcp", rtcp),
    ("rtp_packet", rtp_packet),
    ("rtp_session", rtp_session),
    ("sctp_association", sctp_association),
    ("sctp_cookie", sctp_cookie),
    ("sctp_handover", sctp_handover),
    ("sctp_packet", sctp_packet),
    ("sdp", sdp),
    ("srtcp", srtcp),
    ("srtp", srtp),
    ("stun", stun),
    ("vp8", vp8),
];
