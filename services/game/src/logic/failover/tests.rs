use std::fmt::Write as _;

use super::*;

mod schedules;

/// Returns a candidate that is that far, at 10 s, with everything due.
fn at(phase: Phase) -> TakeOver {
    let mut it = TakeOver::new(0, 0);
    let path: &[Event] = match phase {
        Phase::Wait => &[],
        Phase::Read => &[Event::Time],
        Phase::StandBy => &[Event::Time, Event::Journal(Journal::Foreign(String::new()))],
        Phase::Swap => &[Event::Time, Event::Journal(Journal::Whole)],
        Phase::Restore => {
            &[Event::Time, Event::Journal(Journal::Whole), Event::Written(Written::Committed)]
        }
        Phase::Abandon => &[Event::Time, Event::Journal(Journal::Missing)],
        Phase::Over => &[Event::Back],
    };
    for event in path {
        let _ = it.on(event.clone(), 0);
    }
    assert_eq!(it.phase(), phase);
    it
}

const PHASES: [Phase; 7] = [
    Phase::Wait,
    Phase::Read,
    Phase::StandBy,
    Phase::Swap,
    Phase::Restore,
    Phase::Abandon,
    Phase::Over,
];

fn events() -> [Event; 12] {
    use Event::{Back, Failed, Journal as J, Restored, Time, Written as W};
    [
        Time,
        Back,
        J(Journal::Whole),
        J(Journal::Missing),
        J(Journal::Foreign("snakes".to_owned())),
        J(Journal::Unknown),
        W(Written::Committed),
        W(Written::Refused),
        W(Written::Unchanged),
        W(Written::Unknown),
        Restored,
        Failed("full".to_owned()),
    ]
}

#[test]
fn every_phase_with_every_event() {
    let mut table = String::new();
    for phase in PHASES {
        for event in events() {
            let mut it = at(phase);
            let effect = it.on(event.clone(), 2_000);
            if effect.is_none() && it.phase() == phase {
                continue;
            }
            let effect = effect.map_or(String::new(), |it| format!(", {it:?}"));
            writeln!(table, "{phase:?} + {event:?} = {:?}{effect}", it.phase()).unwrap();
        }
    }
    expect_test::expect![[r#"
        Wait + Time = Read, Read
        Wait + Back = Over, Finish(Elsewhere)
        Read + Back = Over, Finish(Elsewhere)
        Read + Journal(Whole) = Swap, Swap
        Read + Journal(Missing) = Abandon, Abandon
        Read + Journal(Foreign("snakes")) = StandBy
        Read + Journal(Unknown) = Wait
        StandBy + Back = Over, Finish(Elsewhere)
        Swap + Time = Swap, Verify
        Swap + Back = Swap, Verify
        Swap + Written(Committed) = Restore, Restore
        Swap + Written(Refused) = Over, Finish(Elsewhere)
        Swap + Written(Unchanged) = Wait
        Restore + Restored = Over, Finish(Taken)
        Restore + Failed("full") = Abandon, Abandon
        Abandon + Time = Abandon, Abandon
        Abandon + Back = Abandon, Abandon
        Abandon + Written(Committed) = Over, Finish(Lost("it could not be gone on with anywhere"))
        Abandon + Written(Refused) = Over, Finish(Elsewhere)
    "#]]
    .assert_eq(&table);
}

#[test]
fn candidates_go_one_after_the_other() {
    for (rank, due_ms) in [(0, 0), (1, 300), (5, 1_500)] {
        let mut it = TakeOver::new(rank, 7);
        if due_ms > 0 {
            assert_eq!(it.on(Event::Time, 6 + due_ms), None, "rank {rank}");
        }
        assert_eq!(it.on(Event::Time, 7 + due_ms), Some(Effect::Read), "rank {rank}");
    }
}

#[test]
fn a_match_that_nobody_can_play_ends_and_not_before() {
    let mut it = at(Phase::StandBy);
    assert_eq!(it.on(Event::Time, ABANDON_MS - 1), None);
    assert_eq!(it.on(Event::Time, ABANDON_MS), Some(Effect::Abandon));
    assert_eq!(it.on(Event::Written(Written::Unknown), ABANDON_MS), None);
    let mut now_ms = ABANDON_MS;
    let mut last = None;
    for _ in 1..ABANDON_TRIES {
        now_ms += RETRY_MS;
        let again = it.on(Event::Time, now_ms);
        assert!(matches!(again, None | Some(Effect::Abandon)));
        last = it.on(Event::Written(Written::Unknown), now_ms);
    }
    assert_eq!(last, Some(Effect::Finish(Outcome::Unknown)));
}

#[test]
fn a_hot_state_that_is_away_for_a_moment_costs_a_moment() {
    let mut it = at(Phase::Read);
    assert_eq!(it.on(Event::Journal(Journal::Unknown), 50), None);
    assert_eq!(it.on(Event::Time, 100), None);
    assert_eq!(it.on(Event::Time, 150), Some(Effect::Read));
}
