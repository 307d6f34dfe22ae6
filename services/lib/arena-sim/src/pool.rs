//! Where slabs live: pages of slots of one size, and a list of those that are free.
use std::cmp::Ordering;

use crate::ruleset::{Capacity, Rules};
use crate::slab;

/// Matches of one size in one backend; more than a core can step 10 times over.
pub(crate) const SLOTS_MAX: usize = 1 << 17;
/// Slabs allocated together: 2 MiB with 512 projectiles, so that few pages of memory are needed.
const PAGE_SLOTS: usize = 256;
/// Slabs begin at a cache line, so that no vector spans two: a fifth of a tick's time.
const LINE_BYTES: usize = 64;

/// The slots of one size class.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    pub(crate) pages: Pages,
    pub(crate) slots: Vec<Slot>,
    pub(crate) free: Vec<u32>,
}

/// What is known of a slot beside its slab; small, since a step reads it of every match.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) generation: u32,
    /// The rules of the match that lives here.
    pub(crate) rules: Option<Rules>,
    /// The last batch the match was part of, to find one that is there twice.
    pub(crate) batch: u64,
}

/// The memory of a pool; it never moves.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    pages: Vec<Page>,
}

#[derive(Debug)]
struct Page {
    words: Box<[u32]>,
    /// The first word at the start of a cache line.
    first: usize,
}

impl Pool {
    /// Takes a free slot, the last one freed first: its memory is warm. `None` if there are too many.
    pub(crate) fn take(&mut self, capacity: Capacity) -> Option<u32> {
        if let Some(slot) = self.free.pop() {
            return Some(slot);
        }
        let slot = self.slots.len();
        if slot == SLOTS_MAX {
            return None;
        }
        self.pages.reach(slot, capacity);
        self.slots.push(Slot { generation: 0, rules: None, batch: 0 });
        Some(slot as u32)
    }

    /// Returns a slot's slab, without padding.
    pub(crate) fn slab(&self, slot: u32, capacity: Capacity) -> &[u32] {
        let (page, start) = self.pages.place_of(slot, capacity);
        &self.pages.pages[page].words[start..start + slab::words(capacity)]
    }

    /// Returns a slot's slab, without padding.
    pub(crate) fn slab_mut(&mut self, slot: u32, capacity: Capacity) -> &mut [u32] {
        let (page, start) = self.pages.place_of(slot, capacity);
        &mut self.pages.pages[page].words[start..start + slab::words(capacity)]
    }
}

impl Pages {
    /// Makes sure that there is memory for `slot`.
    fn reach(&mut self, slot: usize, capacity: Capacity) {
        if slot < self.pages.len() * PAGE_SLOTS {
            return;
        }
        let spare = LINE_BYTES / size_of::<u32>();
        let words = vec![0; PAGE_SLOTS * slab::stride(capacity) + spare].into_boxed_slice();
        let first = words.as_ptr().align_offset(LINE_BYTES).min(spare);
        self.pages.push(Page { words, first });
    }

    /// Returns a slot's page and its first word there.
    #[inline(always)]
    fn place_of(&self, slot: u32, capacity: Capacity) -> (usize, usize) {
        let (page, slot) = (slot as usize / PAGE_SLOTS, slot as usize % PAGE_SLOTS);
        (page, self.pages[page].first + slot * slab::stride(capacity))
    }

    /// Returns one slab to change and another to read, empty if both are the same.
    #[inline(always)]
    pub(crate) fn pair(
        &mut self,
        slot: u32,
        other: u32,
        capacity: Capacity,
    ) -> (&mut [u32], &[u32]) {
        let words = slab::words(capacity);
        let (page, start) = self.place_of(slot, capacity);
        let (other_page, other_start) = self.place_of(other, capacity);
        if page != other_page {
            let pages = self.pages.get_disjoint_mut([page, other_page]);
            let [page, other] = pages.expect("both slots have a page");
            let other = &other.words[other_start..other_start + words];
            return (&mut page.words[start..start + words], other);
        }
        let page = &mut self.pages[page].words;
        match start.cmp(&other_start) {
            Ordering::Less => {
                let (before, from) = page.split_at_mut(other_start);
                (&mut before[start..start + words], &from[..words])
            }
            Ordering::Greater => {
                let (before, from) = page.split_at_mut(start);
                (&mut from[..words], &before[other_start..other_start + words])
            }
            Ordering::Equal => (&mut page[start..start + words], &[]),
        }
    }
}
