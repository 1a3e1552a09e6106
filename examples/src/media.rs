//! Readers of media files: encoded frames, as a WebRTC stack moves them.
//!
//! ```
//! use peerless_examples::media;
//!
//! let video = media::read_ivf(include_bytes!("../media/vp8.ivf")).unwrap();
//! assert_eq!(video.len(), 60, "two seconds of 30 frames");
//! ```

use std::time::Duration;

use bytes::Bytes;

/// An encoded frame of a file, and when it is played.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sample {
    /// The frame, as a codec made it.
    pub data: Bytes,
    /// Since the file's beginning.
    pub time: Duration,
}

/// Reads an IVF file: video frames, each with its time. `None` if it is not one, or is cut short.
pub fn read_ivf(bytes: &[u8]) -> Option<Vec<Sample>> {
    let header = bytes.first_chunk::<32>()?;
    if header.get(..4)? != b"DKIF" {
        return None;
    }
    let header_len = usize::from(u16::from_le_bytes([header[6], header[7]]));
    let ticks_per_second = u32::from_le_bytes([header[16], header[17], header[18], header[19]]);
    let tick = u32::from_le_bytes([header[20], header[21], header[22], header[23]]);
    if ticks_per_second == 0 {
        return None;
    }
    let mut rest = bytes.get(header_len..)?;
    let mut samples = Vec::new();
    while !rest.is_empty() {
        let (frame, after) = rest.split_first_chunk::<12>()?;
        let len = u32::from_le_bytes([frame[0], frame[1], frame[2], frame[3]]) as usize;
        let (data, after) = after.split_at_checked(len)?;
        let (low, high) = (
            u32::from_le_bytes([frame[4], frame[5], frame[6], frame[7]]),
            u32::from_le_bytes([frame[8], frame[9], frame[10], frame[11]]),
        );
        let ticks = u64::from(high) << 32 | u64::from(low);
        let nanos = u128::from(ticks) * u128::from(tick) * 1_000_000_000;
        let time = Duration::from_nanos((nanos / u128::from(ticks_per_second)) as u64);
        samples.push(Sample { data: Bytes::copy_from_slice(data), time });
        rest = after;
    }
    Some(samples)
}

/// Reads an Ogg file with Opus in it ([RFC 7845](https://www.rfc-editor.org/rfc/rfc7845)), whose
/// packets all have 20 ms, as encoders make them for calls. `None` if it is not one, or is cut
/// short.
pub fn read_ogg_opus(bytes: &[u8]) -> Option<Vec<Sample>> {
    let mut packets = ogg_packets(bytes)?.into_iter();
    if !packets.next()?.starts_with(b"OpusHead") || !packets.next()?.starts_with(b"OpusTags") {
        return None;
    }
    let samples = packets.enumerate().map(|(at, data)| Sample {
        data: data.into(),
        time: Duration::from_millis(20) * at as u32,
    });
    Some(samples.collect())
}

/// Joins the packets of an Ogg stream ([RFC 3533](https://www.rfc-editor.org/rfc/rfc3533)): a page
/// has a table of segment lengths, and a segment shorter than 255 bytes ends a packet.
fn ogg_packets(mut rest: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut packets = Vec::new();
    let mut packet = Vec::new();
    while !rest.is_empty() {
        let (header, after) = rest.split_first_chunk::<27>()?;
        if header.get(..4)? != b"OggS" {
            return None;
        }
        let (lengths, mut after) = after.split_at_checked(header[26].into())?;
        for &len in lengths {
            let (segment, next) = after.split_at_checked(len.into())?;
            packet.extend_from_slice(segment);
            if len < 255 {
                packets.push(std::mem::take(&mut packet));
            }
            after = next;
        }
        rest = after;
    }
    Some(packets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_frames_of_an_ivf_file() {
        let video = read_ivf(include_bytes!("../media/vp8.ivf")).unwrap();
        assert_eq!(video.len(), 60);
        assert_eq!(video[30].time, Duration::from_secs(1));
        assert_eq!(video[0].data[0] & 1, 0, "a VP8 key frame comes first");
    }

    #[test]
    fn reads_the_packets_of_an_ogg_file() {
        let audio = read_ogg_opus(include_bytes!("../media/opus.ogg")).unwrap();
        assert!(
            (100..=102).contains(&audio.len()),
            "two seconds and some priming: {}",
            audio.len()
        );
        assert!(audio.iter().all(|sample| !sample.data.is_empty() && sample.data.len() < 400));
    }

    #[test]
    fn a_cut_file_is_not_read() {
        let ivf = include_bytes!("../media/vp8.ivf");
        assert_eq!(read_ivf(&ivf[..1000]), None);
        assert_eq!(read_ivf(b"RIFF"), None);
        let ogg = include_bytes!("../media/opus.ogg");
        assert_eq!(read_ogg_opus(&ogg[..1000]), None);
        assert_eq!(read_ogg_opus(ivf), None);
    }
}
