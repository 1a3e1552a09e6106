//! What the next packet is to carry beside data: control chunks, and answers that are owed.

use crate::chunk::error_cause::ErrorCause;
use crate::chunk::re_config::ResetResult;
use bytes::Bytes;
use std::collections::VecDeque;

/// A control chunk of which nothing more need be known to write it.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(crate) enum Control {
    CookieEcho = 1,
    CookieAck = 2,
    Heartbeat = 4,
    Shutdown = 8,
    ShutdownAck = 16,
    ResetRequest = 32,
}

/// Control chunks that are to go with the next packet.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// A bit for each [`Control`]: asked before each packet, mostly for nothing.
    controls: u8,
    /// Answers: none are owed when there is nothing here.
    pub(super) owed: Option<Box<Owed>>,
}

/// Answers that are owed to the peer.
#[derive(Debug, Default)]
pub(super) struct Owed {
    /// The last HEARTBEATs' values, to be given back.
    pub(super) heartbeat_acks: VecDeque<Bytes>,
    pub(super) reset_responses: VecDeque<(u32, ResetResult)>,
    pub(super) errors: VecDeque<(ErrorCause, Vec<u8>)>,
}

impl Owed {
    fn is_empty(&self) -> bool {
        self.heartbeat_acks.is_empty() && self.reset_responses.is_empty() && self.errors.is_empty()
    }
}

impl Pending {
    /// Whether there is anything.
    #[inline]
    pub(crate) fn any(&self) -> bool {
        self.controls != 0 || self.owed.is_some()
    }

    /// Whether a chunk is to go.
    #[inline]
    pub(crate) const fn has(&self, control: Control) -> bool {
        self.controls & control as u8 != 0
    }

    pub(crate) const fn add(&mut self, control: Control) {
        self.controls |= control as u8;
    }

    pub(crate) const fn remove(&mut self, control: Control) {
        self.controls &= !(control as u8);
    }

    /// Whether a chunk is to go; it need not any more.
    pub(crate) const fn take(&mut self, control: Control) -> bool {
        let had = self.has(control);
        self.remove(control);
        had
    }

    /// Some answers were given: perhaps the last ones.
    pub(super) fn answered(&mut self) {
        self.owed.take_if(|owed| owed.is_empty());
    }

    /// Owes the peer an ERROR; a peer that makes many is not told all.
    pub(crate) fn report(&mut self, cause: ErrorCause, information: &[u8]) {
        let errors = &mut self.owed.get_or_insert_default().errors;
        if errors.len() < MAX_OWED {
            let len = information.len().min(MAX_REPORT);
            errors.push_back((cause, information.get(..len).unwrap_or_default().to_vec()));
        }
    }

    /// Owes the peer the answer to a reset request.
    pub(crate) fn respond(&mut self, sequence: u32, result: ResetResult) {
        let responses = &mut self.owed.get_or_insert_default().reset_responses;
        if responses.len() < MAX_OWED {
            responses.push_back((sequence, result));
        }
    }

    /// Owes the peer the answer to a HEARTBEAT: of two that come at a time one may be a probe of the
    /// packet size.
    pub(crate) fn answer_heartbeat(&mut self, value: &[u8]) {
        let answers = &mut self.owed.get_or_insert_default().heartbeat_acks;
        if answers.len() >= MAX_HEARTBEATS {
            answers.pop_front();
        }
        answers.push_back(Bytes::copy_from_slice(value));
    }
}

/// How many answers of a kind are owed at most.
pub(super) const MAX_OWED: usize = 4;
/// How much of an offending chunk is reported, in bytes.
pub(super) const MAX_REPORT: usize = 100;
/// Their answers may be as long as a packet.
const MAX_HEARTBEATS: usize = 2;
