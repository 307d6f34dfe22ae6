//! Steps: a batch is sorted into pages, goes up, is dispatched, and its outcomes come down.
use arena_sim::seam::{self, OUTPUT_WORDS};
use arena_sim::{BackendError, Input, MatchHandle, SeatInputs, StateHash, TickOutput};
use wgpu::BufferUsages as Usage;

use crate::backend::GpuBackend;
use crate::page::{Job, TICKS_MAX};
use crate::shape::WORD;

/// Slabs that come down whole go in pieces of at most so many words: 4 MiB of staging.
const FETCH_WORDS_MAX: usize = 1 << 20;

/// A page by its pool and place.
type PageAt = (usize, usize);

impl GpuBackend {
    pub(crate) fn step_once(
        &mut self,
        matches: &[MatchHandle],
        inputs: &[SeatInputs],
        outputs: &mut [TickOutput],
    ) -> Result<(), BackendError> {
        if matches.len() != inputs.len() || matches.len() != outputs.len() {
            return Err(shape_error(matches, inputs, outputs));
        }
        let pages = self.sort(matches)?;
        let partial = self.advance(&pages, matches, (inputs, outputs), 1, true)?;
        self.refresh(&partial)
    }

    /// Many ticks in few dispatches; mirrors are fetched whole at the end.
    pub(crate) fn catch_up(
        &mut self,
        matches: &[MatchHandle],
        inputs: &[SeatInputs],
        outputs: &mut [TickOutput],
    ) -> Result<(), BackendError> {
        let count = matches.len().max(1);
        if !inputs.len().is_multiple_of(count) || inputs.len() != outputs.len() {
            return Err(shape_error(matches, inputs, outputs));
        }
        let pages = self.sort(matches)?;
        let at_once = |&(pool, page): &PageAt| {
            let page = &self.pools[pool].pages[page];
            page.ticks_at_once(page.active.len())
        };
        let ticks_max = pages.iter().map(at_once).min().unwrap_or(TICKS_MAX);
        let chunk = count * ticks_max;
        for (inputs, outputs) in inputs.chunks(chunk).zip(outputs.chunks_mut(chunk)) {
            let ticks = inputs.len() / count;
            self.advance(&pages, matches, (inputs, outputs), ticks, false)?;
        }
        let slot = |handle: &MatchHandle| {
            (handle.capacity().map_or(0, arena_sim::Capacity::index), handle.slot())
        };
        let all: Vec<_> = matches.iter().map(slot).collect();
        self.refresh(&all)
    }

    /// Checks a batch and deals it out to its pages; returns the pages that have matches in it.
    fn sort(&mut self, matches: &[MatchHandle]) -> Result<Vec<PageAt>, BackendError> {
        for page in self.pools.iter_mut().flat_map(|pool| &mut pool.pages) {
            page.active.clear();
            page.places.clear();
        }
        self.batch += 1;
        for (place, &handle) in matches.iter().enumerate() {
            let stale = BackendError::Stale { handle };
            let Some(capacity) = handle.capacity() else { return Err(stale) };
            let pool = &mut self.pools[capacity.index()];
            let Some(found) = pool.slots.find_mut(handle.slot(), handle.generation()) else {
                return Err(stale);
            };
            if found.batch == self.batch {
                return Err(BackendError::Twice { handle });
            }
            found.batch = self.batch;
            let table = found.table;
            let (page, at) = pool.locate(handle.slot());
            pool.pages[page].active.push([at, table]);
            pool.pages[page].places.push(place);
        }
        let pages = self.pools.iter().enumerate().flat_map(|(pool, it)| {
            let used = it.pages.iter().enumerate().filter(|(_, page)| !page.active.is_empty());
            used.map(move |(page, _)| (pool, page))
        });
        Ok(pages.collect())
    }

    /// Steps a sorted batch and returns the slots whose mirrors need their whole slab.
    fn advance(
        &mut self,
        pages: &[PageAt],
        matches: &[MatchHandle],
        (inputs, outputs): (&[SeatInputs], &mut [TickOutput]),
        ticks: usize,
        mirrors: bool,
    ) -> Result<Vec<(usize, u32)>, BackendError> {
        self.gpu.check()?;
        if pages.is_empty() || ticks == 0 {
            return Ok(Vec::new());
        }
        let gpu = self.gpu.clone();
        let job = Job { ticks, hash_every: gpu.options().hash_every_ticks.max(1), mirrors };
        for &(pool, page) in pages {
            let page = &mut self.pools[pool].pages[page];
            self.words.clear();
            for tick in inputs.chunks(matches.len()) {
                let rows = page.places.iter().map(|place| tick[*place]);
                self.words.extend(rows.flatten().map(Input::pack));
            }
            self.traffic.up_bytes += page.prepare(&gpu, job, &self.words);
        }
        let mut encoder = gpu.encoder();
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        for &(pool, page) in pages {
            pass.set_pipeline(gpu.pipeline(&self.pools[pool].shape));
            self.pools[pool].pages[page].dispatch(&mut pass);
        }
        drop(pass);
        let mut staging = Vec::with_capacity(pages.len());
        for &(pool, page) in pages {
            let pool = &self.pools[pool];
            staging.push(pool.pages[page].collect(&mut encoder, &pool.shape, job));
        }
        let words: usize = staging.iter().map(|(_, words)| words).sum();
        self.traffic.down_bytes += (words * WORD) as u64;
        self.traffic.match_ticks += (ticks * matches.len()) as u64;
        let mut partial = Vec::new();
        gpu.finish(encoder, &staging, |i, words| {
            partial.extend(self.settle(pages[i], matches, words, outputs, job));
        })?;
        Ok(partial)
    }

    /// Takes in what came down from a page.
    fn settle(
        &mut self,
        (pool_index, page): PageAt,
        matches: &[MatchHandle],
        words: &[u32],
        outputs: &mut [TickOutput],
        job: Job,
    ) -> Vec<(usize, u32)> {
        let pool = &mut self.pools[pool_index];
        let page = &mut pool.pages[page];
        let count = page.active.len();
        let (outcomes, reports) = words.split_at(job.ticks * count * OUTPUT_WORDS);
        for (row, words) in outcomes.chunks_exact(OUTPUT_WORDS).enumerate() {
            let place = page.places[row % count];
            let output = seam::read_output(words);
            outputs[row / count * matches.len() + place] = output;
            let handle = matches[place];
            let Some(found) = pool.slots.find_mut(handle.slot(), handle.generation()) else {
                continue;
            };
            let hash = StateHash(u64::from(words[13]) << 32 | u64::from(words[12]));
            found.hash = output.tick.is_multiple_of(job.hash_every).then_some(hash);
        }
        if !job.mirrors {
            return Vec::new();
        }
        let first = page.first_slot;
        let partial = page.apply(&pool.shape, reports);
        partial.into_iter().map(|slot| (pool_index, first + slot)).collect()
    }

    /// Makes the mirrors of these slots, each with its pool, what their slabs are.
    fn refresh(&mut self, slots: &[(usize, u32)]) -> Result<(), BackendError> {
        let mut rest = slots;
        while !rest.is_empty() {
            let mut words = 0;
            let fits = rest.iter().take_while(|(pool, _)| {
                words += self.pools[*pool].shape.words;
                words <= FETCH_WORDS_MAX
            });
            let (piece, after) = rest.split_at(fits.count().max(1));
            rest = after;
            let fetched = self.fetch(piece)?;
            self.traffic.down_bytes += (fetched.len() * WORD) as u64;
            self.traffic.whole_slabs += piece.len() as u64;
            let mut fetched = fetched.as_slice();
            for &(pool, slot) in piece {
                let pool = &mut self.pools[pool];
                let (slab, after) = fetched.split_at(pool.shape.words);
                fetched = after;
                let (page, at) = pool.locate(slot);
                pool.pages[page].mirror_mut(&pool.shape, at).copy_from_slice(slab);
            }
        }
        Ok(())
    }

    /// Brings slabs down, one after the other.
    pub(crate) fn fetch(&self, slots: &[(usize, u32)]) -> Result<Vec<u32>, BackendError> {
        self.gpu.check()?;
        let words = slots.iter().map(|(pool, _)| self.pools[*pool].shape.words).sum();
        let staging = self.gpu.buffer("slabs down", words, Usage::MAP_READ | Usage::COPY_DST);
        let mut encoder = self.gpu.encoder();
        let mut word = 0;
        for &(pool, slot) in slots {
            let pool = &self.pools[pool];
            let (page, at) = pool.locate(slot);
            pool.pages[page].copy_slab(&mut encoder, &pool.shape, at, (&staging, word));
            word += pool.shape.words;
        }
        let mut slabs = Vec::with_capacity(words);
        self.gpu.finish(encoder, &[(staging, words)], |_, down| slabs.extend_from_slice(down))?;
        Ok(slabs)
    }
}

fn shape_error(
    matches: &[MatchHandle],
    inputs: &[SeatInputs],
    outputs: &[TickOutput],
) -> BackendError {
    let (inputs, outputs) = (inputs.len(), outputs.len());
    BackendError::Shape { matches: matches.len(), inputs, outputs }
}
