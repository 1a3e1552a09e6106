//! Which codecs and header extensions a section has, and under which numbers.

use rtp::Ssrc;
use rtp::extension::{ExtensionMap, Kind};
use sdp::MediaDescription;

use super::transceivers::{Negotiated, TransceiverState};
use super::{Jsep, Settings};
use crate::media::MediaKind;
use crate::media::codec::CodecCapability;

/// The payload types that either side has given a meaning, and which codec of the configuration
/// that is: a number must not change its meaning within a session
/// ([RFC 3264 §8.3.2](https://www.rfc-editor.org/rfc/rfc3264#section-8.3.2)).
#[derive(Clone, Debug, Default)]
pub(super) struct PayloadTypes {
    used: Vec<(u8, Meaning)>,
}

/// What a payload type stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Meaning {
    /// A codec, by its place in the configuration.
    Codec(usize),
    /// The retransmissions of that codec.
    Rtx(usize),
    /// Something that only the other side understands.
    Foreign,
}

/// Dynamic payload types in the order in which they are given: the usual range, then what RFC 5761
/// §4 leaves below 64.
fn dynamic() -> impl Iterator<Item = u8> {
    (96..=127).chain(35..=63)
}

impl PayloadTypes {
    fn of(&self, meaning: Meaning) -> Option<u8> {
        self.used.iter().find(|(_, own)| *own == meaning).map(|(number, _)| *number)
    }

    fn is_free(&self, number: u8) -> bool {
        self.used.iter().all(|(own, _)| *own != number)
    }

    fn learn(&mut self, number: u8, meaning: Meaning) {
        if self.is_free(number) {
            self.used.push((number, meaning));
        }
    }

    /// The number under which something is offered; `taken` are those of the section already.
    fn choose(&mut self, meaning: Meaning, wanted: u8, taken: &[u8]) -> Option<u8> {
        let known = self.of(meaning).filter(|number| !taken.contains(number));
        let number = known
            .or_else(|| Some(wanted).filter(|own| self.is_free(*own) && !taken.contains(own)))
            .or_else(|| dynamic().find(|own| self.is_free(*own) && !taken.contains(own)))?;
        self.learn(number, meaning);
        Some(number)
    }
}

/// The identifiers of header extensions that either side has given a meaning.
#[derive(Clone, Debug, Default)]
pub(super) struct ExtensionIds {
    /// None for an extension that only the other side understands.
    used: Vec<(u8, Option<Kind>)>,
}

impl ExtensionIds {
    fn learn(&mut self, id: u8, kind: Option<Kind>) {
        if self.used.iter().all(|(own, _)| *own != id) {
            self.used.push((id, kind));
        }
    }

    fn choose(&mut self, kind: Kind, wanted: u8, taken: &[(u8, Kind)]) -> Option<u8> {
        let is_free = |id: &u8| {
            self.used.iter().all(|(own, _)| own != id) && taken.iter().all(|(own, _)| own != id)
        };
        let known = self.used.iter().find(|(_, own)| *own == Some(kind)).map(|(id, _)| *id);
        let id = known
            .filter(|id| taken.iter().all(|(own, _)| own != id))
            .or_else(|| Some(wanted).filter(is_free))
            // The one-byte form has 1 to 14 (RFC 8285 §4.2).
            .or_else(|| (1..=14).find(is_free))?;
        self.learn(id, Some(kind));
        Some(id)
    }
}

/// A format of a remote m-section.
#[derive(Clone, Copy, Debug)]
struct RemoteFormat<'m> {
    payload_type: u8,
    name: &'m str,
    clock_rate: u32,
    channels: Option<u8>,
    parameters: &'m str,
}

impl RemoteFormat<'_> {
    fn is(&self, codec: &CodecCapability) -> bool {
        codec.is(self.name, self.clock_rate, self.channels, self.parameters)
    }

    /// Of a retransmission format, the payload type that it repeats.
    fn apt(&self) -> Option<u8> {
        let fmtp = sdp::Fmtp { format: "", parameters: self.parameters };
        self.name.eq_ignore_ascii_case("rtx").then(|| fmtp.parameter("apt"))??.parse().ok()
    }
}

/// The formats of a section in order of preference, each once. Those without `a=rtpmap` have the
/// meaning of [RFC 3551 §6](https://www.rfc-editor.org/rfc/rfc3551#section-6), or none.
fn formats(media: &MediaDescription) -> Vec<RemoteFormat<'_>> {
    const STATIC: [(u8, &str); 5] = [(0, "PCMU"), (3, "GSM"), (8, "PCMA"), (9, "G722"), (13, "CN")];
    let mut known = [None; 128];
    for map in media.rtpmaps() {
        if let Some(slot @ None) = known.get_mut(usize::from(map.payload_type)) {
            *slot = Some(RemoteFormat {
                payload_type: map.payload_type,
                name: map.encoding,
                clock_rate: map.clock_rate,
                channels: map.channels,
                parameters: "",
            });
        }
    }
    for (payload_type, name) in STATIC {
        if let Some(slot @ None) = known.get_mut(usize::from(payload_type)) {
            let format = RemoteFormat {
                payload_type,
                name,
                clock_rate: 8000,
                channels: None,
                parameters: "",
            };
            *slot = Some(format);
        }
    }
    for fmtp in media.fmtps() {
        let number = fmtp.payload_type().map_or(usize::MAX, usize::from);
        if let Some(Some(format)) = known.get_mut(number) {
            format.parameters = fmtp.parameters;
        }
    }
    let line = media.media_line();
    line.payload_types().filter_map(|number| known.get_mut(usize::from(number))?.take()).collect()
}

/// Whose order the codecs of an answer have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Order {
    Ours,
    Theirs,
}

/// What both sides have, under the other side's payload types
/// ([RFC 3264 §6.1](https://www.rfc-editor.org/rfc/rfc3264#section-6.1)).
pub(super) fn common(
    codecs: &[&CodecCapability],
    media: &MediaDescription,
    order: Order,
) -> Vec<CodecCapability> {
    let formats = formats(media);
    let mut common: Vec<CodecCapability> = Vec::new();
    let mut add = |codec: &CodecCapability, format: &RemoteFormat<'_>| {
        // A codec that is offered twice is taken once, under the number preferred.
        if common.iter().any(|own| own.is_same_codec(codec)) {
            return;
        }
        let number = format.payload_type;
        let rtx = formats.iter().find(|rtx| rtx.apt() == Some(number)).map(|rtx| rtx.payload_type);
        common.push(CodecCapability {
            parameters: codec.answer_parameters(format.parameters),
            feedback: codec.feedback.intersect(media.feedback(number)),
            payload_type: number,
            rtx_payload_type: rtx.filter(|_| codec.rtx_payload_type.is_some()),
            ..codec.clone()
        });
    };
    match order {
        Order::Ours => {
            for codec in codecs {
                if let Some(format) = formats.iter().find(|format| format.is(codec)) {
                    add(codec, format);
                }
            }
        }
        Order::Theirs => {
            for format in &formats {
                if let Some(codec) = codecs.iter().find(|codec| format.is(codec)) {
                    add(codec, format);
                }
            }
        }
    }
    common
}

/// The header extensions of a section that are among `kinds`, under its identifiers. 15 ends the
/// one-byte form, and those above 255 are not for the wire (RFC 8285 §5).
pub(super) fn extensions(media: &MediaDescription, has: impl Fn(Kind) -> bool) -> Vec<(u8, Kind)> {
    let mut found: Vec<(u8, Kind)> = Vec::new();
    for map in media.extmaps() {
        let (Ok(id), Some(kind)) = (u8::try_from(map.id), Kind::from_uri(map.uri)) else {
            continue;
        };
        if id != 15 && has(kind) && found.iter().all(|own| own.0 != id && own.1 != kind) {
            found.push((id, kind));
        }
    }
    found
}

/// The RTP streams that a section announces, and its retransmissions, each with the stream that it
/// repeats. A section says it, so that there is a bound on how many are taken.
pub(super) fn streams(media: &MediaDescription) -> (Vec<Ssrc>, Vec<(Ssrc, Ssrc)>) {
    const LIMIT: usize = 32;
    let mut rtx: Vec<(Ssrc, Ssrc)> = Vec::new();
    for group in media.ssrc_groups().filter(|group| group.semantics == "FID") {
        let mut members = group.ssrcs();
        if let (Some(ssrc), Some(repeats)) = (members.next(), members.next())
            && rtx.len() < LIMIT
        {
            rtx.push((Ssrc(repeats), Ssrc(ssrc)));
        }
    }
    let mut ssrcs: Vec<Ssrc> = Vec::new();
    for line in media.ssrcs() {
        let ssrc = Ssrc(line.ssrc);
        let repeats = rtx.iter().any(|(repeats, _)| *repeats == ssrc);
        if !repeats && !ssrcs.contains(&ssrc) && ssrcs.len() < LIMIT {
            ssrcs.push(ssrc);
        }
    }
    (ssrcs, rtx)
}

impl Settings {
    /// What a transceiver may use, in the order of its preferences or of the configuration.
    pub(super) fn codecs_of<'s>(
        &'s self,
        transceiver: &'s TransceiverState,
    ) -> Vec<&'s CodecCapability> {
        if !transceiver.preferences.is_empty() {
            return transceiver.preferences.iter().collect();
        }
        self.codecs.iter().filter(|codec| codec.kind == transceiver.kind).collect()
    }

    pub(super) fn has_extension(&self, kind: MediaKind, extension: Kind) -> bool {
        self.header_extensions.iter().any(|own| own.kind == extension && own.is_for(kind))
    }
}

impl Jsep {
    /// What an offer says for a transceiver: the codecs of the last answer first, in its order,
    /// under the numbers that they have
    /// ([RFC 9429 §5.2.2](https://www.rfc-editor.org/rfc/rfc9429#section-5.2.2)).
    pub(super) fn offer_codecs(&mut self, transceiver: &TransceiverState) -> Vec<CodecCapability> {
        let settings = self.settings.clone();
        let mut wanted = settings.codecs_of(transceiver);
        let agreed = transceiver.negotiated.as_ref().map_or(&[][..], |own| &own.codecs);
        if transceiver.preferences.is_empty() {
            let place = |codec: &CodecCapability| {
                agreed.iter().position(|own| own.is_same_codec(codec)).unwrap_or(usize::MAX)
            };
            wanted.sort_by_key(|codec| place(codec));
        }
        let mut taken: Vec<u8> = agreed
            .iter()
            .flat_map(|codec| [Some(codec.payload_type), codec.rtx_payload_type])
            .flatten()
            .collect();
        let mut offered = Vec::new();
        for codec in wanted {
            let known = settings.codecs.iter().position(|own| own == codec);
            let index = known.unwrap_or(usize::MAX);
            let agreed = agreed.iter().find(|own| own.is_same_codec(codec));
            let mut choose = |agreed, meaning, wanted| -> Option<u8> {
                let number = match agreed {
                    Some(number) => number,
                    None => self.payload_types.choose(meaning, wanted, &taken)?,
                };
                taken.push(number);
                Some(number)
            };
            let Some(payload_type) = choose(
                agreed.map(|own| own.payload_type),
                Meaning::Codec(index),
                codec.payload_type,
            ) else {
                continue;
            };
            let rtx_payload_type = codec.rtx_payload_type.and_then(|wanted| {
                let agreed = agreed.and_then(|own| own.rtx_payload_type);
                choose(agreed, Meaning::Rtx(index), wanted)
            });
            offered.push(CodecCapability { payload_type, rtx_payload_type, ..codec.clone() });
        }
        offered
    }

    /// The header extensions that an offer has for a transceiver.
    pub(super) fn offer_extensions(&mut self, transceiver: &TransceiverState) -> Vec<(u8, Kind)> {
        let settings = self.settings.clone();
        let agreed = transceiver.negotiated.as_ref().map(|own| &own.extensions);
        let mut offered: Vec<(u8, Kind)> = agreed
            .into_iter()
            .flat_map(ExtensionMap::iter)
            .filter(|(_, kind)| settings.has_extension(transceiver.kind, *kind))
            .collect();
        for wanted in settings.header_extensions.iter().filter(|own| own.is_for(transceiver.kind)) {
            if offered.iter().any(|(_, kind)| *kind == wanted.kind) {
                continue;
            }
            if let Some(id) = self.extension_ids.choose(wanted.kind, wanted.id, &offered) {
                offered.push((id, wanted.kind));
            }
        }
        offered
    }

    /// Remembers which numbers a remote description uses for what.
    pub(super) fn learn_numbers(&mut self, description: &sdp::SessionDescription) {
        for media in &description.media {
            if super::section::rtp_kind(&media.media_line()).is_none() {
                continue;
            }
            // What is known needs no second look: an answer mostly has the numbers of our offer.
            let line = media.media_line();
            let formats = match line.payload_types().all(|own| !self.payload_types.is_free(own)) {
                true => Vec::new(),
                false => formats(media),
            };
            for format in &formats {
                let codec = |format: &RemoteFormat<'_>| {
                    self.settings.codecs.iter().position(|codec| format.is(codec))
                };
                let repeated = format.apt().and_then(|apt| {
                    formats.iter().find(|own| own.payload_type == apt).and_then(codec)
                });
                let meaning = match (codec(format), repeated) {
                    (Some(index), _) => Meaning::Codec(index),
                    (None, Some(index)) => Meaning::Rtx(index),
                    (None, None) => Meaning::Foreign,
                };
                self.payload_types.learn(format.payload_type, meaning);
            }
            for map in media.extmaps() {
                if let Ok(id) = u8::try_from(map.id) {
                    self.extension_ids.learn(id, Kind::from_uri(map.uri));
                }
            }
        }
    }
}

impl Negotiated {
    /// Adds what the other side says about its streams.
    pub(super) fn with_streams(mut self, media: &MediaDescription) -> Self {
        (self.ssrcs, self.rtx) = streams(media);
        self
    }
}
