//! INIT and INIT ACK: what each side asks for
//! ([RFC 9260 §5.1](https://www.rfc-editor.org/rfc/rfc9260#section-5.1)).

use crate::association::cookie::Cookie;
use crate::association::pending::{Control, MAX_REPORT};
use crate::association::state::State;
use crate::association::transmit::Reply;
use crate::association::{Association, random_tag};
use crate::chunk::data::Form;
use crate::chunk::error_cause::ErrorCause;
use crate::chunk::init::{Extensions, Init};
use crate::chunk::parameter::{self, Parameters};
use crate::chunk::{Chunk, padded};
use crate::tsn::Tsn;
use rand::Rng;
use std::time::Instant;

impl Association {
    /// What our INIT or INIT ACK says.
    fn local_init(&self, initiate_tag: u32, initial_tsn: Tsn) -> Init {
        Init {
            initiate_tag,
            a_rwnd: u32::try_from(self.config.effective_receive_window()).unwrap_or(u32::MAX),
            outbound_streams: self.config.outbound_streams.max(1),
            inbound_streams: self.config.inbound_streams.max(1),
            initial_tsn,
            extensions: Extensions {
                forward_tsn: self.config.partial_reliability,
                re_config: self.config.stream_reset,
                i_data: self.config.interleaving,
                i_forward_tsn: self.config.interleaving && self.config.partial_reliability,
                zero_checksum: self.config.over_dtls,
            },
        }
    }

    /// What the INIT says that we begin with.
    pub(crate) fn own_init(&self) -> Init {
        self.local_init(self.local_tag, self.initial_tsn())
    }

    pub(crate) fn write_init(&mut self, now: Instant, buf: &mut Vec<u8>) {
        self.own_init().write(buf, None, &[]);
        self.handshake.init_due = false;
        self.arm_handshake_timer(now);
    }

    /// INIT (§5.1, §5.2.1, §5.2.2). The packet had nothing else in it and the tag zero.
    pub(crate) fn handle_init(&mut self, now: Instant, chunk: &Chunk<'_>) {
        let Some((init, parameters)) = Init::parse(chunk) else { return self.count_drop() };
        // §3.3.2: "the receiver SHOULD silently discard the packet".
        // One with our own tag is our own, reflected: answered, we would end up connected with
        // ourselves.
        if init.initiate_tag == 0 || init.initiate_tag == self.local_tag {
            return self.count_drop();
        }
        if let Some(why) = refusal(&init) {
            let cause = Some((ErrorCause::InvalidMandatoryParameter, why.as_bytes().to_vec()));
            return self.owe(Reply::Abort { tag: init.initiate_tag, flags: 0, cause });
        }
        if self.closed.is_some() {
            return self.owe(Reply::Abort { tag: init.initiate_tag, flags: 0, cause: None });
        }
        let unrecognized = match Self::check_parameters(parameters) {
            Ok(unrecognized) => unrecognized,
            Err(HostName(parameter)) => {
                let cause = Some((
                    ErrorCause::UnresolvableAddress,
                    parameter.iter().take(64).copied().collect(),
                ));
                return self.owe(Reply::Abort { tag: init.initiate_tag, flags: 0, cause });
            }
        };
        let (tag, tsn, tie_tags) = match self.state {
            State::Closed => (self.entropy.draw(random_tag), self.initial_tsn(), (0, 0)),
            // §5.2.1: the same tag as in our own INIT.
            State::CookieWait => {
                let waits = self.handshake.init_due || self.handshake.attempts == 0;
                if waits && !std::mem::replace(&mut self.handshake.gave_way, true) {
                    // The peer was first: ours waits whether it is still wanted. Once, or anyone who
                    // sends INITs could hold it back for ever.
                    self.handshake.init_due = false;
                    self.handshake.timer = Some(now + self.send.rto.handshake());
                }
                (self.local_tag, self.initial_tsn(), (0, 0))
            }
            State::CookieEchoed => {
                (self.local_tag, self.initial_tsn(), (self.local_tag, self.peer_tag))
            }
            // §9.2: "it SHOULD discard the INIT chunk and retransmit the SHUTDOWN ACK chunk".
            State::ShutdownAckSent => {
                self.pending.add(Control::ShutdownAck);
                return;
            }
            // §5.2.2: a new tag; the association there is stays untouched.
            _ => (
                self.entropy.draw(random_tag),
                Tsn(self.entropy.draw(Rng::next_u32)),
                (self.local_tag, self.peer_tag),
            ),
        };
        let cookie = Box::new(Cookie {
            made: now.saturating_duration_since(self.origin),
            local: self.local_init(tag, tsn),
            peer: init,
            tie_tags,
        });
        self.owe(Reply::InitAck { cookie, unrecognized });
    }

    /// INIT ACK (§5.1 C).
    pub(crate) fn handle_init_ack(&mut self, now: Instant, chunk: &Chunk<'_>) {
        // §5.2.3: unexpected ones are discarded.
        if self.state != State::CookieWait || self.handshake.attempts == 0 {
            return self.count_drop();
        }
        let Some((init, parameters)) = Init::parse(chunk) else { return self.count_drop() };
        if init.initiate_tag == 0 {
            return self.violated("an INIT ACK with the tag 0");
        }
        if let Some(why) = refusal(&init) {
            self.peer_tag = init.initiate_tag;
            return self.refuse(ErrorCause::InvalidMandatoryParameter, why.as_bytes(), why);
        }
        let cookie = parameters.clone().processed().find(|p| p.kind == parameter::STATE_COOKIE);
        let Some(cookie) = cookie.filter(|cookie| cookie.value.len() <= self.max_cookie_len())
        else {
            // §3.3.3: a mandatory parameter is missing. One that fits no packet is as good as none.
            self.peer_tag = init.initiate_tag;
            // §3.3.10.2: one is missing, and its type.
            let [high, low] = parameter::STATE_COOKIE.to_be_bytes();
            let what = "an INIT ACK without a cookie that fits";
            return self.refuse(
                ErrorCause::MissingMandatoryParameter,
                &[0, 0, 0, 1, high, low],
                what,
            );
        };
        let unrecognized = match Self::check_parameters(parameters) {
            Ok(unrecognized) => unrecognized,
            Err(HostName(parameter)) => {
                self.peer_tag = init.initiate_tag;
                let what = "an INIT ACK with a host name";
                return self.refuse(ErrorCause::UnresolvableAddress, parameter, what);
            }
        };
        self.measure_handshake(now);
        self.handshake.cookie = cookie.value.into();
        self.handshake.timer = None;
        self.handshake.attempts = 0;
        self.take_peer(&init, self.local_tag);
        self.state = State::CookieEchoed;
        self.pending.add(Control::CookieEcho);
        if !unrecognized.is_empty() {
            self.pending.report(ErrorCause::UnrecognizedParameters, &unrecognized);
        }
    }

    /// The longest cookie that can be echoed in a packet.
    const fn max_cookie_len(&self) -> usize {
        self.send.mtu() - crate::packet::HEADER_LEN - crate::chunk::HEADER_LEN
    }

    /// Takes over what the peer said of itself.
    pub(crate) fn take_peer(&mut self, peer: &Init, local_tag: u32) {
        self.local_tag = local_tag;
        self.peer_tag = peer.initiate_tag;
        self.outbound_streams = self.config.outbound_streams.max(1).min(peer.inbound_streams);
        self.inbound_streams = self.config.inbound_streams.max(1).min(peer.outbound_streams);
        let lacking = self.send.queues.limit_streams(self.outbound_streams);
        self.send.set_peer_window(peer.a_rwnd);
        let Extensions { forward_tsn, i_data, i_forward_tsn, zero_checksum, .. } = peer.extensions;
        self.omit_checksum = self.config.over_dtls && zero_checksum;
        self.send.set_form(match self.config.interleaving && i_data {
            true => Form::IData,
            false => Form::Data,
        });
        // RFC 8260 §2.3.1: each form has its own chunk.
        self.send.partial_reliability = self.config.partial_reliability
            && match self.send.form() {
                Form::Data => forward_tsn,
                Form::IData => i_forward_tsn,
            };
        self.recv.restart(peer.initial_tsn);
        let sequence = self.initial_tsn();
        self.reset.begin(
            sequence,
            peer.initial_tsn,
            self.config.stream_reset && peer.extensions.re_config,
        );
        self.reset.count_as_reset(lacking);
    }

    /// What INIT and INIT ACK carry that we do not know is reported when its type says so
    /// (§3.2.1). An error when a host name is given, which must be refused (§5.1.2).
    fn check_parameters(parameters: Parameters<'_>) -> Result<Vec<u8>, HostName<'_>> {
        let mut unrecognized = Vec::new();
        for parameter in parameters.processed() {
            if parameter.kind == parameter::HOST_NAME_ADDRESS {
                return Err(HostName(parameter.whole));
            }
            let reported = !parameter.is_known() && parameter.if_unknown().report;
            if reported && unrecognized.len() + padded(parameter.whole.len()) <= MAX_REPORT {
                unrecognized.extend_from_slice(parameter.whole);
                unrecognized.resize(padded(unrecognized.len()), 0);
            }
        }
        Ok(unrecognized)
    }
}

/// The peer gave a host name in the place of an address, in this parameter.
struct HostName<'p>(&'p [u8]);

/// Why an INIT or INIT ACK cannot be accepted (§3.3.2).
pub(crate) const fn refusal(init: &Init) -> Option<&'static str> {
    if init.outbound_streams == 0 || init.inbound_streams == 0 {
        return Some("no streams");
    }
    if init.a_rwnd < 1500 {
        return Some("a receive window below 1500 bytes");
    }
    None
}
