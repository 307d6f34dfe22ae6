//! The messages between source and target, as what they say.

use arena_sdk::{Input, SEATS, SeatInputs};
use arena_wire::game::v1::{
    Accepted, Carried, Closing, Confirmed, CreateRequest, Kept, Level, Offer, Own, Owning, Seat,
    Snapshot, Ticks, ToSource, ToTarget, Unequal, to_source, to_target,
};
use tonic::Status;

use crate::Config;
use crate::logic::shard::Offered;
use crate::service::parse;

/// Ticks of inputs in one message.
pub(crate) const TICKS_MAX: usize = 256;

/// Returns the first message to a target.
pub(super) fn offer(offered: &Offered, config: &Config) -> ToTarget {
    to_target(to_target::Message::Offer(described(offered, config)))
}

/// Returns the first message to an instance that shall keep a warm copy.
pub(super) fn shadow(offered: &Offered, carried: Carried, config: &Config) -> ToTarget {
    to_target(to_target::Message::Shadow(snapshot(offered, carried, config)))
}

/// Returns what was confirmed of ticks, of which the last is `tick`.
pub(super) fn confirmed(tick: u32, inputs: &[SeatInputs], carried: Carried) -> ToTarget {
    to_target(to_target::Message::Confirmed(progress(tick, inputs, carried)))
}

/// Returns the whole match after a tick.
pub(crate) fn snapshot(offered: &Offered, carried: Carried, config: &Config) -> Snapshot {
    Snapshot { offer: Some(described(offered, config)), carried: Some(carried) }
}

/// Returns what was confirmed of ticks, of which the last is `tick`, as it is written down.
pub(crate) fn progress(tick: u32, inputs: &[SeatInputs], carried: Carried) -> Confirmed {
    let first = (tick + 1).saturating_sub(inputs.len() as u32);
    Confirmed { ticks: Some(packed(first, inputs)), carried: Some(carried) }
}

fn described(offered: &Offered, config: &Config) -> Offer {
    let new = &offered.new;
    let seats = new.players.iter().map(|it| Seat {
        player: it.id.to_string(),
        display_name: it.name.clone(),
        seat: u32::from(it.seat),
    });
    let created = CreateRequest {
        r#match: new.id.to_string(),
        epoch: new.epoch.0,
        seed: new.seed,
        mode: new.mode.clone(),
        rules_version: new.rules.version(),
        rules_json: new.rules.document().to_owned(),
        seats: seats.collect(),
        failover: new.failover.to_string(),
    };
    Offer {
        r#match: Some(created),
        filled_seats: new.filled_seats as u32,
        game: config.game.name().to_owned(),
        state_schema: config.game.schema(),
        rules_hash: new.rules.hash(),
        tick: offered.tick,
        world: offered.world.clone(),
        hash: offered.hash,
    }
}

/// Reads the first message of a source.
///
/// # Errors
/// `FAILED_PRECONDITION` if this instance cannot play the match, with both versions; `INVALID_ARGUMENT`
/// for what no source sends.
pub(crate) fn offered(offer: Offer, config: &Config) -> Result<Offered, Status> {
    let (own, game) = (config.game.schema(), config.game.name());
    if offer.game != game {
        let why =
            format!("the match is of the game `{}`, this instance hosts `{game}`", offer.game);
        return Err(Status::failed_precondition(why));
    }
    if offer.state_schema != own {
        let why = format!("its state has schema {}, this instance has {own}", offer.state_schema);
        return Err(Status::failed_precondition(why));
    }
    let created =
        offer.r#match.clone().ok_or_else(|| Status::invalid_argument("match: missing"))?;
    let mut new = parse(created, config)?;
    new.filled_seats = (offer.filled_seats as usize).min(SEATS);
    if new.rules.hash() != offer.rules_hash {
        let why = format!(
            "its rules have the hash {:016x}, here {:016x}",
            offer.rules_hash,
            new.rules.hash()
        );
        return Err(Status::failed_precondition(why));
    }
    let Offer { tick, world, hash, .. } = offer;
    Ok(Offered { new, tick, world, hash, sessions: 0 })
}

/// Returns a message with the inputs of ticks, of which the first makes `first`.
pub(super) fn ticks(first: u32, inputs: &[SeatInputs]) -> ToTarget {
    to_target(to_target::Message::Ticks(packed(first, inputs)))
}

fn packed(first: u32, inputs: &[SeatInputs]) -> Ticks {
    Ticks { first, inputs: inputs.iter().flatten().map(|it| it.pack()).collect() }
}

/// Reads the inputs of ticks.
///
/// # Errors
/// `INVALID_ARGUMENT` for what is no number of whole ticks.
pub(crate) fn inputs(ticks: &Ticks) -> Result<Vec<SeatInputs>, Status> {
    let (whole, rest) = ticks.inputs.as_chunks::<SEATS>();
    if !rest.is_empty() || whole.len() > TICKS_MAX {
        return Err(Status::invalid_argument(format!("inputs: {} words", ticks.inputs.len())));
    }
    Ok(whole.iter().map(|it| it.map(Input::unpack)).collect())
}

pub(crate) fn closing(closing: Closing) -> ToTarget {
    to_target(to_target::Message::Closing(closing))
}

pub(crate) fn own(epoch: u32) -> ToTarget {
    to_target(to_target::Message::Own(Own { epoch }))
}

pub(crate) fn accepted() -> ToSource {
    to_source(to_source::Message::Accepted(Accepted {}))
}

pub(crate) fn level(tick: u32, hash: u64, sessions: u32) -> ToSource {
    to_source(to_source::Message::Level(Level { tick, hash, sessions }))
}

pub(crate) fn unequal(tick: u32, hash: u64, world: Vec<u8>) -> ToSource {
    to_source(to_source::Message::Unequal(Unequal { tick, hash, world }))
}

/// Says that a warm copy has all up to a tick.
pub(super) fn kept(tick: u32) -> ToSource {
    to_source(to_source::Message::Kept(Kept { tick }))
}

pub(crate) fn owning(tick: u32) -> ToSource {
    to_source(to_source::Message::Owning(Owning { tick }))
}

fn to_target(message: to_target::Message) -> ToTarget {
    ToTarget { message: Some(message) }
}

fn to_source(message: to_source::Message) -> ToSource {
    ToSource { message: Some(message) }
}
