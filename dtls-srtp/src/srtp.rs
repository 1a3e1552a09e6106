//! SRTP and SRTCP: RTP and RTCP, encrypted and authenticated packet by packet
//! ([RFC 3711](https://www.rfc-editor.org/rfc/rfc3711),
//! [RFC 7714](https://www.rfc-editor.org/rfc/rfc7714)).
//!
//! A [`Context`] is one direction under one master key: many sources (SSRCs), each with its own
//! rollover counter and replay window. It has no clock, makes no packet of its own and allocates
//! only when a new source appears. The keys come from the DTLS handshake
//! ([`SessionKeys`]), or from anywhere else: a SIP gateway has its own.
//!
//! ```text
//!            SRTP                                       SRTCP
//!  ┌────────────────────────┐ ─┐            ┌────────────────────────┐ ─┐
//!  │ RTP header, extensions │  │            │ RTCP header, SSRC      │  │
//!  ├────────────────────────┤  │ authen-    ├────────────────────────┤  │ authen-
//!  │ payload, padding       │  │ ticated    │ the rest of the first, │  │ ticated
//!  │       (encrypted)      │  │            │ other packets (encr.)  │  │
//!  ├────────────────────────┤ ─┘            ├────────────────────────┤  │
//!  │ tag                    │               │ E │ SRTCP index        │  │
//!  └────────────────────────┘               ├────────────────────────┤ ─┘
//!                                           │ tag (before E with GCM)│
//!                                           └────────────────────────┘
//! ```
//!
//! SRTP does not send the packet's whole index (rollover counter and sequence number, 48 bits):
//! the receiver estimates the counter from the 16 bits that it sees, and a wrong estimate makes
//! the tag wrong. Nothing here changes before a tag was found right: an unauthenticated packet
//! makes no entry, moves no counter and marks nothing as seen.
//!
//! ```
//! use peerless_dtls_srtp::crypto::Crypto;
//! use peerless_dtls_srtp::srtp::{Context, MasterKey, Profile, UnprotectError};
//!
//! let profile = Profile::AeadAes128Gcm;
//! let key = MasterKey::new(&[1; 16], &[2; 12]);
//! let mut sender = Context::new(profile, &key, &Crypto::default())?;
//! let mut receiver = Context::new(profile, &key, &Crypto::default())?;
//!
//! let rtp = [0x80, 96, 0, 1, 0, 0, 0, 0, 0xCA, 0xFE, 0xBA, 0xBE, b'h', b'i'];
//! let mut packet = rtp.to_vec();
//! sender.protect_rtp(&mut packet, 0)?;
//! let mut again = packet.clone();
//!
//! assert_eq!(receiver.unprotect_rtp(&mut packet)?, rtp);
//! assert_eq!(receiver.unprotect_rtp(&mut again), Err(UnprotectError::Replayed));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Left out: key derivation rates other than zero, the MKI, the NULL and F8 ciphers, RFC 6904 and
//! RFC 9335.

mod cipher;
mod index;
mod keys;
mod profile;
mod replay;
mod source;

use rtp::packet::Header;
use thiserror::Error;

use self::{cipher::Cipher, source::Sources};
use crate::crypto::{Crypto, CryptoError, KeyError};

pub use self::{
    keys::{MasterKey, SessionKeys},
    profile::Profile,
};

/// One direction of SRTP and SRTCP under one master key, with the state of every source in it.
pub struct Context {
    profile: Profile,
    rtp: Cipher,
    rtcp: Cipher,
    sources: Sources,
    replay_window: usize,
}

/// The bounds of a [`Context`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// How many packets of a source before its newest can still arrive: older ones are refused as
    /// they could be replays. At least 64 ([RFC 3711
    /// §3.3.2](https://www.rfc-editor.org/rfc/rfc3711#section-3.3.2)) and rounded up to a power of
    /// two; each costs a bit per source. The default, 1024, is a fifth of a second of a 50 Mbit/s
    /// stream.
    pub replay_window: usize,
    /// How many sources a context follows. Packets of further ones are refused: forgetting a
    /// source would let its packets be replayed. The default, 1024, is far above what a session
    /// of one transport has and keeps the table below 256 KiB.
    pub max_sources: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { replay_window: 1024, max_sources: 1024 }
    }
}

impl Context {
    /// Makes a context with the default [`Settings`].
    ///
    /// # Errors
    ///
    /// [`KeyError`] if `key` does not have the profile's lengths or `crypto` lacks its algorithm.
    pub fn new(profile: Profile, key: &MasterKey, crypto: &Crypto) -> Result<Self, KeyError> {
        Self::with_settings(profile, key, crypto, Settings::default())
    }

    /// Makes a context with settings of one's own.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if `key` does not have the profile's lengths or `crypto` lacks its algorithm.
    pub fn with_settings(
        profile: Profile,
        key: &MasterKey,
        crypto: &Crypto,
        settings: Settings,
    ) -> Result<Self, KeyError> {
        let (rtp, rtcp) = keys::derive(profile, key, crypto)?;
        Ok(Self {
            profile,
            rtp,
            rtcp,
            sources: Sources::new(settings.max_sources),
            replay_window: settings.replay_window.max(MIN_REPLAY_WINDOW),
        })
    }

    /// Returns the profile.
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// Returns by how many bytes [`protect_rtp`](Self::protect_rtp) makes a packet longer.
    pub const fn rtp_overhead(&self) -> usize {
        self.profile.rtp_tag_len()
    }

    /// Returns by how many bytes [`protect_rtcp`](Self::protect_rtcp) makes a packet longer.
    pub const fn rtcp_overhead(&self) -> usize {
        self.profile.rtcp_tag_len() + INDEX_LEN
    }

    /// Returns how many sources the context follows.
    pub fn sources(&self) -> usize {
        self.sources.len()
    }

    /// Sets the rollover counter of a source from which no packet has been seen, as told by
    /// signalling: who joins late cannot know how often the sequence number has wrapped.
    ///
    /// Returns false, and changes nothing, for a source already known or if the table is full.
    pub fn set_rollover_counter(&mut self, ssrc: rtp::Ssrc, counter: u32) -> bool {
        let Ok(slot) = self.sources.find(ssrc.0) else { return false };
        if self.sources.get(slot).is_some() {
            return false;
        }
        self.sources.get_or_insert(slot, ssrc.0).first_counter = counter;
        true
    }

    /// Turns the RTP packet in `buf[start..]` into an SRTP packet: encrypted in place, the tag
    /// appended.
    ///
    /// A packet with the index of an earlier one may be sent again, byte for byte, under
    /// AES-CM; under GCM that is refused, as the same nonce over other bytes (a header extension
    /// made anew is enough) gives the authentication key away
    /// ([RFC 7714 §8.4](https://www.rfc-editor.org/rfc/rfc7714#section-8.4)).
    ///
    /// # Errors
    ///
    /// [`ProtectError`]; `buf` is as it was.
    pub fn protect_rtp(&mut self, buf: &mut Vec<u8>, start: usize) -> Result<(), ProtectError> {
        let packet = buf.get_mut(start..).ok_or(ProtectError::Malformed)?;
        let header = Header::parse(packet).map_err(|_| ProtectError::Malformed)?;
        let (ssrc, clear) = (header.ssrc().0, header.len());
        let sequence_number = header.sequence_number().0;

        let slot = self.sources.find(ssrc).map_err(|_| ProtectError::TooManySources)?;
        let index =
            self.sources.estimate(slot, sequence_number).ok_or(ProtectError::KeyExhausted)?;
        if self.rtp.needs_unique_nonces()
            && let Some(source) = self.sources.get(slot)
        {
            source.rtp.check(index, self.replay_window).map_err(|_| ProtectError::Repeated)?;
        }
        let tag = self.rtp.seal_rtp(ssrc, index, packet, clear)?;
        let source = self.sources.get_or_insert(slot, ssrc);
        if self.rtp.needs_unique_nonces() {
            source.rtp.mark(index, self.replay_window);
        } else {
            source.rtp.advance(index);
        }
        buf.extend_from_slice(&tag);
        Ok(())
    }

    /// Turns an SRTP packet into the RTP packet, decrypted in place.
    ///
    /// # Errors
    ///
    /// [`UnprotectError`]; nothing but the bytes of `packet` has changed.
    pub fn unprotect_rtp<'d>(
        &mut self,
        packet: &'d mut [u8],
    ) -> Result<&'d mut [u8], UnprotectError> {
        let header = Header::parse(packet).map_err(|_| UnprotectError::Malformed)?;
        let (ssrc, clear) = (header.ssrc().0, header.len());
        let sequence_number = header.sequence_number().0;
        if packet.len() < clear + self.profile.rtp_tag_len() {
            return Err(UnprotectError::Malformed);
        }

        let slot = self.sources.find(ssrc).map_err(|_| UnprotectError::TooManySources)?;
        let index = self.sources.estimate(slot, sequence_number).ok_or(UnprotectError::TooOld)?;
        if let Some(source) = self.sources.get(slot) {
            source.rtp.check(index, self.replay_window)?;
        }
        let plain = self.rtp.open_rtp(ssrc, index, packet, clear)?;
        self.sources.get_or_insert(slot, ssrc).rtp.mark(index, self.replay_window);
        Ok(plain)
    }

    /// Turns the compound RTCP packet in `buf[start..]` into an SRTCP packet: encrypted in place,
    /// index and tag appended.
    ///
    /// # Errors
    ///
    /// [`ProtectError`]; `buf` is as it was.
    pub fn protect_rtcp(&mut self, buf: &mut Vec<u8>, start: usize) -> Result<(), ProtectError> {
        let packet = buf.get_mut(start..).ok_or(ProtectError::Malformed)?;
        let ssrc = rtcp_sender(packet).ok_or(ProtectError::Malformed)?;
        let slot = self.sources.find(ssrc).map_err(|_| ProtectError::TooManySources)?;
        // "The SRTCP index MUST be set to zero before the first SRTCP packet is sent, and MUST be
        // incremented by one, modulo 2^31, after each SRTCP packet is sent": wrapping would use a
        // nonce again, so that the key ends there instead (RFC 3711 §9.2).
        let newest = self.sources.get(slot).and_then(|source| source.rtcp.newest());
        let index = newest.map_or(0, |newest| newest + 1);
        if index > MAX_RTCP_INDEX {
            return Err(ProtectError::KeyExhausted);
        }
        let trailer = self.rtcp.seal_rtcp(ssrc, index as u32, packet)?;
        self.sources.get_or_insert(slot, ssrc).rtcp.advance(index);
        buf.extend_from_slice(&trailer);
        Ok(())
    }

    /// Turns an SRTCP packet into the compound RTCP packet, decrypted in place.
    ///
    /// # Errors
    ///
    /// [`UnprotectError`]; nothing but the bytes of `packet` has changed.
    pub fn unprotect_rtcp<'d>(
        &mut self,
        packet: &'d mut [u8],
    ) -> Result<&'d mut [u8], UnprotectError> {
        let ssrc = rtcp_sender(packet).ok_or(UnprotectError::Malformed)?;
        let word = self.rtcp.rtcp_index(packet).ok_or(UnprotectError::Malformed)?;
        let index = u64::from(word & MAX_RTCP_INDEX as u32);

        let slot = self.sources.find(ssrc).map_err(|_| UnprotectError::TooManySources)?;
        if let Some(source) = self.sources.get(slot) {
            source.rtcp.check(index, RTCP_REPLAY_WINDOW)?;
        }
        let plain = self.rtcp.open_rtcp(ssrc, word, packet)?;
        self.sources.get_or_insert(slot, ssrc).rtcp.mark(index, RTCP_REPLAY_WINDOW);
        Ok(plain)
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("profile", &self.profile)
            .field("sources", &self.sources.len())
            .finish_non_exhaustive()
    }
}

/// Why a packet could not be protected.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ProtectError {
    /// This source has used up its indexes: 2^48 RTP packets, 2^31 RTCP packets. New keys are
    /// needed ([RFC 3711 §9.2](https://www.rfc-editor.org/rfc/rfc3711#section-9.2)).
    #[error("this key has protected as many packets of the source as it may")]
    KeyExhausted,
    /// Not an RTP or RTCP packet.
    #[error("the bytes are not an RTP or RTCP packet")]
    Malformed,
    /// A packet with this sequence number has been protected already, or may have been.
    #[error("a packet with this sequence number was already protected")]
    Repeated,
    /// The table of sources is full ([`Settings::max_sources`]).
    #[error("too many sources under one key")]
    TooManySources,
    /// The cipher refused: only for packets of gibibytes.
    #[error("the cipher refused the packet")]
    TooLong,
}

impl From<CryptoError> for ProtectError {
    fn from(_: CryptoError) -> Self {
        Self::TooLong
    }
}

/// Why a packet was refused.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum UnprotectError {
    /// The tag is wrong: forged, damaged, under other keys, or too many packets were lost for the
    /// rollover counter to be estimated.
    #[error("the authentication tag does not match")]
    Authentication,
    /// Not an SRTP or SRTCP packet, or too short for its tag.
    #[error("the bytes are not an SRTP or SRTCP packet")]
    Malformed,
    /// A packet with this index was accepted before.
    #[error("the packet was received before")]
    Replayed,
    /// The packet is older than the replay window.
    #[error("the packet is older than the replay window")]
    TooOld,
    /// The table of sources is full ([`Settings::max_sources`]).
    #[error("too many sources under one key")]
    TooManySources,
}

impl From<CryptoError> for UnprotectError {
    fn from(_: CryptoError) -> Self {
        Self::Authentication
    }
}

/// Returns the sender's SSRC of a compound RTCP packet: the second word of the first packet.
fn rtcp_sender(packet: &[u8]) -> Option<u32> {
    let (first, _) = packet.split_first_chunk::<RTCP_CLEAR_LEN>()?;
    (first[0] >> 6 == 2).then(|| u32::from_be_bytes([first[4], first[5], first[6], first[7]]))
}

/// The bytes of an RTCP packet that SRTCP leaves in the clear: header and sender's SSRC.
const RTCP_CLEAR_LEN: usize = 8;

/// The encryption flag and the SRTCP index.
const INDEX_LEN: usize = 4;

/// Set in the word with the SRTCP index when the packet is encrypted.
const ENCRYPTED: u32 = 1 << 31;

/// The last SRTCP index under a key: 31 bits.
const MAX_RTCP_INDEX: u64 = (1 << 31) - 1;

/// "The replay list … window size … MUST be at least 64" (RFC 3711 §3.3.2).
const MIN_REPLAY_WINDOW: usize = 64;

/// RTCP comes a few times a second; what is 128 packets late says nothing any more.
const RTCP_REPLAY_WINDOW: usize = 128;

#[cfg(test)]
mod tests;
