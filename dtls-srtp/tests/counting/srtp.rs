//! SRTP: each profile, with headers in the clear, encrypted by element, and encrypted whole.

use peerless_dtls_srtp::Crypto;
use peerless_dtls_srtp::srtp::{Context, Cryptex, MasterKey, Profile, ProtectError, Settings};

use crate::counts::{Counts, Work};
use crate::{counting, providers};

/// How the header of a packet is protected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Headers {
    Clear,
    /// [RFC 6904](https://www.rfc-editor.org/rfc/rfc6904).
    Elements,
    /// [RFC 9335](https://www.rfc-editor.org/rfc/rfc9335).
    Cryptex,
}

const HEADERS: [Headers; 3] = [Headers::Clear, Headers::Elements, Headers::Cryptex];

/// Two contexts of one key, whose cryptography is counted.
struct Pair {
    sender: Context,
    receiver: Context,
    counts: &'static Counts,
    sequence_number: u8,
}

/// Where a packet has its CSRC, the data of its header extension element, and its payload.
const CSRC: std::ops::Range<usize> = 12..16;
const ELEMENT: std::ops::Range<usize> = 21..24;
const PAYLOAD: std::ops::Range<usize> = 24..28;

impl Pair {
    fn new(inner: &Crypto, profile: Profile, headers: Headers) -> Self {
        let (crypto, counts) = counting(inner);
        let key = MasterKey::new(&vec![1; profile.key_len()], &vec![2; profile.salt_len()]);
        let mut settings = Settings::default();
        match headers {
            Headers::Clear => (),
            Headers::Elements => settings.encrypted_extensions = [1].into_iter().collect(),
            Headers::Cryptex => settings.cryptex = Cryptex::On,
        }
        let context = || {
            let made = counts.of(Work::KeystreamApplied);
            let context = Context::with_settings(profile, &key, &crypto, settings).unwrap();
            (context, counts.of(Work::KeystreamApplied) - made)
        };
        let ((sender, derived), (receiver, _)) = (context(), context());
        // Key and salt of RTP, of RTCP, and of headers; with HMAC a key of it for each of the first.
        let keys = if is_aead(profile) { 4 } else { 6 };
        assert_eq!(derived, keys + if headers == Headers::Elements { 2 } else { 0 });
        Self { sender, receiver, counts, sequence_number: 0 }
    }

    /// A packet with one CSRC, one element of three bytes with id 1, and four bytes of payload.
    fn packet(&mut self) -> Vec<u8> {
        self.sequence_number += 1;
        let mut packet = vec![0x91, 96, 0, self.sequence_number, 0, 0, 0, 0, 0, 0, 0, 1];
        packet.extend([7; 4]);
        packet.extend([0xBE, 0xDE, 0, 1, 0x12, 7, 7, 7]);
        packet.extend([7; 4]);
        packet
    }

    fn protected(&mut self) -> Result<Vec<u8>, ProtectError> {
        let mut packet = self.packet();
        self.sender.protect_rtp(&mut packet, 0)?;
        Ok(packet)
    }

    /// How often packets were sealed and opened, and keystream was added to them.
    fn work(&self) -> [u64; 3] {
        [Work::Sealed, Work::Opened, Work::KeystreamApplied].map(|work| self.counts.of(work))
    }
}

const fn is_aead(profile: Profile) -> bool {
    matches!(profile, Profile::AeadAes128Gcm | Profile::AeadAes256Gcm)
}

fn each(check: impl Fn(Pair, Profile, Headers)) {
    for inner in providers() {
        for profile in Profile::ALL {
            for headers in HEADERS {
                check(Pair::new(&inner, profile, headers), profile, headers);
            }
        }
    }
}

#[test]
fn every_packet_is_sealed_and_opened_by_the_provider() {
    each(|mut pair, profile, headers| {
        let what = format!("{profile:?} {headers:?}");
        // What is encrypted before or after what is authenticated.
        let apart = match headers {
            Headers::Clear => 0,
            Headers::Elements => 1,
            Headers::Cryptex => u64::from(!is_aead(profile)),
        };
        for _ in 0..5 {
            let [sealed, opened, applied] = pair.work();
            let mut packet = pair.protected().unwrap();
            assert_eq!(packet[CSRC] == [7; 4], headers != Headers::Cryptex, "{what}");
            assert_eq!(packet[ELEMENT] == [7; 3], headers == Headers::Clear, "{what}");
            assert_ne!(packet[PAYLOAD], [7; 4], "{what}");
            assert_eq!(pair.work(), [sealed + 1, opened, applied + apart], "{what}");

            let read = pair.receiver.unprotect_rtp(&mut packet).unwrap();
            assert!(read[CSRC] == [7; 4] && read[ELEMENT] == [7; 3] && read[PAYLOAD] == [7; 4]);
            assert_eq!(pair.work(), [sealed + 1, opened + 1, applied + 2 * apart], "{what}");
        }
        let [sealed, opened, applied] = pair.work();
        let mut packet = vec![0x80, 201, 0, 1, 0, 0, 0, 1];
        pair.sender.protect_rtcp(&mut packet, 0).unwrap();
        pair.receiver.unprotect_rtcp(&mut packet).unwrap();
        assert_eq!(pair.work(), [sealed + 1, opened + 1, applied], "{what}");
    });
}

#[test]
fn what_a_provider_does_not_encrypt_nobody_does() {
    each(|mut pair, profile, headers| {
        let what = format!("{profile:?} {headers:?}");
        pair.counts.refuse(Work::Sealed);
        match pair.protected() {
            Ok(packet) => {
                assert!(!is_aead(profile), "{what}");
                // The double of HMAC gives zeros.
                assert!(packet.ends_with(&[0; 4]), "{what}");
                // Cryptex with CSRCs is keystream alone, before the tag.
                assert_eq!(packet[PAYLOAD] == [7; 4], headers != Headers::Cryptex, "{what}");
                let mut packet = packet;
                assert!(pair.receiver.unprotect_rtp(&mut packet).is_err(), "{what}");
            }
            Err(error) => assert!(is_aead(profile), "{what}: {error}"),
        }

        pair.counts.refuse(Work::KeystreamApplied);
        let packet = pair.protected().unwrap();
        let (element, payload) = (packet[ELEMENT] == [7; 3], packet[PAYLOAD] == [7; 4]);
        match headers {
            Headers::Clear => assert!(element && !payload, "{what}"),
            Headers::Elements => assert!(element && !payload, "{what}"),
            Headers::Cryptex => {
                assert!(element != is_aead(profile) && element == payload, "{what}")
            }
        }

        pair.counts.refuse(Work::Opened);
        let mut packet = pair.protected().unwrap();
        assert!(pair.receiver.unprotect_rtp(&mut packet).is_err(), "{what}");
    });
}
