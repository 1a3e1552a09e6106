//! Signatures that the application gives, for keys that are kept elsewhere.

use std::time::Instant;

use dtls_srtp::dtls::SignatureRequest;

use super::{FailureReason, PeerConnection};
use crate::jsep::TransportId;

/// Names a signature that [`Event::SignatureNeeded`](crate::Event::SignatureNeeded) asks for; never
/// reused in a connection. There is one for each transport: its handshake is signed once.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SignatureId(pub(crate) TransportId);

/// A key that signs elsewhere.
impl PeerConnection {
    /// What [`Event::SignatureNeeded`](crate::Event::SignatureNeeded) asks for, until it is
    /// answered; `None` after that, and when the connection ended meanwhile.
    ///
    /// The certificate is one of
    /// [`Certificate::with_external_key`](crate::Certificate::with_external_key), whose private key
    /// is in a hardware module or another process. The handshake waits for the answer as long as
    /// that takes, and holds nothing else up; the other side gives up at some time, after a minute
    /// if it is one of ours.
    ///
    /// ```
    /// use std::sync::mpsc::{Receiver, Sender};
    /// use std::time::Instant;
    /// use peerless::security::SignatureScheme;
    /// use peerless::{Event, PeerConnection, SignatureId};
    ///
    /// type Job = (SignatureId, SignatureScheme, Vec<u8>);
    ///
    /// // In the loop of the connection: hands over what is to be signed.
    /// fn on_event(peer: &PeerConnection, event: &Event, module: &Sender<Job>) {
    ///     if let Event::SignatureNeeded(id) = event
    ///         && let Some(request) = peer.signature_request(*id)
    ///     {
    ///         // Should the module be gone, its answer will be missed.
    ///         let _ = module.send((*id, request.scheme, request.message.to_vec()));
    ///     }
    /// }
    ///
    /// // In the same loop, some time later: takes the answers.
    /// fn on_answers(
    ///     peer: &mut PeerConnection,
    ///     now: Instant,
    ///     answers: &Receiver<(SignatureId, Option<Vec<u8>>)>,
    /// ) {
    ///     for (id, signature) in answers.try_iter() {
    ///         match signature {
    ///             Some(signature) => peer.provide_signature(now, id, &signature),
    ///             None => peer.refuse_signature(now, id),
    ///         }
    ///     }
    /// }
    /// ```
    pub fn signature_request(&self, id: SignatureId) -> Option<SignatureRequest<'_>> {
        let transport = self.transports.iter().find(|transport| transport.id == id.0)?;
        transport.dtls.as_ref()?.signature_request()
    }

    /// Gives a signature that was asked for: by the scheme of the request, over its message, in
    /// the form that TLS has ([RFC 8446 §4.2.3](https://www.rfc-editor.org/rfc/rfc8446#section-4.2.3);
    /// ECDSA's is DER). The handshake goes on. Ignored if nobody asks for it any more.
    ///
    /// It is not checked here: the other side finds out, and breaks off.
    pub fn provide_signature(&mut self, now: Instant, id: SignatureId, signature: &[u8]) {
        let now = self.advance(now);
        let transport = self.transports.iter_mut().find(|transport| transport.id == id.0);
        if let Some(dtls) = transport.and_then(|transport| transport.dtls.as_mut()) {
            dtls.provide_signature(now, signature);
            self.settle();
        }
    }

    /// Says that there will be no such signature: the connection fails, with
    /// [`FailureReason::SignatureRefused`], and the other side is told that it has. Ignored if
    /// nobody asks for it any more.
    pub fn refuse_signature(&mut self, now: Instant, id: SignatureId) {
        let now = self.advance(now);
        let transport = self.transports.iter_mut().find(|transport| transport.id == id.0);
        if let Some(dtls) = transport.and_then(|transport| transport.dtls.as_mut())
            && dtls.signature_request().is_some()
        {
            dtls.refuse_signature(now);
            self.fail(FailureReason::SignatureRefused);
            self.settle();
        }
    }
}
