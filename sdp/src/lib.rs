//! Session descriptions ([RFC 8866](https://www.rfc-editor.org/rfc/rfc8866)) for WebRTC: parsed,
//! typed, and written back unchanged.
//!
//! # What a description is
//!
//! Two programs that want to talk first tell each other, over any channel they already share, what
//! they can do and how they are reached. The text in which they say it is a *session description*:
//! lines of one letter, `=`, and a value. A few lines describe the session; each `m=` line then
//! begins the description of one flow of media:
//!
//! ```text
//! v=0                                        the version, always 0
//! o=- 4962303333179871722 1 IN IP4 0.0.0.0   who made it, and which version of it this is
//! s=-
//! t=0 0
//! a=group:BUNDLE 0                           an attribute of the session: one transport for all
//! m=audio 9 UDP/TLS/RTP/SAVPF 111            a media section: kind, port, transport, formats
//! c=IN IP4 0.0.0.0
//! a=mid:0                                    attributes of that section: its name,
//! a=sendrecv                                 its direction,
//! a=rtpmap:111 opus/48000/2                  what payload type 111 means,
//! a=fmtp:111 minptime=10;useinbandfec=1      and its parameters
//! ```
//!
//! One side *offers* such a description, the other *answers* with what it accepts of it
//! ([RFC 3264](https://www.rfc-editor.org/rfc/rfc3264),
//! [RFC 9429](https://www.rfc-editor.org/rfc/rfc9429)). This crate knows the text; what an answer
//! must say to an offer is the business of `peerless`.
//!
//! # Changing a description on its way
//!
//! Applications "munge": they read a description, change a line, and pass it on. Whatever is not
//! touched stays byte for byte as it was, unknown lines and odd spacing included.
//!
//! ```
//! use peerless_sdp::{Attribute, Bandwidth, Direction, SessionDescription};
//!
//! # let offer = "v=0\r\no=- 4962303333179871722 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n\
//! #     m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendrecv\r\n\
//! #     a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10\r\na=rtpmap:0 PCMU/8000\r\n\
//! #     a=x-unknown: kept  as it is\r\n";
//! let mut description = SessionDescription::parse(offer)?;
//! for media in description.media.iter_mut().filter(|media| media.kind() == "audio") {
//!     media.push_bandwidth(Bandwidth { kind: "TIAS", value: 64_000 });
//!     media.set_direction(Direction::RecvOnly);
//!     media.retain(|attribute| !matches!(attribute, Attribute::RtpMap(map) if map.is("PCMU")));
//! }
//! let opus = description.media[0].rtpmaps().find(|map| map.is("opus")).unwrap();
//! assert_eq!((opus.payload_type, opus.clock_rate, opus.channels), (111, 48_000, Some(2)));
//! let text = description.to_string();
//! assert!(text.contains("c=IN IP4 0.0.0.0\r\nb=TIAS:64000\r\na=mid:0\r\na=recvonly\r\n"));
//! assert!(text.ends_with("a=x-unknown: kept  as it is\r\n"));
//! # Ok::<_, peerless_sdp::ParseError>(())
//! ```
//!
//! # What it feels like to be wrong
//!
//! ```
//! # use peerless_sdp::SessionDescription;
//! let error = SessionDescription::parse(
//!     "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP 111\r\na=rtpmap:111 opus\r\n",
//! )
//! .unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "line 6, column 10: a=rtpmap:111 opus — a clock rate is missing after \"opus\" \
//!      (RFC 8866 §6.6), expected e.g. \"opus/48000/2\""
//! );
//! ```
//!
//! # Table of contents
//!
//! * [`SessionDescription`] and [`MediaDescription`]: parsing, building, changing, writing.
//! * [`Section`]: everything that can be read from the lines of either, typed.
//! * [`Attribute`]: the `a=` lines; [`Origin`], [`Connection`], [`Bandwidth`], [`Timing`],
//!   [`MediaLine`]: the others.
//! * [`Limits`]: how large a description may be; [`ParseError`]: what is wrong with one.
//!
//! # What it leaves out
//!
//! It does not check that lines agree with each other (a payload type without `a=rtpmap`, a group of
//! a `mid` that does not exist): what that means depends on who reads. Session-level values are not
//! copied into media sections; [RFC 8859](https://www.rfc-editor.org/rfc/rfc8859) tells for each
//! attribute what a missing one means.
#![forbid(unsafe_code)]

mod attribute;
mod cursor;
mod description;
mod error;
mod exercise;
mod line;
mod section;

pub use attribute::{
    Attribute, AttributeKind, Candidate, Direction, ExtMap, Fingerprint, Fmtp, Group, Identity,
    Msid, MsidSemantic, Rid, RidDirection, Rtcp, RtcpFb, RtpMap, SctpMap, Setup, Simulcast,
    SimulcastStream, Ssrc, SsrcGroup,
};
pub use cursor::Words;
pub use description::{Limits, MediaDescription, SessionDescription};
pub use error::{ParseError, Problem};
#[doc(hidden)]
pub use exercise::exercise;
pub use line::{Bandwidth, Connection, MediaLine, Origin, Timing};
pub use section::Section;
