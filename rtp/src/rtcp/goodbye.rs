use super::Raw;
use crate::ssrc::Ssrc;

/// Sources that end, [RFC 3550 §6.6](https://www.rfc-editor.org/rfc/rfc3550#section-6.6).
#[derive(Clone, Copy, Debug)]
pub struct Goodbye<'a> {
    ssrcs: &'a [[u8; 4]],
    reason: &'a [u8],
}

impl<'a> Goodbye<'a> {
    pub(super) fn from_raw(raw: Raw<'a>) -> Option<Self> {
        let (words, _) = raw.body.as_chunks::<4>();
        let ssrcs = words.get(..raw.count.into())?;
        let rest = raw.body.get(ssrcs.len() * 4..)?;
        let reason = match rest.split_first() {
            Some((&len, text)) => text.get(..len.into())?,
            None => &[],
        };
        Some(Self { ssrcs, reason })
    }

    /// The sources, at most 31.
    pub fn ssrcs(&self) -> impl ExactSizeIterator<Item = Ssrc> + use<'a> {
        self.ssrcs.iter().map(|bytes| Ssrc(u32::from_be_bytes(*bytes)))
    }

    /// Why, as text; often empty.
    pub const fn reason(&self) -> &'a [u8] {
        self.reason
    }
}
