//! What is written is read back, and no bytes make the parser panic.

use std::net::SocketAddr;

use peerless_stun::{
    AttributeType, Class, Fingerprint, Key, Message, MessageWriter, Method, TransactionId, is_stun,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// An attribute, as a test writes and expects it.
#[derive(Clone, Debug)]
enum Written {
    Username(String),
    Realm(String),
    Nonce(String),
    Software(String),
    XorMappedAddress(SocketAddr),
    MappedAddress(SocketAddr),
    AlternateServer(SocketAddr),
    ErrorCode(u16, String),
    UnknownAttributes(Vec<u16>),
    Priority(u32),
    UseCandidate,
    IceControlled(u64),
    IceControlling(u64),
    Other(u16, Vec<u8>),
}

impl Written {
    fn write<'b>(&self, writer: MessageWriter<'b>) -> MessageWriter<'b> {
        match self {
            Self::Username(text) => writer.username(text),
            Self::Realm(text) => writer.realm(text),
            Self::Nonce(text) => writer.nonce(text),
            Self::Software(text) => writer.software(text),
            Self::XorMappedAddress(address) => writer.xor_mapped_address(*address),
            Self::MappedAddress(address) => writer.mapped_address(*address),
            Self::AlternateServer(address) => writer.alternate_server(*address),
            Self::ErrorCode(code, reason) => writer.error_code(*code, reason),
            Self::UnknownAttributes(types) => writer.unknown_attributes(types.iter().copied()),
            Self::Priority(priority) => writer.priority(*priority),
            Self::UseCandidate => writer.use_candidate(),
            Self::IceControlled(tie_breaker) => writer.ice_controlled(*tie_breaker),
            Self::IceControlling(tie_breaker) => writer.ice_controlling(*tie_breaker),
            Self::Other(kind, value) => writer.attribute(AttributeType::from(*kind), value),
        }
    }

    fn expect(&self, message: &Message<'_>) {
        match self {
            Self::Username(text) => assert_eq!(message.username(), Some(&**text)),
            Self::Realm(text) => assert_eq!(message.realm(), Some(&**text)),
            Self::Nonce(text) => assert_eq!(message.nonce(), Some(&**text)),
            Self::Software(text) => assert_eq!(message.software(), Some(&**text)),
            Self::XorMappedAddress(address) => {
                assert_eq!(message.xor_mapped_address(), Some(*address));
            }
            Self::MappedAddress(address) => assert_eq!(message.mapped_address(), Some(*address)),
            Self::AlternateServer(address) => {
                assert_eq!(message.alternate_server(), Some(*address));
            }
            Self::ErrorCode(code, reason) => {
                let error = message.error_code().expect("it was written");
                assert_eq!((error.code, error.reason), (*code, &**reason));
            }
            Self::UnknownAttributes(types) => {
                let found: Vec<_> =
                    message.unknown_attributes().map(AttributeType::number).collect();
                assert_eq!(found, *types);
            }
            Self::Priority(priority) => assert_eq!(message.priority(), Some(*priority)),
            Self::UseCandidate => assert!(message.use_candidate()),
            Self::IceControlled(tie) => assert_eq!(message.ice_controlled(), Some(*tie)),
            Self::IceControlling(tie) => assert_eq!(message.ice_controlling(), Some(*tie)),
            Self::Other(kind, value) => {
                assert_eq!(message.attribute(AttributeType::from(*kind)), Some(&**value));
                let refused = message.unknown_required().any(|other| other.number() == *kind);
                assert_eq!(refused, *kind < 0x8000);
            }
        }
    }
}

fn written() -> impl Strategy<Value = Written> {
    let address =
        || any::<(std::net::IpAddr, u16)>().prop_map(|(ip, port)| SocketAddr::new(ip, port));
    prop_oneof![
        ".{0,128}".prop_map(Written::Username),
        ".{0,127}".prop_map(Written::Realm),
        ".{0,127}".prop_map(Written::Nonce),
        ".{0,127}".prop_map(Written::Software),
        address().prop_map(Written::XorMappedAddress),
        address().prop_map(Written::MappedAddress),
        address().prop_map(Written::AlternateServer),
        (300..700u16, ".{0,127}").prop_map(|(code, reason)| Written::ErrorCode(code, reason)),
        vec(any::<u16>(), 0..9).prop_map(Written::UnknownAttributes),
        any::<u32>().prop_map(Written::Priority),
        Just(Written::UseCandidate),
        any::<u64>().prop_map(Written::IceControlled),
        any::<u64>().prop_map(Written::IceControlling),
        (any::<u16>(), vec(any::<u8>(), 0..40))
            .prop_filter("a type of ours", |(kind, _)| !AttributeType::from(*kind).is_known())
            .prop_map(|(kind, value)| Written::Other(kind, value)),
    ]
}

fn class() -> impl Strategy<Value = Class> {
    prop_oneof![
        Just(Class::Request),
        Just(Class::Indication),
        Just(Class::SuccessResponse),
        Just(Class::ErrorResponse)
    ]
}

proptest! {
    #[test]
    fn messages_survive_writing_and_reading(
        before in vec(any::<u8>(), 0..5),
        class in class(),
        method in 0..0x1000u16,
        id in any::<[u8; 12]>(),
        attributes in vec(written(), 0..6),
        password in ".{0,80}",
        (sha1, sha256, fingerprint) in any::<(bool, bool, bool)>(),
    ) {
        let method = if method == 1 { Method::Binding } else { Method::Unknown(method) };
        let id = TransactionId::new(id);
        let key = Key::short_term(&password);

        let mut buf = before.clone();
        let mut writer = MessageWriter::new(&mut buf, class, method, id);
        for attribute in &attributes {
            writer = attribute.write(writer);
        }
        if sha1 {
            writer = writer.integrity(&key);
        }
        if sha256 {
            writer = writer.integrity_sha256(&key);
        }
        if fingerprint {
            writer = writer.fingerprint();
        }
        let range = writer.finish();

        prop_assert_eq!(&buf[..range.start], &before);
        prop_assert_eq!(range.end, buf.len());
        prop_assert!(is_stun(&buf[range.clone()]) || buf[range.start] > 3);
        let message = Message::parse(&buf[range]).unwrap();
        prop_assert_eq!((message.class(), message.method()), (class, method));
        prop_assert_eq!(message.transaction_id(), id);
        prop_assert_eq!(message.check_integrity(&key).is_ok(), sha1 || sha256);
        let expected = if fingerprint { Fingerprint::Valid } else { Fingerprint::Absent };
        prop_assert_eq!(message.check_fingerprint(), expected);

        // The first of a kind counts.
        let mut kinds = Vec::new();
        for attribute in &attributes {
            let kind = match attribute {
                Written::Other(kind, _) => (std::mem::discriminant(attribute), *kind),
                _ => (std::mem::discriminant(attribute), 0),
            };
            if !kinds.contains(&kind) {
                attribute.expect(&message);
                kinds.push(kind);
            }
        }
    }

    #[test]
    fn no_bytes_make_the_parser_panic(
        mut bytes in vec(any::<u8>(), 0..200),
        header in any::<bool>(),
    ) {
        if header && bytes.len() >= 20 {
            bytes.truncate(bytes.len() / 4 * 4);
            let length = (bytes.len() - 20) as u16;
            bytes[0] &= 0x3f;
            bytes[2..4].copy_from_slice(&length.to_be_bytes());
            bytes[4..8].copy_from_slice(&0x2112_a442u32.to_be_bytes());
        }
        if let Ok(message) = Message::parse(&bytes) {
            let key = Key::short_term("password");
            let _ = (message.check_integrity(&key), message.check_fingerprint());
            let _ = message.to_string();
            let _ = message.unknown_required().count() + message.unknown_attributes().count();
            let _ = (message.error_code(), message.xor_mapped_address(), message.username());
        }
    }
}
