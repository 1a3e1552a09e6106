//! What both sides know when a handshake is done: the master secret, and what comes of it
//! ([RFC 5246 §6.3, §8.1](https://www.rfc-editor.org/rfc/rfc5246#section-6.3)).

use rustls::NamedGroup;
use rustls::crypto::ActiveKeyExchange;
use zeroize::Zeroizing;

use super::protection::{Iv, Opener, Sealer};
use crate::crypto::{Crypto, KeyedPrf};
use crate::dtls::suite::Suite;
use crate::dtls::{ExportError, HandshakeError, Role};
use crate::srtp::Profile;

/// What the two hellos agreed on.
#[derive(Clone)]
pub(crate) struct Negotiated {
    pub(crate) suite: Suite,
    pub(crate) client_random: [u8; 32],
    pub(crate) server_random: [u8; 32],
    pub(crate) extended_master_secret: bool,
    pub(crate) srtp_profile: Option<Profile>,
}

/// An agreed master secret.
pub(crate) struct Session {
    pub(crate) negotiated: Negotiated,
    pub(crate) group: NamedGroup,
    master_secret: Zeroizing<[u8; 48]>,
}

impl Session {
    /// Completes the key exchange with the peer's public key. `session_hash` covers all messages
    /// up to and including ClientKeyExchange
    /// ([RFC 7627 §3](https://www.rfc-editor.org/rfc/rfc7627#section-3)).
    pub(crate) fn agree(
        negotiated: Negotiated,
        key_exchange: Box<dyn ActiveKeyExchange>,
        peer_public_key: &[u8],
        session_hash: &[u8],
    ) -> Result<Self, HandshakeError> {
        let group = key_exchange.group();
        let randoms = concat(&negotiated.client_random, &negotiated.server_random);
        let (label, seed) = if negotiated.extended_master_secret {
            (&b"extended master secret"[..], session_hash)
        } else {
            (&b"master secret"[..], &randoms[..])
        };
        let mut master_secret = Zeroizing::new([0; 48]);
        negotiated
            .suite
            .provider
            .prf_provider
            .for_key_exchange(&mut master_secret, key_exchange, peer_public_key, label, seed)
            .map_err(|error| HandshakeError::of_exchange(&error))?;
        Ok(Self { negotiated, group, master_secret })
    }

    /// A session of which a key log tells the secret.
    #[cfg(test)]
    pub(crate) fn from_master_secret(negotiated: Negotiated, master_secret: [u8; 48]) -> Self {
        let master_secret = Zeroizing::new(master_secret);
        Self { negotiated, group: NamedGroup::X25519, master_secret }
    }

    /// The secret itself, which nobody but a key log may see.
    pub(crate) fn master_secret(&self) -> &[u8] {
        &*self.master_secret
    }

    /// The PRF under the master secret.
    pub(crate) fn prf(&self) -> KeyedPrf {
        KeyedPrf::new(self.negotiated.suite.provider.prf_provider, &*self.master_secret)
    }

    /// The keys of our records and of the peer's.
    pub(crate) fn keys(
        &self,
        prf: &KeyedPrf,
        role: Role,
        crypto: &Crypto,
    ) -> Result<(Sealer, Opener), HandshakeError> {
        let Negotiated { suite, client_random, server_random, .. } = &self.negotiated;
        let (key_len, iv_len) = (suite.aead.key_len(), Iv::fixed_len(suite.aead));
        // The longest: two keys of 32 bytes and two IVs of 12.
        let mut block = Zeroizing::new([0; 88]);
        let block = block.get_mut(..2 * (key_len + iv_len)).ok_or(HandshakeError::Internal)?;
        prf.fill(block, b"key expansion", &concat(server_random, client_random));

        // client_write_key, server_write_key, client_write_IV, server_write_IV
        let (keys, ivs) = block.split_at(2 * key_len);
        let (client_key, server_key) = keys.split_at(key_len);
        let (client_iv, server_iv) = ivs.split_at(iv_len);
        let aead = |key| crypto.packets.aead(suite.aead, key).map_err(|_| HandshakeError::Internal);
        let (client, server) = (aead(client_key)?, aead(server_key)?);
        let (client_iv, server_iv) = (Iv::new(client_iv), Iv::new(server_iv));
        Ok(match role {
            Role::Client => (Sealer::new(client, client_iv), Opener::new(server, server_iv)),
            Role::Server => (Sealer::new(server, server_iv), Opener::new(client, client_iv)),
        })
    }

    /// The exporter of [RFC 5705 §4](https://www.rfc-editor.org/rfc/rfc5705#section-4).
    pub(crate) fn export(
        &self,
        label: &str,
        context: Option<&[u8]>,
        out: &mut [u8],
    ) -> Result<(), ExportError> {
        const RESERVED: [&str; 5] = [
            "client finished",
            "server finished",
            "master secret",
            "extended master secret",
            "key expansion",
        ];
        if RESERVED.contains(&label) {
            return Err(ExportError::Label);
        }
        let randoms = concat(&self.negotiated.client_random, &self.negotiated.server_random);
        match context {
            None => self.prf().fill(out, label.as_bytes(), &randoms),
            Some(context) => {
                let len = u16::try_from(context.len()).map_err(|_| ExportError::ContextTooLong)?;
                let seed = [&randoms[..], &len.to_be_bytes(), context].concat();
                self.prf().fill(out, label.as_bytes(), &seed);
            }
        }
        Ok(())
    }
}

/// The contents of the Finished message of `sender` after the messages that `hash` covers.
pub(crate) fn verify_data(prf: &KeyedPrf, sender: Role, hash: &[u8]) -> [u8; 12] {
    let label = match sender {
        Role::Client => &b"client finished"[..],
        Role::Server => &b"server finished"[..],
    };
    let mut verify_data = [0; 12];
    prf.fill(&mut verify_data, label, hash);
    verify_data
}

fn concat(first: &[u8; 32], second: &[u8; 32]) -> [u8; 64] {
    let mut both = [0; 64];
    let (left, right) = both.split_at_mut(32);
    left.copy_from_slice(first);
    right.copy_from_slice(second);
    both
}
