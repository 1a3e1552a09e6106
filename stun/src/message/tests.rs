use super::*;

const ID: TransactionId = TransactionId::new(*b"abcdefghijkl");

fn request(write: impl FnOnce(MessageWriter<'_>) -> MessageWriter<'_>) -> Vec<u8> {
    let mut buf = Vec::new();
    let writer = MessageWriter::new(&mut buf, Class::Request, Method::Binding, ID);
    let _ = write(writer).finish();
    buf
}

#[test]
fn a_header_alone_is_a_message() {
    let bytes = request(|writer| writer);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.transaction_id(), ID);
    assert_eq!(message.attributes().count(), 0);
    assert!(is_stun(&bytes));
}

#[test]
fn errors_say_what_is_wrong() {
    let bytes = request(|writer| writer.priority(1));
    let damaged = |at: usize, value: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = value;
        Message::parse(&bytes).map(|_| ()).unwrap_err()
    };
    assert_eq!(Message::parse(&bytes[..19]).unwrap_err(), ParseError::TooShort { len: 19 });
    assert_eq!(Message::parse(&bytes[..24]).unwrap_err(), ParseError::Length { said: 8, is: 4 });
    assert_eq!(damaged(0, 0x80), ParseError::NotStun);
    assert_eq!(damaged(3, 9), ParseError::Length { said: 9, is: 8 });
    assert_eq!(damaged(4, 0), ParseError::MagicCookie);
    assert_eq!(damaged(23, 5), ParseError::Attribute { offset: 20 });
    assert_eq!(
        damaged(23, 5).to_string(),
        "the attribute at byte 20 runs over the end of the message"
    );
}

#[test]
fn attributes_after_the_integrity_are_ignored() {
    let key = Key::short_term("password");
    let bytes = request(|writer| {
        writer
            .priority(1)
            .integrity(&key)
            .use_candidate()
            .integrity_sha256(&key)
            .attribute(AttributeType::Unknown(0x7777), &[])
            .integrity(&key)
            .fingerprint()
    });
    let message = Message::parse(&bytes).unwrap();
    let kinds: Vec<_> = message.attributes().map(|attribute| attribute.kind).collect();
    assert_eq!(
        kinds,
        [
            AttributeType::Priority,
            AttributeType::MessageIntegrity,
            AttributeType::MessageIntegritySha256,
            AttributeType::Fingerprint,
        ]
    );
    assert!(!message.use_candidate());
    assert_eq!(message.unknown_required().count(), 0);
    assert_eq!(message.check_integrity(&key), Ok(()));
}

#[test]
fn the_sha256_code_decides_when_there_are_both() {
    let (right, wrong) = (Key::short_term("right"), Key::short_term("wrong"));
    let bytes = request(|writer| writer.integrity(&wrong).integrity_sha256(&right));
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.check_integrity(&right), Ok(()));
    assert_eq!(message.check_integrity(&wrong), Err(IntegrityError::Mismatch));
}

#[test]
fn a_truncated_code_is_refused() {
    let key = Key::short_term("password");
    let bytes = request(|writer| writer.integrity_sha256(&key));
    let full = Message::parse(&bytes).unwrap().attribute(AttributeType::MessageIntegritySha256);
    let cut = &full.unwrap()[..16];
    let bytes = request(|writer| writer.attribute(AttributeType::MessageIntegritySha256, cut));
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.check_integrity(&key), Err(IntegrityError::Mismatch));

    let bytes = request(|writer| writer.attribute(AttributeType::MessageIntegrity, &[]));
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.check_integrity(&key), Err(IntegrityError::Mismatch));
}

#[test]
fn a_fingerprint_that_is_not_last_is_wrong() {
    let bytes = request(|writer| writer.fingerprint().priority(1));
    assert_eq!(Message::parse(&bytes).unwrap().check_fingerprint(), Fingerprint::Wrong);
    let bytes = request(|writer| writer.attribute(AttributeType::Fingerprint, &[1, 2]));
    assert_eq!(Message::parse(&bytes).unwrap().check_fingerprint(), Fingerprint::Wrong);
}

#[test]
fn malformed_values_read_as_absent() {
    let bytes = request(|writer| {
        writer
            .attribute(AttributeType::Priority, &[1, 2, 3])
            .attribute(AttributeType::IceControlled, &[0; 9])
            .attribute(AttributeType::XorMappedAddress, &[0, 3, 0, 0, 1, 2, 3, 4])
            .attribute(AttributeType::Username, &[0xff, 0xfe])
            .attribute(AttributeType::ErrorCode, &[0, 0])
            .attribute(AttributeType::UnknownAttributes, &[0x12, 0x34, 0x56])
    });
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.priority(), None);
    assert_eq!(message.ice_controlled(), None);
    assert_eq!(message.xor_mapped_address(), None);
    assert_eq!(message.username(), None);
    assert_eq!(message.error_code(), None);
    assert_eq!(message.unknown_attributes().count(), 1);
}

#[test]
fn display_is_one_line_without_codes() {
    let bytes = request(|writer| {
        writer
            .username("a\nb")
            .nonce("cookie")
            .error_code(ErrorCode::ROLE_CONFLICT, "Role Conflict")
            .unknown_attributes([0x0003, 0x0006])
            .xor_mapped_address("192.0.2.1:7".parse().unwrap())
            .attribute(AttributeType::Unknown(0xc057), &[0, 0, 0, 10])
            .attribute(AttributeType::Priority, &[])
            .use_candidate()
    });
    assert_eq!(
        Message::parse(&bytes).unwrap().to_string(),
        "STUN binding request 6162636465666768696a6b6c, username a\\nb, nonce, \
         error-code 487 Role Conflict, unknown-attributes 0x0003 username, \
         xor-mapped-address 192.0.2.1:7, 0xc057[4], priority (malformed), use-candidate"
    );
}

#[test]
fn only_datagrams_of_the_right_shape_are_stun() {
    let bytes = request(|writer| writer.priority(1));
    assert!(is_stun(&bytes));
    assert!(!is_stun(&bytes[..27]));
    assert!(!is_stun(&[]));
    let mut dtls = bytes.clone();
    dtls[0] = 22;
    assert!(!is_stun(&dtls));
    let mut cookie = bytes;
    cookie[5] = 0;
    assert!(!is_stun(&cookie));
}
