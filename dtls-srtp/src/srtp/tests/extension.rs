//! RFC 6904, beyond its vector.

use super::*;

#[test]
fn only_the_data_of_the_chosen_elements_changes() {
    let settings =
        Settings { encrypted_extensions: [2, 200].into_iter().collect(), ..Settings::default() };
    // One-byte: 1, 2 and padding, then 15, which ends the processing. Two-byte: 2 and 200, which
    // is longer than four blocks.
    let one_byte = [0xBE, 0xDE, 0, 3, 0x10, 7, 0x21, 8, 9, 0, 0, 0x20, 5, 0xF0, 0x20, 6];
    let mut two_byte = vec![0x10, 0x07, 0, 25, 2, 1, 5, 1, 1, 6, 200, 90];
    two_byte.extend(0..90);
    two_byte.extend([0, 0]);
    let of_both: Vec<usize> = [6].into_iter().chain(12..102).collect();
    for profile in Profile::ALL {
        for (extension, encrypted) in [(&one_byte[..], &[7, 8, 12][..]), (&two_byte, &of_both)] {
            let (mut sender, mut receiver) = pair_with(profile, settings);
            let mut plain = vec![0x90, 96, 0, 1, 0, 0, 0, 0, 0xCA, 0xFE, 0xBA, 0xBE];
            plain.extend_from_slice(extension);
            plain.extend_from_slice(b"payload");
            let mut packet = plain.clone();
            sender.protect_rtp(&mut packet, 0).unwrap();
            for (at, byte) in extension.iter().enumerate() {
                // One in 256 is equal by chance, so that what must differ is counted below.
                assert!(packet[12 + at] == *byte || encrypted.contains(&at), "byte {at}");
            }
            let changed = |at: &&usize| packet[12 + **at] != extension[**at];
            assert!(encrypted.iter().filter(changed).count() + 2 > encrypted.len());
            assert_eq!(receiver.unprotect_rtp(&mut packet).unwrap(), plain);
        }
    }
}

#[test]
fn a_set_of_ids_holds_what_was_put_in() {
    let ids: ExtensionIds = [1, 127, 128, 255].into_iter().collect();
    let held: Vec<u8> = (0..=255).filter(|id| ids.contains(*id)).collect();
    assert_eq!(held, [1, 127, 128, 255]);
    assert!(!ids.is_empty() && ExtensionIds::default().is_empty());
}
