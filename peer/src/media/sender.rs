//! Sending media.

use std::fmt;
use std::time::Instant;

use bytes::Bytes;
use thiserror::Error as ThisError;

use crate::PeerConnection;
use crate::media::transceiver::TransceiverId;

/// The sending half of a transceiver, lent by
/// [`PeerConnection::sender`](crate::PeerConnection::sender): the W3C's `RTCRtpSender`.
///
/// The library moves encoded media. Give it frames, which it cuts into packets, or packets.
pub struct Sender<'c> {
    connection: &'c mut PeerConnection,
    id: TransceiverId,
}

/// Why media was not taken. What was given comes back.
#[derive(ThisError)]
#[error("{kind}")]
pub struct SendMediaError {
    /// Why.
    pub kind: SendMediaErrorKind,
    /// What was not sent.
    pub data: Bytes,
}

/// Without the media itself.
impl fmt::Debug for SendMediaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SendMediaError({:?}, {} bytes)", self.kind, self.data.len())
    }
}

/// Why media was not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ThisError)]
#[non_exhaustive]
pub enum SendMediaErrorKind {
    /// Offer and answer have not agreed that this transceiver sends.
    #[error("send: offer and answer have not (or no longer) agreed that this transceiver sends")]
    NotNegotiated,
    /// The RTP session refused it.
    #[error(transparent)]
    Rtp(#[from] rtp::session::SendErrorReason),
}

impl<'c> Sender<'c> {
    pub(crate) const fn new(connection: &'c mut PeerConnection, id: TransceiverId) -> Self {
        Self { connection, id }
    }

    /// Sends an encoded frame, cut into packets and paced.
    ///
    /// # Errors
    ///
    /// When this transceiver does not send, or its queue is full: nothing is ever dropped
    /// silently. The frame comes back.
    pub fn send_frame(
        &mut self,
        now: Instant,
        frame: rtp::session::Frame,
    ) -> Result<(), SendMediaError> {
        let now = self.connection.advance(now);
        let Some((rtp, section)) = self.connection.rtp_section(self.id) else {
            return Err(not_negotiated(frame.data));
        };
        let sent = rtp.send_frame(now, section, frame).map_err(refused);
        self.connection.settle_media();
        sent
    }

    /// Sends a packet. Its SSRC, sequence number and `mid` are written by the session.
    ///
    /// # Errors
    ///
    /// As [`send_frame`](Self::send_frame).
    pub fn send_packet(
        &mut self,
        now: Instant,
        packet: rtp::session::OutgoingPacket,
    ) -> Result<(), SendMediaError> {
        let now = self.connection.advance(now);
        let Some((rtp, section)) = self.connection.rtp_section(self.id) else {
            return Err(not_negotiated(packet.payload));
        };
        let sent = rtp.send_packet(now, section, packet).map_err(refused);
        self.connection.settle_media();
        sent
    }

    /// Forwards a packet that came from elsewhere: its SSRC, sequence number and `mid` are
    /// rewritten, its payload is shared, not copied.
    ///
    /// # Errors
    ///
    /// As [`send_frame`](Self::send_frame).
    pub fn forward(
        &mut self,
        now: Instant,
        packet: &rtp::session::ReceivedPacket,
    ) -> Result<(), SendMediaError> {
        let now = self.connection.advance(now);
        let Some((rtp, section)) = self.connection.rtp_section(self.id) else {
            return Err(not_negotiated(packet.payload.clone()));
        };
        let sent = rtp.forward(now, section, packet).map_err(refused);
        self.connection.settle_media();
        sent
    }
}

const fn not_negotiated(data: Bytes) -> SendMediaError {
    SendMediaError { kind: SendMediaErrorKind::NotNegotiated, data }
}

fn refused(error: rtp::session::SendError) -> SendMediaError {
    SendMediaError { kind: error.reason().into(), data: error.into_payload() }
}
