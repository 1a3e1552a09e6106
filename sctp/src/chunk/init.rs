//! INIT and INIT ACK ([RFC 9260 §3.3.2](https://www.rfc-editor.org/rfc/rfc9260#section-3.3.2),
//! [§3.3.3](https://www.rfc-editor.org/rfc/rfc9260#section-3.3.3)).

use crate::chunk::parameter::{self, Parameters};
use crate::chunk::{Chunk, ChunkType, begin, end};
use crate::tsn::Tsn;

/// The extensions that an endpoint says it has.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Extensions {
    /// Partial reliability: FORWARD TSN (RFC 3758).
    pub forward_tsn: bool,
    /// Stream reset: RE-CONFIG (RFC 6525).
    pub re_config: bool,
    /// Interleaving of messages: I-DATA (RFC 8260).
    pub i_data: bool,
    /// Partial reliability of interleaved messages: I-FORWARD-TSN (RFC 8260).
    pub i_forward_tsn: bool,
    /// Packets whose checksum is zero are accepted, because DTLS below finds every damage
    /// (RFC 9653).
    pub zero_checksum: bool,
}

impl Extensions {
    /// As bits, for what is kept in a form of our own.
    pub(crate) const fn to_bits(self) -> u8 {
        let Self { forward_tsn, re_config, i_data, i_forward_tsn, zero_checksum } = self;
        forward_tsn as u8
            | (re_config as u8) << 1
            | (i_data as u8) << 2
            | (i_forward_tsn as u8) << 3
            | (zero_checksum as u8) << 4
    }

    /// What [`Self::to_bits`] was given.
    pub(crate) const fn from_bits(bits: u8) -> Self {
        Self {
            forward_tsn: bits & 1 != 0,
            re_config: bits & 2 != 0,
            i_data: bits & 4 != 0,
            i_forward_tsn: bits & 8 != 0,
            zero_checksum: bits & 16 != 0,
        }
    }
}

/// The fixed part of an INIT or INIT ACK chunk.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |  Type = 1, 2  |  Chunk Flags  |         Chunk Length          |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                         Initiate Tag                          |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |          Advertised Receiver Window Credit (a_rwnd)           |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |  Number of Outbound Streams   |   Number of Inbound Streams   |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                          Initial TSN                          |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// \              Optional/Variable-Length Parameters              \
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Init {
    /// The verification tag that packets to its sender must carry.
    pub initiate_tag: u32,
    /// Its receive window in bytes.
    pub a_rwnd: u32,
    /// How many streams its sender wants to send on.
    pub outbound_streams: u16,
    /// How many streams its sender can receive on.
    pub inbound_streams: u16,
    /// The number of its first DATA chunk.
    pub initial_tsn: Tsn,
    /// The extensions that it has.
    pub extensions: Extensions,
}

impl Init {
    /// Reads the fixed part and the extensions; the parameters are returned for the rest.
    pub fn parse<'a>(chunk: &Chunk<'a>) -> Option<(Self, Parameters<'a>)> {
        let (header, rest) = chunk.value.split_first_chunk::<16>()?;
        let [t0, t1, t2, t3, w0, w1, w2, w3, o0, o1, i0, i1, n0, n1, n2, n3] = *header;
        let parameters = Parameters::new(rest);
        let mut extensions = Extensions::default();
        for parameter in parameters.clone().processed() {
            match parameter.kind {
                parameter::FORWARD_TSN_SUPPORTED => extensions.forward_tsn = true,
                parameter::SUPPORTED_EXTENSIONS => {
                    let has = |kind: ChunkType| parameter.value.contains(&kind.to_wire());
                    extensions.forward_tsn |= has(ChunkType::ForwardTsn);
                    extensions.re_config |= has(ChunkType::ReConfig);
                    extensions.i_data |= has(ChunkType::IData);
                    extensions.i_forward_tsn |= has(ChunkType::IForwardTsn);
                }
                parameter::ZERO_CHECKSUM_ACCEPTABLE => {
                    extensions.zero_checksum |= parameter.value == EDMID_DTLS.to_be_bytes();
                }
                _ => {}
            }
        }
        let init = Self {
            initiate_tag: u32::from_be_bytes([t0, t1, t2, t3]),
            a_rwnd: u32::from_be_bytes([w0, w1, w2, w3]),
            outbound_streams: u16::from_be_bytes([o0, o1]),
            inbound_streams: u16::from_be_bytes([i0, i1]),
            initial_tsn: Tsn(u32::from_be_bytes([n0, n1, n2, n3])),
            extensions,
        };
        Some((init, parameters))
    }

    /// Appends the chunk: an INIT, or an INIT ACK when there is a cookie. `unrecognized` are the
    /// parameters to report.
    pub(crate) fn write(&self, buf: &mut Vec<u8>, cookie: Option<&[u8]>, unrecognized: &[u8]) {
        let kind = if cookie.is_some() { ChunkType::InitAck } else { ChunkType::Init };
        let start = begin(buf, kind, 0);
        buf.extend_from_slice(&self.initiate_tag.to_be_bytes());
        buf.extend_from_slice(&self.a_rwnd.to_be_bytes());
        buf.extend_from_slice(&self.outbound_streams.to_be_bytes());
        buf.extend_from_slice(&self.inbound_streams.to_be_bytes());
        buf.extend_from_slice(&self.initial_tsn.0.to_be_bytes());
        if let Some(cookie) = cookie {
            parameter::write(buf, parameter::STATE_COOKIE, cookie);
        }
        let Extensions { forward_tsn, re_config, i_data, i_forward_tsn, zero_checksum } =
            self.extensions;
        if zero_checksum {
            let method = EDMID_DTLS.to_be_bytes();
            parameter::write(buf, parameter::ZERO_CHECKSUM_ACCEPTABLE, &method);
        }
        if forward_tsn {
            parameter::write(buf, parameter::FORWARD_TSN_SUPPORTED, &[]);
        }
        let kinds = [
            (re_config, ChunkType::ReConfig),
            (forward_tsn, ChunkType::ForwardTsn),
            (i_data, ChunkType::IData),
            (i_forward_tsn, ChunkType::IForwardTsn),
        ];
        let mut supported = [0; 4];
        let mut count = 0;
        for (_, kind) in kinds.iter().filter(|(has, _)| *has) {
            if let Some(place) = supported.get_mut(count) {
                *place = kind.to_wire();
                count += 1;
            }
        }
        let supported = supported.get(..count).unwrap_or_default();
        if !supported.is_empty() {
            parameter::write(buf, parameter::SUPPORTED_EXTENSIONS, supported);
        }
        for parameter in Parameters::new(unrecognized) {
            parameter::write(buf, parameter::UNRECOGNIZED_PARAMETER, parameter.whole);
        }
        end(buf, start);
    }
}

/// The error detection method that a lower layer of DTLS is
/// ([RFC 9653 §8](https://www.rfc-editor.org/rfc/rfc9653#section-8)).
const EDMID_DTLS: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::Chunks;

    #[test]
    fn init_and_init_ack_read_back() {
        let init = Init {
            initiate_tag: 7,
            a_rwnd: 131_072,
            outbound_streams: 1000,
            inbound_streams: 65535,
            initial_tsn: Tsn(u32::MAX),
            extensions: Extensions::from_bits(0b1_1111),
        };
        let mut buf = Vec::new();
        init.write(&mut buf, None, &[]);
        let chunk = Chunks::new(&buf).next().unwrap();
        assert_eq!(chunk.kind, ChunkType::Init);
        assert_eq!(Init::parse(&chunk).unwrap().0, init);

        for bits in 0..32 {
            let init = Init { extensions: Extensions::from_bits(bits), ..init };
            let mut buf = Vec::new();
            init.write(&mut buf, None, &[]);
            let read = Init::parse(&Chunks::new(&buf).next().unwrap()).unwrap().0;
            assert_eq!((read, read.extensions.to_bits()), (init, bits));
        }

        buf.clear();
        init.write(&mut buf, Some(b"cookies"), &[0xff, 0xf0, 0, 4]);
        let chunk = Chunks::new(&buf).next().unwrap();
        assert_eq!(chunk.kind, ChunkType::InitAck);
        let (read, mut parameters) = Init::parse(&chunk).unwrap();
        assert_eq!(read, init);
        let cookie = parameters.next().unwrap();
        assert_eq!((cookie.kind, cookie.value), (parameter::STATE_COOKIE, &b"cookies"[..]));
        let reported = parameters.last().unwrap();
        assert_eq!(reported.kind, parameter::UNRECOGNIZED_PARAMETER);
        assert_eq!(reported.value, [0xff, 0xf0, 0, 4]);
    }
}
