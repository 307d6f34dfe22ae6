use std::time::Duration;

use arena_types::contract::DrainReport;
use arenactl_planning::observed::UnitState;
use expect_test::{Expect, expect};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::board::{Board, Moment, RegionSeen, RolloutSeen};
use super::draw::{Paint, draw, heights, text};
use super::view::{Details, Key, Popup, Sort, View, Wish};
use crate::backend::Unit;
use crate::sample::{Answer, Histogram, HostedMatch, Reading};

fn at(ms: u64) -> Moment {
    Moment(Duration::from_millis(ms))
}

fn unit(instance: &str, state: UnitState) -> Unit {
    let [service, release, _] = instance.split('-').collect::<Vec<_>>()[..] else {
        panic!("{instance}")
    };
    Unit { state, ..Unit::blank(instance, service, release).unwrap() }
}

fn hosted(id: &str, epoch: u32) -> HostedMatch {
    let mode = "arena".to_owned();
    HostedMatch {
        id: id.to_owned(),
        mode,
        players: 2,
        bots: 6,
        tick: 600,
        epoch,
        is_finished: false,
        is_moving: false,
    }
}

/// Ticks of a game of which so many took less than a millisecond, and so many less than four.
fn ticks(fast: u64, slow: u64) -> Histogram {
    let all = fast + slow;
    let exposition = format!(
        "t_bucket{{le=\"0.001\"}} {fast}\nt_bucket{{le=\"0.004\"}} {all}\nt_bucket{{le=\"+Inf\"}} {all}\n"
    );
    Histogram::parse(&exposition, "t").unwrap()
}

fn game(instance: &str, state: UnitState, matches: &[HostedMatch], ticks: Histogram) -> Reading {
    let mut unit = unit(instance, state);
    (unit.sessions, unit.matches, unit.capacity) =
        (matches.len() as u32 * 2, matches.len() as u32, 8);
    Reading { unit, answer: Answer::Given, ticks: Some(ticks), matches: Some(matches.to_vec()) }
}

/// A rollout in which one match has moved and another one is on its way.
fn rollout() -> Board {
    let mut board = Board::of(["local", "eu-fra"].map(|it| it.parse().unwrap()));
    let local = "local".parse().unwrap();
    let seen = |readings| RegionSeen {
        release: Some("r1".parse().unwrap()),
        weights: [
            (
                "game".parse().unwrap(),
                [("r1", 0), ("r2", 100)].map(|(id, it)| (id.parse().unwrap(), it)).into(),
            ),
            ("store".parse().unwrap(), [("r1".parse().unwrap(), 100)].into()),
        ]
        .into(),
        rollout: Some(RolloutSeen {
            release: "r2".parse().unwrap(),
            step: "deploy game draining, step 7".to_owned(),
        }),
        readings,
    };
    // It holds those sessions that the games hold, too.
    let store = unit("store-r1-0", UnitState::Ready);
    let store = Reading::of(Unit { sessions: 4, ..store }, Answer::Given);
    let first = vec![
        game("game-r1-0", UnitState::Ready, &[hosted("a", 1), hosted("b", 1)], ticks(100, 0)),
        game("game-r2-0", UnitState::Ready, &[], ticks(50, 0)),
        store.clone(),
    ];
    board.take(&local, at(0), Ok(seen(first)));
    let leaving = HostedMatch { is_moving: true, ..hosted("b", 1) };
    let mut old = game("game-r1-0", UnitState::Draining, &[leaving], ticks(160, 0));
    (old.unit.moving, old.unit.drain_left_s) = (1, Some(590));
    old.unit.note = "2 players, 1 match left, 1 moving".to_owned();
    old.unit.drain = Some(DrainReport {
        left_s: 590,
        players: 2,
        matches: 1,
        moving: 1,
        waiting: 0,
        unsaved: 0,
        estimate_s: Some(12),
    });
    let new = game("game-r2-0", UnitState::Ready, &[hosted("a", 2), hosted("b", 1)], ticks(60, 50));
    board.take(&local, at(1_000), Ok(seen(vec![old, new, store])));
    let away = "cannot reach the engine at ssh://fra: timed out".to_owned();
    board.take(&"eu-fra".parse().unwrap(), at(900), Err(away));
    board
}

#[track_caller]
fn check(board: &Board, view: &View, (width, height): (u16, u16), now: Moment, expected: &Expect) {
    let model = view.sorted(board.model(now));
    let shown = match &view.popup {
        Popup::Details { region, instance, .. } => board.instance(region, instance),
        Popup::None | Popup::Help => None,
    };
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let frame = |frame: &mut ratatui::Frame<'_>| {
        draw(frame.area(), frame.buffer_mut(), &model, view, Paint::Plain, shown);
    };
    terminal.draw(frame).unwrap();
    expected.assert_eq(&text(terminal.backend().buffer()));
}

#[test]
fn a_rollout_that_moves_matches() {
    check(
        &rollout(),
        &View::default(),
        (132, 32),
        at(3_000),
        &expect![[r"
            arenactl top · 2 regions · 3 instances · 3 matches · 6 sessions         tab pane · ↑↓ row · enter details · s sort · ? help · q quit
            ┌ Regions ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────┐
            │REGION      RELEASE  READY  OCCUPIED  DRAINING  MOVING  SESSIONS  MATCHES    NOTE                                                 │
            │eu-fra      -        0/0    0         0         0       0         -          cannot reach the engine at ssh://fra: timed out      │
            │local       r1       2/3    1         1         1       6         3/16                                                            │
            └──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────┘
            ┌ Instances by name ───────────────────────────────────────────────────────────────────────────────────────────────────────────────┐
            │INSTANCE          REGION    STATE        RELEASE  SESSIONS  MATCHES   TICK P99   MOVING  RESTARTS  NOTE                           │
            │game-r1-0         local     moving       r1       2         1/8       1.00 ms    1       0         2 players, 1 match left, 1 movi│
            │game-r2-0         local     occupied     r2       4         2/8       4.00 ms    0       0                                        │
            │store-r1-0        local     ready        r1       4         -         -          0       0                                        │
            └──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────┘
            ┌ Matches by name ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────┐
            │MATCH           REGION    MODE        PLAYERS      TICK           EPOCH  OWNER                                                    │
            │a               local     arena       2 + 6 bots   600            2      game-r2-0                                                │
            │b               local     arena       2 + 6 bots   600            1      game-r1-0 →                                              │
            └──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────┘
            ┌ Moves ─────────────────────────────────────────────────────────┐┌ Releases ──────────────────────────────────────────────────────┐
            │STATE   MATCH          FROM → TO                 EPOCH          ││RELEASE  REGION    RUNS  NEW WORK             ROLLOUT           │
            │moving  b              game-r1-0 →               1              ││r2       local     1     100 %                deploy game draini│
            │moved   a              game-r1-0 → game-r2-0     2      2 s ago ││r1       local     2     game 0 %, store 100  current           │
            └────────────────────────────────────────────────────────────────┘└────────────────────────────────────────────────────────────────┘










        "]],
    );
}

#[test]
fn a_small_terminal_keeps_a_part_of_everything() {
    check(
        &rollout(),
        &View::default(),
        (80, 20),
        at(3_000),
        &expect![[r"
            arenactl top · 2 regions · 3 instances · 3 matches · 6 sessions
            ┌ Regions ─────────────────────────────────────────────────────────────────────┐
            │REGION      RELEASE  READY  OCCUPIED  DRAINING  MOVING  SESSIONS  MATCHES    N│
            │eu-fra      -        0/0    0         0         0       0         -          c│
            │local       r1       2/3    1         1         1       6         3/16        │
            └──────────────────────────────────────────────────────────────────────────────┘
            ┌ Instances by name ───────────────────────────────────────────────────────────┐
            │INSTANCE          REGION    STATE        SESSIONS  MATCHES   TICK P99   MOVING│
            │game-r1-0         local     moving       2         1/8       1.00 ms    1     │
            │game-r2-0         local     occupied     4         2/8       4.00 ms    0     │
            │store-r1-0        local     ready        4         -         -          0     │
            └──────────────────────────────────────────────────────────────────────────────┘
            ┌ Matches by name ─────────────────────────────────────────────────────────────┐
            │MATCH           REGION    MODE        PLAYERS      TICK           EPOCH  OWNER│
            └──────────────────────────────────────────────────────────────────────────────┘
            ┌ Moves ───────────────────────────────┐┌ Releases ────────────────────────────┐
            │STATE   MATCH          EPOCH          ││RELEASE  REGION    RUNS  NEW WO  ROLLO│
            │moving  b              1              ││r2       local     1     100 %   deplo│
            │moved   a              2      2 s ago ││r1       local     2     game 0  curre│
            └──────────────────────────────────────┘└──────────────────────────────────────┘
        "]],
    );
}

/// Metrics and matches are calls of their own: one that was missed changes no figure, an instance that hosts no more
/// or was started again has no old ones.
#[test]
fn figures_that_were_not_told_stay_as_they_were() {
    let local = "local".parse().unwrap();
    let missed = |matches: u32, restarts: u32| {
        let unit = unit("game-r1-0", UnitState::Ready);
        let unit = Unit { matches, restarts, capacity: 8, ..unit };
        Reading::of(unit, Answer::Given)
    };
    for (reading, matches, has_ticks) in
        [(missed(2, 0), 2, true), (missed(0, 0), 0, true), (missed(2, 1), 2, false)]
    {
        let mut board = Board::of(["local".parse().unwrap()]);
        let hosted = [hosted("a", 1), hosted("b", 1)];
        let told =
            [100, 200].map(|fast| game("game-r1-0", UnitState::Ready, &hosted, ticks(fast, 0)));
        for (index, reading) in told.into_iter().chain([reading]).enumerate() {
            let seen = RegionSeen { readings: vec![reading], ..RegionSeen::default() };
            board.take(&local, at(1_000 * index as u64), Ok(seen));
        }
        let model = serde_json::to_value(board.model(at(3_000))).unwrap();
        let found = (model["matches"].as_array().unwrap().len(), &model["instances"][0]);
        assert_eq!((found.0, found.1["tick_p99_us"].is_u64()), (matches, has_ticks), "{model}");
    }
}

#[test]
fn one_that_is_silent_keeps_its_last_words_and_their_age() {
    let mut board = rollout();
    let local = "local".parse().unwrap();
    let silent = |instance, why: &str| {
        Reading::of(unit(instance, UnitState::Starting), Answer::Missing(why.to_owned()))
    };
    let readings = vec![
        silent("game-r2-0", "no answer from 127.0.0.1:7 within 800 ms"),
        silent("store-r1-0", "connection refused"),
    ];
    board.take(&local, at(2_000), Ok(RegionSeen { readings, ..RegionSeen::default() }));
    check(
        &board,
        &View::default(),
        (132, 22),
        at(6_000),
        &expect![[r"
            arenactl top · 2 regions · 2 instances · 2 matches · 4 sessions         tab pane · ↑↓ row · enter details · s sort · ? help · q quit
            ┌ Regions ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────┐
            │REGION      RELEASE  READY  OCCUPIED  DRAINING  MOVING  SESSIONS  MATCHES    NOTE                                                 │
            │eu-fra      -        0/0    0         0         0       0         -          cannot reach the engine at ssh://fra: timed out      │
            │local       -        2/2    1         0         0       4         2/8                                                             │
            └──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────┘
            ┌ Instances by name ───────────────────────────────────────────────────────────────────────────────────────────────────────────────┐
            │INSTANCE          REGION    STATE        RELEASE  SESSIONS  MATCHES   TICK P99   MOVING  RESTARTS  NOTE                           │
            │game-r2-0         local     silent 5 s   r2       4         2/8       -          0       0         no answer from 127.0.0.1:7 with│
            │store-r1-0        local     silent 5 s   r1       4         -         -          0       0         connection refused             │
            └──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────┘
            ┌ Matches by name ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────┐
            │MATCH           REGION    MODE        PLAYERS      TICK           EPOCH  OWNER                                                    │
            │a               local     arena       2 + 6 bots   600            2      game-r2-0                                                │
            │b               local     arena       2 + 6 bots   600            1      game-r2-0                                                │
            └──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────┘
            ┌ Moves ─────────────────────────────────────────────────────────┐┌ Releases ──────────────────────────────────────────────────────┐
            │STATE   MATCH          FROM → TO                 EPOCH          ││RELEASE  REGION    RUNS  NEW WORK             ROLLOUT           │
            │moved   a              game-r1-0 → game-r2-0     2      5 s ago ││r2       local     1                                            │
            │                                                                ││r1       local     1                                            │
            └────────────────────────────────────────────────────────────────┘└────────────────────────────────────────────────────────────────┘

        "]],
    );
}

#[test]
fn help_lies_over_the_panes() {
    let (board, mut view) = (rollout(), View::default());
    let model = board.model(at(1_000));
    assert_eq!(view.on(Key::Help, &model), None);
    check(
        &board,
        &view,
        (100, 24),
        at(1_000),
        &expect![[r"
            arenactl top · 2 regions · 3 instances · 3 matches · 6 sessions
            ┌ Regions ─────────────────────────────────────────────────────────────────────────────────────────┐
            │REGION      RELEASE  READY  OCCUPIED  DRAINING  MOVING  SESSIONS  MATCHES    NOTE                 │
            │eu-fra      -        0/0    0         0         0       0         -          cannot reach the engi│
            │local       r1       2/3    1         1         1       6         3/16                            │
            └─────────────┌ Help ────────────────────────────────────────────────────────────────┐─────────────┘
            ┌ Instances by│ q, ctrl-c       quit                                                 │─────────────┐
            │INSTANCE     │ tab, shift-tab  the next pane, the one before                        │G  RESTARTS  │
            │game-r1-0    │ ↑ ↓, k j        the row above, the row below                         │   0         │
            │game-r2-0    │ enter           the instance of the row: its events and last lines   │   0         │
            │store-r1-0   │ s               another order of the pane's rows                     │   0         │
            └─────────────│ esc             close                                                │─────────────┘
            ┌ Matches by n│                                                                      │─────────────┐
            │MATCH        │ occupied        ready, and hosts matches                             │             │
            │a            │ moving          drains, and matches are on their way elsewhere       │             │
            │b            │ silent          does not answer; its figures are the last it told    │             │
            └─────────────│ TICK P99        99 of 100 ticks of the last second took at most this │─────────────┘
            ┌ Moves ──────└──────────────────────────────────────────────────────────────────────┘─────────────┐
            │STATE   MATCH          FROM → T  EPOCH          ││RELEASE  REGION    RUNS  NEW WORK     ROLLOUT   │
            │moving  b              game-r1-  1              ││r2       local     1     100 %        deploy gam│
            │moved   a              game-r1-  2      0 s ago ││r1       local     2     game 0 %, s  current   │
            └────────────────────────────────────────────────┘└────────────────────────────────────────────────┘


        "]],
    );
    assert_eq!(view.on(Key::Close, &model), None);
    assert_eq!(view, View::default());
}

#[test]
fn details_of_an_instance_lie_over_the_panes() {
    let (board, mut view) = (rollout(), View::default());
    let model = board.model(at(1_000));
    let (region, instance) = ("local".parse().unwrap(), "game-r1-0".parse().unwrap());
    assert_eq!(view.on(Key::Open, &model), Some(Wish::Details(region, instance)));
    let lines = |lines: &[&str]| lines.iter().map(|it| (*it).to_owned()).collect();
    let details = Details {
        events: lines(&["2026-01-01T00:00:45Z drain game-r1-0 (up to 10m)"]),
        log: (0..40).map(|it| format!("line {it}")).collect(),
    };
    view.tell(&"game-r9-9".parse().unwrap(), Details::default());
    view.tell(&"game-r1-0".parse().unwrap(), details);
    check(
        &board,
        &view,
        (100, 24),
        at(1_000),
        &expect![[r"
            arenactl top · 2 regions · 3 instances · 3 matches · 6 sessions
            ┌ Regions ─────────────────────────────────────────────────────────────────────────────────────────┐
            │REGION ┌ game-r1-0 ───────────────────────────────────────────────────────────────────────┐       │
            │eu-fra │ state     moving                                                                 │he engi│
            │local  │ release   r1 in local                                                            │       │
            └───────│ holds     2 sessions, 1/8 matches                                                │───────┘
            ┌ Instan│ restarts  0                                                                      │───────┐
            │INSTANC│ tick p99  1.00 ms                                                                │TARTS  │
            │game-r1│ note      2 players, 1 match left, 1 moving; about 12 s to go, deadline in 9 min │       │
            │game-r2│ events    2026-01-01T00:00:45Z drain game-r1-0 (up to 10m)                       │       │
            │store-r│ log       line 29                                                                │       │
            └───────│           line 30                                                                │───────┘
            ┌ Matche│           line 31                                                                │───────┐
            │MATCH  │           line 32                                                                │       │
            │a      │           line 33                                                                │       │
            │b      │           line 34                                                                │       │
            └───────│           line 35                                                                │───────┘
            ┌ Moves │           line 36                                                                │───────┐
            │STATE  │           line 37                                                                │LOUT   │
            │moving │           line 38                                                                │loy gam│
            │moved  │           line 39                                                                │rent   │
            └───────└──────────────────────────────────────────────────────────────────────────────────┘───────┘


        "]],
    );
    assert_eq!(view.on(Key::Quit, &model), None, "it closes what lies over the panes");
    assert_eq!(view.on(Key::Quit, &model), Some(Wish::Quit));
}

#[test]
fn rows_are_chosen_by_name_whatever_the_order() {
    let (board, mut view) = (rollout(), View::default());
    let names = |view: &View| {
        let model = view.sorted(board.model(at(1_000)));
        model.instances.iter().map(|row| row.instance.to_string()).collect::<Vec<_>>().join(" ")
    };
    let chosen = |view: &View| {
        let model = view.sorted(board.model(at(1_000)));
        let row = view.row(view.pane, &model).unwrap();
        model.instances[row].instance.to_string()
    };
    let press = |view: &mut View, key| view.on(key, &view.sorted(board.model(at(1_000))));
    assert_eq!(names(&view), "game-r1-0 game-r2-0 store-r1-0");
    assert_eq!(chosen(&view), "game-r1-0");
    press(&mut view, Key::Down);
    assert_eq!(chosen(&view), "game-r2-0");
    for (sort, order) in [
        (Sort::Standing, "game-r1-0 game-r2-0 store-r1-0"),
        (Sort::Sessions, "game-r2-0 store-r1-0 game-r1-0"),
        (Sort::Matches, "game-r2-0 game-r1-0 store-r1-0"),
        (Sort::TickP99, "game-r2-0 game-r1-0 store-r1-0"),
        (Sort::Restarts, "game-r1-0 game-r2-0 store-r1-0"),
        (Sort::Name, "game-r1-0 game-r2-0 store-r1-0"),
    ] {
        press(&mut view, Key::Sort);
        assert_eq!((view.instances_by, names(&view).as_str()), (sort, order));
        assert_eq!(chosen(&view), "game-r2-0", "by {}", sort.word());
    }
    for _ in 0..9 {
        press(&mut view, Key::Down);
    }
    assert_eq!(chosen(&view), "store-r1-0");
    for _ in 0..9 {
        press(&mut view, Key::Up);
    }
    assert_eq!(chosen(&view), "game-r1-0");
}

#[test]
fn lines_are_shared_and_never_more_than_there_are() {
    let model = rollout().model(at(1_000));
    for height in 0..40 {
        let shares = heights(height, &model);
        assert!(shares[1] + shares[2] <= height, "{height}: {shares:?}");
        let all = shares.iter().sum::<u16>();
        assert!(all <= height.max(10), "{height}: {shares:?}");
    }
    assert_eq!(heights(100, &model), [5, 6, 5, 5]);
    assert_eq!(heights(19, &model), [5, 6, 3, 5]);
}
