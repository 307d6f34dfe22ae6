//! A page: slabs of one size class in one storage buffer, and what one dispatch over them needs.
use crate::device::Gpu;
use crate::mirror::{self, Update};
use crate::shape::{INPUT_WORDS, Shape, WORD};
use arena_sim::seam::OUTPUT_WORDS;
use wgpu::BufferUsages as Usage;

/// Match-ticks of inputs and outcomes that a page has room for, for each of its matches: a catch-up of all
/// of them goes so many ticks at a time, of fewer matches more.
const TICKS_OF_ALL: usize = 8;
/// Ticks of one dispatch, so that a driver that resets slow devices has no reason to.
pub(crate) const TICKS_MAX: usize = 256;
/// Words of the kernel's parameters.
const PARAMS: usize = 4;

/// A page of slabs. Which ones are stepped is a list that goes up only when it changes.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) first_slot: u32,
    pub(crate) matches: usize,
    slabs: wgpu::Buffer,
    inputs: wgpu::Buffer,
    outputs: wgpu::Buffer,
    batch: wgpu::Buffer,
    params: wgpu::Buffer,
    staging: wgpu::Buffer,
    bind_group: wgpu::BindGroup,
    mirrors: Vec<u32>,
    /// What the device was told last.
    told_batch: Vec<[u32; 2]>,
    told_params: [u32; PARAMS],
    /// The batch in the making: slot in the page and rules of each match.
    pub(crate) active: Vec<[u32; 2]>,
    /// Where each of them stands in the caller's batch.
    pub(crate) places: Vec<usize>,
}

/// What one dispatch does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    pub(crate) ticks: usize,
    pub(crate) hash_every: u32,
    /// Whether the mirrors are told; only of a single tick.
    pub(crate) mirrors: bool,
}

impl Page {
    pub(crate) fn new(
        gpu: &Gpu,
        shape: &Shape,
        tables: &wgpu::Buffer,
        first_slot: u32,
        matches: usize,
    ) -> Self {
        let storage = Usage::STORAGE | Usage::COPY_DST;
        let rows = matches * TICKS_OF_ALL;
        let outputs = rows * OUTPUT_WORDS + matches * shape.mirror_words();
        let slabs = gpu.buffer("slabs", matches * shape.stride, storage | Usage::COPY_SRC);
        let inputs = gpu.buffer("inputs", rows * INPUT_WORDS, storage);
        let batch = gpu.buffer("batch", matches * 2, storage);
        let params = gpu.buffer("params", PARAMS, Usage::UNIFORM | Usage::COPY_DST);
        let staging = gpu.buffer("staging", outputs, Usage::MAP_READ | Usage::COPY_DST);
        let outputs = gpu.buffer("outputs", outputs, Usage::STORAGE | Usage::COPY_SRC);
        let bind_group = gpu.bind_group([&slabs, &inputs, &outputs, tables, &batch, &params]);
        Self {
            first_slot,
            matches,
            slabs,
            inputs,
            outputs,
            batch,
            params,
            staging,
            bind_group,
            mirrors: vec![0; matches * shape.words],
            told_batch: Vec::new(),
            told_params: [0; PARAMS],
            active: Vec::new(),
            places: Vec::new(),
        }
    }

    /// Returns how many bytes of a device a page of `matches` takes in its largest buffer.
    pub(crate) fn largest_bytes(shape: &Shape, matches: usize) -> usize {
        let outputs = TICKS_OF_ALL * OUTPUT_WORDS + shape.mirror_words();
        matches * shape.stride.max(outputs) * WORD
    }

    /// Returns the ticks that one dispatch over `matches` of the page can do.
    pub(crate) fn ticks_at_once(&self, matches: usize) -> usize {
        (self.matches * TICKS_OF_ALL / matches.max(1)).min(TICKS_MAX)
    }

    pub(crate) fn mirror(&self, shape: &Shape, slot: u32) -> &[u32] {
        let at = slot as usize * shape.words;
        &self.mirrors[at..at + shape.words]
    }

    pub(crate) fn mirror_mut(&mut self, shape: &Shape, slot: u32) -> &mut [u32] {
        let at = slot as usize * shape.words;
        &mut self.mirrors[at..at + shape.words]
    }

    /// Sends a mirror up: how a match begins on the device.
    pub(crate) fn upload(&self, gpu: &Gpu, shape: &Shape, slot: u32) {
        let byte = slot as usize * shape.stride * WORD;
        gpu.write(&self.slabs, byte, self.mirror(shape, slot));
    }

    /// Copies a slab into a staging buffer at `word`.
    pub(crate) fn copy_slab(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        shape: &Shape,
        slot: u32,
        to: (&wgpu::Buffer, usize),
    ) {
        let from = (slot as usize * shape.stride * WORD) as u64;
        let bytes = (shape.words * WORD) as u64;
        encoder.copy_buffer_to_buffer(&self.slabs, from, to.0, (to.1 * WORD) as u64, bytes);
    }

    /// Sends inputs up, and the batch and the parameters if they changed; returns the bytes sent.
    pub(crate) fn prepare(&mut self, gpu: &Gpu, job: Job, inputs: &[u32]) -> u64 {
        let mut words = inputs.len();
        if self.told_batch != self.active {
            gpu.write(&self.batch, 0, self.active.as_flattened());
            self.told_batch.clone_from(&self.active);
            words += 2 * self.active.len();
        }
        let count = self.active.len() as u32;
        let params = [job.ticks as u32, count, job.hash_every, u32::from(job.mirrors)];
        if self.told_params != params {
            gpu.write(&self.params, 0, &params);
            self.told_params = params;
            words += PARAMS;
        }
        gpu.write(&self.inputs, 0, inputs);
        (words * WORD) as u64
    }

    /// Steps the active matches.
    pub(crate) fn dispatch(&self, pass: &mut wgpu::ComputePass<'_>) {
        pass.set_bind_group(0, &self.bind_group, &[]);
        pass.dispatch_workgroups(self.active.len() as u32, 1, 1);
    }

    /// Brings the outcomes down and returns where they arrive and how many words they are.
    pub(crate) fn collect(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        shape: &Shape,
        job: Job,
    ) -> (wgpu::Buffer, usize) {
        let mirrors = if job.mirrors { shape.mirror_words() } else { 0 };
        let words = self.active.len() * (job.ticks * OUTPUT_WORDS + mirrors);
        let bytes = (words * WORD) as u64;
        encoder.copy_buffer_to_buffer(&self.outputs, 0, &self.staging, 0, bytes);
        (self.staging.clone(), words)
    }

    /// Brings the mirrors up to date from what came down; returns those that need their whole slab.
    pub(crate) fn apply(&mut self, shape: &Shape, reports: &[u32]) -> Vec<u32> {
        let mut partial = Vec::new();
        for (i, report) in reports.chunks_exact(shape.mirror_words()).enumerate() {
            let slot = self.active[i][0];
            let at = slot as usize * shape.words;
            let slab = &mut self.mirrors[at..at + shape.words];
            if mirror::apply(shape, slab, report) == Update::Partial {
                partial.push(slot);
            }
        }
        partial
    }
}
