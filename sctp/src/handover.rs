//! What an association takes with it from one process to another, as bytes.
//!
//! Numbers are big-endian; a size or a count is a `u64`, times are nanoseconds as a `u64`, an option
//! has a byte 0 or 1 in front, a list and a block their number of values or bytes. Times in the
//! future are written as what is left of them and times in the past as how long they are past, so
//! that no clock is shared: what passes between the two processes does not count.
//!
//! | part | what |
//! | --- | --- |
//! | magic, version | `"peerless-sctp"`, a byte; another version is refused |
//! | association | ports, tags, numbers of streams, whether checksums are left out, whether it was told that it is up or has restarted, timeouts in a row, counters of packets, its age, the key of its cookies |
//! | [sender](crate::send) | RFC 3758 agreed upon, the peer's window and how it is probed, counters, [round trips](crate::send::rto), messages that wait, chunks that are outstanding and what was delivered, recovery, the [congestion control](crate::send::congestion) |
//! | [receiver](crate::recv) | numbers that have arrived, what of messages has, streams, counters, the window |
//! | [reset](crate::association::reset) | requests open, either way |
//! | [channels](crate::data_channel) | when it is a session |
//!
//! A congestion control is a byte that names the algorithm and a block, which is passed over where
//! the configuration names another one.

use crate::message::Order;
use crate::span::Span;
use bytes::Bytes;
use std::time::{Duration, Instant};
use thiserror::Error;

/// Why an association cannot be handed over, or what was handed over not be taken up.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum HandoverError {
    /// The bytes are not what was handed over.
    #[error("the bytes are not an association that was handed over")]
    Malformed,
    /// The association is not established, or is being shut down.
    #[error("only an established association can be handed over")]
    NotEstablished,
    /// The bytes are of another version.
    #[error("handed over in version {0}, which is not known")]
    Version(u8),
}

/// Appends values, big-endian.
#[derive(Debug)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
    now: Instant,
}

impl Writer {
    pub(crate) fn new(now: Instant) -> Self {
        let mut bytes = MAGIC.to_vec();
        bytes.push(VERSION);
        Self { bytes, now }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(crate) fn flag(&mut self, value: bool) {
        self.u8(u8::from(value));
    }

    pub(crate) fn order(&mut self, order: Order) {
        self.flag(order == Order::Unordered);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn size(&mut self, value: usize) {
        self.u64(value as u64);
    }

    /// A value that may be none.
    pub(crate) fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }

    /// A time, as how far it is off.
    pub(crate) fn time(&mut self, at: Option<Instant>) {
        let left = at.map(|at| at.saturating_duration_since(self.now));
        self.option(left, Self::duration);
    }

    /// A time that has passed, as how long ago it was.
    pub(crate) fn past(&mut self, at: Instant) {
        self.duration(self.now.saturating_duration_since(at));
    }

    pub(crate) fn duration(&mut self, duration: Duration) {
        self.u64(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn span(&mut self, span: Span) {
        self.u64(span.as_nanos());
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.size(value.len());
        self.bytes.extend_from_slice(value);
    }

    /// Whatever `write` appends, with its length in front.
    pub(crate) fn block(&mut self, write: impl FnOnce(&mut Self)) {
        let mut inner = Self { bytes: Vec::new(), now: self.now };
        write(&mut inner);
        self.bytes(&inner.bytes);
    }

    /// A list with its length.
    pub(crate) fn list<T>(
        &mut self,
        values: impl ExactSizeIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        self.size(values.len());
        for value in values {
            write(self, value);
        }
    }
}

/// Reads what a [`Writer`] wrote. What it makes takes no more memory than a few times the bytes.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    now: Instant,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8], now: Instant) -> Result<Self, HandoverError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(HandoverError::Malformed)?;
        let mut reader = Self { rest, now };
        match reader.u8()? {
            VERSION => Ok(reader),
            other => Err(HandoverError::Version(other)),
        }
    }

    /// Nothing may be left.
    pub(crate) const fn end(&self) -> Result<(), HandoverError> {
        if self.rest.is_empty() { Ok(()) } else { Err(HandoverError::Malformed) }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], HandoverError> {
        let (value, rest) = self.rest.split_first_chunk::<N>().ok_or(HandoverError::Malformed)?;
        self.rest = rest;
        Ok(*value)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, HandoverError> {
        let [value] = self.array()?;
        Ok(value)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, HandoverError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(HandoverError::Malformed),
        }
    }

    pub(crate) fn order(&mut self) -> Result<Order, HandoverError> {
        Ok(if self.flag()? { Order::Unordered } else { Order::Ordered })
    }

    pub(crate) fn u16(&mut self) -> Result<u16, HandoverError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, HandoverError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, HandoverError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// What was counted so far, far below what would overflow a sum.
    pub(crate) fn count(&mut self) -> Result<u64, HandoverError> {
        let count = self.u64()?;
        check(count <= u64::MAX >> 8)?;
        Ok(count)
    }

    /// A number of bytes that are counted, far below what would overflow a sum.
    pub(crate) fn size(&mut self) -> Result<usize, HandoverError> {
        let size = usize::try_from(self.u64()?).map_err(|_| HandoverError::Malformed)?;
        if size > usize::MAX >> 8 { Err(HandoverError::Malformed) } else { Ok(size) }
    }

    pub(crate) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, HandoverError>,
    ) -> Result<Option<T>, HandoverError> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    pub(crate) fn time(&mut self) -> Result<Option<Instant>, HandoverError> {
        let left = self.option(Self::duration)?;
        Ok(left.and_then(|left| self.now.checked_add(left)))
    }

    /// A time that has passed; of one before all clocks, now.
    pub(crate) fn past(&mut self) -> Result<Instant, HandoverError> {
        let ago = self.duration()?;
        Ok(self.now.checked_sub(ago).unwrap_or(self.now))
    }

    pub(crate) fn duration(&mut self) -> Result<Duration, HandoverError> {
        self.u64().map(Duration::from_nanos)
    }

    pub(crate) fn span(&mut self) -> Result<Span, HandoverError> {
        self.u64().map(Span::from_nanos)
    }

    pub(crate) fn slice(&mut self) -> Result<&'a [u8], HandoverError> {
        let len = self.size()?;
        let (value, rest) = self.rest.split_at_checked(len).ok_or(HandoverError::Malformed)?;
        self.rest = rest;
        Ok(value)
    }

    pub(crate) fn bytes(&mut self) -> Result<Bytes, HandoverError> {
        self.slice().map(Bytes::copy_from_slice)
    }

    /// What [`Writer::block`] wrote.
    pub(crate) fn block(&mut self) -> Result<Self, HandoverError> {
        Ok(Self { rest: self.slice()?, now: self.now })
    }

    /// A list; each of its values has a byte at least.
    pub(crate) fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, HandoverError>,
    ) -> Result<Vec<T>, HandoverError> {
        let count = self.size()?;
        check(count <= self.rest.len())?;
        let mut values = Vec::new();
        for _ in 0..count {
            values.push(read(self)?);
        }
        Ok(values)
    }
}

/// Whether what was read can be.
pub(crate) const fn check(can_be: bool) -> Result<(), HandoverError> {
    if can_be { Ok(()) } else { Err(HandoverError::Malformed) }
}

const MAGIC: &[u8] = b"peerless-sctp";
const VERSION: u8 = 9;
