//! The host's copy of a slab, kept up to date by what a kernel reports.
use arena_sim::seam;

use crate::shape::{CHANGE_WORDS, Shape};

/// What a report did to its mirror.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Update {
    /// The mirror is the slab again.
    Done,
    /// More projectiles changed than the report holds: the slab must be fetched.
    Partial,
}

/// Applies one tick's report, of [`Shape::mirror_words`], to the slab before it.
pub(crate) fn apply(shape: &Shape, slab: &mut [u32], report: &[u32]) -> Update {
    let (before, rest) = report.split_at(seam::PROJECTILES_AT);
    slab[..seam::PROJECTILES_AT].copy_from_slice(before);
    let (masks, rest) = rest.split_at(shape.mask_words());
    let (changes, crowd) = rest.split_at(CHANGE_WORDS * shape.changes_max);
    let crowd_at = shape.words - shape.crowd_words();
    slab[crowd_at..].copy_from_slice(crowd);
    let mut changes = changes.as_chunks::<CHANGE_WORDS>().0.iter();
    let columns = &mut slab[seam::PROJECTILES_AT..crowd_at];
    for (i, mask) in masks.iter().enumerate() {
        let mut left = *mask;
        while left != 0 {
            let slot = 32 * i + left.trailing_zeros() as usize;
            left &= left - 1;
            let Some(change) = changes.next() else { return Update::Partial };
            for (column, word) in change.iter().enumerate() {
                columns[column * shape.projectiles + slot] = *word;
            }
        }
    }
    Update::Done
}

#[cfg(test)]
mod tests {
    use super::{Update, apply};
    use crate::shape::Shape;
    use arena_sim::{Capacity, seam};

    #[test]
    fn a_report_changes_the_slots_it_names_and_no_other() {
        let shape = Shape::of(Capacity::ALL[1]);
        let mut slab = vec![7; shape.words];
        let mut report = vec![0; shape.mirror_words()];
        let masks = seam::PROJECTILES_AT;
        report[masks] = 1 << 31;
        report[masks + 2] = 1;
        let list = masks + shape.mask_words();
        report[list..list + 8].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(apply(&shape, &mut slab, &report), Update::Done);
        let column = |c: usize, slot: usize| slab[seam::PROJECTILES_AT + c * 256 + slot];
        assert_eq!([0, 1, 2, 3].map(|c| column(c, 31)), [1, 2, 3, 4]);
        assert_eq!([0, 1, 2, 3].map(|c| column(c, 64)), [5, 6, 7, 8]);
        assert_eq!(slab.iter().filter(|word| **word == 7).count(), 4 * 254 + 1);
    }

    #[test]
    fn a_report_that_is_too_short_says_so() {
        let shape = Shape::of(Capacity::ALL[0]);
        let mut slab = vec![0; shape.words];
        let mut report = vec![0; shape.mirror_words()];
        report[seam::PROJECTILES_AT] = u32::MAX;
        assert_eq!(apply(&shape, &mut slab, &report), Update::Done, "32 changes fit");
        report[seam::PROJECTILES_AT + 1] = 1;
        assert_eq!(apply(&shape, &mut slab, &report), Update::Partial);
    }
}
