use dtls_srtp::dtls::fuzzing::messages;

/// Handshake messages, and the ACK: what is read as one is read to its end, and written as it came
/// where all of it is kept.
pub fn dtls_message(bytes: &[u8]) {
    let readings = messages(bytes);
    if readings.is_empty() {
        return;
    }
    let longer = messages(&[bytes, &[0]].concat());
    for reading in readings {
        let name = reading.name;
        assert!(reading.written.is_none_or(|written| written == bytes), "{name}");
        // Each ends where its last vector does.
        assert!(longer.iter().all(|longer| longer.name != name), "{name} with a byte behind it");
    }
}
