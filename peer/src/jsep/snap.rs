//! What a description says of the SCTP association: its port, and its INIT when that saves the
//! handshake ([draft-hancke-tsvwg-snap](https://datatracker.ietf.org/doc/draft-hancke-tsvwg-snap/)).

use sctp::RemoteInit;
use sdp::{MediaDescription, SessionDescription};

use super::Jsep;
use super::section::LocalEnds;
use super::verify::fingerprints;

impl Jsep {
    /// What our description says of our INIT in the m-section at `index`. Once the association is
    /// agreed on it stays what it was, also if that was nothing: "subsequent offers and answers
    /// MUST include the "a=sctp-init" line in the negotiated SDP with the same value".
    pub(super) fn local_sctp_init(&self, index: usize, ends: &mut LocalEnds<'_>) -> Option<String> {
        if !self.settings.snap {
            return None;
        }
        match self.agreed_data(index) {
            Some((local, remote)) => {
                local.sctp_init().filter(|_| remote.sctp_init().is_some()).map(str::to_owned)
            }
            None => Some(encode(&ends.sctp_init())),
        }
    }

    /// Whether the INIT in the other side's m-section at `index` is another one than its association
    /// has: "Attempting to add an sctp-init attribute to an existing SCTP association results in an
    /// error", and later descriptions "MUST include" it "with the same value". A new association, with
    /// another port or above another DTLS association, has a new one.
    pub(super) fn changes_remote_init(
        &self,
        index: usize,
        description: &SessionDescription,
        media: &MediaDescription,
    ) -> bool {
        let (Some((_, agreed)), Some(remote)) = (self.agreed_data(index), &self.current_remote)
        else {
            return false;
        };
        let agreed_dtls = fingerprints(&remote.sdp, agreed);
        // In a bundle the fingerprints may stand in another section.
        let dtls = fingerprints(description, media);
        let same_dtls = agreed_dtls == dtls || agreed_dtls.is_empty() || dtls.is_empty();
        port(agreed) == port(media) && same_dtls && remote_init(agreed) != remote_init(media)
    }
}

/// The port of the other side's association
/// ([RFC 8841 §5](https://www.rfc-editor.org/rfc/rfc8841#section-5)), or as the drafts before it
/// say it.
pub(super) fn port(media: &MediaDescription) -> u16 {
    media.sctp_port().or_else(|| media.sctpmap().map(|map| map.port)).unwrap_or(5000)
}

/// The other side's INIT; none where there is none that can be used.
pub(super) fn remote_init(media: &MediaDescription) -> Option<RemoteInit> {
    RemoteInit::parse(&decode(media.sctp_init()?)?).ok()
}

/// Bytes as base64 with its padding, as the grammar of SDP has it
/// ([RFC 4566 §9](https://www.rfc-editor.org/rfc/rfc4566#section-9)). Chromium reads no other.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - group.len()));
        for digit in 0..=group.len() {
            let value = bits >> (18 - 6 * digit) & 63;
            text.extend(DIGITS.get(value as usize).map(|digit| char::from(*digit)));
        }
        text.extend(std::iter::repeat_n('=', 3 - group.len()));
    }
    text
}

/// The bytes of base64 with or without padding.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let value = DIGITS.iter().position(|digit| *digit == byte)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.extend((bits >> count).to_be_bytes().last());
            bits &= (1 << count) - 1;
        }
    }
    Some(bytes)
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        // §10.
        let vectors =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
        for (plain, text) in vectors {
            assert_eq!(encode(plain.as_bytes()), text);
            assert_eq!(decode(text).as_deref(), Some(plain.as_bytes()));
            let bare = text.trim_end_matches('=');
            assert_eq!(decode(bare).as_deref(), Some(plain.as_bytes()));
        }
        assert_eq!(decode("Z!"), None);
    }

    #[test]
    fn the_init_of_the_draft_is_read() {
        // draft-hancke-tsvwg-snap §4.1.
        let init = decode("AQAAHols3R0AUAAA/////+B5ZR3AAAAEgAgABoLA").unwrap();
        assert_eq!(init.len(), 30);
        assert_eq!(init[..8], [1, 0, 0, 30, 0x89, 0x6c, 0xdd, 0x1d]);
        assert!(RemoteInit::parse(&init).is_ok());
    }
}
