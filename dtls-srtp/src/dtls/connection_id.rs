//! Connection ids: what a peer puts into its records so that they are recognised from whatever
//! address they come ([RFC 9146](https://www.rfc-editor.org/rfc/rfc9146),
//! [RFC 9147 §9](https://www.rfc-editor.org/rfc/rfc9147#section-9)).

use super::Connection;
use super::record::TLS12_CID;
use super::v13::record::has_connection_id;

/// Returns the connection id of a datagram's first record, if it has one: to find the connection
/// that the datagram belongs to, without asking any.
///
/// Ids do not say how long they are. `len` is what
/// [`Config::with_connection_id_len`](super::Config::with_connection_id_len) was told for all
/// connections of a port.
///
/// ```
/// use peerless_dtls_srtp::dtls::connection_id;
///
/// // DTLS 1.3, then DTLS 1.2, and a record without an id.
/// assert_eq!(connection_id(b"\x3e\x07\x08\x00\x00\x00\x10...", 2), Some(&[7, 8][..]));
/// assert_eq!(connection_id(b"\x19\xfe\xfd\0\x01\0\0\0\0\0\0\x07\x08\0\x10...", 2), Some(&[7, 8][..]));
/// assert_eq!(connection_id(b"\x2e\x00\x00\x00\x10...", 2), None);
/// ```
pub fn connection_id(datagram: &[u8], len: usize) -> Option<&[u8]> {
    let first = *datagram.first()?;
    let at = match first {
        // type, version, epoch, sequence number
        TLS12_CID => 11,
        _ if has_connection_id(first) => 1,
        _ => return None,
    };
    datagram.get(at..)?.get(..len).filter(|id| !id.is_empty())
}

/// The ids that the peer may address us with, all of the same length.
#[derive(Default)]
pub(crate) struct Ids {
    /// One behind the other, oldest first.
    bytes: Box<[u8]>,
    len: u8,
    /// The newest of them that the peer has used.
    used: u8,
    /// The one that the datagram at hand is addressed to.
    at_hand: u8,
}

impl Ids {
    /// One of at most 255 bytes. An empty one is none.
    pub(crate) fn one(id: Box<[u8]>) -> Self {
        Self { len: id.len().min(u8::MAX.into()) as u8, bytes: id, used: 0, at_hand: 0 }
    }

    /// How long each of them is.
    pub(crate) fn len(&self) -> usize {
        self.len.into()
    }

    /// All of them, oldest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        // Without a length there are none.
        self.bytes.chunks_exact(self.len().max(1))
    }

    fn count(&self) -> usize {
        self.bytes.len() / self.len().max(1)
    }

    /// Whether an id is one of them: the datagram at hand is addressed to it then.
    pub(crate) fn find(&mut self, id: &[u8]) -> bool {
        let place = self.iter().position(|known| known == id);
        if let Some(place) = place {
            self.at_hand = place as u8;
        }
        place.is_some()
    }

    /// The newest that the peer has used.
    pub(crate) fn current(&self) -> &[u8] {
        self.iter().nth(self.used.into()).unwrap_or_default()
    }

    /// Notes that the peer has used the one that the datagram at hand is addressed to.
    pub(crate) fn note_use(&mut self) {
        self.used = self.used.max(self.at_hand);
    }

    /// The most that are unused: with the one in use and the one before it, as many as there are
    /// places.
    const MAX_UNUSED: u8 = 254;

    /// Adds `wanted` fresh ones, or as many as make `max` of them unused, and returns how many came
    /// to be. `fill` makes random bytes of a buffer. Those are forgotten that the peer has left
    /// behind but for the last, which late records may have: "Endpoints SHOULD use
    /// receiver-provided CIDs in the order they were provided".
    pub(crate) fn add(
        &mut self,
        wanted: u8,
        max: u8,
        fill: impl FnOnce(&mut [u8]) -> bool,
    ) -> usize {
        let unused = self.count().saturating_sub(usize::from(self.used) + 1);
        let max = usize::from(max.min(Self::MAX_UNUSED));
        let fresh = usize::from(wanted).min(max.saturating_sub(unused));
        let mut bytes = vec![0; fresh * self.len()];
        if fresh == 0 || !fill(&mut bytes) {
            return 0;
        }
        let forgotten = self.used.saturating_sub(1);
        let kept = self.bytes.get(usize::from(forgotten) * self.len()..).unwrap_or_default();
        self.bytes = [kept, &bytes].concat().into();
        self.used -= forgotten;
        self.at_hand = self.at_hand.saturating_sub(forgotten);
        fresh
    }
}

impl Connection {
    /// Returns the id that the peer addresses us with, if that was negotiated: the newest that it
    /// has used, if there are several.
    pub fn connection_id(&self) -> Option<&[u8]> {
        self.incoming.connection_id()
    }

    /// Returns all ids that the peer may address us with, oldest first; none if that was not
    /// negotiated. [`Event::ConnectionIdsChanged`](super::Event::ConnectionIdsChanged) says when to
    /// look again.
    pub fn connection_ids(&self) -> impl Iterator<Item = &[u8]> {
        self.incoming.connection_ids()
    }

    /// Returns whether the datagram that came last had a record that is authentic and newer than
    /// all before it.
    ///
    /// That is what has to be so before a peer that was recognised by its id may be answered at
    /// the address that the datagram came from, instead of the one before
    /// ([RFC 9146 §6](https://www.rfc-editor.org/rfc/rfc9146#section-6)). It does not prove that
    /// the peer can be reached there.
    pub fn is_newest_datagram(&self) -> bool {
        self.incoming.is_newest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &Ids) -> Vec<u8> {
        ids.iter().map(|id| id[0]).collect()
    }

    #[test]
    fn only_so_many_ids_wait_to_be_used_and_those_left_behind_are_forgotten() {
        let mut all = Ids::one(vec![0, 0].into());
        let mut next = 0;
        let mut add = |all: &mut Ids, wanted| {
            all.add(wanted, 3, |bytes| {
                for id in bytes.chunks_mut(2) {
                    next += 1;
                    id.fill(next);
                }
                true
            })
        };
        assert_eq!(add(&mut all, 0), 0);
        assert_eq!(add(&mut all, 2), 2);
        assert_eq!(add(&mut all, 255), 1);
        assert_eq!(add(&mut all, 1), 0);
        assert_eq!((ids(&all), all.current()), (vec![0, 1, 2, 3], &[0, 0][..]));

        // It goes over one of them, and an old one comes late.
        for id in [2, 1] {
            assert!(all.find(&[id, id]));
            all.note_use();
        }
        assert_eq!(all.current(), [2, 2]);
        assert_eq!(add(&mut all, 255), 2);
        assert_eq!((ids(&all), all.current()), (vec![1, 2, 3, 4, 5], &[2, 2][..]));
        assert_eq!((all.find(&[0, 0]), all.len()), (false, 2));
    }

    #[test]
    fn each_of_the_most_ids_that_there_can_be_is_known() {
        let mut all = Ids::one(vec![0, 0].into());
        let mut next = 0_u16;
        for _ in 0..3 {
            all.add(255, 255, |bytes| {
                for id in bytes.chunks_mut(2) {
                    next += 1;
                    id.copy_from_slice(&next.to_be_bytes());
                }
                true
            });
            // It has used the second one that it has.
            let second = all.iter().nth(1).unwrap().to_vec();
            assert!(all.find(&second));
            all.note_use();
        }
        let last = all.iter().next_back().unwrap().to_vec();
        assert!(all.find(&last));
        all.note_use();
        assert_eq!(all.current(), last);
    }

    #[test]
    fn an_id_that_is_longer_than_anything_is_in_no_datagram() {
        assert_eq!(connection_id(b"\x3e\x07\x08\x00\x00\x00\x10", usize::MAX), None);
    }

    #[test]
    fn without_randomness_there_are_no_more_ids() {
        let mut all = Ids::one(vec![7].into());
        assert_eq!(all.add(1, 1, |_| false), 0);
        assert_eq!(ids(&all), [7]);
    }
}
