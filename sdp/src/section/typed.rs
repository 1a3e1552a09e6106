//! What a section says, attribute by attribute.

use super::{Section, Tag};
use crate::attribute::{
    Attribute, AttributeKind, Candidate, Direction, ExtMap, Fingerprint, Fmtp, Group, Identity,
    Msid, MsidSemantic, Rid, Rtcp, RtcpFb, RtpMap, SctpMap, Setup, Simulcast, Ssrc, SsrcGroup,
};
use crate::cursor::Words;
use crate::line::{Bandwidth, Connection};

/// Getters of the first value, and of all values, of a kind.
macro_rules! getters {
    (
        first { $( $(#[$first_doc:meta])* $first:ident: $first_type:ty = $first_kind:ident; )* }
        all { $( $(#[$all_doc:meta])* $all:ident: $all_type:ty = $all_kind:ident; )* }
        flags { $( $(#[$flag_doc:meta])* $flag:ident = $flag_kind:ident; )* }
    ) => {
        impl Section {
            $(
                $(#[$first_doc])*
                pub fn $first(&self) -> Option<$first_type> {
                    match self.attributes_of(AttributeKind::$first_kind).next() {
                        Some(Attribute::$first_kind(value)) => Some(value),
                        _ => None,
                    }
                }
            )*
            $(
                $(#[$all_doc])*
                pub fn $all(&self) -> impl Iterator<Item = $all_type> {
                    self.attributes_of(AttributeKind::$all_kind).filter_map(|attribute| {
                        match attribute {
                            Attribute::$all_kind(value) => Some(value),
                            _ => None,
                        }
                    })
                }
            )*
            $(
                $(#[$flag_doc])*
                pub fn $flag(&self) -> bool {
                    self.has(AttributeKind::$flag_kind)
                }
            )*
        }
    };
}

getters! {
    first {
        /// Returns the `a=ice-options`.
        ice_options: Words<'_> = IceOptions;
        /// Returns the `a=ice-pwd`.
        ice_pwd: &str = IcePwd;
        /// Returns the `a=ice-ufrag`.
        ice_ufrag: &str = IceUfrag;
        /// Returns the `a=identity`.
        identity: Identity<'_> = Identity;
        /// Returns the `a=max-message-size` in bytes; 0 stands for no limit.
        max_message_size: u64 = MaxMessageSize;
        /// Returns the `a=maxptime` in milliseconds.
        max_ptime: &str = MaxPtime;
        /// Returns the `a=mid`.
        mid: &str = Mid;
        /// Returns the `a=msid-semantic`.
        msid_semantic: MsidSemantic<'_> = MsidSemantic;
        /// Returns the `a=ptime` in milliseconds.
        ptime: &str = Ptime;
        /// Returns the `a=rtcp`.
        rtcp: Rtcp<'_> = Rtcp;
        /// Returns the `a=rtcp-xr`.
        rtcp_xr: Words<'_> = RtcpXr;
        /// Returns the `a=sctp-init`, in base64.
        sctp_init: &str = SctpInit;
        /// Returns the `a=sctpmap`.
        sctpmap: SctpMap<'_> = SctpMap;
        /// Returns the `a=sctp-port`.
        sctp_port: u16 = SctpPort;
        /// Returns the `a=setup`.
        setup: Setup = Setup;
        /// Returns the `a=simulcast`.
        simulcast: Simulcast<'_> = Simulcast;
        /// Returns the `a=tls-id`.
        tls_id: &str = TlsId;
    }
    all {
        /// Returns the `a=candidate` lines.
        candidates: Candidate<'_> = Candidate;
        /// Returns the `a=extmap` lines.
        extmaps: ExtMap<'_> = ExtMap;
        /// Returns the `a=fingerprint` lines.
        fingerprints: Fingerprint<'_> = Fingerprint;
        /// Returns the `a=fmtp` lines.
        fmtps: Fmtp<'_> = Fmtp;
        /// Returns the `a=group` lines.
        groups: Group<'_> = Group;
        /// Returns the `a=msid` lines.
        msids: Msid<'_> = Msid;
        /// Returns the `a=rid` lines.
        rids: Rid<'_> = Rid;
        /// Returns the `a=rtcp-fb` lines.
        rtcp_fbs: RtcpFb<'_> = RtcpFb;
        /// Returns the `a=rtpmap` lines.
        rtpmaps: RtpMap<'_> = RtpMap;
        /// Returns the `a=ssrc` lines.
        ssrcs: Ssrc<'_> = Ssrc;
        /// Returns the `a=ssrc-group` lines.
        ssrc_groups: SsrcGroup<'_> = SsrcGroup;
    }
    flags {
        /// Tells whether there is an `a=extmap-allow-mixed`.
        allows_mixed_extmap = ExtMapAllowMixed;
        /// Tells whether there is an `a=cryptex`.
        has_cryptex = Cryptex;
        /// Tells whether there is an `a=end-of-candidates`.
        has_end_of_candidates = EndOfCandidates;
        /// Tells whether there is an `a=rtcp-mux`.
        has_rtcp_mux = RtcpMux;
        /// Tells whether there is an `a=rtcp-mux-only`.
        has_rtcp_mux_only = RtcpMuxOnly;
        /// Tells whether there is an `a=rtcp-rsize`.
        has_rtcp_rsize = RtcpRsize;
        /// Tells whether there is an `a=bundle-only`.
        is_bundle_only = BundleOnly;
        /// Tells whether there is an `a=ice-lite`.
        is_ice_lite = IceLite;
    }
}

impl Section {
    /// Tells whether there is an attribute of this kind.
    pub fn has(&self, kind: AttributeKind) -> bool {
        self.index.iter().any(|line| line.tag == Tag::Attribute(kind))
    }

    /// Returns the value of the first attribute called `name`: an empty one if it has no colon.
    ///
    /// It is meant for attributes that are not typed.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attribute_texts()
            .map(crate::attribute::split)
            .find(|(own, _)| *own == name)
            .map(|(_, value)| value.unwrap_or_default())
    }

    /// Returns the direction, if one is said. A media section without one has the session's, and
    /// [`Direction::SendRecv`] where that has none either
    /// ([RFC 8866 §6.7](https://www.rfc-editor.org/rfc/rfc8866#section-6.7)).
    pub fn direction(&self) -> Option<Direction> {
        self.index.iter().find_map(|line| match line.tag {
            Tag::Attribute(AttributeKind::Inactive) => Some(Direction::Inactive),
            Tag::Attribute(AttributeKind::RecvOnly) => Some(Direction::RecvOnly),
            Tag::Attribute(AttributeKind::SendOnly) => Some(Direction::SendOnly),
            Tag::Attribute(AttributeKind::SendRecv) => Some(Direction::SendRecv),
            _ => None,
        })
    }

    /// Returns the `a=candidate` lines as text that begins with `candidate:`, as the W3C's
    /// `RTCIceCandidate` has it.
    pub fn candidate_texts(&self) -> impl Iterator<Item = &str> {
        let tag = Tag::Attribute(AttributeKind::Candidate);
        let lines = self.index.iter().filter(move |line| line.tag == tag);
        lines.filter_map(|line| self.line(*line).get(2..))
    }

    /// Returns the `a=rtpmap` of a payload type.
    pub fn rtpmap(&self, payload_type: u8) -> Option<RtpMap<'_>> {
        self.rtpmaps().find(|map| map.payload_type == payload_type)
    }

    /// Returns the `a=fmtp` of a payload type.
    pub fn fmtp(&self, payload_type: u8) -> Option<Fmtp<'_>> {
        self.fmtps().find(|fmtp| fmtp.payload_type() == Some(payload_type))
    }

    /// Returns the `a=rtcp-fb` lines that speak about a payload type, those for `*` among them.
    pub fn feedback(&self, payload_type: u8) -> impl Iterator<Item = RtcpFb<'_>> {
        self.rtcp_fbs().filter(move |feedback| feedback.applies_to(payload_type))
    }

    /// Returns the `c=` line.
    pub fn connection(&self) -> Option<Connection<'_>> {
        self.read_letter(b'c', Connection::read).next()
    }

    /// Returns the `b=` lines.
    pub fn bandwidths(&self) -> impl Iterator<Item = Bandwidth<'_>> {
        self.read_letter(b'b', Bandwidth::read)
    }
}
