//! What became of a player's inputs, by the inputs that a replay was played with.

use arena_sim::Input;

use crate::diary::{Sent, Stretch};

/// Ticks that an input may come late: its mark comes again after 16 inputs.
const LATE_TICKS_MAX: u32 = 12;
/// Ticks before and after the tick it was meant for in which a frame may say that it came late: it was sent three
/// ticks before.
const EVIDENCE_TICKS_BEFORE: u32 = 3;
const EVIDENCE_TICKS_AFTER: u32 = LATE_TICKS_MAX + 2;

/// What became of the inputs of a stretch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// A tick was played with it.
    pub(super) played: u64,
    /// It came late, or another one was meant for its tick: a later one won.
    pub(super) merged: u64,
    /// It was meant for a tick after the end of the match, or the player left before it was counted.
    pub(super) open: u64,
    /// Nothing was played with it: the ticks they were meant for.
    pub(super) lost_ticks: Vec<u32>,
}

/// Judges inputs by what a seat did at each tick of a match that ended at `last_tick`.
///
/// An input that frames had not counted when the next start came was never played with unless a tick shows it: it
/// is lost. One that frames did count may have given way to a later one, but only if it came late, and frames tell
/// of that; else it is lost, too.
pub(super) fn judge(
    stretch: &Stretch,
    played: impl Fn(u32) -> Option<Input>,
    last_tick: u32,
) -> Verdict {
    let mut verdict = Verdict::default();
    let mut from_tick = 0;
    let is_last = |index: usize| index >= stretch.counted;
    for (index, sent) in stretch.sent.iter().enumerate() {
        let latest = sent.tick.saturating_add(LATE_TICKS_MAX);
        let mut ticks = sent.tick.max(from_tick)..=latest.min(last_tick);
        if let Some(tick) = ticks.find(|it| played(*it).is_some_and(|it| is_of(it, *sent))) {
            verdict.played += 1;
            from_tick = tick;
        } else if sent.tick > last_tick || is_last(index) && (stretch.is_left || latest > last_tick)
        {
            verdict.open += 1;
        } else if index < stretch.counted && may_have_given_way(stretch, index) {
            verdict.merged += 1;
        } else {
            verdict.lost_ticks.push(sent.tick);
        }
    }
    verdict
}

fn is_of(played: Input, sent: Sent) -> bool {
    (played.move_x, played.move_y, played.aim) == (sent.move_x, sent.move_y, sent.aim)
}

fn may_have_given_way(stretch: &Stretch, index: usize) -> bool {
    let tick = stretch.sent[index].tick;
    let is_replaced = stretch.sent.get(index + 1).is_some_and(|it| it.tick <= tick);
    let from = tick.saturating_sub(EVIDENCE_TICKS_BEFORE);
    let first = stretch.late_ticks.partition_point(|it| *it < from);
    let late = stretch.late_ticks.get(first);
    is_replaced || late.is_some_and(|it| *it <= tick + EVIDENCE_TICKS_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(seq: u32, tick: u32) -> Sent {
        Sent { tick, move_x: (seq & 3) as i8, move_y: (seq >> 2 & 3) as i8, aim: 7 }
    }

    /// Inputs 1 to 20 for ticks 11 to 30, of which frames counted so many.
    fn stretch(counted: usize, late_ticks: &[u32]) -> Stretch {
        let sent = (1..=20).map(|seq| sent(seq, 10 + seq)).collect();
        Stretch { sent, counted, late_ticks: late_ticks.to_vec(), ..Stretch::default() }
    }

    fn held(seq: u32) -> Input {
        let Sent { move_x, move_y, aim, .. } = sent(seq, 0);
        Input { move_x, move_y, aim, buttons: 1 }
    }

    #[test]
    fn every_fate_of_an_input() {
        // Each: a name, how many frames counted, frames that tell of lateness, the sequence that each tick from 11
        // on was played with (the last one is held), the last tick, and played, merged, open, lost.
        type Case<'a> = (&'a str, usize, &'a [u32], Vec<u32>, u32, (u64, u64, u64, &'a [u32]));
        let all: Vec<u32> = (1..=20).collect();
        let without_9 = (1..=20).map(|it| if it == 9 { 8 } else { it }).collect::<Vec<_>>();
        let late_by_2 = [1, 1].into_iter().chain(1..=20).collect::<Vec<_>>();
        let merged = (1..=20).map(|it| if (6..9).contains(&it) { 5 } else { it }).collect();
        let cut: Vec<u32> = (1..=15).chain([15; 30]).collect();
        let cases: [Case<'_>; 8] = [
            ("each at its tick", 20, &[], all.clone(), 60, (20, 0, 0, &[])),
            ("all late", 20, &[], late_by_2, 60, (20, 0, 0, &[])),
            (
                "one is missing, and nothing was late",
                20,
                &[],
                without_9.clone(),
                60,
                (19, 0, 0, &[19]),
            ),
            (
                "the same, and a frame tells of lateness",
                20,
                &[21],
                without_9.clone(),
                60,
                (19, 1, 0, &[]),
            ),
            (
                "lateness of another time is no reason",
                20,
                &[9, 50],
                without_9,
                60,
                (19, 0, 0, &[19]),
            ),
            ("a stall, then the newest", 20, &[18], merged, 60, (17, 3, 0, &[])),
            ("a new start dropped the rest", 15, &[26], cut, 60, (15, 0, 0, &[26, 27, 28, 29, 30])),
            ("the match ended", 16, &[], all[..16].to_vec(), 26, (16, 0, 4, &[])),
        ];
        for (name, counted, late, played, last, (plays, merges, opens, lost)) in cases {
            let input = |tick: u32| {
                let at = (tick as usize).checked_sub(11)?;
                Some(held(*played.get(at).or(played.last())?))
            };
            let verdict = judge(&stretch(counted, late), input, last);
            let expected =
                Verdict { played: plays, merged: merges, open: opens, lost_ticks: lost.to_vec() };
            assert_eq!(verdict, expected, "{name}");
        }
    }

    #[test]
    fn of_two_for_one_tick_the_first_gives_way() {
        let sent = vec![sent(1, 11), sent(2, 12), sent(3, 12), sent(4, 13)];
        let stretch = Stretch { sent, counted: 4, ..Stretch::default() };
        let played = |tick| {
            Some(held(match tick {
                ..=11 => 1,
                12 => 3,
                _ => 4,
            }))
        };
        let verdict = judge(&stretch, played, 40);
        assert_eq!((verdict.played, verdict.merged, verdict.lost_ticks.len()), (3, 1, 0));
    }

    #[test]
    fn without_a_replay_nothing_was_played() {
        let verdict = judge(&stretch(20, &[]), |_| None, 0);
        assert_eq!((verdict.played, verdict.open), (0, 20));
    }

    #[test]
    fn what_a_player_sent_just_before_it_left_need_not_count() {
        let left = Stretch { is_left: true, ..stretch(17, &[]) };
        let verdict = judge(&left, |tick| Some(held((tick - 10).min(16))), 60);
        let expected = Verdict { played: 16, open: 3, lost_ticks: vec![27], ..Verdict::default() };
        assert_eq!(verdict, expected, "17 was counted, and no tick was played with it");
    }
}
