use rtp::Packet;
use rtp::packet::Header;

/// Parses an RTP packet, reads all of it, and its header extensions.
pub fn rtp_packet(bytes: &[u8]) {
    let _ = rtp::packet::is_rtcp(bytes);
    if let Ok(header) = Header::parse(bytes) {
        assert!(header.len() <= bytes.len());
        assert!(header.extension_range().is_none_or(|range| range.end <= header.len()));
    }
    let Ok(packet) = Packet::parse(bytes) else { return };
    let _ = (packet.marker(), packet.payload_type(), packet.sequence_number());
    let _ = (packet.timestamp(), packet.ssrc(), packet.csrcs().count());
    assert_eq!(packet.header_len() + packet.payload().len() + packet.padding_len(), bytes.len());
    let _ = packet.extensions().raw();
    for element in packet.extensions() {
        assert!(element.id != 0 && element.data.len() <= 255);
        // An id may be there more than once: the first is what is found.
        assert!(packet.extension(element.id).is_some());
    }
}
