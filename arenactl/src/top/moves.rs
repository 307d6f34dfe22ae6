//! Changes of owner, as they show in what instances say of their matches.

use std::collections::{BTreeMap, VecDeque};

use arena_types::InstanceId;

use super::board::Moment;

/// Changes of owner that are remembered: more than a screen shows.
const MOVE_COUNT_MAX: usize = 50;

/// A match as one of its hosts tells of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hosted<'a> {
    pub(super) owner: &'a InstanceId,
    pub(super) id: &'a str,
    pub(super) epoch: u32,
}

/// A match that changed its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Move {
    pub(super) id: String,
    pub(super) from: InstanceId,
    pub(super) to: InstanceId,
    /// The new owner's.
    pub(super) epoch: u32,
    pub(super) at: Moment,
}

/// Who owns what, and what moved.
#[derive(Debug, Default)]
pub(super) struct Moves {
    owners: BTreeMap<String, (InstanceId, u32)>,
    /// The latest first.
    pub(super) latest: VecDeque<Move>,
}

impl Moves {
    /// Takes over all that is hosted now. While a match moves, two instances tell of it: the higher epoch owns it.
    pub(super) fn take<'a>(&mut self, at: Moment, hosted: impl Iterator<Item = Hosted<'a>>) {
        let mut owners: BTreeMap<String, (InstanceId, u32)> = BTreeMap::new();
        for Hosted { owner, id, epoch } in hosted {
            let known = owners.entry(id.to_owned()).or_insert_with(|| (owner.clone(), epoch));
            if epoch > known.1 {
                *known = (owner.clone(), epoch);
            }
        }
        for (id, (to, epoch)) in &owners {
            let before = self.owners.get(id).filter(|(from, was)| from != to && was < epoch);
            if let Some((from, _)) = before {
                let (id, from, to) = (id.clone(), from.clone(), to.clone());
                self.latest.push_front(Move { id, from, to, epoch: *epoch, at });
            }
        }
        self.latest.truncate(MOVE_COUNT_MAX);
        self.owners = owners;
    }

    /// Says whether `instance` owns a match, as far as all its hosts tell.
    pub(super) fn is_owner(&self, id: &str, instance: &InstanceId) -> bool {
        self.owners.get(id).is_none_or(|(owner, _)| owner == instance)
    }
}
