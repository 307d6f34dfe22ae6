//! Free match slots while a plan is carried out.

use std::cmp::Reverse;

use crate::observed::Observed;
use crate::plan::types::Joinable;
use crate::plan::view::View;
use crate::stage::{Order, Stage};

/// Forecasts the free match slots while `stages` run, with the matches of now.
pub(super) fn joinable(
    views: &[View<'_>],
    stages: &[Stage],
    observed: &Observed,
    floor: u32,
) -> Joinable {
    let free_now = |view: &View<'_>| -> u32 {
        let instances = view.observed.map_or(&[][..], |it| &it.instances);
        let serving = instances.iter().filter(|it| it.state.serves());
        serving.map(|it| it.capacity.saturating_sub(it.matches)).sum()
    };
    let hosts: Vec<_> = views.iter().filter(|it| it.hosts_matches()).collect();
    let now: u32 = hosts.iter().map(|it| free_now(it)).sum();
    let lowest = hosts
        .iter()
        .filter_map(|view| {
            let stage = stages.iter().find(|it| it.service == *view.name)?;
            let others = now - free_now(view);
            Some(others + lowest_of(stage, view, observed))
        })
        .min();
    Joinable { floor, now, lowest: lowest.unwrap_or(now).min(now) }
}

/// Returns the fewest free slots of one service while its stage runs.
fn lowest_of(stage: &Stage, view: &View<'_>, observed: &Observed) -> u32 {
    let capacity = view.wanted.map_or(0, |it| it.capacity);
    let mut instances: Vec<_> = observed
        .services
        .get(view.name)
        .into_iter()
        .flat_map(|it| &it.instances)
        .filter(|it| it.state.serves())
        .map(|it| (&it.instance, it.capacity.saturating_sub(it.matches)))
        .collect();
    instances.sort_by_key(|it| Reverse(it.1));
    let mut slots: std::collections::BTreeMap<_, _> = instances.into_iter().collect();
    let mut free: u32 = slots.values().sum();
    let mut lowest = free;
    for batch in &stage.batches {
        let started = capacity.saturating_mul(batch.start.len() as u32);
        let stopped: u32 = batch.stop.iter().filter_map(|it| slots.remove(&it.instance)).sum();
        if stage.order == Order::StopFirst {
            lowest = lowest.min(free - stopped);
        }
        free = free - stopped + started;
        lowest = lowest.min(free);
    }
    lowest
}
