use super::{Raw, split_u32};
use crate::ssrc::Ssrc;

/// Who sources are, [RFC 3550 §6.5](https://www.rfc-editor.org/rfc/rfc3550#section-6.5).
#[derive(Clone, Copy, Debug)]
pub struct SourceDescription<'a> {
    count: u8,
    chunks: &'a [u8],
}

impl<'a> SourceDescription<'a> {
    pub(super) fn from_raw(raw: Raw<'a>) -> Option<Self> {
        let mut rest = raw.body;
        for _ in 0..raw.count {
            (_, rest) = Chunk::split(rest)?;
        }
        Some(Self { count: raw.count, chunks: raw.body })
    }

    /// One chunk a source, at most 31.
    pub fn chunks(&self) -> impl Iterator<Item = Chunk<'a>> + use<'a> {
        let mut rest = self.chunks;
        (0..self.count).map_while(move |_| {
            let (chunk, after) = Chunk::split(rest)?;
            rest = after;
            Some(chunk)
        })
    }
}

/// What is said about one source.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    ssrc: Ssrc,
    items: &'a [u8],
}

impl<'a> Chunk<'a> {
    /// The source.
    pub const fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// The items.
    pub fn items(&self) -> impl Iterator<Item = Item<'a>> + use<'a> {
        let mut rest = self.items;
        std::iter::from_fn(move || {
            let ([kind, len], after) = rest.split_first_chunk::<2>()?;
            let (data, after) = after.split_at_checked((*len).into())?;
            rest = after;
            Some(Item { kind: ItemKind::from_number(*kind), data })
        })
    }

    /// The first item of this kind.
    pub fn item(&self, kind: ItemKind) -> Option<&'a [u8]> {
        self.items().find(|item| item.kind == kind).map(|item| item.data)
    }

    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (ssrc, items) = split_u32(bytes)?;
        let mut end = 0;
        // "The list of items in each chunk MUST be terminated by one or more null octets", up to
        // the next word; some senders leave it out where the chunk ends the packet.
        while let Some(&kind) = items.get(end) {
            if kind == 0 {
                let padded = (end / 4 + 1) * 4;
                let chunk = Self { ssrc: Ssrc(ssrc), items: items.get(..end)? };
                return Some((chunk, items.get(padded..)?));
            }
            end += 2 + usize::from(*items.get(end + 1)?);
        }
        (end == items.len()).then_some((Self { ssrc: Ssrc(ssrc), items }, &[]))
    }
}

/// One thing that is said about a source.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Item<'a> {
    /// What it is.
    pub kind: ItemKind,
    /// Its text, UTF-8 if the sender keeps the rules.
    pub data: &'a [u8],
}

/// The kinds of SDES items.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ItemKind {
    /// The name that binds the sources of one sender together (RFC 3550 §6.5.1, RFC 7022).
    Cname,
    /// The encoding of a simulcast (RFC 8852).
    RtpStreamId,
    /// The encoding that a repair stream is for (RFC 8852).
    RepairedRtpStreamId,
    /// The m-section (RFC 8843 §15.2).
    Mid,
    /// Another one.
    Unknown(u8),
}

impl ItemKind {
    /// Its registered number, never 0.
    pub const fn number(self) -> u8 {
        match self {
            Self::Cname => 1,
            Self::RtpStreamId => 12,
            Self::RepairedRtpStreamId => 13,
            Self::Mid => 15,
            Self::Unknown(number) => number,
        }
    }

    const fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Cname,
            12 => Self::RtpStreamId,
            13 => Self::RepairedRtpStreamId,
            15 => Self::Mid,
            number => Self::Unknown(number),
        }
    }
}
