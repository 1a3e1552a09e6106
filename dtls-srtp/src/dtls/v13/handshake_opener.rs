//! What opens the records of a handshake: longer than the handshake lasts, and seldom then.

use std::mem;

use super::key_schedule::TrafficSecret;
use super::protection::{OpenError, Opened, Opener};
use super::record::Ciphertext;
use crate::crypto::Crypto;
use crate::dtls::epoch::Epoch;
use crate::dtls::replay::ReplayWindow;

/// Opens the records of epoch 2.
///
/// A server has to read for four minutes whether the client repeats its last flight
/// ([RFC 9147 §5.8.1](https://www.rfc-editor.org/rfc/rfc9147#section-5.8.1)), which it hardly ever
/// does: an expanded key is ten times as large as the secret that it comes from, and is made again
/// for the datagram that does come.
pub(crate) enum HandshakeOpener {
    /// With its keys, which are those of the secret.
    Awake(Box<(TrafficSecret, Opener)>),
    Resting(Box<Resting>),
}

/// What makes the keys, and which records came. How many were forged does not count here: these keys
/// are given up before they can wear out.
pub(crate) struct Resting {
    secret: TrafficSecret,
    window: ReplayWindow,
    /// With the keys and the window, while a datagram is read that has a record for them: it may
    /// have many, and anybody may have forged them.
    opener: Option<Box<Opener>>,
}

impl HandshakeOpener {
    /// `opener` has the keys of `secret`.
    pub(crate) fn new(secret: TrafficSecret, opener: Opener) -> Self {
        Self::Awake(Box::new((secret, opener)))
    }

    /// Says that the handshake is over.
    pub(crate) fn rest(self) -> Self {
        match self {
            Self::Awake(awake) => {
                let (secret, opener) = *awake;
                Self::Resting(Box::new(Resting { secret, window: opener.stop(), opener: None }))
            }
            Self::Resting(_) => self,
        }
    }

    /// Says that a datagram is over, with the records in it.
    pub(crate) fn end_datagram(&mut self) {
        if let Self::Resting(resting) = self
            && let Some(opener) = resting.opener.take()
        {
            resting.window = opener.stop();
        }
    }

    /// Decrypts a record in place; `None` if the keys cannot be made.
    pub(crate) fn open<'d>(
        &mut self,
        record: Ciphertext<'d>,
        crypto: &Crypto,
    ) -> Option<Result<Opened<'d>, OpenError>> {
        match self {
            Self::Awake(awake) => Some(awake.1.open(record)),
            Self::Resting(resting) => {
                let Resting { secret, window, opener } = &mut **resting;
                if opener.is_none() {
                    let fresh = secret.opener(crypto, Epoch::HANDSHAKE.0).ok()?;
                    *opener = Some(Box::new(fresh.resume(mem::take(window))));
                }
                Some(opener.as_mut()?.open(record))
            }
        }
    }
}
