//! RTP packets: a view that is checked once, and a writer that appends.

use std::ops::Range;

use thiserror::Error;

use crate::payload_type::PayloadType;
use crate::sequence::SequenceNumber;
use crate::ssrc::Ssrc;

/// The header of an RTP packet, over the packet's bytes
/// ([RFC 3550 §5.1](https://www.rfc-editor.org/rfc/rfc3550#section-5.1)).
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |V=2|P|X|  CC   |M|     PT      |       sequence number         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                           timestamp                           |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |           synchronization source (SSRC) identifier            |
/// +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
/// |            contributing source (CSRC) identifiers             |
/// |                             ....                              |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
///
/// SRTP leaves the header in the clear, so this much can be read of an encrypted packet;
/// [`Packet`] reads the rest, whose padding SRTP encrypts.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    fixed: &'a [u8; FIXED_LEN],
    csrcs: &'a [[u8; 4]],
    extensions: Extensions<'a>,
    len: usize,
}

impl<'a> Header<'a> {
    /// Checks the header at the start of `bytes`, up to and including a header extension.
    ///
    /// # Errors
    ///
    /// When the version isn't 2 or something is cut short.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        Self::split(bytes).map(|(header, _)| header)
    }

    /// The same, with what comes after the header.
    #[inline]
    fn split(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), ParseError> {
        let cut = || ParseError::Cut { len: bytes.len() };
        let (fixed, rest) = bytes.split_first_chunk::<FIXED_LEN>().ok_or_else(cut)?;
        if fixed[0] >> 6 != VERSION {
            return Err(ParseError::Version { version: fixed[0] >> 6 });
        }
        let csrcs_len = usize::from(fixed[0] & CSRC_COUNT) * 4;
        let (csrcs, rest) = rest.split_at_checked(csrcs_len).ok_or_else(cut)?;
        let (csrcs, _) = csrcs.as_chunks::<4>();
        if fixed[0] & EXTENSION == 0 {
            let len = FIXED_LEN + csrcs_len;
            return Ok((Self { fixed, csrcs, extensions: Extensions::NONE, len }, rest));
        }
        let (prefix, rest) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
        let elements_len = usize::from(u16::from_be_bytes([prefix[2], prefix[3]])) * 4;
        let (elements, rest) = rest.split_at_checked(elements_len).ok_or_else(cut)?;
        let profile = u16::from_be_bytes([prefix[0], prefix[1]]);
        let extensions = Extensions { profile, elements };
        let len = FIXED_LEN + csrcs_len + 4 + elements_len;
        Ok((Self { fixed, csrcs, extensions, len }, rest))
    }

    /// Whether bytes of padding follow the payload.
    #[inline]
    pub const fn has_padding(&self) -> bool {
        self.fixed[0] & PADDING != 0
    }

    /// The marker bit; its meaning is the payload format's (often: a frame ends here).
    pub const fn marker(&self) -> bool {
        self.fixed[1] & MARKER != 0
    }

    /// How to read the payload.
    pub const fn payload_type(&self) -> PayloadType {
        PayloadType::from_low_bits(self.fixed[1])
    }

    /// The sequence number, one more for each packet of this source.
    #[inline]
    pub const fn sequence_number(&self) -> SequenceNumber {
        SequenceNumber(u16::from_be_bytes([self.fixed[2], self.fixed[3]]))
    }

    /// When the payload's first octet was sampled, in units of the payload's clock rate.
    pub const fn timestamp(&self) -> u32 {
        u32::from_be_bytes([self.fixed[4], self.fixed[5], self.fixed[6], self.fixed[7]])
    }

    /// The source.
    #[inline]
    pub const fn ssrc(&self) -> Ssrc {
        Ssrc(u32::from_be_bytes([self.fixed[8], self.fixed[9], self.fixed[10], self.fixed[11]]))
    }

    /// The contributing sources that a mixer put together, at most 15.
    #[inline]
    pub fn csrcs(&self) -> impl ExactSizeIterator<Item = Ssrc> + Clone + use<'a> {
        self.csrcs.iter().map(|bytes| Ssrc(u32::from_be_bytes(*bytes)))
    }

    /// The elements of the header extension.
    #[inline]
    pub const fn extensions(&self) -> Extensions<'a> {
        self.extensions
    }

    /// The first extension element with this id.
    pub fn extension(&self, id: u8) -> Option<&'a [u8]> {
        self.extensions.into_iter().find(|element| element.id == id).map(|element| element.data)
    }

    /// The header's length in bytes: where the payload begins.
    #[expect(clippy::len_without_is_empty, reason = "a header is never empty")]
    #[inline]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Where the elements of the header extension are in the packet, after the four bytes that
    /// announce them; `None` without a header extension.
    #[inline]
    pub const fn extension_range(&self) -> Option<Range<usize>> {
        if self.fixed[0] & EXTENSION == 0 {
            return None;
        }
        Some(self.len - self.extensions.elements.len()..self.len)
    }
}

/// An RTP packet, over its bytes. Everything was checked by [`Packet::parse`]: no accessor fails.
///
/// ```
/// use peerless_rtp::packet::Packet;
/// let bytes = [0x80, 0x80, 0, 7, 0, 0, 0, 160, 0xDE, 0xAD, 0xBE, 0xEF, 0xFF, 0x7F];
/// let packet = Packet::parse(&bytes)?;
/// assert_eq!(packet.sequence_number().0, 7);
/// assert_eq!(packet.ssrc().0, 0xDEADBEEF);
/// assert!(packet.marker());
/// assert_eq!(packet.payload(), [0xFF, 0x7F]);
/// # Ok::<(), peerless_rtp::packet::ParseError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    header: Header<'a>,
    payload: &'a [u8],
    padding_len: u8,
}

impl<'a> Packet<'a> {
    /// Checks `bytes`, a whole packet.
    ///
    /// # Errors
    ///
    /// When the header is wrong (see [`Header::parse`]) or the padding is longer than what
    /// follows it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let (header, rest) = Header::split(bytes)?;
        if !header.has_padding() {
            return Ok(Self { header, payload: rest, padding_len: 0 });
        }
        // "The last octet of the padding contains a count of how many padding octets should be
        // ignored, including itself."
        let padding_len = rest.last().copied().unwrap_or(0);
        let payload = rest
            .len()
            .checked_sub(padding_len.into())
            .filter(|_| padding_len != 0)
            .and_then(|len| rest.get(..len))
            .ok_or(ParseError::Padding { padding_len, available: rest.len() })?;
        Ok(Self { header, payload, padding_len })
    }

    /// The header.
    pub const fn header(&self) -> Header<'a> {
        self.header
    }

    /// The marker bit; its meaning is the payload format's (often: a frame ends here).
    pub const fn marker(&self) -> bool {
        self.header.marker()
    }

    /// How to read the payload.
    pub const fn payload_type(&self) -> PayloadType {
        self.header.payload_type()
    }

    /// The sequence number, one more for each packet of this source.
    pub const fn sequence_number(&self) -> SequenceNumber {
        self.header.sequence_number()
    }

    /// When the payload's first octet was sampled, in units of the payload's clock rate.
    pub const fn timestamp(&self) -> u32 {
        self.header.timestamp()
    }

    /// The source.
    pub const fn ssrc(&self) -> Ssrc {
        self.header.ssrc()
    }

    /// The contributing sources that a mixer put together, at most 15.
    pub fn csrcs(&self) -> impl ExactSizeIterator<Item = Ssrc> + Clone + use<'a> {
        self.header.csrcs()
    }

    /// The elements of the header extension.
    pub const fn extensions(&self) -> Extensions<'a> {
        self.header.extensions()
    }

    /// The first extension element with this id.
    pub fn extension(&self, id: u8) -> Option<&'a [u8]> {
        self.header.extension(id)
    }

    /// The header's length in bytes.
    pub const fn header_len(&self) -> usize {
        self.header.len()
    }

    /// The payload, without padding.
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// How many bytes of padding follow the payload.
    pub const fn padding_len(&self) -> usize {
        self.padding_len as usize
    }
}

/// The elements of a header extension, in the one-byte or the two-byte form of
/// [RFC 8285 §4](https://www.rfc-editor.org/rfc/rfc8285#section-4); iterate to read them.
///
/// Any other profile has no elements that could be told apart; [`Extensions::raw`] gives them.
#[derive(Clone, Copy, Debug)]
pub struct Extensions<'a> {
    profile: u16,
    elements: &'a [u8],
}

impl<'a> Extensions<'a> {
    const NONE: Self = Self { profile: 0, elements: &[] };

    /// Reads elements that lie somewhere else than in a packet, announced by `profile`.
    pub const fn new(profile: u16, elements: &'a [u8]) -> Self {
        Self { profile, elements }
    }

    /// The id of the first element that begins at byte `at` or later, and where its data is among
    /// the elements: for who changes them in place. The next one begins where that ends.
    pub fn locate(&self, at: usize) -> Option<(u8, Range<usize>)> {
        let form = Form::from_profile(self.profile);
        let mut elements = Elements { form, rest: self.elements.get(at..)? };
        let Element { id, data } = elements.next()?;
        let end = self.elements.len() - elements.rest.len();
        Some((id, end - data.len()..end))
    }

    /// The 16 bits that announce the form, and the bytes that follow the length.
    #[inline]
    pub const fn raw(&self) -> (u16, &'a [u8]) {
        (self.profile, self.elements)
    }
}

impl<'a> IntoIterator for Extensions<'a> {
    type Item = Element<'a>;
    type IntoIter = Elements<'a>;

    fn into_iter(self) -> Elements<'a> {
        let form = Form::from_profile(self.profile);
        Elements { form, rest: if form.is_some() { self.elements } else { &[] } }
    }
}

/// One element of a header extension.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Element<'a> {
    /// The local identifier that SDP's `a=extmap` binds to a meaning, never 0.
    pub id: u8,
    /// Its data: 1 to 16 bytes in the one-byte form, 0 to 255 in the two-byte form.
    pub data: &'a [u8],
}

/// An iterator over the elements of a header extension. What is cut short ends it.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    form: Option<Form>,
    rest: &'a [u8],
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let form = self.form?;
        loop {
            let (&first, rest) = self.rest.split_first()?;
            // Zero octets are padding between and after elements, in both forms.
            if first == 0 {
                self.rest = rest;
                continue;
            }
            let (id, len, rest) = match form {
                Form::OneByte => (first >> 4, usize::from(first & 0x0F) + 1, rest),
                Form::TwoByte => {
                    let (&len, rest) = rest.split_first()?;
                    (first, usize::from(len), rest)
                }
            };
            // RFC 8285 §4.2: id 15, and id 0 with a length, end the processing of the extension.
            if form == Form::OneByte && matches!(id, 0 | 15) {
                self.rest = &[];
                return None;
            }
            let Some((data, rest)) = rest.split_at_checked(len) else {
                self.rest = &[];
                return None;
            };
            self.rest = rest;
            return Some(Element { id, data });
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    OneByte,
    TwoByte,
}

impl Form {
    const fn from_profile(profile: u16) -> Option<Self> {
        match profile {
            ONE_BYTE_PROFILE => Some(Self::OneByte),
            // The low four bits are "appbits", to be ignored.
            0x1000..=0x100F => Some(Self::TwoByte),
            _ => None,
        }
    }
}

/// Why bytes are no RTP packet.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ParseError {
    /// The header says that it is longer than the packet.
    #[error("the RTP header is cut short after {len} bytes (RFC 3550 §5.1)")]
    Cut {
        /// The packet's length.
        len: usize,
    },
    /// The padding is longer than the rest of the packet, or said to be 0 bytes long.
    #[error("{padding_len} bytes of padding in {available} bytes of payload (RFC 3550 §5.1)")]
    Padding {
        /// What the last byte says.
        padding_len: u8,
        /// How many bytes follow the header.
        available: usize,
    },
    /// It isn't RTP.
    #[error("RTP version {version} instead of 2 (RFC 3550 §5.1)")]
    Version {
        /// The first two bits.
        version: u8,
    },
}

/// Appends an RTP header to a buffer; the payload is appended by the caller after
/// [`HeaderWriter::finish`].
///
/// Extension elements are written in the one-byte form while all of them fit it (ids 1..=14,
/// 1 to 16 bytes), else in the two-byte form.
///
/// ```
/// use peerless_rtp::packet::{HeaderWriter, Packet};
/// use peerless_rtp::{PayloadType, SequenceNumber, Ssrc};
/// let mut buf = Vec::new();
/// HeaderWriter::new(&mut buf, PayloadType::PCMU, SequenceNumber(1), 160, Ssrc(2))
///     .marker(true)
///     .extension(3, b"audio")
///     .finish();
/// buf.extend_from_slice(&[0xFF; 160]);
/// assert_eq!(Packet::parse(&buf)?.extension(3), Some(&b"audio"[..]));
/// # Ok::<(), peerless_rtp::packet::ParseError>(())
/// ```
#[derive(Debug)]
pub struct HeaderWriter<'b> {
    buf: &'b mut Vec<u8>,
    start: usize,
    extensions: Option<(usize, Form)>,
}

impl<'b> HeaderWriter<'b> {
    /// Appends the fixed part.
    pub fn new(
        buf: &'b mut Vec<u8>,
        payload_type: PayloadType,
        sequence_number: SequenceNumber,
        timestamp: u32,
        ssrc: Ssrc,
    ) -> Self {
        let start = buf.len();
        let [s0, s1] = sequence_number.0.to_be_bytes();
        let [t0, t1, t2, t3] = timestamp.to_be_bytes();
        let [i0, i1, i2, i3] = ssrc.0.to_be_bytes();
        let first = VERSION << 6;
        buf.extend_from_slice(&[
            first,
            payload_type.number(),
            s0,
            s1,
            t0,
            t1,
            t2,
            t3,
            i0,
            i1,
            i2,
            i3,
        ]);
        Self { buf, start, extensions: None }
    }

    /// Sets the marker bit.
    #[must_use]
    pub fn marker(self, marker: bool) -> Self {
        self.set(1, MARKER, if marker { MARKER } else { 0 })
    }

    /// Announces padding: the caller ends the payload with it.
    #[must_use]
    pub fn padding(self) -> Self {
        self.set(0, PADDING, PADDING)
    }

    /// Appends a contributing source. Those after the fifteenth, and those after an extension
    /// element, are left out.
    #[must_use]
    pub fn csrc(self, csrc: Ssrc) -> Self {
        let count = self.buf.get(self.start).map_or(0, |first| first & CSRC_COUNT);
        if count == CSRC_COUNT || self.extensions.is_some() {
            return self;
        }
        self.buf.extend_from_slice(&csrc.0.to_be_bytes());
        self.set(0, CSRC_COUNT, count + 1)
    }

    /// Appends an element of the header extension. An element that no form can hold (id 0, more
    /// than 255 bytes) is left out.
    #[must_use]
    pub fn extension(mut self, id: u8, data: &[u8]) -> Self {
        let Ok(len) = u8::try_from(data.len()) else { return self };
        if id == 0 {
            return self;
        }
        let fits_one_byte = id < 15 && len.wrapping_sub(1) < 16;
        let form = match self.extensions {
            None => {
                let form = if fits_one_byte { Form::OneByte } else { Form::TwoByte };
                self.buf.extend_from_slice(&[0; 4]);
                self.extensions = Some((self.buf.len(), form));
                self = self.set(0, EXTENSION, EXTENSION);
                form
            }
            Some((at, Form::OneByte)) if !fits_one_byte => {
                self.widen(at);
                self.extensions = Some((at, Form::TwoByte));
                Form::TwoByte
            }
            Some((_, form)) => form,
        };
        match form {
            Form::OneByte => self.buf.push((id << 4) | len.wrapping_sub(1)),
            Form::TwoByte => self.buf.extend_from_slice(&[id, len]),
        }
        self.buf.extend_from_slice(data);
        self
    }

    /// Completes the header: pads the extension to whole words and writes its length. Gives the
    /// header's place in the buffer.
    pub fn finish(self) -> Range<usize> {
        if let Some((at, form)) = self.extensions {
            let padding = (at.wrapping_sub(self.buf.len())) % 4;
            self.buf.extend_from_slice([0; 3].get(..padding).unwrap_or_default());
            let words = (self.buf.len() - at) / 4;
            let profile = match form {
                Form::OneByte => ONE_BYTE_PROFILE,
                Form::TwoByte => TWO_BYTE_PROFILE,
            };
            let [w0, w1] = u16::try_from(words).unwrap_or(u16::MAX).to_be_bytes();
            let [p0, p1] = profile.to_be_bytes();
            if let Some(prefix) = at.checked_sub(4).and_then(|from| self.buf.get_mut(from..at)) {
                prefix.copy_from_slice(&[p0, p1, w0, w1]);
            }
        }
        self.start..self.buf.len()
    }

    /// Rewrites the elements from `at` on in the two-byte form: each grows by a byte. Rare, since
    /// it takes an id above 14 or an element without data or of more than 16 bytes.
    fn widen(&mut self, at: usize) {
        let narrow = self.buf.split_off(at);
        for element in (Elements { form: Some(Form::OneByte), rest: &narrow }) {
            self.buf.extend_from_slice(&[element.id, element.data.len() as u8]);
            self.buf.extend_from_slice(element.data);
        }
    }

    fn set(self, offset: usize, mask: u8, bits: u8) -> Self {
        if let Some(byte) = self.buf.get_mut(self.start + offset) {
            *byte = (*byte & !mask) | bits;
        }
        self
    }
}

/// Whether a datagram that is RTP or RTCP is RTCP, by its second byte: 192..=223, which payload
/// types 64..=95 with the marker would be ([RFC 5761 §4](https://www.rfc-editor.org/rfc/rfc5761#section-4)).
pub fn is_rtcp(bytes: &[u8]) -> bool {
    bytes.get(1).is_some_and(|second| (192..=223).contains(second))
}

const VERSION: u8 = 2;
const FIXED_LEN: usize = 12;
const PADDING: u8 = 0x20;
const EXTENSION: u8 = 0x10;
const CSRC_COUNT: u8 = 0x0F;
const MARKER: u8 = 0x80;
const ONE_BYTE_PROFILE: u16 = 0xBEDE;
const TWO_BYTE_PROFILE: u16 = 0x1000;

#[cfg(test)]
mod tests;
