//! One replay: simulated again, and compared with what players saw.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use arena_game_arena::{own_view, player_view};
use arena_replay::arena::{ArenaError, ArenaMatch, GAME};
use arena_replay::{
    GameError, GameMatch, Playback, PlaybackError, Problem, ReadError, Reader, Simulation as _,
    Step, verify,
};
use arena_sim::{CpuBackend, SeatInputs, WorldView};

use crate::diary::{Diary, Sight};

/// The reason of an outcome of a match that was ended with its instance, before its rules did.
const CUT: &str = "drained";
/// Frames of one replay that differ and are told of.
const DIFFERENCES_MAX: usize = 4;

/// Why a replay cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub(super) enum FilmError {
    #[error("open the replay")]
    Open(#[from] std::io::Error),
    #[error("read the replay")]
    Read(#[from] ReadError),
    #[error(transparent)]
    Game(#[from] arena_games::UnknownGame),
    #[error("verify the replay")]
    Verify(#[from] PlaybackError<GameError>),
    #[error("play the replay")]
    Play(#[from] PlaybackError<ArenaError>),
    #[error("hash a state")]
    Hash(#[from] ArenaError),
}

/// What a replay says.
#[derive(Debug)]
pub(super) struct Film {
    pub(super) epoch: u32,
    pub(super) first_tick: u32,
    pub(super) last_tick: u32,
    pub(super) first_hash: u64,
    /// Of the states from the first tick on.
    hashes: Vec<u64>,
    inputs: Vec<SeatInputs>,
    pub(super) is_unfinished: bool,
    /// The match was ended before its rules did.
    pub(super) is_cut: bool,
    /// Its states and inputs are those of the arena, which players' sights and inputs are compared with.
    pub(super) is_arena: bool,
    /// What is wrong with it, but that it has no end.
    pub(super) problems: Vec<String>,
    /// Frames that were compared with what was simulated.
    pub(super) compared: u64,
    /// What those show that is not so.
    pub(super) differences: Vec<String>,
}

type Played = Playback<BufReader<File>, ArenaMatch<CpuBackend>>;

impl Film {
    /// Simulates the replay of the owner of an epoch twice: once to compare it with all that is recorded, once to
    /// compare it with what that owner showed. Only the arena's frames can be read, so replays of other games are compared with themselves alone.
    pub(super) fn read(path: &Path, epoch: u32, diaries: &[Diary]) -> Result<Self, FilmError> {
        let reader = open(path)?;
        let header = reader.header().clone();
        let last_tick = reader.last_tick();
        let is_cut = reader.footer().is_some_and(|it| it.outcome.reason == CUT);
        let game = arena_games::find(&header.game)?;
        let verification = verify(reader, GameMatch::new(game), |_| ())?;
        let all = verification.problems.list();
        // One that broke off early may hold nothing to compare; what it lacks is a gap.
        let is_end = |it: &&Problem| matches!(it, Problem::Unfinished(_) | Problem::Unproven);
        let mut film = Self {
            epoch,
            first_tick: header.first_tick,
            last_tick,
            first_hash: 0,
            hashes: Vec::new(),
            inputs: Vec::new(),
            is_unfinished: all.iter().any(|it| is_end(&it)),
            is_cut,
            is_arena: header.game == GAME,
            problems: all.iter().filter(|it| !is_end(it)).map(ToString::to_string).collect(),
            compared: 0,
            differences: Vec::new(),
        };
        if film.is_arena {
            let mut playback = Playback::new(open(path)?, ArenaMatch::on_cpu())?;
            playback.seek(film.first_tick)?;
            film.play(&mut playback, diaries)?;
        }
        Ok(film)
    }

    /// Returns the inputs that made the state of a tick.
    pub(super) fn inputs_of(&self, tick: u32) -> Option<&SeatInputs> {
        let before = tick.checked_sub(1)?.checked_sub(self.first_tick)?;
        self.inputs.get(before as usize)
    }

    /// Returns the hash of the state of a tick.
    pub(super) fn hash_at(&self, tick: u32) -> Option<u64> {
        self.hashes.get(tick.checked_sub(self.first_tick)? as usize).copied()
    }

    fn play(&mut self, playback: &mut Played, diaries: &[Diary]) -> Result<(), FilmError> {
        // What an owner showed that died before anybody else had it is taken back: a later one's course is its own.
        let seats = diaries.iter().flat_map(|it| {
            let own = it.sights.iter().filter(|(epoch, _)| *epoch == self.epoch);
            own.map(|(_, sight)| (it.seat, sight))
        });
        let mut seen: Vec<(u8, &Sight)> = seats.collect();
        seen.sort_unstable_by_key(|(_, sight)| sight.tick);
        let mut next = seen.partition_point(|(_, sight)| sight.tick < self.first_tick);
        self.first_hash = playback.simulation().hash()?;
        self.hashes.push(self.first_hash);
        loop {
            while let Some((seat, sight)) = seen.get(next).filter(|it| it.1.tick <= playback.tick())
            {
                self.compare(*seat, sight, playback.simulation().world());
                next += 1;
            }
            if playback.tick() >= self.last_tick {
                return Ok(());
            }
            match playback.step(1)? {
                Step::Ticks(from, to) if to > from => {
                    self.inputs.extend_from_slice(playback.last_inputs((to - from) as usize));
                    self.hashes.push(playback.simulation().hash()?);
                }
                Step::Jump(_) | Step::End => return Ok(()), // what is damaged was told before
                _ => {}
            }
        }
    }

    fn compare(&mut self, seat: u8, sight: &Sight, world: Option<WorldView<'_>>) {
        self.compared += 1;
        let simulated = world.and_then(|it| sight_of(&it, seat));
        if simulated != Some(*sight) && self.differences.len() < DIFFERENCES_MAX {
            let tick = sight.tick;
            self.differences
                .push(format!("seat {seat} saw at tick {tick} {sight:?}, it was {simulated:?}"));
        }
    }
}

/// Returns what a frame of this state says of the seat's own player.
pub(super) fn sight_of(world: &WorldView<'_>, seat: u8) -> Option<Sight> {
    let it = world.players().find(|it| it.seat == seat)?;
    Some(Sight { tick: world.tick(), own: own_view(&it), player: player_view(&it) })
}

/// Whether a replay is finished and has this tick.
pub(super) fn reaches(path: &Path, tick: u32) -> bool {
    open(path).is_ok_and(|it| it.recovery().is_none() && it.last_tick() >= tick)
}

fn open(path: &Path) -> Result<Reader<BufReader<File>>, FilmError> {
    Ok(Reader::open(BufReader::new(File::open(path)?))?)
}
