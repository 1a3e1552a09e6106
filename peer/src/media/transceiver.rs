//! Transceivers: a sender and a receiver that share an m-section.

use std::fmt;
use std::time::Instant;

use super::MediaKind;
use super::codec::CodecCapability;
use crate::PeerConnection;
use crate::error::Error;
use crate::jsep::transceivers::TransceiverState;

/// Names a transceiver of a connection; never reused there.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TransceiverId(pub(crate) u16);

impl fmt::Display for TransceiverId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which way media goes: the W3C's `RTCRtpTransceiverDirection`.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum RtpTransceiverDirection {
    /// Both ways.
    #[default]
    SendRecv,
    /// Only from us.
    SendOnly,
    /// Only to us.
    RecvOnly,
    /// Neither way.
    Inactive,
    /// Neither way, for ever.
    Stopped,
}

impl RtpTransceiverDirection {
    /// Tells whether we send.
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Tells whether we receive.
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    pub(crate) const fn to_sdp(self) -> sdp::Direction {
        sdp::Direction::new(self.sends(), self.receives())
    }
}

impl From<sdp::Direction> for RtpTransceiverDirection {
    fn from(direction: sdp::Direction) -> Self {
        match (direction.sends(), direction.receives()) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }
}

/// How a transceiver is to begin: the W3C's `RTCRtpTransceiverInit`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct TransceiverInit {
    /// Which way media shall go.
    pub direction: RtpTransceiverDirection,
    /// The ids of the media streams that what we send belongs to.
    pub streams: Vec<String>,
    /// The id of the track that we send, for a receiver that wants one
    /// ([RFC 8830 §2](https://www.rfc-editor.org/rfc/rfc8830#section-2)).
    pub track_id: Option<String>,
    /// Whether what is received is read as frames or as packets.
    pub receive_mode: rtp::section::Mode,
}

impl TransceiverInit {
    /// Media both ways.
    pub fn send_recv() -> Self {
        Self::default()
    }

    /// Media from us.
    pub fn send_only() -> Self {
        Self { direction: RtpTransceiverDirection::SendOnly, ..Self::default() }
    }

    /// Media to us.
    pub fn recv_only() -> Self {
        Self { direction: RtpTransceiverDirection::RecvOnly, ..Self::default() }
    }

    /// The same, belonging to these streams.
    #[must_use]
    pub fn with_streams(mut self, streams: &[&str]) -> Self {
        self.streams = streams.iter().map(|stream| (*stream).to_owned()).collect();
        self
    }

    /// The same, read as packets.
    #[must_use]
    pub fn with_packets(mut self) -> Self {
        self.receive_mode = rtp::section::Mode::Packets;
        self
    }
}

/// A transceiver, lent by [`PeerConnection::transceiver`]: the W3C's `RTCRtpTransceiver`.
pub struct Transceiver<'c> {
    connection: &'c mut PeerConnection,
    id: TransceiverId,
}

impl<'c> Transceiver<'c> {
    pub(crate) fn lend(connection: &'c mut PeerConnection, id: TransceiverId) -> Option<Self> {
        connection.jsep.has_transceiver(id).then_some(Self { connection, id })
    }

    fn state(&self) -> Option<&TransceiverState> {
        self.connection.jsep.transceiver(self.id)
    }

    /// Its name.
    pub const fn id(&self) -> TransceiverId {
        self.id
    }

    /// Audio or video.
    pub fn kind(&self) -> MediaKind {
        self.state().map_or(MediaKind::Audio, |state| state.kind)
    }

    /// The `mid` of its m-section; none before it has one.
    pub fn mid(&self) -> Option<&str> {
        self.state()?.mid.as_deref()
    }

    /// Which way media shall go.
    pub fn direction(&self) -> RtpTransceiverDirection {
        match self.state() {
            Some(state) if !state.stopping => state.direction.into(),
            _ => RtpTransceiverDirection::Stopped,
        }
    }

    /// Which way media goes by the last answer; none before there was one.
    pub fn current_direction(&self) -> Option<RtpTransceiverDirection> {
        match self.state() {
            Some(state) => state.current_direction.map(Into::into),
            None => Some(RtpTransceiverDirection::Stopped),
        }
    }

    /// The ids of the streams that what we send belongs to.
    pub fn streams(&self) -> &[String] {
        self.state().map_or(&[], |state| &state.streams)
    }

    /// The ids of the streams that what we receive belongs to.
    pub fn remote_streams(&self) -> &[String] {
        self.state().map_or(&[], |state| &state.remote_streams)
    }

    /// The codecs that were agreed on, the preferred first, with their payload types.
    pub fn codecs(&self) -> &[CodecCapability] {
        self.state()
            .and_then(|state| state.negotiated.as_ref())
            .map_or(&[], |negotiated| &negotiated.codecs)
    }

    /// Changes which way media shall go; the next offer or answer says so.
    ///
    /// # Errors
    ///
    /// When it is stopped, or this would stop it: [`stop`](Self::stop) does.
    pub fn set_direction(
        &mut self,
        now: Instant,
        direction: RtpTransceiverDirection,
    ) -> Result<(), Error> {
        self.connection.advance(now);
        self.connection.jsep.set_direction(self.id, direction)?;
        self.connection.fire_negotiation_needed();
        Ok(())
    }

    /// Changes the streams that what we send belongs to; the next offer or answer says so.
    pub fn set_streams(&mut self, now: Instant, streams: &[&str]) {
        self.connection.advance(now);
        self.connection.jsep.set_streams(self.id, streams);
        self.connection.fire_negotiation_needed();
    }

    /// Chooses codecs and their order, from those of the configuration; none restores its order.
    ///
    /// # Errors
    ///
    /// When one of them is not in the configuration.
    pub fn set_codec_preferences(&mut self, codecs: &[CodecCapability]) -> Result<(), Error> {
        self.connection.jsep.set_codec_preferences(self.id, codecs)
    }

    /// Ends it for ever: nothing is sent or received from now on, and our next offer rejects its
    /// m-section. An answer before that says that it is inactive.
    pub fn stop(&mut self, now: Instant) {
        let now = self.connection.advance(now);
        self.connection.jsep.stop(self.id);
        self.connection.refresh(now);
    }
}
