use std::fmt::Write as _;

use expect_test::expect;

use super::*;

mod schedules;

fn other() -> Owner {
    Owner::Other("game-r9-9".parse().unwrap(), Epoch(9))
}

/// A machine in each phase it can be in, level and proven where it warms.
fn machines() -> Vec<Source> {
    let mut all = vec![Source::new(1, 0)];
    for event in [
        Event::Accepted,
        Event::Level { tick: 16, hash: 2, sessions: 1 },
        Event::Turn,
        Event::Sent,
        Event::Written(Written::Committed),
        Event::Found(Found::Idle),
    ] {
        let mut next = all.last().unwrap().clone();
        if event == Event::Accepted {
            for (tick, hash) in [(8, 1), (16, 2), (24, 3)] {
                assert_eq!(next.on(Event::Stepped { tick, hash: Some(hash) }, 0), []);
            }
        }
        let effects = next.on(event, 0);
        assert!(!effects.is_empty());
        if next.phase() == Phase::Warm {
            assert_eq!(next.on(Event::Level { tick: 8, hash: 1, sessions: 1 }, 0), []);
        }
        all.push(next);
    }
    all
}

fn events() -> Vec<Event> {
    vec![
        Event::Accepted,
        Event::Refused("other rules".to_owned()),
        Event::Busy("full".to_owned()),
        Event::Level { tick: 16, hash: 2, sessions: 1 },
        Event::Level { tick: 16, hash: 2, sessions: 0 },
        Event::Level { tick: 16, hash: 7, sessions: 1 },
        Event::Unequal,
        Event::Turn,
        Event::Closed,
        Event::Sent,
        Event::Written(Written::Committed),
        Event::Written(Written::Fenced),
        Event::Written(Written::Refused(Owner::Source)),
        Event::Written(Written::Refused(Owner::Target)),
        Event::Written(Written::Refused(other())),
        Event::Written(Written::Refused(Owner::Nobody)),
        Event::Written(Written::Unknown),
        Event::Owning,
        Event::Gone,
        Event::Found(Found::Hosts),
        Event::Found(Found::Idle),
        Event::Found(Found::Dead),
        Event::Found(Found::Silent),
        Event::Ended,
        Event::Cancel,
        Event::Time,
    ]
}

fn table() -> String {
    let mut table = String::new();
    for machine in machines() {
        for event in events() {
            let mut next = machine.clone();
            let effects = next.on(event.clone(), 100_000);
            if effects.is_empty() && next.phase() == machine.phase() {
                continue;
            }
            let (from, to) = (machine.phase(), next.phase());
            writeln!(table, "{from:?} + {event:?} = {to:?} {effects:?}").unwrap();
        }
    }
    table
}

#[test]
fn every_phase_with_every_event() {
    expect![[r#"
        Reserve + Accepted = Warm [Announce]
        Reserve + Refused("other rules") = Over [Stay, Finish(Refused("other rules"))]
        Reserve + Busy("full") = Over [Stay, Finish(Busy("full"))]
        Reserve + Unequal = Over [Stay, Finish(Unequal)]
        Reserve + Gone = Over [Stay, Finish(Gone)]
        Reserve + Ended = Over [Finish(Ended)]
        Reserve + Cancel = Over [Stay, Finish(Cancelled)]
        Reserve + Time = Over [Stay, Finish(Slow)]
        Warm + Refused("other rules") = Over [Stay, Finish(Refused("other rules"))]
        Warm + Busy("full") = Over [Stay, Finish(Busy("full"))]
        Warm + Level { tick: 16, hash: 2, sessions: 1 } = Turn [AskTurn]
        Warm + Level { tick: 16, hash: 2, sessions: 0 } = Turn [AskTurn]
        Warm + Level { tick: 16, hash: 7, sessions: 1 } = Over [Stay, Finish(Unequal)]
        Warm + Unequal = Over [Stay, Finish(Unequal)]
        Warm + Gone = Over [Stay, Finish(Gone)]
        Warm + Ended = Over [Finish(Ended)]
        Warm + Cancel = Over [Stay, Finish(Cancelled)]
        Warm + Time = Over [Stay, Finish(Slow)]
        Turn + Refused("other rules") = Over [Stay, Finish(Refused("other rules"))]
        Turn + Busy("full") = Over [Stay, Finish(Busy("full"))]
        Turn + Unequal = Over [Stay, Finish(Unequal)]
        Turn + Turn = Close [CloseLog]
        Turn + Gone = Over [Stay, Finish(Gone)]
        Turn + Ended = Over [Finish(Ended)]
        Turn + Cancel = Over [Stay, Finish(Cancelled)]
        Turn + Time = Over [Stay, Finish(Slow)]
        Close + Refused("other rules") = Over [Stay, Finish(Refused("other rules"))]
        Close + Busy("full") = Over [Stay, Finish(Busy("full"))]
        Close + Unequal = Over [Stay, Finish(Unequal)]
        Close + Closed = Close [SendClosing]
        Close + Sent = Swap [Swap]
        Close + Gone = Over [Stay, Finish(Gone)]
        Close + Ended = Over [Finish(Ended)]
        Close + Cancel = Over [Stay, Finish(Cancelled)]
        Close + Time = Over [Stay, Finish(Slow)]
        Swap + Written(Committed) = HandOver [SendOwn]
        Swap + Written(Fenced) = Over [Stay, Finish(Conflict)]
        Swap + Written(Refused(Source)) = Over [Stay, Finish(Conflict)]
        Swap + Written(Refused(Target)) = HandOver [SendOwn]
        Swap + Written(Refused(Other(InstanceId("game-r9-9"), Epoch(9)))) = Over [Yield(InstanceId("game-r9-9"), Epoch(9)), Finish(Fenced(InstanceId("game-r9-9"), Epoch(9)))]
        Swap + Written(Refused(Nobody)) = Over [Stay, Finish(Conflict)]
        Swap + Written(Unknown) = Swap [Fence]
        HandOver + Unequal = TakeBack [TakeBack { dead: false }]
        HandOver + Owning = Over [LetGo, Finish(Moved)]
        HandOver + Gone = HandOver [Find]
        HandOver + Found(Hosts) = Over [LetGo, Finish(Moved)]
        HandOver + Found(Idle) = TakeBack [TakeBack { dead: false }]
        HandOver + Found(Dead) = TakeBack [TakeBack { dead: true }]
        HandOver + Time = HandOver [Find]
        TakeBack + Written(Committed) = Over [StayLater, Finish(TakenBack)]
        TakeBack + Written(Refused(Source)) = Over [StayLater, Finish(TakenBack)]
        TakeBack + Written(Refused(Target)) = HandOver [Find]
        TakeBack + Written(Refused(Other(InstanceId("game-r9-9"), Epoch(9)))) = Over [Yield(InstanceId("game-r9-9"), Epoch(9)), Finish(Fenced(InstanceId("game-r9-9"), Epoch(9)))]
        TakeBack + Written(Refused(Nobody)) = Over [LetGo, Finish(Moved)]
        TakeBack + Written(Unknown) = TakeBack [TakeBack { dead: false }]
    "#]].assert_eq(&table());
}

#[test]
fn proofs_count_once_the_sessions_have_their_seats() {
    let mut machine = Source::new(2, 0);
    let _ = machine.on(Event::Accepted, 0);
    for tick in [8, 16, 24, 32] {
        let _ = machine.on(Event::Stepped { tick, hash: Some(u64::from(tick)) }, 0);
    }
    for (tick, sessions, wanted) in
        [(8, 0, vec![]), (16, 1, vec![]), (24, 2, vec![]), (32, 2, vec![Effect::AskTurn])]
    {
        let level = Event::Level { tick, hash: u64::from(tick), sessions };
        assert_eq!(machine.on(level, 0), wanted, "tick {tick}");
    }
}

#[test]
fn an_answer_of_the_registry_that_is_lost_is_asked_for_by_a_write() {
    let swapping = || machines().into_iter().find(|it| it.phase() == Phase::Swap).unwrap();
    let mut unknown = swapping();
    assert_eq!(unknown.on(Event::Written(Written::Unknown), 0), [Effect::Fence]);
    let fenced = unknown.on(Event::Written(Written::Fenced), 0);
    assert_eq!(fenced, [Effect::Stay, Effect::Finish(Outcome::Conflict)]);
    let mut late = swapping();
    assert_eq!(late.on(Event::Written(Written::Unknown), 0), [Effect::Fence]);
    let found = Event::Written(Written::Refused(Owner::Target));
    assert_eq!(late.on(found, 0), [Effect::SendOwn]);
}

#[test]
fn a_target_asks_the_registry_before_it_owns_and_as_long_as_that_does_not_answer() {
    use TargetEvent::{Asked, Closed, Found, Ready, Time};
    let asked = || {
        let mut target = Target::new(Epoch(2));
        for event in [Closed, Ready] {
            assert_eq!(target.on(event, 0), None);
        }
        assert_eq!(target.on(Asked, 0), Some(TargetEffect::Read));
        target
    };
    for (whose, at_last) in [
        (Whose::Mine, Some(TargetEffect::Own(Epoch(2)))),
        (Whose::Other, Some(TargetEffect::Forget)),
        (Whose::Source, None),
        (Whose::Unknown, None),
    ] {
        assert_eq!(asked().on(Found(whose), 0), at_last, "{whose:?}");
    }
    for (whose, after_long) in
        [(Whose::Source, TargetEffect::Forget), (Whose::Unknown, TargetEffect::Read)]
    {
        let mut target = asked();
        assert_eq!(target.on(Found(whose), 0), None);
        assert_eq!(target.on(Time, 100), Some(TargetEffect::Read), "{whose:?}");
        assert_eq!(target.on(Time, 100_000), Some(after_long), "{whose:?}");
    }
}

#[test]
fn a_log_is_closed_only_when_the_target_is_level_and_proven() {
    let warm = |behind: u32, proofs: u32| {
        let mut machine = Source::new(0, 0);
        let _ = machine.on(Event::Accepted, 0);
        for tick in [8, 16, 24, 32] {
            let _ = machine.on(Event::Stepped { tick, hash: Some(u64::from(tick)) }, 0);
        }
        let _ = machine.on(Event::Stepped { tick: 32 + behind, hash: None }, 0);
        let levels = [8, 16, 24, 32].into_iter().skip(4 - proofs as usize);
        let mut effects = Vec::new();
        for tick in levels {
            let level = Event::Level { tick, hash: u64::from(tick), sessions: 0 };
            effects.extend(machine.on(level, 0));
        }
        effects
    };
    for (behind, proofs, closes) in [(0, 1, false), (0, 2, true), (24, 2, true), (25, 4, false)] {
        let wanted: &[Effect] = if closes { &[Effect::AskTurn] } else { &[] };
        assert_eq!(warm(behind, proofs), wanted, "{behind} behind, {proofs} proofs");
    }
}
