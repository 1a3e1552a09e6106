//! RE-CONFIG ([RFC 6525 §3.1](https://www.rfc-editor.org/rfc/rfc6525#section-3.1)) and its parameters
//! ([§4](https://www.rfc-editor.org/rfc/rfc6525#section-4)).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Type = 130   |  Chunk Flags  |         Chunk Length          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! \                  Re-configuration Parameter                   \
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! \             Re-configuration Parameter (optional)             \
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use crate::chunk::parameter::{self, Parameter};
use crate::chunk::{ChunkType, begin, end, u16_at, u32_at};
use crate::tsn::Tsn;

/// The result in a Re-configuration Response
/// ([RFC 6525 §4.4](https://www.rfc-editor.org/rfc/rfc6525#section-4.4)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ResetResult {
    /// Success, nothing to do (0).
    NothingToDo,
    /// Success, performed (1).
    Performed,
    /// Denied (2).
    Denied,
    /// A stream does not exist (3).
    WrongSsn,
    /// Another request is in progress (4).
    RequestAlreadyInProgress,
    /// The request sequence number is not the expected one (5).
    BadSequenceNumber,
    /// Data that comes before the reset is still missing; ask again (6).
    InProgress,
    /// Any other.
    Unknown(u32),
}

impl ResetResult {
    /// The result with this number.
    pub const fn from_wire(value: u32) -> Self {
        match value {
            0 => Self::NothingToDo,
            1 => Self::Performed,
            2 => Self::Denied,
            3 => Self::WrongSsn,
            4 => Self::RequestAlreadyInProgress,
            5 => Self::BadSequenceNumber,
            6 => Self::InProgress,
            other => Self::Unknown(other),
        }
    }

    /// The number of this result.
    pub const fn to_wire(self) -> u32 {
        match self {
            Self::NothingToDo => 0,
            Self::Performed => 1,
            Self::Denied => 2,
            Self::WrongSsn => 3,
            Self::RequestAlreadyInProgress => 4,
            Self::BadSequenceNumber => 5,
            Self::InProgress => 6,
            Self::Unknown(value) => value,
        }
    }
}

/// A parameter of a RE-CONFIG chunk.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Request<'a> {
    /// Its sender has reset streams that it sends on (§4.1).
    ///
    /// ```text
    /// | Parameter Type = 13           | Parameter Length = 16 + 2 * N |
    /// |           Re-configuration Request Sequence Number            |
    /// |           Re-configuration Response Sequence Number           |
    /// |                Sender's Last Assigned TSN                     |
    /// |  Stream Number 1 (optional)   |    Stream Number 2 (optional) |
    /// ```
    OutgoingReset {
        /// The number of the request.
        sequence: u32,
        /// The last number given to data of before the reset.
        last_assigned_tsn: Tsn,
        /// The streams; none stands for all.
        streams: StreamNumbers<'a>,
    },
    /// Its sender asks us to reset streams that we send on (§4.2).
    IncomingReset {
        /// The number of the request.
        sequence: u32,
        /// The streams; none stands for all.
        streams: StreamNumbers<'a>,
    },
    /// Its sender adds streams that it sends on (§4.5).
    AddOutgoing {
        /// The number of the request.
        sequence: u32,
        /// How many.
        count: u16,
    },
    /// Its sender asks us to add streams that we send on (§4.6).
    AddIncoming {
        /// The number of the request.
        sequence: u32,
        /// How many.
        count: u16,
    },
    /// Another request, to be denied: SSN/TSN reset (§4.3).
    Other {
        /// The number of the request.
        sequence: u32,
    },
    /// The answer to a request (§4.4).
    Response {
        /// The number of the request that is answered.
        sequence: u32,
        /// The answer.
        result: ResetResult,
    },
}

/// Stream numbers in a reset request.
#[derive(Clone, Copy, Debug)]
pub struct StreamNumbers<'a>(&'a [u8]);

impl<'a> StreamNumbers<'a> {
    /// The numbers.
    pub fn iter(&self) -> impl Iterator<Item = u16> + use<'a> {
        let (numbers, _) = self.0.as_chunks::<2>();
        numbers.iter().map(|&number| u16::from_be_bytes(number))
    }

    /// Whether there are none, which stands for all streams.
    pub const fn is_empty(&self) -> bool {
        self.0.len() < 2
    }
}

impl<'a> Request<'a> {
    /// Reads a parameter of a RE-CONFIG chunk; `None` when it is cut off or not known.
    pub fn parse(parameter: &Parameter<'a>) -> Option<Self> {
        let value = parameter.value;
        let sequence = u32_at(value, 0)?;
        Some(match parameter.kind {
            parameter::OUTGOING_SSN_RESET_REQUEST => Self::OutgoingReset {
                sequence,
                last_assigned_tsn: Tsn(u32_at(value, 8)?),
                streams: StreamNumbers(value.get(12..)?),
            },
            parameter::INCOMING_SSN_RESET_REQUEST => {
                Self::IncomingReset { sequence, streams: StreamNumbers(value.get(4..)?) }
            }
            parameter::ADD_OUTGOING_STREAMS_REQUEST => {
                Self::AddOutgoing { sequence, count: u16_at(value, 4)? }
            }
            parameter::ADD_INCOMING_STREAMS_REQUEST => {
                Self::AddIncoming { sequence, count: u16_at(value, 4)? }
            }
            parameter::SSN_TSN_RESET_REQUEST => Self::Other { sequence },
            parameter::RE_CONFIGURATION_RESPONSE => {
                Self::Response { sequence, result: ResetResult::from_wire(u32_at(value, 4)?) }
            }
            _ => return None,
        })
    }
}

/// Appends a RE-CONFIG with an Outgoing SSN Reset Request.
pub(crate) fn write_outgoing_reset(
    buf: &mut Vec<u8>,
    sequence: u32,
    response_sequence: u32,
    last_assigned_tsn: Tsn,
    streams: &[u16],
) {
    let start = begin(buf, ChunkType::ReConfig, 0);
    let len = u16::try_from(16 + 2 * streams.len()).unwrap_or(u16::MAX);
    buf.extend_from_slice(&parameter::OUTGOING_SSN_RESET_REQUEST.to_be_bytes());
    buf.extend_from_slice(&len.to_be_bytes());
    buf.extend_from_slice(&sequence.to_be_bytes());
    buf.extend_from_slice(&response_sequence.to_be_bytes());
    buf.extend_from_slice(&last_assigned_tsn.0.to_be_bytes());
    for stream in streams {
        buf.extend_from_slice(&stream.to_be_bytes());
    }
    // The padding of the parameter does count in the chunk's length unless it is the last one.
    end(buf, start);
}

/// Appends a RE-CONFIG with a request to add `count` streams: `kind` says in which direction.
pub(crate) fn write_add_streams(buf: &mut Vec<u8>, kind: u16, sequence: u32, count: u16) {
    let start = begin(buf, ChunkType::ReConfig, 0);
    let [high, low] = count.to_be_bytes();
    buf.extend_from_slice(&kind.to_be_bytes());
    buf.extend_from_slice(&12_u16.to_be_bytes());
    buf.extend_from_slice(&sequence.to_be_bytes());
    buf.extend_from_slice(&[high, low, 0, 0]);
    end(buf, start);
}

/// Appends a RE-CONFIG with a Re-configuration Response or two: the numbers of the requests and their
/// results.
pub(crate) fn write_responses(
    buf: &mut Vec<u8>,
    first: (u32, ResetResult),
    second: Option<(u32, ResetResult)>,
) {
    let start = begin(buf, ChunkType::ReConfig, 0);
    for (sequence, result) in std::iter::once(first).chain(second) {
        buf.extend_from_slice(&parameter::RE_CONFIGURATION_RESPONSE.to_be_bytes());
        buf.extend_from_slice(&12_u16.to_be_bytes());
        buf.extend_from_slice(&sequence.to_be_bytes());
        buf.extend_from_slice(&result.to_wire().to_be_bytes());
    }
    end(buf, start);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::Chunks;
    use crate::chunk::parameter::Parameters;

    #[test]
    fn requests_and_responses_read_back() {
        let mut buf = Vec::new();
        write_outgoing_reset(&mut buf, 1, 2, Tsn(3), &[4, 5, 6]);
        write_responses(&mut buf, (7, ResetResult::InProgress), None);
        let mut requests = Vec::new();
        for chunk in Chunks::new(&buf) {
            assert_eq!(chunk.kind, ChunkType::ReConfig);
            requests.extend(Parameters::new(chunk.value).filter_map(|p| Request::parse(&p)));
        }
        let [Request::OutgoingReset { sequence: 1, last_assigned_tsn: Tsn(3), streams }, answer] =
            requests[..]
        else {
            panic!("{requests:?}");
        };
        assert_eq!(streams.iter().collect::<Vec<_>>(), [4, 5, 6]);
        assert!(matches!(
            answer,
            Request::Response { sequence: 7, result: ResetResult::InProgress }
        ));
    }

    #[test]
    fn added_streams_read_back() {
        let mut buf = Vec::new();
        write_add_streams(&mut buf, parameter::ADD_OUTGOING_STREAMS_REQUEST, 1, 500);
        write_add_streams(&mut buf, parameter::ADD_INCOMING_STREAMS_REQUEST, 2, 600);
        let requests: Vec<_> = Chunks::new(&buf)
            .flat_map(|chunk| Parameters::new(chunk.value))
            .filter_map(|p| Request::parse(&p))
            .collect();
        assert!(matches!(
            requests[..],
            [
                Request::AddOutgoing { sequence: 1, count: 500 },
                Request::AddIncoming { sequence: 2, count: 600 }
            ]
        ));
    }

    #[test]
    fn results_survive_the_wire() {
        for value in 0..9 {
            assert_eq!(ResetResult::from_wire(value).to_wire(), value);
        }
    }
}
