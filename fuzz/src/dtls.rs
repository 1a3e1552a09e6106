use std::sync::OnceLock;
use std::time::{Duration, Instant, UNIX_EPOCH};

use dtls_srtp::certificate::{Certificate, CertificateParameters};
use dtls_srtp::crypto::{
    Aead, AeadAlgorithm, AesCtr, AesCtrHmacSha1, Crypto, CryptoError, KeyError, PacketCrypto, Ring,
    SequenceNumberMask,
};
use dtls_srtp::dtls::{AcceptedClient, Acceptor, Config, Connection, KeyUpdate, Version};
use dtls_srtp::fingerprint::HashAlgorithm;

use crate::choices::Choices;
use crate::clock::{Clock, assert_does_not_spin};
use crate::wire::Wire;

/// A client whose server's datagrams, some of them made up, arrive as the input says.
pub fn dtls_client(bytes: &[u8]) {
    exercise(bytes, 0);
}

/// A server whose client's datagrams, some of them made up, arrive as the input says.
pub fn dtls_server(bytes: &[u8]) {
    exercise(bytes, 1);
}

struct Side {
    connection: Connection,
    wire: Wire,
}

fn exercise(bytes: &[u8], target: usize) {
    let mut choices = Choices::new(bytes);
    let mut clock = Clock::new();
    let now = clock.now();
    let [own, other] = certificates();
    let settings = choices.byte();
    // Without encryption, changes get through to what is inside of records.
    let is_open = settings & 0x20 != 0;
    let config = |certificate: &Certificate, remote: &Certificate| {
        let mut crypto = Crypto::default();
        if is_open {
            crypto.packets = &Open;
        }
        let mut config = Config::new(certificate.clone(), crypto)
            .expect("the default provider has what is needed");
        let versions = match settings >> 3 & 3 {
            1 => (Version::Dtls13, Version::Dtls13),
            2 => (Version::Dtls12, Version::Dtls12),
            _ => (Version::Dtls12, Version::Dtls13),
        };
        config = config
            .with_versions(versions.0, versions.1)
            .expect("the default provider has both versions");
        if settings & 1 == 0 {
            let fingerprint = remote.fingerprint(HashAlgorithm::Sha256);
            config = config.with_remote_fingerprints(vec![fingerprint]);
        }
        if settings & 2 != 0 {
            config = config.with_cookies();
        }
        if settings & 4 != 0 {
            config = config.with_mtu(256);
        }
        if settings & 0x40 != 0 {
            config = config.with_connection_id_len(settings & 7);
        }
        config
    };
    let client = Connection::client(config(own, other), now, [1; 32]);
    let server = Connection::server(config(other, own), now, [2; 32]);
    let mut sides = [client, server].map(|connection| Side { connection, wire: Wire::default() });
    settle(&mut sides, &clock);
    for _ in 0..MAX_STEPS {
        if choices.is_empty() {
            break;
        }
        let what = choices.byte();
        let now = clock.now();
        let [a, b] = &mut sides;
        // What is hostile happens to the target only: the other side is the way to the deep states.
        let (side, peer) = if target == 0 { (a, b) } else { (b, a) };
        match what {
            0..=0x7f => {
                let mut none = Choices::new(&[]);
                if let Some(mut datagram) = peer.wire.next(&mut none) {
                    drop(peer.connection.handle_datagram(now, &mut datagram));
                }
                if let Some(mut datagram) = side.wire.next(&mut choices) {
                    let records = side.connection.handle_datagram(now, &mut datagram);
                    if what & 1 == 0 {
                        records.for_each(|record| record.fill(0));
                    }
                }
            }
            0x80..=0x8f => {
                clock.advance(&mut choices);
            }
            0x90..=0x9f => {
                let timeouts = [side.connection.poll_timeout(), peer.connection.poll_timeout()];
                clock.advance_to(timeouts.into_iter().flatten().min());
            }
            0xa0..=0xa3 => {
                side.connection.handle_timeout(clock.earlier(&mut choices));
            }
            0xa4..=0xbf => {
                let mut datagram = choices.long_bytes().to_vec();
                let records = side.connection.handle_datagram(now, &mut datagram);
                let count = records.count();
                assert!(is_open || count == 0, "what is made up is no application data");
            }
            0xc0..=0xc7 => {
                let remote = if target == 0 { other } else { own };
                let algorithm = match what & 3 {
                    0 => HashAlgorithm::Sha1,
                    1 => HashAlgorithm::Sha512,
                    _ => HashAlgorithm::Sha256,
                };
                let fingerprint = remote.fingerprint(algorithm);
                side.connection.set_remote_fingerprints(now, vec![fingerprint]);
            }
            0xc8..=0xcb => side.connection.set_round_trip_time(choices.duration()),
            0xcc..=0xcf => side.connection.set_mtu(usize::from(choices.u16())),
            0xd0..=0xdf => {
                let mut buf = Vec::new();
                if let Some(start) = side.connection.begin(&mut buf) {
                    assert!(side.connection.may_send());
                    buf.extend_from_slice(choices.bytes());
                    if side.connection.seal(&mut buf, start).is_ok() {
                        peer.wire.push(&buf);
                    }
                }
            }
            0xe8..=0xe9 => {
                side.connection.update_keys(now, KeyUpdate::Requested);
            }
            0xea..=0xeb => {
                peer.connection.update_keys(now, KeyUpdate::NotRequested);
            }
            0xe0..=0xe3 if choices.byte() == 0 => side.connection.close(now),
            0xe4..=0xe7 if choices.byte() == 0 => peer.connection.close(now),
            _ => {
                let connection = &mut side.connection;
                let _ = (connection.srtp_keys().is_some(), connection.peer_certificate().is_some());
                let _ = (connection.take_early(), connection.stats(), connection.cipher_suite());
            }
        }
        settle(&mut sides, &clock);
    }
}

/// A handshake is a dozen datagrams.
const MAX_STEPS: usize = 300;

fn settle(sides: &mut [Side; 2], clock: &Clock) {
    let now = clock.now();
    for index in 0..2 {
        let [a, b] = &mut *sides;
        let (from, to) = if index == 0 { (a, &mut b.wire) } else { (b, &mut a.wire) };
        from.connection.handle_timeout(now);
        to.drain(|buf| from.connection.poll_transmit(now, buf).is_some());
        let mut events = 0;
        while from.connection.poll_event().is_some() {
            events += 1;
            assert!(events < 10, "poll_event never ends");
        }
        assert_does_not_spin(now, from.connection.poll_timeout());
    }
}

/// A door that clients come to from many addresses, with what they send and what is made up.
pub fn dtls_acceptor(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut clock = Clock::new();
    let [own, other] = certificates();
    let settings = choices.byte();
    let config = |certificate: &Certificate, versions: u8| {
        let (min, max) = match versions & 3 {
            1 => (Version::Dtls13, Version::Dtls13),
            2 => (Version::Dtls12, Version::Dtls12),
            _ => (Version::Dtls12, Version::Dtls13),
        };
        Config::new(certificate.clone(), Crypto::default())
            .and_then(|config| config.with_versions(min, max))
            .expect("the default provider has what is needed")
            .with_any_remote_certificate()
    };
    let mut acceptor = Acceptor::new(config(own, settings), clock.now(), [1; 32]);
    let mut client = Connection::client(config(other, settings >> 2), clock.now(), [2; 32]);
    let (mut to_acceptor, mut answer) = (Wire::default(), Vec::new());
    // What came from each address, less what went back.
    let mut balances = [0; 4];
    let mut served: Option<AcceptedClient> = None;
    for _ in 0..MAX_STEPS {
        if choices.is_empty() {
            break;
        }
        let now = clock.now();
        client.handle_timeout(now);
        to_acceptor.drain(|buf| client.poll_transmit(now, buf).is_some());
        if let Some(served) = &mut served {
            serve(served, now, &mut client);
        }
        let what = choices.byte();
        let mut datagram = match what {
            0..=0xbf => to_acceptor.next(&mut choices).unwrap_or_default(),
            0xc0..=0xcf => {
                clock.advance(&mut choices);
                continue;
            }
            0xd0..=0xd7 => {
                client =
                    Connection::client(config(other, settings >> 2), now, [choices.byte(); 32]);
                continue;
            }
            _ => choices.long_bytes().to_vec(),
        };
        let received = datagram.len();
        answer.clear();
        if let Some(served) = served.as_mut().filter(|_| what & 3 == 0) {
            drop(served.handle_datagram(now, &[0], &mut datagram, &mut acceptor, &mut answer));
            client.handle_datagram(now, &mut answer);
            continue;
        }
        let accepted = acceptor.handle_datagram(now, &[what & 3], &mut datagram, &mut answer);
        if let Some(balance) = balances.get_mut(usize::from(what & 3)) {
            *balance += received;
            assert!(answer.len() <= *balance, "an amplifier");
            *balance -= answer.len();
        }
        if let Some(server) = accepted {
            assert!(answer.is_empty());
            let mut accepted = AcceptedClient::new(server);
            serve(&mut accepted, now, &mut client);
            served = served.or_else(|| (what & 3 == 0).then_some(accepted));
        } else if !answer.is_empty() {
            client.handle_datagram(now, &mut answer);
        }
    }
}

/// Lets a client that was let in do what is due.
fn serve(served: &mut AcceptedClient, now: Instant, client: &mut Connection) {
    served.handle_timeout(now);
    while served.poll_event().is_some() {}
    let mut datagram = Vec::new();
    while served.poll_transmit(now, &mut datagram).is_some() {
        client.handle_datagram(now, &mut datagram);
        datagram.clear();
    }
    assert_does_not_spin(now, served.poll_timeout());
}

/// No encryption at all, so that what is inside of records can be changed.
#[derive(Debug)]
struct Open;

impl PacketCrypto for Open {
    fn aead(&self, _: AeadAlgorithm, _: &[u8]) -> Result<Box<dyn Aead>, KeyError> {
        Ok(Box::new(Self))
    }

    fn sequence_number_mask(
        &self,
        _: AeadAlgorithm,
        _: &[u8],
    ) -> Result<Box<dyn SequenceNumberMask>, KeyError> {
        Ok(Box::new(Self))
    }

    fn aes_ctr(&self, key: &[u8]) -> Result<Box<dyn AesCtr>, KeyError> {
        Ring.aes_ctr(key)
    }

    fn aes_ctr_hmac_sha1(
        &self,
        cipher_key: &[u8],
        authentication_key: &[u8],
    ) -> Result<Box<dyn AesCtrHmacSha1>, KeyError> {
        Ring.aes_ctr_hmac_sha1(cipher_key, authentication_key)
    }
}

impl Aead for Open {
    fn seal(&self, _: &[u8; 12], _: &[u8], _: &mut [u8]) -> Result<[u8; 16], CryptoError> {
        Ok([0; 16])
    }

    fn open(&self, _: &[u8; 12], _: &[u8], _: &mut [u8], _: &[u8; 16]) -> Result<(), CryptoError> {
        Ok(())
    }
}

impl SequenceNumberMask for Open {
    fn mask(&self, _: &[u8; 16]) -> [u8; 2] {
        [0; 2]
    }
}

/// Made once: a certificate takes as long as a hundred packets.
fn certificates() -> &'static [Certificate; 2] {
    static CERTIFICATES: OnceLock<[Certificate; 2]> = OnceLock::new();
    CERTIFICATES.get_or_init(|| {
        let wall_clock = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let make = || {
            let parameters = CertificateParameters::new(wall_clock);
            Certificate::generate(&Crypto::default(), parameters).expect("there is entropy")
        };
        [make(), make()]
    })
}
