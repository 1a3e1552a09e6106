use super::{
    FullIntraEntry, ItemKind, PictureLossIndication, ReportBlock, SenderInfo, VERSION, format,
    nack, packet_type, remb, transport_feedback,
};
use crate::sequence::SequenceNumber;
use crate::ssrc::Ssrc;

/// Appends RTCP packets to a buffer, one after the other.
///
/// Lists longer than the wire can count (31 blocks, chunks or sources) are cut there.
#[derive(Debug)]
pub struct Writer<'b> {
    buf: &'b mut Vec<u8>,
}

impl<'b> Writer<'b> {
    /// Bytes that a sender report without blocks takes.
    pub const SENDER_REPORT_LEN: usize = 28;
    /// Bytes that a receiver report without blocks takes.
    pub const RECEIVER_REPORT_LEN: usize = 8;
    /// Bytes that each report block adds.
    pub const REPORT_BLOCK_LEN: usize = ReportBlock::LEN;

    /// A writer at the end of `buf`.
    pub const fn new(buf: &'b mut Vec<u8>) -> Self {
        Self { buf }
    }

    /// A sender report.
    pub fn sender_report(
        &mut self,
        info: SenderInfo,
        blocks: impl IntoIterator<Item = ReportBlock>,
    ) -> &mut Self {
        let start = self.begin();
        self.buf.extend_from_slice(&info.to_bytes());
        let count = self.blocks(blocks);
        self.end(start, count, packet_type::SENDER_REPORT)
    }

    /// A receiver report.
    pub fn receiver_report(
        &mut self,
        ssrc: Ssrc,
        blocks: impl IntoIterator<Item = ReportBlock>,
    ) -> &mut Self {
        let start = self.begin();
        self.word(ssrc.0);
        let count = self.blocks(blocks);
        self.end(start, count, packet_type::RECEIVER_REPORT)
    }

    /// A source description of one source. Texts are cut after 255 bytes.
    pub fn source_description<'i>(
        &mut self,
        ssrc: Ssrc,
        items: impl IntoIterator<Item = (ItemKind, &'i [u8])>,
    ) -> &mut Self {
        let start = self.begin();
        self.word(ssrc.0);
        for (kind, data) in items {
            let data = data.get(..255).unwrap_or(data);
            self.buf.extend_from_slice(&[kind.number(), data.len() as u8]);
            self.buf.extend_from_slice(data);
        }
        self.buf.push(0);
        self.end(start, 1, packet_type::SOURCE_DESCRIPTION)
    }

    /// The end of sources, with a reason (cut after 255 bytes) or an empty one.
    pub fn goodbye(&mut self, ssrcs: impl IntoIterator<Item = Ssrc>, reason: &[u8]) -> &mut Self {
        let start = self.begin();
        let mut count = 0;
        for ssrc in ssrcs.into_iter().take(COUNT_MAX) {
            self.word(ssrc.0);
            count += 1;
        }
        if !reason.is_empty() {
            let reason = reason.get(..255).unwrap_or(reason);
            self.buf.push(reason.len() as u8);
            self.buf.extend_from_slice(reason);
        }
        self.end(start, count, packet_type::GOODBYE)
    }

    /// Something of an application's; `data` is padded to whole words, and only the five low bits
    /// of `subtype` count.
    pub fn application(
        &mut self,
        subtype: u8,
        ssrc: Ssrc,
        name: [u8; 4],
        data: &[u8],
    ) -> &mut Self {
        let start = self.begin();
        self.word(ssrc.0);
        self.buf.extend_from_slice(&name);
        self.buf.extend_from_slice(data);
        self.end(start, subtype & 0x1F, packet_type::APPLICATION)
    }

    /// Packets of `media` that `sender` misses, in ascending order.
    pub fn nack(
        &mut self,
        sender: Ssrc,
        media: Ssrc,
        sequence_numbers: impl IntoIterator<Item = SequenceNumber>,
    ) -> &mut Self {
        let start = self.begin();
        self.word(sender.0);
        self.word(media.0);
        nack::pack(sequence_numbers, |entry| self.buf.extend_from_slice(&entry));
        self.end(start, format::NACK, packet_type::TRANSPORT_FEEDBACK)
    }

    /// A picture is lost.
    pub fn picture_loss_indication(&mut self, indication: PictureLossIndication) -> &mut Self {
        let start = self.begin();
        self.word(indication.sender.0);
        self.word(indication.media.0);
        self.end(start, format::PICTURE_LOSS, packet_type::PAYLOAD_FEEDBACK)
    }

    /// Key frames are wanted.
    pub fn full_intra_request(
        &mut self,
        sender: Ssrc,
        entries: impl IntoIterator<Item = FullIntraEntry>,
    ) -> &mut Self {
        let start = self.begin();
        self.word(sender.0);
        // RFC 5104 §4.3.1.2: "the SSRC of media source ... is not used and SHALL be set to 0".
        self.word(0);
        for entry in entries {
            self.word(entry.media.0);
            self.buf.extend_from_slice(&[entry.command_sequence, 0, 0, 0]);
        }
        self.end(start, format::FULL_INTRA, packet_type::PAYLOAD_FEEDBACK)
    }

    /// Which packets of a transport arrived when: those from `base` on, each with its distance in
    /// ticks of 250 µs from the arrival before it, the first from `reference_time` (in 64 ms). At
    /// most 65535 arrivals are told.
    pub fn transport_feedback(
        &mut self,
        (sender, media): (Ssrc, Ssrc),
        base: SequenceNumber,
        reference_time: i32,
        feedback_count: u8,
        arrivals: &[Option<i16>],
    ) -> &mut Self {
        let start = self.begin();
        self.word(sender.0);
        self.word(media.0);
        let arrivals = arrivals.get(..usize::from(u16::MAX)).unwrap_or(arrivals);
        let count = arrivals.len() as u16;
        self.buf.extend_from_slice(&transport_feedback::head_bytes(
            base,
            count,
            reference_time,
            feedback_count,
        ));
        transport_feedback::write(self.buf, arrivals);
        self.end(start, format::TRANSPORT_WIDE, packet_type::TRANSPORT_FEEDBACK)
    }

    /// The bit rate that `sender` believes possible for these streams (at most 255).
    pub fn receiver_estimated_maximum_bitrate(
        &mut self,
        sender: Ssrc,
        bits_per_second: u64,
        ssrcs: &[Ssrc],
    ) -> &mut Self {
        let start = self.begin();
        let ssrcs = ssrcs.get(..255).unwrap_or(ssrcs);
        self.word(sender.0);
        self.word(0);
        self.buf.extend_from_slice(&remb::NAME);
        let [b0, b1, b2] = remb::bitrate_bytes(bits_per_second);
        self.buf.extend_from_slice(&[ssrcs.len() as u8, b0, b1, b2]);
        for ssrc in ssrcs {
            self.word(ssrc.0);
        }
        self.end(start, format::APPLICATION_LAYER, packet_type::PAYLOAD_FEEDBACK)
    }

    fn blocks(&mut self, blocks: impl IntoIterator<Item = ReportBlock>) -> u8 {
        let mut count = 0;
        for block in blocks.into_iter().take(COUNT_MAX) {
            self.buf.extend_from_slice(&block.to_bytes());
            count += 1;
        }
        count
    }

    fn word(&mut self, word: u32) {
        self.buf.extend_from_slice(&word.to_be_bytes());
    }

    fn begin(&mut self) -> usize {
        let start = self.buf.len();
        self.buf.extend_from_slice(&[0; 4]);
        start
    }

    /// Pads to whole words with zeros and writes the header.
    fn end(&mut self, start: usize, count: u8, packet_type: u8) -> &mut Self {
        let len = self.buf.len() - start;
        let padding = len.wrapping_neg() % 4;
        self.buf.extend_from_slice([0; 3].get(..padding).unwrap_or_default());
        let words = u16::try_from((len + padding) / 4 - 1).unwrap_or(u16::MAX);
        let [w0, w1] = words.to_be_bytes();
        if let Some(header) = self.buf.get_mut(start..start + 4) {
            header.copy_from_slice(&[(VERSION << 6) | count, packet_type, w0, w1]);
        }
        self
    }
}

const COUNT_MAX: usize = 31;
