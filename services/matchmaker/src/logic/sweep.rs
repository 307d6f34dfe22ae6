//! One pass over everyone who waits: sort by rating, then group from left to right.

use arena_types::TicketId;

use super::half_width;
use super::queue::Policy;

/// Rating points that one bucket of the sort holds: finer than any rating is known.
const BUCKET_SHIFT: u32 = 2;
/// Buckets of ratings 0 to 4095.
const BUCKETS: usize = 4096 >> BUCKET_SHIFT;
/// Parties set aside because they are too large for the open group. When there are more, the group
/// is closed: they would only grow older behind it.
const CARRY_MAX: usize = 64;

/// What a pass needs to know of a ticket: small, so that sorting moves whole records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: TicketId,
    pub(super) rating: u16,
    pub(super) size: u32,
    pub(super) waited_ms: u64,
}

/// Tickets that play together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Formed {
    pub(super) ids: Vec<TicketId>,
    pub(super) waited_ms_max: u64,
}

/// Groups `entries`, whose order decides between equal ratings. O(entries).
///
/// A group is anchored at its lowest rating; everyone in it is within the narrowest window of its
/// members. It is formed once it is full, or once its oldest ticket has waited for bots.
pub(super) fn sweep(entries: &[Entry], policy: &Policy) -> Vec<Formed> {
    let mut sweep = Sweep { policy, formed: Vec::new(), open: None, carry: Vec::new() };
    for entry in sorted(entries) {
        sweep.offer(entry);
    }
    while sweep.open.is_some() {
        sweep.close();
    }
    sweep.formed
}

/// Counting sort: the sweep after it reads memory in order, which is most of its speed.
fn sorted(entries: &[Entry]) -> Vec<Entry> {
    let Some(first) = entries.first() else { return Vec::new() };
    let bucket = |it: &Entry| (usize::from(it.rating) >> BUCKET_SHIFT).min(BUCKETS - 1);
    let mut next = [0_usize; BUCKETS + 1];
    for entry in entries {
        next[bucket(entry) + 1] += 1;
    }
    for index in 0..BUCKETS {
        next[index + 1] += next[index];
    }
    let mut out = vec![*first; entries.len()];
    for entry in entries {
        let slot = &mut next[bucket(entry)];
        out[*slot] = *entry;
        *slot += 1;
    }
    out
}

struct Sweep<'a> {
    policy: &'a Policy,
    formed: Vec<Formed>,
    open: Option<Open>,
    carry: Vec<Entry>,
}

struct Open {
    anchor: u16,
    window: u32,
    size: u32,
    waited_ms_max: u64,
    ids: Vec<TicketId>,
}

impl Sweep<'_> {
    fn offer(&mut self, entry: Entry) {
        let window = half_width(entry.waited_ms);
        let reaches =
            |open: &Open| u32::from(entry.rating.abs_diff(open.anchor)) <= window.min(open.window);
        while self.open.as_ref().is_some_and(|open| !reaches(open)) {
            self.close(); // what was carried may open a group that is out of reach as well
        }
        let open = self.open.get_or_insert_with(|| Open {
            anchor: entry.rating,
            window,
            size: 0,
            waited_ms_max: 0,
            ids: Vec::new(),
        });
        if open.size + entry.size > self.policy.seats {
            self.carry.push(entry);
        } else {
            open.window = open.window.min(window);
            open.size += entry.size;
            open.waited_ms_max = open.waited_ms_max.max(entry.waited_ms);
            open.ids.push(entry.id);
        }
        if open.size == self.policy.seats || self.carry.len() > CARRY_MAX {
            self.close();
        }
    }

    /// Ends the open group, then offers what did not fit into it. Each call settles at least the
    /// first of these, so that it ends.
    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        let Open { size, waited_ms_max, ids, .. } = open;
        if size == self.policy.seats || waited_ms_max >= self.policy.fill_after_ms {
            self.formed.push(Formed { ids, waited_ms_max });
        }
        for entry in std::mem::take(&mut self.carry) {
            self.offer(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const POLICY: Policy = Policy { seats: 16, fill_after_ms: 2_000, timeout_ms: 60_000 };

    fn entry((index, (rating, size, waited_ms)): (usize, (u16, u32, u64))) -> Entry {
        Entry { id: TicketId::from_u64(index as u64), rating, size, waited_ms }
    }

    fn groups(entries: &[(u16, u32, u64)]) -> Vec<Vec<u64>> {
        let entries: Vec<_> = entries.iter().copied().enumerate().map(entry).collect();
        let ids = |it: Formed| it.ids.into_iter().map(TicketId::as_u64).collect();
        sweep(&entries, &POLICY).into_iter().map(ids).collect()
    }

    #[test]
    fn a_group_is_formed_when_it_is_full_or_has_waited() {
        for (name, entries, expected) in [
            ("nobody", vec![], vec![]),
            ("one, fresh", vec![(1500, 1, 1_999)], vec![]),
            ("one, waited", vec![(1500, 1, 2_000)], vec![vec![0]]),
            ("two, one waited", vec![(1500, 1, 0), (1500, 1, 2_000)], vec![vec![0, 1]]),
            ("two parties fill it", vec![(1500, 8, 0), (1510, 8, 0)], vec![vec![0, 1]]),
            ("too far apart", vec![(1000, 8, 0), (1101, 8, 0)], vec![]),
            ("at the edge", vec![(1000, 8, 0), (1100, 8, 0)], vec![vec![0, 1]]),
            ("the narrower counts", vec![(1000, 8, 30_000), (1200, 8, 0)], vec![vec![0]]),
            (
                "what does not fit plays in the next",
                vec![(1500, 8, 0), (1500, 5, 0), (1500, 8, 0), (1500, 3, 0), (1500, 8, 0)],
                vec![vec![0, 1, 3], vec![2, 4]],
            ),
        ] {
            assert_eq!(groups(&entries), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn groups_keep_their_promises(
            tickets in prop::collection::vec((0..4096_u16, 1..=8_u32, 0..60_000_u64), 0..400),
        ) {
            let entries: Vec<_> = tickets.into_iter().enumerate().map(entry).collect();
            let known: BTreeMap<_, _> = entries.iter().map(|it| (it.id, *it)).collect();
            let formed = sweep(&entries, &POLICY);
            let mut all: Vec<_> = formed.iter().flat_map(|it| it.ids.clone()).collect();
            let count = all.len();
            all.sort();
            all.dedup();
            prop_assert_eq!(all.len(), count, "nobody plays twice");
            for Formed { ids, waited_ms_max } in formed {
                let members: Vec<_> = ids.iter().map(|it| known[it]).collect();
                let size: u32 = members.iter().map(|it| it.size).sum();
                prop_assert!(size <= POLICY.seats);
                prop_assert!(size == POLICY.seats || waited_ms_max >= POLICY.fill_after_ms);
                let ratings = || members.iter().map(|it| it.rating);
                let spread = ratings().max().unwrap() - ratings().min().unwrap();
                let narrowest = members.iter().map(|it| half_width(it.waited_ms)).min().unwrap();
                // Within a bucket the order is that of arrival: 3 points to either side.
                prop_assert!(u32::from(spread) <= narrowest + 3, "{spread} in {narrowest}");
            }
            for waited in entries.iter().filter(|it| it.waited_ms >= POLICY.fill_after_ms) {
                prop_assert!(all.contains(&waited.id), "{waited:?} waited and does not play");
            }
        }
    }
}
