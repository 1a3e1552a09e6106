//! The presentation language of [RFC 5246 §4](https://www.rfc-editor.org/rfc/rfc5246#section-4):
//! big-endian integers, and vectors behind their length.

/// The bytes are not the structure that they should be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Malformed;

/// What is left to read of a structure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Checks that everything has been read.
    pub(crate) fn end(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(Malformed)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], Malformed> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|&[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().copied().map(u16::from_be_bytes)
    }

    pub(crate) fn u24(&mut self) -> Result<u32, Malformed> {
        self.array().map(|&[a, b, c]| u32::from_be_bytes([0, a, b, c]))
    }

    /// Reads a vector of up to 2^8 - 1 bytes.
    pub(crate) fn vec8(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.u8()?;
        self.bytes(len.into())
    }

    /// Reads a vector of up to 2^16 - 1 bytes.
    pub(crate) fn vec16(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.u16()?;
        self.bytes(len.into())
    }

    /// Reads a vector of up to 2^24 - 1 bytes.
    pub(crate) fn vec24(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.u24()?;
        self.bytes(usize::try_from(len).map_err(|_| Malformed)?)
    }
}

/// The integers of a vector of `u16`, already checked to be of even length.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct U16s<'a>(&'a [[u8; 2]]);

impl<'a> U16s<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (chunks, rest) = bytes.as_chunks();
        if rest.is_empty() { Ok(Self(chunks)) } else { Err(Malformed) }
    }

    /// The integers of a vector that has at least one.
    pub(crate) fn parse_some(bytes: &'a [u8]) -> Result<Self, Malformed> {
        if bytes.is_empty() { Err(Malformed) } else { Self::parse(bytes) }
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = u16> + use<'a> {
        self.0.iter().map(|&bytes| u16::from_be_bytes(bytes))
    }

    pub(crate) fn contains(self, value: u16) -> bool {
        self.0.contains(&value.to_be_bytes())
    }
}

/// Appends structures to a buffer.
pub(crate) trait Write {
    fn u8(&mut self, value: u8);
    fn u16(&mut self, value: u16);
    fn bytes(&mut self, bytes: &[u8]);
    /// Appends a vector whose length takes `N` bytes; `contents` appends what is in it.
    fn vector<const N: usize>(&mut self, contents: impl FnOnce(&mut Vec<u8>));
}

impl Write for Vec<u8> {
    fn u8(&mut self, value: u8) {
        self.push(value);
    }

    fn u16(&mut self, value: u16) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn vector<const N: usize>(&mut self, contents: impl FnOnce(&mut Self)) {
        let at = self.len();
        self.extend_from_slice(&[0; N]);
        contents(self);
        let len = self.len() - at - N;
        debug_assert!(len < 1 << (8 * N), "what we write fits its vector");
        let len = len.to_be_bytes();
        let written = self.get_mut(at..at + N).zip(len.last_chunk::<N>());
        if let Some((to, from)) = written {
            to.copy_from_slice(from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_read_as_written() {
        let mut buf = vec![9];
        buf.vector::<1>(|buf| buf.bytes(b"a"));
        buf.vector::<2>(|buf| buf.vector::<3>(|buf| buf.bytes(b"bcd")));
        assert_eq!(buf, b"\x09\x01a\x00\x06\x00\x00\x03bcd");

        let mut reader = Reader(&buf);
        assert_eq!(reader.u8(), Ok(9));
        assert_eq!(reader.vec8(), Ok(&b"a"[..]));
        let mut inner = Reader(reader.vec16().unwrap());
        assert_eq!(inner.vec24(), Ok(&b"bcd"[..]));
        assert_eq!(inner.u8(), Err(Malformed));
        assert_eq!((inner.end(), reader.end()), (Ok(()), Ok(())));
    }

    #[test]
    fn odd_vectors_of_u16_are_malformed() {
        assert!(U16s::parse(&[1, 2, 3]).is_err());
        let values = U16s::parse(&[1, 2, 3, 4]).unwrap();
        assert_eq!(values.iter().collect::<Vec<_>>(), [0x0102, 0x0304]);
        assert!(values.contains(0x0304) && !values.contains(0x0203));
    }
}
