//! The matches of one size class: slots over pages that grow and never move.
use arena_sim::{BackendError, Capacity, MatchHandle, Rules, StateHash};

use crate::device::Gpu;
use crate::page::Page;
use crate::shape::Shape;
use crate::slots::Slots;

/// Matches of one size class, as many as the CPU's backend takes.
const MATCHES_MAX: usize = 1 << 17;
/// Workgroups of one dispatch that every device takes.
const WORKGROUPS_MAX: usize = 65_535;

/// What is known of a match beside its slab.
#[derive(Debug)]
pub(crate) struct Match {
    pub(crate) rules: Rules,
    /// Its rules' place on the device.
    pub(crate) table: u32,
    /// The last batch it was part of, to find one that is there twice.
    pub(crate) batch: u64,
    /// The hash of its state, where the device computed it last tick.
    pub(crate) hash: Option<StateHash>,
}

#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) shape: Shape,
    pub(crate) pages: Vec<Page>,
    pub(crate) slots: Slots<Match>,
}

impl Pool {
    pub(crate) fn new(capacity: Capacity) -> Self {
        Self { shape: Shape::of(capacity), pages: Vec::new(), slots: Slots::new(MATCHES_MAX) }
    }

    /// Places a match; its slab is whatever was there before.
    pub(crate) fn place(
        &mut self,
        gpu: &Gpu,
        tables: &wgpu::Buffer,
        new: Match,
    ) -> Result<MatchHandle, BackendError> {
        let capacity = self.shape.capacity;
        let full = BackendError::Full { capacity, matches: self.matches() };
        let Some(slot) = self.slots.next() else { return Err(full) };
        if slot as usize >= self.matches() {
            let Some(page) = self.grow(gpu, tables) else { return Err(full) };
            self.pages.push(page);
        }
        let Some((slot, generation)) = self.slots.insert(new) else { return Err(full) };
        Ok(MatchHandle::new(capacity, slot, generation))
    }

    /// Returns the page of a slot and its place there.
    pub(crate) fn locate(&self, slot: u32) -> (usize, u32) {
        let page = self.pages.partition_point(|page| page.first_slot <= slot).saturating_sub(1);
        (page, slot - self.pages[page].first_slot)
    }

    /// Slots with memory behind them.
    fn matches(&self) -> usize {
        self.pages.iter().map(|page| page.matches).sum()
    }

    /// Makes the next page, twice as large as the last; `None` if the device has no memory for it.
    fn grow(&self, gpu: &Gpu, tables: &wgpu::Buffer) -> Option<Page> {
        let wanted =
            self.pages.last().map_or(gpu.options().first_page_matches, |it| 2 * it.matches);
        let most = gpu.page_bytes_max() / Page::largest_bytes(&self.shape, 1);
        let matches = wanted.min(most).clamp(1, WORKGROUPS_MAX);
        let first_slot = self.matches() as u32;
        gpu.allocate(|| Page::new(gpu, &self.shape, tables, first_slot, matches))
    }
}
