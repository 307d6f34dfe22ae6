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
        Event::Closed,
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
            assert_eq!(next.on(Event::Level { tick: 8, hash: 1, sessions: 0 }, 0), []);
        }
        all.push(next);
    }
    all
}

fn events() -> Vec<Event> {
    vec![
        Event::Accepted,
        Event::Refused("full".to_owned()),
        Event::Level { tick: 16, hash: 2, sessions: 1 },
        Event::Level { tick: 16, hash: 2, sessions: 0 },
        Event::Level { tick: 16, hash: 7, sessions: 1 },
        Event::Unequal,
        Event::Closed,
        Event::Written(Written::Committed),
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

#[test]
fn every_phase_with_every_event() {
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
    expect![[r#"
        Reserve + Accepted = Warm [Announce]
        Reserve + Refused("full") = Over [Stay, Finish(Refused("full"))]
        Reserve + Unequal = Over [Stay, Finish(Unequal)]
        Reserve + Gone = Over [Stay, Finish(Gone)]
        Reserve + Ended = Over [Finish(Ended)]
        Reserve + Cancel = Over [Stay, Finish(Cancelled)]
        Reserve + Time = Over [Stay, Finish(Slow)]
        Warm + Refused("full") = Over [Stay, Finish(Refused("full"))]
        Warm + Level { tick: 16, hash: 2, sessions: 1 } = Close [CloseLog]
        Warm + Level { tick: 16, hash: 2, sessions: 0 } = Close [CloseLog]
        Warm + Level { tick: 16, hash: 7, sessions: 1 } = Over [Stay, Finish(Unequal)]
        Warm + Unequal = Over [Stay, Finish(Unequal)]
        Warm + Gone = Over [Stay, Finish(Gone)]
        Warm + Ended = Over [Finish(Ended)]
        Warm + Cancel = Over [Stay, Finish(Cancelled)]
        Warm + Time = Over [Stay, Finish(Slow)]
        Close + Refused("full") = Over [Stay, Finish(Refused("full"))]
        Close + Unequal = Over [Stay, Finish(Unequal)]
        Close + Closed = Swap [SendClosing, Swap]
        Close + Gone = Over [Stay, Finish(Gone)]
        Close + Ended = Over [Finish(Ended)]
        Close + Cancel = Over [Stay, Finish(Cancelled)]
        Close + Time = Over [Stay, Finish(Slow)]
        Swap + Written(Committed) = HandOver [SendOwn]
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
    "#]].assert_eq(&table);
}

#[test]
fn what_went_wrong_while_the_registry_was_asked_counts_once_it_has_answered() {
    let swapping = || machines().swap_remove(3);
    let committed = || Event::Written(Written::Committed);
    let mut spurned = swapping();
    assert_eq!(spurned.on(Event::Unequal, 0), []);
    assert_eq!(spurned.on(committed(), 0), [Effect::TakeBack { dead: false }]);
    let mut gone = swapping();
    assert_eq!(gone.on(Event::Gone, 0), []);
    assert_eq!(gone.on(committed(), 0), [Effect::Find]);
    let mut unknown = swapping();
    assert_eq!(unknown.on(Event::Written(Written::Unknown), 0), [Effect::Fence]);
    assert_eq!(unknown.fenced(), [Effect::Stay, Effect::Finish(Outcome::Conflict)]);
    let mut late = swapping();
    assert_eq!(late.on(Event::Written(Written::Unknown), 0), [Effect::Fence]);
    let found = Event::Written(Written::Refused(Owner::Target));
    assert_eq!(late.on(found, 0), [Effect::SendOwn]);
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
        let wanted: &[Effect] = if closes { &[Effect::CloseLog] } else { &[] };
        assert_eq!(warm(behind, proofs), wanted, "{behind} behind, {proofs} proofs");
    }
}
