//! The order in which services are touched.

use std::collections::{BTreeMap, BTreeSet};

use arena_types::ServiceName;

use crate::spec::ServiceSpec;

/// Returns the services so that each comes after those it names in `after`, by name where that leaves
/// a choice. Services in a cycle come last, by name. O(services + dependencies), times a logarithm.
pub(super) fn order(services: &BTreeMap<ServiceName, ServiceSpec>) -> Vec<&ServiceName> {
    let mut missing: BTreeMap<&ServiceName, usize> = BTreeMap::new();
    let mut users: BTreeMap<&ServiceName, Vec<&ServiceName>> = BTreeMap::new();
    for (name, spec) in services {
        let known = spec.after.iter().filter(|it| services.contains_key(*it));
        missing.insert(name, known.clone().count());
        known.for_each(|used| users.entry(used).or_default().push(name));
    }
    let mut free: BTreeSet<&ServiceName> =
        missing.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
    let mut ordered = Vec::with_capacity(services.len());
    while let Some(name) = free.pop_first() {
        missing.remove(name);
        ordered.push(name);
        for user in users.get(name).into_iter().flatten() {
            let Some(count) = missing.get_mut(*user) else { continue };
            *count -= 1;
            if *count == 0 {
                free.insert(*user);
            }
        }
    }
    ordered.extend(missing.into_keys());
    ordered
}
