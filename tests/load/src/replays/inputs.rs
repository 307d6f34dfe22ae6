//! What became of a player's inputs, by the inputs that a replay was played with.

use arena_sim::Input;

use crate::diary::{Sent, Stretch};

/// Ticks that an input may come late: its mark comes again after 16 inputs.
const LATE_TICKS_MAX: u32 = 12;

/// What became of the inputs of a stretch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// A tick was played with it.
    pub(super) played: u64,
    /// It was meant for a tick after the end of the match, or the player left before it was counted.
    pub(super) open: u64,
    /// Frames counted it, and a later one was played: the ticks they were meant for.
    pub(super) merged_ticks: Vec<u32>,
    /// No frame counted it, and nothing was played with it: the ticks they were meant for.
    pub(super) lost_ticks: Vec<u32>,
}

/// Judges inputs by what a seat did at each tick of a match that ended at `last_tick`.
///
/// An input that frames had not counted when the next start came was never played with unless a tick shows it.
/// One that frames did count gave way to a later one for the same tick if no tick shows it: it came late.
pub(super) fn judge(
    stretch: &Stretch,
    played: impl Fn(u32) -> Option<Input>,
    last_tick: u32,
) -> Verdict {
    let mut verdict = Verdict::default();
    let mut from_tick = 0;
    for (index, sent) in stretch.sent.iter().enumerate() {
        let latest = sent.tick.saturating_add(LATE_TICKS_MAX);
        let mut ticks = sent.tick.max(from_tick)..=latest.min(last_tick);
        if let Some(tick) = ticks.find(|it| played(*it).is_some_and(|it| is_of(it, *sent))) {
            verdict.played += 1;
            from_tick = tick;
        } else if sent.tick > last_tick {
            verdict.open += 1;
        } else if index < stretch.counted {
            verdict.merged_ticks.push(sent.tick);
        } else if stretch.is_left || latest > last_tick {
            verdict.open += 1;
        } else {
            verdict.lost_ticks.push(sent.tick);
        }
    }
    verdict
}

fn is_of(played: Input, sent: Sent) -> bool {
    (played.move_x, played.move_y, played.aim) == (sent.move_x, sent.move_y, sent.aim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(seq: u32, tick: u32) -> Sent {
        Sent { tick, move_x: (seq & 3) as i8, move_y: (seq >> 2 & 3) as i8, aim: 7 }
    }

    /// Inputs 1 to 20 for ticks 11 to 30, of which frames counted so many.
    fn stretch(counted: usize) -> Stretch {
        let sent = (1..=20).map(|seq| sent(seq, 10 + seq)).collect();
        Stretch { sent, counted, ..Stretch::default() }
    }

    fn held(seq: u32) -> Input {
        let Sent { move_x, move_y, aim, .. } = sent(seq, 0);
        Input { move_x, move_y, aim, buttons: 1 }
    }

    /// Played, open, merged, lost.
    type Fates<'a> = (u64, u64, &'a [u32], &'a [u32]);

    #[test]
    fn every_fate_of_an_input() {
        let all: Vec<u32> = (1..=20).collect();
        let late_by_2 = [1, 1].into_iter().chain(1..=20).collect::<Vec<_>>();
        let stalled = (1..=20).map(|it| if (6..9).contains(&it) { 5 } else { it }).collect();
        let cut: Vec<u32> = (1..=15).chain([15; 30]).collect();
        // How many frames counted, the sequence that each tick from 11 on was played with (the last one is held), the
        // last tick.
        let cases: [(&str, usize, Vec<u32>, u32, Fates<'_>); 6] = [
            ("each at its tick", 20, all.clone(), 60, (20, 0, &[], &[])),
            ("all late", 20, late_by_2, 60, (20, 0, &[], &[])),
            ("a stall, then the newest", 20, stalled, 60, (17, 0, &[16, 17, 18], &[])),
            ("a new start made an end of them", 15, cut, 60, (15, 0, &[], &[26, 27, 28, 29, 30])),
            ("they were played, and no frame said so", 15, all.clone(), 60, (20, 0, &[], &[])),
            ("the match ended", 16, all[..16].to_vec(), 26, (16, 4, &[], &[])),
        ];
        for (name, counted, played, last, (plays, opens, merged, lost)) in cases {
            let input = |tick: u32| {
                let at = (tick as usize).checked_sub(11)?;
                Some(held(*played.get(at).or(played.last())?))
            };
            let verdict = judge(&stretch(counted), input, last);
            let expected = Verdict {
                played: plays,
                open: opens,
                merged_ticks: merged.to_vec(),
                lost_ticks: lost.to_vec(),
            };
            assert_eq!(verdict, expected, "{name}");
        }
    }

    #[test]
    fn without_a_replay_nothing_was_played() {
        let verdict = judge(&stretch(20), |_| None, 0);
        assert_eq!((verdict.played, verdict.open), (0, 20));
    }

    #[test]
    fn what_a_player_sent_just_before_it_left_need_not_count() {
        let left = Stretch { is_left: true, ..stretch(17) };
        let verdict = judge(&left, |tick| Some(held((tick - 10).min(16))), 60);
        assert_eq!((verdict.played, verdict.open), (16, 3), "{verdict:?}");
        assert_eq!(verdict.merged_ticks, [27], "17 was counted, and no tick was played with it");
    }
}
