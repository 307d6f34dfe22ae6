//! Arena matches behind the seam of games, on any backend of the simulation.

use arena_sdk::{
    Audience, Event, FlagChange, Frame, ImportError, Input, Outcome, PinnedRules, SeatInputs,
    Slots, StateHash, TickOutput, Viewer, WorldError, WorldId, Worlds,
};
use arena_sim::{
    Backend, BackendError, CpuBackend, FinishReason, FlagEvent, MatchHandle, Rules, TickEvent,
    WorldView, bots, snapshot_word,
};

use crate::sight::{Scene, Sight};

/// Matches of one backend; far more than a machine can step in time.
const MATCHES_MAX: usize = 1 << 17;
/// Viewers of one match: its players, and as many who came back before the old ones were let go.
const VIEWERS_MAX: usize = 32;

/// Many arena matches.
pub struct ArenaWorlds {
    backend: Box<dyn Backend>,
    matches: Slots<Match>,
    handles: Vec<MatchHandle>,
    outputs: Vec<arena_sim::TickOutput>,
}

#[derive(Debug)]
struct Match {
    handle: MatchHandle,
    scene: Scene,
    viewers: Vec<Sight>,
}

impl ArenaWorlds {
    /// Steps them on this machine's processor.
    #[must_use]
    pub fn on_cpu() -> Self {
        Self::on(Box::new(CpuBackend::new()))
    }

    /// Steps them on `backend`.
    #[must_use]
    pub fn on(backend: Box<dyn Backend>) -> Self {
        let matches = Slots::new(MATCHES_MAX);
        Self { backend, matches, handles: Vec::new(), outputs: Vec::new() }
    }

    /// Returns a match for reading.
    ///
    /// # Errors
    /// [`WorldError::Stale`].
    pub fn view(&self, id: WorldId) -> Result<WorldView<'_>, WorldError> {
        let handle = self.matches.get(id)?.handle;
        self.backend.view(handle).map_err(|error| failed(&error))
    }

    fn place(&mut self, handle: MatchHandle) -> Result<WorldId, WorldError> {
        let new = Match { handle, scene: Scene::default(), viewers: Vec::new() };
        let placed = self.matches.insert(new);
        if placed.is_err() {
            let freed = self.backend.free(handle);
            debug_assert!(freed.is_ok(), "the handle was made just now");
        }
        placed
    }

    fn seat_viewer(&mut self, id: WorldId, sight: Sight) -> Result<Viewer, WorldError> {
        let viewers = &mut self.matches.get_mut(id)?.viewers;
        if viewers.len() == VIEWERS_MAX {
            return Err(WorldError::Crowded { viewers: VIEWERS_MAX });
        }
        viewers.push(sight);
        Ok(Viewer(viewers.len() as u32 - 1))
    }

    fn sight(&mut self, id: WorldId, viewer: Viewer) -> Result<&mut Sight, WorldError> {
        let sights = &mut self.matches.get_mut(id)?.viewers;
        sights.get_mut(viewer.0 as usize).ok_or(WorldError::Stale { id })
    }
}

fn parsed(rules: &PinnedRules) -> Result<&Rules, WorldError> {
    rules.parsed().ok_or(WorldError::Rules { found: rules.game(), expected: crate::NAME })
}

/// The ids were checked before, so the backend has no cause to complain of handles.
fn failed(error: &BackendError) -> WorldError {
    match error {
        BackendError::Full { matches, .. } => WorldError::Full { matches: *matches },
        _ => WorldError::Failed { reason: error.to_string() },
    }
}

impl Worlds for ArenaWorlds {
    fn backend(&self) -> &'static str {
        self.backend.name()
    }

    fn failure(&self) -> Option<&str> {
        self.backend.failure()
    }

    fn create(&mut self, seed: u32, rules: &PinnedRules) -> Result<WorldId, WorldError> {
        let handle = self.backend.create(seed, parsed(rules)?).map_err(|error| failed(&error))?;
        self.place(handle)
    }

    fn free(&mut self, id: WorldId) -> Result<(), WorldError> {
        let freed = self.matches.remove(id)?;
        self.backend.free(freed.handle).map_err(|error| failed(&error))
    }

    fn step(
        &mut self,
        ids: &[WorldId],
        inputs: &[SeatInputs],
        outputs: &mut [TickOutput],
    ) -> Result<(), WorldError> {
        self.matches.check(ids, inputs.len(), outputs.len())?;
        self.handles.clear();
        for id in ids {
            self.handles.push(self.matches.get(*id)?.handle);
        }
        self.outputs.clear();
        self.outputs.resize(ids.len(), arena_sim::TickOutput::default());
        let stepped = self.backend.step(&self.handles, inputs, &mut self.outputs);
        stepped.map_err(|error| failed(&error))?;
        for (output, stepped) in outputs.iter_mut().zip(&self.outputs) {
            output.reset(stepped.tick, stepped.finished);
            output.events.extend(stepped.events().filter_map(told));
        }
        Ok(())
    }

    fn export(&self, id: WorldId) -> Result<Vec<u8>, WorldError> {
        self.backend.export(self.matches.get(id)?.handle).map_err(|error| failed(&error))
    }

    fn import(&mut self, state: &[u8], rules: &PinnedRules) -> Result<WorldId, ImportError> {
        let rules = parsed(rules).map_err(ImportError::Place)?;
        let handle = self.backend.import(state, rules).map_err(|error| match error {
            arena_sim::ImportError::Snapshot(error) => ImportError::State(Box::new(error)),
            arena_sim::ImportError::Backend(error) => ImportError::Place(failed(&error)),
        })?;
        self.place(handle).map_err(ImportError::Place)
    }

    fn state_hash(&self, id: WorldId) -> Result<StateHash, WorldError> {
        self.backend.state_hash(self.matches.get(id)?.handle).map_err(|error| failed(&error))
    }

    fn tick(&self, id: WorldId) -> Result<u32, WorldError> {
        Ok(self.view(id)?.tick())
    }

    fn outcome(&self, id: WorldId) -> Result<Outcome, WorldError> {
        let world = self.view(id)?;
        Ok(Outcome {
            finished: world.finished().map(reason),
            standings: world.standings(),
            team_scores: world.team_scores().into_iter().flatten().map(u32::from).collect(),
        })
    }

    fn bot(&self, id: WorldId, seat: u8, seed: u32) -> Result<Input, WorldError> {
        let world = self.view(id)?;
        Ok(bots::bot_input(&world, seat, seed, world.tick() + 1))
    }

    fn word_name(&self, rules: &PinnedRules, byte: usize) -> Option<String> {
        snapshot_word(parsed(rules).ok()?, byte)
    }
}

const fn reason(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Time => "time",
        FinishReason::Frags => "frags",
        FinishReason::Captures => "captures",
    }
}

/// Returns what a player is told of an event, if anything: the rest shows in the frames.
fn told(event: TickEvent) -> Option<Event> {
    let (team, change, seat) = match event {
        TickEvent::Killed { killer, victim } => return Some(Event::Kill { killer, victim }),
        TickEvent::Flag { team, event: FlagEvent::Taken { seat } } => {
            (team, FlagChange::Taken, seat)
        }
        TickEvent::Flag { team, event: FlagEvent::Dropped { seat } } => {
            (team, FlagChange::Dropped, seat)
        }
        TickEvent::Flag { team, event: FlagEvent::Captured { seat } } => {
            (team, FlagChange::Captured, seat)
        }
        TickEvent::Flag { team, event: FlagEvent::Returned } => (team, FlagChange::Returned, 0),
        _ => return None,
    };
    Some(Event::Flag { team, change, seat })
}

impl Audience for ArenaWorlds {
    fn watch(&mut self, id: WorldId, seat: u8) -> Result<Viewer, WorldError> {
        self.seat_viewer(id, Sight::new(seat))
    }

    fn spectate(&mut self, id: WorldId) -> Result<Viewer, WorldError> {
        self.seat_viewer(id, Sight::of_spectator())
    }

    fn acknowledge(&mut self, id: WorldId, viewer: Viewer, tick: u32) -> Result<(), WorldError> {
        self.sight(id, viewer)?.acknowledge(tick);
        Ok(())
    }

    fn resume(&mut self, id: WorldId, viewer: Viewer, tick: u32) -> Result<(), WorldError> {
        self.sight(id, viewer)?.resume(tick);
        Ok(())
    }

    fn look(&mut self, id: WorldId) -> Result<(), WorldError> {
        let of = self.matches.get_mut(id)?;
        let world = self.backend.view(of.handle).map_err(|error| failed(&error))?;
        of.scene.look(&world);
        Ok(())
    }

    fn frame(&mut self, id: WorldId, viewer: Viewer) -> Result<Option<Frame>, WorldError> {
        let Match { scene, viewers, .. } = self.matches.get_mut(id)?;
        let sight = viewers.get_mut(viewer.0 as usize).ok_or(WorldError::Stale { id })?;
        Ok(sight.frame(scene))
    }
}

impl std::fmt::Debug for ArenaWorlds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArenaWorlds").field("backend", &self.backend.name()).finish_non_exhaustive()
    }
}
