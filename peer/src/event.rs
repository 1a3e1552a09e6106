//! What a connection has to say.

use std::net::IpAddr;

use crate::connection::SignatureId;
use crate::data_channel::DataChannelId;
use crate::media::MediaKind;
use crate::media::transceiver::TransceiverId;
use crate::signalling::{
    ConnectionState, IceCandidate, IceConnectionState, IceGatheringState, SignalingState,
};

/// Something changed. Read it from the connection, or from the handle that the event names.
///
/// At most one event of a kind is kept for an object until it is read, so that an application that
/// does not read them costs no memory.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// Something was added or changed that only a new offer can tell the other side.
    NegotiationNeeded,
    /// [`signaling_state`](crate::PeerConnection::signaling_state) changed.
    SignalingStateChange(SignalingState),
    /// A candidate to send to the other side; an empty one ends them.
    IceCandidate(IceCandidate),
    /// [`ice_gathering_state`](crate::PeerConnection::ice_gathering_state) changed.
    IceGatheringStateChange(IceGatheringState),
    /// [`ice_connection_state`](crate::PeerConnection::ice_connection_state) changed.
    IceConnectionStateChange(IceConnectionState),
    /// [`connection_state`](crate::PeerConnection::connection_state) changed.
    ConnectionStateChange(ConnectionState),
    /// The other side sends a track.
    Track(TrackEvent),
    /// The other side stopped sending on this transceiver.
    TrackEnded(TransceiverId),
    /// The other side opened a data channel; it can be used at once.
    DataChannel(DataChannelId),
    /// A data channel of ours is open.
    DataChannelOpen(DataChannelId),
    /// A data channel is closing: the other side closes it. After
    /// [`close`](crate::DataChannel::close) of ours only
    /// [`DataChannelClose`](Self::DataChannelClose) tells.
    DataChannelClosing(DataChannelId),
    /// A data channel is closed. What had arrived can still be read; its handle names nothing any
    /// more once all of that has been. Where all close,
    /// [`data_close_reason`](crate::PeerConnection::data_close_reason) says why.
    DataChannelClose(DataChannelId),
    /// The buffered amount of a data channel fell to its threshold.
    BufferedAmountLow(DataChannelId),
    /// There is something to read. Said once until all has been read.
    Readable(Readable),
    /// The other side cannot decode on without a key frame.
    KeyFrameRequested(TransceiverId),
    /// The handshake of a transport needs a signature of a key that is not here
    /// ([`Certificate::with_external_key`](crate::Certificate::with_external_key)): see
    /// [`signature_request`](crate::PeerConnection::signature_request). Answer with
    /// [`provide_signature`](crate::PeerConnection::provide_signature) or
    /// [`refuse_signature`](crate::PeerConnection::refuse_signature).
    SignatureNeeded(SignatureId),
    /// A socket is wanted.
    Socket(SocketRequest),
}

/// Where there is something to read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Readable {
    /// Messages of a data channel.
    Channel(DataChannelId),
    /// Frames or packets of a transceiver's receiver.
    Receiver(TransceiverId),
}

/// The other side sends a track: the W3C's `track` event.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct TrackEvent {
    /// The transceiver whose receiver has it.
    pub transceiver: TransceiverId,
    /// Audio or video.
    pub kind: MediaKind,
    /// The streams that it belongs to, by their ids.
    pub streams: Vec<String>,
    /// The track's id, when the other side tells.
    pub track_id: Option<String>,
}

/// A socket that the connection asks its driver for. Answer with
/// [`socket_opened`](crate::PeerConnection::socket_opened) or
/// [`socket_failed`](crate::PeerConnection::socket_failed).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SocketRequest {
    /// A UDP socket of its own, on the interface with this address, any port: a second transport
    /// cannot share the first one's, since nothing in a datagram tells them apart.
    Bind {
        /// To name it in the answer.
        id: SocketId,
        /// The address to bind to.
        address: IpAddr,
    },
    /// The socket is not needed any more.
    Close {
        /// Which one.
        id: SocketId,
    },
}

/// Names a socket that was asked for.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SocketId(pub(crate) u32);
