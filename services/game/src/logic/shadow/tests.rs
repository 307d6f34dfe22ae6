use std::fmt::Write as _;

use super::*;

mod schedules;

/// Returns a copy that is that far, at 10 s, with everything due.
fn at(phase: Phase) -> Shadow {
    let mut it = Shadow::new(0);
    let named = Event::Written(Written::Done);
    let path: &[Event] = match phase {
        Phase::Reserve => &[],
        Phase::Warm => &[Event::Accepted],
        Phase::Enlist => &[Event::Accepted, Event::Kept(1)],
        Phase::Cover => &[Event::Accepted, Event::Kept(1), named],
        Phase::Dismiss => &[Event::Accepted, Event::Kept(1), named, Event::Late],
        Phase::Over => &[Event::End],
    };
    for event in path {
        let _ = it.on(event.clone(), 0);
    }
    assert_eq!(it.phase(), phase);
    it
}

#[test]
fn every_phase_with_every_event() {
    let events = [
        Event::Accepted,
        Event::Refused,
        Event::Kept(1),
        Event::Level { tick: 8, hash: 1 },
        Event::Unequal,
        Event::Gone,
        Event::Late,
        Event::Written(Written::Done),
        Event::Written(Written::Lost),
        Event::Written(Written::Unknown),
        Event::End,
        Event::Time,
    ];
    let phases =
        [Phase::Reserve, Phase::Warm, Phase::Enlist, Phase::Cover, Phase::Dismiss, Phase::Over];
    let mut table = String::new();
    for phase in phases {
        for event in &events {
            let mut it = at(phase);
            let effects = it.on(event.clone(), 10_000);
            if it.phase() != phase || !effects.is_empty() {
                writeln!(table, "{phase:?} + {event:?} = {:?}, {effects:?}", it.phase()).unwrap();
            }
        }
    }
    expect_test::expect![[r"
        Reserve + Accepted = Warm, []
        Reserve + Refused = Over, [Release, Finish(Refused)]
        Reserve + Unequal = Over, [Release, Finish(Unequal)]
        Reserve + Gone = Over, [Release, Finish(Gone)]
        Reserve + End = Over, [Release, Finish(Over)]
        Reserve + Time = Over, [Release, Finish(Slow)]
        Warm + Refused = Over, [Release, Finish(Refused)]
        Warm + Kept(1) = Enlist, [Hold, Name]
        Warm + Unequal = Over, [Release, Finish(Unequal)]
        Warm + Gone = Over, [Release, Finish(Gone)]
        Warm + End = Over, [Release, Finish(Over)]
        Warm + Time = Over, [Release, Finish(Slow)]
        Enlist + Refused = Dismiss, [Unname]
        Enlist + Unequal = Dismiss, [Unname]
        Enlist + Gone = Dismiss, [Unname]
        Enlist + Late = Dismiss, [Unname]
        Enlist + Written(Done) = Cover, [Cover]
        Enlist + Written(Lost) = Dismiss, [Unname]
        Enlist + Written(Unknown) = Enlist, [Name]
        Enlist + End = Dismiss, [Unname]
        Enlist + Time = Dismiss, [Unname]
        Cover + Refused = Dismiss, [Uncover, Unname]
        Cover + Unequal = Dismiss, [Uncover, Unname]
        Cover + Gone = Dismiss, [Uncover, Unname]
        Cover + Late = Dismiss, [Uncover, Unname]
        Cover + End = Dismiss, [Uncover, Unname]
        Dismiss + Written(Done) = Over, [Release, Finish(Slow)]
        Dismiss + Written(Lost) = Over, [Release, Finish(Slow)]
        Dismiss + Written(Unknown) = Dismiss, [Unname]
        Dismiss + Time = Dismiss, [Release]
    "]]
    .assert_eq(&table);
}

#[test]
fn a_copy_that_computes_otherwise_is_given_up() {
    let mut it = at(Phase::Cover);
    let stepped = |tick| Event::Stepped { tick, hash: Some(7) };
    assert_eq!(it.on(stepped(8), 0), []);
    assert_eq!(it.on(Event::Level { tick: 8, hash: 7 }, 0), []);
    assert_eq!(it.on(stepped(16), 0), []);
    assert_eq!(it.on(Event::Level { tick: 8, hash: 9 }, 0), [], "of before");
    let effects = it.on(Event::Level { tick: 16, hash: 9 }, 0);
    assert_eq!(effects, [Effect::Uncover, Effect::Unname]);
    let effects = it.on(Event::Written(Written::Done), 1);
    assert_eq!(effects, [Effect::Release, Effect::Finish(Ending::Unequal)]);
}

#[test]
fn a_gate_lets_out_in_order_what_the_copy_has() {
    let mut gate = Gate::default();
    assert_eq!(gate.push(1, "direct", 0), ["direct"]);
    gate.close();
    assert_eq!(gate.kept(2, 0), (vec![], None));
    assert_eq!(gate.push(2, "had", 1), ["had"]);
    assert_eq!(gate.push(3, "three", 2), Vec::<&str>::new());
    assert_eq!(gate.push(4, "four", 5), Vec::<&str>::new());
    assert_eq!(gate.late_at_ms(), Some(2 + WAIT_MS));
    assert_eq!(gate.kept(3, 6), (vec!["three"], Some(4)));
    assert_eq!(gate.push(3, "three again", 7), Vec::<&str>::new(), "behind what is held");
    assert_eq!(gate.open(), ["four", "three again"]);
    assert_eq!((gate.push(5, "direct", 9), gate.late_at_ms()), (vec!["direct"], None));
}
