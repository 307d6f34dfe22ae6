//! A match whose owner dies at any tick goes on in another shard from its warm copy: no tick, input or event is lost.

use super::*;
use crate::logic::hosted::NewMatch;
use crate::logic::shard::journalled::tests::{
    Client, LENGTH, MATCH, Written, hash, new_match, plays_to_the_end, shard,
};

/// The tick from which on there is a copy.
const COPIED_FROM: u32 = 5;

/// Brings what was confirmed to the copy; returns the last tick of it.
fn bring(effects: &mut Effects, copy: &mut Shard, others: &mut Effects) -> Option<u32> {
    let mut last = None;
    for (id, news) in effects.moves.drain(..) {
        let MoveNews::Confirmed { tick, inputs, carried, .. } = news else { continue };
        copy.copied(id, (tick, vec![*inputs]), *carried, others);
        last = Some(tick);
    }
    last
}

/// Plays until the owner dies after so many ticks, while the copy is stepped in all but the last `behind` of them;
/// returns the ticks lost.
fn dies_after(ticks: u32, behind: u32) -> u32 {
    let (mut source, mut target) = (shard("game-r1-0"), shard("game-r1-1"));
    let (mut client, mut course) = (Client::default(), Vec::new());
    let (mut effects, mut others, mut written) =
        (Effects::default(), Effects::default(), Written::default());
    let new = NewMatch { failover: FailoverPolicy::Shadow, ..new_match() };
    source.create(new, 1_000).unwrap();
    client.attach(&mut source, 1, &mut effects);
    for step in 1..=ticks {
        client.send(&mut source, 1, &mut effects);
        source.step(2_000, &mut effects);
        course.extend(hash(&source));
        bring(&mut effects, &mut target, &mut others);
        if step < ticks {
            client.hear(&mut effects); // as the gate lets it: the copy has the tick
        }
        effects.held.clear(); // of the last tick nobody hears: the owner dies before the gate lets it out
        written.take(&mut effects, &mut source);
        if step == COPIED_FROM {
            assert_eq!(source.unshadowed(), [MATCH]);
            let (offered, carried) = source.copy(MATCH).unwrap();
            target.reserve_copy(offered, carried).unwrap();
            source.cover(MATCH, Covered::Yes, &mut effects);
            assert_eq!((source.unshadowed(), effects.covered.len()), (vec![], 1));
        }
        if step > COPIED_FROM {
            assert!(effects.journal.is_empty(), "no journal beside a copy");
        }
        if step + behind < ticks {
            target.step(2_000, &mut others);
        }
    }
    let last = hash(&source).expect("it is hosted").0;
    effects.results.clear();
    let load = target.load();
    assert_eq!((load.hosted, load.shadows, target.describe().len()), (1, 1, 0), "no own match");
    assert!(others.moves.iter().all(|(_, it)| matches!(it, MoveNews::Level { .. })));

    assert!(target.has_copy(MATCH, Epoch(1)) && !target.has_copy(MATCH, Epoch(2)));
    let tick = target.own_copy(MATCH, Epoch(2), 3_000, &mut effects).unwrap();
    assert_eq!(target.own_copy(MATCH, Epoch(2), 3_000, &mut effects).unwrap(), tick, "again");
    assert_eq!(hash(&target), course.iter().find(|it| it.0 == tick).copied(), "the same course");
    assert_eq!(target.load().shadows, 0);
    if ticks == LENGTH {
        let [result] = &effects.results[..] else { panic!("{:?}", effects.results) };
        assert_eq!((result.epoch, result.ticks), (2, LENGTH), "it is over there too");
        return last - tick;
    }
    plays_to_the_end(&mut target, (&mut client, &mut Written::default()), &mut effects, ticks);
    last - tick
}

#[test]
fn a_match_goes_on_from_its_copy_without_a_tick_lost() {
    for (ticks, behind) in [(6, 0), (7, 2), (61, 1), (64, 12), (150, 3), (299, 40), (LENGTH, 2)] {
        assert_eq!(dies_after(ticks, behind), 0, "after {ticks}, {behind} behind");
    }
}

#[test]
fn a_copy_that_is_given_up_is_followed_by_a_journal_and_by_another_copy() {
    let (mut source, mut target) = (shard("game-r1-0"), shard("game-r1-1"));
    let (mut effects, mut others) = (Effects::default(), Effects::default());
    let new = NewMatch { failover: FailoverPolicy::Shadow, ..new_match() };
    source.create(new, 1_000).unwrap();
    Client::default().attach(&mut source, 1, &mut effects);
    source.step(2_000, &mut effects);
    let (offered, carried) = source.copy(MATCH).unwrap();
    assert_eq!(source.copy(MATCH).unwrap_err(), OfferError::Moving);
    target.reserve_copy(offered, carried).unwrap();
    source.cover(MATCH, Covered::Yes, &mut effects);
    effects.journal.clear();
    (0..6).for_each(|_| source.step(2_000, &mut effects));
    assert!(effects.journal.is_empty());
    source.cover(MATCH, Covered::No, &mut effects);
    source.step(2_000, &mut effects);
    assert_eq!(effects.journal.len(), 1, "a snapshot at once");
    source.end_copy(MATCH);
    assert_eq!(source.unshadowed(), [MATCH]);

    // A gap, as of a copy that was told of another's ticks.
    target.copied(MATCH, (9, Vec::new()), Carried::default(), &mut others);
    assert!(matches!(others.moves[..], [(MATCH, MoveNews::Broken(_))]));
    target.forget(MATCH, &mut others);
    let nothing = target.own_copy(MATCH, Epoch(2), 3_000, &mut others);
    assert!(matches!(nothing, Err(RestoreError::NoCopy)));
    let (offered, carried) = source.copy(MATCH).unwrap();
    target.reserve_copy(offered, carried).unwrap();
}
