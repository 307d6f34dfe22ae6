//! A match as the journal of its owner before has it: a snapshot, and what was confirmed since.

use arena_sdk::{Input, SEATS, SeatInputs};
use arena_wire::game::v1::carried_seat::State;
use arena_wire::game::v1::journal_entry::Entry;
use arena_wire::game::v1::{Carried, CarriedInputs, CarriedSeat, JournalEntry, Offer, Snapshot};

use super::events::KEPT_MAX;
use super::inputs::RESENT_BUDGET;

/// A match to go on with.
#[derive(Clone, Debug, PartialEq)]
pub struct Recovered {
    /// The match as it stood at a snapshot.
    pub offer: Offer,
    /// What every seat did in each tick after it.
    pub inputs: Vec<SeatInputs>,
    /// All else, after the last of these ticks. Whoever played is expected back.
    pub carried: Carried,
}

impl Recovered {
    /// Returns the last tick that is known.
    #[must_use]
    pub fn tick(&self) -> u32 {
        self.offer.tick + self.inputs.len() as u32
    }
}

/// Reads a journal, oldest entry first: the newest snapshot, and what follows it without a gap. An entry may be
/// there twice, for a write whose answer was lost is written again. `None` if no snapshot is whole.
#[must_use]
pub fn recover(journal: Vec<JournalEntry>) -> Option<Recovered> {
    let mut found: Option<Recovered> = None;
    for entry in journal {
        match entry.entry {
            Some(Entry::Snapshot(Snapshot { offer: Some(offer), carried: Some(carried) }))
                if found.as_ref().is_none_or(|it| it.tick() <= offer.tick) =>
            {
                found = Some(Recovered { offer, inputs: Vec::new(), carried });
            }
            Some(Entry::Confirmed(confirmed)) => {
                let Some(recovered) = found.as_mut() else { continue };
                let (Some(ticks), Some(carried)) = (confirmed.ticks, confirmed.carried) else {
                    continue;
                };
                if ticks.first == recovered.tick() + 1 && ticks.inputs.len().is_multiple_of(SEATS) {
                    let (whole, _) = ticks.inputs.as_chunks::<SEATS>();
                    recovered.inputs.extend(whole.iter().map(|it| it.map(Input::unpack)));
                    progress(&mut recovered.carried, carried);
                }
            }
            _ => {}
        }
    }
    let mut recovered = found?;
    recovered.carried.seats.iter_mut().for_each(expect_back);
    Some(recovered)
}

/// Takes what changed since the entry before.
pub(super) fn progress(known: &mut Carried, news: Carried) {
    for seat in news.seats {
        let Some(old) = known.seats.iter_mut().find(|it| it.seat == seat.seat) else { continue };
        let (player, name) = (std::mem::take(&mut old.player), std::mem::take(&mut old.name));
        *old = CarriedSeat { player, name, ..seat };
    }
    // Events that an entry in between would have had are lost with it; then those before are not told again.
    if news.last_event.saturating_sub(news.events.len() as u32) != known.last_event {
        known.events.clear();
    }
    known.events.extend(news.events);
    let surplus = known.events.len().saturating_sub(KEPT_MAX);
    known.events.drain(..surplus);
    (known.last_event, known.alone_ticks) = (news.last_event, news.alone_ticks);
}

/// Nobody plays a seat whose player is on the way here, and what its player sent and no tick had is sent again.
pub(super) fn expect_back(seat: &mut CarriedSeat) {
    if let State::Seated | State::Held = seat.state() {
        seat.set_state(State::Expected);
        seat.state_ticks = 0;
    }
    if let Some(inputs) = seat.inputs.as_mut() {
        let counted_seq = inputs.counted_seq;
        *inputs = CarriedInputs {
            last_seq: counted_seq,
            budget: RESENT_BUDGET,
            lead: 0,
            waiting: Vec::new(),
            ..inputs.clone()
        };
    }
}

#[cfg(test)]
mod tests {
    use arena_wire::game::v1::{Confirmed, Ticks, WaitingInput};

    use super::*;

    fn seat(counted_seq: u32) -> CarriedSeat {
        let waiting = vec![WaitingInput { tick: 99, seq: counted_seq + 2, input: 0 }];
        let last_seq = counted_seq + 2;
        let inputs = CarriedInputs { counted_seq, last_seq, waiting, ..CarriedInputs::default() };
        let (name, player) = ("Ann".to_owned(), "0000000000005".to_owned());
        let mut seat = CarriedSeat { name, player, inputs: Some(inputs), ..CarriedSeat::default() };
        seat.set_state(State::Seated);
        seat
    }

    fn snapshot(tick: u32) -> JournalEntry {
        let offer = Offer { tick, ..Offer::default() };
        let carried = Carried { seats: vec![seat(tick)], ..Carried::default() };
        let snapshot = Snapshot { offer: Some(offer), carried: Some(carried) };
        JournalEntry { entry: Some(Entry::Snapshot(snapshot)) }
    }

    fn confirmed(first: u32, ticks: u32) -> JournalEntry {
        let last = first + ticks - 1;
        let inputs = (first..=last).flat_map(|tick| [tick; SEATS]).collect();
        let nameless = CarriedSeat { name: String::new(), player: String::new(), ..seat(last) };
        let carried = Carried { seats: vec![nameless], ..Carried::default() };
        let ticks = Some(Ticks { first, inputs });
        let confirmed = Confirmed { ticks, carried: Some(carried) };
        JournalEntry { entry: Some(Entry::Confirmed(confirmed)) }
    }

    /// Returns snapshot, last tick, and the sequence that the seat goes on from.
    fn found(journal: Vec<JournalEntry>) -> Option<(u32, u32, u32)> {
        let it = recover(journal)?;
        let seat = &it.carried.seats[0];
        let inputs = seat.inputs.as_ref().unwrap();
        assert_eq!((seat.name.as_str(), seat.state()), ("Ann", State::Expected));
        assert!(inputs.waiting.is_empty() && inputs.last_seq == inputs.counted_seq);
        Some((it.offer.tick, it.tick(), inputs.counted_seq))
    }

    #[test]
    fn every_way_a_journal_can_end() {
        for (what, journal, expected) in [
            ("nothing", vec![], None),
            ("no snapshot", vec![confirmed(1, 3)], None),
            ("a snapshot alone", vec![snapshot(60)], Some((60, 60, 60))),
            (
                "what follows it",
                vec![snapshot(60), confirmed(61, 3), confirmed(64, 2)],
                Some((60, 65, 65)),
            ),
            (
                "the newest one",
                vec![snapshot(1), confirmed(2, 3), snapshot(6), confirmed(7, 1)],
                Some((6, 7, 7)),
            ),
            (
                "up to a gap",
                vec![snapshot(60), confirmed(61, 3), confirmed(67, 3)],
                Some((60, 63, 63)),
            ),
            (
                "twice the same",
                vec![
                    snapshot(60),
                    confirmed(61, 3),
                    snapshot(60),
                    confirmed(61, 3),
                    confirmed(64, 3),
                ],
                Some((60, 66, 66)),
            ),
            (
                "an entry that is none",
                vec![JournalEntry { entry: None }, snapshot(60)],
                Some((60, 60, 60)),
            ),
        ] {
            assert_eq!(found(journal), expected, "{what}");
        }
    }

    #[test]
    fn events_go_on_where_they_were() {
        let with = |entry: JournalEntry, last_event: u32, events: &[u8]| {
            let events = events.iter().map(|it| vec![*it]).collect();
            let mut entry = entry;
            let (Some(Entry::Confirmed(it)), carried) =
                (entry.entry.as_mut(), Carried { last_event, events, ..Carried::default() })
            else {
                panic!("confirmed")
            };
            it.carried = Some(carried);
            entry
        };
        let journal =
            vec![snapshot(6), with(confirmed(7, 1), 2, &[1, 2]), with(confirmed(8, 1), 3, &[3])];
        let carried = recover(journal).unwrap().carried;
        assert_eq!((carried.last_event, carried.events), (3, vec![vec![1], vec![2], vec![3]]));
    }
}
