use std::ops::Range;

use bytes::{BufMut as _, Bytes, BytesMut};

use super::super::fragment::EqualPieces;
use super::super::{Fragment, PacketizeError};
use super::{FU_END, FU_START, NalUnitType, NalUnits, PacketizationMode, TYPE_MASK};

/// Cuts access units. It has a block for STAP-As, whose units must be copied together: a block is
/// used again when its packets have been forgotten.
#[derive(Debug)]
pub(crate) struct Packetizer {
    mode: PacketizationMode,
    block: BytesMut,
}

/// Holds the parameter sets of many key frames, and one STAP-A of any size.
const BLOCK: usize = 2048;

impl Packetizer {
    pub(crate) fn new(mode: PacketizationMode) -> Self {
        Self { mode, block: BytesMut::new() }
    }

    pub(crate) fn mode(&self) -> PacketizationMode {
        self.mode
    }

    pub(crate) fn packetize(
        &mut self,
        frame: Bytes,
        limit: usize,
    ) -> Result<Fragments, PacketizeError> {
        let mut units = NalUnits::new(&frame);
        if units.position().is_none() {
            return Err(PacketizeError::NoStartCode);
        }
        let aggregate = match self.mode {
            PacketizationMode::SingleNalUnit => {
                if let Some(unit) = units.clone().find(|unit| unit.len() > limit) {
                    return Err(PacketizeError::TooLarge { size: unit.len(), limit });
                }
                None
            }
            PacketizationMode::NonInterleaved => self.aggregate(&frame, &mut units, limit),
        };
        let unit = next_sendable(&mut units, &frame);
        if aggregate.is_none() && unit.is_none() {
            return Err(PacketizeError::Empty);
        }
        let position = units.position();
        Ok(Fragments { aggregate, unit: unit.map(Unit::Whole), position, frame, limit })
    }

    /// Puts the NAL units at the front of the frame that fit in one packet together (at least two:
    /// delimiter, parameter sets, SEI, and the slice where it is small), and moves `units` behind
    /// them.
    fn aggregate(
        &mut self,
        frame: &Bytes,
        units: &mut NalUnits<'_>,
        limit: usize,
    ) -> Option<Bytes> {
        let mut size = 1;
        let mut count = 0;
        let mut header = 0;
        let mut behind = units.clone();
        while let Some(unit) = next_sendable(&mut behind, frame) {
            if size + 2 + unit.len() > limit || unit.len() > usize::from(u16::MAX) {
                break;
            }
            let first = *frame.get(unit.start)?;
            // "The value of NRI MUST be the maximum of all the NAL units carried", and the F bit is
            // set if one of them has it (RFC 6184 §5.7).
            header = (header | first) & 0x80 | (header & 0x60).max(first & 0x60);
            size += 2 + unit.len();
            count += 1;
        }
        if count < 2 {
            return None;
        }
        if self.block.capacity() < size && !self.block.try_reclaim(size) {
            self.block = BytesMut::with_capacity(size.max(BLOCK));
        }
        self.block.put_u8(header | NalUnitType::STAP_A.0);
        for _ in 0..count {
            let unit = next_sendable(units, frame)?;
            // No unit longer than a u16 was counted.
            self.block.put_u16(unit.len() as u16);
            self.block.put_slice(frame.get(unit)?);
        }
        Some(self.block.split().freeze())
    }
}

/// The packets of one access unit.
#[derive(Clone, Debug)]
pub(crate) struct Fragments {
    aggregate: Option<Bytes>,
    /// What comes next, known before it is asked for: the packet before it must know if it is last.
    unit: Option<Unit>,
    position: Option<usize>,
    frame: Bytes,
    limit: usize,
}

#[derive(Clone, Debug)]
enum Unit {
    Whole(Range<usize>),
    /// A FU-A run: the NAL unit's first byte, and the pieces of the rest.
    Fragmented {
        header: u8,
        starts: bool,
        pieces: EqualPieces,
    },
}

impl Fragments {
    fn next_unit(&mut self) -> Option<Unit> {
        let mut units = NalUnits::resume(&self.frame, self.position);
        let unit = next_sendable(&mut units, &self.frame);
        self.position = units.position();
        unit.map(Unit::Whole)
    }
}

/// Passes over NAL units whose type would be read as a payload structure.
fn next_sendable(units: &mut NalUnits<'_>, frame: &[u8]) -> Option<Range<usize>> {
    units.find(|unit| {
        frame.get(unit.clone()).and_then(NalUnitType::of).is_some_and(NalUnitType::is_sendable)
    })
}

impl Iterator for Fragments {
    type Item = Fragment;

    fn next(&mut self) -> Option<Fragment> {
        if let Some(aggregate) = self.aggregate.take() {
            return Some(Fragment::whole(aggregate, self.unit.is_none()));
        }
        let (header, mut starts, mut pieces) = match self.unit.take()? {
            Unit::Whole(range) if range.len() <= self.limit => {
                self.unit = self.next_unit();
                return Some(Fragment::whole(self.frame.slice(range), self.unit.is_none()));
            }
            Unit::Whole(range) => {
                let mut rest = self.frame.slice(range);
                let header = rest.split_to(1).first().copied()?;
                (header, true, EqualPieces::new(rest, self.limit.saturating_sub(2)))
            }
            Unit::Fragmented { header, starts, pieces } => (header, starts, pieces),
        };
        let piece = pieces.next()?;
        let ends = pieces.is_empty();
        let fu_header =
            header & TYPE_MASK | if starts { FU_START } else { 0 } | if ends { FU_END } else { 0 };
        let fu_indicator = header & !TYPE_MASK | NalUnitType::FU_A.0;
        if ends {
            self.unit = self.next_unit();
        } else {
            starts = false;
            self.unit = Some(Unit::Fragmented { header, starts, pieces });
        }
        Some(Fragment::prefixed([fu_indicator, fu_header], 2, piece, self.unit.is_none()))
    }
}
