use dtls_srtp::crypto::Crypto;
use dtls_srtp::srtp::{Context, MasterKey, Profile};

use crate::choices::Choices;

/// Protected RTP packets under a hostile network, and packets that were never protected.
pub fn srtp(bytes: &[u8]) {
    exercise(bytes, 12, Context::protect_rtp, |context, datagram| {
        context.unprotect_rtp(datagram).map(|plain| plain.len()).ok()
    });
}

/// Protected RTCP packets under a hostile network, and packets that were never protected.
pub fn srtcp(bytes: &[u8]) {
    exercise(bytes, 8, Context::protect_rtcp, |context, datagram| {
        context.unprotect_rtcp(datagram).map(|plain| plain.len()).ok()
    });
}

fn exercise<E>(
    bytes: &[u8],
    header_len: usize,
    protect: fn(&mut Context, &mut Vec<u8>, usize) -> Result<(), E>,
    unprotect: fn(&mut Context, &mut [u8]) -> Option<usize>,
) {
    let mut choices = Choices::new(bytes);
    let profile = match choices.flag() {
        true => Profile::AeadAes128Gcm,
        false => Profile::Aes128CmHmacSha1_80,
    };
    let key = MasterKey::new(&vec![1; profile.key_len()], &vec![2; profile.salt_len()]);
    let context =
        || Context::new(profile, &key, &Crypto::default()).expect("the lengths are right");
    let (mut sender, mut receiver) = (context(), context());
    while !choices.is_empty() {
        let change = choices.byte();
        let packet = choices.bytes();
        if change & 1 == 0 {
            let mut datagram = packet.to_vec();
            assert_eq!(unprotect(&mut receiver, &mut datagram), None, "it has no valid tag");
            continue;
        }
        let mut buf = packet.to_vec();
        let plain_len = buf.len();
        if protect(&mut sender, &mut buf, 0).is_err() {
            continue;
        }
        assert!(plain_len >= header_len && buf.len() > plain_len);
        if change & 2 != 0 {
            let at = usize::from(choices.u16()) % buf.len();
            let with = choices.byte();
            if let Some(byte) = buf.get_mut(at) {
                *byte ^= with;
            }
            let opened = unprotect(&mut receiver, &mut buf);
            assert!(with == 0 || opened.is_none(), "a changed packet is refused");
        } else {
            let mut copy = buf.clone();
            let first = unprotect(&mut receiver, &mut buf);
            assert!(first.is_none_or(|len| len == plain_len));
            assert_eq!(unprotect(&mut receiver, &mut copy), None, "a replay is refused");
        }
    }
}
