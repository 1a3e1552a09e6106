use sctp::chunk::{ChunkType, data, error_cause, forward_tsn, init, parameter, re_config, sack};
use sctp::packet::Packet;

/// Parses an SCTP packet with the checksum that the input lacks, and every chunk in it.
pub fn sctp_packet(bytes: &[u8]) {
    read(bytes);
    let mut bytes = bytes.to_vec();
    fix_checksum(&mut bytes);
    read(&bytes);
}

fn read(bytes: &[u8]) {
    let Ok(packet) = Packet::parse(bytes) else { return };
    let _ = (packet.source_port(), packet.destination_port(), packet.verification_tag());
    let mut total = 0;
    for chunk in packet.chunks() {
        total += chunk.whole.len();
        assert_eq!(ChunkType::from_wire(chunk.kind.to_wire()), chunk.kind);
        if let Some(data) = data::Data::parse(&chunk) {
            assert!(data.payload.len() <= chunk.value.len());
            let _ = (data.is_begin(), data.is_end());
        }
        if let Some(sack) = sack::Sack::parse(&chunk) {
            let _ = (sack.gap_ack_blocks().count(), sack.duplicates().count());
        }
        if let Some(forward) = forward_tsn::ForwardTsn::parse(&chunk) {
            assert!(forward.streams().count() <= chunk.value.len());
        }
        if let Some((_, parameters)) = init::Init::parse(&chunk) {
            assert!(parameters.count() <= chunk.value.len());
        }
        for parameter in parameter::Parameters::new(chunk.value) {
            let _ = re_config::Request::parse(&parameter);
        }
        assert!(error_cause::parse(chunk.value).count() <= chunk.value.len());
    }
    assert!(total <= bytes.len());
}

/// Puts in the CRC32c that [RFC 9260 §6.8](https://www.rfc-editor.org/rfc/rfc9260#section-6.8) asks
/// for, over the packet with zeros in its place.
pub(crate) fn fix_checksum(packet: &mut [u8]) {
    if let Some(field) = packet.get_mut(8..12) {
        field.fill(0);
        let checksum = crc32c::crc32c(packet);
        if let Some(field) = packet.get_mut(8..12) {
            field.copy_from_slice(&checksum.to_le_bytes());
        }
    }
}
