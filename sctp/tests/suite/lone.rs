//! An association whose peer is the test: what it is given and what it sends, chunk by chunk.

use crate::pair::{chunk, chunks, data, message, overheard, packet};
use peerless_sctp::chunk::data::Data;
use peerless_sctp::chunk::sack::Sack;
use peerless_sctp::chunk::{Chunk, ChunkType, Chunks};
use peerless_sctp::{Association, Config};
use std::time::{Duration, Instant};

/// Z, connected. Its peer of the handshake is gone, and the test speaks in its place.
pub(crate) struct Lone {
    pub(crate) z: Association,
    pub(crate) now: Instant,
    start: Instant,
    /// The tags that packets to Z and to the test carry.
    pub(crate) tag: u32,
    pub(crate) peer_tag: u32,
    /// The numbers of the test's first DATA chunk and of Z's.
    pub(crate) tsn: u32,
    pub(crate) tsn_z: u32,
}

/// A packet that Z has sent, and when.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) at: Duration,
    pub(crate) bytes: Vec<u8>,
}

/// What a SACK says.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Told {
    pub(crate) cumulative: u32,
    pub(crate) a_rwnd: u32,
    pub(crate) gaps: Vec<(u16, u16)>,
    pub(crate) duplicates: Vec<u32>,
}

impl Lone {
    pub(crate) fn new(config: &Config) -> Self {
        let (pair, secrets) = overheard(config);
        Self {
            z: pair.z,
            now: pair.now,
            start: pair.now,
            tag: secrets.tag_z,
            peer_tag: secrets.tag_a,
            tsn: secrets.tsn_a,
            tsn_z: secrets.tsn_z,
        }
    }

    /// Z takes a packet of these chunks.
    pub(crate) fn take(&mut self, chunks: &[u8]) {
        self.z.handle_datagram(self.now, &packet(self.tag, chunks));
    }

    /// Z takes a packet with a whole message on stream 0, the `number`th chunk of the test.
    pub(crate) fn take_data(&mut self, number: u16, len: usize) {
        let tsn = self.tsn.wrapping_add(u32::from(number));
        self.take(&data(tsn, 0, number, 3, &vec![number as u8; len]));
    }

    /// Z takes a SACK for all up to its `number`th chunk, -1 for none, and more beyond.
    pub(crate) fn take_sack(&mut self, number: i32, a_rwnd: u32, gaps: &[(u16, u16)]) {
        let cumulative = self.tsn_z.wrapping_add_signed(number);
        self.take(&sack(cumulative, a_rwnd, gaps, &[]));
    }

    /// Z's application sends a message on stream 0.
    pub(crate) fn send(&mut self, len: usize) {
        self.z.send(self.now, message(0, len, 1)).unwrap();
    }

    /// What Z sends now.
    pub(crate) fn now(&mut self) -> Vec<Made> {
        self.wait(Duration::ZERO)
    }

    /// What Z sends in the time of a round trip, over which it spreads its packets.
    pub(crate) fn round(&mut self) -> Vec<Made> {
        self.wait(Duration::from_millis(20))
    }

    /// What Z sends in this time.
    pub(crate) fn wait(&mut self, time: Duration) -> Vec<Made> {
        let limit = self.now + time;
        let mut made = Vec::new();
        loop {
            let mut buf = Vec::new();
            while let Some(range) = self.z.poll_transmit(self.now, &mut buf) {
                let bytes = buf[range].to_vec();
                made.push(Made { at: self.now - self.start, bytes });
            }
            let Some(next) = self.z.poll_timeout().filter(|next| *next <= limit) else {
                self.now = limit;
                return made;
            };
            self.now = next.max(self.now);
            self.z.handle_timeout(self.now);
        }
    }

    /// What Z sends next, if it does in this time.
    pub(crate) fn next(&mut self, time: Duration) -> Vec<Made> {
        let limit = self.now + time;
        loop {
            let made = self.now();
            if !made.is_empty() {
                return made;
            }
            let Some(next) = self.z.poll_timeout().filter(|next| *next <= limit) else {
                self.now = limit;
                return made;
            };
            self.now = next.max(self.now);
            self.z.handle_timeout(self.now);
        }
    }

    /// How long ago this was, a time since the beginning.
    pub(crate) fn now_since(&self, at: Duration) -> Duration {
        self.now - self.start - at
    }

    /// The numbers of the DATA chunks that Z sends now, packet by packet.
    pub(crate) fn numbers_now(&mut self) -> Vec<Vec<u32>> {
        let made = self.now();
        made.iter().map(|made| self.numbers(&made.bytes)).collect()
    }

    /// The numbers of Z's DATA chunks in a packet, counted from its first one.
    pub(crate) fn numbers(&self, bytes: &[u8]) -> Vec<u32> {
        data_of(bytes).iter().map(|data| data.tsn.0.wrapping_sub(self.tsn_z)).collect()
    }
}

/// A SACK chunk.
pub(crate) fn sack(cumulative: u32, a_rwnd: u32, gaps: &[(u16, u16)], twice: &[u32]) -> Vec<u8> {
    let mut value = cumulative.to_be_bytes().to_vec();
    value.extend(a_rwnd.to_be_bytes());
    value.extend(u16::try_from(gaps.len()).unwrap().to_be_bytes());
    value.extend(u16::try_from(twice.len()).unwrap().to_be_bytes());
    for (first, last) in gaps {
        value.extend(first.to_be_bytes());
        value.extend(last.to_be_bytes());
    }
    value.extend(twice.iter().flat_map(|tsn| tsn.to_be_bytes()));
    chunk(3, 0, &value)
}

/// The chart of packets, each with its milliseconds since the beginning.
pub(crate) fn timed(made: &[Made]) -> Vec<String> {
    made.iter().map(|made| format!("{} {}", made.at.as_millis(), chunks(&made.bytes))).collect()
}

/// The chart of packets.
pub(crate) fn lines(made: &[Made]) -> Vec<String> {
    made.iter().map(|made| chunks(&made.bytes)).collect()
}

fn find(bytes: &[u8], kind: ChunkType) -> Option<Chunk<'_>> {
    Chunks::new(&bytes[12..]).find(|chunk| chunk.kind == kind)
}

/// The SACK in a packet.
pub(crate) fn told(bytes: &[u8]) -> Option<Told> {
    let sack = Sack::parse(&find(bytes, ChunkType::Sack)?)?;
    Some(Told {
        cumulative: sack.cumulative_tsn_ack.0,
        a_rwnd: sack.a_rwnd,
        gaps: sack.gap_ack_blocks().collect(),
        duplicates: sack.duplicates().map(|tsn| tsn.0).collect(),
    })
}

/// The DATA chunks in a packet.
pub(crate) fn data_of(bytes: &[u8]) -> Vec<Data<'_>> {
    Chunks::new(&bytes[12..]).filter_map(|chunk| Data::parse(&chunk)).collect()
}

/// The value of the first chunk of a kind in a packet.
pub(crate) fn value_of(bytes: &[u8], kind: ChunkType) -> Option<&[u8]> {
    find(bytes, kind).map(|chunk| chunk.value)
}
