use stun::{Fingerprint, Key, Message, MessageWriter};

/// Parses a STUN message, reads every attribute, and writes what was read as a new message.
pub fn stun(bytes: &[u8]) {
    let is_stun = stun::is_stun(bytes);
    let Ok(message) = Message::parse(bytes) else { return };
    // RFC 7983 leaves STUN the first bytes 0 to 3; methods above 0xff are not used on shared ports.
    assert!(is_stun || bytes.first().is_some_and(|&first| first > 3));
    let key = Key::short_term("VOkJxbRl1RmTxUk/WvJxBt");
    let _ = (message.username(), message.userhash(), message.realm(), message.nonce());
    let _ = (message.software(), message.mapped_address(), message.alternate_server());
    let _ = (message.priority(), message.use_candidate(), message.ice_controlled());
    let _ = (message.ice_controlling(), message.unknown_attributes().count());
    let _ = (message.check_integrity(&key), message.check_fingerprint());
    let _ = (message.unknown_required().count(), message.error_code());

    let mut buf = Vec::new();
    let mut writer =
        MessageWriter::new(&mut buf, message.class(), message.method(), message.transaction_id());
    if let Some(address) = message.xor_mapped_address() {
        writer = writer.xor_mapped_address(address);
    }
    for attribute in message.attributes() {
        writer = writer.attribute(attribute.kind, attribute.value);
    }
    writer.integrity(&key).fingerprint().finish();
    // A message of the largest size has no room for more.
    let Ok(written) = Message::parse(&buf) else { return };
    assert_eq!(written.transaction_id(), message.transaction_id());
    if message.attributes().count() == 0 {
        written.check_integrity(&key).expect("it was written with this key");
        assert_eq!(written.check_fingerprint(), Fingerprint::Valid);
    }
}
