use super::{Raw, split_u32};
use crate::clock::NtpTime;
use crate::ssrc::Ssrc;

/// A sender report, [RFC 3550 §6.4.1](https://www.rfc-editor.org/rfc/rfc3550#section-6.4.1).
#[derive(Clone, Copy, Debug)]
pub struct SenderReport<'a> {
    info: SenderInfo,
    blocks: &'a [[u8; BLOCK_LEN]],
}

impl<'a> SenderReport<'a> {
    pub(super) fn from_raw(raw: Raw<'a>) -> Option<Self> {
        let (ssrc, rest) = split_u32(raw.body)?;
        let (info, rest) = rest.split_first_chunk::<20>()?;
        let (ntp, info) = info.split_first_chunk::<8>()?;
        let (words, _) = info.as_chunks::<4>();
        let &[rtp, packets, octets] = words else { return None };
        let info = SenderInfo {
            ssrc: Ssrc(ssrc),
            ntp_time: NtpTime(u64::from_be_bytes(*ntp)),
            rtp_time: u32::from_be_bytes(rtp),
            packet_count: u32::from_be_bytes(packets),
            octet_count: u32::from_be_bytes(octets),
        };
        Some(Self { info, blocks: blocks(raw.count, rest)? })
    }

    /// What the source sent.
    pub const fn info(&self) -> SenderInfo {
        self.info
    }

    /// What it received, at most 31 blocks.
    pub fn blocks(&self) -> impl ExactSizeIterator<Item = ReportBlock> + use<'a> {
        self.blocks.iter().map(ReportBlock::from_bytes)
    }
}

/// A receiver report, [RFC 3550 §6.4.2](https://www.rfc-editor.org/rfc/rfc3550#section-6.4.2).
#[derive(Clone, Copy, Debug)]
pub struct ReceiverReport<'a> {
    ssrc: Ssrc,
    blocks: &'a [[u8; BLOCK_LEN]],
}

impl<'a> ReceiverReport<'a> {
    pub(super) fn from_raw(raw: Raw<'a>) -> Option<Self> {
        let (ssrc, rest) = split_u32(raw.body)?;
        Some(Self { ssrc: Ssrc(ssrc), blocks: blocks(raw.count, rest)? })
    }

    /// Who reports.
    pub const fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// What it received, at most 31 blocks.
    pub fn blocks(&self) -> impl ExactSizeIterator<Item = ReportBlock> + use<'a> {
        self.blocks.iter().map(ReportBlock::from_bytes)
    }
}

/// What a source says about what it sends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SenderInfo {
    /// The source.
    pub ssrc: Ssrc,
    /// When the report was made.
    pub ntp_time: NtpTime,
    /// The same instant in RTP timestamps, by which streams of one sender are put in step.
    pub rtp_time: u32,
    /// How many packets it sent, modulo 2³².
    pub packet_count: u32,
    /// How many bytes of payload it sent, modulo 2³².
    pub octet_count: u32,
}

impl SenderInfo {
    pub(super) fn to_bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        let (words, _) = bytes.as_chunks_mut::<4>();
        let values = [
            self.ssrc.0,
            (self.ntp_time.0 >> 32) as u32,
            self.ntp_time.0 as u32,
            self.rtp_time,
            self.packet_count,
            self.octet_count,
        ];
        for (word, value) in words.iter_mut().zip(values) {
            *word = value.to_be_bytes();
        }
        bytes
    }
}

/// What a receiver says about one source.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReportBlock {
    /// The source.
    pub ssrc: Ssrc,
    /// Which part of what was expected since the last report is lost, in 1/256.
    pub fraction_lost: u8,
    /// How many packets are lost in all: 24 bits on the wire, and negative where duplicates outweigh.
    pub cumulative_lost: i32,
    /// The highest sequence number received, with a count of cycles above its 16 bits.
    pub highest_sequence: u32,
    /// The interarrival jitter in units of the timestamp.
    pub jitter: u32,
    /// The middle bits of the NTP time of the last sender report from the source, 0 for none.
    pub last_sender_report: u32,
    /// How long before this report it arrived, in 1/65536 s.
    pub delay_since_last_sender_report: u32,
}

impl ReportBlock {
    pub(super) const LEN: usize = BLOCK_LEN;

    fn from_bytes(bytes: &[u8; BLOCK_LEN]) -> Self {
        let word = |at: usize| {
            let (words, _) = bytes.as_chunks::<4>();
            words.get(at).map_or(0, |word| u32::from_be_bytes(*word))
        };
        Self {
            ssrc: Ssrc(word(0)),
            fraction_lost: bytes[4],
            // Twice shifted, to carry the sign of 24 bits over.
            cumulative_lost: (word(1) << 8).cast_signed() >> 8,
            highest_sequence: word(2),
            jitter: word(3),
            last_sender_report: word(4),
            delay_since_last_sender_report: word(5),
        }
    }

    pub(super) fn to_bytes(self) -> [u8; BLOCK_LEN] {
        let lost = self.cumulative_lost.clamp(-0x80_0000, 0x7F_FFFF) & 0xFF_FFFF;
        let mut bytes = [0; BLOCK_LEN];
        let (words, _) = bytes.as_chunks_mut::<4>();
        let values = [
            self.ssrc.0,
            (u32::from(self.fraction_lost) << 24) | lost.cast_unsigned(),
            self.highest_sequence,
            self.jitter,
            self.last_sender_report,
            self.delay_since_last_sender_report,
        ];
        for (word, value) in words.iter_mut().zip(values) {
            *word = value.to_be_bytes();
        }
        bytes
    }
}

/// The blocks; what follows them is a profile's and not read.
fn blocks(count: u8, rest: &[u8]) -> Option<&[[u8; BLOCK_LEN]]> {
    let (blocks, _) = rest.as_chunks::<BLOCK_LEN>();
    blocks.get(..count.into())
}

const BLOCK_LEN: usize = 24;
