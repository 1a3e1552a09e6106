//! The transceivers: what the application wants of each, and what has been agreed on
//! ([RFC 9429 §3.4.1](https://www.rfc-editor.org/rfc/rfc9429#section-3.4.1)).

use rtp::Ssrc;
use rtp::extension::ExtensionMap;
use sdp::Direction;

use super::Jsep;
use super::section::{Slot, SlotMedia};
use crate::error::Error;
use crate::media::MediaKind;
use crate::media::codec::CodecCapability;
use crate::media::transceiver::{RtpTransceiverDirection, TransceiverId, TransceiverInit};

/// A transceiver.
#[derive(Clone, Debug)]
pub(crate) struct TransceiverState {
    pub(crate) id: TransceiverId,
    pub(crate) kind: MediaKind,
    pub(crate) mid: Option<String>,
    /// What the application wants.
    pub(crate) direction: Direction,
    /// Stopped by the application, or by the other side: nothing is sent or received any more.
    pub(crate) stopping: bool,
    /// By the last answer.
    pub(crate) current_direction: Option<Direction>,
    /// Whether the application was told of a track that it has not been told to have ended.
    pub(super) has_remote_track: bool,
    /// Whether the application sends a track here.
    pub(super) has_track: bool,
    pub(super) has_sent: bool,
    pub(super) creator: Creator,
    pub(crate) streams: Vec<String>,
    pub(super) track_id: Option<String>,
    pub(crate) remote_streams: Vec<String>,
    /// Empty: the order of the configuration.
    pub(super) preferences: Vec<CodecCapability>,
    pub(super) ssrc: Ssrc,
    pub(super) rtx_ssrc: Ssrc,
    pub(super) receive_mode: rtp::section::Mode,
    pub(crate) negotiated: Option<Negotiated>,
    /// What our offer says that waits for its answer.
    pub(super) offered: Option<Offered>,
}

/// How a transceiver came to be, by which an offer of the other side may use it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Creator {
    AddTrack,
    AddTransceiver,
    /// An offer of the other side.
    Remote,
}

/// What an answer has settled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Negotiated {
    pub(crate) codecs: Vec<CodecCapability>,
    pub(super) extensions: ExtensionMap,
    pub(super) reduced_size: bool,
    pub(super) ssrcs: Vec<Ssrc>,
    /// Retransmissions, each with the stream that it repeats.
    pub(super) rtx: Vec<(Ssrc, Ssrc)>,
}

/// What an offer proposes.
#[derive(Clone, Debug, Default)]
pub(super) struct Offered {
    pub(super) codecs: Vec<CodecCapability>,
    pub(super) extensions: ExtensionMap,
    pub(super) direction: Direction,
}

impl TransceiverState {
    /// Its name.
    pub(crate) const fn id(&self) -> TransceiverId {
        self.id
    }

    /// Stopped for good: no m-section, or a rejected one, is left of it.
    pub(super) fn is_gone(&self, slots: &[Slot]) -> bool {
        let slot = slots.iter().find(|slot| slot.media == SlotMedia::Rtp(self.id));
        self.stopping && slot.is_none_or(|slot| slot.rejected)
    }

    /// What it would say in a description.
    pub(super) const fn wanted_direction(&self) -> Direction {
        if self.stopping { Direction::Inactive } else { self.direction }
    }

    /// What is wanted and what is negotiated, so far as it concerns an offer to the other side.
    pub(super) fn set_current_direction(&mut self, direction: Direction) {
        self.current_direction = Some(direction);
        self.has_sent |= direction.sends();
    }
}

impl Jsep {
    pub(crate) fn transceivers(&self) -> impl Iterator<Item = &TransceiverState> {
        self.transceivers.iter().filter(|transceiver| !transceiver.stopping)
    }

    pub(crate) fn transceiver(&self, id: TransceiverId) -> Option<&TransceiverState> {
        let at = self.transceivers.binary_search_by_key(&id, |own| own.id).ok()?;
        self.transceivers.get(at)
    }

    pub(super) fn transceiver_mut(&mut self, id: TransceiverId) -> Option<&mut TransceiverState> {
        let at = self.transceivers.binary_search_by_key(&id, |own| own.id).ok()?;
        self.transceivers.get_mut(at)
    }

    pub(crate) fn has_transceiver(&self, id: TransceiverId) -> bool {
        self.transceiver(id).is_some_and(|transceiver| !transceiver.stopping)
    }

    pub(crate) fn add_transceiver(
        &mut self,
        kind: MediaKind,
        init: TransceiverInit,
    ) -> Result<TransceiverId, Error> {
        const OPERATION: &str = "add_transceiver";
        if init.direction == RtpTransceiverDirection::Stopped {
            let reason = "a transceiver cannot begin stopped".to_owned();
            return Err(Error::Argument { operation: OPERATION, reason });
        }
        self.make_transceiver(OPERATION, kind, Creator::AddTransceiver, init)
    }

    /// Sends on a transceiver that has never sent and has nothing to send, or on a new one
    /// ([RFC 9429 §4.1.2](https://www.rfc-editor.org/rfc/rfc9429#section-4.1.2), webrtc-pc §5.1).
    pub(crate) fn add_track(
        &mut self,
        kind: MediaKind,
        streams: &[&str],
    ) -> Result<TransceiverId, Error> {
        let free = self.transceivers.iter_mut().find(|transceiver| {
            transceiver.kind == kind
                && !transceiver.has_track
                && !transceiver.has_sent
                && !transceiver.stopping
        });
        if let Some(transceiver) = free {
            transceiver.has_track = true;
            transceiver.streams = distinct(streams);
            transceiver.direction = Direction::new(true, transceiver.direction.receives());
            return Ok(transceiver.id);
        }
        let init = TransceiverInit::send_recv().with_streams(streams);
        self.make_transceiver("add_track", kind, Creator::AddTrack, init)
    }

    pub(super) fn make_transceiver(
        &mut self,
        operation: &'static str,
        kind: MediaKind,
        creator: Creator,
        init: TransceiverInit,
    ) -> Result<TransceiverId, Error> {
        let limit = self.settings.max_transceivers;
        if self.transceivers.len() >= limit {
            let reason = format!("there are {limit} transceivers already (max_transceivers)");
            return Err(Error::Operation { operation, reason });
        }
        let id = TransceiverId(self.next_transceiver);
        let Some(next) = self.next_transceiver.checked_add(1) else {
            let reason = "65 536 transceivers have been used up; a new connection has more".into();
            return Err(Error::Operation { operation, reason });
        };
        self.next_transceiver = next;
        let (ssrc, rtx_ssrc) = (self.fresh_ssrc(None), Ssrc(0));
        let rtx_ssrc = match kind {
            MediaKind::Audio => rtx_ssrc,
            MediaKind::Video => self.fresh_ssrc(Some(ssrc)),
        };
        let direction = init.direction.to_sdp();
        self.transceivers.push(TransceiverState {
            id,
            kind,
            mid: None,
            direction,
            stopping: false,
            current_direction: None,
            has_remote_track: false,
            has_track: creator != Creator::Remote && direction.sends(),
            has_sent: false,
            creator,
            streams: distinct(&init.streams),
            track_id: init.track_id,
            remote_streams: Vec::new(),
            preferences: Vec::new(),
            ssrc,
            rtx_ssrc,
            receive_mode: init.receive_mode,
            negotiated: None,
            offered: None,
        });
        Ok(id)
    }

    /// An SSRC that we do not use yet; 0 is left to those that have none.
    fn fresh_ssrc(&mut self, besides: Option<Ssrc>) -> Ssrc {
        loop {
            let ssrc = self.random.next_ssrc();
            let mut used =
                self.transceivers.iter().flat_map(|own| [own.ssrc, own.rtx_ssrc]).chain(besides);
            if ssrc != Ssrc(0) && !used.any(|own| own == ssrc) {
                return ssrc;
            }
        }
    }

    pub(crate) fn remove_track(&mut self, id: TransceiverId) -> Result<(), Error> {
        let transceiver = self.existing("remove_track", id)?;
        transceiver.has_track = false;
        transceiver.direction = Direction::new(false, transceiver.direction.receives());
        Ok(())
    }

    pub(crate) fn set_direction(
        &mut self,
        id: TransceiverId,
        direction: RtpTransceiverDirection,
    ) -> Result<(), Error> {
        const OPERATION: &str = "set_direction";
        let transceiver = self.existing(OPERATION, id)?;
        if direction == RtpTransceiverDirection::Stopped {
            let reason = "a transceiver is stopped by stop()".to_owned();
            return Err(Error::Argument { operation: OPERATION, reason });
        }
        transceiver.direction = direction.to_sdp();
        transceiver.has_track |= transceiver.direction.sends();
        Ok(())
    }

    pub(crate) fn set_streams(&mut self, id: TransceiverId, streams: &[&str]) {
        if let Some(transceiver) = self.transceiver_mut(id) {
            transceiver.streams = distinct(streams);
        }
    }

    pub(crate) fn set_receive_mode(&mut self, id: TransceiverId, mode: rtp::section::Mode) {
        if let Some(transceiver) = self.transceiver_mut(id) {
            transceiver.receive_mode = mode;
        }
    }

    pub(crate) fn set_codec_preferences(
        &mut self,
        id: TransceiverId,
        codecs: &[CodecCapability],
    ) -> Result<(), Error> {
        const OPERATION: &str = "set_codec_preferences";
        let settings = self.settings.clone();
        let transceiver = self.existing(OPERATION, id)?;
        let mut preferences: Vec<CodecCapability> = Vec::new();
        for codec in codecs {
            let known = settings
                .codecs
                .iter()
                .find(|own| own.kind == transceiver.kind && own.is_same_codec(codec));
            let Some(known) = known else {
                let reason = format!(
                    "{} is not among the {} codecs of the configuration",
                    codec.name, transceiver.kind
                );
                return Err(Error::InvalidModification { operation: OPERATION, reason });
            };
            if !preferences.contains(known) {
                preferences.push(known.clone());
            }
        }
        transceiver.preferences = preferences;
        Ok(())
    }

    /// Ends a transceiver; one that the other side never heard of is gone at once.
    pub(crate) fn stop(&mut self, id: TransceiverId) {
        if let Some(transceiver) = self.transceiver_mut(id) {
            transceiver.stopping = true;
        }
        // An offer that was written and not applied yet may have a section for it.
        if self.last_offer.is_none() && self.stable.is_none() {
            let slots = &self.slots;
            self.transceivers.retain(|own| own.id != id || !own.is_gone(slots));
        }
    }

    fn existing(
        &mut self,
        operation: &'static str,
        id: TransceiverId,
    ) -> Result<&mut TransceiverState, Error> {
        match self.transceiver_mut(id) {
            Some(transceiver) if !transceiver.stopping => Ok(transceiver),
            Some(_) => {
                let reason = "the transceiver is stopped".to_owned();
                Err(Error::InvalidState { operation, reason })
            }
            None => Err(Error::NotFound { operation, object: "transceiver" }),
        }
    }
}

/// Each stream once.
fn distinct(streams: &[impl AsRef<str>]) -> Vec<String> {
    let mut distinct: Vec<String> = Vec::new();
    for stream in streams.iter().map(AsRef::as_ref) {
        if distinct.iter().all(|own| own != stream) {
            distinct.push(stream.to_owned());
        }
    }
    distinct
}
