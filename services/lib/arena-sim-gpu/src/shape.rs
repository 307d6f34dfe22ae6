//! What of a size class the host and the kernel must agree on.
use arena_sim::{Capacity, DRONES, PLAYERS, seam};

/// Bytes of a word.
pub(crate) const WORD: usize = size_of::<u32>();
/// Words of a match's inputs for one tick.
pub(crate) const INPUT_WORDS: usize = PLAYERS;
/// A match tells its mirror of one projectile in so many each tick; where more change, the host fetches the
/// whole slab. In an ordinary tick one in a hundred does.
const SLOTS_PER_CHANGE: usize = 8;
/// Words of a changed projectile: x, y, velocity, life.
pub(crate) const CHANGE_WORDS: usize = 4;
/// Words of the flow field.
const FIELD_WORDS: usize = 64;

/// A size class in words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) capacity: Capacity,
    pub(crate) projectiles: usize,
    pub(crate) words: usize,
    pub(crate) stride: usize,
    /// Changed projectiles that fit into a report.
    pub(crate) changes_max: usize,
}

impl Shape {
    pub(crate) fn of(capacity: Capacity) -> Self {
        Self {
            capacity,
            projectiles: capacity.projectiles(),
            words: seam::words(capacity),
            stride: seam::stride(capacity),
            changes_max: capacity.projectiles() / SLOTS_PER_CHANGE,
        }
    }

    /// Words of the drones and their field, which end a slab.
    pub(crate) fn crowd_words(&self) -> usize {
        if self.capacity.has_drones() { 4 * DRONES + FIELD_WORDS } else { 0 }
    }

    /// Words of the mask of changed projectiles.
    pub(crate) fn mask_words(&self) -> usize {
        self.projectiles / 32
    }

    /// Words of a match's report to its mirror: all before the projectiles, the mask, the changed ones, the
    /// drones.
    pub(crate) fn mirror_words(&self) -> usize {
        let changes = CHANGE_WORDS * self.changes_max;
        seam::PROJECTILES_AT + self.mask_words() + changes + self.crowd_words()
    }

    /// The kernel's overridable constants.
    pub(crate) fn constants(&self, workgroup: u32) -> [(&'static str, f64); 7] {
        [
            ("WG", f64::from(workgroup)),
            ("N", self.projectiles as f64),
            ("WORDS", self.words as f64),
            ("STRIDE", self.stride as f64),
            ("CROWD", f64::from(u8::from(self.capacity.has_drones()))),
            ("CHANGES_MAX", self.changes_max as f64),
            ("MIRROR_WORDS", self.mirror_words() as f64),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::Shape;
    use arena_sim::{Capacity, seam};

    #[test]
    fn a_report_has_the_parts_of_a_slab() {
        for capacity in Capacity::ALL {
            let shape = Shape::of(capacity);
            assert_eq!(seam::drones_at(capacity) + shape.crowd_words(), shape.words);
            assert!(shape.mirror_words() < shape.words, "a report is less than its slab");
        }
    }
}
