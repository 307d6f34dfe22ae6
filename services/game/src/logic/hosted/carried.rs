//! What goes with a match to its next owner, beside its world and its rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use arena_sdk::{Input, WorldId, buttons};
use arena_types::PlayerId;
use arena_wire::game::v1::carried_seat::State;
use arena_wire::game::v1::{Carried, CarriedSeat};
use arena_wire::play::SEATS;

use super::{Hosted, NewMatch, Owner, Phase, Place, Player};
use crate::logic::events::EventLog;
use crate::logic::inputs::InputBuffer;
use crate::logic::seats::Seat;

/// Bytes of a name, as the matchmaker's tickets have it.
const NAME_LEN_MAX: usize = 256;

/// Why what was carried is no match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what goes with the match has a `{field}` that no match can have")]
pub struct CarriedError {
    /// What is wrong.
    pub field: &'static str,
}

impl<F: Copy + PartialEq> Hosted<F> {
    /// Returns all that the next owner needs to go on, once no input is confirmed here any more.
    #[must_use]
    pub fn carry(&self, now: u32) -> Carried {
        let seat = |(seat, it): (u8, &Place<F>)| CarriedSeat {
            seat: u32::from(seat),
            state: state(it.state).into(),
            state_ticks: now.wrapping_sub(it.since),
            player: it.player.as_ref().map_or(String::new(), |it| it.id.to_string()),
            name: it.name.clone(),
            bot: it.bot.pack(),
            press: u32::from(it.press),
            heard: it.session.as_ref().map_or(0, |it| it.heard),
            inputs: Some(it.inputs.carry()),
        };
        Carried {
            alone_ticks: self.alone_ticks,
            started_ms: self.started_ms,
            seats: self.seated().map(seat).collect(),
            last_event: self.events.last(),
            events: self.events.since(0).map(|(_, it)| it.to_vec()).collect(),
        }
    }

    /// Returns what may have changed since an entry of the journal with events up to `after_event`: no names, and no
    /// inputs that wait. The end of the match is not among the events: whoever plays the last tick finds it.
    #[must_use]
    pub fn progress(&self, now: u32, after_event: u32) -> Carried {
        let mut carried = Carried {
            last_event: self.events.last(),
            events: self.events.since(after_event).map(|(_, it)| it.to_vec()).collect(),
            ..self.carry(now)
        };
        for seat in &mut carried.seats {
            (seat.player, seat.name) = (String::new(), String::new());
            if let Some(inputs) = seat.inputs.as_mut() {
                inputs.waiting.clear();
            }
        }
        if self.end_seq > 0 && self.end_seq == carried.last_event {
            carried.last_event -= 1;
            carried.events.pop();
        }
        carried
    }

    /// Goes on with a match that another instance hosted up to `tick`; `now` counts the shard's ticks.
    /// Nobody is attached yet: who does not come is taken for lost.
    ///
    /// # Errors
    /// [`CarriedError`].
    pub fn arrive(
        new: NewMatch,
        owner: Arc<Owner>,
        (world, tick): (WorldId, u32),
        carried: Carried,
        now: u32,
    ) -> Result<Self, CarriedError> {
        let wrong = |field| CarriedError { field };
        let mut places: [Option<Place<F>>; SEATS] = std::array::from_fn(|_| None);
        for (seat, place) in seats(&carried.seats, tick, now)? {
            places[seat] = Some(place);
        }
        let events = EventLog::restore(carried.events, carried.last_event).map_err(wrong)?;
        Ok(Self {
            new,
            owner,
            world,
            phase: Phase::Running,
            places,
            events,
            seat_changes: Vec::new(),
            replaced: Vec::new(),
            tick,
            alone_ticks: carried.alone_ticks,
            playerless_ticks: 0,
            started_ms: carried.started_ms,
            end_seq: 0,
            told_up_to: u32::MAX,
        })
    }

    /// Lets it stand until a session is attached, for so many ticks at most.
    pub fn wait_for_players(&mut self, ticks: u32) {
        self.playerless_ticks = ticks;
    }
}

fn seats<F>(
    carried: &[CarriedSeat],
    tick: u32,
    now: u32,
) -> Result<BTreeMap<usize, Place<F>>, CarriedError> {
    let wrong = |field| CarriedError { field };
    let mut places = BTreeMap::new();
    for it in carried {
        let seat = it.seat as usize;
        let state = seat_of(it.state()).ok_or(wrong("state"))?;
        let player = match (it.player.as_str(), state) {
            ("", Seat::Bot) => None,
            ("", _) | (_, Seat::Bot) => return Err(wrong("player")),
            (id, _) => Some(Player {
                id: id.parse::<PlayerId>().map_err(|_| wrong("player"))?,
                name: it.name.clone(),
                seat: seat as u8,
            }),
        };
        if it.name.len() > NAME_LEN_MAX {
            return Err(wrong("name"));
        }
        let press = u8::try_from(it.press).map_err(|_| wrong("press"))?;
        if press & buttons::CLIENT != 0 {
            return Err(wrong("press"));
        }
        let inputs = it.inputs.as_ref().ok_or(wrong("inputs"))?;
        let place = Place {
            state,
            since: now.wrapping_sub(it.state_ticks),
            player,
            name: it.name.clone(),
            inputs: InputBuffer::restore(inputs, tick + 1).map_err(wrong)?,
            bot: Input::unpack(it.bot),
            press,
            viewer: None,
            session: None,
            former: None,
            heard_before: it.heard,
        };
        if seat >= SEATS || places.insert(seat, place).is_some() {
            return Err(wrong("seat"));
        }
    }
    Ok(places)
}

fn state(seat: Seat) -> State {
    match seat {
        Seat::Bot => State::Bot,
        Seat::Expected => State::Expected,
        Seat::Seated => State::Seated,
        Seat::Held => State::Held,
        Seat::Away => State::Away,
        Seat::Left => State::Left,
    }
}

fn seat_of(state: State) -> Option<Seat> {
    Some(match state {
        State::Unspecified => return None,
        State::Bot => Seat::Bot,
        State::Expected => Seat::Expected,
        State::Seated => Seat::Seated,
        State::Held => Seat::Held,
        State::Away => Seat::Away,
        State::Left => Seat::Left,
    })
}
