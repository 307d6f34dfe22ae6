//! Playing a replay again, and comparing what was recorded with what happens.
mod compare;

use std::collections::VecDeque;
use std::io::{Read, Seek};

use arena_sim::SeatInputs;

use crate::codec::{Chunk, Content};
use crate::error::{Damage, Fault, ReadError};
use crate::frame::{ChunkHead, ChunkKind};
use crate::problem::{Problem, Problems};
use crate::reader::Reader;
use crate::records::{Event, Note, TickHash};
use crate::simulation::Simulation;

/// Hashes of our own that wait for recorded ones; a writer makes them wait for 64.
const HASHES_WAITING_MAX: usize = 4_096;

/// A match that is played again.
pub struct Playback<R, S> {
    reader: Reader<R>,
    simulation: S,
    state: State,
    tick: u32,
    inputs: Vec<SeatInputs>,
    played: usize,
    events: VecDeque<Event>,
    notes: VecDeque<Note>,
    hashes: VecDeque<TickHash>,
    /// The last tick whose state is known to be the recorded one.
    equal_tick: Option<u32>,
    compared: Compared,
    problems: Problems,
}

/// Where a simulation stands with its replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It has no state yet, and waits for a keyframe.
    Lost,
    /// It takes the course that was recorded, as far as is known.
    True,
    /// At this tick it was found to take another.
    Astray(u32),
    /// There is nothing more.
    Over,
}

/// How much was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Ticks simulated.
    pub ticks: u64,
    /// State hashes compared.
    pub hashes: u64,
    /// Keyframes compared.
    pub keyframes: u64,
}

/// What one step did.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// These ticks were simulated: from the first to the tick reached.
    Ticks(u32, u32),
    /// The tick of this event is reached.
    Event(Event),
    /// There is something to know.
    Note(Note),
    /// Something is missing; it goes on at the keyframe of this tick.
    Jump(u32),
    /// There is nothing more.
    End,
}

/// Why a replay cannot be played at all.
#[derive(Debug, thiserror::Error)]
pub enum PlaybackError<E: std::error::Error + 'static> {
    /// The file cannot be read.
    #[error("cannot read the replay")]
    Read(#[source] ReadError),
    /// This build cannot play the match, or the machine fails.
    #[error("cannot play the match")]
    Simulation(#[source] E),
    /// There is no such tick.
    #[error("tick {tick} is not in the replay, which has {first} to {last}")]
    Beyond {
        /// The tick asked for.
        tick: u32,
        /// The first there is.
        first: u32,
        /// The last there is.
        last: u32,
    },
    /// The ticks that are asked for are there, but not as they were played.
    #[error("the replay does not verify: {0}")]
    Untrue(Box<Problem>),
}

impl<R: Read + Seek, S: Simulation> Playback<R, S> {
    /// Goes to the first tick of a replay.
    ///
    /// # Errors
    /// [`PlaybackError::Simulation`] if this build cannot play the match.
    pub fn new(reader: Reader<R>, simulation: S) -> Result<Self, PlaybackError<S::Error>> {
        let mut playback = Self {
            reader,
            simulation,
            state: State::Lost,
            tick: 0,
            inputs: Vec::new(),
            played: 0,
            events: VecDeque::new(),
            notes: VecDeque::new(),
            hashes: VecDeque::new(),
            equal_tick: None,
            compared: Compared::default(),
            problems: Problems::default(),
        };
        playback.rewind()?;
        Ok(playback)
    }

    /// Returns the simulation as it stands.
    #[must_use]
    pub fn simulation(&self) -> &S {
        &self.simulation
    }

    /// Returns the simulation, to be asked; who steps it leaves the recorded course.
    pub fn simulation_mut(&mut self) -> &mut S {
        &mut self.simulation
    }

    /// Returns the file.
    #[must_use]
    pub fn reader(&self) -> &Reader<R> {
        &self.reader
    }

    /// Gives the file back.
    #[must_use]
    pub fn into_reader(self) -> Reader<R> {
        self.reader
    }

    /// Returns the tick reached.
    #[must_use]
    pub fn tick(&self) -> u32 {
        self.tick
    }

    /// Returns the inputs of the ticks that the last step simulated.
    #[must_use]
    pub fn last_inputs(&self, count: usize) -> &[SeatInputs] {
        &self.inputs[self.played.saturating_sub(count)..self.played]
    }

    /// Returns what is wrong, as far as it was played.
    #[must_use]
    pub fn problems(&self) -> &Problems {
        &self.problems
    }

    /// Returns how much was compared.
    #[must_use]
    pub fn compared(&self) -> Compared {
        self.compared
    }

    /// Returns the last tick whose state is known to be the recorded one.
    #[must_use]
    pub fn proven_tick(&self) -> Option<u32> {
        self.equal_tick
    }

    /// Goes to `tick`: to the nearest keyframe before it, and on from there.
    ///
    /// # Errors
    /// [`PlaybackError::Beyond`], [`PlaybackError::Untrue`] if something on the way is wrong.
    pub fn seek(&mut self, tick: u32) -> Result<(), PlaybackError<S::Error>> {
        let (first, last) = (self.reader.header().first_tick, self.reader.last_tick());
        if tick < first || tick > last {
            return Err(PlaybackError::Beyond { tick, first, last });
        }
        self.rewind()?;
        if let Some(place) = self.reader.seek(tick) {
            (self.state, self.tick) = (State::Lost, place.tick);
        }
        while self.state == State::Lost || self.tick < tick {
            let step = self.step(tick.saturating_sub(self.tick))?;
            if let Some(problem) = self.problems.list().first() {
                return Err(PlaybackError::Untrue(Box::new(problem.clone())));
            }
            if step == Step::End && self.tick == tick {
                return Ok(()); // a keyframe is the last thing in the file
            }
            if step == Step::End {
                return Err(PlaybackError::Beyond { tick, first, last: self.tick });
            }
        }
        Ok(())
    }

    /// Simulates up to `max` ticks, or does the next thing that comes before them. With a `max` of 0 it
    /// does all that there is to do at this tick, and then says so by [`Step::Ticks`] of no tick.
    ///
    /// # Errors
    /// [`PlaybackError::Read`], [`PlaybackError::Simulation`]; what is wrong with the replay is no error
    /// but goes to [`Playback::problems`].
    pub fn step(&mut self, max: u32) -> Result<Step, PlaybackError<S::Error>> {
        loop {
            if self.events.front().is_some_and(|it| it.tick <= self.tick) {
                return Ok(self.events.pop_front().map_or(Step::End, Step::Event));
            }
            if let Some(note) = self.notes.pop_front() {
                return Ok(Step::Note(note));
            }
            if self.state == State::Over {
                return Ok(Step::End);
            }
            if self.played < self.inputs.len() {
                return self.play(max);
            }
            let chunk = match self.reader.next_chunk() {
                Ok(chunk) => chunk,
                Err(ReadError::Damaged(damage)) => match self.skip(damage) {
                    Some(step) => return Ok(step),
                    None => continue,
                },
                Err(error) => return Err(PlaybackError::Read(error)),
            };
            let Some(chunk) = chunk else {
                self.end()?;
                continue;
            };
            if let Some(step) = self.take(chunk)? {
                return Ok(step);
            }
        }
    }

    fn rewind(&mut self) -> Result<(), PlaybackError<S::Error>> {
        self.reader.rewind();
        self.simulation.start(self.reader.header()).map_err(PlaybackError::Simulation)?;
        let first = self.reader.header().first_tick;
        self.state = if first == 0 { State::True } else { State::Lost };
        (self.tick, self.played, self.equal_tick) = (first, 0, None);
        self.inputs.clear();
        self.events.clear();
        self.notes.clear();
        self.hashes.clear();
        Ok(())
    }

    fn play(&mut self, max: u32) -> Result<Step, PlaybackError<S::Error>> {
        let every = self.reader.header().hash_ticks;
        let until_hash = every - self.tick % every;
        let until_event = self.events.front().map_or(u32::MAX, |it| it.tick - self.tick);
        let ready = (self.inputs.len() - self.played) as u32;
        let count = max.min(ready).min(until_hash).min(until_event);
        let inputs = &self.inputs[self.played..self.played + count as usize];
        self.simulation.advance(inputs).map_err(PlaybackError::Simulation)?;
        let from = self.tick;
        self.played += count as usize;
        self.tick += count;
        self.compared.ticks += u64::from(count);
        self.check_running(count)?;
        if count == until_hash {
            let hash = self.simulation.hash().map_err(PlaybackError::Simulation)?;
            if self.hashes.len() >= HASHES_WAITING_MAX {
                self.hashes.pop_front();
            }
            self.hashes.push_back(TickHash { tick: self.tick, hash });
        }
        Ok(Step::Ticks(from, self.tick))
    }

    /// A match that is over does not change any more, so inputs after its end are none of it.
    fn check_running(&mut self, count: u32) -> Result<(), PlaybackError<S::Error>> {
        if self.state != State::True || count == 0 {
            return Ok(());
        }
        let over = self.simulation.tick().map_err(PlaybackError::Simulation)?;
        if over != self.tick {
            self.state = State::Astray(over);
            self.problems.push(Problem::Overrun { over, tick: self.tick });
        }
        Ok(())
    }

    fn take(&mut self, chunk: Chunk) -> Result<Option<Step>, PlaybackError<S::Error>> {
        match chunk.content {
            Content::Inputs(_) if self.state == State::Lost => {
                return Ok(self.skip(Damage::in_chunk(chunk.head, Fault::NoState)));
            }
            Content::Inputs(inputs) => (self.inputs, self.played) = (inputs, 0),
            Content::Keyframe(state) => return self.take_keyframe(chunk.head, &state),
            Content::Hashes(hashes) => hashes.into_iter().for_each(|it| self.compare_hash(it)),
            Content::Events(events) => self.events.extend(events),
            Content::Meta(notes) => self.notes.extend(notes),
            Content::Other => {}
        }
        Ok(None)
    }

    /// Notes damage, and goes on behind it if nothing that counts is missing, else at the next keyframe.
    fn skip(&mut self, damage: Damage) -> Option<Step> {
        let (offset, head) = (damage.offset, damage.chunk);
        self.problems.push(Problem::Damaged(self.reader.with_ticks(damage, self.tick)));
        let needed = |it: &ChunkHead| match it.kind {
            ChunkKind::Inputs => true,
            ChunkKind::Keyframe => self.state != State::True || it.to != self.tick,
            _ => false,
        };
        if let Some(head) = head.filter(|it| !needed(it)) {
            self.reader.pass(head);
            return None;
        }
        self.inputs.clear();
        self.hashes.clear();
        self.events.clear();
        self.played = 0;
        let Some(place) = self.reader.skip(offset) else {
            self.state = State::Over;
            return Some(Step::End);
        };
        (self.state, self.tick) = (State::Lost, place.tick);
        Some(Step::Jump(place.tick))
    }
}

impl<R, S> std::fmt::Debug for Playback<R, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Playback").field("tick", &self.tick).finish_non_exhaustive()
    }
}
