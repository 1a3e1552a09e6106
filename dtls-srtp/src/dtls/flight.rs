//! Our newest flight: the messages that are sent, and sent again, until they are answered
//! ([RFC 6347 §4.2.4](https://www.rfc-editor.org/rfc/rfc6347#section-4.2.4)).

use std::ops::Range;
use std::time::{Duration, Instant};

use super::message::{self, FragmentHeader, HandshakeType};
use super::outgoing::Outgoing;
use super::reassembly::Epoch;
use super::record::{ContentType, Header};
use super::transcript::Transcript;

/// The smallest part of a message that is worth a fragment of its own (25 bytes of headers): less
/// room than that at the end of a datagram stays empty.
const MIN_FRAGMENT: usize = 32;

/// What happens when no answer comes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Answer {
    /// The flight is sent again when the timer expires, or when the peer repeats its own.
    Expected,
    /// Only the peer's repetition makes us send again: nothing answers the last flight of a
    /// handshake, and a HelloVerifyRequest is sent to an address that is not proved.
    #[default]
    Last,
}

/// A flight, and how far it is sent.
#[derive(Default)]
pub(crate) struct Flight {
    /// Whole messages with their headers, one behind the other.
    bytes: Vec<u8>,
    parts: Vec<Part>,
    next_message_seq: u16,
    answer: Answer,
    sending: Option<Cursor>,
    /// When its end was last sent.
    sent: Option<Instant>,
    retransmissions: u32,
    timeout: Duration,
    deadline: Option<Instant>,
}

enum Part {
    ChangeCipherSpec,
    Message { epoch: Epoch, range: Range<usize> },
}

/// Where the next datagram begins.
#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    part: usize,
    /// In the body of that part.
    offset: usize,
}

/// What [`Flight::handle_timeout`] finds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Timeout {
    NotYet,
    Retransmit,
    GiveUp,
}

impl Flight {
    /// Begins the next flight: the one before was answered.
    pub(crate) fn start(&mut self, answer: Answer) {
        *self = Self {
            next_message_seq: self.next_message_seq,
            answer,
            sending: Some(Cursor::default()),
            ..Self::default()
        };
    }

    /// Adds a message, to the transcript too.
    pub(crate) fn message(
        &mut self,
        transcript: &mut Transcript,
        kind: HandshakeType,
        body: impl FnOnce(&mut Vec<u8>),
    ) {
        let range = self.write(kind, body, Epoch::Plaintext);
        transcript.add(self.bytes.get(range).unwrap_or_default());
    }

    /// Adds the HelloVerifyRequest, the only message that is not in the transcript.
    pub(crate) fn hello_verify_request(&mut self, body: impl FnOnce(&mut Vec<u8>)) {
        self.write(HandshakeType::HelloVerifyRequest, body, Epoch::Plaintext);
    }

    /// Adds ChangeCipherSpec and the message behind it.
    pub(crate) fn finished(&mut self, transcript: &mut Transcript, verify_data: &[u8]) {
        self.parts.push(Part::ChangeCipherSpec);
        let body = |buf: &mut Vec<u8>| buf.extend_from_slice(verify_data);
        let range = self.write(HandshakeType::Finished, body, Epoch::Protected);
        transcript.add(self.bytes.get(range).unwrap_or_default());
    }

    fn write(
        &mut self,
        kind: HandshakeType,
        body: impl FnOnce(&mut Vec<u8>),
        epoch: Epoch,
    ) -> Range<usize> {
        let start = self.bytes.len();
        message::write(&mut self.bytes, kind, self.next_message_seq, body);
        self.next_message_seq += 1;
        let range = start..self.bytes.len();
        self.parts.push(Part::Message { epoch, range: range.clone() });
        range
    }

    /// Whether there is a datagram to send.
    pub(crate) fn is_sending(&self) -> bool {
        self.sending.is_some()
    }

    /// Whether all of it was sent at least once.
    pub(crate) fn was_sent(&self) -> bool {
        self.sent.is_some()
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// When nobody can be asking for it any more: twice the maximum segment lifetime after it was
    /// sent ([RFC 6347 §4.2.4](https://www.rfc-editor.org/rfc/rfc6347#section-4.2.4)).
    pub(crate) fn is_stale(&self, now: Instant) -> bool {
        const TWO_MSL: Duration = Duration::from_secs(240);
        self.sent.is_some_and(|sent| now.saturating_duration_since(sent) > TWO_MSL)
    }

    /// Appends the next datagram, of `mtu` bytes at most, and arms the timer.
    pub(crate) fn write_datagram(
        &mut self,
        now: Instant,
        buf: &mut Vec<u8>,
        mtu: usize,
        timing: Timing,
        outgoing: &mut Outgoing,
    ) {
        // "If repeated retransmissions do not result in a response, and the PMTU is unknown,
        // subsequent retransmissions SHOULD back off to a smaller record size" (RFC 6347
        // §4.1.1.1): 576 bytes of IPv4 less its header and that of UDP.
        let mtu = if self.retransmissions > 1 { mtu.min(548) } else { mtu };
        let start = buf.len();
        let Some(mut cursor) = self.sending else { return };
        while let Some(part) = self.parts.get(cursor.part) {
            let room = mtu.saturating_sub(buf.len() - start);
            let empty = buf.len() == start;
            match part {
                Part::ChangeCipherSpec => {
                    if room < Header::LEN + 1 && !empty {
                        break;
                    }
                    let content_type = ContentType::ChangeCipherSpec;
                    outgoing.write(Epoch::Plaintext, content_type, buf, |buf| buf.push(1));
                }
                Part::Message { epoch, range } => {
                    let message = self.bytes.get(range.clone()).unwrap_or_default();
                    let (header, body) = message.split_at(FragmentHeader::LEN.min(message.len()));
                    let left = body.get(cursor.offset..).unwrap_or_default();
                    let overhead = outgoing.overhead(*epoch) + FragmentHeader::LEN;
                    if room < overhead + left.len().min(MIN_FRAGMENT) && !empty {
                        break;
                    }
                    let space = room.saturating_sub(overhead);
                    let len = left.len().min(space.max(MIN_FRAGMENT));
                    let fragment = left.get(..len).unwrap_or_default();
                    outgoing.write(*epoch, ContentType::Handshake, buf, |buf| {
                        write_fragment(buf, header, cursor.offset, fragment);
                    });
                    if len < left.len() {
                        cursor.offset += len;
                        continue;
                    }
                }
            }
            cursor = Cursor { part: cursor.part + 1, offset: 0 };
        }
        if cursor.part < self.parts.len() {
            self.sending = Some(cursor);
        } else {
            self.sending = None;
            self.sent = Some(now);
        }
        if self.answer == Answer::Expected {
            if self.timeout.is_zero() {
                self.timeout = timing.initial;
            }
            self.deadline = Some(now + self.timeout);
        }
    }

    /// Sends the flight again if its timer has expired; the timer doubles each time.
    ///
    /// It starts anew with each flight. RFC 6347 §4.2.4.1 would keep a doubled timer "until a
    /// transmission without loss occurs", which protects the network from thousands of clients of
    /// one server; here it would only make one lost datagram cost every later flight of a call,
    /// and the first timer comes from a round-trip time that ICE has just measured.
    pub(crate) fn handle_timeout(&mut self, now: Instant, timing: Timing) -> Timeout {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return Timeout::NotYet;
        }
        if self.retransmissions >= timing.max_retransmissions {
            self.deadline = None;
            return Timeout::GiveUp;
        }
        self.retransmissions += 1;
        self.timeout = (self.timeout * 2).min(timing.max);
        self.deadline = None;
        self.sending = Some(Cursor::default());
        Timeout::Retransmit
    }

    /// Sends the flight again because the peer repeats its own, unless that was on its way before
    /// ours arrived: half of the first timer is three quarters of a round trip.
    pub(crate) fn repeat(&mut self, now: Instant, timing: Timing) -> bool {
        let recently = self.sent.is_none_or(|sent| now < sent + timing.initial / 2);
        if self.is_sending() || recently || self.parts.is_empty() {
            return false;
        }
        self.sending = Some(Cursor::default());
        true
    }
}

/// How long a flight waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) initial: Duration,
    pub(crate) max: Duration,
    pub(crate) max_retransmissions: u32,
}

/// Appends a part of a message behind the header that makes it a fragment.
fn write_fragment(buf: &mut Vec<u8>, header: &[u8], offset: usize, fragment: &[u8]) {
    /// Type, length and message_seq are those of the whole message.
    const COMMON: usize = 6;
    let [_, o0, o1, o2] = (offset as u32).to_be_bytes();
    let [_, l0, l1, l2] = (fragment.len() as u32).to_be_bytes();
    buf.extend_from_slice(header.get(..COMMON).unwrap_or_default());
    buf.extend_from_slice(&[o0, o1, o2, l0, l1, l2]);
    buf.extend_from_slice(fragment);
}
