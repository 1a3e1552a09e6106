//! m-sections: what they are about, and how we write them.

use std::sync::Arc;

use rtp::Ssrc;
use rtp::extension::{ExtensionMap, Kind};
use sdp::{
    Attribute, Connection, Direction, ExtMap, Fingerprint, Fmtp, MediaDescription, MediaLine, Msid,
    RtcpFb, RtpMap, Setup, SsrcGroup, Words,
};

use super::transceivers::TransceiverState;
use super::{LocalTransport, LocalTransports, TransportId};
use crate::media::MediaKind;
use crate::media::codec::CodecCapability;
use crate::media::transceiver::TransceiverId;

/// What stands at one index of the descriptions.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Slot {
    pub(super) mid: String,
    pub(super) media: SlotMedia,
    pub(super) transport: TransportId,
    /// Port 0: nothing flows, and a new section may take its place.
    pub(super) rejected: bool,
}

/// What a section is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum SlotMedia {
    Rtp(TransceiverId),
    Data,
    /// Something that we don't understand, and reject.
    Unknown,
}

/// A description that was created and waits to be applied.
#[derive(Debug)]
pub(super) struct Created {
    pub(super) sdp: Arc<sdp::SessionDescription>,
    pub(super) text: String,
    pub(super) slots: Vec<Slot>,
    pub(super) sections: Vec<CreatedSection>,
}

impl Created {
    pub(super) fn new(
        description: sdp::SessionDescription,
        slots: Vec<Slot>,
        sections: Vec<CreatedSection>,
    ) -> Self {
        let text = description.to_string();
        Self { sdp: Arc::new(description), text, slots, sections }
    }
}

/// What a created description says about RTP, by section.
#[derive(Clone, Debug, Default)]
pub(super) struct CreatedSection {
    pub(super) codecs: Vec<CodecCapability>,
    pub(super) extensions: ExtensionMap,
    pub(super) direction: Direction,
    pub(super) reduced_size: bool,
}

/// Our ends of the transports that a description names, asked for once each.
pub(super) struct LocalEnds<'l> {
    source: &'l mut dyn LocalTransports,
    restart: bool,
    options: &'static [&'static str],
    fingerprints: Vec<(String, String)>,
    ends: Vec<(TransportId, LocalTransport)>,
}

impl<'l> LocalEnds<'l> {
    pub(super) fn new(
        source: &'l mut dyn LocalTransports,
        restart: bool,
        options: &'static [&'static str],
    ) -> Self {
        let fingerprints = source
            .fingerprints()
            .iter()
            .filter_map(|fingerprint| {
                let text = fingerprint.to_string();
                text.split_once(' ').map(|(name, value)| (name.to_owned(), value.to_owned()))
            })
            .collect();
        Self { source, restart, options, fingerprints, ends: Vec::new() }
    }

    /// The INIT chunk of our SCTP association.
    pub(super) fn sctp_init(&mut self) -> Vec<u8> {
        self.source.sctp_init()
    }

    /// Writes what the section says about its transport. Candidates stand only in the first section
    /// of a transport, as browsers do it. In an answer, `offered` are the options of the offer: an
    /// answer has only options that the offer has (RFC 9429 §5.3.1).
    pub(super) fn write(
        &mut self,
        media: &mut MediaDescription,
        id: TransportId,
        setup: Setup,
        offered: Option<Option<Words<'_>>>,
    ) {
        let known = self.ends.iter().position(|(own, _)| *own == id);
        if known.is_none() {
            let end = self.source.local_transport(id, self.restart);
            self.ends.push((id, end));
        }
        let Some((_, end)) = self.ends.iter().find(|(own, _)| *own == id) else { return };
        if known.is_none() {
            for candidate in &end.candidates {
                // What our own ICE agent writes is right; if it were not, it is better left out.
                let _ = media.push_text(candidate);
            }
            if end.end_of_candidates {
                media.push(Attribute::EndOfCandidates);
            }
        }
        media.push(Attribute::IceUfrag(&end.ufrag));
        media.push(Attribute::IcePwd(&end.pwd));
        let mut options = String::new();
        for option in self.options {
            let is_offered =
                |offered: Option<Words<'_>>| offered.is_some_and(|own| own.contains(option));
            if offered.is_some_and(is_offered) {
                push_word(&mut options, option);
            }
        }
        if !options.is_empty() {
            media.push(Attribute::IceOptions(Words::new(&options)));
        }
        for (algorithm, value) in &self.fingerprints {
            media.push(Attribute::Fingerprint(Fingerprint { algorithm, value }));
        }
        media.push(Attribute::Setup(setup));
    }
}

/// An m-section for RTP that is being written.
pub(super) struct RtpSection<'s> {
    pub(super) transceiver: &'s TransceiverState,
    pub(super) mid: Option<&'s str>,
    pub(super) protocol: &'s str,
    pub(super) codecs: &'s [CodecCapability],
    pub(super) extensions: &'s [(u8, Kind)],
    pub(super) direction: Direction,
    pub(super) cname: &'s str,
    pub(super) rtcp_mux_only: bool,
    pub(super) reduced_size: bool,
    pub(super) cryptex: bool,
}

impl RtpSection<'_> {
    /// Begins the section, up to what it says about its transport.
    pub(super) fn begin(&self) -> MediaDescription {
        let mut formats = String::new();
        for codec in self.codecs {
            for payload_type in [codec.payload_type].into_iter().chain(codec.rtx_payload_type) {
                push_word(&mut formats, &payload_type.to_string());
            }
        }
        let mut media = begin(self.transceiver.kind.as_str(), 9, self.protocol, &formats);
        media.push(Attribute::Rtcp(sdp::Rtcp {
            port: 9,
            connection: Some(Connection::UNSPECIFIED),
        }));
        media
    }

    /// Writes the rest.
    pub(super) fn finish(&self, media: &mut MediaDescription) {
        if let Some(mid) = self.mid {
            media.push(Attribute::Mid(mid));
        }
        for (id, kind) in self.extensions {
            let map =
                ExtMap { id: u16::from(*id), direction: None, uri: kind.uri(), attributes: "" };
            media.push(Attribute::ExtMap(map));
        }
        media.push(self.direction.attribute());
        // "If the RtpTransceiver has a sendrecv or sendonly direction": what it wishes counts, not
        // what the other side leaves of it (RFC 9429 §5.3.1).
        if self.transceiver.wanted_direction().sends() {
            self.write_msid(media);
        }
        media.push(Attribute::RtcpMux);
        if self.rtcp_mux_only {
            media.push(Attribute::RtcpMuxOnly);
        }
        if self.reduced_size {
            media.push(Attribute::RtcpRsize);
        }
        if self.cryptex {
            media.push(Attribute::Cryptex);
        }
        for codec in self.codecs {
            write_codec(media, codec);
        }
        if self.direction.sends() {
            self.write_ssrcs(media);
        }
    }

    /// RFC 8830 §2. A `-` says that there is no stream, where nothing would leave it open.
    fn write_msid(&self, media: &mut MediaDescription) {
        let track = self.transceiver.track_id.as_deref();
        if self.transceiver.streams.is_empty() {
            media.push(Attribute::Msid(Msid { stream: "-", track }));
        }
        for stream in &self.transceiver.streams {
            media.push(Attribute::Msid(Msid { stream, track }));
        }
    }

    /// Not asked for by RFC 9429, which lets a receiver find streams by `mid`; those who do not use
    /// header extensions need them.
    fn write_ssrcs(&self, media: &mut MediaDescription) {
        let Ssrc(ssrc) = self.transceiver.ssrc;
        let Ssrc(rtx) = self.transceiver.rtx_ssrc;
        let has_rtx = self.codecs.iter().any(|codec| codec.rtx_payload_type.is_some()) && rtx != 0;
        if has_rtx {
            let members = format!("{ssrc} {rtx}");
            let members = Words::new(&members);
            media.push(Attribute::SsrcGroup(SsrcGroup { semantics: "FID", members }));
        }
        for ssrc in [Some(ssrc), has_rtx.then_some(rtx)].into_iter().flatten() {
            let value = Some(self.cname);
            media.push(Attribute::Ssrc(sdp::Ssrc { ssrc, attribute: "cname", value }));
        }
    }
}

fn write_codec(media: &mut MediaDescription, codec: &CodecCapability) {
    let CodecCapability { payload_type, clock_rate, .. } = *codec;
    media.push(Attribute::RtpMap(RtpMap {
        payload_type,
        encoding: &codec.name,
        clock_rate,
        channels: codec.channels,
    }));
    for (feedback, parameter) in codec.feedback.lines() {
        let payload_type = Some(payload_type);
        media.push(Attribute::RtcpFb(RtcpFb { payload_type, feedback, parameter }));
    }
    if !codec.parameters.is_empty() {
        let format = payload_type.to_string();
        media.push(Attribute::Fmtp(Fmtp { format: &format, parameters: &codec.parameters }));
    }
    if let Some(rtx) = codec.rtx_payload_type {
        media.push(Attribute::RtpMap(RtpMap {
            payload_type: rtx,
            encoding: "rtx",
            clock_rate,
            channels: None,
        }));
        let (format, parameters) = (rtx.to_string(), format!("apt={payload_type}"));
        media.push(Attribute::Fmtp(Fmtp { format: &format, parameters: &parameters }));
    }
}

/// An `m=` line and its `c=` line. Port 9 and address 0.0.0.0 stand for "not known yet"
/// ([RFC 8840 §4.1.1](https://www.rfc-editor.org/rfc/rfc8840#section-4.1.1)).
pub(super) fn begin(kind: &str, port: u16, protocol: &str, formats: &str) -> MediaDescription {
    let mut media = MediaDescription::new(MediaLine {
        media: kind,
        port,
        port_count: None,
        protocol,
        formats: Words::new(formats),
    });
    media.set_connection(Connection::UNSPECIFIED);
    media
}

/// A rejected section: port 0, and the name that it has
/// ([RFC 3264 §6](https://www.rfc-editor.org/rfc/rfc3264#section-6)).
pub(super) fn rejected(line: MediaLine<'_>, mid: Option<&str>) -> MediaDescription {
    let mut media = begin(line.media, 0, line.protocol, line.formats.as_str());
    if let Some(mid) = mid {
        media.push(Attribute::Mid(mid));
    }
    if line.media != "application" {
        media.push(Attribute::Inactive);
    }
    media
}

/// The kind of media of an m-section with RTP under DTLS
/// ([RFC 9429 §5.1.2](https://www.rfc-editor.org/rfc/rfc9429#section-5.1.2) lists the profiles).
pub(super) fn rtp_kind(line: &MediaLine<'_>) -> Option<MediaKind> {
    let protocol = matches!(
        line.protocol,
        "UDP/TLS/RTP/SAVPF"
            | "TCP/DTLS/RTP/SAVPF"
            | "TCP/TLS/RTP/SAVPF"
            | "UDP/TLS/RTP/SAVP"
            | "RTP/SAVPF"
            | "RTP/SAVP"
    );
    match line.media {
        "audio" if protocol => Some(MediaKind::Audio),
        "video" if protocol => Some(MediaKind::Video),
        _ => None,
    }
}

/// Whether an m-section is for data channels: in the form of RFC 8841, or of the drafts before it.
pub(super) fn is_data(line: &MediaLine<'_>) -> bool {
    let protocol = matches!(line.protocol, "UDP/DTLS/SCTP" | "TCP/DTLS/SCTP" | "DTLS/SCTP");
    line.media == "application" && protocol
}

/// Whether a section is rejected: port 0 without the `a=bundle-only` that gives it another meaning
/// ([RFC 9143 §6](https://www.rfc-editor.org/rfc/rfc9143#section-6)).
pub(super) fn is_rejected(media: &MediaDescription) -> bool {
    media.port() == 0 && !media.is_bundle_only()
}

pub(super) fn push_word(words: &mut String, word: &str) {
    if !words.is_empty() {
        words.push(' ');
    }
    words.push_str(word);
}
