//! The data channels of a connection.

use std::time::Instant;

use super::PeerConnection;
use crate::data_channel::{DataChannel, DataChannelId, DataChannelInit};
use crate::error::Error;
use crate::event::{Event, Readable};
use crate::signalling::ConnectionState;

impl PeerConnection {
    /// Creates a data channel. It opens when the connection does.
    ///
    /// The first one makes an offer necessary.
    ///
    /// # Errors
    ///
    /// When the connection is closed, the settings contradict each other, the label or protocol is
    /// longer than 65 535 bytes, or there is no stream left.
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
        let id = self
            .data_to_begin()
            .channels
            .open(now, init)
            .map_err(|error| refused(error.to_string()))?;
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

    /// Tells the application what the channels have to say. Returns whether there was nothing.
    pub(super) fn settle_data(&mut self) -> bool {
        use sctp::data_channel::Event as Channel;
        let Some(data) = &mut self.data else { return true };
        let mut settled = true;
        while let Some(event) = data.channels.poll_event() {
            settled = false;
            let event = match event {
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
        }
    }

    /// Lets the channels go, and tells of each that it ends with the connection.
    pub(super) fn end_channels(&mut self) {
        let Some(data) = self.data.take() else { return };
        self.counters.data_channels_opened = data.channels.channels_opened();
        for id in data.channels.channels() {
            self.events.push(Event::DataChannelClose(DataChannelId(id)));
        }
    }
}
