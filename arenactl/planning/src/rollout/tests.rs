use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use arena_types::InstanceId;
use arena_types::contract::AtDeadline;
use expect_test::{ExpectFile, expect, expect_file};
use proptest::prelude::*;

use super::*;
use crate::fixture;
use crate::observed::{Observed, Weights};
use crate::plan::{Plan, Seed, plan};
use crate::stage::Order;

const PHASES: [Phase; 30] = [
    Phase::Pending,
    Phase::Starting(0),
    Phase::Starting(1),
    Phase::Routing(0),
    Phase::Routing(1),
    Phase::Draining(0),
    Phase::Draining(1),
    Phase::Overdue(0),
    Phase::Overdue(1),
    Phase::Ending(0),
    Phase::Ending(1),
    Phase::Stopping(0),
    Phase::Stopping(1),
    Phase::Stuck(0),
    Phase::Stuck(1),
    Phase::Promoted,
    Phase::Discarding(0),
    Phase::Discarding(1),
    Phase::Restoring(0),
    Phase::Restoring(1),
    Phase::DrainingBack(0),
    Phase::DrainingBack(1),
    Phase::OverdueBack(0),
    Phase::OverdueBack(1),
    Phase::EndingBack(0),
    Phase::EndingBack(1),
    Phase::StoppingBack(0),
    Phase::StoppingBack(1),
    Phase::RolledBack,
    Phase::RevertFailed,
];

const SIGNALS: [Signal; 9] = [
    Signal::Begin,
    Signal::Ready,
    Signal::Lost,
    Signal::Empty,
    Signal::Stopped,
    Signal::Deadline,
    Signal::Promote,
    Signal::Resume,
    Signal::Revert,
];

/// Writes every phase with every signal that means something there. Phases that cannot be reached
/// from the beginning are left out.
fn check_table(
    facts: Facts,
    on: fn(Phase, Signal, Facts) -> Option<Phase>,
    acts: fn(Phase, Facts) -> Vec<Act>,
    expect: &ExpectFile,
) {
    let mut reached = BTreeSet::from([Phase::Pending]);
    let mut waiting = vec![Phase::Pending];
    while let Some(phase) = waiting.pop() {
        let next = SIGNALS.iter().filter_map(|signal| on(phase, *signal, facts));
        waiting.extend(next.filter(|it| reached.insert(*it)).collect::<Vec<_>>());
    }
    assert!(reached.iter().all(|it| PHASES.contains(it)), "{reached:?}");
    let mut table = String::new();
    for phase in PHASES.iter().filter(|it| reached.contains(it)) {
        for signal in SIGNALS {
            let Some(next) = on(*phase, signal, facts) else { continue };
            writeln!(table, "{phase:?} + {signal:?} = {next:?}, {:?}", acts(next, facts)).unwrap();
        }
    }
    expect.assert_eq(&table);
}

const FACTS: Facts =
    Facts { batches: 2, steps: 2, order: Order::StartFirst, at_deadline: AtDeadline::Keep };

#[test]
fn blue_green_with_every_signal() {
    let facts = Facts { batches: 1, ..FACTS };
    let expect = expect_file!["tables/blue_green.txt"];
    check_table(facts, blue_green::on, |phase, _| blue_green::acts(phase), &expect);
}

#[test]
fn rolling_start_first_with_every_signal() {
    check_table(FACTS, rolling::on, rolling::acts, &expect_file!["tables/rolling_start_first.txt"]);
}

#[test]
fn rolling_stop_first_with_every_signal() {
    let facts = Facts { order: Order::StopFirst, at_deadline: AtDeadline::End, ..FACTS };
    check_table(facts, rolling::on, rolling::acts, &expect_file!["tables/rolling_stop_first.txt"]);
}

#[test]
fn recreate_with_every_signal() {
    let facts = Facts { batches: 1, order: Order::StopFirst, ..FACTS };
    let expect = expect_file!["tables/recreate.txt"];
    check_table(facts, recreate::on, |phase, _| recreate::acts(phase), &expect);
}

/// A paused phase waits for an operator alone, a final one for a take-back alone.
#[test]
fn phases_that_stand_still_take_no_other_signal() {
    for (phase, signal) in PHASES.iter().flat_map(|it| SIGNALS.map(|signal| (*it, signal))) {
        for on in [blue_green::on, rolling::on, recreate::on] {
            let Some(next) = on(phase, signal, FACTS) else { continue };
            let steering = matches!(signal, Signal::Promote | Signal::Resume | Signal::Revert);
            assert!(!phase.is_paused() || steering, "{phase:?} + {signal:?}");
            assert!(!phase.is_final() || signal == Signal::Revert, "{phase:?} + {signal:?}");
            assert!(!phase.is_back() || next.is_back(), "{phase:?} + {signal:?} = {next:?}");
        }
    }
}

const ARENA: &str = "
services:
  store: { kind: data }
  auth: { instances: 3, batch: 2, after: [store] }
  game: { kind: matches, instances: 2, capacity: 4, after: [store], weights: [50, 100] }
  gateway: { kind: sessions, after: [auth, game] }
";

/// Returns an arena at r1 and a plan that replaces all of it. `free` GPUs decide how game is replaced.
fn replacement(free: u32, at_deadline: &str, on_failure: &str) -> (Observed, Plan) {
    let tail = format!("deploy: {{ on_failure: {on_failure} }}\n");
    let game = format!("resources: {{ gpus: 1 }}, drain: {{ at_deadline: {at_deadline} }},");
    let yaml = ARENA.replace("capacity: 4,", &format!("capacity: 4, {game}")) + &tail;
    let (old, new) = (fixture::release(1, &yaml, "old"), fixture::release(2, &yaml, "new"));
    let mut observed = fixture::running(&old);
    observed.nodes = vec![fixture::node(2 + free, free)];
    let plan = plan(&new, &observed, Seed(7)).unwrap();
    (observed, plan)
}

/// What a backend that performs every effect would see.
#[derive(Clone, Debug, PartialEq)]
struct World {
    serves: BTreeSet<InstanceId>,
    traffic: BTreeMap<String, Weights>,
    empty: BTreeSet<InstanceId>,
    routed: BTreeSet<InstanceId>,
}

impl World {
    fn new(observed: &Observed) -> Self {
        let instances = observed.services.values().flat_map(|it| &it.instances);
        let serves: BTreeSet<_> = instances.map(|it| it.instance.clone()).collect();
        let weighted = observed.services.iter().filter(|(_, it)| !it.weights.is_empty());
        let traffic = weighted.map(|(name, it)| (name.to_string(), it.weights.clone())).collect();
        Self { routed: serves.clone(), serves, traffic, empty: BTreeSet::new() }
    }

    /// Whether new work may go to an instance: a release without a share gets none.
    fn gets_work(&self, instance: &InstanceId) -> bool {
        let (name, _) = instance.as_str().rsplit_once('-').unwrap();
        let (service, release) = name.rsplit_once('-').unwrap();
        let shares = self.traffic.get(service).filter(|it| !it.is_empty());
        shares.is_none_or(|it| it.get(&release.parse().unwrap()).is_some_and(|share| *share > 0))
    }

    /// Performs `effect`, and refuses to stop what serves players.
    fn perform(&mut self, effect: &Effect) -> Result<(), String> {
        match effect {
            Effect::Start { instance, .. } | Effect::Restore { instance, .. } => {
                self.empty.remove(instance);
                self.serves.insert(instance.clone());
            }
            Effect::SetTraffic { service, weights } => {
                let sum: u32 = weights.values().sum();
                if !weights.is_empty() && sum != 100 {
                    return Err(format!("{effect}: the sum is {sum}"));
                }
                self.traffic.insert(service.to_string(), weights.clone());
                let routed: Vec<_> = self.serves.iter().filter(|it| self.gets_work(it)).collect();
                self.routed.extend(routed.into_iter().cloned());
            }
            Effect::Drain { instance, at_deadline, deadline, .. } => {
                self.serves.remove(instance);
                if *at_deadline == AtDeadline::End && *deadline == END_DEADLINE {
                    self.empty.insert(instance.clone());
                }
            }
            Effect::Stop { instance, .. } => {
                if self.routed.contains(instance) && !self.empty.contains(instance) {
                    return Err(format!("{effect}: it is not empty"));
                }
                self.serves.remove(instance);
            }
        }
        Ok(())
    }

    fn note(&mut self, event: &Event) {
        if let Event::Empty { instance }
        | Event::Stopped { instance }
        | Event::Failed { instance, .. } = event
        {
            self.empty.insert(instance.clone());
        }
    }
}

/// Returns an event that brings the rollout on, as a backend in which all goes well would.
fn helpful(rollout: &Rollout) -> Event {
    if rollout.paused || matches!(rollout.phase, Phase::Stuck(_)) {
        return Event::Resume;
    }
    match rollout.waits().first() {
        Some(Wait { unit, state }) => {
            let instance = unit.clone();
            match state {
                Awaited::Ready => Event::Ready { instance },
                Awaited::Empty => Event::Empty { instance },
                Awaited::Stopped => Event::Stopped { instance },
            }
        }
        None if rollout.deadline().is_some() => Event::Deadline,
        None => Event::Promote,
    }
}

/// Returns one of the events that may happen now.
fn any_event(rollout: &Rollout, choice: u8) -> Event {
    let reason = || "test".to_owned();
    let watched: Vec<_> = rollout.watched().into_iter().collect();
    match choice % 16 {
        0 if !watched.is_empty() => {
            let instance = watched[choice as usize / 16 % watched.len()].clone();
            Event::Failed { instance, reason: reason() }
        }
        1 => Event::Deadline,
        2 => Event::Abort { reason: reason() },
        3 => Event::Pause,
        4 => Event::Resume,
        5 => Event::Promote,
        6 => match rollout.waits().last() {
            Some(it) => Event::Failed { instance: it.unit.clone(), reason: reason() },
            None => Event::Resume,
        },
        _ => helpful(rollout),
    }
}

/// Most steps a rollout of the arena may take when all goes well.
const STEPS_MAX: usize = 200;

/// Goes on until the end, as a backend in which all goes well would. Returns the steps taken.
fn finish(rollout: &mut Rollout, world: &mut World) -> Result<usize, String> {
    for step in 0..STEPS_MAX {
        if rollout.outcome().is_some_and(|it| it.is_final()) {
            return Ok(step);
        }
        take(rollout, world, &helpful(rollout))?;
    }
    Err(format!("no end after {STEPS_MAX} steps: {rollout:?}"))
}

/// Takes one event. The journal's round trip is part of every step.
fn take(rollout: &mut Rollout, world: &mut World, event: &Event) -> Result<(), String> {
    world.note(event);
    let Some((next, effects)) = rollout.on(event) else { return Ok(()) };
    let journal = serde_json::to_string(&(&next, &effects)).unwrap();
    let (read, again): (Rollout, Vec<Effect>) = serde_json::from_str(&journal).unwrap();
    assert_eq!((&read, &again), (&next, &effects));
    *rollout = read;
    for effect in &effects {
        world.perform(effect)?;
        world.perform(effect)?; // a crash may repeat any effect
    }
    Ok(())
}

fn begin(free: u32, at_deadline: &str, on_failure: &str) -> (Rollout, World) {
    let (observed, plan) = replacement(free, at_deadline, on_failure);
    let mut world = World::new(&observed);
    let (rollout, effects) = Rollout::start(&plan);
    for effect in &effects {
        world.perform(effect).unwrap();
    }
    (rollout, world)
}

#[test]
fn when_all_goes_well_the_new_release_serves_alone() {
    for free in [0, 1, 2] {
        let (mut rollout, mut world) = begin(free, "keep", "rollback");
        let expected: BTreeSet<_> = rollout
            .stages
            .iter()
            .flat_map(|it| it.batches.iter().flat_map(|it| &it.start))
            .map(|it| it.instance.clone())
            .collect();
        finish(&mut rollout, &mut world).unwrap();
        assert_eq!(rollout.outcome(), Some(Outcome::Done), "{free}");
        assert_eq!(world.serves, expected, "{free}");
        for (service, weights) in world.traffic {
            assert_eq!(weights.get(&rollout.to), Some(&100), "{free}: {service}");
        }
    }
}

#[test]
fn a_green_that_dies_is_discarded_and_blue_never_notices() {
    let (mut rollout, mut world) = begin(2, "keep", "rollback");
    let before = World::new(&replacement(2, "keep", "rollback").0);
    let is_starting = |it: &Rollout| {
        it.stage().is_some_and(|stage| stage.service.as_str() == "game")
            && it.phase == Phase::Starting(0)
    };
    while !is_starting(&rollout) {
        let event = helpful(&rollout);
        take(&mut rollout, &mut world, &event).unwrap();
    }
    let event = any_event(&rollout, 0);
    let (_, effects) = rollout.on(&event).unwrap();
    let effects: Vec<_> = effects.iter().map(ToString::to_string).collect();
    expect!["stop game-r2-0; stop game-r2-1"].assert_eq(&effects.join("; "));
    take(&mut rollout, &mut world, &event).unwrap();
    finish(&mut rollout, &mut world).unwrap();
    assert_eq!(rollout.outcome(), Some(Outcome::RolledBack));
    assert_eq!(rollout.outcome().unwrap().exit_code(), 10);
    assert_eq!((world.serves, world.traffic), (before.serves, before.traffic));
}

#[test]
fn a_drain_past_its_deadline_pauses_and_goes_on_when_told() {
    let (mut rollout, mut world) = begin(2, "keep", "rollback");
    while rollout.phase != Phase::Draining(0) || rollout.stage().unwrap().service.as_str() != "game"
    {
        let event = helpful(&rollout);
        take(&mut rollout, &mut world, &event).unwrap();
    }
    take(&mut rollout, &mut world, &Event::Deadline).unwrap();
    let outcome = rollout.outcome().unwrap();
    assert_eq!(outcome.exit_code(), 13);
    let instances = ["game-r1-0", "game-r1-1"].map(|it| it.parse().unwrap()).to_vec();
    assert_eq!(outcome, Outcome::Paused { reason: Pause::DrainOverdue { instances } });
    let (resumed, effects) = rollout.on(&Event::Resume).unwrap();
    assert_eq!((resumed.phase, effects.len()), (Phase::Draining(0), 2));
    let (ending, _) = rollout.on(&Event::Promote).unwrap();
    assert_eq!(ending.phase, Phase::Ending(0));
}

#[test]
fn a_paused_rollout_takes_nothing_but_the_operators_word() {
    let (rollout, _) = begin(2, "keep", "rollback");
    let (paused, effects) = rollout.on(&Event::Pause).unwrap();
    assert!(effects.is_empty());
    assert_eq!(paused.outcome(), Some(Outcome::Paused { reason: Pause::Operator }));
    assert_eq!(paused.on(&helpful(&rollout)), None);
    assert_eq!(paused.on(&Event::Deadline), None);
    let (resumed, effects) = paused.on(&Event::Resume).unwrap();
    assert_eq!((resumed.outcome(), resumed.phase), (None, rollout.phase));
    assert!(!effects.is_empty(), "what the phase does is done again");
}

#[test]
fn a_failure_is_left_alone_if_the_spec_says_so() {
    let (mut rollout, mut world) = begin(2, "keep", "leave");
    finish_until_starting(&mut rollout, &mut world);
    let (left, effects) = rollout.on(&any_event(&rollout, 0)).unwrap();
    assert_eq!((left.outcome(), effects), (Some(Outcome::LeftAsIs), Vec::new()));
}

fn finish_until_starting(rollout: &mut Rollout, world: &mut World) {
    while !matches!(rollout.phase, Phase::Starting(_)) {
        let event = helpful(rollout);
        take(rollout, world, &event).unwrap();
    }
}

#[test]
fn a_first_deploy_watches_nothing_for_there_is_no_way_back() {
    let release = fixture::release(1, ARENA, "old");
    let observed = Observed::empty("local".parse().unwrap());
    let (mut rollout, _) = Rollout::start(&plan(&release, &observed, Seed(7)).unwrap());
    let mut ready = 0;
    while rollout.outcome().is_none() {
        let event = helpful(&rollout);
        assert!(matches!(event, Event::Ready { .. }), "{event}");
        (rollout, _) = rollout.on(&event).unwrap();
        ready += 1;
    }
    assert_eq!((rollout.outcome(), ready), (Some(Outcome::Done), 7));
}

#[test]
fn an_empty_plan_is_done_at_once() {
    let release = fixture::release(1, ARENA, "old");
    let plan = plan(&release, &fixture::running(&release), Seed(7)).unwrap();
    assert!(plan.is_empty());
    let (rollout, effects) = Rollout::start(&plan);
    assert_eq!((rollout.outcome(), effects), (Some(Outcome::Done), Vec::new()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens, in whatever order: nothing that serves is stopped before it is empty, and
    /// weights always sum to 100 (`World::perform`); and once all goes well again there is an end.
    #[test]
    fn no_path_drops_a_session(
        free in 0_u32..3,
        end in any::<bool>(),
        choices in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let (mut rollout, mut world) = begin(free, if end { "end" } else { "keep" }, "rollback");
        for choice in choices {
            let event = any_event(&rollout, choice);
            take(&mut rollout, &mut world, &event).map_err(TestCaseError::fail)?;
        }
        finish(&mut rollout, &mut world).map_err(TestCaseError::fail)?;
    }

    /// An abort at any step leads back to what served before, if nothing else goes wrong.
    #[test]
    fn an_abort_anywhere_leads_back(
        free in 0_u32..3,
        steps in 0_usize..60,
        choices in prop::collection::vec(8_u8..16, 60),
    ) {
        let (mut rollout, mut world) = begin(free, "keep", "rollback");
        let (observed, _) = replacement(free, "keep", "rollback");
        let before = World::new(&observed);
        for choice in choices.iter().take(steps) {
            let event = any_event(&rollout, *choice);
            take(&mut rollout, &mut world, &event).map_err(TestCaseError::fail)?;
        }
        let done = rollout.outcome() == Some(Outcome::Done);
        let abort = Event::Abort { reason: String::new() };
        take(&mut rollout, &mut world, &abort).map_err(TestCaseError::fail)?;
        finish(&mut rollout, &mut world).map_err(TestCaseError::fail)?;
        if done {
            prop_assert_eq!(rollout.outcome(), Some(Outcome::Done));
        } else {
            prop_assert_eq!(rollout.outcome(), Some(Outcome::RolledBack));
            prop_assert_eq!((world.serves, world.traffic), (before.serves, before.traffic));
        }
    }

    /// The journal holds everything: going on from any recorded step leads to the same end.
    #[test]
    fn replaying_from_any_step_gives_the_same_end(
        free in 0_u32..3,
        choices in prop::collection::vec(any::<u8>(), 0..50),
    ) {
        let (mut rollout, mut world) = begin(free, "keep", "rollback");
        let (mut journal, mut events) = (vec![rollout.clone()], Vec::new());
        for choice in choices {
            let event = any_event(&rollout, choice);
            take(&mut rollout, &mut world, &event).map_err(TestCaseError::fail)?;
            events.push(event);
            journal.push(rollout.clone());
        }
        for (index, recorded) in journal.iter().enumerate() {
            let replayed = events[index..].iter().fold(recorded.clone(), |it, event| {
                it.on(event).map_or(it, |(next, _)| next)
            });
            prop_assert_eq!(&replayed, &rollout);
        }
    }
}

/// The share of new instances that start is written again by a resume; they still have none.
#[test]
fn new_instances_without_work_are_discarded_also_after_a_pause() {
    let (mut rollout, mut world) = begin(2, "keep", "rollback");
    for choice in [8_u8, 8, 8, 200, 40, 40, 38, 120, 54, 56, 8, 136, 19, 84, 160] {
        let event = any_event(&rollout, choice);
        take(&mut rollout, &mut world, &event).unwrap();
    }
    assert_eq!(rollout.stage().unwrap().service.as_str(), "game");
    assert_eq!(rollout.phase, Phase::Discarding(0));
    finish(&mut rollout, &mut world).unwrap();
    assert_eq!(rollout.outcome(), Some(Outcome::RolledBack));
}
