//! What the nodes have free while a plan is carried out, batch after batch.
//!
//! A simulation, not a promise: which node an instance comes to is the orchestrator's choice. As Swarm
//! does, the emptiest node that fits is taken.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use arena_types::InstanceId;

use crate::observed::{Node, Observed, ObservedInstance};
use crate::plan::types::Gpus;
use crate::spec::{Placement, Resources, ServiceSpec};
use crate::stage::{Batch, Order, StopUnit};

/// What an instance asks of a node.
#[derive(Clone, Copy)]
pub(super) struct Needs<'a> {
    pub(super) resources: Resources,
    pub(super) placement: &'a Placement,
}

impl<'a> From<&'a ServiceSpec> for Needs<'a> {
    fn from(spec: &'a ServiceSpec) -> Self {
        Self { resources: spec.resources, placement: &spec.placement }
    }
}

/// One node.
#[derive(Clone)]
pub(super) struct Slot<'a> {
    pub(super) node: &'a Node,
    pub(super) gpus: u32,
    /// Thousandths of cores; `None` if cores are not reserved here.
    pub(super) cores: Option<u32>,
    /// Bytes; `None` if memory is not reserved here.
    pub(super) memory: Option<u64>,
    /// Instances of the service and release at hand.
    pub(super) own: u32,
}

/// All nodes.
#[derive(Clone)]
pub(super) struct Room<'a> {
    pub(super) slots: Vec<Slot<'a>>,
    /// Where instances are; empty if the backend cannot tell.
    homes: BTreeMap<&'a InstanceId, usize>,
    free_at_start: u32,
    lowest: u32,
}

impl<'a> Room<'a> {
    pub(super) fn new(observed: &'a Observed) -> Self {
        let slots: Vec<_> = observed.nodes.iter().map(Slot::new).collect();
        let instances = observed.services.values().flat_map(|it| &it.instances);
        let homes = instances
            .filter_map(|it| {
                let home = it.node.as_deref()?;
                Some((&it.instance, slots.iter().position(|slot| slot.node.name == home)?))
            })
            .collect();
        let free = slots.iter().map(|it| it.gpus).sum();
        Self { slots, homes, free_at_start: free, lowest: free }
    }

    /// Turns to another service, of which these instances stay.
    pub(super) fn turn_to(&mut self, stay: &[&ObservedInstance]) {
        self.slots.iter_mut().for_each(|it| it.own = 0);
        for home in stay.iter().filter_map(|it| self.homes.get(&it.instance)) {
            self.slots[*home].own += 1;
        }
    }

    /// Returns the nodes that `needs` allows.
    pub(super) fn allowed(&self, needs: Needs<'_>) -> impl Iterator<Item = &Slot<'a>> {
        self.slots.iter().filter(move |it| needs.placement.allows(&it.node.labels))
    }

    /// Returns how many instances can start beside those that run, at most `most`. O(most · nodes).
    pub(super) fn surge(&self, needs: Needs<'_>, most: usize) -> usize {
        let mut room = self.clone();
        (0..most).take_while(|_| room.start(needs)).count()
    }

    /// Carries out `batches`; false if something finds no node, which leaves the room half changed.
    pub(super) fn run(
        &mut self,
        order: Order,
        batches: &[Batch],
        needs: Option<Needs<'_>>,
        held: &dyn Fn(&StopUnit) -> Resources,
    ) -> bool {
        for batch in batches {
            let stop = |room: &mut Self| {
                batch.stop.iter().for_each(|it| room.stop(&it.instance, held(it)));
            };
            if order == Order::StopFirst {
                stop(self);
            }
            if !needs.is_none_or(|needs| batch.start.iter().all(|_| self.start(needs))) {
                return false;
            }
            if order == Order::StartFirst {
                stop(self);
            }
        }
        true
    }

    /// Puts an instance on the emptiest node that fits. Where the nodes are unknown everything fits.
    fn start(&mut self, needs: Needs<'_>) -> bool {
        if self.slots.is_empty() {
            return true;
        }
        let fits = self.slots.iter().enumerate().filter(|(_, it)| it.fits(needs));
        let best = fits
            .max_by_key(|(index, it)| {
                (Reverse(it.own), it.gpus, it.cores, it.memory, Reverse(*index))
            })
            .map(|(index, _)| index);
        let Some(best) = best else { return false };
        let (slot, wants) = (&mut self.slots[best], needs.resources);
        slot.gpus -= wants.gpus;
        slot.cores = slot.cores.map(|it| it - wants.cpu.as_milli());
        slot.memory = slot.memory.map(|it| it - wants.memory.as_u64());
        slot.own += 1;
        self.lowest = self.lowest.min(self.free());
        true
    }

    /// Gives back what an instance held, never more than its node has. One that is on no node held
    /// nothing; where the backend cannot tell it was on the node that is used most.
    fn stop(&mut self, instance: &InstanceId, held: Resources) {
        let guess = || {
            let used = |it: &Slot<'_>| (it.node.gpus - it.gpus, it.cores.map(Reverse));
            let all = self.slots.iter().enumerate();
            all.max_by_key(|(index, it)| (used(it), Reverse(*index))).map(|(index, _)| index)
        };
        let home = match self.homes.get(instance) {
            Some(home) => Some(*home),
            None if self.homes.is_empty() => guess(),
            None => None,
        };
        let Some(home) = home else { return };
        let slot = &mut self.slots[home];
        let (gpus, cores, memory) =
            (slot.node.gpus, slot.node.cpus.as_milli(), slot.node.memory.as_u64());
        slot.gpus = slot.gpus.saturating_add(held.gpus).min(gpus);
        slot.cores = slot.cores.map(|it| (it + held.cpu.as_milli()).min(cores));
        slot.memory = slot.memory.map(|it| (it + held.memory.as_u64()).min(memory));
    }

    fn free(&self) -> u32 {
        self.slots.iter().map(|it| it.gpus).sum()
    }

    pub(super) fn figures(&self) -> Gpus {
        Gpus {
            total: self.slots.iter().map(|it| it.node.gpus).sum(),
            free: self.free_at_start,
            needed: self.free_at_start.saturating_sub(self.lowest),
        }
    }
}

impl<'a> Slot<'a> {
    fn new(node: &'a Node) -> Self {
        Self {
            node,
            gpus: node.gpus_free.min(node.gpus),
            cores: node.cpus_free.map(|it| it.as_milli().min(node.cpus.as_milli())),
            memory: node.memory_free.map(|it| it.as_u64().min(node.memory.as_u64())),
            own: 0,
        }
    }

    fn fits(&self, needs: Needs<'_>) -> bool {
        needs.placement.allows(&self.node.labels) && self.lacks(needs).is_none()
    }

    /// Returns what keeps an instance from a node that its labels allow.
    pub(super) fn lacks(&self, needs: Needs<'_>) -> Option<&'static str> {
        let limit = needs.placement.max_per_node;
        if self.gpus < needs.resources.gpus {
            Some("lacks GPUs")
        } else if self.cores.is_some_and(|it| it < needs.resources.cpu.as_milli()) {
            Some("lacks cores")
        } else if self.memory.is_some_and(|it| it < needs.resources.memory.as_u64()) {
            Some("lacks memory")
        } else if limit > 0 && self.own >= limit {
            Some("has as many as `placement.max_per_node` allows")
        } else {
            None
        }
    }
}
