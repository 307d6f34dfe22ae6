//! Many matches, and who watches them.

use std::cmp::Reverse;

use arena_sdk::{
    Audience, Frame, ImportError, Input, Outcome, PinnedRules, SeatInputs, Slots, Standing,
    StateHash, TickOutput, Viewer, WorldError, WorldId, Worlds,
};

use crate::board::Board;
use crate::rules::Rules;
use crate::view::{Sight, View};
use crate::{NAME, bots, state};

/// Matches at once; a machine steps far fewer in time.
const MATCHES_MAX: usize = 1 << 16;
/// Viewers of one match.
const VIEWERS_MAX: usize = 32;

/// Matches of snakes.
#[derive(Debug)]
pub(crate) struct SnakeWorlds {
    matches: Slots<Match>,
}

#[derive(Debug)]
struct Match {
    board: Board,
    rules: Rules,
    view: View,
    viewers: Vec<Sight>,
}

impl Default for SnakeWorlds {
    fn default() -> Self {
        Self { matches: Slots::new(MATCHES_MAX) }
    }
}

impl SnakeWorlds {
    fn place(&mut self, board: Board, rules: Rules) -> Result<WorldId, WorldError> {
        let (view, viewers) = (View::default(), Vec::new());
        self.matches.insert(Match { board, rules, view, viewers })
    }

    fn sight(&mut self, id: WorldId, viewer: Viewer) -> Result<&mut Sight, WorldError> {
        let viewers = &mut self.matches.get_mut(id)?.viewers;
        viewers.get_mut(viewer.0 as usize).ok_or(WorldError::Stale { id })
    }
}

fn parsed(rules: &PinnedRules) -> Result<Rules, WorldError> {
    rules.parsed().copied().ok_or(WorldError::Rules { found: rules.game(), expected: NAME })
}

impl Worlds for SnakeWorlds {
    fn backend(&self) -> &'static str {
        "cpu"
    }

    fn create(&mut self, seed: u32, rules: &PinnedRules) -> Result<WorldId, WorldError> {
        self.place(Board::new(seed), parsed(rules)?)
    }

    fn free(&mut self, id: WorldId) -> Result<(), WorldError> {
        self.matches.remove(id).map(drop)
    }

    fn step(
        &mut self,
        ids: &[WorldId],
        inputs: &[SeatInputs],
        outputs: &mut [TickOutput],
    ) -> Result<(), WorldError> {
        self.matches.check(ids, inputs.len(), outputs.len())?;
        for ((id, inputs), output) in ids.iter().zip(inputs).zip(outputs) {
            let Match { board, rules, .. } = self.matches.get_mut(*id)?;
            board.step(inputs, rules, output);
        }
        Ok(())
    }

    fn export(&self, id: WorldId) -> Result<Vec<u8>, WorldError> {
        let Match { board, rules, .. } = self.matches.get(id)?;
        Ok(state::encode(board, rules))
    }

    fn import(&mut self, bytes: &[u8], rules: &PinnedRules) -> Result<WorldId, ImportError> {
        let rules = parsed(rules).map_err(ImportError::Place)?;
        let board = state::decode(bytes, &rules);
        let board = board.map_err(|error| ImportError::State(Box::new(error)))?;
        self.place(board, rules).map_err(ImportError::Place)
    }

    fn state_hash(&self, id: WorldId) -> Result<StateHash, WorldError> {
        let Match { board, rules, .. } = self.matches.get(id)?;
        Ok(state::hash(board, rules))
    }

    fn tick(&self, id: WorldId) -> Result<u32, WorldError> {
        Ok(self.matches.get(id)?.board.tick)
    }

    fn outcome(&self, id: WorldId) -> Result<Outcome, WorldError> {
        let Match { board, rules, .. } = self.matches.get(id)?;
        let taken = board.snakes.iter().enumerate().filter(|(_, it)| it.taken);
        let standing = |(seat, it): (usize, &crate::board::Snake)| Standing {
            seat: seat as u8,
            rank: 0,
            kills: it.points,
            deaths: it.deaths,
            bot: it.bot,
        };
        let mut standings: Vec<Standing> = taken.map(standing).collect();
        standings.sort_by_key(|it| (Reverse(it.kills), it.deaths, it.seat));
        for index in 0..standings.len() {
            let value = |it: &Standing| (it.kills, it.deaths);
            let level = index > 0 && value(&standings[index - 1]) == value(&standings[index]);
            standings[index].rank = if level { standings[index - 1].rank } else { index as u8 + 1 };
        }
        let finished = board.is_over(rules).then_some("time");
        Ok(Outcome { finished, standings, team_scores: Vec::new() })
    }

    fn bot(&self, id: WorldId, seat: u8, seed: u32) -> Result<Input, WorldError> {
        let Match { board, rules, .. } = self.matches.get(id)?;
        Ok(bots::input(board, rules, usize::from(seat), seed))
    }

    fn word_name(&self, _: &PinnedRules, byte: usize) -> Option<String> {
        state::word_name(byte)
    }
}

impl Audience for SnakeWorlds {
    fn watch(&mut self, id: WorldId, _seat: u8) -> Result<Viewer, WorldError> {
        let viewers = &mut self.matches.get_mut(id)?.viewers;
        if viewers.len() == VIEWERS_MAX {
            return Err(WorldError::Crowded { viewers: VIEWERS_MAX });
        }
        viewers.push(Sight::default());
        Ok(Viewer(viewers.len() as u32 - 1))
    }

    fn acknowledge(&mut self, id: WorldId, viewer: Viewer, tick: u32) -> Result<(), WorldError> {
        self.sight(id, viewer)?.sent.acknowledge(tick);
        Ok(())
    }

    fn resume(&mut self, id: WorldId, viewer: Viewer, tick: u32) -> Result<(), WorldError> {
        self.sight(id, viewer)?.sent.resume(tick);
        Ok(())
    }

    fn look(&mut self, id: WorldId) -> Result<(), WorldError> {
        let of = self.matches.get_mut(id)?;
        of.view = View::of(&of.board);
        Ok(())
    }

    fn frame(&mut self, id: WorldId, viewer: Viewer) -> Result<Option<Frame>, WorldError> {
        let Match { view, viewers, .. } = self.matches.get_mut(id)?;
        let sight = viewers.get_mut(viewer.0 as usize).ok_or(WorldError::Stale { id })?;
        Ok(sight.frame(view))
    }
}
