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
    /// With what makes them, and which records came. How many were forged does not count here: these
    /// keys are given up before they can wear out.
    Resting(Box<(TrafficSecret, ReplayWindow)>),
    /// With its keys again, while a datagram is read that has a record for them: it may have many,
    /// and anybody may have forged them.
    Roused(Box<(TrafficSecret, Opener)>),
}

impl HandshakeOpener {
    /// `opener` has the keys of `secret`.
    pub(crate) fn new(secret: TrafficSecret, opener: Opener) -> Self {
        Self::Awake(Box::new((secret, opener)))
    }

    /// Says that the handshake is over.
    pub(crate) fn rest(self) -> Self {
        match self {
            Self::Awake(awake) | Self::Roused(awake) => {
                let (secret, opener) = *awake;
                Self::Resting(Box::new((secret, opener.stop())))
            }
            Self::Resting(_) => self,
        }
    }

    /// Whether it is to rest again when the datagram at hand is over.
    pub(crate) fn is_roused(&self) -> bool {
        matches!(self, Self::Roused(_))
    }

    /// Decrypts a record in place; `None` if the keys cannot be made.
    pub(crate) fn open<'d>(
        &mut self,
        record: Ciphertext<'d>,
        crypto: &Crypto,
    ) -> Option<Result<Opened<'d>, OpenError>> {
        if let Self::Resting(resting) = self {
            let (secret, window) = &mut **resting;
            let opener = secret.opener(crypto, Epoch::HANDSHAKE.0).ok()?;
            let roused = (secret.clone(), opener.resume(mem::take(window)));
            *self = Self::Roused(Box::new(roused));
        }
        match self {
            Self::Awake(awake) | Self::Roused(awake) => Some(awake.1.open(record)),
            Self::Resting(_) => None,
        }
    }
}
