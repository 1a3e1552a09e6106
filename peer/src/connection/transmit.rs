//! What is sent next.

use std::time::Instant;

use dtls_srtp::srtp::ProtectError;
use stun::{FiveTuple, Transmit};

use super::PeerConnection;
use super::batch::Batch;
use crate::data_channel::Data;
use crate::transport::Transport;

impl PeerConnection {
    /// Asks the layers in the order of sending: checks and consent, DTLS flights, RTCP and paced
    /// RTP, SCTP.
    pub(super) fn transmit<'b>(
        &mut self,
        now: Instant,
        buf: &'b mut Vec<u8>,
    ) -> Option<Transmit<'b>> {
        let start = buf.len();
        if self.is_closed() {
            let path = self.transmit_farewell(now, buf)?;
            return Some(Transmit::new(path, buf.get(start..)?));
        }
        // What a layer wrote is taken again from `buf` below: a borrow that is returned on one
        // path only would last over the others.
        if let Some(transmit) = self.ice.poll_transmit(now, buf) {
            let (path, ecn, dscp) = (transmit.path, transmit.ecn, transmit.dscp);
            let mut transmit = Transmit::new(path, buf.get(start..)?);
            (transmit.ecn, transmit.dscp) = (ecn, dscp);
            return Some(transmit);
        }
        for index in 0..self.transports.len() {
            let Some(path) = self.transmit_transport(now, index, buf, start) else { continue };
            let (path, segment_size) = path;
            let transmit = Transmit::new(path, buf.get(start..)?).with_segment_size(segment_size);
            if let Some(transport) = self.transports.get_mut(index) {
                transport.traffic.datagrams_sent += transmit.datagrams().count() as u64;
                transport.traffic.bytes_sent += transmit.contents.len() as u64;
            }
            return Some(transmit);
        }
        None
    }

    fn transmit_transport(
        &mut self,
        now: Instant,
        index: usize,
        buf: &mut Vec<u8>,
        start: usize,
    ) -> Option<(FiveTuple, Option<usize>)> {
        let transport = self.transports.get_mut(index)?;
        let path = self.ice.send_path(transport.component)?;
        let dtls = transport.dtls.as_mut()?;
        if transport.sped.as_mut().is_some_and(|sped| sped.poll_unsent(buf)) {
            return Some((path, None));
        }
        if dtls.poll_transmit(now, buf).is_some() {
            // An association without a handshake may begin behind the last of our flights.
            self.tell_data_of_dtls(now, index);
            self.settle_data();
            return Some((path, None));
        }
        while let (Some(srtp), Some(rtp)) = (&mut transport.srtp, &mut transport.rtp)
            && let Some(range) = rtp.poll_transmit(now, buf)
        {
            let is_rtcp = matches!(buf.get(range), Some([_, 192..=223, ..]));
            let sealed = match is_rtcp {
                true => srtp.outbound.protect_rtcp(buf, start),
                false => srtp.outbound.protect_rtp(buf, start),
            };
            if sealed.is_ok() {
                if !is_rtcp {
                    transport.budget.media_leaves(now);
                }
                return Some((path, None));
            }
            // The key is worn out (RFC 3711 §9.2), which takes years, there are too many sources, or
            // an extension of the application's cannot be hidden as cryptex has to: nothing may
            // leave as it is.
            if sealed == Err(ProtectError::TooManySources) {
                srtp.warn_of_sources();
            }
            buf.truncate(start);
            transport.traffic.datagrams_dropped += 1;
        }
        let data = self.data.as_mut().filter(|data| data.transport == Some(transport.id))?;
        if data.channels.poll_timeout().is_none_or(|at| at > now) || !may_send(transport, data) {
            return None;
        }
        let approved = transport.approved;
        let dtls = transport.dtls.as_mut()?;
        let limit = data.channels.association().mtu() + dtls.record_overhead();
        // A longer datagram than what came before it would be cut by the kernel.
        let exceeds = data.channels.association().may_exceed_mtu();
        let segments = if exceeds { 1 } else { self.max_segments };
        let mut batch = Batch::new(start, limit, segments);
        while batch.wants_more() {
            let datagram = buf.len();
            let record = match approved && dtls.may_send() {
                true => dtls.begin(buf),
                false => dtls.begin_to_anyone(buf).filter(|_| is_greeting(data)),
            };
            let Some(record) = record else {
                buf.truncate(datagram);
                break;
            };
            if data.channels.poll_transmit(now, buf).is_none() {
                buf.truncate(datagram);
                break;
            }
            if dtls.seal(buf, record).is_err() {
                break;
            }
            batch.push(buf.len());
        }
        if batch.is_empty() {
            return None;
        }
        // What has left counts as buffered no more, which is news.
        self.settle_data();
        Some((path, batch.segment_size()))
    }

    /// The deadline of SCTP, which counts while DTLS lets it send.
    pub(super) fn data_timeout(&self) -> Option<Instant> {
        let data = self.data.as_ref()?;
        let at = data.channels.poll_timeout()?;
        let transport = self.transports.iter().find(|t| Some(t.id) == data.transport)?;
        let writable =
            self.ice.send_path(transport.component).is_some() && may_send(transport, data);
        (writable || at > self.now).then_some(at)
    }
}

/// Whether SCTP may send: to whom the descriptions announce, and its INIT to anyone. There is no
/// secret in that, and whoever gets it has come by a path that ICE has authenticated. A server of
/// DTLS 1.3 spares half a round trip by it.
fn may_send(transport: &Transport, data: &Data) -> bool {
    let to_anyone = || transport.dtls.as_ref().is_some_and(|dtls| dtls.may_send_to_anyone());
    transport.may_send() || is_greeting(data) && to_anyone()
}

/// Whether all that SCTP has to send is its INIT.
fn is_greeting(data: &Data) -> bool {
    data.channels.association().state() == sctp::State::CookieWait
}
