//! Properties of any description: built ones are read back, broken ones never panic.

#[path = "corpus/recorded.rs"]
mod corpus;

use peerless_sdp::{
    Attribute, Bandwidth, Connection, Direction, ExtMap, Fmtp, Group, MediaDescription, MediaLine,
    Msid, Origin, RtcpFb, RtpMap, SessionDescription, Ssrc, Words, exercise,
};
use proptest::prelude::*;

fn word() -> impl Strategy<Value = String> {
    "[!-9;-~]{1,12}"
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]=[ -~]{0,40}",
        "a=(mid|msid|group|rtpmap|fmtp|extmap|ssrc|candidate|rid|simulcast|setup|rtcp)[: ]{0,2}[ -~é]{0,40}",
        "a=(rtcp-mux|sendrecv|x) {0,2}",
        "m=[a-z]{1,5} [0-9]{1,5} [A-Z/]{1,9} [0-9 ]{1,9}",
        "a=rtpmap:[0-9]{1,3} {1,3}[a-z]{1,5}/[0-9]{1,5} ?",
        "",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn lines_of_any_kind_are_kept_or_refused(
        lines in prop::collection::vec(line(), 0..24),
        lf in any::<bool>(),
    ) {
        let end = if lf { "\n" } else { "\r\n" };
        let head = format!("v=0{end}o=- 1 1 IN IP4 0.0.0.0{end}s=-{end}t=0 0{end}");
        let mut text = head.clone();
        for line in &lines {
            // A line that is refused alone is left out: the others must be kept.
            if SessionDescription::parse(&format!("{head}{line}{end}")).is_ok() {
                text.push_str(line);
                text.push_str(end);
            }
        }
        let description = SessionDescription::parse(&text).unwrap();
        prop_assert_eq!(description.to_string(), text.replace("\r\n", "\n").replace('\n', "\r\n"));
        exercise(text.as_bytes());
    }

    #[test]
    fn broken_recordings_never_panic(
        which in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0u8..4, any::<u8>()), 1..12),
    ) {
        let all = corpus::recorded();
        let recorded = which.get(&all);
        prop_assert!(!recorded.name.is_empty());
        let mut bytes = recorded.text.clone().into_bytes();
        for (at, kind, byte) in edits {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => bytes[at] = b" :=/;,\r\n\0a0"[usize::from(byte) % 11],
                _ => drop(bytes.drain(at..(at + usize::from(byte)).min(bytes.len() - 1).max(at))),
            }
        }
        exercise(&bytes);
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        exercise(&bytes);
        let mut text = b"v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n".to_vec();
        text.extend(bytes);
        exercise(&text);
    }

    #[test]
    fn what_is_built_is_what_is_read(
        session in any::<(u64, u64)>(),
        mids in prop::collection::vec(word(), 1..5),
        payload_type in 0u8..128,
        clock_rate in 1u32..,
        channels in prop::option::of(1u8..),
        id in 1u16..256,
        direction in prop::sample::select(vec![Direction::SendRecv, Direction::Inactive]),
        ssrc in any::<u32>(),
        name in "[a-zA-Z][a-zA-Z0-9-]{0,9}",
        text in "[ -~]{0,30}",
    ) {
        let mids_text = mids.join(" ");
        let mut description = SessionDescription::new(Origin::new(session.0, session.1));
        description.push(Attribute::Group(Group { semantics: "BUNDLE", mids: Words::new(&mids_text) }));
        let payload_text = payload_type.to_string();
        let built = [
            Attribute::RtpMap(RtpMap { payload_type, encoding: &name, clock_rate, channels }),
            Attribute::Fmtp(Fmtp { format: &payload_text, parameters: text.trim_start() }),
            Attribute::RtcpFb(RtcpFb { payload_type: None, feedback: "nack", parameter: "pli" }),
            Attribute::ExtMap(ExtMap { id, direction: Some(direction), uri: &name, attributes: "" }),
            Attribute::Ssrc(Ssrc { ssrc, attribute: "cname", value: Some(&name) }),
            Attribute::Msid(Msid { stream: "-", track: Some(&name) }),
        ];
        for mid in &mids {
            let formats = Words::new(&payload_text);
            let mut media = MediaDescription::new(MediaLine {
                media: "audio", port: 9, port_count: None, protocol: "UDP/TLS/RTP/SAVPF", formats,
            });
            media.push(Attribute::Mid(mid));
            for attribute in built {
                media.push(attribute);
            }
            media.set_direction(direction);
            media.push_bandwidth(Bandwidth { kind: "AS", value: 7 });
            media.set_connection(Connection::UNSPECIFIED);
            description.media.push(media);
        }
        let text = description.to_string();
        let read = SessionDescription::parse(&text).unwrap();
        prop_assert_eq!(&read, &description);
        prop_assert_eq!(read.origin(), Origin::new(session.0, session.1));
        for (media, mid) in read.media.iter().zip(&mids) {
            prop_assert_eq!(media.mid(), Some(mid.as_str()));
            prop_assert_eq!(media.direction(), Some(direction));
            prop_assert_eq!(media.attributes().skip(1).take(6).collect::<Vec<_>>(), built);
            let order: String = media.lines().filter_map(|line| line.chars().next()).collect();
            prop_assert!(order.starts_with("mcba"));
        }
    }
}

#[test]
fn text_of_an_application_cannot_begin_a_line() {
    let mut media = MediaDescription::new(MediaLine {
        media: "audio",
        port: 9,
        port_count: None,
        protocol: "RTP/AVP",
        formats: Words::new("0"),
    });
    media.push(Attribute::Msid(Msid { stream: "a\r\na=setup:active", track: Some("\n\0") }));
    assert_eq!(media.to_string(), "m=audio 9 RTP/AVP 0\r\na=msid:a  a=setup:active   \r\n");
    assert_eq!(media.setup(), None);
    assert!(media.push_text("mid:0\r\na=inactive").is_err());
    assert!(media.push_text("mid:0").is_ok() && media.push_text("a=inactive").is_ok());
    assert_eq!((media.mid(), media.direction()), (Some("0"), Some(Direction::Inactive)));
}

#[test]
fn lines_are_replaced_and_removed_in_place() {
    let text = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nc=IN IP4 1.1.1.1\r\nt=0 0\r\na=x\r\na=sendonly\r\na=y:  z\r\na=x\r\n";
    let mut description = SessionDescription::parse(text).unwrap();
    description.set_direction(Direction::RecvOnly);
    description.set_connection(Connection::UNSPECIFIED);
    description.set_name("name");
    description.set(Attribute::Mid("m"));
    description.set(Attribute::Mid("n"));
    description.push_bandwidth(Bandwidth { kind: "CT", value: 1 });
    description.retain(|attribute| !matches!(attribute, Attribute::Other { name: "x", .. }));
    assert_eq!(
        description.to_string(),
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=name\r\nc=IN IP4 0.0.0.0\r\nb=CT:1\r\nt=0 0\r\na=recvonly\r\na=y:  z\r\na=mid:n\r\n"
    );
    assert_eq!(description.attribute("y"), Some("  z"));
}
