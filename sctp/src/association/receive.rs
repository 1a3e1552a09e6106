//! Taking a packet apart ([RFC 9260 §8.5](https://www.rfc-editor.org/rfc/rfc9260#section-8.5) for the
//! verification tag, §3.2 for chunks that are not known).

use super::Association;
use super::state::State;
use super::transmit::Reply;
use crate::chunk::abort::REFLECTED;
use crate::chunk::data::Data;
use crate::chunk::error_cause::ErrorCause;
use crate::chunk::forward_tsn::ForwardTsn;
use crate::chunk::sack::Sack;
use crate::chunk::{Chunk, ChunkType, IfUnknown};
use crate::packet::Packet;
use crate::recv::Taken;
use crate::recv::reassembly::Misfit;
use std::time::Instant;

/// Whether the chunks after this one are looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Next {
    Go,
    Stop,
}

impl Association {
    pub(crate) fn receive(&mut self, now: Instant, datagram: &[u8]) {
        let parsed = match self.config.over_dtls {
            true => Packet::parse_protected(datagram),
            false => Packet::parse(datagram),
        };
        let Ok(packet) = parsed else { return self.count_drop() };
        if packet.source_port() != self.config.remote_port
            || packet.destination_port() != self.config.local_port
        {
            return self.count_drop();
        }
        let mut chunks = packet.chunks();
        let Some(first) = chunks.next() else { return self.count_drop() };
        if !self.check_first(now, &packet, &first) {
            return;
        }
        self.traffic.packets_received += 1;
        self.traffic.bytes_received += datagram.len() as u64;
        self.heartbeat.heard(now);
        self.heard_while_shutting_down(now);

        let (mut data, mut sack, mut re_configs, mut next) = (false, false, 0, Some(first));
        while let Some(chunk) = next {
            // §6.2: a receiver makes one for a packet. More of them would be work for nothing.
            if chunk.kind == ChunkType::Sack && std::mem::replace(&mut sack, true) {
                next = chunks.next();
                continue;
            }
            data |= match chunk.kind {
                ChunkType::Data | ChunkType::IData => true,
                // RFC 3758 §3.6: for the SACK it counts as DATA.
                ChunkType::ForwardTsn | ChunkType::IForwardTsn => self.config.partial_reliability,
                // RFC 6525 §5.1.1: one request at a time, and each side may answer one.
                ChunkType::ReConfig => {
                    re_configs += 1;
                    if re_configs > MAX_RE_CONFIGS {
                        next = chunks.next();
                        continue;
                    }
                    false
                }
                _ => false,
            };
            let then = self.take_chunk(now, &chunk);
            if self.state == State::Closed {
                return;
            }
            next = if then == Next::Go { chunks.next() } else { None };
        }
        if data && self.state.may_receive() {
            self.recv.packet_done(now, self.send.rto.known(), self.config.sack_delay);
            self.repeat_shutdown();
        }
        if self.has_deferred_reset() {
            self.perform_deferred();
        }
    }

    /// Judges a packet by its tag and first chunk (§8.4, §8.5); gives whether its chunks are
    /// processed.
    fn check_first(&mut self, now: Instant, packet: &Packet<'_>, first: &Chunk<'_>) -> bool {
        let tag = packet.verification_tag();
        // §8.5.1 A: with the tag zero, anything else "MUST" be discarded silently.
        if tag == 0 && first.kind != ChunkType::Init {
            self.count_drop();
            return false;
        }
        match first.kind {
            ChunkType::Init => {
                // §6.10: never bundled.
                if tag == 0 && packet.chunks().nth(1).is_none() {
                    self.handle_init(now, first);
                } else if tag != 0 && self.state == State::Closed {
                    self.handle_out_of_the_blue(packet);
                } else {
                    self.count_drop();
                }
                false
            }
            ChunkType::CookieEcho => self.handle_cookie_echo(now, tag, first),
            ChunkType::Abort if self.state != State::Closed => {
                if self.is_for_us(tag, first.flags) {
                    self.handle_abort(first);
                } else {
                    self.count_drop();
                }
                false
            }
            ChunkType::ShutdownComplete if self.state != State::Closed => {
                if self.is_for_us(tag, first.flags) {
                    self.handle_shutdown_complete();
                } else {
                    self.count_drop();
                }
                false
            }
            // §8.5.1 E: the peer has closed an association that we were about to begin again.
            ChunkType::ShutdownAck
                if matches!(self.state, State::CookieWait | State::CookieEchoed) =>
            {
                self.count_drop();
                self.owe(Reply::ShutdownComplete { tag, flags: REFLECTED });
                false
            }
            _ if self.state == State::Closed => {
                self.handle_out_of_the_blue(packet);
                false
            }
            _ if tag != self.local_tag => {
                self.count_drop();
                false
            }
            _ => true,
        }
    }

    #[inline]
    fn take_chunk(&mut self, now: Instant, chunk: &Chunk<'_>) -> Next {
        match chunk.kind {
            ChunkType::Data | ChunkType::IData => return self.take_data(chunk),
            ChunkType::Sack => self.take_sack(now, chunk),
            ChunkType::InitAck => self.handle_init_ack(now, chunk),
            ChunkType::CookieAck => self.handle_cookie_ack(now),
            // The packet has our tag: one that is said to be reflected does not fit (§8.5.1 B).
            ChunkType::Abort if chunk.flags & REFLECTED == 0 => self.handle_abort(chunk),
            // Processed as the first chunk; elsewhere they are not allowed.
            ChunkType::CookieEcho
            | ChunkType::Init
            | ChunkType::ShutdownComplete
            | ChunkType::Abort
            | ChunkType::Pad => {}
            ChunkType::Heartbeat => {
                if self.state.is_up() {
                    self.handle_heartbeat(chunk);
                }
            }
            ChunkType::HeartbeatAck => self.handle_heartbeat_ack(now, chunk),
            ChunkType::Error => self.handle_error(chunk),
            ChunkType::Shutdown => self.handle_shutdown(now, chunk),
            ChunkType::ShutdownAck => self.handle_shutdown_ack(),
            ChunkType::ReConfig => self.handle_re_config(now, chunk),
            ChunkType::ForwardTsn | ChunkType::IForwardTsn => self.take_forward_tsn(chunk),
            ChunkType::Unknown(kind) => {
                let IfUnknown { skip, report } = IfUnknown::from_high_bits(kind);
                if report && self.state.is_up() {
                    self.pending.report(ErrorCause::UnrecognizedChunkType, chunk.whole);
                }
                if !skip {
                    return Next::Stop;
                }
            }
        }
        Next::Go
    }

    /// DATA (§6.2) or I-DATA (RFC 8260 §2.2.3).
    #[inline]
    fn take_data(&mut self, chunk: &Chunk<'_>) -> Next {
        if !self.state.may_receive() {
            return Next::Go;
        }
        let Some(data) = Data::parse(chunk) else {
            self.violated("a DATA chunk without its header");
            return Next::Stop;
        };
        if data.form != self.send.form() {
            self.violated("the other kind of DATA chunk was agreed upon");
            return Next::Stop;
        }
        if data.payload.is_empty() {
            self.no_user_data(data.tsn);
            return Next::Stop;
        }
        match self.recv.take(&data, data.stream < self.inbound_streams) {
            Ok(Taken::Yes | Taken::Refused) => Next::Go,
            Ok(Taken::NoSuchStream) => {
                let [high, low] = data.stream.to_be_bytes();
                self.pending.report(ErrorCause::InvalidStreamIdentifier, &[high, low, 0, 0]);
                Next::Go
            }
            Err(Misfit::TooLarge) => {
                self.violated("a message is larger than the receiver allows");
                Next::Stop
            }
            Err(Misfit::Inconsistent) => {
                self.violated("fragments of one message do not belong together");
                Next::Stop
            }
        }
    }

    /// SACK (§6.2.1).
    fn take_sack(&mut self, now: Instant, chunk: &Chunk<'_>) {
        // §6: in any other state it is discarded.
        if !self.state.may_send() {
            return;
        }
        let Some(sack) = Sack::parse(chunk) else { return };
        match self.send.handle_sack(now, &sack) {
            Ok(progress) => {
                // §8.1: an answer. One about a window that is probed is one too (§6.1 A).
                let window = usize::try_from(sack.a_rwnd).unwrap_or(usize::MAX);
                if progress || !self.send.is_worthwhile(window) {
                    self.errors = 0;
                }
                self.continue_shutdown();
            }
            Err(_) => self.violated("a SACK acknowledges what was never sent"),
        }
    }

    /// FORWARD TSN (RFC 3758 §3.6) or I-FORWARD-TSN (RFC 8260 §2.3.1).
    fn take_forward_tsn(&mut self, chunk: &Chunk<'_>) {
        if !self.config.partial_reliability {
            // RFC 3758 §3.3.1: "act as if it does NOT support the FORWARD TSN chunk".
            if self.state.is_up() {
                self.pending.report(ErrorCause::UnrecognizedChunkType, chunk.whole);
            }
            return;
        }
        if !self.state.may_receive() {
            return;
        }
        if let Some(forward) = ForwardTsn::parse(chunk) {
            if forward.form != self.send.form() {
                return self.violated("the other kind of FORWARD TSN was agreed upon");
            }
            self.recv.forward(&forward, self.inbound_streams);
        }
    }
}

/// How many RE-CONFIG chunks of a packet are looked at: a request may be for all streams.
const MAX_RE_CONFIGS: u32 = 2;
