//! The handshake messages so far, of both sides, and their hash
//! ([RFC 5246 §7.4.9](https://www.rfc-editor.org/rfc/rfc5246#section-7.4.9)).

use rustls::crypto::hash::{Context, Hash, Output};

/// All messages of a handshake in their order, each as if it had come in one fragment
/// ([RFC 6347 §4.2.6](https://www.rfc-editor.org/rfc/rfc6347#section-4.2.6)).
#[derive(Default)]
pub(crate) struct Transcript {
    /// The messages themselves: which hash to use is not known before the suite, and
    /// CertificateVerify signs with a hash of its own.
    messages: Vec<u8>,
    hash: Option<Box<dyn Context>>,
    kept: Kept,
}

#[derive(Clone, Copy, Default, Eq, PartialEq)]
enum Kept {
    #[default]
    Messages,
    HashOnly,
}

impl Transcript {
    pub(crate) fn add(&mut self, message: &[u8]) {
        if let Some(hash) = &mut self.hash {
            hash.update(message);
        }
        if self.kept == Kept::Messages {
            self.messages.extend_from_slice(message);
        }
    }

    /// Forgets what came before the cookie, which is no part of the handshake.
    pub(crate) fn restart(&mut self) {
        self.messages.clear();
    }

    /// Hashes with `hash` from here on, what came before included.
    pub(crate) fn start(&mut self, hash: &'static dyn Hash) {
        let mut context = hash.start();
        context.update(&self.messages);
        self.hash = Some(context);
    }

    /// The messages so far, until they are forgotten.
    pub(crate) fn messages(&self) -> &[u8] {
        &self.messages
    }

    /// Keeps only the hash: no signature over the messages will come.
    pub(crate) fn forget_messages(&mut self) {
        self.messages = Vec::new();
        self.kept = Kept::HashOnly;
    }

    /// The hash of the messages so far; `None` before [`Transcript::start`].
    pub(crate) fn hash(&self) -> Option<Output> {
        self.hash.as_ref().map(|hash| hash.fork_finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::CipherSuite;

    use crate::crypto::Crypto;
    use crate::dtls::suite::Suite;

    #[test]
    fn hashes_what_came_before_the_hash_was_known() {
        let suite = Suite::all(&Crypto::default())[0];
        assert_eq!(suite.id, CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256);
        let hash = suite.provider.common.hash_provider;

        let mut transcript = Transcript::default();
        transcript.add(b"lost");
        transcript.restart();
        transcript.add(b"one");
        assert!(transcript.hash().is_none());
        transcript.start(hash);
        transcript.add(b"two");
        assert_eq!(transcript.messages(), b"onetwo");
        transcript.forget_messages();
        transcript.add(b"three");
        assert_eq!(transcript.hash().unwrap().as_ref(), hash.hash(b"onetwothree").as_ref());
        assert!(transcript.messages().is_empty());
    }
}
