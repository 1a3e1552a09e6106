//! Cookies, which say all that a server has to know when they come back, and cannot be made by
//! anybody else.

use std::time::{Duration, Instant};

use rustls::crypto::tls12::Prf;
use rustls::crypto::tls13::{Hkdf, OkmBlock};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::Settings;
use crate::crypto::Group;
use crate::dtls::codec::{Reader, Write};
use crate::dtls::suite::Suite13;

/// More than can be guessed in a minute.
const MAC_LEN: usize = 16;

/// The maker of cookies.
pub(super) struct Cookies {
    mac: Mac,
    /// What the keys come from.
    secret: Zeroizing<[u8; 32]>,
    start: Instant,
    /// How long a cookie is good.
    pub(super) lifetime: Duration,
    /// How long cookies are made with one key. Each says when it was made, and so with which: those
    /// of the time just before a change stay good.
    pub(super) key_lifetime: Duration,
    /// What is authenticated, kept for its allocation.
    buf: Vec<u8>,
}

/// What authenticates a cookie: whatever the handshake provider has.
#[derive(Clone, Copy)]
enum Mac {
    Hmac(&'static dyn Hkdf),
    Prf(&'static dyn Prf),
    /// No suite at all, with which there is no configuration.
    Nothing,
}

/// A cookie that is good, as one tells it from others.
#[derive(Clone, Copy)]
pub(super) struct Cookie<'h> {
    pub(super) client_random: &'h [u8; 32],
    /// In seconds since the start.
    pub(super) made: u32,
}

impl<'h> Cookie<'h> {
    pub(super) fn new(client_random: &'h [u8; 32], cookie: &[u8]) -> Self {
        let made = cookie.first_chunk().map_or(0, |made| u32::from_be_bytes(*made));
        Self { client_random, made }
    }
}

/// Which cookie it is: one never passes for the other.
#[derive(Clone, Copy)]
enum Kind {
    Verify = 12,
    Retry = 13,
}

/// What a cookie of DTLS 1.3 keeps for us.
pub(super) struct RetryCookie<'a> {
    pub(super) suite: Suite13,
    pub(super) group: Group,
    /// Whether the HelloRetryRequest asks for a key share of the group.
    pub(super) named: bool,
    /// Of the first ClientHello.
    pub(super) hello_hash: &'a [u8],
}

/// A cookie for a HelloRetryRequest.
pub(super) struct ForRetry {
    pub(super) bytes: Vec<u8>,
    pub(super) named_group: Option<u16>,
}

impl Cookies {
    pub(super) fn new(settings: &Settings, start: Instant, secret: [u8; 32]) -> Self {
        let mac = match (settings.suites_1_3.first(), settings.suites.first()) {
            (Some(suite), _) => Mac::Hmac(suite.provider.hkdf_provider),
            (None, Some(suite)) => Mac::Prf(suite.provider.prf_provider),
            (None, None) => Mac::Nothing,
        };
        Self {
            mac,
            secret: Zeroizing::new(secret),
            start,
            lifetime: Duration::from_secs(60),
            key_lifetime: Duration::from_secs(600),
            buf: Vec::new(),
        }
    }

    /// A cookie for a HelloVerifyRequest: when it was made, and the proof of it.
    pub(super) fn for_verify(
        &mut self,
        now: Instant,
        address: &[u8],
        client_random: &[u8; 32],
    ) -> Vec<u8> {
        let mut cookie = self.seconds(now).to_be_bytes().to_vec();
        let mac = self.mac(Kind::Verify, address, client_random, &cookie);
        cookie.extend_from_slice(&mac);
        cookie
    }

    pub(super) fn check_verify(
        &mut self,
        now: Instant,
        address: &[u8],
        client_random: &[u8; 32],
        cookie: &[u8],
    ) -> bool {
        let content = self.content(Kind::Verify, now, address, client_random, cookie);
        content.is_some_and(<[u8]>::is_empty)
    }

    /// A cookie for a HelloRetryRequest, with what the transcript needs: the first ClientHello's
    /// hash, and what makes up the HelloRetryRequest itself.
    pub(super) fn for_retry(
        &mut self,
        now: Instant,
        address: &[u8],
        client_random: &[u8; 32],
        cookie: &RetryCookie<'_>,
    ) -> ForRetry {
        let group = cookie.group.name().into();
        let mut bytes = self.seconds(now).to_be_bytes().to_vec();
        bytes.u16(cookie.suite.code());
        bytes.u16(group);
        bytes.u8(cookie.named.into());
        bytes.bytes(cookie.hello_hash);
        let mac = self.mac(Kind::Retry, address, client_random, &bytes);
        bytes.extend_from_slice(&mac);
        ForRetry { bytes, named_group: cookie.named.then_some(group) }
    }

    pub(super) fn check_retry<'a>(
        &mut self,
        now: Instant,
        address: &[u8],
        client_random: &[u8; 32],
        cookie: &'a [u8],
        settings: &Settings,
    ) -> Option<RetryCookie<'a>> {
        let content = self.content(Kind::Retry, now, address, client_random, cookie)?;
        let mut reader = Reader(content);
        let (suite, group) = (reader.u16().ok()?, reader.u16().ok()?);
        let named = reader.u8().ok()? != 0;
        Some(RetryCookie {
            suite: *settings.suites_1_3.iter().find(|known| known.code() == suite)?,
            group: *settings.groups.iter().find(|known| u16::from(known.name()) == group)?,
            named,
            hello_hash: reader.0,
        })
    }

    /// What a cookie holds between its time and its proof, if both are good.
    fn content<'a>(
        &mut self,
        kind: Kind,
        now: Instant,
        address: &[u8],
        client_random: &[u8; 32],
        cookie: &'a [u8],
    ) -> Option<&'a [u8]> {
        if matches!(self.mac, Mac::Nothing) {
            return None;
        }
        let (content, mac) = cookie.split_last_chunk::<MAC_LEN>()?;
        let (made, _) = content.split_first_chunk()?;
        let age = self.seconds(now).checked_sub(u32::from_be_bytes(*made))?;
        if u64::from(age) > self.lifetime.as_secs() {
            return None;
        }
        let expected = self.mac(kind, address, client_random, content);
        bool::from(expected.ct_eq(mac)).then_some(content.get(4..)?)
    }

    /// Seconds since the start, which do not tell what time it is.
    fn seconds(&self, now: Instant) -> u32 {
        now.saturating_duration_since(self.start).as_secs() as u32
    }

    /// Authenticates what begins with the time at which it was made.
    fn mac(
        &mut self,
        kind: Kind,
        address: &[u8],
        client_random: &[u8; 32],
        content: &[u8],
    ) -> [u8; MAC_LEN] {
        let made = content.first_chunk().map_or(0, |made| u32::from_be_bytes(*made));
        let generation = (u64::from(made) / self.key_lifetime.as_secs().max(1)).to_be_bytes();
        let mut key = Zeroizing::new([0; 32]);
        self.mac.fill(&mut *key, &*self.secret, &generation);
        self.buf.clear();
        self.buf.u8(kind as u8);
        // The length keeps an address apart from what follows.
        self.buf.bytes(&(address.len() as u64).to_be_bytes());
        self.buf.bytes(address);
        self.buf.bytes(client_random);
        self.buf.bytes(content);
        let mut mac = [0; MAC_LEN];
        self.mac.fill(&mut mac, &*key, &self.buf);
        mac
    }
}

impl Mac {
    /// Fills `mac`, of at most 32 bytes.
    fn fill(self, mac: &mut [u8], key: &[u8], message: &[u8]) {
        match self {
            Self::Hmac(hkdf) => {
                let tag = hkdf.hmac_sign(&OkmBlock::new(key), message);
                for (to, from) in mac.iter_mut().zip(tag.as_ref()) {
                    *to = *from;
                }
            }
            Self::Prf(prf) => prf.for_secret(mac, key, b"cookie", message),
            Self::Nothing => (),
        }
    }
}
