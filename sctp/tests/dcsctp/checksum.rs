//! RFC 9653: where checksums are left out.

use crate::pair::{EACH, Link, Pair, SIDES, Side, kinds, ms, seeds};
use dcsctp::api::{Options, ZERO_CHECKSUM_ALTERNATE_ERROR_DETECTION_METHOD_LOWER_LAYER_DTLS};
use peerless_sctp::Config;
use peerless_sctp::chunk::ChunkType;

pub(crate) fn config(over_dtls: bool) -> Config {
    let mut config = Config::default();
    config.over_dtls = over_dtls;
    config
}

pub(crate) fn options(over_dtls: bool) -> Options {
    let mut options = Options::default();
    if over_dtls {
        options.zero_checksum_alternate_error_detection_method =
            ZERO_CHECKSUM_ALTERNATE_ERROR_DETECTION_METHOD_LOWER_LAYER_DTLS;
    }
    options
}

/// What a packet says its checksum is, and what it is.
fn sums(packet: &[u8]) -> (u32, u32) {
    let said = u32::from_le_bytes(packet[8..12].try_into().unwrap());
    let mut zeroed = packet.to_vec();
    zeroed[8..12].fill(0);
    (said, crc32c::crc32c(&zeroed))
}

/// Some messages each way.
fn talk(pair: &mut Pair) {
    for side in SIDES {
        for number in 0..20 {
            pair.say(side, number % 3, 1 + usize::from(number) * 400);
        }
    }
    pair.settle();
    pair.check_their_errors();
}

#[test]
fn both_sides_leave_checksums_out_but_of_init_and_cookie_echo() {
    for begins in EACH {
        let mut pair = Pair::connected(begins, &config(true), &options(true));
        talk(&mut pair);
        assert!(pair.ours.stats().zero_checksum, "{begins:?}");
        assert!(pair.theirs.get_metrics().unwrap().uses_zero_checksum, "{begins:?}");
        let (mut zeros, mut right) = ([0; 2], 0);
        for (side, packet) in &pair.log {
            let kinds = kinds(packet);
            let (said, sum) = sums(packet);
            // §5.2, 1 and 2.
            if kinds.contains(&ChunkType::Init) || kinds.contains(&ChunkType::CookieEcho) {
                assert_eq!(said, sum, "{begins:?}, {side:?}: {kinds:?}");
                right += 1;
            } else if !kinds.contains(&ChunkType::InitAck) {
                assert_eq!(said, 0, "{begins:?}, {side:?}: {kinds:?}");
                zeros[*side as usize] += 1;
            } else {
                // "SHOULD use zero": whether the sender has got so far is its own affair.
                assert!(said == 0 || said == sum, "{begins:?}, {side:?}: {kinds:?}");
            }
        }
        assert!(right >= 2 && zeros[0] > 5 && zeros[1] > 5, "{begins:?}: {right}, {zeros:?}");
    }
}

#[test]
fn all_checksums_are_right_where_one_side_does_not_know_of_dtls() {
    for begins in EACH {
        for (we, they) in [(true, false), (false, true), (false, false)] {
            let mut pair = Pair::connected(begins, &config(we), &options(they));
            talk(&mut pair);
            assert!(!pair.ours.stats().zero_checksum, "{begins:?}");
            assert!(!pair.theirs.get_metrics().unwrap().uses_zero_checksum, "{begins:?}");
            for (side, packet) in &pair.log {
                let (said, sum) = sums(packet);
                assert_eq!(said, sum, "{begins:?}, {side:?}: {:?}", kinds(packet));
            }
        }
    }
}

#[test]
fn a_handshake_without_checksums_survives_loss_of_any_of_its_packets() {
    let (mut config, mut options) = (config(true), options(true));
    config.max_init_retransmits = 50;
    options.max_init_retransmits = None;
    // Each is twice the one before, without end.
    (options.t1_init_timeout, options.t1_cookie_timeout) = (ms(100), ms(100));
    for seed in 0..seeds() {
        let begins = EACH[seed as usize % 3];
        let mut pair = Pair::new(begins, &config, &options, Link::lossy(20), seed);
        // In the COOKIE ECHO's packet, where there is room.
        pair.say(Side::Ours, 0, 100);
        pair.connect();
        pair.link = Link::default();
        talk(&mut pair);
    }
}
