//! What SRTP promises about the heap.

use dtls_srtp::Crypto;
use dtls_srtp::srtp::{Context, Cryptex, MasterKey, Profile, Settings};
use peerless_benches::allocator::{Allocated, Counting};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_packet_costs_no_allocation_on_either_side() {
    for profile in Profile::ALL {
        for cryptex in [Cryptex::Off, Cryptex::On] {
            let [mut sender, mut receiver] = pair(profile, cryptex);
            let mut buf = Vec::with_capacity(2000);
            exchange(&mut sender, &mut receiver, 0, &mut buf);
            let before = Allocated::now();
            for sequence_number in 1..3000 {
                exchange(&mut sender, &mut receiver, sequence_number, &mut buf);
            }
            assert_eq!(before.since().count, 0, "{profile} {cryptex:?}");
        }
    }
}

#[test]
fn the_state_of_both_ways_with_a_source_each_is_small() {
    // Four keyed ciphers: 4 * 544 bytes with GCM, 4 * 848 with AES-CM. The rest is the contexts, two
    // small tables of sources and their replay windows.
    for (profile, bound) in [
        (Profile::AeadAes128Gcm, 3328),
        (Profile::AeadAes256Gcm, 3328),
        (Profile::Aes128CmHmacSha1_80, 4416),
    ] {
        // What is made once per process is made.
        drop(pair(profile, Cryptex::On));
        let mut buf = Vec::with_capacity(2000);
        let before = Allocated::now();
        let mut both = Box::new(pair(profile, Cryptex::On));
        let [sender, receiver] = &mut *both;
        exchange(sender, receiver, 0, &mut buf);
        let bytes = before.since().live_bytes;
        println!("{profile}: {bytes} bytes");
        assert!(bytes <= bound, "{profile}: {bytes} bytes");
    }
}

fn pair(profile: Profile, cryptex: Cryptex) -> [Context; 2] {
    let key = MasterKey::new(&vec![1; profile.key_len()], &vec![2; profile.salt_len()]);
    let mut settings = Settings::default();
    settings.cryptex = cryptex;
    [(); 2].map(|()| {
        Context::with_settings(profile, &key, &Crypto::default(), settings).expect("a whole key")
    })
}

/// An RTP packet with everything in its header, and an RTCP packet.
fn exchange(sender: &mut Context, receiver: &mut Context, sequence_number: u16, buf: &mut Vec<u8>) {
    buf.clear();
    buf.extend_from_slice(&[0x91, 96]);
    buf.extend_from_slice(&sequence_number.to_be_bytes());
    buf.extend_from_slice(&[0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    buf.extend_from_slice(&[0xBE, 0xDE, 0, 1, 0x10, 1, 0, 0]);
    buf.resize(1224, 7);
    sender.protect_rtp(buf, 0).expect("a whole packet");
    receiver.unprotect_rtp(buf).expect("it was protected");
    buf.clear();
    buf.extend_from_slice(&[0x80, 201, 0, 1, 1, 2, 3, 4]);
    sender.protect_rtcp(buf, 0).expect("a whole packet");
    receiver.unprotect_rtcp(buf).expect("it was protected");
}
