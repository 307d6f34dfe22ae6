//! The course of a match, as a player would tell it.
use super::Arena;
use crate::{FinishReason, Input, PLAYERS, Path, Rules, SeatInputs, Standing, TickEvent, buttons};

const JOIN: Input = Input { move_x: 0, move_y: 0, aim: 0, buttons: buttons::JOIN };
const REST: SeatInputs = [Input { move_x: 0, move_y: 0, aim: 0, buttons: 0 }; PLAYERS];

fn rules(rest: &str) -> Rules {
    Rules::parse(&format!(r#"{{"version": 1, "map": "open"{rest}}}"#)).unwrap()
}

fn seats(inputs: &[(usize, Input)]) -> SeatInputs {
    let mut all = REST;
    for (seat, input) in inputs {
        all[*seat] = *input;
    }
    all
}

#[test]
fn a_seat_is_taken_played_handed_over_and_left() {
    let mut arena = Arena::new(Path::Avx2, &rules(""), 1);
    assert_eq!(arena.world().players().filter(|it| it.active).count(), 0);

    let output = arena.step(&seats(&[(3, JOIN)]));
    assert_eq!((output.joined, output.spawned), (1 << 3, 1 << 3));
    let player = arena.world().player(3);
    assert!(player.active && player.alive && !player.bot);
    assert_eq!(player.health, 100);

    let bot = Input { buttons: buttons::JOIN | buttons::BOT, ..JOIN };
    let output = arena.step(&seats(&[(3, bot)]));
    assert_eq!((output.joined, output.spawned), (1 << 3, 0));
    let after = arena.world().player(3);
    assert!(after.bot && (after.x, after.y) == (player.x, player.y), "a hand-over moves nobody");

    arena.step(&seats(&[(3, Input { buttons: buttons::FIRE, ..JOIN })]));
    assert_eq!(arena.world().projectiles().count(), 1);
    let output = arena.step(&seats(&[(3, Input { buttons: buttons::LEAVE, ..JOIN })]));
    assert_eq!(output.left, 1 << 3);
    assert!(!arena.world().player(3).active);
    assert_eq!(arena.world().projectiles().count(), 0, "projectiles leave with their player");
}

#[test]
fn a_shot_flies_hits_kills_and_counts() {
    let rules = rules(
        r#", "weapon": {"damage": 60, "spread": 0, "lifetime_ticks": 300}, "match": {"frag_limit": 2}"#,
    );
    let mut arena = Arena::new(Path::Avx2, &rules, 11);
    arena.step(&seats(&[(0, JOIN), (1, JOIN)]));
    let mut events = Vec::new();
    while arena.world().finished().is_none() {
        assert!(arena.world().tick() < 2_000, "nobody won: {events:?}");
        let output = arena.tick(|world, seat, _| {
            let (me, other) = (world.player(seat), world.player(1 - (seat & 1)));
            let aim = crate::bots::turn_towards(other.x - me.x, other.y - me.y);
            Input { aim, buttons: if seat == 0 { buttons::FIRE } else { 0 }, ..JOIN }
        });
        events.extend(output.events().filter(|it| !matches!(it, TickEvent::Fired { .. })));
    }
    let hit = TickEvent::Hit { victim: 1, damage: 60 };
    let killed = TickEvent::Killed { killer: 0, victim: 1 };
    let again = TickEvent::Spawned { seat: 1 };
    assert_eq!(events, [hit, hit, killed, again, hit, hit, killed, TickEvent::Finished]);
    assert_eq!(arena.world().finished(), Some(FinishReason::Frags));
    let standing = |seat, rank, kills, deaths| Standing { seat, rank, kills, deaths, bot: false };
    assert_eq!(arena.world().standings(), [standing(0, 1, 2, 0), standing(1, 2, 0, 2)]);
}

#[test]
fn a_match_ends_at_its_time_and_then_stands_still() {
    let rules = rules(r#", "match": {"time_limit_ticks": 60}"#);
    let mut arena = Arena::new(Path::Avx2, &rules, 1);
    for tick in 1..=60 {
        let output = arena.step(&[JOIN; PLAYERS]);
        assert_eq!((output.tick, output.finished), (tick, tick == 60));
    }
    let hash = arena.world().state_hash();
    let output = arena.step(&[JOIN; PLAYERS]);
    assert_eq!((output.tick, output.finished, output.joined), (60, true, 0));
    assert_eq!(arena.world().state_hash(), hash);
    assert_eq!(arena.world().finished(), Some(FinishReason::Time));
    assert!(arena.world().standings().iter().all(|it| it.rank == 1), "equal scores share a place");
}

#[test]
fn the_dead_neither_move_nor_fire_and_return_after_their_time() {
    let rules = rules(r#", "weapon": {"damage": 255}, "player": {"respawn_ticks": 30}"#);
    let mut arena = Arena::new(Path::Avx2, &rules, 4);
    arena.step(&seats(&[(0, JOIN), (1, JOIN)]));
    let mut died_at = None;
    for _ in 0..600 {
        let output = arena.tick(|world, seat, _| {
            let (me, other) = (world.player(seat), world.player(1 - (seat & 1)));
            let aim = crate::bots::turn_towards(other.x - me.x, other.y - me.y);
            let fires = if seat == 0 || !me.alive { buttons::FIRE } else { 0 };
            Input { aim, move_x: 0, move_y: 0, buttons: fires }
        });
        if let Some(at) = died_at {
            assert_eq!(output.fired & 2, 0, "a dead player fired");
            assert_eq!(output.spawned & 2 != 0, output.tick == at + 30);
            if output.tick == at + 30 {
                return;
            }
        } else if output.died & 2 != 0 {
            died_at = Some(output.tick);
        }
    }
    panic!("nobody died: {died_at:?}");
}

#[test]
fn nobody_ever_stands_in_a_wall() {
    for (map, _) in crate::BUILT_IN_MAPS {
        let document = format!(
            r#"{{"version": 1, "map": "{map}", "player": {{"radius_mm": 1500}},
                "drones": {{"count": 64, "radius_mm": 1500}}}}"#
        );
        let rules = Rules::parse(&document).unwrap();
        let mut arena = Arena::new(Path::Avx2, &rules, 3);
        for tick in 0..600 {
            arena.step(&crate::seam::wild_inputs(17, tick));
            let world = arena.world();
            let radius = rules.compiled().radius;
            for player in world.players().filter(|it| it.alive) {
                for (dx, dy) in [(-1, -1), (1, -1), (-1, 1), (1, 1)] {
                    let (x, y) = (player.x + dx * radius, player.y + dy * radius);
                    assert!(!rules.compiled().wall_at(x, y), "{map} tick {tick}: {player:?}");
                }
            }
            for it in world.drones() {
                assert!(!rules.compiled().wall_at(it.x, it.y), "{map} tick {tick}: {it:?}");
            }
            for it in world.projectiles() {
                assert!(!rules.compiled().wall_at(it.x, it.y), "{map} tick {tick}: {it:?}");
            }
        }
    }
}
