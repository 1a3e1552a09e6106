//! Cryptex: CSRCs and header extensions, encrypted whole
//! ([RFC 9335](https://www.rfc-editor.org/rfc/rfc9335)).

use rtp::packet::{Header, ParseError};

use super::{ProtectError, UnprotectError};

/// Whether CSRCs and header extensions are encrypted, names and lengths included
/// ([RFC 9335](https://www.rfc-editor.org/rfc/rfc9335)).
///
/// The other side must have said that it understands that (`a=cryptex` in SDP). A packet that has
/// neither CSRCs nor header extensions looks the same with and without.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Cryptex {
    /// Nothing is sent so, and what comes so is not understood: its header extension is one of
    /// an unknown kind.
    #[default]
    Off,
    /// Everything is sent so that can be, and what comes either way is understood. What cannot
    /// be, as [RFC 9335 §5.1](https://www.rfc-editor.org/rfc/rfc9335#section-5.1) has it for the
    /// elements of [RFC 8285](https://www.rfc-editor.org/rfc/rfc8285) only, is a header extension
    /// of another kind, or one with "appbits".
    On,
    /// The same, and packets that show CSRCs or header extensions are refused, both ways.
    Required,
}

impl Cryptex {
    /// Tells how a packet is marked before it is sent.
    #[inline]
    pub(super) fn mark(self, layout: &Layout) -> Result<Option<Mark>, ProtectError> {
        match layout.extension {
            _ if self == Self::Off => Ok(None),
            None if layout.csrcs_len == 0 => Ok(None),
            // "If the packet contains CSRCs but no header extensions, an empty extension block
            // consisting of the 0xC0DE tag and a 16-bit length field set to zero … MUST be
            // appended".
            None => Ok(Some(Mark::Inserted)),
            Some(ONE_BYTE) => Ok(Some(Mark::Profile(CRYPTEX_ONE_BYTE))),
            Some(TWO_BYTE) => Ok(Some(Mark::Profile(CRYPTEX_TWO_BYTE))),
            // The receiver would take it for encrypted.
            Some(CRYPTEX_ONE_BYTE | CRYPTEX_TWO_BYTE) => Err(ProtectError::HeaderInClear),
            Some(_) if self == Self::Required => Err(ProtectError::HeaderInClear),
            Some(_) => Ok(None),
        }
    }

    /// Tells what the extension's profile is once it is decrypted; `None` if the header is clear.
    #[inline]
    pub(super) fn unmark(self, layout: &Layout) -> Result<Option<u16>, UnprotectError> {
        match layout.extension {
            _ if self == Self::Off => Ok(None),
            None if layout.csrcs_len == 0 => Ok(None),
            Some(CRYPTEX_ONE_BYTE) => Ok(Some(ONE_BYTE)),
            Some(CRYPTEX_TWO_BYTE) => Ok(Some(TWO_BYTE)),
            // "If the implementation considers the use of this specification mandatory and the
            // 'defined by profile' field does not match …, it MUST stop the processing" (§5.2).
            _ if self == Self::Required => Err(UnprotectError::HeaderInClear),
            _ => Ok(None),
        }
    }
}

/// How a packet says that it is encrypted so.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mark {
    /// Its header extension gets another profile.
    Profile(u16),
    /// It gets an empty header extension.
    Inserted,
}

impl Mark {
    /// Writes the mark into the packet in `buf[start..]`.
    pub(super) fn write(self, buf: &mut Vec<u8>, start: usize, layout: &Layout) {
        let at = start + FIXED_LEN + layout.csrcs_len;
        match self {
            Self::Profile(profile) => write_u16(buf, at, profile),
            Self::Inserted => {
                let end = buf.len();
                buf.extend_from_slice(&[0; EXTENSION_HEADER_LEN]);
                buf.copy_within(at..end, at + EXTENSION_HEADER_LEN);
                write_u16(buf, at, CRYPTEX_ONE_BYTE);
                write_u16(buf, at + 2, 0);
                if let Some(first) = buf.get_mut(start) {
                    *first |= EXTENSION;
                }
            }
        }
    }
}

/// What SRTP must know of an RTP packet's header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) ssrc: u32,
    pub(super) sequence_number: u16,
    pub(super) header_len: usize,
    pub(super) csrcs_len: usize,
    /// The profile of the header extension.
    pub(super) extension: Option<u16>,
    /// How many bytes its elements take, at the end of the header.
    pub(super) elements_len: usize,
}

impl Layout {
    #[inline]
    pub(super) fn parse(packet: &[u8]) -> Result<Self, ParseError> {
        let header = Header::parse(packet)?;
        let (profile, elements) = header.extensions().raw();
        Ok(Self {
            ssrc: header.ssrc().0,
            sequence_number: header.sequence_number().0,
            header_len: header.len(),
            csrcs_len: 4 * header.csrcs().len(),
            extension: header.extension_range().map(|_| profile),
            elements_len: elements.len(),
        })
    }

    /// The payload.
    #[inline]
    pub(super) const fn payload(&self) -> Portion {
        Portion { start: self.header_len, csrcs_len: 0 }
    }

    /// CSRCs, header extension and payload.
    pub(super) const fn all_but_the_fixed(&self) -> Portion {
        Portion { start: FIXED_LEN + EXTENSION_HEADER_LEN, csrcs_len: self.csrcs_len }
    }

    /// Returns the elements of the header extension of the packet.
    pub(super) fn elements_mut<'d>(&self, packet: &'d mut [u8]) -> Option<&'d mut [u8]> {
        packet.get_mut(self.header_len - self.elements_len..self.header_len)
    }

    /// Changes the profile of the header extension.
    pub(super) fn set_profile(&self, packet: &mut [u8], profile: u16) {
        write_u16(packet, FIXED_LEN + self.csrcs_len, profile);
    }
}

/// The encrypted portion of a packet. With cryptex it is not in one piece: the extension's four
/// bytes of header, which stay clear, are between the CSRCs and the rest
/// ([RFC 9335 §6.2](https://www.rfc-editor.org/rfc/rfc9335#section-6.2)).
///
/// ```text
///   as sent   │ fixed header │ CSRCs │ 0xC0DE, length │ elements, payload │
///   gathered  │ fixed header │ 0xC0DE, length │ CSRCs │ elements, payload │
///                                             └ start
/// ```
#[derive(Clone, Copy, Debug)]
pub(super) struct Portion {
    /// Where it begins, once it is gathered.
    pub(super) start: usize,
    csrcs_len: usize,
}

impl Portion {
    #[cfg(test)]
    pub(super) const fn from(start: usize) -> Self {
        Self { start, csrcs_len: 0 }
    }

    #[inline]
    pub(super) const fn is_scattered(self) -> bool {
        self.csrcs_len != 0
    }

    /// Swaps the CSRCs and the extension's header, so that the portion is in one piece.
    #[inline]
    pub(super) fn gather(self, packet: &mut [u8]) {
        if let Some(swapped) = self.swapped(packet) {
            swapped.rotate_right(EXTENSION_HEADER_LEN);
        }
    }

    /// Swaps them back.
    #[inline]
    pub(super) fn scatter(self, packet: &mut [u8]) {
        if let Some(swapped) = self.swapped(packet) {
            swapped.rotate_left(EXTENSION_HEADER_LEN);
        }
    }

    #[inline]
    fn swapped(self, packet: &mut [u8]) -> Option<&mut [u8]> {
        if self.csrcs_len == 0 {
            return None;
        }
        packet.get_mut(FIXED_LEN..self.start + self.csrcs_len)
    }
}

fn write_u16(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(place) = bytes.get_mut(at..).and_then(|bytes| bytes.first_chunk_mut()) {
        *place = value.to_be_bytes();
    }
}

/// The part of the header before the CSRCs.
const FIXED_LEN: usize = 12;

/// The bit that says that there is a header extension.
const EXTENSION: u8 = 0x10;

/// The profile and the length of a header extension.
pub(super) const EXTENSION_HEADER_LEN: usize = 4;

/// The profiles of header extensions in [RFC 8285 §4](https://www.rfc-editor.org/rfc/rfc8285#section-4).
const ONE_BYTE: u16 = 0xBEDE;
const TWO_BYTE: u16 = 0x1000;

/// What takes their places ([RFC 9335 §5](https://www.rfc-editor.org/rfc/rfc9335#section-5)).
const CRYPTEX_ONE_BYTE: u16 = 0xC0DE;
const CRYPTEX_TWO_BYTE: u16 = 0xC2DE;
