use super::{Raw, split_u32};
use crate::ssrc::Ssrc;

/// The bit rate that a receiver believes possible, draft-alvestrand-rmcat-remb-03 §2.2.
#[derive(Clone, Copy, Debug)]
pub struct ReceiverEstimatedMaximumBitrate<'a> {
    sender: Ssrc,
    bits_per_second: u64,
    ssrcs: &'a [[u8; 4]],
}

impl<'a> ReceiverEstimatedMaximumBitrate<'a> {
    pub(super) fn from_raw(raw: Raw<'a>) -> Option<Self> {
        let (sender, _) = split_u32(raw.body)?;
        let (head, rest) = raw.body.split_first_chunk::<16>()?;
        let [.., count, b1, b2, b3] = *head;
        let mantissa = u64::from(u32::from_be_bytes([0, b1 & 0x03, b2, b3]));
        let exponent = u32::from(b1 >> 2);
        // 18 bits shifted by up to 63: what does not fit is as good as no limit.
        let bits_per_second = if mantissa.leading_zeros() >= exponent || mantissa == 0 {
            mantissa << exponent
        } else {
            u64::MAX
        };
        let (ssrcs, _) = rest.as_chunks::<4>();
        Some(Self { sender: Ssrc(sender), bits_per_second, ssrcs: ssrcs.get(..count.into())? })
    }

    /// Who estimates.
    pub const fn sender(&self) -> Ssrc {
        self.sender
    }

    /// The estimate, for all streams together.
    pub const fn bits_per_second(&self) -> u64 {
        self.bits_per_second
    }

    /// The streams.
    pub fn ssrcs(&self) -> impl ExactSizeIterator<Item = Ssrc> + use<'a> {
        self.ssrcs.iter().map(|bytes| Ssrc(u32::from_be_bytes(*bytes)))
    }
}

pub(super) fn is_remb(raw: Raw<'_>) -> bool {
    raw.body.get(8..12) == Some(&NAME)
}

/// The exponent and mantissa of a bit rate, in the three bytes after the count; rounded down to
/// the 18 bits of the mantissa.
pub(super) fn bitrate_bytes(bits_per_second: u64) -> [u8; 3] {
    let exponent = 46u32.saturating_sub(bits_per_second.leading_zeros());
    let [.., b1, b2, b3] = (bits_per_second >> exponent).to_be_bytes();
    [((exponent as u8) << 2) | b1, b2, b3]
}

pub(super) const NAME: [u8; 4] = *b"REMB";
