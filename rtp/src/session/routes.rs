use crate::ssrc::Ssrc;

/// Where the packets of a source go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Route {
    /// To a stream that packets came of.
    Stream(u32),
    /// To a section that signalled the source, or by a description (SDES), or that received it before;
    /// with the source that it repeats.
    Expected { slot: u16, signalled: bool, repairs: Option<Ssrc> },
}

impl Route {
    pub(super) fn is_expected_in(self, section: u16) -> bool {
        matches!(self, Self::Expected { slot, .. } if slot == section)
    }
}

/// All sources that are known, sorted. The remote chooses the keys: a sorted list has no worst case
/// that they could aim at. The last hit is tried first, since packets come in runs.
#[derive(Debug, Default)]
pub(super) struct Routes {
    entries: Vec<(Ssrc, Route)>,
    last: usize,
}

impl Routes {
    pub(super) fn find(&mut self, ssrc: Ssrc) -> Option<Route> {
        if let Some((known, route)) = self.entries.get(self.last)
            && *known == ssrc
        {
            return Some(*route);
        }
        let index = self.entries.binary_search_by_key(&ssrc, |(known, _)| *known).ok()?;
        self.last = index;
        self.entries.get(index).map(|(_, route)| *route)
    }

    pub(super) fn stream(&mut self, ssrc: Ssrc) -> Option<u32> {
        match self.find(ssrc)? {
            Route::Stream(index) => Some(index),
            Route::Expected { .. } => None,
        }
    }

    pub(super) fn insert(&mut self, ssrc: Ssrc, route: Route) {
        match self.entries.binary_search_by_key(&ssrc, |(known, _)| *known) {
            Ok(index) => {
                if let Some((_, known)) = self.entries.get_mut(index) {
                    *known = route;
                }
            }
            Err(index) => self.entries.insert(index, (ssrc, route)),
        }
    }

    pub(super) fn remove(&mut self, ssrc: Ssrc) {
        if let Ok(index) = self.entries.binary_search_by_key(&ssrc, |(known, _)| *known) {
            self.entries.remove(index);
        }
    }

    pub(super) fn retain(&mut self, mut keep: impl FnMut(Ssrc, Route) -> bool) {
        self.entries.retain(|(ssrc, route)| keep(*ssrc, *route));
    }

    /// How many sources without a stream a section has.
    pub(super) fn expected(&self, slot: u16) -> usize {
        self.entries.iter().filter(|(_, route)| route.is_expected_in(slot)).count()
    }
}
