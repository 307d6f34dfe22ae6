//! Where a match is hosted: weighted rendezvous hashing with bounded load.
//!
//! Rendezvous hashing (Thaler & Ravishankar 1998) with the weights of Schindelhauer & Schomaker
//! (2005): score −w ÷ ln h. The bound on load is that of Mirrokni, Thorup & Zadimoghaddam
//! (arXiv 1608.01350). It decides when a match is made, and again where one moves to; in between the
//! registry says where it is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use arena_types::contract::InstanceState;
use arena_types::registry::{InstanceRecord, Traffic};
use arena_types::{InstanceId, ReleaseId};

/// An instance takes at most this many times its share, in hundredths: the usual 1.25 moves few
/// matches to their second choice and keeps the fullest instance close to the mean.
const LOAD_BOUND_PERCENT: u64 = 125;
/// Keeps these hashes apart from all others; any number does, as long as it never changes.
const SEED: u64 = 0xA5A3_1E5A_0F1C_E001;

/// A game instance that may take a new match.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its name.
    pub id: InstanceId,
    /// Where it is reached.
    pub addr: SocketAddr,
    /// Its release.
    pub release: ReleaseId,
    /// Its part of new matches, against that of the others; above 0.
    pub weight: f64,
    /// Matches it hosts, those being made and warm copies of others' included.
    pub load: u64,
    /// Matches it can host.
    pub capacity: u64,
}

/// Returns the instances that may take new matches: ready, of a release that takes traffic. The
/// instances of a release share its weight.
///
/// `placing` counts matches that are being made and that no instance reports yet.
#[must_use]
pub fn nodes(
    records: &BTreeMap<String, InstanceRecord>,
    traffic: Option<&Traffic>,
    placing: &BTreeMap<InstanceId, u32>,
) -> Vec<Node> {
    let ready = || records.iter().filter(|(_, it)| it.state == InstanceState::Ready);
    let mut siblings = BTreeMap::<ReleaseId, u32>::new();
    for (_, record) in ready() {
        *siblings.entry(record.release).or_default() += 1;
    }
    let node = |(name, record): (&String, &InstanceRecord)| {
        let id: InstanceId = name.parse().ok()?;
        let weight = if traffic.is_none() {
            1.0 // all instances are equal
        } else {
            let of_release = f64::from(Traffic::weight(traffic, record.release));
            of_release / f64::from(siblings[&record.release])
        };
        let placing = u64::from(placing.get(&id).copied().unwrap_or(0));
        let load = u64::from(record.matches) + u64::from(record.shadows) + placing;
        Some(Node {
            id,
            addr: record.mesh_addr,
            release: record.release,
            weight,
            load,
            capacity: u64::from(record.capacity),
        })
    };
    ready().filter_map(node).filter(|it| it.weight > 0.0).collect()
}

/// Returns who hosts the match `key`: the first by score that has room and is below its bound;
/// without such a one the first that has room. Those in `refused` are not asked again.
#[must_use]
pub fn choose<'a>(key: u64, nodes: &'a [Node], refused: &BTreeSet<InstanceId>) -> Option<&'a Node> {
    let total: u64 = nodes.iter().map(|it| it.load).sum::<u64>() + 1;
    let weights: f64 = nodes.iter().map(|it| it.weight).sum();
    let mut ranked = ranked(key, nodes);
    ranked.retain(|it| !refused.contains(&it.id));
    let below_bound = |it: &&&Node| it.load < bound(total, it.weight / weights);
    ranked.iter().find(below_bound).or(ranked.first()).copied()
}

/// Returns who takes the match `key` over if its host dies, in order: by score, those without room left out.
#[must_use]
pub fn ranked(key: u64, nodes: &[Node]) -> Vec<&Node> {
    let mut ranked: Vec<&Node> = nodes.iter().filter(|it| it.load < it.capacity).collect();
    ranked.sort_by(|a, b| score(key, b).total_cmp(&score(key, a)).then(a.id.cmp(&b.id)));
    ranked
}

/// Returns how many of `total` matches an instance with this share of the weights may have.
fn bound(total: u64, share: f64) -> u64 {
    ((total * LOAD_BOUND_PERCENT) as f64 / 100.0 * share).ceil() as u64
}

/// Higher is better; the chance of being highest is proportional to the weight.
fn score(key: u64, node: &Node) -> f64 {
    let hash = mix(mix(SEED, key), name_hash(node.id.as_str()));
    // 53 bits, and a half so that it is neither 0 nor 1.
    let unit = ((hash >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    -node.weight / unit.ln()
}

/// FNV-1a (<http://www.isthe.com/chongo/tech/comp/fnv/>): the same on every machine and release.
fn name_hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Returns the `n`-th number of the stream that `seed` starts: `SplitMix64`
/// (Steele, Lea & Flood, *Fast Splittable Pseudorandom Number Generators*, 2014).
#[must_use]
pub fn mix(seed: u64, n: u64) -> u64 {
    let mut z = seed.wrapping_add(n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn node(index: usize, weight: f64, load: u64) -> Node {
        Node {
            id: format!("game-r1-{index}").parse().unwrap(),
            addr: "127.0.0.1:1".parse().unwrap(),
            release: ReleaseId(1),
            weight,
            load,
            capacity: 1_000_000,
        }
    }

    fn fleet(size: usize) -> Vec<Node> {
        (0..size).map(|index| node(index, 1.0, 0)).collect()
    }

    fn place(key: u64, nodes: &[Node]) -> &str {
        choose(key, nodes, &BTreeSet::new()).unwrap().id.as_str()
    }

    fn record(release: u32, state: InstanceState, matches: u32) -> InstanceRecord {
        InstanceRecord {
            mesh_addr: "127.0.0.1:1".parse().unwrap(),
            side_addr: "127.0.0.1:2".parse().unwrap(),
            public_addr: None,
            release: ReleaseId(release),
            state,
            sessions: 0,
            matches,
            moving: 0,
            shadows: 0,
            capacity: 10,
            rules_schema: 1,
        }
    }

    #[test]
    fn only_ready_instances_of_releases_with_traffic_take_matches() {
        let records = BTreeMap::from([
            ("game-r1-0".to_owned(), record(1, InstanceState::Ready, 1)),
            ("game-r1-1".to_owned(), record(1, InstanceState::Draining, 0)),
            ("game-r2-0".to_owned(), record(2, InstanceState::Ready, 0)),
            ("game-r2-1".to_owned(), record(2, InstanceState::Ready, 0)),
            ("game-r2-2".to_owned(), record(2, InstanceState::Starting, 0)),
        ]);
        let placing = BTreeMap::from([("game-r2-1".parse().unwrap(), 2)]);
        let traffic =
            |r1, r2| Traffic { weights: BTreeMap::from([(ReleaseId(1), r1), (ReleaseId(2), r2)]) };
        for (traffic, expected) in [
            (None, "game-r1-0 1 1, game-r2-0 1 0, game-r2-1 1 2"),
            (Some(traffic(0, 100)), "game-r2-0 50 0, game-r2-1 50 2"),
            (Some(traffic(90, 10)), "game-r1-0 90 1, game-r2-0 5 0, game-r2-1 5 2"),
            (Some(Traffic::default()), ""),
        ] {
            let found = nodes(&records, traffic.as_ref(), &placing);
            let show = |it: &Node| format!("{} {} {}", it.id, it.weight, it.load);
            assert_eq!(found.iter().map(show).collect::<Vec<_>>().join(", "), expected);
        }
    }

    #[test]
    fn an_instance_that_is_full_or_refused_is_passed_over() {
        let mut nodes = fleet(2);
        let first = place(1, &nodes).to_owned();
        let refused = BTreeSet::from([first.parse().unwrap()]);
        let second = choose(1, &nodes, &refused).unwrap().id.clone();
        assert_ne!(second.as_str(), first);
        for it in &mut nodes {
            it.capacity = 0;
        }
        assert_eq!(choose(1, &nodes, &BTreeSet::new()), None);
        assert_eq!(choose(1, &[], &BTreeSet::new()), None);
    }

    #[test]
    fn parts_follow_the_weights_within_five_percent() {
        let weights = [1.0, 1.0, 2.0, 4.0, 90.0];
        let nodes: Vec<_> =
            weights.iter().enumerate().map(|(index, it)| node(index, *it, 0)).collect();
        let keys = 1_000_000_u32;
        let mut counts = BTreeMap::<&str, u32>::new();
        for key in 0..keys {
            let best = nodes
                .iter()
                .max_by(|a, b| score(u64::from(key), a).total_cmp(&score(u64::from(key), b)));
            *counts.entry(best.unwrap().id.as_str()).or_default() += 1;
        }
        for it in &nodes {
            let share = f64::from(counts[it.id.as_str()]) / f64::from(keys);
            let wanted = it.weight / weights.iter().sum::<f64>();
            assert!((share / wanted - 1.0).abs() < 0.05, "{}: {share} of {wanted}", it.id);
        }
    }

    proptest! {
        #[test]
        fn only_the_keys_of_a_removed_instance_move(
            size in 2..12_usize, removed in 0..12_usize, keys in prop::collection::vec(any::<u64>(), 1..200),
        ) {
            let all = fleet(size);
            let gone = all[removed % size].id.clone();
            let rest: Vec<_> = all.iter().filter(|it| it.id != gone).cloned().collect();
            for key in keys {
                let before = place(key, &all);
                prop_assert!(before == gone.as_str() || before == place(key, &rest));
            }
        }

        #[test]
        fn no_instance_takes_more_than_its_bound(
            weights in prop::collection::vec(1..100_u32, 1..10), keys in prop::collection::vec(any::<u64>(), 1..300),
        ) {
            let weighted = weights.iter().enumerate();
            let mut nodes: Vec<_> = weighted.map(|(index, it)| node(index, f64::from(*it), 0)).collect();
            let sum = f64::from(weights.iter().sum::<u32>());
            for key in keys {
                let id = choose(key, &nodes, &BTreeSet::new()).unwrap().id.clone();
                let chosen = nodes.iter_mut().find(|it| it.id == id).unwrap();
                chosen.load += 1;
                let (load, weight) = (chosen.load, chosen.weight);
                let total: u64 = nodes.iter().map(|it| it.load).sum();
                prop_assert!(load <= bound(total, weight / sum), "{load} of {total}");
            }
        }

        #[test]
        fn the_same_facts_give_the_same_answer(
            key in any::<u64>(), loads in prop::collection::vec(0..50_u64, 1..12), turn in 0..12_usize,
        ) {
            let nodes: Vec<_> = loads.iter().enumerate().map(|(index, it)| node(index, 1.0, *it)).collect();
            let mut turned = nodes.clone();
            turned.rotate_left(turn % nodes.len());
            prop_assert_eq!(place(key, &nodes), place(key, &turned));
        }
    }
}
