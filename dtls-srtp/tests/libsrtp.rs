//! Packet by packet with libsrtp, where its headers (`libsrtp2-dev`) and a C compiler are.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use peerless_dtls_srtp::{
    crypto::Crypto,
    srtp::{Context, MasterKey, Profile},
};
use rand::{Rng, RngExt, SeedableRng, rngs::ChaCha20Rng};

#[test]
fn libsrtp_opens_what_we_seal_and_we_open_what_it_seals() {
    let Some(program) = compile() else {
        println!("skipped: libsrtp is missing (apt install libsrtp2-dev gcc)");
        return;
    };
    for profile in [
        Profile::Aes128CmHmacSha1_80,
        Profile::Aes128CmHmacSha1_32,
        Profile::AeadAes128Gcm,
        Profile::AeadAes256Gcm,
    ] {
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        let mut key = vec![0; profile.key_len()];
        let mut salt = vec![0; profile.salt_len()];
        rng.fill_bytes(&mut key);
        rng.fill_bytes(&mut salt);
        let master = MasterKey::new(&key, &salt);
        let mut sender = Context::new(profile, &master, &Crypto::default()).unwrap();
        let mut receiver = Context::new(profile, &master, &Crypto::default()).unwrap();
        let mut libsrtp = Libsrtp::start(&program, profile, &[key, salt].concat());

        let mut index = 65_000u32;
        for _ in 0..400 {
            index += if rng.random_ratio(1, 50) { 9_000 } else { 1 };
            let plain = rtp(&mut rng, index as u16);
            let mut ours = plain.clone();
            sender.protect_rtp(&mut ours, 0).unwrap();
            assert_eq!(libsrtp.ask("unprotect rtp", &ours).as_ref(), Some(&plain), "{profile}");
            let mut theirs = libsrtp.ask("protect rtp", &plain).unwrap();
            assert_eq!(theirs, ours, "{profile}");
            assert_eq!(receiver.unprotect_rtp(&mut theirs).unwrap(), plain);
            assert_eq!(libsrtp.ask("unprotect rtp", &ours), None, "a replay, for libsrtp too");

            let plain = rtcp(&mut rng);
            let mut ours = plain.clone();
            sender.protect_rtcp(&mut ours, 0).unwrap();
            assert_eq!(libsrtp.ask("unprotect rtcp", &ours).as_ref(), Some(&plain), "{profile}");
            let mut theirs = libsrtp.ask("protect rtcp", &plain).unwrap();
            assert_eq!(receiver.unprotect_rtcp(&mut theirs).unwrap(), plain);
        }
    }
}

struct Libsrtp {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Libsrtp {
    fn start(program: &Path, profile: Profile, key: &[u8]) -> Self {
        let mut child = Command::new(program)
            .args([profile.code().unwrap().to_string(), hex(key)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output }
    }

    /// Returns the packet that libsrtp made, or `None` if it refused.
    fn ask(&mut self, what: &str, packet: &[u8]) -> Option<Vec<u8>> {
        writeln!(self.input, "{what} {}", hex(packet)).unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "libsrtp is gone");
        let line = line.trim();
        if line.starts_with("error") {
            return None;
        }
        let digits = line.as_bytes().as_chunks::<2>().0.iter();
        Some(
            digits
                .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
                .collect(),
        )
    }
}

impl Drop for Libsrtp {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn compile() -> Option<PathBuf> {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libsrtp");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/libsrtp.c");
    let compiled = Command::new("cc")
        .args([source, "-O1", "-lsrtp2", "-o"])
        .arg(&program)
        .stderr(Stdio::null())
        .status();
    compiled.is_ok_and(|status| status.success()).then_some(program)
}

fn rtp(rng: &mut ChaCha20Rng, sequence_number: u16) -> Vec<u8> {
    let csrcs = rng.random_range(0..3u8);
    let extension = rng.random_bool(0.5);
    let mut packet = vec![0x80 | u8::from(extension) << 4 | csrcs, 96];
    packet.extend_from_slice(&sequence_number.to_be_bytes());
    packet.extend_from_slice(&[0, 1, 2, 3, 0xCA, 0xFE, 0xBA, 0xBE]);
    packet.resize(12 + 4 * usize::from(csrcs), 5);
    if extension {
        packet.extend_from_slice(&[0xBE, 0xDE, 0, 1, 0x10, 0x55, 0, 0]);
    }
    let start = packet.len();
    packet.resize(start + rng.random_range(0..1200), 0);
    rng.fill_bytes(packet.split_at_mut(start).1);
    packet
}

fn rtcp(rng: &mut ChaCha20Rng) -> Vec<u8> {
    let words = rng.random_range(1..60u8);
    let mut packet = vec![0x80, 204, 0, words + 1, 0xCA, 0xFE, 0xBA, 0xBE];
    packet.resize(8 + 4 * usize::from(words), 0);
    rng.fill_bytes(packet.split_at_mut(8).1);
    packet
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").ok();
        text
    })
}
