//! Calls of browsers and aiortc that were recorded with their secrets, opened by our record layer.

mod whole;

use std::collections::BTreeMap;

use rustls::SignatureScheme;

use super::super::codec::Reader;
use super::super::message::authentication::{self, Signed};
use super::super::message::certificate::{parse_certificate, parse_request, signed_content};
use super::super::message::encrypted_extensions::EncryptedExtensions;
use super::super::message::hello::{ClientHello, ServerHello};
use super::super::message::server_hello::Answer13;
use super::super::message::{Fragment, FragmentHeader, HandshakeType};
use super::super::signature::verify;
use super::super::suite::{Suite, Suite13};
use super::super::v12::session::{Negotiated, Session, verify_data};
use super::super::v13::key_schedule::{Exporter, TrafficSecret};
use super::super::v13::protection::{Opened, Opener as Opener13};
use super::super::v13::record::{Record, split};
use super::super::*;
use super::capture::{Capture, Packet};
use crate::crypto::Crypto;
use crate::srtp::{Context, Profile, SessionKeys};

macro_rules! capture {
    ($name:literal) => {
        Capture::read(
            include_bytes!(concat!("../../../tests/captures/", $name, ".pcapng")),
            include_str!(concat!("../../../tests/captures/", $name, ".keylog")),
        )
    };
}

#[test]
fn calls_over_1_3_are_opened_with_their_secrets() {
    // Firefox and Chromium in either role, Firefox and itself.
    let gcm = Profile::AeadAes128Gcm;
    let cm = Profile::Aes128CmHmacSha1_80;
    // How many packets of media each side has at least.
    for (name, capture, profile, media) in [
        ("firefox-chromium-all", capture!("firefox-chromium-all"), Some(gcm), 10),
        ("chromium-firefox-all", capture!("chromium-firefox-all"), Some(cm), 10),
        ("chromium-firefox-ccfb", capture!("chromium-firefox-ccfb"), Some(cm), 1),
        ("chromium-firefox-simulcast", capture!("chromium-firefox-simulcast"), Some(cm), 1),
        ("firefox-av1", capture!("firefox-av1"), Some(gcm), 10),
        ("firefox-vp9", capture!("firefox-vp9"), Some(gcm), 5),
        ("firefox-data", capture!("firefox-data"), None, 0),
    ] {
        let mut call = Call13 { profile, ..Call13::default() };
        for packet in &capture.packets {
            call.handle(packet, &capture);
        }
        let messages = "Client ClientHello, Server ServerHello, Server EncryptedExtensions, \
                        Server CertificateRequest, Server Certificate, Server CertificateVerify, \
                        Server Finished, Client Certificate, Client CertificateVerify, \
                        Client Finished";
        assert!(call.messages.described.starts_with(messages), "{name}: {:?}", call.messages);
        assert!(call.acks > 0, "{name}: the client's Finished is acknowledged");
        let [client, server] = call.srtp.opened;
        assert!(client >= media && server >= media, "{name}: {:?}", call.srtp);
        assert!(call.records >= 5, "{name}: {}", call.records);
    }
}

#[test]
fn calls_over_1_2_are_opened_with_their_master_secret() {
    // Firefox with itself and with aiortc (no media), aiortc and Chromium.
    for (name, capture, media) in [
        ("firefox-dtls12-data", capture!("firefox-dtls12-data"), 0),
        ("firefox-aiortc-data", capture!("firefox-aiortc-data"), 0),
        ("chromium-aiortc-h264", capture!("chromium-aiortc-h264"), 5),
        ("chromium-aiortc-all", capture!("chromium-aiortc-all"), 12),
        ("aiortc-chromium-all", capture!("aiortc-chromium-all"), 8),
    ] {
        let mut call = Call12::default();
        for packet in &capture.packets {
            call.handle(packet, &capture);
        }
        let described = call.messages.described.replace(", Client ClientHello", "");
        let described = described.replace(", Server HelloVerifyRequest", "");
        let messages = "Client ClientHello, Server ServerHello, Server Certificate, \
                        Server ServerKeyExchange, Server CertificateRequest, \
                        Server ServerHelloDone, Client Certificate, Client ClientKeyExchange, \
                        Client CertificateVerify, Client Finished";
        assert!(described.starts_with(messages), "{name}: {described}");
        assert!(described.ends_with("Server Finished"), "{name}: {described}");
        let [client, server] = call.srtp.opened;
        assert!(client >= media && server >= media, "{name}: {:?}", call.srtp);
        assert!(call.records >= 3, "{name}: {}", call.records);
    }
}

fn index(role: Role) -> usize {
    match role {
        Role::Client => 0,
        Role::Server => 1,
    }
}

/// The messages of both sides, which become whole in their order.
#[derive(Debug, Default)]
struct Messages {
    next: [u16; 2],
    incomplete: BTreeMap<(usize, u16), Incomplete>,
    described: String,
}

#[derive(Debug)]
struct Incomplete {
    bytes: Vec<u8>,
    missing: usize,
}

impl Messages {
    /// Takes the fragments of a record, and gives back the messages that they complete, with
    /// their headers.
    fn handle(&mut self, sender: Role, record: &[u8]) -> Vec<(HandshakeType, Vec<u8>)> {
        let side = index(sender);
        let mut reader = Reader(record);
        while !reader.is_empty() {
            let Fragment { header, body } = Fragment::read(&mut reader).unwrap();
            if header.message_seq < self.next[side] {
                continue;
            }
            let whole = FragmentHeader::whole(header.kind, header.message_seq, header.length);
            let incomplete =
                self.incomplete.entry((side, header.message_seq)).or_insert_with(|| Incomplete {
                    bytes: [&whole.bytes()[..], &vec![0; header.length as usize]].concat(),
                    missing: header.length as usize,
                });
            // Nothing of these recordings overlaps.
            incomplete.bytes[FragmentHeader::LEN + header.offset as usize..][..body.len()]
                .copy_from_slice(body);
            incomplete.missing -= body.len();
        }
        let mut complete = Vec::new();
        while let Some(message) = self.incomplete.remove(&(side, self.next[side])) {
            if message.missing > 0 {
                self.incomplete.insert((side, self.next[side]), message);
                break;
            }
            self.next[side] += 1;
            let kind = HandshakeType::from(message.bytes[0]);
            let comma = if self.described.is_empty() { "" } else { ", " };
            self.described += &format!("{comma}{sender:?} {kind:?}");
            complete.push((kind, message.bytes));
        }
        complete
    }
}

/// SRTP of both sides, under the exported keys.
#[derive(Default)]
struct Srtp {
    contexts: Option<[Context; 2]>,
    opened: [usize; 2],
}

impl fmt::Debug for Srtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Srtp").field(&self.opened).finish()
    }
}

impl Srtp {
    fn start(&mut self, profile: Profile, export: impl FnOnce(&mut [u8])) {
        let mut material = vec![0; profile.keying_material_len()];
        export(&mut material);
        let keys = SessionKeys::for_client(profile, &material).unwrap();
        let context = |key| Context::new(profile, key, &Crypto::default()).unwrap();
        self.contexts = Some([context(&keys.local), context(&keys.remote)]);
    }

    fn handle(&mut self, packet: &Packet) {
        let side = index(packet.sender);
        let context = &mut self.contexts.as_mut().unwrap()[side];
        let mut bytes = packet.payload.clone();
        if matches!(bytes[1], 192..224) {
            context.unprotect_rtcp(&mut bytes).unwrap();
        } else {
            context.unprotect_rtp(&mut bytes).unwrap();
        }
        self.opened[side] += 1;
    }
}

/// A call over DTLS 1.3.
#[derive(Default)]
struct Call13 {
    messages: Messages,
    transcript: Transcript,
    client_random: Vec<u8>,
    suite: Option<Suite13>,
    secrets: Option<[TrafficSecret; 2]>,
    openers: Vec<(Role, Opener13)>,
    certificates: [Vec<u8>; 2],
    /// The profile that they agree on.
    profile: Option<Profile>,
    srtp: Srtp,
    records: usize,
    acks: usize,
}

impl Call13 {
    fn handle(&mut self, packet: &Packet, capture: &Capture) {
        if packet.payload[0] >= 128 {
            return self.srtp.handle(packet);
        }
        let mut datagram = packet.payload.clone();
        let mut rest = datagram.as_mut_slice();
        while !rest.is_empty() {
            let (content_type, plaintext) = match split(&mut rest, 0).unwrap() {
                Record::Plaintext(header, body) => (header.content_type, body),
                Record::Addressed(_) => panic!("nobody asked for ids"),
                Record::Ciphertext(record) => {
                    self.records += 1;
                    let bits = u64::from(record.epoch_bits());
                    let (_, opener) = self
                        .openers
                        .iter_mut()
                        .find(|(role, opener)| *role == packet.sender && opener.epoch() == bits)
                        .unwrap();
                    let Opened { content_type, plaintext, .. } = opener.open(record).unwrap();
                    (content_type, plaintext)
                }
            };
            match content_type {
                ContentType::Handshake => {
                    for (kind, bytes) in self.messages.handle(packet.sender, plaintext) {
                        self.handle_message(packet.sender, kind, &bytes, capture);
                    }
                }
                ContentType::Ack => {
                    assert!(v13::ack::parse(plaintext).unwrap().count() > 0);
                    self.acks += 1;
                }
                _ => (),
            }
        }
    }

    fn handle_message(
        &mut self,
        sender: Role,
        kind: HandshakeType,
        bytes: &[u8],
        capture: &Capture,
    ) {
        let side = index(sender);
        let body = &bytes[FragmentHeader::LEN..];
        let hash = self.transcript.hash();
        let hash = hash.as_ref().map_or(&[][..], |hash| hash.as_ref());
        match kind {
            HandshakeType::ClientHello => {
                let hello = ClientHello::parse(body).unwrap();
                hello.offer_1_3().unwrap();
                self.client_random = hello.random.to_vec();
            }
            HandshakeType::ServerHello => {
                self.transcript.add(bytes);
                return self.handle_server_hello(body, capture);
            }
            HandshakeType::EncryptedExtensions => {
                match EncryptedExtensions::parse(body) {
                    Ok(extensions) => {
                        let answer = extensions.srtp_profile.map(|answer| answer.profile);
                        assert_eq!(answer.and_then(Profile::from_code), self.profile);
                    }
                    // Firefox answers an ALPN, which its peer has offered and we never do.
                    Err(error) => assert_eq!(error, HandshakeError::UnsupportedExtension),
                }
                let secret = capture.secret("EXPORTER_SECRET", &self.client_random);
                let exporter = Exporter::from_bytes(self.suite.unwrap(), secret);
                if let Some(profile) = self.profile {
                    self.srtp.start(profile, |material| {
                        exporter.export(SessionKeys::EXPORTER_LABEL, None, material).unwrap();
                    });
                }
            }
            HandshakeType::CertificateRequest => {
                assert!(parse_request(body).unwrap().contains(0x0403));
            }
            HandshakeType::Certificate => {
                self.certificates[side] = parse_certificate(body).unwrap().unwrap().to_vec();
            }
            HandshakeType::CertificateVerify => {
                let Signed { scheme, signature } = Signed::parse(body).unwrap();
                let content = signed_content(sender, hash);
                let scheme = SignatureScheme::from(scheme);
                let provider = Crypto::default().handshake;
                let certificate = &self.certificates[side];
                verify(Version::Dtls13, &provider, scheme, certificate, &content, signature)
                    .unwrap();
            }
            HandshakeType::Finished => {
                let secrets = self.secrets.as_ref().unwrap();
                secrets[side].expander().check_finished(hash, body).unwrap();
            }
            _ => (),
        }
        self.transcript.add(bytes);
    }

    fn handle_server_hello(&mut self, body: &[u8], capture: &Capture) {
        let crypto = Crypto::default();
        let hello = ServerHello::parse(body).unwrap();
        let Answer13::Hello(share) = hello.answer_1_3().unwrap() else { panic!("a retry") };
        let suites = Suite13::all(&crypto);
        let suite = *suites.iter().find(|suite| suite.code() == share.cipher_suite).unwrap();
        self.transcript.start_1_3(suite.hash());
        let secret =
            |label| TrafficSecret::from_bytes(suite, capture.secret(label, &self.client_random));
        let handshake =
            [secret("CLIENT_HANDSHAKE_TRAFFIC_SECRET"), secret("SERVER_HANDSHAKE_TRAFFIC_SECRET")];
        let application = [secret("CLIENT_TRAFFIC_SECRET_0"), secret("SERVER_TRAFFIC_SECRET_0")];
        for (epoch, secrets) in [(2, &handshake), (3, &application)] {
            for role in [Role::Client, Role::Server] {
                let opener = secrets[index(role)].opener(&crypto, epoch).unwrap();
                self.openers.push((role, opener));
            }
        }
        self.secrets = Some(handshake);
        self.suite = Some(suite);
    }
}

/// A call over DTLS 1.2.
#[derive(Default)]
struct Call12 {
    messages: Messages,
    transcript: Transcript,
    client_random: [u8; 32],
    session: Option<Session>,
    openers: Option<[v12::protection::Opener; 2]>,
    certificates: [Vec<u8>; 2],
    srtp: Srtp,
    records: usize,
}

impl Call12 {
    fn handle(&mut self, packet: &Packet, capture: &Capture) {
        if packet.payload[0] >= 128 {
            return self.srtp.handle(packet);
        }
        let mut datagram = packet.payload.clone();
        let mut rest = datagram.as_mut_slice();
        while !rest.is_empty() {
            let (header, body) = record::split(&mut rest).unwrap();
            let plaintext = if header.epoch == 0 {
                body
            } else {
                self.records += 1;
                let opener = &mut self.openers.as_mut().unwrap()[index(packet.sender)];
                opener.open(header, body).unwrap()
            };
            if header.content_type == ContentType::Handshake {
                for (kind, bytes) in self.messages.handle(packet.sender, plaintext) {
                    self.handle_message(packet.sender, kind, &bytes, capture);
                }
            }
        }
    }

    fn handle_message(
        &mut self,
        sender: Role,
        kind: HandshakeType,
        bytes: &[u8],
        capture: &Capture,
    ) {
        let side = index(sender);
        let body = &bytes[FragmentHeader::LEN..];
        match kind {
            HandshakeType::ClientHello => {
                self.client_random = *ClientHello::parse(body).unwrap().random;
                self.transcript.restart();
            }
            HandshakeType::HelloVerifyRequest => return,
            HandshakeType::ServerHello => self.handle_server_hello(body, capture),
            HandshakeType::Certificate => {
                let certificate = authentication::parse_certificate(body).unwrap();
                self.certificates[side] = certificate.unwrap().to_vec();
            }
            HandshakeType::CertificateVerify => {
                let Signed { scheme, signature } = Signed::parse(body).unwrap();
                let scheme = SignatureScheme::from(scheme);
                let provider = Crypto::default().handshake;
                let messages = self.transcript.take_messages();
                let certificate = &self.certificates[side];
                verify(Version::Dtls12, &provider, scheme, certificate, &messages, signature)
                    .unwrap();
            }
            HandshakeType::Finished => {
                let hash = self.transcript.hash().unwrap();
                let session = self.session.as_ref().unwrap();
                assert_eq!(body, verify_data(&session.prf(), sender, hash.as_ref()));
            }
            _ => (),
        }
        self.transcript.add(bytes);
        if kind == HandshakeType::ServerHello {
            let suite = self.session.as_ref().unwrap().negotiated.suite;
            self.transcript.start(suite.provider.common.hash_provider);
        }
    }

    fn handle_server_hello(&mut self, body: &[u8], capture: &Capture) {
        let crypto = Crypto::default();
        let hello = ServerHello::parse(body).unwrap();
        let suites = Suite::all(&crypto);
        let suite = *suites.iter().find(|suite| suite.code() == hello.cipher_suite).unwrap();
        let srtp_profile = hello.srtp_profile.and_then(|srtp| Profile::from_code(srtp.profile));
        let negotiated = Negotiated {
            suite,
            client_random: self.client_random,
            server_random: *hello.random,
            extended_master_secret: hello.extended_master_secret,
            srtp_profile,
        };
        let master_secret = capture.secret("CLIENT_RANDOM", &self.client_random);
        let session = Session::from_master_secret(negotiated, master_secret.try_into().unwrap());
        let (_, server) = session.keys(&session.prf(), Role::Client, &crypto).unwrap();
        let (_, client) = session.keys(&session.prf(), Role::Server, &crypto).unwrap();
        self.openers = Some([client, server]);
        if let Some(profile) = srtp_profile {
            self.srtp.start(profile, |material| {
                session.export(SessionKeys::EXPORTER_LABEL, None, material).unwrap();
            });
        }
        self.session = Some(session);
    }
}
