//! Receiving media.

use std::time::Instant;

use crate::PeerConnection;
use crate::media::transceiver::TransceiverId;

/// The receiving half of a transceiver, lent by
/// [`PeerConnection::receiver`](crate::PeerConnection::receiver): the W3C's `RTCRtpReceiver`.
///
/// It is in one of two modes: whole frames in decode order, through a jitter buffer; or packets in
/// the order of arrival, for who forwards or records.
pub struct Receiver<'c> {
    connection: &'c mut PeerConnection,
    id: TransceiverId,
}

impl<'c> Receiver<'c> {
    pub(crate) const fn new(connection: &'c mut PeerConnection, id: TransceiverId) -> Self {
        Self { connection, id }
    }

    /// Takes the next frame in decode order; `None` when there is none yet, or in packets mode.
    pub fn read_frame(&mut self, now: Instant) -> Option<rtp::session::ReceivedFrame> {
        let now = self.connection.advance(now);
        let (rtp, section) = self.connection.rtp_section(self.id)?;
        let frame = rtp.read_frame(now, section);
        self.connection.settle_media();
        frame
    }

    /// Takes the next packet in the order of arrival; `None` when there is none, or in frames
    /// mode.
    pub fn read_packet(&mut self) -> Option<rtp::session::ReceivedPacket> {
        let (rtp, section) = self.connection.rtp_section(self.id)?;
        rtp.read_packet(section)
    }

    /// Chooses between frames and packets. What was not read in the old mode is dropped, a frame
    /// that has arrived in part too; so the other side is asked for a key frame of video.
    pub fn set_mode(&mut self, now: Instant, mode: rtp::section::Mode) {
        let now = self.connection.advance(now);
        self.connection.jsep.set_receive_mode(self.id, mode);
        if let Some((rtp, section)) = self.connection.rtp_section(self.id) {
            rtp.set_receive_mode(now, section, mode);
        }
        self.connection.settle_media();
    }

    /// Asks the other side for a key frame (PLI, or FIR where that is all there is;
    /// [RFC 4585 §6.3.1](https://www.rfc-editor.org/rfc/rfc4585#section-6.3.1)).
    pub fn request_key_frame(&mut self, now: Instant) {
        let now = self.connection.advance(now);
        if let Some((rtp, section)) = self.connection.rtp_section(self.id) {
            rtp.request_key_frame(now, section);
        }
        self.connection.settle_media();
    }
}
