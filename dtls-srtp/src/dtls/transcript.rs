//! The handshake messages so far, of both sides, and their hash
//! ([RFC 5246 §7.4.9](https://www.rfc-editor.org/rfc/rfc5246#section-7.4.9),
//! [RFC 8446 §4.4.1](https://www.rfc-editor.org/rfc/rfc8446#section-4.4.1)).

use std::mem;

use rustls::crypto::hash::{Context, Hash, Output};

use super::message::{FragmentHeader, HandshakeType};

/// All messages of a handshake in their order, each as if it had come in one fragment
/// ([RFC 6347 §4.2.6](https://www.rfc-editor.org/rfc/rfc6347#section-4.2.6)).
///
/// DTLS 1.2 hashes them with the whole header. In DTLS 1.3 "the message transcript is computed
/// over the original TLS 1.3-style Handshake messages without the message_seq, fragment_offset,
/// and fragment_length values"
/// ([RFC 9147 §5.2](https://www.rfc-editor.org/rfc/rfc9147#section-5.2)).
#[derive(Default)]
pub(crate) struct Transcript {
    /// The messages themselves: which hash to use is not known before the suite, and
    /// CertificateVerify signs with a hash of its own.
    messages: Vec<u8>,
    /// How much of them is hashed: the rest is when the hash is asked for, all at once.
    hashed: usize,
    hash: Option<Box<dyn Context>>,
    form: Form,
    kept: Kept,
}

/// How much of a message's header is hashed.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
enum Form {
    #[default]
    Dtls12,
    Dtls13,
}

#[derive(Clone, Copy, Default, Eq, PartialEq)]
enum Kept {
    #[default]
    Messages,
    HashOnly,
}

impl Transcript {
    /// What the messages of a handshake with two small certificates take.
    const ROOM: usize = 1792;

    /// Adds a message with its header.
    pub(crate) fn add(&mut self, message: &[u8]) {
        if self.kept == Kept::Messages {
            if self.messages.capacity() == 0 {
                self.messages = Vec::with_capacity(Self::ROOM);
            }
            self.messages.extend_from_slice(message);
        } else if let Some(hash) = &mut self.hash {
            match self.form {
                Form::Dtls12 => hash.update(message),
                Form::Dtls13 => update_1_3(&mut **hash, message),
            }
        }
    }

    /// Forgets what came before the cookie, which is no part of the handshake.
    pub(crate) fn restart(&mut self) {
        self.messages.clear();
    }

    /// Hashes with `hash` from here on, what came before included.
    pub(crate) fn start(&mut self, hash: &'static dyn Hash) {
        self.hash = Some(hash.start());
    }

    /// Hashes as DTLS 1.3 does with `hash` from here on, what came before included, and forgets
    /// the messages, as DTLS 1.3 signs their hash.
    pub(crate) fn start_1_3(&mut self, hash: &'static dyn Hash) {
        let mut context = hash.start();
        let mut messages = self.messages.as_slice();
        while let Some((message, rest)) = split_message(messages) {
            update_1_3(&mut *context, message);
            messages = rest;
        }
        self.messages = Vec::new();
        (self.hash, self.form, self.kept) = (Some(context), Form::Dtls13, Kept::HashOnly);
    }

    /// Puts the hash of the first ClientHello, which is all so far, in its place, as a
    /// HelloRetryRequest comes next.
    pub(crate) fn replace_by_message_hash(&mut self, hash: &'static dyn Hash) {
        if let Some(first_hello) = self.hash() {
            *self = Self::after_retry(hash, first_hello.as_ref());
        }
    }

    /// What a handshake of DTLS 1.3 goes on with before the HelloRetryRequest, when only the hash
    /// of the first ClientHello is known: "the handshake type message_hash".
    pub(crate) fn after_retry(hash: &'static dyn Hash, first_hello: &[u8]) -> Self {
        let mut context = hash.start();
        let [_, l0, l1, l2] = (first_hello.len() as u32).to_be_bytes();
        context.update(&[HandshakeType::MessageHash.code(), l0, l1, l2]);
        context.update(first_hello);
        Self { hash: Some(context), form: Form::Dtls13, kept: Kept::HashOnly, ..Self::default() }
    }

    /// Takes the messages so far out, and keeps only the hash.
    pub(crate) fn take_messages(&mut self) -> Vec<u8> {
        self.hash_all();
        self.kept = Kept::HashOnly;
        mem::take(&mut self.messages)
    }

    /// Keeps only the hash: no signature over the messages will come.
    pub(crate) fn forget_messages(&mut self) {
        self.take_messages();
    }

    /// The hash of the messages so far; `None` before [`Transcript::start`].
    pub(crate) fn hash(&mut self) -> Option<Output> {
        self.hash_all();
        self.hash.as_ref().map(|hash| hash.fork_finish())
    }

    fn hash_all(&mut self) {
        if let Some(hash) = &mut self.hash {
            hash.update(self.messages.get(self.hashed..).unwrap_or_default());
            self.hashed = self.messages.len();
        }
    }
}

/// Hashes a message with the header of TLS: type and length.
fn update_1_3(hash: &mut dyn Context, message: &[u8]) {
    hash.update(message.get(..4).unwrap_or_default());
    hash.update(message.get(FragmentHeader::LEN..).unwrap_or_default());
}

/// Takes the first of several whole messages.
fn split_message(messages: &[u8]) -> Option<(&[u8], &[u8])> {
    let &[_, l0, l1, l2] = messages.first_chunk()?;
    let length = u32::from_be_bytes([0, l0, l1, l2]) as usize;
    messages.split_at_checked(FragmentHeader::LEN + length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::CipherSuite;

    use crate::crypto::Crypto;
    use crate::dtls::message::write;
    use crate::dtls::suite::{Suite, Suite13};

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
        assert_eq!(transcript.take_messages(), b"onetwo");
        transcript.add(b"three");
        assert_eq!(transcript.hash().unwrap().as_ref(), hash.hash(b"onetwothree").as_ref());
        assert!(transcript.take_messages().is_empty());
    }

    #[test]
    fn in_1_3_headers_are_those_of_tls() {
        let hash = Suite13::all(&Crypto::default())[0].hash();
        let mut transcript = Transcript::default();
        for (message_seq, body) in [(0, &b"one"[..]), (1, b"")] {
            let mut message = Vec::new();
            write(&mut message, HandshakeType::ClientHello, message_seq, |buf| buf.extend(body));
            transcript.add(&message);
        }
        transcript.start_1_3(hash);
        let mut message = Vec::new();
        write(&mut message, HandshakeType::ServerHello, 7, |buf| buf.extend(b"three"));
        transcript.add(&message);
        let expected = hash.hash(b"\x01\0\0\x03one\x01\0\0\0\x02\0\0\x05three");
        assert_eq!(transcript.hash().unwrap().as_ref(), expected.as_ref());
        assert!(transcript.take_messages().is_empty());
    }

    #[test]
    fn before_a_retry_the_hash_of_the_hello_stands_for_it() {
        for suite in Suite13::all(&Crypto::default()) {
            let hash = suite.hash();
            let mut hello = Vec::new();
            write(&mut hello, HandshakeType::ClientHello, 0, |buf| buf.extend(b"hello"));
            let mut transcript = Transcript::default();
            transcript.add(&hello);
            transcript.start_1_3(hash);
            transcript.replace_by_message_hash(hash);

            let first = hash.hash(b"\x01\0\0\x05hello");
            let header = [254, 0, 0, first.as_ref().len() as u8];
            let expected = hash.hash(&[&header, first.as_ref()].concat());
            assert_eq!(transcript.hash().unwrap().as_ref(), expected.as_ref());
            let mut stateless = Transcript::after_retry(hash, first.as_ref());
            assert_eq!(stateless.hash().unwrap().as_ref(), expected.as_ref());
        }
    }
}
