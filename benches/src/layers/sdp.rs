//! Reading a browser's offer, and writing it again.

/// Chromium's offer of audio, video and data, with all that it supports.
pub const OFFER: &str = include_str!("../../fixtures/chromium-offer.sdp");

/// Reads the offer with our crate and writes it.
pub fn peerless() {
    let description = sdp::SessionDescription::parse(OFFER).expect("Chromium's offer");
    assert_eq!(description.to_string().len(), OFFER.len());
}

/// Reads the offer with Mozilla's crate and writes it.
#[cfg(feature = "peers")]
pub fn webrtc_sdp() {
    let description = webrtc_sdp::parse_sdp(OFFER, false).expect("Chromium's offer");
    assert!(!description.to_string().is_empty());
}
