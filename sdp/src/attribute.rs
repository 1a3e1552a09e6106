//! The attributes: the `a=` lines, typed.
//!
//! A value that only its own protocol understands stays text here (the base64 of `a=sctp-init`, the
//! parameters of `a=fmtp`); everything that offer and answer reason about is taken apart.

mod codec;
mod ice;
mod security;
mod source;
mod stream;

use std::fmt;

pub use self::codec::{ExtMap, Fmtp, RtcpFb, RtpMap};
pub use self::ice::{Candidate, Rtcp};
pub use self::security::{Fingerprint, Identity, Setup};
pub use self::source::{Msid, MsidSemantic, Ssrc, SsrcGroup};
pub use self::stream::{Group, Rid, RidDirection, SctpMap, Simulcast, SimulcastStream};

use crate::cursor::{Cursor, Words};
use crate::error::{Fault, ParseError};

/// The four directions of a media section
/// ([RFC 8866 §6.7](https://www.rfc-editor.org/rfc/rfc8866#section-6.7)).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Direction {
    /// Neither way.
    Inactive,
    /// Only towards the one who says it.
    RecvOnly,
    /// Only from the one who says it.
    SendOnly,
    /// Both ways: what holds when nothing is said.
    #[default]
    SendRecv,
}

impl Direction {
    /// Builds a direction from its two halves, seen from the one who says it.
    pub const fn new(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// Tells whether the one who says it sends.
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendOnly | Self::SendRecv)
    }

    /// Tells whether the one who says it receives.
    pub const fn receives(self) -> bool {
        matches!(self, Self::RecvOnly | Self::SendRecv)
    }

    /// Returns the same direction seen from the other side.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self::new(self.receives(), self.sends())
    }

    /// Returns what both allow.
    #[must_use]
    pub const fn intersect(self, other: Self) -> Self {
        Self::new(self.sends() && other.sends(), self.receives() && other.receives())
    }

    /// Returns the word of the attribute.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::RecvOnly => "recvonly",
            Self::SendOnly => "sendonly",
            Self::SendRecv => "sendrecv",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::SendRecv, Self::RecvOnly, Self::SendOnly, Self::Inactive]
            .into_iter()
            .find(|direction| direction.as_str() == word)
    }

    /// Returns the attribute that says it.
    pub const fn attribute(self) -> Attribute<'static> {
        match self {
            Self::Inactive => Attribute::Inactive,
            Self::RecvOnly => Attribute::RecvOnly,
            Self::SendOnly => Attribute::SendOnly,
            Self::SendRecv => Attribute::SendRecv,
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! attributes {
    (
        values { $(
            $(#[$value_doc:meta])*
            $value:ident($type:ty) = $value_name:literal, $parse:expr, $value_reference:literal, $example:literal;
        )* }
        flags { $(
            $(#[$flag_doc:meta])*
            $flag:ident = $flag_name:literal, $flag_reference:literal;
        )* }
    ) => {
        /// One attribute.
        ///
        /// The text that a value borrows is the description's, or the caller's when one is built.
        /// Displaying it writes what follows `a=`; `Debug` hides keys and passwords.
        #[derive(Clone, Copy, Eq, PartialEq)]
        #[non_exhaustive]
        pub enum Attribute<'a> {
            $( $(#[$value_doc])* $value($type), )*
            $( $(#[$flag_doc])* $flag, )*
            /// An attribute that this crate does not take apart, as it stands.
            Other {
                /// What stands before the colon.
                name: &'a str,
                /// What stands after the colon, if there is one.
                value: Option<&'a str>,
            },
        }

        /// Which attribute it is, without its value.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        #[non_exhaustive]
        pub enum AttributeKind {
            $( $(#[$value_doc])* $value, )*
            $( $(#[$flag_doc])* $flag, )*
            /// An attribute that this crate does not take apart.
            Other,
        }

        impl AttributeKind {
            /// Every kind that is typed, that is all but `Other`.
            pub const TYPED: &'static [Self] = &[$( Self::$value, )* $( Self::$flag, )*];

            /// Returns the attribute's name, such as `rtpmap`; an empty one for `Other`.
            pub const fn name(self) -> &'static str {
                match self {
                    $( Self::$value => $value_name, )*
                    $( Self::$flag => $flag_name, )*
                    Self::Other => "",
                }
            }

            /// Finds the kind of an attribute's name, which is case-sensitive.
            pub fn from_name(name: &str) -> Self {
                match name {
                    $( $value_name => Self::$value, )*
                    $( $flag_name => Self::$flag, )*
                    _ => Self::Other,
                }
            }

            /// Returns the rule that defines it, such as `RFC 8866 §6.6`.
            pub const fn reference(self) -> &'static str {
                match self {
                    $( Self::$value => $value_reference, )*
                    $( Self::$flag => $flag_reference, )*
                    Self::Other => "RFC 8866 §5.13",
                }
            }

            /// Returns an example of its value; of itself, if it has none.
            pub const fn example(self) -> &'static str {
                match self {
                    $( Self::$value => $example, )*
                    $( Self::$flag => $flag_name, )*
                    Self::Other => "a=name:value",
                }
            }
        }

        impl<'a> Attribute<'a> {
            /// Returns which attribute it is.
            pub const fn kind(&self) -> AttributeKind {
                match self {
                    $( Self::$value(_) => AttributeKind::$value, )*
                    $( Self::$flag => AttributeKind::$flag, )*
                    Self::Other { .. } => AttributeKind::Other,
                }
            }

            /// Reads the value of an attribute whose kind is known.
            pub(crate) fn from_value(
                kind: AttributeKind,
                name: &'a str,
                value: Option<&'a str>,
            ) -> Result<Self, Fault> {
                let mut cursor = Cursor::new(value.unwrap_or_default());
                let attribute = match kind {
                    $( AttributeKind::$value => ($parse)(&mut cursor).map(Self::$value), )*
                    $( AttributeKind::$flag => Ok(Self::$flag), )*
                    AttributeKind::Other => return Ok(Self::Other { name, value }),
                };
                attribute
                    .and_then(|attribute| cursor.end().map(|()| attribute))
                    .map_err(|fault| fault.or(kind.reference(), kind.example()))
            }
        }

        impl fmt::Debug for Attribute<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    secret if secret.kind() == AttributeKind::IcePwd => f.write_str("IcePwd(…)"),
                    Self::Other { name: "crypto", .. } => {
                        f.write_str("Other { name: \"crypto\", … }")
                    }
                    $( Self::$value(value) => {
                        f.debug_tuple(stringify!($value)).field(value).finish()
                    } )*
                    $( Self::$flag => f.write_str(stringify!($flag)), )*
                    Self::Other { name, value } => {
                        f.debug_struct("Other").field("name", name).field("value", value).finish()
                    }
                }
            }
        }

        impl fmt::Display for Attribute<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $( Self::$value(value) => write!(f, concat!($value_name, ":{}"), value), )*
                    $( Self::$flag => f.write_str($flag_name), )*
                    Self::Other { name, value: Some(value) } => write!(f, "{name}:{value}"),
                    Self::Other { name, value: None } => f.write_str(name),
                }
            }
        }
    };
}

attributes! {
    values {
        /// `a=rtcp-fb`: a kind of feedback that a payload type may use.
        RtcpFb(RtcpFb<'a>) = "rtcp-fb", RtcpFb::read, "RFC 4585 §4.2", "96 nack pli";
        /// `a=rtpmap`: the codec of a payload type.
        RtpMap(RtpMap<'a>) = "rtpmap", RtpMap::read, "RFC 8866 §6.6", "111 opus/48000/2";
        /// `a=fmtp`: the parameters of a format.
        Fmtp(Fmtp<'a>) = "fmtp", Fmtp::read, "RFC 8866 §6.15", "111 minptime=10;useinbandfec=1";
        /// `a=extmap`: the identifier of an RTP header extension.
        ExtMap(ExtMap<'a>) = "extmap", ExtMap::read, "RFC 8285 §8", "4 urn:ietf:params:rtp-hdrext:sdes:mid";
        /// `a=ssrc`: a property of one RTP stream.
        Ssrc(Ssrc<'a>) = "ssrc", Ssrc::read, "RFC 5576 §4.1", "3855141991 cname:dTVLV/m3LQE";
        /// `a=ssrc-group`: RTP streams that belong together.
        SsrcGroup(SsrcGroup<'a>) = "ssrc-group", SsrcGroup::read, "RFC 5576 §4.2", "FID 4100189241 3048873130";
        /// `a=candidate`: an ICE candidate.
        Candidate(Candidate<'a>) = "candidate", Candidate::read, "RFC 8839 §5.1", "1 1 udp 2130706431 192.0.2.1 3478 typ host";
        /// `a=mid`: the name of a media section.
        Mid(&'a str) = "mid", |cursor: &mut Cursor<'a>| cursor.word("a media identification"), "RFC 5888 §4", "0";
        /// `a=msid`: the stream and the track that a section sends.
        Msid(Msid<'a>) = "msid", Msid::read, "RFC 8830 §2", "stream track";
        /// `a=msid-semantic`: what the stream identifiers are for.
        MsidSemantic(MsidSemantic<'a>) = "msid-semantic", MsidSemantic::read, "draft-ietf-mmusic-msid-17 §4", "WMS *";
        /// `a=group`: media sections that belong together, above all BUNDLE.
        Group(Group<'a>) = "group", Group::read, "RFC 5888 §5", "BUNDLE 0 1 2";
        /// `a=ice-ufrag`: the ICE user name fragment.
        IceUfrag(&'a str) = "ice-ufrag", ice::ufrag, "RFC 8839 §5.4", "MTW6";
        /// `a=ice-pwd`: the ICE password.
        IcePwd(&'a str) = "ice-pwd", ice::pwd, "RFC 8839 §5.4", "22 to 256 letters and digits";
        /// `a=ice-options`: what the ICE agent can do, such as `trickle`.
        IceOptions(Words<'a>) = "ice-options", |cursor: &mut Cursor<'a>| words(cursor, "an ICE option"), "RFC 8839 §5.6", "trickle";
        /// `a=fingerprint`: the hash of the certificate that DTLS will show.
        Fingerprint(Fingerprint<'a>) = "fingerprint", Fingerprint::read, "RFC 8122 §5", "sha-256 12:DF:3E:… (32 bytes in hexadecimal)";
        /// `a=setup`: who begins the DTLS handshake.
        Setup(Setup) = "setup", Setup::read, "RFC 8842 §5.2", "actpass";
        /// `a=tls-id`: the identity of a DTLS association.
        TlsId(&'a str) = "tls-id", security::tls_id, "RFC 8842 §4", "91bbf309c0990a6bec11e38ba2933cee";
        /// `a=identity`: an identity assertion.
        Identity(Identity<'a>) = "identity", Identity::read, "RFC 8827 §5", "eyJpZHAiOnsiZG9tYWluIjoi";
        /// `a=rtcp`: the port of RTCP where it is not multiplexed.
        Rtcp(Rtcp<'a>) = "rtcp", Rtcp::read, "RFC 3605 §2.1", "9 IN IP4 0.0.0.0";
        /// `a=rtcp-xr`: extended reports that are wanted.
        RtcpXr(Words<'a>) = "rtcp-xr", |cursor: &mut Cursor<'a>| Ok(cursor.words()), "RFC 3611 §5.1", "rcvr-rtt=all";
        /// `a=rid`: the identifier of an RTP stream.
        Rid(Rid<'a>) = "rid", Rid::read, "RFC 8851 §4", "q send";
        /// `a=simulcast`: the RTP streams that carry one source.
        Simulcast(Simulcast<'a>) = "simulcast", Simulcast::read, "RFC 8853 §5.1", "send q;h;f";
        /// `a=sctp-port`: the SCTP port of data channels.
        SctpPort(u16) = "sctp-port", |cursor: &mut Cursor<'a>| cursor.number("an SCTP port, 0 to 65535", 0..=u16::MAX), "RFC 8841 §5", "5000";
        /// `a=max-message-size`: the largest message accepted, in bytes; 0 stands for no limit.
        MaxMessageSize(u64) = "max-message-size", |cursor: &mut Cursor<'a>| cursor.number("a size in bytes", 0..=u64::MAX), "RFC 8841 §6", "262144";
        /// `a=sctpmap`: the SCTP port of data channels, as old implementations say it.
        SctpMap(SctpMap<'a>) = "sctpmap", SctpMap::read, "draft-ietf-mmusic-sctp-sdp-05 §5.1", "5000 webrtc-datachannel 1024";
        /// `a=sctp-init`: an INIT chunk in base64, which saves the SCTP handshake.
        SctpInit(&'a str) = "sctp-init", stream::sctp_init, "draft-hancke-tsvwg-snap §4", "AQAAHr4oa0EAUAAA";
        /// `a=ptime`: how much media a packet should hold, in milliseconds.
        Ptime(&'a str) = "ptime", codec::milliseconds, "RFC 8866 §6.4", "20";
        /// `a=maxptime`: how much media a packet may hold, in milliseconds.
        MaxPtime(&'a str) = "maxptime", codec::milliseconds, "RFC 8866 §6.5", "120";
    }
    flags {
        /// `a=rtcp-mux`: RTCP shares the port of RTP.
        RtcpMux = "rtcp-mux", "RFC 5761 §5.1.1";
        /// `a=rtcp-mux-only`: RTCP shares the port of RTP, or there is no call.
        RtcpMuxOnly = "rtcp-mux-only", "RFC 8858 §3";
        /// `a=rtcp-rsize`: RTCP packets may be of reduced size.
        RtcpRsize = "rtcp-rsize", "RFC 5506 §5";
        /// `a=extmap-allow-mixed`: one-byte and two-byte header extensions may be mixed.
        ExtMapAllowMixed = "extmap-allow-mixed", "RFC 8285 §6";
        /// `a=sendrecv`: media both ways.
        SendRecv = "sendrecv", "RFC 8866 §6.7.2";
        /// `a=recvonly`: media only towards the one who says it.
        RecvOnly = "recvonly", "RFC 8866 §6.7.1";
        /// `a=sendonly`: media only from the one who says it.
        SendOnly = "sendonly", "RFC 8866 §6.7.3";
        /// `a=inactive`: no media.
        Inactive = "inactive", "RFC 8866 §6.7.4";
        /// `a=ice-lite`: the sender is a lite ICE agent.
        IceLite = "ice-lite", "RFC 8839 §5.3";
        /// `a=end-of-candidates`: no further candidates will come.
        EndOfCandidates = "end-of-candidates", "RFC 8838 §8.2";
        /// `a=bundle-only`: the section exists only if it is bundled.
        BundleOnly = "bundle-only", "RFC 9143 §6";
        /// `a=cryptex`: RTP header extensions may be encrypted.
        Cryptex = "cryptex", "RFC 9335 §4";
    }
}

impl<'a> Attribute<'a> {
    /// Reads one attribute from its text, with or without the leading `a=`.
    ///
    /// # Errors
    ///
    /// [`ParseError`], with line 1, when a known attribute has a value that it cannot have, or when
    /// the text has a line break in it. Unknown attributes are [`Attribute::Other`].
    ///
    /// ```
    /// # use peerless_sdp::Attribute;
    /// let Attribute::RtpMap(map) = Attribute::parse("a=rtpmap:111 opus/48000/2").unwrap() else {
    ///     unreachable!()
    /// };
    /// assert_eq!((map.payload_type, map.clock_rate), (111, 48_000));
    /// ```
    pub fn parse(text: &'a str) -> Result<Self, ParseError> {
        crate::section::check_bytes(text, 1)?;
        let (name, value) = split(text.strip_prefix("a=").unwrap_or(text));
        let kind = AttributeKind::from_name(name.trim_end_matches(' '));
        Self::from_value(kind, name, value)
            .map_err(|fault| ParseError::locate(1, text, value.unwrap_or_else(|| end(text)), fault))
    }
}

/// Splits an attribute's text at its first colon.
pub(crate) fn split(text: &str) -> (&str, Option<&str>) {
    match text.bytes().position(|byte| byte == b':').and_then(|colon| text.split_at_checked(colon))
    {
        Some((name, value)) => (name, value.get(1..)),
        None => (text, None),
    }
}

/// The empty text at the end of `text`, which still tells where it stands.
pub(crate) fn end(text: &str) -> &str {
    text.split_at(text.len()).1
}

/// Reads at least one word.
fn words<'a>(cursor: &mut Cursor<'a>, what: &'static str) -> Result<Words<'a>, Fault> {
    if cursor.is_at_end() { Err(cursor.missing(what)) } else { Ok(cursor.words()) }
}
