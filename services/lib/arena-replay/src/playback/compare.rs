//! Comparing what happens with what was recorded.
use std::io::{Read, Seek};

use super::{Playback, PlaybackError, State, Step};
use crate::error::{Damage, Fault};
use crate::footer::Outcome;
use crate::frame::ChunkHead;
use crate::problem::{Divergence, Problem, WordDifference, chain};
use crate::records::TickHash;
use crate::simulation::Simulation;

impl<R: Read + Seek, S: Simulation> Playback<R, S> {
    pub(super) fn compare_hash(&mut self, recorded: TickHash) {
        while self.hashes.front().is_some_and(|it| it.tick < recorded.tick) {
            self.hashes.pop_front();
        }
        let own = self.hashes.pop_front_if(|it| it.tick == recorded.tick);
        let (Some(own), State::True) = (own, self.state) else { return };
        self.compared.hashes += 1;
        if own == recorded {
            self.equal_tick = Some(own.tick);
        } else {
            self.state = State::Astray(own.tick);
            self.problems.push(Problem::Diverged(Divergence {
                tick: own.tick,
                equal_tick: self.equal_tick,
                hashes: Some((own.hash, recorded.hash)),
                words: Vec::new(),
                word_count: 0,
            }));
        }
    }

    pub(super) fn take_keyframe(
        &mut self,
        head: ChunkHead,
        state: &[u8],
    ) -> Result<Option<Step>, PlaybackError<S::Error>> {
        match self.state {
            State::True => {
                let own = self.simulation.state().map_err(PlaybackError::Simulation)?;
                self.compared.keyframes += 1;
                if own == state {
                    self.equal_tick = Some(self.tick);
                    return Ok(None);
                }
                self.report_state(&own, state, None);
                if self.equal_tick == Some(self.tick) {
                    return Ok(None); // The recorded hash says that the keyframe is wrong, not the state.
                }
            }
            State::Astray(tick) if tick == self.tick => {
                let own = self.simulation.state().map_err(PlaybackError::Simulation)?;
                self.report_state(&own, state, Some(tick));
            }
            _ => {}
        }
        self.restore(head, state)
    }

    /// Goes on from what was recorded, not from what was simulated.
    fn restore(
        &mut self,
        head: ChunkHead,
        state: &[u8],
    ) -> Result<Option<Step>, PlaybackError<S::Error>> {
        self.state = State::Lost;
        if let Some(reason) = self.refusal(head.from, state)? {
            return Ok(self.skip(Damage::in_chunk(head, Fault::Keyframe { reason })));
        }
        self.hashes.clear();
        self.state = State::True;
        self.equal_tick = Some(self.tick);
        Ok(None)
    }

    /// Restores a state; returns why the game refuses it.
    fn refusal(
        &mut self,
        tick: u32,
        state: &[u8],
    ) -> Result<Option<String>, PlaybackError<S::Error>> {
        if let Err(error) = self.simulation.restore(state) {
            return Ok(Some(chain(&error)));
        }
        let found = self.simulation.tick().map_err(PlaybackError::Simulation)?;
        Ok((found != tick).then(|| format!("it is of tick {found}")))
    }

    fn report_state(&mut self, own: &[u8], recorded: &[u8], hash_tick: Option<u32>) {
        let name = |byte| self.simulation.word_name(byte);
        let (words, word_count) = WordDifference::between(own, recorded, name);
        if hash_tick.is_some() && self.problems.add_words(&words, word_count) {
            return;
        }
        self.problems.push(Problem::Diverged(Divergence {
            tick: self.tick,
            equal_tick: self.equal_tick,
            hashes: None,
            words,
            word_count,
        }));
    }

    /// Compares how it ends.
    pub(super) fn end(&mut self) -> Result<(), PlaybackError<S::Error>> {
        let state = std::mem::replace(&mut self.state, State::Over);
        let Some(footer) = self.reader.footer() else { return Ok(()) };
        let (last_tick, last_hash) = (footer.last_tick, footer.last_hash);
        let recorded = footer.outcome.clone();
        if last_tick != self.tick {
            self.problems.push(Problem::Short { last_tick: self.tick, expected: last_tick });
            return Ok(());
        }
        if state != State::True {
            return Ok(());
        }
        let own = self.simulation.hash().map_err(PlaybackError::Simulation)?;
        self.compared.hashes += 1;
        if own != last_hash {
            self.problems.push(Problem::Diverged(Divergence {
                tick: self.tick,
                equal_tick: self.equal_tick,
                hashes: Some((own, last_hash)),
                words: Vec::new(),
                word_count: 0,
            }));
            return Ok(());
        }
        self.equal_tick = Some(self.tick);
        self.compare_outcome(&recorded)
    }

    fn compare_outcome(&mut self, recorded: &Outcome) -> Result<(), PlaybackError<S::Error>> {
        let found = Outcome::of(&self.simulation, &recorded.reason, recorded.ended_ms)
            .map_err(PlaybackError::Simulation)?;
        // A match that goes on elsewhere has no places yet.
        let is_equal = found.reason == recorded.reason
            && (recorded.standings.is_empty() || found.standings == recorded.standings)
            && (recorded.team_scores.is_empty() || found.team_scores == recorded.team_scores);
        if !is_equal {
            self.problems.push(Problem::Outcome { found, expected: recorded.clone() });
        }
        Ok(())
    }
}
