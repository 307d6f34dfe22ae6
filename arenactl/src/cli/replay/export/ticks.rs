//! A match tick by tick: inputs, what happened, where players are.

use std::fs::File;
use std::io::{self, Write};

use arena_replay::arena::ArenaMatch;
use arena_replay::{Playback, PlaybackError, Simulation as _, Step};
use arena_sim::{CpuBackend, FlagEvent, Input, PlayerView, TickEvent, WorldView};
use serde_json::{Value, json};

use super::Stop;
use crate::cli::replay::shown;

/// One metre in Q16.16; a metre a tick in Q4.12.
const METRE: f64 = 65_536.0;
const METRE_A_TICK: f64 = 4_096.0;
const DEGREES_A_TURN: f64 = 360.0;

/// Takes the objects of an export one by one.
pub(super) trait Objects {
    fn head(&mut self, head: &Value) -> io::Result<()>;
    fn tick(&mut self, tick: &Value) -> io::Result<()>;
    fn end(&mut self, end: &Value) -> io::Result<()>;
}

/// One object a line.
pub(super) struct Lines<W>(pub(super) W);

impl<W: Write> Objects for Lines<W> {
    fn head(&mut self, head: &Value) -> io::Result<()> {
        writeln!(self.0, "{}", json!({ "replay": head }))
    }

    fn tick(&mut self, tick: &Value) -> io::Result<()> {
        writeln!(self.0, "{tick}")
    }

    fn end(&mut self, end: &Value) -> io::Result<()> {
        writeln!(self.0, "{}", json!({ "end": end }))
    }
}

/// One document, a line a tick.
pub(super) struct Document<W> {
    out: W,
    separator: &'static str,
}

impl<W> Document<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, separator: "" }
    }
}

impl<W: Write> Objects for Document<W> {
    fn head(&mut self, head: &Value) -> io::Result<()> {
        write!(self.out, "{{\"replay\": {head},\n\"ticks\": [")
    }

    fn tick(&mut self, tick: &Value) -> io::Result<()> {
        write!(self.out, "{}\n{tick}", std::mem::replace(&mut self.separator, ","))
    }

    fn end(&mut self, end: &Value) -> io::Result<()> {
        writeln!(self.out, "\n],\n\"end\": {end}}}")
    }
}

/// Plays ticks `from` to `to`; each object has the state after a tick and what led to it.
pub(super) fn write(
    playback: &mut Playback<File, ArenaMatch<CpuBackend>>,
    (from, to): (u32, u32),
    every: u32,
    out: &mut impl Objects,
) -> Result<(), Stop> {
    playback.seek(from).map_err(Stop::Play)?;
    out.head(&shown::header(playback.reader().header()))?;
    let mut events = Vec::new();
    while playback.tick() < to {
        match playback.step(1).map_err(Stop::Play)? {
            Step::Ticks(_, tick) => {
                let game = playback.simulation();
                events.extend(game.output().events().map(|it| happened(tick, it)));
                if tick.is_multiple_of(every) || tick == to {
                    let inputs = playback.last_inputs(1).first();
                    let object = game.world().map(|world| state(&world, inputs, &events));
                    out.tick(&object.unwrap_or_default())?;
                    events.clear();
                }
            }
            Step::Event(event) => events.push(shown::event(&event)),
            Step::Note(_) => {}
            Step::Jump(_) | Step::End => break,
        }
        // What was printed so far is true only if nothing was wrong so far.
        if let Some(problem) = playback.problems().list().first() {
            return Err(Stop::Play(PlaybackError::Untrue(Box::new(problem.clone()))));
        }
    }
    let hash =
        playback.simulation().hash().map_err(|it| Stop::Play(PlaybackError::Simulation(it)))?;
    let footer = playback.reader().footer().filter(|it| it.last_tick == playback.tick());
    let outcome = footer.map(|it| shown::outcome(&it.outcome));
    out.end(&json!({
        "tick": playback.tick(), "state_hash": format!("{hash:016x}"), "outcome": outcome,
    }))?;
    Ok(())
}

fn state(world: &WorldView<'_>, inputs: Option<&[Input; 16]>, events: &[Value]) -> Value {
    let players: Vec<PlayerView> = world.players().filter(|it| it.active).collect();
    let input = |it: &PlayerView| {
        let input = inputs.map(|inputs| inputs[usize::from(it.seat)]).unwrap_or_default();
        json!([it.seat, input.move_x, input.move_y, input.aim, input.buttons])
    };
    let inputs: Vec<Value> = players.iter().map(input).collect();
    let players: Vec<Value> = players.iter().map(player).collect();
    let mut object = json!({
        "tick": world.tick(), "inputs": inputs, "events": events, "players": players,
    });
    if let Some(scores) = world.team_scores() {
        object["team_scores"] = json!(scores);
    }
    object
}

fn player(it: &PlayerView) -> Value {
    let metres = |it: i32| rounded(f64::from(it) / METRE);
    let speed = |it: i32| rounded(f64::from(it) / METRE_A_TICK * 60.0);
    let mut object = json!({
        "seat": it.seat, "bot": it.bot, "alive": it.alive,
        "x_m": metres(it.x), "y_m": metres(it.y), "vx_m_s": speed(it.vx), "vy_m_s": speed(it.vy),
        "aim_deg": rounded(f64::from(it.aim) * DEGREES_A_TURN / 256.0),
        "health": it.health, "kills": it.kills, "deaths": it.deaths,
    });
    if it.boost > 0 {
        object["boost_ticks"] = json!(it.boost);
    }
    object
}

/// Millimetres are enough for people; the replay itself is exact.
fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

fn happened(tick: u32, event: TickEvent) -> Value {
    match event {
        TickEvent::Left { seat } => json!({"tick": tick, "event": "left", "seat": seat}),
        TickEvent::Joined { seat } => json!({"tick": tick, "event": "joined", "seat": seat}),
        TickEvent::Spawned { seat } => json!({"tick": tick, "event": "spawned", "seat": seat}),
        TickEvent::Fired { seat } => json!({"tick": tick, "event": "fired", "seat": seat}),
        TickEvent::Hit { victim, damage } => {
            json!({"tick": tick, "event": "hit", "seat": victim, "damage": damage})
        }
        TickEvent::Killed { killer, victim } => {
            json!({"tick": tick, "event": "killed", "seat": victim, "by": killer})
        }
        TickEvent::PickedUp { seat } => json!({"tick": tick, "event": "picked-up", "seat": seat}),
        TickEvent::Flag { team, event } => flag(tick, team, event),
        TickEvent::Finished => json!({"tick": tick, "event": "finished"}),
    }
}

fn flag(tick: u32, team: u8, event: FlagEvent) -> Value {
    let (what, seat) = match event {
        FlagEvent::None => ("flag", None),
        FlagEvent::Taken { seat } => ("flag-taken", Some(seat)),
        FlagEvent::Dropped { seat } => ("flag-dropped", Some(seat)),
        FlagEvent::Returned => ("flag-returned", None),
        FlagEvent::Captured { seat } => ("flag-captured", Some(seat)),
    };
    json!({"tick": tick, "event": what, "flag_of_team": team, "seat": seat})
}
