//! What was learnt of the path, handed over.

use super::Controller;
use crate::handover::{HandoverError, Reader, Writer, check};
use crate::span::Span;

/// A congestion control that goes on in another process.
///
/// Whatever bytes it is given, it must not reckon with what it could not have written itself.
pub(crate) trait HandOver {
    /// A number for the algorithm.
    fn number(&self) -> u8;

    fn hand_over(&self, out: &mut Writer);

    /// Takes up what was handed over; `self` is new.
    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), HandoverError>;
}

pub(crate) fn hand_over(controller: &dyn Controller, out: &mut Writer) {
    out.u8(controller.number());
    out.block(|out| controller.hand_over(out));
}

/// Takes up what was handed over, if it is the same algorithm's.
pub(crate) fn resume(
    controller: &mut dyn Controller,
    from: &mut Reader<'_>,
) -> Result<(), HandoverError> {
    let number = from.u8()?;
    let mut block = from.block()?;
    if number != controller.number() {
        return Ok(());
    }
    controller.resume(&mut block)?;
    block.end()
}

/// A window, or so much in flight.
pub(super) fn read_bytes(from: &mut Reader<'_>) -> Result<usize, HandoverError> {
    let bytes = from.size()?;
    check(bytes as u64 <= MAX_BYTES)?;
    Ok(bytes)
}

/// Bytes a second.
pub(super) fn read_rate(from: &mut Reader<'_>) -> Result<u64, HandoverError> {
    let rate = from.u64()?;
    check(rate <= MAX_BYTES)?;
    Ok(rate)
}

/// A round-trip time.
pub(super) fn read_rtt(from: &mut Reader<'_>) -> Result<Span, HandoverError> {
    from.span().map(|rtt| rtt.min(MAX_RTT))
}

pub(super) fn write_float(out: &mut Writer, value: f64) {
    out.u64(value.to_bits());
}

/// A number of bytes or seconds.
pub(super) fn read_float(from: &mut Reader<'_>) -> Result<f64, HandoverError> {
    let value = f64::from_bits(from.u64()?);
    check((0.0..=MAX_BYTES as f64).contains(&value))?;
    Ok(value)
}

/// A terabyte, in flight or in a second: there is no such path, and sums of it are far from what
/// would overflow.
const MAX_BYTES: u64 = 1 << 40;
/// A longer round trip is one of a machine that slept.
const MAX_RTT: Span = Span::from_secs(60);
