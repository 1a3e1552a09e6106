//! Whether what was agreed on with the other side is good enough.

use std::time::Instant;

use dtls_srtp::dtls::AlertDescription;

use super::{FailureReason, PeerConnection};

impl PeerConnection {
    /// Lets the policy look at what was agreed on as soon as all of that is known, and returns
    /// whether it is content. Nothing of the application leaves or is taken before.
    ///
    /// For a client of DTLS 1.2 that is before its last flight, behind which it may send at once
    /// (False Start, [RFC 7918](https://www.rfc-editor.org/rfc/rfc7918)); for all others, when the
    /// other side has proved who it is. A connection that falls short is broken off with an alert
    /// that says why: "a negotiation has failed specifically because the server requires parameters
    /// more secure than those supported by the client"
    /// ([RFC 8446 §6.2](https://www.rfc-editor.org/rfc/rfc8446#section-6.2)), whichever of the two
    /// we are.
    pub(super) fn approve(&mut self, now: Instant, index: usize) -> bool {
        let Some(transport) = self.transports.get_mut(index) else { return false };
        let Some(dtls) = &mut transport.dtls else { return false };
        // The last thing that is known is what the other side has signed with.
        let known = dtls.version().is_some() && dtls.peer_signature_scheme().is_some();
        if transport.approved || !known || dtls.close_reason().is_some() {
            return transport.approved;
        }
        let policy = &self.configuration.security_policy;
        match policy.check(dtls, transport.media) {
            Ok(()) => {
                transport.approved = true;
                true
            }
            Err(refusal) => {
                tracing::info!(%refusal, "the policy refuses the connection");
                dtls.abort(now, AlertDescription::InsufficientSecurity);
                self.fail(FailureReason::Policy(refusal));
                false
            }
        }
    }
}
