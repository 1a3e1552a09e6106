//! What DTLS promises about the heap.

use dtls_srtp::dtls::{Role, Version};
use dtls_srtp::srtp::Profile;
use peerless_benches::allocator::{Allocated, Counting};
use peerless_benches::layers::dtls::{Peerless, Stack as _};
use peerless_benches::measure::start;
use peerless_benches::security::Heap;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn an_established_connection_with_srtp_both_ways_is_small() {
    // The keyed ciphers alone have 3776 bytes with GCM, 4992 with AES-CM.
    for (profile, bound) in [(Profile::AeadAes128Gcm, 6), (Profile::Aes128CmHmacSha1_80, 7)] {
        for version in [Version::Dtls12, Version::Dtls13] {
            for role in [Role::Client, Role::Server] {
                // The first makes what is made once per process.
                let [_, heap] = [(); 2].map(|()| Heap::of(version, role, profile));
                println!("{profile}, {version}, {role:?}: {heap:?}, {} bytes", heap.sum());
                assert!(heap.sum() <= bound * 1024, "{profile}, {version}, {role:?}: {heap:?}");
            }
        }
    }
}

#[test]
fn a_handshake_costs_few_allocations() {
    // Both sides together, with what the providers allocate for their keys.
    for (version, bound) in [(Version::Dtls12, 52), (Version::Dtls13, 110)] {
        let peerless =
            Peerless::new(|config| config.with_versions(version, version).expect("both are there"));
        drop(peerless.connected(start()));
        let before = Allocated::now();
        drop(peerless.connected(start()));
        let allocated = before.since();
        println!("{version}: {allocated:?}");
        assert!(allocated.count <= bound, "{version}: {allocated:?}");
        assert_eq!(allocated.live_bytes, 0, "{version}");
    }
}
