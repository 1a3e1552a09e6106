use super::{Raw, split_u32};
use crate::sequence::SequenceNumber;
use crate::ssrc::Ssrc;

/// Which packets of a transport arrived, and when: the transport-wide congestion control feedback of
/// draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1.
///
/// ```text
/// |                  SSRC of packet sender                        |
/// |                  SSRC of media source                         |
/// |      base sequence number     |      packet status count      |
/// |                 reference time                | fb pkt. count |
/// |          packet chunk         |         packet chunk          |
/// .                                                               .
/// |         packet chunk          |  recv delta   |  recv delta   |
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TransportFeedback<'a> {
    sender: Ssrc,
    media: Ssrc,
    head: &'a [u8; 8],
    chunks: &'a [[u8; 2]],
    deltas: &'a [u8],
}

impl<'a> TransportFeedback<'a> {
    /// One step of the arrival times, in microseconds.
    pub const TICK_MICROS: u64 = 250;
    /// One step of the reference time: 64 ms.
    pub const TICKS_PER_REFERENCE: i64 = 256;

    pub(super) fn from_raw(raw: Raw<'a>) -> Option<Self> {
        let (sender, rest) = split_u32(raw.body)?;
        let (media, rest) = split_u32(rest)?;
        let (head, rest) = rest.split_first_chunk::<8>()?;
        let status_count = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let (all, _) = rest.as_chunks::<2>();
        let (mut covered, mut chunk_count, mut deltas_len) = (0, 0, 0usize);
        while covered < status_count {
            let chunk = *all.get(chunk_count)?;
            chunk_count += 1;
            // A run says at once what a vector says one by one.
            if let Some((symbol, run)) = run(chunk) {
                let run = run.min(status_count - covered);
                deltas_len += run * symbol.delta_len();
                covered += run;
                continue;
            }
            for symbol in symbols(chunk).take(status_count - covered) {
                deltas_len += symbol.delta_len();
                covered += 1;
            }
        }
        let chunks = all.get(..chunk_count)?;
        let deltas = rest.get(chunk_count * 2..)?.get(..deltas_len)?;
        Some(Self { sender: Ssrc(sender), media: Ssrc(media), head, chunks, deltas })
    }

    /// Who received the packets.
    pub const fn sender(&self) -> Ssrc {
        self.sender
    }

    /// One of the sources of the packets.
    pub const fn media(&self) -> Ssrc {
        self.media
    }

    /// The transport-wide sequence number of the first packet told of.
    pub const fn base(&self) -> SequenceNumber {
        SequenceNumber(u16::from_be_bytes([self.head[0], self.head[1]]))
    }

    /// How many packets are told of.
    pub const fn status_count(&self) -> u16 {
        u16::from_be_bytes([self.head[2], self.head[3]])
    }

    /// The time that the first arrival is counted from, in steps of 64 ms: 24 bits with a sign.
    pub const fn reference_time(&self) -> i32 {
        i32::from_be_bytes([self.head[4], self.head[5], self.head[6], 0]) >> 8
    }

    /// One more for each feedback packet.
    pub const fn feedback_count(&self) -> u8 {
        self.head[7]
    }

    /// The packets in order of their sequence number: `None` for one that did not arrive, else how
    /// many ticks of 250 µs after the arrival before it (the first: after the reference time).
    pub fn arrivals(&self) -> impl Iterator<Item = (SequenceNumber, Option<i16>)> + use<'a> {
        let base = self.base().0;
        let mut deltas = self.deltas;
        let count = self.status_count();
        (0..count).zip(self.chunks.iter().flat_map(|chunk| symbols(*chunk))).map(
            move |(index, symbol)| {
                let (delta, rest) = deltas.split_at_checked(symbol.delta_len()).unwrap_or_default();
                deltas = rest;
                let delta = match *delta {
                    [small] => Some(small.into()),
                    [high, low] => Some(i16::from_be_bytes([high, low])),
                    _ => None,
                };
                (SequenceNumber(base.wrapping_add(index)), delta)
            },
        )
    }
}

/// What a feedback packet's fixed part says.
pub(super) fn head_bytes(
    base: SequenceNumber,
    count: u16,
    reference_time: i32,
    feedback_count: u8,
) -> [u8; 8] {
    let ([b0, b1], [c0, c1]) = (base.0.to_be_bytes(), count.to_be_bytes());
    let [_, r0, r1, r2] = reference_time.to_be_bytes();
    [b0, b1, c0, c1, r0, r1, r2, feedback_count]
}

/// Appends the chunks and deltas of `arrivals`, ticks as [`TransportFeedback::arrivals`] has them.
pub(super) fn write(buf: &mut Vec<u8>, arrivals: &[Option<i16>]) {
    let mut rest = arrivals;
    while let Some(&first) = rest.first() {
        let symbol = Symbol::of(first);
        let run = rest.iter().take(RUN_MAX).take_while(|a| Symbol::of(**a) == symbol).count();
        let small_ahead =
            rest.iter().take(14).take_while(|a| Symbol::of(**a) != Symbol::Large).count();
        let fourteen = rest.len().min(14);
        // A run is best when it is as long as what a vector could hold, or is all that is left.
        let (chunk, covered) = if run >= fourteen || symbol == Symbol::Large && run >= 7 {
            ((symbol as u16) << 13 | run as u16, run)
        } else if small_ahead == fourteen {
            (vector(rest, 14, 1) | 0x8000, fourteen)
        } else {
            (vector(rest, 7, 2) | 0xC000, rest.len().min(7))
        };
        buf.extend_from_slice(&chunk.to_be_bytes());
        rest = rest.get(covered..).unwrap_or_default();
    }
    for delta in arrivals.iter().flatten() {
        match u8::try_from(*delta) {
            Ok(small) => buf.push(small),
            Err(_) => buf.extend_from_slice(&delta.to_be_bytes()),
        }
    }
}

/// How many arrivals fit into `len` bytes of a packet, whatever they are: 20 bytes of header, then
/// at worst 2 bytes of delta for each and 2 bytes of chunk for 7, then up to 3 bytes to the next
/// word.
pub(crate) const fn capacity(len: usize) -> usize {
    len.saturating_sub(20 + 3 + 2) * 7 / 16
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Symbol {
    NotReceived = 0,
    Small = 1,
    Large = 2,
}

impl Symbol {
    fn of(arrival: Option<i16>) -> Self {
        match arrival {
            None => Self::NotReceived,
            Some(0..=255) => Self::Small,
            Some(_) => Self::Large,
        }
    }

    const fn from_bits(bits: u16) -> Self {
        match bits & 3 {
            1 => Self::Small,
            2 => Self::Large,
            // 3 is reserved: nothing is known of the packet.
            _ => Self::NotReceived,
        }
    }

    const fn delta_len(self) -> usize {
        self as usize
    }
}

/// The symbol and the length of a run-length chunk (§3.1.3).
fn run(chunk: [u8; 2]) -> Option<(Symbol, usize)> {
    let chunk = u16::from_be_bytes(chunk);
    (chunk >> 15 == 0).then(|| (Symbol::from_bits(chunk >> 13), usize::from(chunk & 0x1FFF)))
}

/// The symbols of a chunk: a run (§3.1.3), or a vector of 14 or 7 (§3.1.4).
fn symbols(chunk: [u8; 2]) -> impl Iterator<Item = Symbol> {
    let chunk = u16::from_be_bytes(chunk);
    let (count, width) = match chunk >> 14 {
        0 | 1 => (chunk & 0x1FFF, 0),
        2 => (14, 1),
        _ => (7, 2),
    };
    (1..=count).map(move |index| match width {
        0 => Symbol::from_bits(chunk >> 13),
        1 => Symbol::from_bits(chunk >> (14 - index) & 1),
        _ => Symbol::from_bits(chunk >> (14 - 2 * index)),
    })
}

/// The bits of a status vector, the first symbol in the highest.
fn vector(arrivals: &[Option<i16>], count: usize, width: usize) -> u16 {
    arrivals.iter().take(count).enumerate().fold(0, |bits, (index, arrival)| {
        bits | (Symbol::of(*arrival) as u16) << (14 - width * (index + 1))
    })
}

const RUN_MAX: usize = 0x1FFF;
