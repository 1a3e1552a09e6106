use rtp::rtcp::{Compound, Packet};

/// Parses a compound RTCP packet and reads every list in it.
pub fn rtcp(bytes: &[u8]) {
    let Ok(compound) = Compound::parse(bytes) else { return };
    for packet in compound.flatten() {
        let count = match packet {
            Packet::SenderReport(report) => report.blocks().count(),
            Packet::ReceiverReport(report) => report.blocks().count(),
            Packet::SourceDescription(description) => {
                description.chunks().map(|chunk| chunk.items().count() + 1).sum()
            }
            Packet::Goodbye(goodbye) => goodbye.ssrcs().count() + goodbye.reason().len(),
            Packet::Application(application) => application.data().len(),
            // A bit mask names 17 packets in 4 bytes.
            Packet::Nack(nack) => nack.sequence_numbers().count() / 17,
            Packet::TransportFeedback(feedback) => {
                assert_eq!(feedback.arrivals().count(), usize::from(feedback.status_count()));
                0
            }
            Packet::FullIntraRequest(request) => request.entries().count(),
            Packet::ReceiverEstimatedMaximumBitrate(estimate) => estimate.ssrcs().count(),
            _ => 0,
        };
        assert!(count <= bytes.len());
    }
}
