//! Negotiation of draft-hancke-tsvwg-snap.

use super::*;
use crate::error::ErrorKind;

/// Both have it, or the first alone, and data is agreed on.
fn agreed(both: bool) -> [Peer; 2] {
    let configuration = Configuration { snap: true, ..Configuration::default() };
    let mut peers = pair_with(&configuration);
    if !both {
        peers[1] = Peer::new("bob", &Configuration::default(), 1);
    }
    peers[0].jsep.add_data();
    negotiate(&mut peers, 0);
    peers
}

/// The line of an INIT, with this for a tag.
fn line(tag: u8) -> String {
    let mut init =
        sctp::Association::server(sctp::Config::default(), crate::Origin::system().now, [7; 32])
            .local_init_chunk();
    init[4] = tag;
    format!("a=sctp-init:{}\r\n", crate::jsep::snap::encode(&init))
}

#[test]
fn it_stays_what_it_was() {
    // "Subsequent offers and answers MUST include the "a=sctp-init" line in the negotiated SDP with the
    // same value as in the initial negotiation".
    let mut peers = agreed(true);
    for from in [1, 0] {
        negotiate(&mut peers, from);
        for peer in &peers {
            assert!(peer.parsed_local().media[0].sctp_init().is_some());
        }
    }
}

#[test]
fn it_is_not_added_to_an_association_nor_changed() {
    // "Attempting to add an sctp-init attribute to an existing SCTP association results in an error."
    for both in [true, false] {
        let [mut alice, mut bob] = agreed(both);
        let offer = bob.offer().sdp;
        let mut changed: String =
            offer.split_inclusive('\n').filter(|line| !line.contains("sctp-init")).collect();
        changed.push_str(&line(99));
        let error = alice.set_remote(SessionDescription::offer(changed.clone())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidAccessError, "{error}");
        assert!(error.to_string().contains("sctp-init"), "{error}");
        // RFC 8841 §9.3: another port is another association, which cannot be had beside the one in
        // force, whatever its INIT.
        let another = changed.replace("a=sctp-port:5000", "a=sctp-port:5001");
        let error = alice.set_remote(SessionDescription::offer(another)).unwrap_err();
        assert!(error.to_string().contains("new SCTP association"), "{error}");
    }
}

/// The form before RFC 8841 has no place for it, and the association is one all the same.
#[test]
fn it_is_not_added_to_an_association_of_the_older_form() {
    let configuration = Configuration { snap: true, ..Configuration::default() };
    let [mut alice, mut bob] = pair_with(&configuration);
    alice.jsep.add_data();
    let mut offer = alice.offer();
    offer.sdp = offer
        .sdp
        .replace("UDP/DTLS/SCTP webrtc-datachannel", "DTLS/SCTP 5000")
        .replace("a=sctp-port:5000", "a=sctpmap:5000 webrtc-datachannel 1024")
        .split_inclusive('\n')
        .filter(|line| !line.contains("sctp-init"))
        .collect();
    bob.set_remote(offer).unwrap();
    let answer = bob.answer();
    assert!(answer.sdp.contains("a=sctpmap:5000"), "{}", answer.sdp);
    bob.set_local(answer).unwrap();
    let again = bob.offer().sdp;
    assert!(again.contains("m=application 9") && !again.contains("sctp-init"), "{again}");
}
