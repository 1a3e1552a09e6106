//! What the sections of a bundle say for all of it.

use super::*;

/// Where the first section of a bundle is rejected the next one speaks for it, and has to say what
/// the transport needs.
#[test]
fn a_bundle_without_a_fingerprint_is_refused_whichever_section_speaks_for_it() {
    let mut peers = pair();
    add(&mut peers[0], MediaKind::Audio);
    peers[0].jsep.add_data();
    let first = peers[0].offer();
    negotiate(&mut peers, 0);
    let [mut alice, mut bob] = peers;
    let again = alice.offer();
    let change = |sdp: &str| {
        let (audio, data) = sdp.split_at(sdp.find("m=application").unwrap());
        let audio = audio.replacen("m=audio 9 ", "m=audio 0 ", 1);
        let value = |name| audio.lines().find(|line| line.starts_with(name)).unwrap();
        let credentials = [value("a=ice-ufrag:"), value("a=ice-pwd:")];
        let other = |line: &&str| !line.starts_with("a=ice-") && !line.starts_with("a=fingerprint");
        let lines = audio.lines().chain(data.lines().filter(other)).chain(credentials);
        SessionDescription::offer(lines.map(|line| format!("{line}\r\n")).collect::<String>())
    };
    let [_, mut stranger] = pair();
    for (peer, offer) in [(&mut stranger, &first), (&mut bob, &again)] {
        let error = peer.set_remote(change(&offer.sdp)).unwrap_err();
        assert!(error.to_string().contains("no a=fingerprint"), "{error}");
    }
    bob.set_remote(again).unwrap();
}
