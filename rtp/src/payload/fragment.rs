use bytes::Bytes;

use super::{audio, h264, vp8};

/// One RTP payload to send: a payload header of ours, then a slice of the frame.
///
/// Cloning one copies the header and takes another reference to the frame: a retransmission history
/// can keep it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fragment {
    prefix: [u8; MAX_PREFIX],
    prefix_len: u8,
    payload: Bytes,
    marker: bool,
    timestamp_offset: u32,
}

/// VP8's payload descriptor with everything: X, two bytes of picture id, TL0PICIDX, TID/KEYIDX.
pub(crate) const MAX_PREFIX: usize = 6;

impl Fragment {
    /// Wraps a payload that needs no header.
    #[must_use]
    pub fn whole(payload: Bytes, marker: bool) -> Self {
        Self { prefix: [0; MAX_PREFIX], prefix_len: 0, payload, marker, timestamp_offset: 0 }
    }

    pub(crate) fn prefixed<const N: usize>(
        prefix: [u8; N],
        len: usize,
        payload: Bytes,
        marker: bool,
    ) -> Self {
        const { assert!(N <= MAX_PREFIX) };
        let mut own = [0; MAX_PREFIX];
        for (to, from) in own.iter_mut().zip(prefix) {
            *to = from;
        }
        // N is at most MAX_PREFIX, so the length fits.
        Self { prefix: own, prefix_len: len.min(N) as u8, payload, marker, timestamp_offset: 0 }
    }

    pub(crate) fn at_timestamp_offset(mut self, offset: u32) -> Self {
        self.timestamp_offset = offset;
        self
    }

    /// Returns the payload header: at most six bytes.
    #[must_use]
    pub fn prefix(&self) -> &[u8] {
        self.prefix.get(..usize::from(self.prefix_len)).unwrap_or_default()
    }

    /// Returns the slice of the frame that follows the payload header.
    #[must_use]
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// Returns the RTP marker bit: the last packet of a video frame, the first of a talk spurt.
    #[must_use]
    pub fn marker(&self) -> bool {
        self.marker
    }

    /// Returns how far this packet's RTP timestamp is after the frame's: not zero only where a long
    /// run of audio samples was cut.
    #[must_use]
    pub fn timestamp_offset(&self) -> u32 {
        self.timestamp_offset
    }

    /// Returns the length of the whole RTP payload in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.prefix_len) + self.payload.len()
    }

    /// Returns whether the payload has no bytes; no packetizer makes such a fragment.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the RTP payload to `buf`: the only copy on the way out.
    pub fn write_to(&self, buf: &mut Vec<u8>) {
        buf.extend_from_slice(self.prefix());
        buf.extend_from_slice(&self.payload);
    }
}

/// The payloads of one frame, in order, made as they are asked for.
///
/// It holds the frame and where the next cut is; it borrows nothing and allocates nothing, so that a
/// session can queue frames and make a packet when the pacer lets it out.
#[derive(Clone, Debug)]
pub struct Fragments(pub(crate) Kind);

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Whole(Option<Fragment>),
    Samples(audio::Samples),
    Vp8(vp8::Fragments),
    H264(h264::Fragments),
}

impl Iterator for Fragments {
    type Item = Fragment;

    fn next(&mut self) -> Option<Fragment> {
        match &mut self.0 {
            Kind::Whole(fragment) => fragment.take(),
            Kind::Samples(samples) => samples.next(),
            Kind::Vp8(fragments) => fragments.next(),
            Kind::H264(fragments) => fragments.next(),
        }
    }
}

/// Cuts `rest` into pieces of one size, all but the last: equal packets can leave in one system call
/// (segmentation offload), and a loss costs no more than any other.
#[derive(Clone, Debug)]
pub(crate) struct EqualPieces {
    rest: Bytes,
    piece: usize,
}

impl EqualPieces {
    /// `limit` is at least 1.
    pub(crate) fn new(rest: Bytes, limit: usize) -> Self {
        let limit = limit.max(1);
        let pieces = rest.len().div_ceil(limit).max(1);
        let piece = rest.len().div_ceil(pieces);
        Self { rest, piece }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

impl Iterator for EqualPieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.rest.is_empty() {
            return None;
        }
        let piece = self.piece.clamp(1, self.rest.len());
        Some(self.rest.split_to(piece))
    }
}
