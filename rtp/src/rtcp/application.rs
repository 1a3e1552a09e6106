use super::{Raw, split_u32};
use crate::ssrc::Ssrc;

/// Something of an application's, [RFC 3550 §6.7](https://www.rfc-editor.org/rfc/rfc3550#section-6.7).
#[derive(Clone, Copy, Debug)]
pub struct Application<'a> {
    subtype: u8,
    ssrc: Ssrc,
    name: [u8; 4],
    data: &'a [u8],
}

impl<'a> Application<'a> {
    pub(super) fn from_raw(raw: Raw<'a>) -> Option<Self> {
        let (ssrc, rest) = split_u32(raw.body)?;
        let (name, data) = rest.split_first_chunk::<4>()?;
        Some(Self { subtype: raw.count, ssrc: Ssrc(ssrc), name: *name, data })
    }

    /// The kind of packet among those of the same name: five bits.
    pub const fn subtype(&self) -> u8 {
        self.subtype
    }

    /// The source.
    pub const fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// Four letters that name the application.
    pub const fn name(&self) -> [u8; 4] {
        self.name
    }

    /// The rest, whole words.
    pub const fn data(&self) -> &'a [u8] {
        self.data
    }
}
