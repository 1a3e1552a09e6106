//! Counts what the current thread takes from and gives back to the heap.
//!
//! This is the only `unsafe` code of the workspace: a global allocator cannot be written without it,
//! and nothing else can tell that a packet costs no allocation. It adds two numbers and hands on to
//! the system's allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator with counters: `#[global_allocator] static A: Counting = Counting;`.
#[derive(Debug)]
pub struct Counting;

/// What a thread has allocated since it began.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Allocated {
    /// Allocations and reallocations.
    pub count: u64,
    /// Bytes that are allocated and not freed; negative if this thread frees what others allocated.
    pub live_bytes: i64,
}

impl Allocated {
    /// Returns the state of the current thread's counters; zeros where [`Counting`] is not the
    /// global allocator.
    #[must_use]
    pub fn now() -> Self {
        Self { count: COUNT.get(), live_bytes: LIVE_BYTES.get() }
    }

    /// Returns what has been allocated since this state.
    #[must_use]
    pub fn since(self) -> Self {
        let now = Self::now();
        Self { count: now.count - self.count, live_bytes: now.live_bytes - self.live_bytes }
    }
}

// Without destructors, so that they work until the very end of a thread.
thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static LIVE_BYTES: Cell<i64> = const { Cell::new(0) };
}

fn count(new_bytes: usize, freed_bytes: usize) {
    if new_bytes > 0 {
        COUNT.set(COUNT.get() + 1);
    }
    // No allocation is larger than isize::MAX.
    LIVE_BYTES.set(LIVE_BYTES.get() + new_bytes as i64 - freed_bytes as i64);
}

// SAFETY: every call is handed to `System` with the arguments as they came, and its result is given
// back unchanged; counting touches nothing but two thread-local numbers and does not allocate.
#[expect(unsafe_code, reason = "a global allocator is unsafe by its trait; it only counts")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's promises about `layout` are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: as in `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: `ptr` came from `System` by the functions here, with this `layout`.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size, layout.size());
        // SAFETY: as in `dealloc`, and the caller's promises about `new_size` are handed on.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}
