//! The data channels of a connection.

use std::time::Instant;

use sctp::data_channel::OpenError;
use thiserror::Error as ThisError;

use super::PeerConnection;
use crate::data_channel::{
    AssociationCloseReason, DataChannel, DataChannelId, DataChannelInit, DataChannelState,
};
use crate::error::Error;
use crate::event::{Event, Readable};
use crate::signalling::ConnectionState;

/// Why all data channels of a connection have closed: what the W3C tells a page by the `error` of each
/// ([webrtc-pc §6.2](https://www.w3.org/TR/webrtc/#announce-datachannel-as-closed)).
#[derive(Clone, Debug, Eq, PartialEq, ThisError)]
#[non_exhaustive]
pub enum DataCloseReason {
    /// The SCTP association below has ended by itself.
    #[error("{0}")]
    Association(AssociationCloseReason),
    /// The DTLS connection below has failed;
    /// [`failure_reason`](PeerConnection::failure_reason) says why.
    #[error("the DTLS connection has failed")]
    DtlsFailed,
    /// The other side has closed the connection, or the transport of the data channels.
    #[error("the other side has closed the connection")]
    ClosedByPeer,
    /// An answer has rejected the m-section, or closed the association
    /// ([RFC 8841 §10](https://www.rfc-editor.org/rfc/rfc8841#section-10)). A later exchange can
    /// begin another.
    #[error("the descriptions have no place for data channels")]
    Rejected,
}

impl PeerConnection {
    /// Creates a data channel. It opens when the connection does.
    ///
    /// The first one makes an offer necessary.
    ///
    /// # Errors
    ///
    /// When the connection is closed, the settings contradict each other, the label or protocol is
    /// longer than 65 535 bytes, there is no stream left, or the association has ended
    /// ([`data_close_reason`](Self::data_close_reason)): another needs a new connection, but where it
    /// was [`Rejected`](DataCloseReason::Rejected).
    pub fn create_data_channel(
        &mut self,
        now: Instant,
        label: &str,
        init: DataChannelInit,
    ) -> Result<DataChannelId, Error> {
        const OPERATION: &str = "create_data_channel";
        let now = self.advance(now);
        if self.is_closed() {
            return Err(Error::Closed { operation: OPERATION });
        }
        let refused = |reason: String| Error::Argument { operation: OPERATION, reason };
        let init = init.into_init(label).map_err(|reason| refused(reason.to_owned()))?;
        let opened = self.data_to_begin().channels.open(now, init);
        let id = opened.map_err(|error| match &self.data_close_reason {
            Some(reason) if error == OpenError::Closed => Error::InvalidState {
                operation: OPERATION,
                reason: format!("{error}: {reason}; data channels need a new connection"),
            },
            _ => refused(error.to_string()),
        })?;
        self.jsep.add_data();
        self.fire_negotiation_needed();
        self.settle();
        Ok(DataChannelId(id))
    }

    /// Lends a data channel; `None` when there never was one, or it is closed and all that had
    /// arrived has been read.
    ///
    /// A channel that an event names may be gone by the time the event is polled: the other side
    /// can close it at any moment.
    pub fn data_channel(&mut self, id: DataChannelId) -> Option<DataChannel<'_>> {
        DataChannel::lend(self, id)
    }

    /// Why all data channels have closed: known when the first
    /// [`DataChannelClose`](Event::DataChannelClose) of them is told, and until there is a new
    /// association. `None` while there is one, before the first, and after
    /// [`close`](Self::close).
    pub const fn data_close_reason(&self) -> Option<&DataCloseReason> {
        self.data_close_reason.as_ref()
    }

    /// Tells the application what the channels have to say. Returns whether there was nothing.
    pub(super) fn settle_data(&mut self) -> bool {
        use sctp::data_channel::Event as Channel;
        let Some(data) = &mut self.data else { return true };
        let mut settled = true;
        while let Some(event) = data.channels.poll_event() {
            settled = false;
            let event = match event {
                Channel::Closed(reason) => {
                    let reason = DataCloseReason::Association(reason);
                    self.data_close_reason.get_or_insert(reason);
                    continue;
                }
                Channel::ChannelIncoming(id) => Event::DataChannel(DataChannelId(id)),
                Channel::ChannelOpen(id) => Event::DataChannelOpen(DataChannelId(id)),
                Channel::Readable(id) => Event::Readable(Readable::Channel(DataChannelId(id))),
                Channel::BufferedAmountLow(id) => Event::BufferedAmountLow(DataChannelId(id)),
                Channel::ChannelClosing(id) => Event::DataChannelClosing(DataChannelId(id)),
                Channel::ChannelClosed(id) => {
                    let (is_read, id) =
                        (data.channels.channel_init(id).is_none(), DataChannelId(id));
                    if is_read && self.events.forget_unheard(id) {
                        continue;
                    }
                    Event::DataChannelClose(id)
                }
                _ => continue,
            };
            self.events.push(event);
        }
        if self.connection_state == ConnectionState::Closed && !data.channels.has_channels() {
            // All is read that the other side had said before it closed.
            self.end_channels();
        }
        settled
    }

    /// Closes the association, which the descriptions have no place for any more, and the channels
    /// with it. What has arrived stays readable, and a later exchange may agree on another
    /// ([RFC 8841 §9.3](https://www.rfc-editor.org/rfc/rfc8841#section-9.3)).
    pub(super) fn reject_data(&mut self, now: Instant) {
        if let Some(data) = &mut self.data {
            data.channels.abort(now, "the m-section was rejected");
            data.rejected = true;
            // Also of one that has ended before: it can be replaced now.
            self.data_close_reason = Some(DataCloseReason::Rejected);
        }
    }

    /// Lets the channels go, and tells of each that it ends with the connection.
    pub(super) fn end_channels(&mut self) {
        let Some(data) = self.data.take() else { return };
        self.counters.data_channels_opened = data.channels.channels_opened();
        // Of one that is closed already, and not read, that was told.
        let open = |id: &_| data.channels.state(*id) != DataChannelState::Closed;
        for id in data.channels.channels().filter(open) {
            self.events.push(Event::DataChannelClose(DataChannelId(id)));
        }
    }
}
