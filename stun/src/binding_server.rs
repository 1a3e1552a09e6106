//! The other side of a Binding transaction.

use std::net::SocketAddr;

use tracing::trace;

use crate::fingerprint::Fingerprint;
use crate::message::{Class, ErrorCode, Message, MessageWriter, Method};
use crate::transport::{Datagram, Transmit};

/// Tells everybody who asks which address they come from
/// ([RFC 8489 §6.3.1](https://www.rfc-editor.org/rfc/rfc8489#section-6.3.1)).
///
/// It keeps nothing between requests and has no clock, so that it can be shared and cannot be
/// filled up. Without SOFTWARE, an answer has at most three times the bytes of its request, so
/// that it is of little use to who forges source addresses.
#[derive(Clone, Debug, Default)]
pub struct BindingServer {
    software: Option<String>,
}

impl BindingServer {
    /// A server that does not say what it is.
    pub const fn new() -> Self {
        Self { software: None }
    }

    /// The same, with a SOFTWARE attribute in each response; at most 127 characters are used.
    #[must_use]
    pub fn with_software(self, software: &str) -> Self {
        Self { software: Some(software.chars().take(127).collect()) }
    }

    /// Appends the answer to a datagram to `buf`; `None` when it deserves none: it is no STUN
    /// message, no Binding request, or its FINGERPRINT is wrong.
    pub fn respond<'b>(
        &self,
        datagram: &Datagram<'_>,
        buf: &'b mut Vec<u8>,
    ) -> Option<Transmit<'b>> {
        let request = Message::parse(datagram.contents).ok()?;
        let fingerprint = request.check_fingerprint();
        if request.class() != Class::Request
            || request.method() != Method::Binding
            || fingerprint == Fingerprint::Wrong
        {
            return None;
        }
        trace!(path = %datagram.path, %request);

        let mut writer = if request.unknown_required().next().is_none() {
            MessageWriter::new(
                buf,
                Class::SuccessResponse,
                Method::Binding,
                request.transaction_id(),
            )
            .xor_mapped_address(unmapped(datagram.path.remote))
        } else {
            // "the server [..] generates an error response with an error code of 420 (Unknown
            // Attribute) and includes an UNKNOWN-ATTRIBUTES attribute in the response that lists
            // the unknown comprehension-required attributes" (RFC 8489 §6.3.1).
            MessageWriter::new(buf, Class::ErrorResponse, Method::Binding, request.transaction_id())
                .error_code(ErrorCode::UNKNOWN_ATTRIBUTE, "Unknown Attribute")
                .unknown_attributes(request.unknown_required())
        };
        if let Some(software) = &self.software {
            writer = writer.software(software);
        }
        // "If the request contained a FINGERPRINT, the response does too": who multiplexes needs
        // it (RFC 8489 §7).
        if fingerprint == Fingerprint::Valid {
            writer = writer.fingerprint();
        }
        let range = writer.finish();
        Some(Transmit::new(datagram.path, buf.get(range).unwrap_or_default()))
    }
}

/// A dual-stack socket shows an IPv4 sender as `::ffff:a.b.c.d`; the sender asked for `a.b.c.d`.
fn unmapped(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{AttributeType, TransactionId};
    use crate::transport::FiveTuple;

    const ID: TransactionId = TransactionId::new([9; 12]);

    fn path() -> FiveTuple {
        FiveTuple::udp("192.0.2.1:3478".parse().unwrap(), "203.0.113.9:61000".parse().unwrap())
    }

    fn request(
        class: Class,
        method: Method,
        write: impl FnOnce(MessageWriter<'_>) -> MessageWriter<'_>,
    ) -> Vec<u8> {
        let mut buf = Vec::new();
        let _ = write(MessageWriter::new(&mut buf, class, method, ID)).finish();
        buf
    }

    fn respond(server: &BindingServer, path: FiveTuple, request: &mut [u8]) -> Option<Vec<u8>> {
        let mut buf = Vec::new();
        let transmit = server.respond(&Datagram::new(path, request), &mut buf)?;
        assert_eq!(transmit.path, path);
        Some(transmit.contents.to_vec())
    }

    #[test]
    fn a_request_is_answered_with_its_source() {
        let mut request = request(Class::Request, Method::Binding, |writer| writer);
        let response = respond(&BindingServer::new(), path(), &mut request).unwrap();
        let message = Message::parse(&response).unwrap();
        assert_eq!(message.class(), Class::SuccessResponse);
        assert_eq!(message.transaction_id(), ID);
        assert_eq!(message.xor_mapped_address(), Some(path().remote));
        assert_eq!(message.check_fingerprint(), Fingerprint::Absent);
    }

    #[test]
    fn an_ipv4_mapped_source_is_shown_as_ipv4() {
        let mut request = request(Class::Request, Method::Binding, |writer| writer);
        let path = FiveTuple { remote: "[::ffff:203.0.113.9]:7".parse().unwrap(), ..path() };
        let response = respond(&BindingServer::new(), path, &mut request).unwrap();
        let address = Message::parse(&response).unwrap().xor_mapped_address();
        assert_eq!(address, Some("203.0.113.9:7".parse().unwrap()));
    }

    #[test]
    fn fingerprint_and_software_are_in_the_response() {
        let server = BindingServer::new().with_software("a server");
        let mut request = request(Class::Request, Method::Binding, |writer| writer.fingerprint());
        let response = respond(&server, path(), &mut request).unwrap();
        let message = Message::parse(&response).unwrap();
        assert_eq!(message.software(), Some("a server"));
        assert_eq!(message.check_fingerprint(), Fingerprint::Valid);
    }

    #[test]
    fn unknown_attributes_that_must_be_understood_are_listed() {
        let mut request = request(Class::Request, Method::Binding, |writer| {
            writer
                .attribute(AttributeType::Unknown(0x0003), &[0, 0, 0, 6])
                .attribute(AttributeType::Unknown(0xc057), &[])
                .attribute(AttributeType::Unknown(0x0027), &[0; 4])
        });
        let response = respond(&BindingServer::new(), path(), &mut request).unwrap();
        let message = Message::parse(&response).unwrap();
        assert_eq!(message.class(), Class::ErrorResponse);
        assert_eq!(message.error_code().unwrap().code, 420);
        let unknown: Vec<_> = message.unknown_attributes().map(AttributeType::number).collect();
        assert_eq!(unknown, [0x0003, 0x0027]);
    }

    #[test]
    fn nothing_else_is_answered() {
        let server = BindingServer::new();
        for class in [Class::Indication, Class::SuccessResponse, Class::ErrorResponse] {
            let mut message = request(class, Method::Binding, |writer| writer);
            assert_eq!(respond(&server, path(), &mut message), None);
        }
        let mut message = request(Class::Request, Method::Unknown(3), |writer| writer);
        assert_eq!(respond(&server, path(), &mut message), None);
        let mut message = request(Class::Request, Method::Binding, |writer| writer.fingerprint());
        *message.last_mut().unwrap() ^= 1;
        assert_eq!(respond(&server, path(), &mut message), None);
        assert_eq!(respond(&server, path(), &mut [0; 100]), None);
    }

    #[test]
    fn an_answer_has_at_most_three_times_the_bytes_of_its_request() {
        let server = BindingServer::new();
        for count in 0..300 {
            let mut request = request(Class::Request, Method::Binding, |writer| {
                (0..count)
                    .fold(writer, |writer, _| writer.attribute(AttributeType::Unknown(0x0003), &[]))
            });
            let response = respond(&server, path(), &mut request).unwrap();
            assert!(response.len() <= 3 * request.len(), "{count} attributes");
        }
    }
}
