//! The rules of all matches on the device: matches with the same rules share a place.
use arena_sim::{COSINES, Rules, seam};

use crate::device::Gpu;
use crate::shape::WORD;

/// Different rules at a time; a fleet plays by a handful.
pub(crate) const RULES_MAX: usize = 1_024;

/// A buffer with the cosines and, after them, the rules.
#[derive(Debug)]
pub(crate) struct RuleTable {
    pub(crate) buffer: wgpu::Buffer,
    places: Vec<Option<Place>>,
}

#[derive(Debug)]
struct Place {
    rules: Rules,
    matches: usize,
}

impl RuleTable {
    pub(crate) fn new(gpu: &Gpu) -> Self {
        let words = COSINES.len() + RULES_MAX * seam::RULES_WORDS;
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
        let buffer = gpu.buffer("rules", words, usage);
        gpu.write(&buffer, 0, &COSINES.map(|cosine| cosine as u32));
        Self { buffer, places: Vec::new() }
    }

    /// Returns the place of rules that one more match plays by; `None` if all are taken.
    pub(crate) fn take(&mut self, gpu: &Gpu, rules: &Rules) -> Option<u32> {
        let key = |it: &Rules| (it.hash(), it.version());
        let same = |it: &Option<Place>| it.as_ref().is_some_and(|it| key(&it.rules) == key(rules));
        if let Some(at) = self.places.iter().position(same) {
            if let Some(place) = &mut self.places[at] {
                place.matches += 1;
            }
            return Some(at as u32);
        }
        let at = self.places.iter().position(Option::is_none).unwrap_or(self.places.len());
        if at == RULES_MAX {
            return None;
        }
        if at == self.places.len() {
            self.places.push(None);
        }
        self.places[at] = Some(Place { rules: rules.clone(), matches: 1 });
        let first = COSINES.len() + at * seam::RULES_WORDS;
        gpu.write(&self.buffer, first * WORD, &seam::rules_words(rules));
        Some(at as u32)
    }

    /// Gives back what a match took.
    pub(crate) fn release(&mut self, at: u32) {
        let Some(place) = self.places.get_mut(at as usize) else { return };
        if let Some(used) = place {
            used.matches -= 1;
            if used.matches == 0 {
                *place = None;
            }
        }
    }
}
