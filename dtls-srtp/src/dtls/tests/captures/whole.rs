//! The whole of the recordings that `tests/captures` has the beginnings of, where they are at hand.

use std::fs;
use std::path::PathBuf;

use super::*;

/// What was recorded, over which version and with which SRTP profile in 1.3; and how many protected
/// records there are, and packets of SRTP of the client and of the server.
type Recording = (&'static str, Version, Option<Profile>, usize, [usize; 2]);

const GCM: Option<Profile> = Some(Profile::AeadAes128Gcm);
const CM: Option<Profile> = Some(Profile::Aes128CmHmacSha1_80);

const RECORDINGS: [Recording; 12] = [
    ("firefox-chromium-all", Version::Dtls13, GCM, 95, [132, 165]),
    ("chromium-firefox-all", Version::Dtls13, CM, 92, [200, 178]),
    ("chromium-firefox-ccfb", Version::Dtls13, CM, 6, [184, 145]),
    ("chromium-firefox-simulcast", Version::Dtls13, CM, 6, [169, 122]),
    ("firefox-av1", Version::Dtls13, GCM, 12, [180, 180]),
    ("firefox-vp9", Version::Dtls13, GCM, 12, [176, 186]),
    ("firefox-data", Version::Dtls13, None, 250, [0, 0]),
    ("firefox-dtls12-data", Version::Dtls12, None, 244, [0, 0]),
    ("firefox-aiortc-data", Version::Dtls12, None, 99, [0, 0]),
    ("chromium-aiortc-h264", Version::Dtls12, None, 3, [95, 98]),
    ("chromium-aiortc-all", Version::Dtls12, None, 99, [120, 116]),
    ("aiortc-chromium-all", Version::Dtls12, None, 95, [133, 103]),
];

/// The folder that `RECORDINGS` names, or the one beside a checkout.
fn folder() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "where they are is the tester's to say")]
    let named = std::env::var("RECORDINGS").ok().map(PathBuf::from);
    named.unwrap_or_else(|| {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures/pcap")
    })
}

#[test]
fn every_protected_record_of_whole_recordings_opens() {
    let folder = folder();
    if !folder.is_dir() {
        println!("skipped: no recordings in {} (RECORDINGS=folder)", folder.display());
        return;
    }
    for (name, version, profile, records, packets) in RECORDINGS {
        let pcapng = fs::read(folder.join(format!("{name}.pcapng"))).unwrap();
        let keylog = fs::read_to_string(folder.join(format!("{name}.keylog"))).unwrap();
        let capture = Capture::read(&pcapng, &keylog);
        let opened = match version {
            Version::Dtls13 => {
                let mut call = Call13 { profile, ..Call13::default() };
                capture.packets.iter().for_each(|packet| call.handle(packet, &capture));
                (call.records, call.srtp.opened)
            }
            _ => {
                let mut call = Call12::default();
                capture.packets.iter().for_each(|packet| call.handle(packet, &capture));
                (call.records, call.srtp.opened)
            }
        };
        assert_eq!(opened, (records, packets), "{name}");
        println!("{name}: {records} records, {packets:?} packets of SRTP");
    }
}
