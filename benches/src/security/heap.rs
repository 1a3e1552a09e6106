//! What an established connection keeps on the heap, by part.

use dtls_srtp::Crypto;
use dtls_srtp::dtls::{Role, Version};
use dtls_srtp::srtp::{Context, MasterKey, Profile};

use crate::allocator::Allocated;
use crate::layers::dtls::{Peerless, Stack as _};
use crate::measure::start;

pub(super) const NAME: &str = "heap of an established connection";

/// What one side keeps on the heap at once after a handshake, in bytes. The configuration is shared
/// by all, and not counted.
#[derive(Clone, Copy, Debug)]
pub struct Heap {
    /// The connection, with its keys and the peer's certificate.
    pub dtls: i64,
    /// What protects a stream of RTP and RTCP.
    pub srtp_out: i64,
    /// What unprotects one.
    pub srtp_in: i64,
}

impl Heap {
    /// Measures it after a handshake of `version` that agrees on `profile`, and a packet of each
    /// kind.
    #[must_use]
    pub fn of(version: Version, role: Role, profile: Profile) -> Self {
        let peerless = Peerless::new(|config| {
            let config = config.with_srtp_profiles(&[profile]);
            config.with_versions(version, version).expect("both are there")
        });
        let (dtls, connection) = grown(|| {
            let [client, server] = peerless.connected(start());
            Box::new(match role {
                Role::Client => client.connection,
                Role::Server => server.connection,
            })
        });
        let keys = connection.srtp_keys().expect("a profile was agreed on");
        let (srtp_out, _sender) = grown(|| {
            let mut sender = Box::new(context(profile, &keys.local));
            protect(&mut sender);
            sender
        });
        // The keys of the other direction are as large, but nobody here can protect with them.
        let mut packets = protect(&mut context(profile, &keys.local));
        let (srtp_in, _receiver) = grown(|| {
            let mut receiver = Box::new(context(profile, &keys.local));
            let [rtp, rtcp] = &mut packets;
            receiver.unprotect_rtp(rtp).expect("protected above");
            receiver.unprotect_rtcp(rtcp).expect("protected above");
            receiver
        });
        Self { dtls, srtp_out, srtp_in }
    }

    /// Returns all of it together.
    #[must_use]
    pub fn sum(self) -> i64 {
        self.dtls + self.srtp_out + self.srtp_in
    }
}

pub(super) fn print() {
    println!("| {NAME} | side | DTLS | SRTP out | SRTP in | sum | goal |");
    println!("|---|---|---|---|---|---|---|");
    for (name, profile, goal) in
        [("AES-128-GCM", Profile::AeadAes128Gcm, 6), ("AES-CM", Profile::Aes128CmHmacSha1_80, 7)]
    {
        for version in [Version::Dtls13, Version::Dtls12] {
            for (side, role) in [("client", Role::Client), ("server", Role::Server)] {
                let heap = Heap::of(version, role, profile);
                let [dtls, out, into, sum] = [heap.dtls, heap.srtp_out, heap.srtp_in, heap.sum()]
                    .map(|bytes| format!("{:.2} KiB", bytes as f64 / 1024.0));
                let judged = if heap.sum() <= goal * 1024 { "met" } else { "missed" };
                println!(
                    "| {name} | {version}, {side} | {dtls} | {out} | {into} | {sum} | ≤ {goal} \
                     KiB, {judged} |"
                );
            }
        }
    }
    println!(
        "\nAt once after the handshake, one stream of RTP and RTCP each way; the configuration is \
         shared.\n"
    );
}

fn context(profile: Profile, key: &MasterKey) -> Context {
    Context::new(profile, key, &Crypto::default()).expect("a whole key")
}

/// One packet of RTP and one of RTCP.
fn protect(sender: &mut Context) -> [Vec<u8>; 2] {
    let mut rtp = vec![0; 172];
    rtp.splice(..2, [0x80, 111]);
    let mut rtcp = vec![0x80, 201, 0, 1, 0, 0, 0, 0];
    sender.protect_rtp(&mut rtp, 0).expect("a whole packet");
    sender.protect_rtcp(&mut rtcp, 0).expect("a whole packet");
    [rtp, rtcp]
}

/// What `make` leaves on the heap, in bytes.
fn grown<T>(make: impl FnOnce() -> T) -> (i64, T) {
    let before = Allocated::now();
    let made = make();
    (before.since().live_bytes, made)
}
