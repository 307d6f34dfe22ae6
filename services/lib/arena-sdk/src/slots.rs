use crate::worlds::WorldError;

/// Names a match inside its worlds; the id of a freed match stays invalid for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorldId {
    slot: u32,
    generation: u32,
}

/// The matches of one [`Worlds`](crate::Worlds): finds each by its id, and refuses ids of the past.
#[derive(Debug)]
pub struct Slots<T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
    matches_max: usize,
    batch: u64,
}

#[derive(Debug)]
struct Entry<T> {
    generation: u32,
    /// The last batch the match was part of, to find one that is there twice.
    batch: u64,
    value: Option<T>,
}

impl<T> Slots<T> {
    /// Makes room for up to `matches_max`.
    #[must_use]
    pub fn new(matches_max: usize) -> Self {
        Self { entries: Vec::new(), free: Vec::new(), matches_max, batch: 0 }
    }

    /// Adds a match; the slot freed last is taken first, since its memory is warm.
    ///
    /// # Errors
    /// [`WorldError::Full`].
    pub fn insert(&mut self, value: T) -> Result<WorldId, WorldError> {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None if self.entries.len() < self.matches_max => {
                self.entries.push(Entry { generation: 0, batch: 0, value: None });
                self.entries.len() as u32 - 1
            }
            None => return Err(WorldError::Full { matches: self.matches_max }),
        };
        let entry = &mut self.entries[slot as usize];
        entry.value = Some(value);
        Ok(WorldId { slot, generation: entry.generation })
    }

    /// Takes a match out.
    ///
    /// # Errors
    /// [`WorldError::Stale`].
    pub fn remove(&mut self, id: WorldId) -> Result<T, WorldError> {
        let stale = WorldError::Stale { id };
        let slot = self.entries.get_mut(id.slot as usize).ok_or(stale.clone())?;
        let value = slot.value.take_if(|_| slot.generation == id.generation).ok_or(stale)?;
        // A slot whose generations are used up is never taken again, so no old id can match.
        if let Some(next) = slot.generation.checked_add(1) {
            slot.generation = next;
            self.free.push(id.slot);
        }
        Ok(value)
    }

    /// Returns a match.
    ///
    /// # Errors
    /// [`WorldError::Stale`].
    pub fn get(&self, id: WorldId) -> Result<&T, WorldError> {
        let slot = self.entries.get(id.slot as usize).filter(|it| it.generation == id.generation);
        slot.and_then(|it| it.value.as_ref()).ok_or(WorldError::Stale { id })
    }

    /// Returns a match to change.
    ///
    /// # Errors
    /// [`WorldError::Stale`].
    pub fn get_mut(&mut self, id: WorldId) -> Result<&mut T, WorldError> {
        let slot =
            self.entries.get_mut(id.slot as usize).filter(|it| it.generation == id.generation);
        slot.and_then(|it| it.value.as_mut()).ok_or(WorldError::Stale { id })
    }

    /// Checks a batch before anything is stepped.
    ///
    /// # Errors
    /// [`WorldError::Shape`], [`WorldError::Stale`], [`WorldError::Twice`].
    pub fn check(
        &mut self,
        ids: &[WorldId],
        inputs: usize,
        outputs: usize,
    ) -> Result<(), WorldError> {
        if ids.len() != inputs || ids.len() != outputs {
            return Err(WorldError::Shape { matches: ids.len(), inputs, outputs });
        }
        self.batch += 1;
        for &id in ids {
            self.get(id)?;
            let slot = &mut self.entries[id.slot as usize];
            if slot.batch == self.batch {
                return Err(WorldError::Twice { id });
            }
            slot.batch = self.batch;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_batch_is_refused_as_a_whole() {
        let mut slots = Slots::new(3);
        let [a, b] = [slots.insert('a').unwrap(), slots.insert('b').unwrap()];
        slots.remove(b).unwrap();
        assert_eq!(slots.check(&[a], 1, 1), Ok(()));
        assert_eq!(slots.check(&[a, a], 2, 2), Err(WorldError::Twice { id: a }));
        assert_eq!(slots.check(&[a, b], 2, 2), Err(WorldError::Stale { id: b }));
        let shape = WorldError::Shape { matches: 1, inputs: 2, outputs: 1 };
        assert_eq!(slots.check(&[a], 2, 1), Err(shape));
    }

    proptest! {
        /// Against a map that never uses an id again.
        #[test]
        fn an_id_finds_its_own_match_or_none(steps in prop::collection::vec(any::<(bool, prop::sample::Index)>(), 1..200)) {
            let mut slots = Slots::new(8);
            let (mut alive, mut all) = (BTreeMap::new(), Vec::new());
            for (number, (adds, which)) in steps.into_iter().enumerate() {
                if adds {
                    match slots.insert(number) {
                        Ok(id) => {
                            prop_assert!(alive.insert(id, number).is_none() && !all.contains(&id));
                            all.push(id);
                        }
                        Err(error) => {
                            prop_assert_eq!(error, WorldError::Full { matches: 8 });
                            prop_assert_eq!(alive.len(), 8);
                        }
                    }
                } else if !all.is_empty() {
                    let id = *which.get(&all);
                    prop_assert_eq!(slots.remove(id).ok(), alive.remove(&id));
                }
                for id in &all {
                    prop_assert_eq!(slots.get(*id).ok(), alive.get(id));
                }
            }
        }
    }
}
