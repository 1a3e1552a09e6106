/// Parses a description; what is accepted is written back as it was read and can be changed.
pub fn sdp(bytes: &[u8]) {
    sdp::exercise(bytes);
}
