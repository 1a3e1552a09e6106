use std::fmt;

use super::{AbsCaptureTime, AudioLevel, Kind, PlayoutDelay, VideoOrientation};

/// The header extension elements that a packet or frame carries from end to end, by what they
/// mean; the id of each hop is put in when the packet is written.
///
/// Up to 38 bytes (with two for each element) are held in place; more, as the description of
/// layers on a key frame may take, on the heap. The bound is 1 KiB: what goes beyond is left out.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Values(Storage);

#[derive(Clone, Eq, PartialEq)]
enum Storage {
    Inline { len: u8, bytes: [u8; INLINE] },
    Heap(Box<[u8]>),
}

impl Default for Storage {
    fn default() -> Self {
        Self::Inline { len: 0, bytes: [0; INLINE] }
    }
}

impl Values {
    /// No elements.
    pub const fn new() -> Self {
        Self(Storage::Inline { len: 0, bytes: [0; INLINE] })
    }

    /// Adds an element, in place of one of the same kind. Kinds [of the hop](Kind::is_of_the_hop)
    /// and data of more than 255 bytes are left out.
    pub fn set(&mut self, kind: Kind, data: &[u8]) {
        if self.get(kind).is_some() {
            let others: Vec<_> =
                self.iter().filter(|(other, _)| *other != kind).flat_map(encode).collect();
            self.0 = Storage::default();
            self.append(&others);
        }
        self.push(kind, data);
    }

    /// Adds an element of a kind that isn't there yet.
    pub(crate) fn push(&mut self, kind: Kind, data: &[u8]) {
        let Ok(data_len) = u8::try_from(data.len()) else { return };
        if kind.is_of_the_hop() {
            return;
        }
        if let Storage::Inline { len, bytes } = &mut self.0 {
            let from = usize::from(*len);
            let to = from + 2 + data.len();
            if let Some([first, second, rest @ ..]) = bytes.get_mut(from..to) {
                (*first, *second) = (kind as u8, data_len);
                rest.copy_from_slice(data);
                *len = to as u8;
                return;
            }
        }
        let element: Vec<_> = encode((kind, data)).collect();
        self.append(&element);
    }

    fn append(&mut self, more: &[u8]) {
        let bytes = self.bytes();
        let total = bytes.len() + more.len();
        if total > MAX {
            return;
        }
        let mut all = Vec::with_capacity(total);
        all.extend_from_slice(bytes);
        all.extend_from_slice(more);
        self.0 = Storage::Heap(all.into_boxed_slice());
    }

    /// The element of this kind.
    pub fn get(&self, kind: Kind) -> Option<&[u8]> {
        self.iter().find(|(other, _)| *other == kind).map(|(_, data)| data)
    }

    /// The elements, in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = (Kind, &[u8])> {
        let mut rest = self.bytes();
        std::iter::from_fn(move || {
            let ([kind, len], after) = rest.split_first_chunk::<2>()?;
            let (data, after) = after.split_at_checked((*len).into())?;
            rest = after;
            let kind = Kind::ALL.get(usize::from(*kind).wrapping_sub(1))?;
            Some((*kind, data))
        })
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }

    /// How many bytes the elements take in a packet, in the longer form.
    pub(crate) fn wire_len(&self) -> usize {
        self.bytes().len()
    }

    /// How loud the audio is.
    pub fn audio_level(&self) -> Option<AudioLevel> {
        AudioLevel::parse(self.get(Kind::AudioLevel)?)
    }

    /// Says how loud the audio is.
    pub fn set_audio_level(&mut self, level: AudioLevel) {
        self.set(Kind::AudioLevel, &level.to_bytes());
    }

    /// Which way up the video is.
    pub fn video_orientation(&self) -> Option<VideoOrientation> {
        VideoOrientation::parse(self.get(Kind::VideoOrientation)?)
    }

    /// Says which way up the video is.
    pub fn set_video_orientation(&mut self, orientation: VideoOrientation) {
        self.set(Kind::VideoOrientation, &orientation.to_bytes());
    }

    /// How long the receiver should buffer.
    pub fn playout_delay(&self) -> Option<PlayoutDelay> {
        PlayoutDelay::parse(self.get(Kind::PlayoutDelay)?)
    }

    /// Says how long the receiver should buffer.
    pub fn set_playout_delay(&mut self, delay: PlayoutDelay) {
        self.set(Kind::PlayoutDelay, &delay.to_bytes());
    }

    /// When the frame was captured.
    pub fn abs_capture_time(&self) -> Option<AbsCaptureTime> {
        AbsCaptureTime::parse(self.get(Kind::AbsCaptureTime)?)
    }

    /// Says when the frame was captured.
    pub fn set_abs_capture_time(&mut self, time: AbsCaptureTime) {
        let (bytes, len) = time.to_bytes();
        self.set(Kind::AbsCaptureTime, bytes.get(..len).unwrap_or_default());
    }

    fn bytes(&self) -> &[u8] {
        match &self.0 {
            Storage::Inline { len, bytes } => bytes.get(..(*len).into()).unwrap_or_default(),
            Storage::Heap(bytes) => bytes,
        }
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

fn encode<'a>((kind, data): (Kind, &'a [u8])) -> impl Iterator<Item = u8> + use<'a> {
    [kind as u8, data.len() as u8].into_iter().chain(data.iter().copied())
}

/// With it the type is 40 bytes long.
const INLINE: usize = 38;
const MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn kinds_are_numbered_as_they_are_listed() {
        for (index, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index + 1);
        }
    }

    #[test]
    fn elements_of_the_hop_are_left_out() {
        let mut values = Values::new();
        values.set(Kind::Mid, b"0");
        assert!(values.is_empty());
    }

    #[test]
    fn the_bound_holds() {
        let mut values = Values::new();
        for kind in Kind::ALL {
            values.set(kind, &[1; 255]);
        }
        assert!(values.wire_len() <= MAX);
        assert_eq!(values.iter().count(), 3);
    }

    proptest! {
        #[test]
        fn the_last_value_set_is_read(
            values in prop::collection::vec((0usize..19, prop::collection::vec(any::<u8>(), 0..30)), 0..12),
        ) {
            let mut set = Values::new();
            let mut model: Vec<(Kind, Vec<u8>)> = Vec::new();
            for (kind, data) in values {
                let kind = Kind::ALL[kind];
                set.set(kind, &data);
                model.retain(|(other, _)| *other != kind);
                if !kind.is_of_the_hop() {
                    model.push((kind, data));
                }
            }
            let read: Vec<_> = set.iter().map(|(kind, data)| (kind, data.to_vec())).collect();
            prop_assert_eq!(read, model);
        }
    }
}
