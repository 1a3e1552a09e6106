//! Every target over its corpus, and over mutations of it.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::fs;
use std::path::Path;

use peerless_fuzz::{TARGETS, Target};
use rand::rngs::ChaCha20Rng;
use rand::{RngExt as _, SeedableRng as _};

#[test]
fn every_target_has_a_corpus_and_a_program() {
    for (name, _) in TARGETS {
        assert!(!corpus(name).is_empty(), "corpus/{name} has no files");
        assert!(root().join(format!("fuzz_targets/{name}.rs")).exists(), "{name}");
    }
    let programs = fs::read_dir(root().join("fuzz_targets")).unwrap().count();
    assert_eq!(programs, TARGETS.len());
}

#[test]
fn no_target_panics_on_its_corpus() {
    for (name, target) in TARGETS {
        for (file, bytes) in corpus(name) {
            announce(name, &file, 0, || target(&bytes));
        }
    }
}

#[test]
fn no_target_panics_on_mutations_of_its_corpus() {
    for (name, target) in TARGETS {
        for (file, bytes) in corpus(name) {
            for seed in 0..seeds() {
                let mutated = mutate(&bytes, seed);
                announce(name, &file, seed, || target(&mutated));
            }
        }
    }
}

#[test]
fn no_target_panics_on_random_bytes() {
    for (name, target) in TARGETS {
        let target: Target = *target;
        for seed in 0..seeds() {
            let mut random = ChaCha20Rng::seed_from_u64(seed);
            let len = random.random_range(0..2000);
            let bytes: Vec<u8> = (0..len).map(|_| random.random()).collect();
            announce(name, "random", seed, || target(&bytes));
        }
    }
}

/// Says which input it was when the target panics.
fn announce(name: &str, file: &str, seed: u64, run: impl FnOnce()) {
    struct Announcement<'a>(&'a str, &'a str, u64);
    impl Drop for Announcement<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("target {}, file {}, seed {}", self.0, self.1, self.2);
            }
        }
    }
    let _announcement = Announcement(name, file, seed);
    run();
}

fn mutate(bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut random = ChaCha20Rng::seed_from_u64(seed);
    let mut bytes = bytes.to_vec();
    for _ in 0..random.random_range(1..=8) {
        let at = random.random_range(0..=bytes.len());
        match random.random_range(0..5) {
            0 => bytes.insert(at, random.random()),
            1 => bytes.truncate(at),
            2 => {
                let end = (at + random.random_range(0..32)).min(bytes.len());
                bytes.drain(at..end);
            }
            3 => {
                let end = (at + random.random_range(0..64)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                let to = random.random_range(0..=bytes.len());
                bytes.splice(to..to, copy);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= random.random::<u8>();
                }
            }
        }
    }
    bytes
}

fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let Ok(folder) = fs::read_dir(root().join("corpus").join(name)) else { return Vec::new() };
    let mut files: Vec<_> = folder
        .map(|entry| {
            let path = entry.unwrap().path();
            let file = path.file_name().unwrap().to_string_lossy().into_owned();
            (file, fs::read(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn seeds() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the one knob of all randomised tests")]
    let seeds = std::env::var("SEEDS");
    seeds.ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(20)
}
