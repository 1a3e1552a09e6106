//! SRTP and SRTCP: RTP and RTCP, encrypted and authenticated packet by packet
//! ([RFC 3711](https://www.rfc-editor.org/rfc/rfc3711),
//! [RFC 7714](https://www.rfc-editor.org/rfc/rfc7714)).
//!
//! A [`Context`] is one direction under one master key: many sources (SSRCs), each with its own
//! rollover counter and replay window. It has no clock, makes no packet of its own and allocates
//! only when a new source appears, or when one sends out of order for the first time. The keys come
//! from the DTLS handshake ([`SessionKeys`]), or from anywhere else: a SIP gateway has its own.
//!
//! ```text
//!            SRTP                                       SRTCP
//!  ┌────────────────────────┐ ─┐            ┌────────────────────────┐ ─┐
//!  │ RTP header, extensions │  │            │ RTCP header, SSRC      │  │
//!  ├────────────────────────┤  │ authen-    ├────────────────────────┤  │ authen-
//!  │ payload, padding       │  │ ticated    │ the rest of the first, │  │ ticated
//!  │       (encrypted)      │  │            │ other packets (encr.)  │  │
//!  ├────────────────────────┤ ─┘            ├────────────────────────┤  │
//!  │ MKI, tag               │               │ E │ SRTCP index        │  │
//!  └────────────────────────┘               ├────────────────────────┤ ─┘
//!                                           │ MKI, tag               │
//!                                           └────────────────────────┘
//!                        with GCM the tag is directly after what is encrypted
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
//! # In a SIP gateway
//!
//! Keys that signalling has carried ([RFC 4568](https://www.rfc-editor.org/rfc/rfc4568)) are the
//! 30 or 46 bytes of a master key and its salt, and may have an identifier, so that they can be
//! changed in the middle of a call:
//!
//! ```
//! use peerless_dtls_srtp::Crypto;
//! use peerless_dtls_srtp::srtp::{Context, MasterKey, Profile, Settings};
//!
//! // a=crypto:1 AES_256_CM_HMAC_SHA1_80 inline:…|2^20|1:4;inline:…|2^20|2:4
//! let profile = Profile::from_name("AES_256_CM_HMAC_SHA1_80").ok_or("an unknown suite")?;
//! let (first, second) = ([7; 46], [8; 46]);
//! let master = |inline: &[u8], mki: u32| {
//!     let (key, salt) = inline.split_at(profile.key_len());
//!     MasterKey::new(key, salt).with_mki(&mki.to_be_bytes())
//! };
//! let mut settings = Settings::default();
//! settings.max_rtp_packets = Some(1 << 20);
//! let crypto = Crypto::default();
//! let mut towards_phone = Context::with_settings(profile, &master(&first, 1), &crypto, settings)?;
//! let mut at_phone = Context::new(profile, &master(&first, 1), &crypto)?;
//! for context in [&mut towards_phone, &mut at_phone] {
//!     context.add_key(&master(&second, 2), &crypto)?;
//! }
//!
//! let rtp = [0x80, 0, 0, 1, 0, 0, 0, 0, 0xCA, 0xFE, 0xBA, 0xBE, 0xFF, 0xFF];
//! let mut packet = rtp.to_vec();
//! towards_phone.protect_rtp(&mut packet, 0)?;
//! assert_eq!(packet.len(), rtp.len() + 4 + 10, "the identifier and the tag");
//! assert_eq!(at_phone.unprotect_rtp(&mut packet)?, rtp);
//!
//! // Towards the end of the first key's life, or whenever it is time: the next packet says by
//! // itself which key it is under.
//! assert_eq!(towards_phone.packets_left().rtp, (1 << 20) - 1);
//! towards_phone.send_with(&2u32.to_be_bytes());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What headers show
//!
//! SRTP leaves headers readable. [`Cryptex`] hides CSRCs and header extensions whole; where a
//! middlebox must read some of them, [`Settings::encrypted_extensions`] hides chosen elements. With
//! both, a packet is encrypted by the first if that is possible, never by both
//! ([RFC 9335 §5](https://www.rfc-editor.org/rfc/rfc9335#section-5)).
//!
//! Left out: key derivation rates other than zero, `<From, To>`, and the NULL and F8 ciphers.

mod cipher;
mod cryptex;
mod error;
mod extension;
mod index;
mod keyring;
mod keys;
mod profile;
mod replay;
mod settings;
mod source;

use rtp::Ssrc;

use self::{
    cryptex::Layout,
    keyring::{Key, Keyring},
    source::Sources,
};
use crate::crypto::{Crypto, KeyError};

pub use self::{
    cryptex::Cryptex,
    error::{AddKeyError, ProtectError, UnprotectError},
    extension::ExtensionIds,
    keys::{MasterKey, SessionKeys},
    profile::Profile,
    settings::{Repetition, Settings},
};

/// One direction of SRTP and SRTCP, with the state of every source in it.
pub struct Context {
    keys: Keyring,
    sources: Sources,
    /// How many packets each master key may protect.
    lifetime: PacketsLeft,
    replay_window: usize,
    rtcp_replay_window: usize,
    cryptex: Cryptex,
    /// Whether a packet may have the index of an earlier one.
    repetition: Repetition,
    profile: Profile,
}

/// How many packets a master key may still protect: none of either kind once one of them is used up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PacketsLeft {
    /// RTP packets.
    pub rtp: u64,
    /// RTCP packets.
    pub rtcp: u64,
}

impl PacketsLeft {
    /// Whether the master key may protect nothing any more: when either number "have been secured
    /// with the same key (whichever occurs before)"
    /// ([RFC 3711 §9.2](https://www.rfc-editor.org/rfc/rfc3711#section-9.2)).
    const fn is_used_up(self) -> bool {
        self.rtp == 0 || self.rtcp == 0
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
        let settings = settings.bounded();
        let lifetime = settings.lifetime(profile);
        let key = Key::new(profile, key, settings.encrypted_extensions, lifetime, crypto)?;
        let hides_headers =
            settings.cryptex != Cryptex::Off || !settings.encrypted_extensions.is_empty();
        let repetition = match hides_headers || key.rtp.needs_unique_nonces() {
            true => Repetition::Refused,
            false => settings.repetition,
        };
        Ok(Self {
            keys: Keyring::new(key),
            sources: Sources::new(settings.max_sources),
            lifetime,
            replay_window: settings.replay_window,
            rtcp_replay_window: settings.rtcp_replay_window,
            cryptex: settings.cryptex,
            repetition,
            profile,
        })
    }

    /// Adds a master key that packets can be under from then on: what is received says by its
    /// identifier which key it is under, what is sent keeps its key until
    /// [`send_with`](Self::send_with) says otherwise. Rollover counters and replay windows belong
    /// to the sources and go on.
    ///
    /// # Errors
    ///
    /// [`AddKeyError`] if the key does not fit, or its identifier is not of the length that the
    /// context's have, or is one of them.
    pub fn add_key(&mut self, key: &MasterKey, crypto: &Crypto) -> Result<(), AddKeyError> {
        let (actual, expected) = (key.mki().len(), self.keys.mki_len());
        if actual != expected {
            return Err(AddKeyError::MkiLength { actual, expected });
        }
        if self.keys.find(key.mki()).is_some() {
            return Err(AddKeyError::Known);
        }
        let ids = self.keys.current.encrypted_extensions();
        let key = Key::new(self.profile, key, ids, self.lifetime, crypto)?;
        self.keys.add(key);
        Ok(())
    }

    /// Sends with the master key of this identifier from the next packet on. Returns false, and
    /// changes nothing, if there is none.
    pub fn send_with(&mut self, mki: &[u8]) -> bool {
        self.keys.send_with(mki)
    }

    /// Forgets the master key of this identifier: packets under it are refused from then on. Returns
    /// false, and changes nothing, if there is none or if it is the one that is sent with.
    pub fn remove_key(&mut self, mki: &[u8]) -> bool {
        self.keys.remove(mki)
    }

    /// Returns how many packets the master key that is sent with may still protect. When that is
    /// nearly none, it is time to agree on another.
    pub const fn packets_left(&self) -> PacketsLeft {
        self.keys.current.left
    }

    /// Returns whether less than a sixteenth is left of what the master key that is sent with may
    /// protect.
    pub fn needs_new_key(&self) -> bool {
        let (left, whole) = (self.packets_left(), self.lifetime);
        left.rtp < whole.rtp.div_ceil(16) || left.rtcp < whole.rtcp.div_ceil(16)
    }

    /// Returns the profile.
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// Returns whether CSRCs and header extensions are encrypted.
    pub const fn cryptex(&self) -> Cryptex {
        self.cryptex
    }

    /// Changes whether CSRCs and header extensions are encrypted, as a session description says.
    pub const fn set_cryptex(&mut self, cryptex: Cryptex) {
        self.cryptex = cryptex;
        if !matches!(cryptex, Cryptex::Off) {
            self.repetition = Repetition::Refused;
        }
    }

    /// Returns by how many bytes [`protect_rtp`](Self::protect_rtp) makes a packet longer. With
    /// [`Cryptex`] it is four more for a packet that has CSRCs and no header extension.
    pub const fn rtp_overhead(&self) -> usize {
        self.profile.rtp_tag_len() + self.keys.mki_len()
    }

    /// Returns by how many bytes [`protect_rtcp`](Self::protect_rtcp) makes a packet longer.
    pub const fn rtcp_overhead(&self) -> usize {
        self.profile.rtcp_tag_len() + INDEX_LEN + self.keys.mki_len()
    }

    /// Returns how many sources the context follows.
    pub fn sources(&self) -> usize {
        self.sources.len()
    }

    /// Returns the rollover counter of a source's newest RTP packet, for those who join late;
    /// `None` before the first.
    pub fn rollover_counter(&self, ssrc: Ssrc) -> Option<u32> {
        let newest = self.sources.get(ssrc.0)?.rtp.newest()?;
        Some((newest >> 16) as u32)
    }

    /// Sets the rollover counter of a source from which no RTP packet has been seen, as told by
    /// signalling: who joins late cannot know how often the sequence number has wrapped.
    ///
    /// Returns false, and changes nothing, for a source whose RTP packets are known, or if the table
    /// is full.
    pub fn set_rollover_counter(&mut self, ssrc: Ssrc, counter: u32) -> bool {
        let mut fresh = None;
        let Ok(source) = self.sources.find(ssrc.0, &mut fresh) else { return false };
        if source.rtp.newest().is_some() {
            return false;
        }
        source.first_counter = counter;
        self.sources.keep(fresh);
        true
    }

    /// Turns the RTP packet in `buf[start..]` into an SRTP packet: encrypted in place, the tag
    /// appended.
    ///
    /// A packet with the index of an earlier one is refused: the same keystream would hide other
    /// bytes ([RFC 3711 §9.1](https://www.rfc-editor.org/rfc/rfc3711#section-9.1)), and under GCM
    /// the same nonce over other bytes gives the authentication key away
    /// ([RFC 7714 §8.4](https://www.rfc-editor.org/rfc/rfc7714#section-8.4)). Where the payload is
    /// the same and counter mode is used, [`Settings::repetition`] can permit it.
    ///
    /// # Errors
    ///
    /// [`ProtectError`]; `buf` is as it was, unless that is [`ProtectError::TooLong`].
    pub fn protect_rtp(&mut self, buf: &mut Vec<u8>, start: usize) -> Result<(), ProtectError> {
        let packet = buf.get(start..).ok_or(ProtectError::Malformed)?;
        let layout = Layout::parse(packet).map_err(|_| ProtectError::Malformed)?;
        let ssrc = layout.ssrc;
        let mark = self.cryptex.mark(&layout)?;
        let key = &mut self.keys.current;
        if key.left.is_used_up() {
            return Err(ProtectError::KeyExhausted);
        }
        let mut fresh = None;
        let source = self.sources.find(ssrc, &mut fresh);
        let source = source.map_err(|_| ProtectError::TooManySources)?;
        let index = source.estimate(layout.sequence_number).ok_or(ProtectError::KeyExhausted)?;
        let is_new = source.rtp.check(index, self.replay_window).is_ok();
        if !is_new && self.repetition == Repetition::Refused {
            return Err(ProtectError::Repeated);
        }

        let mut portion = layout.payload();
        if let Some(mark) = mark {
            mark.write(buf, start, &layout);
            portion = layout.all_but_the_fixed();
        }
        // "If a packet is encrypted with Cryptex, it MUST NOT also use header extension encryption
        // [RFC6904], and vice versa" (RFC 9335 §5).
        if mark.is_none()
            && let (Some(header), Some(profile)) = (&key.header, layout.extension)
            && let Some(packet) = buf.get_mut(start..)
            && let Some(elements) = layout.elements_mut(packet)
        {
            header.apply(ssrc, index, profile, elements);
        }
        key.rtp.seal_rtp(ssrc, index, buf, start, portion, &key.mki)?;
        key.left.rtp -= 1;
        if is_new {
            source.rtp.mark_sent(index, self.replay_window);
        }
        self.sources.keep(fresh);
        Ok(())
    }

    /// Turns an SRTP packet into the RTP packet, decrypted in place.
    ///
    /// A packet with CSRCs that came with [`Cryptex`] keeps the empty header extension that the
    /// sender may have added.
    ///
    /// # Errors
    ///
    /// [`UnprotectError`]; nothing but the bytes of `packet` has changed.
    pub fn unprotect_rtp<'d>(
        &mut self,
        packet: &'d mut [u8],
    ) -> Result<&'d mut [u8], UnprotectError> {
        let parts = self.keys.current.rtp.split(packet, 0, self.keys.mki_len());
        let parts = parts.ok_or(UnprotectError::Malformed)?;
        let layout = Layout::parse(parts.packet).map_err(|_| UnprotectError::Malformed)?;
        let ssrc = layout.ssrc;
        let profile = self.cryptex.unmark(&layout)?;
        let key = self.keys.find(parts.mki).ok_or(UnprotectError::UnknownMasterKey)?;
        let mut fresh = None;
        let source = self.sources.find(ssrc, &mut fresh);
        let source = source.map_err(|_| UnprotectError::TooManySources)?;
        let index = source.expect(layout.sequence_number, self.replay_window)?;

        let portion = match profile {
            None => layout.payload(),
            Some(_) => layout.all_but_the_fixed(),
        };
        key.rtp.open_rtp(ssrc, index, parts.packet, portion, parts.tag)?;
        if let Some(profile) = profile {
            layout.set_profile(parts.packet, profile);
        } else if let (Some(header), Some(profile)) = (&key.header, layout.extension)
            && let Some(elements) = layout.elements_mut(parts.packet)
        {
            header.apply(ssrc, index, profile, elements);
        }
        source.rtp.mark(index, self.replay_window);
        self.sources.keep(fresh);
        Ok(parts.packet)
    }

    /// Turns the compound RTCP packet in `buf[start..]` into an SRTCP packet: encrypted in place,
    /// index and tag appended.
    ///
    /// # Errors
    ///
    /// [`ProtectError`]; `buf` is as it was, unless that is [`ProtectError::TooLong`].
    pub fn protect_rtcp(&mut self, buf: &mut Vec<u8>, start: usize) -> Result<(), ProtectError> {
        let packet = buf.get(start..).ok_or(ProtectError::Malformed)?;
        let ssrc = rtcp_sender(packet).ok_or(ProtectError::Malformed)?;
        let key = &mut self.keys.current;
        if key.left.is_used_up() {
            return Err(ProtectError::KeyExhausted);
        }
        let mut fresh = None;
        let source = self.sources.find(ssrc, &mut fresh);
        let source = source.map_err(|_| ProtectError::TooManySources)?;
        // "The SRTCP index MUST be set to zero before the first SRTCP packet is sent, and MUST be
        // incremented by one, modulo 2^31, after each SRTCP packet is sent": wrapping would use a
        // nonce again, so that the key ends there instead (RFC 3711 §9.2).
        let index = source.rtcp.newest().map_or(0, |newest| newest + 1);
        if index > MAX_RTCP_INDEX {
            return Err(ProtectError::KeyExhausted);
        }
        let word = ENCRYPTED | index as u32;
        key.rtcp.seal_rtcp(ssrc, word, buf, start, &key.mki)?;
        key.left.rtcp -= 1;
        source.rtcp.advance(index);
        self.sources.keep(fresh);
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
        let parts = self.keys.current.rtcp.split(packet, INDEX_LEN, self.keys.mki_len());
        let parts = parts.ok_or(UnprotectError::Malformed)?;
        let ssrc = rtcp_sender(parts.packet).ok_or(UnprotectError::Malformed)?;
        let word = parts.word.try_into().map_err(|_| UnprotectError::Malformed)?;
        let word = u32::from_be_bytes(word);
        let index = u64::from(word & !ENCRYPTED);
        let key = self.keys.find(parts.mki).ok_or(UnprotectError::UnknownMasterKey)?;
        let mut fresh = None;
        let source = self.sources.find(ssrc, &mut fresh);
        let source = source.map_err(|_| UnprotectError::TooManySources)?;
        source.rtcp.check(index, self.rtcp_replay_window)?;
        key.rtcp.open_rtcp(ssrc, word, parts.packet, parts.tag)?;
        source.rtcp.mark(index, self.rtcp_replay_window);
        self.sources.keep(fresh);
        Ok(parts.packet)
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

#[cfg(test)]
mod tests;
