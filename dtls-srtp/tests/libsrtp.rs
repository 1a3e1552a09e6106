//! Packet by packet with libsrtp, where its headers (`libsrtp2-dev`) and a C compiler are.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::LazyLock,
};

use peerless_dtls_srtp::{
    crypto::Crypto,
    srtp::{Context, MasterKey, Profile, Settings},
};
use rand::{Rng, RngExt, SeedableRng, rngs::ChaCha20Rng};

#[test]
fn libsrtp_opens_what_we_seal_and_we_open_what_it_seals() {
    let Some(program) = compile() else { return };
    for profile in Profile::ALL {
        call(&program, profile, &[None], &[]);
    }
}

#[test]
fn libsrtp_puts_identifiers_of_keys_where_we_do() {
    let Some(program) = compile() else { return };
    for profile in Profile::ALL {
        call(&program, profile, &[Some([1, 2, 3, 4]), Some([1, 2, 3, 5]), Some([0; 4])], &[]);
    }
}

#[test]
fn libsrtp_encrypts_header_extension_elements_as_we_do() {
    let Some(program) = compile() else { return };
    for profile in Profile::ALL {
        call(&program, profile, &[None], &[1, 4, 20]);
    }
}

/// Four hundred packets each way, of each kind, across a rollover, under each of the keys.
fn call(program: &Path, profile: Profile, mkis: &[Option<[u8; 4]>], encrypted: &[u8]) {
    let mut rng = ChaCha20Rng::from_seed([3; 32]);
    let keys: Vec<MasterKey> = mkis
        .iter()
        .map(|mki| {
            let mut key = vec![0; profile.key_len()];
            let mut salt = vec![0; profile.salt_len()];
            rng.fill_bytes(&mut key);
            rng.fill_bytes(&mut salt);
            MasterKey::new(&key, &salt).with_mki(mki.as_ref().map_or(&[], |mki| mki))
        })
        .collect();
    let arguments = {
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        mkis.iter()
            .flat_map(|mki| {
                let mut inline = vec![0; profile.key_len() + profile.salt_len()];
                let (key, salt) = inline.split_at_mut(profile.key_len());
                rng.fill_bytes(key);
                rng.fill_bytes(salt);
                [mki.map_or("-".to_owned(), |mki| hex(&mki)), hex(&inline)]
            })
            .collect::<Vec<_>>()
    };
    let crypto = Crypto::default();
    let mut settings = Settings::default();
    settings.encrypted_extensions = encrypted.iter().copied().collect();
    let make = || {
        let (first, others) = keys.split_first().unwrap();
        let mut context = Context::with_settings(profile, first, &crypto, settings).unwrap();
        others.iter().for_each(|key| context.add_key(key, &crypto).unwrap());
        context
    };
    let (mut sender, mut receiver) = (make(), make());
    let mut libsrtp = Libsrtp::start(program, profile, encrypted, &arguments);

    let mut index = 65_000u32;
    for _ in 0..400 {
        index += if rng.random_ratio(1, 50) { 9_000 } else { 1 };
        let key = rng.random_range(0..keys.len());
        assert!(sender.send_with(keys.get(key).unwrap().mki()));

        let plain = rtp(&mut rng, index as u16);
        let mut ours = plain.clone();
        sender.protect_rtp(&mut ours, 0).unwrap();
        assert_eq!(libsrtp.ask("unprotect rtp", 0, &ours).as_ref(), Some(&plain), "{profile}");
        let mut theirs = libsrtp.ask("protect rtp", key, &plain).unwrap();
        assert_eq!(theirs, ours, "{profile}");
        assert_eq!(receiver.unprotect_rtp(&mut theirs).unwrap(), plain);
        assert_eq!(libsrtp.ask("unprotect rtp", 0, &ours), None, "a replay, for libsrtp too");

        let plain = rtcp(&mut rng);
        let mut ours = plain.clone();
        sender.protect_rtcp(&mut ours, 0).unwrap();
        // libsrtp looks for the identifier of an SRTCP packet before a tag as long as RTP's.
        if mkis == [None] || profile.rtp_tag_len() == profile.rtcp_tag_len() {
            let opened = libsrtp.ask("unprotect rtcp", 0, &ours);
            assert_eq!(opened.as_ref(), Some(&plain), "{profile}");
        }
        let mut theirs = libsrtp.ask("protect rtcp", key, &plain).unwrap();
        assert_eq!(receiver.unprotect_rtcp(&mut theirs).unwrap(), plain);
    }
}

struct Libsrtp {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Libsrtp {
    fn start(program: &Path, profile: Profile, encrypted: &[u8], keys: &[String]) -> Self {
        let ids: Vec<String> = encrypted.iter().map(|id| id.to_string()).collect();
        let ids = if ids.is_empty() { "-".to_owned() } else { ids.join(",") };
        let mut child = Command::new(program)
            .args([profile.name(), &ids])
            .args(keys)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output }
    }

    /// Returns the packet that libsrtp made, or `None` if it refused.
    fn ask(&mut self, what: &str, key: usize, packet: &[u8]) -> Option<Vec<u8>> {
        writeln!(self.input, "{what} {key} {}", hex(packet)).unwrap();
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
    static PROGRAM: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libsrtp");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/libsrtp.c");
        let compiled =
            Command::new("cc").args([source, "-O1", "-lsrtp2", "-o"]).arg(&program).output();
        let Ok(compiled) = compiled else { return None };
        let errors = String::from_utf8_lossy(&compiled.stderr);
        let is_missing = errors.contains("srtp2/srtp.h: No such") || errors.contains("-lsrtp2");
        assert!(compiled.status.success() || is_missing, "{errors}");
        compiled.status.success().then_some(program)
    });
    if PROGRAM.is_none() {
        missing("libsrtp is missing (apt install libsrtp2-dev gcc)");
    }
    PROGRAM.clone()
}

/// What to do where something is missing: CI has it all, and must not skip what needs it.
fn missing(what: &str) {
    #[expect(clippy::disallowed_methods, reason = "CI says so by this variable")]
    let ci = std::env::var("CI").is_ok();
    assert!(!ci, "{what}");
    println!("skipped: {what}");
}

/// A packet with CSRCs or not, and with a header extension of either form or not.
fn rtp(rng: &mut ChaCha20Rng, sequence_number: u16) -> Vec<u8> {
    let csrcs = rng.random_range(0..3u8);
    let extension: &[u8] = match rng.random_range(0..3) {
        0 => &[],
        1 => &[0xBE, 0xDE, 0, 3, 0x10, 0x55, 0x22, 1, 2, 3, 0x43, 4, 5, 6, 7, 0],
        _ => &[0x10, 0, 0, 4, 1, 2, 8, 9, 20, 0, 20, 8, 1, 2, 3, 4, 5, 6, 7, 8],
    };
    let mut packet = vec![0x80 | u8::from(!extension.is_empty()) << 4 | csrcs, 96];
    packet.extend_from_slice(&sequence_number.to_be_bytes());
    packet.extend_from_slice(&[0, 1, 2, 3, 0xCA, 0xFE, 0xBA, 0xBE]);
    packet.resize(12 + 4 * usize::from(csrcs), 5);
    packet.extend_from_slice(extension);
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
