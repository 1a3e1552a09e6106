//! Everything the crate promises about any input, in one function: what the fuzz target calls.

use crate::{Attribute, AttributeKind, Direction, MediaDescription, Section, SessionDescription};

/// Parses the bytes, reads and changes what they say, and checks that a description that was read
/// can be written and read again.
///
/// # Panics
///
/// When a promise is broken.
pub fn exercise(bytes: &[u8]) {
    let mut description = match SessionDescription::parse_bytes(bytes) {
        Ok(description) => description,
        Err(error) => {
            let message = error.to_string();
            assert!(message.len() < 8192 && error.line > 0 && error.column > 0, "{message}");
            return;
        }
    };
    let text = description.to_string();
    if bytes.ends_with(b"\r\n")
        && bytes.iter().filter(|byte| **byte == b'\n').count()
            == bytes.windows(2).filter(|pair| pair == b"\r\n").count()
    {
        assert_eq!(bytes, text.as_bytes(), "a description is written as it was read");
    }
    assert_eq!(SessionDescription::parse(&text).as_ref(), Ok(&description));

    read(&description);
    let _ = (description.origin(), description.name(), description.timing());
    for media in &mut description.media {
        read(media);
        change(media);
    }
    let broken = Attribute::Other { name: "x", value: Some("\r\nm=audio\0") };
    description.push(broken);
    description.set_name("a\nb");
    let changed = SessionDescription::parse(&description.to_string());
    assert_eq!(changed.map(|changed| changed.media.len()), Ok(description.media.len()));
}

fn read(section: &Section) {
    for attribute in section.attributes() {
        // What is typed may be spelled in one way only: writing and reading it gives it back.
        let text = attribute.to_string();
        if text.starts_with("a=") {
            // `a=a=mid:0` has a name that is no token (RFC 8866 §9): kept, but alone it reads as a
            // whole line.
            continue;
        }
        assert_eq!(Attribute::parse(&text), Ok(attribute), "{text}");
    }
    let _ = (section.mid(), section.direction(), section.connection(), section.rtcp());
    let _ = (section.simulcast(), section.attribute("x"), section.setup(), section.ice_pwd());
    for fmtp in section.fmtps() {
        let _ = fmtp.iter().count();
    }
    for fingerprint in section.fingerprints() {
        assert!(fingerprint.bytes().count() * 3 == fingerprint.value.len() + 1);
    }
    for candidate in section.candidates() {
        let _ = candidate.related_address();
    }
    let _ = format!("{section:?}");
}

fn change(media: &mut MediaDescription) {
    let (before, kind) = (media.lines().count(), media.kind().to_owned());
    media.set_port(9);
    media.set_direction(Direction::SendRecv);
    assert_eq!(media.direction(), Some(Direction::SendRecv));
    media.remove(AttributeKind::SendRecv);
    media.retain(|attribute| !matches!(attribute, Attribute::RtpMap(_)));
    assert_eq!(media.rtpmaps().count(), 0);
    assert!(media.lines().count() <= before && media.kind() == kind && media.port() == 9);
}
