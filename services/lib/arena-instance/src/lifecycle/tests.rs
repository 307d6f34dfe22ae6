use std::fmt::Write as _;

use expect_test::expect;
use proptest::prelude::*;

use super::*;

const BUSY: Load = Load { sessions: 2, matches: 1, ..Load::NONE };
const UNSAVED: Load = Load { unsaved: 1, ..Load::NONE };
const CONFIGURED: Duration = Duration::from_mins(10);

fn request(at_deadline: AtDeadline) -> DrainRequest {
    DrainRequest { deadline_s: 60, mode: DrainMode::Migrate, at_deadline }
}

fn after(events: &[Event]) -> Lifecycle {
    events.iter().fold(Lifecycle::new("the store"), |it, event| it.on(event.clone()).unwrap().0)
}

fn lives() -> Vec<(&'static str, Lifecycle)> {
    use Event::{Drain, LoadChanged, Sigterm, Warm};
    let keep = Drain(request(AtDeadline::Keep));
    let end = Drain(request(AtDeadline::End));
    vec![
        ("cold", after(&[])),
        ("ready", after(&[Warm])),
        ("busy", after(&[Warm, LoadChanged(BUSY)])),
        ("draining keep", after(&[Warm, LoadChanged(BUSY), keep.clone()])),
        ("draining end", after(&[Warm, LoadChanged(BUSY), end])),
        ("draining unsaved", after(&[Warm, LoadChanged(UNSAVED), keep.clone()])),
        ("draining, exits", after(&[Warm, LoadChanged(BUSY), Sigterm(CONFIGURED)])),
        ("empty", after(&[Warm, keep])),
        ("stopping", after(&[Warm, Sigterm(CONFIGURED)])),
    ]
}

fn events() -> Vec<(&'static str, Event)> {
    vec![
        ("warm", Event::Warm),
        ("not warm", Event::NotWarm("rules".to_owned())),
        ("drain", Event::Drain(request(AtDeadline::Keep))),
        ("cancel", Event::CancelDrain),
        ("sigterm", Event::Sigterm(CONFIGURED)),
        ("load", Event::LoadChanged(BUSY)),
        ("no load", Event::LoadChanged(Load::NONE)),
        ("deadline", Event::DeadlinePassed),
    ]
}

#[test]
fn every_state_with_every_event() {
    let mut table = String::new();
    for (name, life) in lives() {
        writeln!(table, "{name} ({:?})", life.state()).unwrap();
        for (event_name, event) in events() {
            match life.on(event) {
                None => writeln!(table, "  + {event_name}: refused").unwrap(),
                Some((next, effects)) => {
                    writeln!(table, "  + {event_name} = {:?} {effects:?}", next.state()).unwrap();
                }
            }
        }
    }
    expect![[r"
        cold (Starting)
          + warm = Ready [Publish]
          + not warm = Starting []
          + drain = Empty [Publish, BeginDrain { mode: Migrate, within: 60s }]
          + cancel = Starting []
          + sigterm = Empty [Publish, BeginDrain { mode: Migrate, within: 600s }, Stop]
          + load = Starting []
          + no load = Starting []
          + deadline: refused
        ready (Ready)
          + warm = Ready []
          + not warm = Starting [Publish]
          + drain = Empty [Publish, BeginDrain { mode: Migrate, within: 60s }]
          + cancel = Ready []
          + sigterm = Empty [Publish, BeginDrain { mode: Migrate, within: 600s }, Stop]
          + load = Ready []
          + no load = Ready []
          + deadline: refused
        busy (Ready)
          + warm = Ready []
          + not warm = Starting [Publish]
          + drain = Draining [Publish, BeginDrain { mode: Migrate, within: 60s }]
          + cancel = Ready []
          + sigterm = Draining [Publish, BeginDrain { mode: Migrate, within: 600s }]
          + load = Ready []
          + no load = Ready []
          + deadline: refused
        draining keep (Draining)
          + warm = Draining []
          + not warm = Draining []
          + drain = Draining [BeginDrain { mode: Migrate, within: 60s }]
          + cancel = Ready [Publish, Resume]
          + sigterm = Draining []
          + load = Draining []
          + no load = Empty [Publish]
          + deadline = Draining [ReportOverdue]
        draining end (Draining)
          + warm = Draining []
          + not warm = Draining []
          + drain = Draining [BeginDrain { mode: Migrate, within: 60s }]
          + cancel = Ready [Publish, Resume]
          + sigterm = Draining []
          + load = Draining []
          + no load = Empty [Publish]
          + deadline = Draining [EndLoad(Load { sessions: 2, matches: 1, moving: 0, unsaved: 0, shadows: 0 })]
        draining unsaved (Draining)
          + warm = Draining []
          + not warm = Draining []
          + drain = Draining [BeginDrain { mode: Migrate, within: 60s }]
          + cancel = Ready [Publish, Resume]
          + sigterm = Draining []
          + load = Draining []
          + no load = Empty [Publish]
          + deadline = Draining [ReportOverdue]
        draining, exits (Draining)
          + warm = Draining []
          + not warm = Draining []
          + drain = Draining [BeginDrain { mode: Migrate, within: 60s }]
          + cancel: refused
          + sigterm = Draining [StopNow]
          + load = Draining []
          + no load = Empty [Publish, Stop]
          + deadline = Draining [ReportOverdue]
        empty (Empty)
          + warm = Empty []
          + not warm = Empty []
          + drain = Empty [BeginDrain { mode: Migrate, within: 60s }]
          + cancel = Ready [Publish, Resume]
          + sigterm = Empty [Stop]
          + load = Draining [Publish]
          + no load = Empty []
          + deadline = Empty []
        stopping (Empty)
          + warm = Empty []
          + not warm = Empty []
          + drain: refused
          + cancel: refused
          + sigterm = Empty [StopNow]
          + load = Draining [Publish]
          + no load = Empty []
          + deadline: refused
    "]]
    .assert_eq(&table);
}

fn any_event() -> impl Strategy<Value = Event> {
    let load = prop::array::uniform5(0..3_u32).prop_map(
        |[sessions, matches, moving, unsaved, shadows]| Load {
            sessions,
            matches,
            moving,
            unsaved,
            shadows,
        },
    );
    prop_oneof![
        Just(Event::Warm),
        Just(Event::NotWarm("rules".to_owned())),
        Just(Event::Drain(request(AtDeadline::Keep))),
        Just(Event::Drain(request(AtDeadline::End))),
        Just(Event::CancelDrain),
        Just(Event::Sigterm(CONFIGURED)),
        load.prop_map(Event::LoadChanged),
        Just(Event::DeadlinePassed),
    ]
}

proptest! {
    #[test]
    fn it_stops_in_order_only_when_nothing_is_left(events in prop::collection::vec(any_event(), 0..40)) {
        let mut life = Lifecycle::new("the store");
        let (mut signals, mut stops) = (0, 0);
        for event in events {
            signals += usize::from(matches!(event, Event::Sigterm(_)));
            let before = life.state();
            let Some((next, effects)) = life.on(event.clone()) else { continue };
            if effects.contains(&Effect::Stop) {
                stops += 1;
                prop_assert!(next.load().is_none());
                prop_assert!(signals > 0);
            }
            if effects.contains(&Effect::StopNow) {
                prop_assert!(signals > 1, "one signal is a request, two are an order");
            }
            if before != next.state() {
                prop_assert_eq!(effects.first(), Some(&Effect::Publish));
            }
            prop_assert!(next.load().moving <= next.load().matches);
            if next.state() != InstanceState::Ready {
                prop_assert!(next.not_ready().is_some());
            }
            life = next;
        }
        prop_assert!(stops <= 1);
    }
}
