//! DTLS, certificates and fingerprints, SRTP and SRTCP, without IO
//!
//! The security of WebRTC in one crate, in the order in which a call needs it
//! ([RFC 5763](https://www.rfc-editor.org/rfc/rfc5763),
//! [RFC 5764](https://www.rfc-editor.org/rfc/rfc5764)):
//!
//! 1. Each side makes a self-signed [`Certificate`]. Nobody vouches for it: its [`Fingerprint`]
//!    travels in the session description, and who can be trusted to carry that has vouched for it.
//! 2. [`dtls`] shakes hands over the path that ICE has found. Both certificates must match the
//!    fingerprints; whatever else they say does not matter.
//! 3. The handshake exports keys for [`srtp`], which protects media packet by packet, adding 10 or
//!    16 bytes instead of a record header.
//! 4. Data channels travel as DTLS application data.
//!
//! ```text
//!            offer: a=fingerprint:sha-256 4A:AD:…  ┐
//!   Alice  ──────────────────────────────────────▶  Bob     signalling: the only thing trusted
//!          ◀──────────────────────────────────────
//!           └  answer: a=fingerprint:sha-256 9C:02:…
//!          ══ ClientHello … Finished ═════════════▶         DTLS: keys, certificates compared
//!          ── SRTP, SRTCP ── DTLS (SCTP) ─────────▶         both from the same handshake
//! ```
//!
//! Where to start:
//!
//! | to … | see |
//! | --- | --- |
//! | secure any datagrams: CoAP, SIP, a tunnel | [`dtls::Connection`] |
//! | serve clients at an open port, without ICE | [`dtls::Acceptor`], [`dtls::AcceptedClient`] |
//! | protect RTP and RTCP under keys of one's own: a SIP gateway | [`srtp::Context`] |
//! | make a certificate, or bring one along (DER, PEM, a key in a module) | [`Certificate`] |
//! | compare `a=fingerprint` with what a peer shows | [`Fingerprint`] |
//! | put other cryptography underneath | [`Crypto`], [`crypto::PacketCrypto`] |
//!
//! Media under keys that a handshake gave:
//!
//! ```
//! use peerless_dtls_srtp::{Crypto, srtp};
//!
//! # let profile = srtp::Profile::AeadAes128Gcm;
//! # let material = vec![7; profile.keying_material_len()];
//! # let alice = srtp::SessionKeys::for_client(profile, &material).ok_or("length")?;
//! # let bob = srtp::SessionKeys::for_server(profile, &material).ok_or("length")?;
//! // Each side: `let keys = connection.srtp_keys()` once it is connected.
//! let crypto = Crypto::default();
//! let mut outgoing = srtp::Context::new(alice.profile, &alice.local, &crypto)?;
//! let mut incoming = srtp::Context::new(bob.profile, &bob.remote, &crypto)?;
//!
//! let rtp = [0x80, 111, 0, 1, 0, 0, 0, 0, 0xCA, 0xFE, 0xBA, 0xBE, b's', b'o', b'u', b'n', b'd'];
//! let mut packet = rtp.to_vec();
//! outgoing.protect_rtp(&mut packet, 0)?;
//! assert_ne!(packet[12..17], rtp[12..], "encrypted where it lies");
//! assert_eq!(incoming.unprotect_rtp(&mut packet)?, rtp);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What this crate never sees: an address, a socket, a clock of its own. Secrets that it holds as
//! bytes are wiped when dropped, compared in constant time and never printed; keys expanded inside
//! *ring* and aws-lc-rs, and the states of RustCrypto's HMACs, are beyond its reach.
#![forbid(unsafe_code)]

pub mod certificate;
pub mod crypto;
pub mod dtls;
pub mod fingerprint;
pub mod srtp;

pub use certificate::{Certificate, CertificateParameters};
pub use crypto::Crypto;
pub use fingerprint::{Fingerprint, HashAlgorithm};
