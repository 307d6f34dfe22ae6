use arena_types::ReleaseId;
use arena_wire::play::encode_frame;

use super::*;

fn start(id: u64, input_seq: u32) -> MatchStart {
    MatchStart {
        match_id: MatchId::from_u64(id),
        seat: 0,
        epoch: Epoch(2),
        owner: "game-r1-1".parse().unwrap(),
        release: ReleaseId(1),
        game: "arena".to_owned(),
        mode: "arena".to_owned(),
        tick: Tick(0),
        input_seq,
        event_seq: 4,
        rules: "{}".to_owned(),
        seats: vec![],
    }
}

const PACE: Pace = Pace { ticks_per_frame: 2, now_ms: 0 };

fn watch() -> Watch {
    Watch::new(&start(1, 0), 1, PACE)
}

fn frame(tick: u32, epoch: u32, input_seq: u32) -> Vec<u8> {
    let head = FrameHead {
        tick: Tick(0),
        baseline: None,
        input_seq,
        lead: 0,
        finished: false,
        epoch: Epoch(epoch),
    };
    encode_frame(head, &View { tick, ..View::default() }, None, Vec::new())
}

fn event(seq: u32, kind: EventKind) -> Event {
    Event { seq, tick: Tick(1), kind }
}

fn step(gap_ms: u64, missed_ticks: u32) -> Step {
    Step { gap_ms: Some(gap_ms), missed_ticks, ..Step::default() }
}

const KILL: EventKind = EventKind::Kill { killer: 1, victim: 2 };

#[test]
fn ticks_and_epochs_never_fall() {
    let mut it = watch();
    assert_eq!(it.frame(&frame(10, 2, 0), 30), Ok(Step::default()));
    assert_eq!(it.frame(&frame(10, 2, 0), 60), Err(Violation::TickFell { tick: 10, last: 10 }));
    assert_eq!(it.frame(&frame(8, 2, 0), 60), Err(Violation::TickFell { tick: 8, last: 10 }));
    assert_eq!(it.frame(&frame(12, 1, 0), 60), Err(Violation::EpochFell { epoch: 1, last: 2 }));
    let moved = Step { was_moved: true, ..step(34, 0) };
    assert_eq!(it.frame(&frame(12, 3, 0), 64), Ok(moved));
    assert_eq!(it.frame(&frame(14, 2, 0), 90), Err(Violation::EpochFell { epoch: 2, last: 3 }));
}

#[test]
fn frames_of_another_game_are_held_without_being_read() {
    let snakes = MatchStart { game: "snakes".to_owned(), ..start(1, 0) };
    let mut it = Watch::new(&snakes, 1, PACE);
    let frame = |tick, baseline: Option<u32>| {
        let head = FrameHead {
            tick: Tick(tick),
            baseline: baseline.map(Tick),
            input_seq: 0,
            lead: 0,
            finished: false,
            epoch: Epoch(2),
        };
        [head.encode(Vec::new()), vec![0xff; 9]].concat()
    };
    it.frame(&frame(10, None), 30).unwrap();
    it.frame(&frame(12, Some(10)), 60).unwrap();
    let unknown = Violation::Decode(DecodeError::NoBaseline { tick: 11 });
    assert_eq!(it.frame(&frame(14, Some(11)), 90), Err(unknown));
    assert_eq!((it.newest(), it.inputs(90).len()), (Tick(12), 2));
}

#[test]
fn only_sent_inputs_are_counted_and_soon() {
    let mut it = watch();
    it.frame(&frame(10, 2, 0), 0).unwrap();
    assert_eq!(it.inputs(0).last().unwrap().seq, 2);
    let none = Violation::Miscounted { counted: 3, before: 0, sent: 2 };
    assert_eq!(it.frame(&frame(12, 2, 3), 30), Err(none));
    it.frame(&frame(14, 2, 1), 60).unwrap();
    let fewer = Violation::Miscounted { counted: 0, before: 1, sent: 2 };
    assert_eq!(it.frame(&frame(16, 2, 0), 90), Err(fewer));
    let errors: Vec<_> = (0..80)
        .filter_map(|n| it.frame(&frame(18 + 2 * n, 2, 1), 120 + 33 * u64::from(n)).err())
        .collect();
    assert!(
        matches!(errors.as_slice(), [Violation::Unacknowledged { counted: 1, sent: 2, .. }]),
        "{errors:?}"
    );
}

#[test]
fn a_pause_of_the_frames_is_no_delay_of_inputs() {
    let mut it = watch();
    it.frame(&frame(10, 2, 0), 0).unwrap();
    it.inputs(0);
    assert_eq!(it.frame(&frame(12, 2, 0), 5_000), Ok(step(5_000, 0)));
    let counted = Step { latencies_ms: vec![5_030, 5_030], ..step(30, 0) };
    assert_eq!(it.frame(&frame(14, 2, 2), 5_030), Ok(counted));
}

#[test]
fn an_input_has_the_latency_to_the_first_frame_that_counts_it() {
    let mut it = watch();
    it.frame(&frame(10, 2, 0), 0).unwrap();
    it.inputs(0);
    it.frame(&frame(12, 2, 0), 33).unwrap();
    it.inputs(33);
    assert_eq!(it.frame(&frame(14, 2, 1), 66).unwrap().latencies_ms, [66]);
    assert_eq!(it.frame(&frame(16, 2, 4), 99).unwrap().latencies_ms, [99, 66, 66]);
    assert_eq!(it.frame(&frame(18, 2, 4), 130).unwrap().latencies_ms, [0; 0]);
}

#[test]
fn events_come_once_and_in_order_until_the_end() {
    let mut it = watch();
    assert_eq!(it.event(&event(5, KILL)), Ok(false));
    assert_eq!(it.event(&event(5, KILL)), Ok(false));
    assert_eq!(it.event(&event(7, KILL)), Err(Violation::EventGap { seq: 7, last: 5 }));
    assert_eq!(it.event(&event(8, EventKind::End { standings: vec![] })), Ok(true));
    assert_eq!(it.last_event(), 8);
}

#[test]
fn a_resumed_match_sends_again_what_the_game_does_not_have() {
    let mut it = watch();
    it.frame(&frame(10, 2, 0), 0).unwrap();
    it.inputs(0);
    it.inputs(30);
    let Restart { given_up, again } = it.restart(&start(1, 2)).unwrap().unwrap();
    let again: Vec<_> = again.iter().map(|it| (it.seq, it.ack_tick)).collect();
    assert_eq!((given_up, again), (0, vec![(3, Tick(10)), (4, Tick(10))]));
    assert_eq!(it.inputs(60).first().unwrap().seq, 5, "sequences go on");
    it.frame(&frame(12, 2, 1), 60).unwrap();
    assert_eq!(it.restart(&start(1, 6)), Ok(Some(Restart::default())), "it has them all");
    assert_eq!(it.restart(&start(9, 0)), Ok(None));
}

#[test]
fn a_game_that_counts_anew_has_lost_what_it_had_not_counted() {
    let mut it = watch();
    it.frame(&frame(10, 2, 0), 0).unwrap();
    (0..60).for_each(|_| drop(it.inputs(0)));
    it.frame(&frame(12, 2, 20), 30).unwrap();
    let anew = Restart { given_up: 100, again: Vec::new() };
    assert_eq!(it.restart(&start(1, 65_536)), Ok(Some(anew)));
    assert_eq!(it.inputs(10).first().unwrap().seq, 65_537);
    assert_eq!(it.newest(), Tick(12));
}

#[test]
fn an_owner_that_knows_less_than_frames_counted_gets_it_again() {
    let mut it = watch();
    it.frame(&frame(10, 2, 0), 0).unwrap();
    (0..60).for_each(|_| drop(it.inputs(0)));
    it.frame(&frame(12, 2, 20), 30).unwrap();
    let Restart { given_up, again } = it.restart(&start(1, 15)).unwrap().unwrap();
    let seqs: Vec<_> = again.iter().map(|it| it.seq).collect();
    assert_eq!((given_up, seqs), (0, (16..=120).collect()));
    it.frame(&frame(14, 2, 17), 60).unwrap();
    assert_eq!(it.inputs(10).first().unwrap().seq, 121);
}

#[test]
fn frames_that_never_came_are_counted_those_of_an_absence_too() {
    let mut it = watch();
    let cases = [(100, 0, Step::default()), (102, 30, step(30, 0)), (108, 130, step(100, 4))];
    for (tick, now_ms, step) in cases {
        assert_eq!(it.frame(&frame(tick, 2, 0), now_ms), Ok(step), "{tick}");
    }
    it.restart(&start(1, 0)).unwrap();
    let away = Step { was_away: true, ..step(10_000, 598) };
    assert_eq!(it.frame(&frame(709, 2, 0), 10_130), Ok(away));
    assert_eq!(it.frame(&frame(711, 2, 0), 10_160), Ok(step(30, 0)));
}

#[test]
fn silence_counts_while_it_lasts() {
    let mut it = watch();
    assert_eq!((it.silent_ms(2_999), it.silent_ms(9_000)), (0, 6_000), "not one frame came");
    it.frame(&frame(10, 2, 0), 9_500).unwrap();
    assert_eq!(it.silent_ms(9_800), 300);
}

#[test]
fn what_cannot_be_read_is_a_violation() {
    assert!(matches!(watch().frame(&[0x85, 1], 0), Err(Violation::Decode(_))));
}
