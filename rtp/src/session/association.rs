//! Which section and stream a packet belongs to.

use super::inbound::Inbound;
use super::routes::Route;
use super::{PayloadTypeUse, Session};
use crate::extension::Kind;
use crate::packet::Packet;
use crate::payload_type::PayloadType;
use crate::ssrc::Ssrc;

impl Session {
    /// Finds the stream of a packet whose source has none yet, in the order of
    /// [RFC 8843 §9.2](https://www.rfc-editor.org/rfc/rfc8843#section-9.2): by the section that it
    /// names, by its source, by its payload type. `None`: it belongs nowhere.
    pub(super) fn associate(&mut self, packet: &Packet<'_>, known: Option<Route>) -> Option<u32> {
        let ssrc = packet.ssrc();
        // Our own source with packets from outside is a loop, or a collision.
        if self.sender_of(ssrc).is_some() {
            self.stats.unknown_ssrc += 1;
            return None;
        }
        let expected = match known {
            Some(Route::Expected { slot, signalled, repairs }) => Some((slot, signalled, repairs)),
            _ => None,
        };
        // A section that does not receive, or that nobody has, is found as well: its packets are not
        // another's.
        let slot = match self.named_section(packet) {
            Some(mid) => self.section_with_mid(mid),
            None => expected
                .map(|(slot, ..)| slot)
                .or_else(|| self.section_by_payload_type(packet.payload_type())),
        };
        let found = slot.and_then(|slot| Some((slot, self.sections.get(slot)?)));
        let Some((slot, section)) = found.filter(|(_, section)| section.receives()) else {
            self.stats.unknown_ssrc += 1;
            return None;
        };
        let Some(role) = section.role(packet.payload_type()) else {
            // "If the packet's payload type is not in the m-section ... discard" (RFC 8843 §9.2).
            self.stats.unknown_payload_type += 1;
            return None;
        };
        let signalled = expected.is_some_and(|(other, signalled, _)| signalled && other == slot);
        let repairs = expected.and_then(|(.., repairs)| repairs);
        let extensions = &section.parameters.extensions;
        let rid = [Kind::Rid, Kind::RepairedRid]
            .into_iter()
            .filter_map(|kind| packet.extension(extensions.id(kind)?))
            .next()
            .filter(|rid| rid.len() <= 255)
            .map(Box::from);
        let repairs = match (role.repair, repairs) {
            (true, None) => match self.repaired_source(slot, rid.as_deref()) {
                Some(media) => Some(media),
                None => {
                    self.stats.unknown_ssrc += 1;
                    return None;
                }
            },
            (_, repairs) => repairs,
        };
        let mut stream = Inbound::new(slot, ssrc, signalled, repairs);
        stream.rid = rid;
        self.add_stream(stream)
    }

    /// Adds a stream to its section, within the bound on those that nobody signalled.
    fn add_stream(&mut self, stream: Inbound) -> Option<u32> {
        let section = self.sections.get_mut(stream.slot)?;
        let streams = &self.streams;
        let is_learned = |index: &&u32| streams.get(**index).is_some_and(|known| !known.signalled);
        let learned = section.receiver.streams.iter().filter(is_learned).count();
        if !stream.signalled && learned >= self.config.max_learned_ssrcs {
            self.stats.unknown_ssrc += 1;
            return None;
        }
        let (ssrc, repairs) = (stream.ssrc, stream.repairs);
        let wants_key_frame = repairs.is_none() && section.flags.wants_key_frame;
        let index = self.streams.insert(stream);
        section.receiver.streams.push(index);
        if wants_key_frame {
            section.flags.wants_key_frame = false;
        }
        self.routes.insert(ssrc, Route::Stream(index));
        if let Some(media) = repairs
            && let Some(media) = self.routes.stream(media)
            && let Some(media) = self.streams.get_mut(media)
        {
            media.rtx_ssrc = Some(ssrc);
        }
        if wants_key_frame {
            self.ask_key_frame(index);
        }
        Some(index)
    }

    /// The stream that a stream of retransmissions repeats; made, when none of its own packets came.
    pub(super) fn repaired_stream(&mut self, slot: u16, media: Ssrc) -> Option<u32> {
        match self.routes.find(media) {
            Some(Route::Stream(index)) => {
                self.streams.get(index).filter(|stream| stream.slot == slot).map(|_| index)
            }
            Some(Route::Expected { slot: expected, signalled, .. }) if expected == slot => {
                self.add_stream(Inbound::new(slot, media, signalled, None))
            }
            _ => None,
        }
    }

    /// Which source an unknown stream of retransmissions repeats: the one with the same rid
    /// ([RFC 8852 §3.2](https://www.rfc-editor.org/rfc/rfc8852#section-3.2)), or the only one that
    /// has none yet ([RFC 4588 §5.3](https://www.rfc-editor.org/rfc/rfc4588#section-5.3) would wait
    /// for one that answers a request; with one m-section a stream it comes to the same).
    fn repaired_source(&self, slot: u16, rid: Option<&[u8]>) -> Option<Ssrc> {
        let section = self.sections.get(slot)?;
        let streams = section.receiver.streams.iter().filter_map(|index| self.streams.get(*index));
        let media = streams.filter(|stream| stream.repairs.is_none() && !stream.ended);
        if rid.is_some() {
            return media
                .filter(|stream| stream.rid.as_deref() == rid)
                .map(|stream| stream.ssrc)
                .next_back();
        }
        let mut candidates = media.filter(|stream| stream.rtx_ssrc.is_none());
        let first = candidates.next()?.ssrc;
        candidates.next().is_none().then_some(first)
    }

    /// Binds a source that has no stream to a section, within the bound on those that nobody
    /// signalled.
    pub(super) fn expect(&mut self, slot: u16, ssrc: Ssrc) {
        if self.routes.expected(slot) < self.config.max_learned_ssrcs {
            let route = Route::Expected { slot, signalled: false, repairs: None };
            self.routes.insert(ssrc, route);
        }
    }

    /// The `a=mid` that a packet carries.
    fn named_section<'p>(&self, packet: &Packet<'p>) -> Option<&'p [u8]> {
        // Bundled sections have the same ids for the same extensions (RFC 8843 §7.1.3).
        packet.extensions().into_iter().find_map(|element| {
            let is_mid = self.sections.iter().any(|(_, section)| {
                let parameters = &section.parameters;
                !parameters.mid.is_empty()
                    && parameters.extensions.kind(element.id) == Some(Kind::Mid)
            });
            is_mid.then_some(element.data)
        })
    }

    /// The section with this `a=mid`, whether it receives or not.
    pub(super) fn section_with_mid(&self, mid: &[u8]) -> Option<u16> {
        self.sections
            .iter()
            .find_map(|(slot, section)| (section.parameters.mid.as_bytes() == mid).then_some(slot))
    }

    fn section_by_payload_type(&mut self, payload_type: PayloadType) -> Option<u16> {
        let uses = self.payload_types.get_or_insert_with(|| {
            let mut uses = Box::new([PayloadTypeUse::Unused; 128]);
            for (slot, section) in self.sections.iter().filter(|(_, section)| section.receives()) {
                let codecs = section.parameters.codecs.iter();
                let numbers = codecs.flat_map(|codec| [Some(codec.payload_type), codec.rtx]);
                for number in numbers.flatten() {
                    let Some(place) = uses.get_mut(usize::from(number.number())) else { continue };
                    *place = match *place {
                        PayloadTypeUse::Unused => PayloadTypeUse::By(slot),
                        PayloadTypeUse::By(other) if other == slot => PayloadTypeUse::By(slot),
                        _ => PayloadTypeUse::Ambiguous,
                    };
                }
            }
            uses
        });
        match uses.get(usize::from(payload_type.number()))? {
            PayloadTypeUse::By(slot) => Some(*slot),
            _ => None,
        }
    }

    /// The slot of the section that sends as this source.
    pub(super) fn sender_of(&self, ssrc: Ssrc) -> Option<u16> {
        let index = self.senders.binary_search_by_key(&ssrc, |(known, _)| *known).ok()?;
        self.senders.get(index).map(|(_, slot)| *slot)
    }
}
