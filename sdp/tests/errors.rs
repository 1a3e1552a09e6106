//! What is wrong is said with its place, the rule, and what would have been right.

use peerless_sdp::{Attribute, Limits, Problem, SessionDescription};

const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n";

fn error(text: &str) -> String {
    SessionDescription::parse(text).expect_err("the description is wrong").to_string()
}

fn attribute_error(attribute: &str) -> String {
    error(&format!("{HEAD}m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n{attribute}\r\na=mid:0\r\n"))
}

#[test]
fn a_missing_clock_rate_reads_as_in_the_manual() {
    let padding = "a=x\r\n".repeat(9);
    let text = format!("{HEAD}{padding}a=rtpmap:111 opus\r\n");
    assert_eq!(
        error(&text),
        "line 14, column 10: a=rtpmap:111 opus — a clock rate is missing after \"opus\" \
         (RFC 8866 §6.6), expected e.g. \"opus/48000/2\""
    );
}

#[test]
fn wrong_attributes_are_told_apart() {
    let cases = [
        (
            "a=rtpmap:300 opus/48000/2",
            "line 6, column 10: a=rtpmap:300 opus/48000/2 — \"300\" is not a payload type, 0 to 127 (RFC 8866 §6.6), expected e.g. \"111 opus/48000/2\"",
        ),
        (
            "a=rtpmap:111 opus/48k",
            "line 6, column 19: a=rtpmap:111 opus/48k — \"48k\" is not a clock rate (RFC 8866 §6.6), expected e.g. \"111 opus/48000/2\"",
        ),
        (
            "a=rtpmap:",
            "line 6, column 10: a=rtpmap: — a payload type, 0 to 127 is missing after \"a=rtpmap:\" (RFC 8866 §6.6), expected e.g. \"111 opus/48000/2\"",
        ),
        (
            "a=setup:both",
            "line 6, column 9: a=setup:both — \"both\" is not one of active, passive, actpass, holdconn (RFC 8842 §5.2), expected e.g. \"actpass\"",
        ),
        (
            "a=mid",
            "line 6, column 6: a=mid — a media identification is missing after \"a=mid\" (RFC 5888 §4), expected e.g. \"0\"",
        ),
        (
            "a=sctp-port:5000 x",
            "line 6, column 18: a=sctp-port:5000 x — \"x\" follows where nothing can (RFC 8841 §5), expected e.g. \"5000\"",
        ),
        (
            "a=rtcp-mux:yes",
            "line 6, column 12: a=rtcp-mux:yes — \"yes\" follows where nothing can (RFC 5761 §5.1.1), expected e.g. \"rtcp-mux\"",
        ),
        (
            "a=candidate:1 1 udp 1 192.0.2.1 70000 typ host",
            "line 6, column 33: a=candidate:1 1 udp 1 192.0.2.1 70000 typ host — \"70000\" is not a port, 0 to 65535 (RFC 8839 §5.1), expected e.g. \"1 1 udp 2130706431 192.0.2.1 3478 typ host\"",
        ),
        (
            "b=AS",
            "line 6, column 3: b=AS — a colon and a number is missing after \"AS\" (RFC 8866 §5.8), expected e.g. \"AS:2000\"",
        ),
        (
            "hello",
            "line 6, column 1: hello — \"hello\" is not the beginning of a line: a small letter and \"=\" (RFC 8866 §5), expected e.g. \"a=sendrecv\"",
        ),
        (
            " a=mid:0",
            "line 6, column 1:  a=mid:0 — \" \" is not the beginning of a line: a small letter and \"=\" (RFC 8866 §5), expected e.g. \"a=sendrecv\"",
        ),
        (
            "m=video 9 UDP/TLS/RTP/SAVPF",
            "line 6, column 3: m=video 9 UDP/TLS/RTP/SAVPF — a format is missing after \"UDP/TLS/RTP/SAVPF\" (RFC 8866 §5.14), expected e.g. \"audio 9 UDP/TLS/RTP/SAVPF 111\"",
        ),
        (
            "a=é:1\0",
            "line 6, column 6: a=é:1\0 — \"\0\" is not a character that a line can have in it (RFC 8866 §9, byte-string), expected e.g. \"a line that ends with CR and LF\"",
        ),
    ];
    for (attribute, message) in cases {
        assert_eq!(attribute_error(attribute), message);
    }
}

#[test]
fn each_typed_attribute_refuses_something_or_takes_anything() {
    for text in [
        "rtcp-fb:x nack",
        "rtcp-fb:96",
        "fmtp:",
        "extmap:0 urn:x",
        "extmap:1/both urn:x",
        "extmap:1",
        "ssrc:-1 cname:x",
        "ssrc:1",
        "ssrc-group:FID a",
        "candidate:1 0 udp 1 a 1 typ host",
        "candidate:1 1 udp 1 a 1 type host",
        "candidate:1 1 udp 1 a 1 typ",
        "msid:",
        "msid:a b c",
        "msid-semantic:",
        "group:",
        "ice-ufrag:abc",
        "ice-pwd:short",
        "ice-options:",
        "fingerprint:sha-256",
        "fingerprint:sha-256 AB",
        "fingerprint:md5 A:B",
        "fingerprint:sha-1 AB:CD",
        "tls-id:short",
        "identity:",
        "rtcp:",
        "rtcp:9 IN",
        "rid:q",
        "rid:q both",
        "simulcast:send",
        "simulcast:send 1 send 2",
        "simulcast:1",
        "sctp-port:65536",
        "max-message-size:-1",
        "sctpmap:5000",
        "sctp-init:a",
        "sctp-init:a-b=",
        "ptime:",
        "ptime:x",
        "maxptime:1.",
        "sendrecv:1",
    ] {
        assert!(Attribute::parse(text).is_err(), "{text}");
        attribute_error(&format!("a={text}"));
    }
}

#[test]
fn odd_but_sensible_attributes_are_taken() {
    for text in [
        "rtcp-fb:* ack ccfb",
        "rtcp-fb:96 trr-int 100",
        "fmtp:96",
        "fmtp:webrtc-datachannel max=1",
        "extmap:4096/recvonly urn:x y=1 z",
        "ssrc:1 x",
        "ssrc:0 msid:- t",
        "ssrc-group:SIM",
        "candidate:a 256 TCP 0 x.local 9 typ host tcptype active generation 0",
        "group:BUNDLE",
        "group:LS  a  b ",
        "msid-semantic:  WMS",
        "msid:-",
        "fingerprint:SHA-1 00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00:11:22:33",
        "fingerprint:blake3 00",
        "rtcp:9",
        "rtcp:9 IN IP6 ::",
        "rid:q send pt=96;max-width=1280",
        "simulcast:recv ~1,2;3 send 4",
        "sctp-init:AAA=",
        "sctpmap:5000 webrtc-datachannel",
        "identity:abc; x=1",
        "ptime:2.5",
        "rtcp-mux ",
        "rtpmap:126 telephone-event/8000/1",
        "setup:holdconn ",
        "x",
        "x:",
        ":x",
        "",
    ] {
        let text = format!("a={text}");
        let attribute = Attribute::parse(&text).unwrap_or_else(|error| panic!("{error}"));
        let written = attribute.to_string();
        assert_eq!(Attribute::parse(&written), Ok(attribute), "{text}");
    }
}

#[test]
fn mandatory_lines_are_asked_for_where_they_belong() {
    assert_eq!(
        error(""),
        "line 1, column 1:  — the version, v=0, in the first line is missing after \"\" \
         (RFC 8866 §5.1), expected e.g. \"v=0\""
    );
    assert!(
        error("v=0\r\ns=-\r\n")
            .starts_with("line 2, column 1: s=- — the origin, o= is missing after \"v=0\"")
    );
    assert!(error("v=1\r\n").starts_with("line 1, column 3: v=1 — \"1\" is not a version"));
    let no_time = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nm=audio 9 RTP/AVP 0\r\nt=0 0\r\n";
    assert!(error(no_time).starts_with("line 4, column 1:  — the time, t="), "{}", error(no_time));
}

#[test]
fn secrets_are_in_no_message() {
    let message = attribute_error("a=ice-pwd:hunter2");
    assert!(!message.contains("hunter2") && message.contains("a=ice-pwd:…"), "{message}");
    for text in ["ice-pwd:hunter2", "a=ice-pwd:hunter2", "ice-pwd :hunter2", "a=ice-pwd :hunter2 x"]
    {
        let message = Attribute::parse(text).unwrap_err().to_string();
        assert!(!message.contains("hunter2") && message.contains(":…"), "{message}");
        let message = Attribute::parse(&format!("{text}\n")).unwrap_err().to_string();
        assert!(!message.contains("hunter2"), "{message}");
    }
    for name in ["a=ice-pwd:", "a=ice-pwd :", "a=crypto:", "a=crypto :"] {
        let text = format!("{HEAD}{name}1VE4jhrJMdRjDXDitbQBMbvmb\r\n");
        let shown = format!("{:?}", SessionDescription::parse(&text).unwrap());
        assert!(!shown.contains("VE4jh") && shown.contains(name), "{shown}");
        let message = error(&text.replace("t=0 0\r\n", ""));
        assert!(!message.contains("VE4jh") && message.contains(name), "{message}");
    }
    let text = format!("{HEAD}a=ice-pwd:VE4jhrJMdRjDXDitbQBMbvmb\r\n");
    let description = SessionDescription::parse(&text).unwrap();
    assert!(!format!("{description:?}").contains("VE4jh"));
    assert_eq!(description.ice_pwd(), Some("VE4jhrJMdRjDXDitbQBMbvmb"));
    for (name, shown) in [("ice-pwd", "IcePwd(…)"), ("crypto", "Other { name: \"crypto\", … }")]
    {
        let text = format!("{name}:VE4jhrJMdRjDXDitbQBMbvmb");
        assert_eq!(format!("{:?}", Attribute::parse(&text).unwrap()), shown);
    }
    let shown = format!("{:?}", Attribute::parse("x-name:1").unwrap());
    assert_eq!(shown, "Other { name: \"x-name\", value: Some(\"1\") }");
    assert_eq!(format!("{:?}", Attribute::parse("mid:0").unwrap()), "Mid(\"0\")");
}

#[test]
fn what_is_quoted_is_short() {
    let text = format!("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns={}\r\n", "x".repeat(10_000));
    assert!(error(&text).len() < 500, "{}", error(&text).len());
}

#[test]
fn bytes_that_are_not_utf8_have_a_place() {
    let error = SessionDescription::parse_bytes(b"v=0\r\no=\xc3\xa9\xff").unwrap_err();
    assert_eq!((error.line, error.column), (2, 4));
}

#[test]
fn limits_hold_to_the_unit() {
    let text = format!("{HEAD}{}", "m=a 9 b c\r\na=x\r\n".repeat(10));
    let limits = Limits { bytes: text.len(), lines: 24, media: 10 };
    assert!(SessionDescription::parse_within(&text, limits).is_ok());
    let too_many = |limits| match SessionDescription::parse_within(&text, limits) {
        Err(error) => match error.problem {
            Problem::TooMany { what, .. } => what,
            other => panic!("{other}"),
        },
        Ok(_) => "nothing",
    };
    assert_eq!(too_many(Limits { bytes: text.len() - 1, ..limits }), "bytes");
    assert_eq!(too_many(Limits { lines: 23, ..limits }), "lines");
    assert_eq!(too_many(Limits { media: 9, ..limits }), "media sections");
    assert_eq!(too_many(Limits { lines: 3, ..limits }), "lines");
    assert_eq!(too_many(limits), "nothing");

    let longest = Limits::default();
    let endless = format!("{HEAD}{}", "\n".repeat(longest.lines - 4));
    assert!(SessionDescription::parse(&endless).is_ok());
    assert!(SessionDescription::parse(&format!("{endless}\n")).is_err());
    let wide = format!("{HEAD}a={}\r\n", "x".repeat(longest.bytes - HEAD.len() - 4));
    assert!(SessionDescription::parse(&wide).is_ok());
    assert!(SessionDescription::parse(&format!("{wide}a")).is_err());
}
