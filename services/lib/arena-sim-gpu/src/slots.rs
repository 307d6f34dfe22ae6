//! Places that are taken and given back; the last one given back is the first one taken, its memory is warm.

/// Values by slot, each slot with the number of values it had before.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
    limit: usize,
}

#[derive(Debug)]
struct Entry<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Slots<T> {
    pub(crate) fn new(limit: usize) -> Self {
        Self { entries: Vec::new(), free: Vec::new(), limit }
    }

    /// Returns the slot that the next value will have, or `None` if all are taken.
    pub(crate) fn next(&self) -> Option<u32> {
        let fresh = (self.entries.len() < self.limit).then_some(self.entries.len() as u32);
        self.free.last().copied().or(fresh)
    }

    /// Puts a value into the next slot and returns that and its generation; `None` if all are taken.
    pub(crate) fn insert(&mut self, value: T) -> Option<(u32, u32)> {
        let slot = self.next()?;
        if self.free.pop().is_none() {
            self.entries.push(Entry { generation: 0, value: None });
        }
        let entry = &mut self.entries[slot as usize];
        entry.value = Some(value);
        Some((slot, entry.generation))
    }

    /// Takes a value out; its slot is free, unless its generations are used up.
    pub(crate) fn remove(&mut self, slot: u32, generation: u32) -> Option<T> {
        let entry = self.entries.get_mut(slot as usize)?;
        let value = entry.value.take_if(|_| entry.generation == generation)?;
        if let Some(next) = entry.generation.checked_add(1) {
            entry.generation = next;
            self.free.push(slot);
        }
        Some(value)
    }

    pub(crate) fn find(&self, slot: u32, generation: u32) -> Option<&T> {
        let entry = self.entries.get(slot as usize)?;
        entry.value.as_ref().filter(|_| entry.generation == generation)
    }

    pub(crate) fn find_mut(&mut self, slot: u32, generation: u32) -> Option<&mut T> {
        let entry = self.entries.get_mut(slot as usize)?;
        entry.value.as_mut().filter(|_| entry.generation == generation)
    }

    /// Returns the values that live.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut().filter_map(|entry| entry.value.as_mut())
    }
}

#[cfg(test)]
mod tests {
    use super::Slots;

    #[test]
    fn the_last_slot_given_back_is_taken_first_and_its_old_name_is_void() {
        let mut slots = Slots::new(3);
        let names: Vec<_> = (0..3).map(|value| slots.insert(value).unwrap()).collect();
        assert_eq!((slots.next(), slots.insert(9)), (None, None));
        for at in [0, 2, 1] {
            let (slot, generation) = names[at];
            assert_eq!(slots.remove(slot, generation), Some(at));
            assert_eq!(slots.remove(slot, generation), None, "twice");
        }
        assert_eq!(slots.insert(7), Some((1, 1)));
        assert_eq!(slots.find(1, 0), None);
        assert_eq!(slots.find(1, 1), Some(&7));
        assert_eq!(slots.insert(8), Some((2, 1)));
        assert_eq!(slots.values_mut().count(), 2);
    }
}
