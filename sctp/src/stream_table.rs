//! State by stream number: direct access, memory only for the streams in use.

/// How many streams share a page: a page of pointers is 128 bytes.
const PAGE: usize = 16;

/// A map from stream numbers to `T` in two levels.
///
/// Stream numbers are the remote's choice: a lookup costs the same whatever it chooses, and a
/// stream costs at most a page, so that no choice is an attack.
#[derive(Debug)]
pub(crate) struct StreamTable<T> {
    pages: Vec<Option<Box<Page<T>>>>,
    len: usize,
}

/// The state of [`PAGE`] consecutive streams.
#[derive(Debug)]
struct Page<T>([Option<Box<T>>; PAGE]);

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self([const { None }; PAGE])
    }
}

impl<T> StreamTable<T> {
    /// A table without streams; takes no memory.
    pub(crate) const fn new() -> Self {
        Self { pages: Vec::new(), len: 0 }
    }

    /// How many bytes it takes at most.
    pub(crate) const fn memory(&self) -> usize {
        self.pages.capacity() * size_of::<usize>() + self.len * Self::EACH
    }

    /// How many bytes more it would take with `stream`.
    #[inline]
    pub(crate) fn growth(&self, stream: u16) -> usize {
        if self.get(stream).is_some() {
            return 0;
        }
        let more = (usize::from(stream) / PAGE + 1).saturating_sub(self.pages.capacity());
        2 * more * size_of::<usize>() + Self::EACH
    }

    /// A stream that is alone on its page.
    const EACH: usize = size_of::<T>() + size_of::<Page<T>>();

    /// The state of `stream`, if it has any.
    #[inline]
    pub(crate) fn get(&self, stream: u16) -> Option<&T> {
        let stream = usize::from(stream);
        self.pages.get(stream / PAGE)?.as_deref()?.0.get(stream % PAGE)?.as_deref()
    }

    /// The state of `stream`, if it has any.
    #[inline]
    pub(crate) fn get_mut(&mut self, stream: u16) -> Option<&mut T> {
        let stream = usize::from(stream);
        self.pages.get_mut(stream / PAGE)?.as_deref_mut()?.0.get_mut(stream % PAGE)?.as_deref_mut()
    }

    /// Takes the state of `stream` out.
    pub(crate) fn remove(&mut self, stream: u16) -> Option<T> {
        let stream = usize::from(stream);
        let page = self.pages.get_mut(stream / PAGE)?.as_deref_mut()?;
        let removed = page.0.get_mut(stream % PAGE)?.take()?;
        self.len -= 1;
        if page.0.iter().all(Option::is_none)
            && let Some(page) = self.pages.get_mut(stream / PAGE)
        {
            *page = None;
        }
        Some(*removed)
    }

    /// All streams that have state, in order.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u16, &mut T)> {
        self.pages.iter_mut().enumerate().flat_map(|(high, page)| {
            let slots = page.as_deref_mut().map(|page| page.0.iter_mut()).unwrap_or_default();
            slots.enumerate().filter_map(move |(low, slot)| {
                let number = u16::try_from(high * PAGE + low).ok()?;
                Some((number, slot.as_deref_mut()?))
            })
        })
    }
}

impl<T: Default> StreamTable<T> {
    /// The state of `stream`, made when there is none.
    #[inline]
    pub(crate) fn entry(&mut self, stream: u16) -> &mut T {
        let (high, low) = (usize::from(stream) / PAGE, usize::from(stream) % PAGE);
        if self.pages.len() <= high {
            self.make_room(high);
        }
        #[expect(clippy::indexing_slicing, reason = "the page was made in the lines above")]
        let page = self.pages[high].get_or_insert_with(fresh);
        #[expect(clippy::indexing_slicing, reason = "a remainder of PAGE is below PAGE")]
        let slot = &mut page.0[low];
        self.len += usize::from(slot.is_none());
        slot.get_or_insert_with(fresh)
    }

    #[cold]
    fn make_room(&mut self, high: usize) {
        self.pages.resize_with(high + 1, || None);
    }
}

/// A stream is new once: what makes it need not stand where it is looked up.
#[cold]
fn fresh<T: Default>() -> Box<T> {
    Box::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_found_again() {
        let mut table = StreamTable::new();
        for stream in [65535, 0, 17, 16, 65534] {
            *table.entry(stream) = u32::from(stream) + 1;
        }
        assert_eq!(table.get(17), Some(&18));
        assert_eq!(table.get(18), None);
        *table.get_mut(0).unwrap() = 9;
        let all: Vec<_> = table.iter_mut().map(|(stream, value)| (stream, *value)).collect();
        assert_eq!(all, [(0, 9), (16, 17), (17, 18), (65534, 65535), (65535, 65536)]);
        assert_eq!(table.remove(17), Some(18));
        assert_eq!(table.get(17), None);
        assert_eq!(StreamTable::<u8>::new().get(3), None);
        // A page without streams is given back.
        assert!(table.pages[1].is_some());
        assert_eq!(table.remove(16), Some(17));
        assert!(table.pages[1].is_none());
        assert_eq!(table.get(16), None);
    }
}
