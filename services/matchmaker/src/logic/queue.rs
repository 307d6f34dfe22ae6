//! Everyone who waits at this instance.

use std::collections::BTreeMap;

use arena_types::{MatchId, TicketId};

use super::sweep::{Entry, Formed, sweep};
use super::{MODES, Ticket};
use arena_instance::placement::mix;

/// Tickets at once: ten times what one instance meets in a minute; a pass over them takes
/// milliseconds.
const TICKETS_MAX: usize = 200_000;
/// Pause before a ticket whose match found no owner is tried again: instances need about as long
/// to start, and the registry is not asked twenty times a second meanwhile.
const RETRY_PAUSE_MS: u64 = 500;

/// What is set by the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Players in a match, 1 to 16.
    pub seats: u32,
    /// After this wait of its oldest ticket a match starts with bots in the empty seats.
    pub fill_after_ms: u64,
    /// After this wait a ticket ends.
    pub timeout_ms: u64,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A ticket was queued; one that waits already stays as it is.
    Add(Ticket),
    /// Nobody waits for a ticket any more.
    Cancel(TicketId),
    /// Another instance took the ticket: its match is looked up, it is in no group meanwhile.
    Hold(TicketId),
    /// The ticket's match was not made: it waits on, with its age. Without an obstacle only this
    /// group came to nothing.
    Return(TicketId, Option<Obstacle>),
    /// The ticket has a match.
    Settle(TicketId),
    /// Time passed: form at most `groups_max` groups, with ids drawn from `seed`.
    Pass {
        /// How many matches can be made at once now.
        groups_max: usize,
        /// Random.
        seed: u64,
    },
    /// This instance takes no more tickets: those that wait go elsewhere.
    Drain,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Make this match; answer with [`Event::Settle`] or [`Event::Return`] for each ticket.
    Propose(Group),
    /// Tell whoever waits for the ticket that it ended.
    End(TicketId, Ending),
}

/// How a ticket ends without a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Someone asked for it.
    Cancelled,
    /// It waited too long.
    TimedOut,
    /// This instance drains: queue it elsewhere.
    Moved,
    /// There is no room here: queue it elsewhere.
    Full,
}

/// What keeps a ticket's match from being made, though its players are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// No game instance is ready, has room and takes traffic.
    NoRoom,
    /// There are no rules to play by yet.
    NoRules,
    /// An instance or the registry fails.
    Failure,
}

/// A match to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub match_id: MatchId,
    /// The seed of its world.
    pub seed: u32,
    /// Its mode.
    pub mode: &'static str,
    /// Who plays; seats are taken in this order.
    pub tickets: Vec<Ticket>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It may join a group from this time on.
    Waiting { from_ms: u64 },
    /// Its match is being made.
    Placing,
}

#[derive(Clone, Debug)]
struct Slot {
    ticket: Ticket,
    stage: Stage,
    obstacle: Option<Obstacle>,
}

/// The queue of one instance; one writer.
#[derive(Clone, Debug)]
pub struct Queue {
    policy: Policy,
    slots: BTreeMap<TicketId, Slot>,
}

impl Queue {
    /// Starts empty.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self { policy, slots: BTreeMap::new() }
    }

    /// Returns the number of tickets, those whose match is being made included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Tells whether nobody is here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Returns a ticket that is here.
    #[must_use]
    pub fn ticket(&self, id: TicketId) -> Option<&Ticket> {
        self.slots.get(&id).map(|it| &it.ticket)
    }

    /// Returns what kept the last match of a ticket from being made.
    #[must_use]
    pub fn obstacle(&self, id: TicketId) -> Option<Obstacle> {
        self.slots.get(&id).and_then(|it| it.obstacle)
    }

    /// Tells whether a ticket is here and in no match that is being made.
    #[must_use]
    pub fn is_waiting(&self, id: TicketId) -> bool {
        self.slots.get(&id).is_some_and(|it| it.stage != Stage::Placing)
    }

    /// Applies `event`; what means nothing here has no effect.
    pub fn on(&mut self, event: Event, now_ms: u64) -> Vec<Effect> {
        match event {
            Event::Add(ticket) => self.add(ticket),
            Event::Cancel(id) if self.is_waiting(id) => self.end(vec![id], Ending::Cancelled),
            Event::Cancel(_) => Vec::new(), // too late: its match is being made
            Event::Hold(id) => self.stage(id, Stage::Placing),
            Event::Return(id, obstacle) => {
                if let Some(slot) = self.slots.get_mut(&id) {
                    slot.obstacle = obstacle;
                }
                self.stage(id, Stage::Waiting { from_ms: now_ms + RETRY_PAUSE_MS })
            }
            Event::Settle(id) => {
                self.slots.remove(&id);
                Vec::new()
            }
            Event::Pass { groups_max, seed } => self.pass(groups_max, seed, now_ms),
            Event::Drain => {
                let waiting = self.slots.keys().copied().filter(|it| self.is_waiting(*it));
                self.end(waiting.collect(), Ending::Moved)
            }
        }
    }

    fn add(&mut self, ticket: Ticket) -> Vec<Effect> {
        if self.slots.len() >= TICKETS_MAX && !self.slots.contains_key(&ticket.id) {
            return vec![Effect::End(ticket.id, Ending::Full)];
        }
        let slot = Slot { ticket, stage: Stage::Waiting { from_ms: 0 }, obstacle: None };
        self.slots.entry(slot.ticket.id).or_insert(slot);
        Vec::new()
    }

    fn stage(&mut self, id: TicketId, stage: Stage) -> Vec<Effect> {
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.stage = stage;
        }
        Vec::new()
    }

    fn end(&mut self, ids: Vec<TicketId>, ending: Ending) -> Vec<Effect> {
        for id in &ids {
            self.slots.remove(id);
        }
        ids.into_iter().map(|id| Effect::End(id, ending)).collect()
    }

    fn pass(&mut self, groups_max: usize, seed: u64, now_ms: u64) -> Vec<Effect> {
        let waits = |it: &Slot| now_ms.saturating_sub(it.ticket.since_ms);
        let late = |it: &Slot| it.stage != Stage::Placing && waits(it) >= self.policy.timeout_ms;
        let late = self.slots.values().filter(|it| late(it)).map(|it| it.ticket.id).collect();
        let mut effects = self.end(late, Ending::TimedOut);
        let mut formed = Vec::new();
        for mode in MODES {
            let found = sweep(&self.entries(mode, now_ms), &self.policy);
            formed.extend(found.into_iter().map(|it| (mode, it)));
        }
        // If not all can be made now, those that waited longest go first.
        formed.sort_by_key(|(_, it)| std::cmp::Reverse(it.waited_ms_max));
        for (index, (mode, formed)) in formed.into_iter().take(groups_max).enumerate() {
            effects.push(Effect::Propose(self.group(mode, formed, mix(seed, index as u64))));
        }
        effects
    }

    fn entries(&self, mode: &str, now_ms: u64) -> Vec<Entry> {
        let ready = |slot: &&Slot| {
            let in_time = matches!(slot.stage, Stage::Waiting { from_ms } if from_ms <= now_ms);
            in_time && slot.ticket.mode == mode
        };
        let entry = |Slot { ticket, .. }: &Slot| Entry {
            id: ticket.id,
            rating: ticket.rating,
            size: ticket.members.len() as u32,
            waited_ms: now_ms.saturating_sub(ticket.since_ms),
        };
        self.slots.values().filter(ready).map(entry).collect()
    }

    fn group(&mut self, mode: &'static str, formed: Formed, seed: u64) -> Group {
        let mut tickets = Vec::with_capacity(formed.ids.len());
        for id in formed.ids {
            if let Some(slot) = self.slots.get_mut(&id) {
                slot.stage = Stage::Placing;
                tickets.push(slot.ticket.clone());
            }
        }
        let match_id = MatchId::from_u64(mix(seed, 0));
        Group { match_id, seed: mix(seed, 1) as u32, mode, tickets }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use expect_test::expect;
    use proptest::prelude::*;

    use super::super::ticket::tests::member;
    use super::*;

    const POLICY: Policy = Policy { seats: 2, fill_after_ms: 2_000, timeout_ms: 60_000 };

    fn ticket(id: u64, since_ms: u64) -> Ticket {
        Ticket {
            id: TicketId::from_u64(id),
            mode: "arena",
            members: vec![member(id)],
            rating: 1500,
            since_ms,
            rtts: BTreeMap::new(),
        }
    }

    fn told(effects: Vec<Effect>) -> String {
        let tell = |effect: Effect| match effect {
            Effect::End(id, ending) => format!("end {} {ending:?}", id.as_u64()),
            Effect::Propose(group) => {
                let ids: Vec<_> = group.tickets.iter().map(|it| it.id.as_u64()).collect();
                format!("propose {ids:?}")
            }
        };
        effects.into_iter().map(tell).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn the_life_of_tickets() {
        let mut queue = Queue::new(POLICY);
        let id = TicketId::from_u64;
        let pass = |groups_max| Event::Pass { groups_max, seed: 1 };
        let mut story = String::new();
        for (now_ms, name, event) in [
            (0, "1 comes", Event::Add(ticket(1, 0))),
            (50, "too early for bots", pass(9)),
            (60, "2 comes, aged elsewhere", Event::Add(ticket(2, 0))),
            (100, "no match can be made now", pass(0)),
            (100, "full", pass(9)),
            (110, "too late to cancel", Event::Cancel(id(1))),
            (120, "1 has a match", Event::Settle(id(1))),
            (130, "2 was not placed", Event::Return(id(2), None)),
            (180, "2 pauses", pass(9)),
            (2_100, "2 plays with bots", pass(9)),
            (2_200, "nobody has room for 2", Event::Return(id(2), Some(Obstacle::NoRoom))),
            (2_300, "another instance has 2", Event::Hold(id(2))),
            (9_000, "2 is looked up", pass(9)),
            (9_100, "it was nothing", Event::Return(id(2), None)),
            (60_000, "2 waited long enough", pass(9)),
            (60_100, "3 comes", Event::Add(ticket(3, 60_000))),
            (60_200, "3 goes", Event::Cancel(id(3))),
            (60_300, "4 comes", Event::Add(ticket(4, 60_000))),
            (60_400, "the instance drains", Event::Drain),
        ] {
            let mut effects = told(queue.on(event, now_ms));
            if let Some(obstacle) = queue.obstacle(id(2)) {
                write!(effects, ", {obstacle:?}").unwrap();
            }
            writeln!(story, "{now_ms:>5} {name}: {effects} ({})", queue.len()).unwrap();
        }
        expect![[r"
                0 1 comes:  (1)
               50 too early for bots:  (1)
               60 2 comes, aged elsewhere:  (2)
              100 no match can be made now:  (2)
              100 full: propose [1, 2] (2)
              110 too late to cancel:  (2)
              120 1 has a match:  (1)
              130 2 was not placed:  (1)
              180 2 pauses:  (1)
             2100 2 plays with bots: propose [2] (1)
             2200 nobody has room for 2: , NoRoom (1)
             2300 another instance has 2: , NoRoom (1)
             9000 2 is looked up: , NoRoom (1)
             9100 it was nothing:  (1)
            60000 2 waited long enough: end 2 TimedOut (0)
            60100 3 comes:  (1)
            60200 3 goes: end 3 Cancelled (0)
            60300 4 comes:  (1)
            60400 the instance drains: end 4 Moved (0)
        "]]
        .assert_eq(&story);
    }

    #[test]
    fn a_full_queue_says_so() {
        let mut queue = Queue::new(POLICY);
        for id in 0..TICKETS_MAX as u64 {
            assert_eq!(queue.on(Event::Add(ticket(id, 0)), 0), []);
        }
        let one_more = Event::Add(ticket(u64::MAX, 0));
        assert_eq!(told(queue.on(one_more, 0)), format!("end {} Full", u64::MAX));
        assert_eq!(queue.on(Event::Add(ticket(0, 0)), 0), [], "it is here already");
    }

    #[derive(Clone, Debug)]
    enum Step {
        Add(u64),
        Cancel(u64),
        Settle,
        Return,
        Pass(usize),
        Wait(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..40_u64).prop_map(Step::Add),
            (0..40_u64).prop_map(Step::Cancel),
            Just(Step::Settle),
            Just(Step::Return),
            (0..4_usize).prop_map(Step::Pass),
            (0..3_000_u64).prop_map(Step::Wait),
        ]
    }

    proptest! {
        /// Whatever happens, a ticket is in one match at most, and the same story has the same end.
        #[test]
        fn a_ticket_is_in_one_match_at_most(steps in prop::collection::vec(step(), 0..200)) {
            let play = |queue: &mut Queue| {
                let (mut now_ms, mut placing, mut story) = (0, Vec::<Group>::new(), Vec::new());
                for step in steps.clone() {
                    let seed = story.len() as u64;
                    let events = match step {
                        Step::Add(id) => vec![Event::Add(ticket(id, now_ms))],
                        Step::Cancel(id) => vec![Event::Cancel(TicketId::from_u64(id))],
                        Step::Pass(groups_max) => vec![Event::Pass { groups_max, seed }],
                        Step::Wait(ms) => { now_ms += ms; vec![] }
                        Step::Settle | Step::Return => {
                            let tickets = placing.pop().map(|it| it.tickets).unwrap_or_default();
                            let ids = tickets.into_iter().map(|it| it.id);
                            let settle = matches!(step, Step::Settle);
                            ids.map(|it| if settle { Event::Settle(it) } else { Event::Return(it, None) }).collect()
                        }
                    };
                    for event in events {
                        for effect in queue.on(event, now_ms) {
                            story.push(effect.clone());
                            let Effect::Propose(group) = effect else { continue };
                            for it in &group.tickets {
                                let twice = placing.iter().any(|other| other.tickets.contains(it));
                                assert!(!twice, "{:?} is in two matches", it.id);
                            }
                            placing.push(group);
                        }
                    }
                }
                story
            };
            prop_assert_eq!(play(&mut Queue::new(POLICY)), play(&mut Queue::new(POLICY)));
        }
    }
}
