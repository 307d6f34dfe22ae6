//! What a word of a snapshot holds, for people who compare two.
use crate::PLAYERS;
use crate::ruleset::Rules;
use crate::slab::{
    self, DRONES, FLAG_OF, PICKUP_COLUMN, PICKUPS, PLAYER_COLUMNS, PROJECTILE_COLUMNS,
};
use crate::snapshot::HEADER_WORDS;

/// Names the word at `byte` of a snapshot of a match with these rules: `player 3 status`. `None` past its end.
#[must_use]
pub fn snapshot_word(rules: &Rules, byte: usize) -> Option<String> {
    let capacity = rules.capacity();
    let word = byte / 4;
    if let Some(name) = ["magic", "schema", "size class"].get(word) {
        return Some((*name).to_owned());
    }
    let (at, end) = (word - HEADER_WORDS, slab::words(capacity));
    let drones = slab::drone_columns(capacity.projectiles());
    let field = drones + 4 * DRONES;
    Some(match at {
        _ if at >= end => match at - end {
            0 => "state hash, low half".to_owned(),
            1 => "state hash, high half".to_owned(),
            _ => return None,
        },
        _ if at < PLAYER_COLUMNS => header_word(at),
        _ if at < PICKUP_COLUMN => {
            let columns = ["x", "y", "velocity", "status", "score", "effects"];
            in_columns("player", &columns, PLAYERS, at - PLAYER_COLUMNS)
        }
        _ if at < PROJECTILE_COLUMNS => {
            in_columns("pick-up", &["wait"], PICKUPS, at - PICKUP_COLUMN)
        }
        _ if at < drones => {
            let columns = ["x", "y", "velocity", "life"];
            in_columns("projectile", &columns, capacity.projectiles(), at - PROJECTILE_COLUMNS)
        }
        _ if at < field => {
            in_columns("drone", &["x", "y", "velocity", "status"], DRONES, at - drones)
        }
        _ => format!("flow field from cell {}", 4 * (at - field)),
    })
}

fn header_word(at: usize) -> String {
    let rules = slab::RULES;
    let name = match at {
        slab::TICK => "tick",
        slab::SEED => "seed",
        slab::CURSOR => "cursor",
        slab::FLAGS => "end flags",
        slab::SEATS => "seats",
        slab::TEAM_SCORES => "team scores",
        _ if at == rules => "rules version",
        _ if at == rules + 1 => "rules hash, low half",
        _ if at == rules + 2 => "rules hash, high half",
        _ if at >= slab::SPARE => "spare",
        _ => {
            let team = usize::from(at >= FLAG_OF[1]);
            let part = ["state", "x", "y"][(at - FLAG_OF[team]).min(2)];
            return format!("flag of team {team} {part}");
        }
    };
    name.to_owned()
}

fn in_columns(what: &str, columns: &[&str], rows: usize, at: usize) -> String {
    format!("{what} {} {}", at % rows, columns[at / rows])
}

#[cfg(test)]
mod tests {
    use super::snapshot_word;
    use crate::seam::wild_inputs;
    use crate::tests::Arena;
    use crate::{Backend, CpuBackend, Path, Rules};

    /// Names the words in which two snapshots differ.
    fn between(rules: &Rules, one: &[u8], other: &[u8]) -> Vec<String> {
        let words = one.as_chunks::<4>().0.iter().zip(other.as_chunks::<4>().0);
        let differ = words.enumerate().filter(|(_, (one, other))| one != other);
        differ.map(|(at, _)| snapshot_word(rules, 4 * at).unwrap()).collect()
    }

    #[test]
    fn every_word_of_a_snapshot_has_a_name_of_its_own_and_none_after() {
        for document in [r#"{"version": 1}"#, r#"{"version": 1, "drones": {"count": 9}}"#] {
            let rules = Rules::parse(document).unwrap();
            let mut backend = CpuBackend::new();
            let handle = backend.create(1, &rules).unwrap();
            let length = backend.export(handle).unwrap().len();
            let name = |byte| snapshot_word(&rules, byte);
            let mut names: Vec<String> = (0..length).step_by(4).map_while(name).collect();
            assert_eq!(names.len(), length / 4);
            assert_eq!(name(length), None);
            names.sort();
            names.dedup();
            assert_eq!(names.len(), length / 4, "no name twice");
        }
    }

    #[test]
    fn names_are_those_of_what_changes() {
        let rules = Rules::standard();
        let mut arena = Arena::new(Path::Avx2, &rules, 5);
        arena.step(&wild_inputs(5, 0));
        let before = arena.backend.export(arena.handle).unwrap();
        let mut inputs = crate::SeatInputs::default();
        inputs[3].buttons = crate::buttons::LEAVE;
        let mut other = Arena { backend: CpuBackend::new(), handle: arena.handle };
        other.handle = other.backend.import(&before, &rules).unwrap();
        other.step(&inputs);
        arena.step(&crate::SeatInputs::default());
        let [one, other] = [&arena, &other].map(|it| it.backend.export(it.handle).unwrap());
        let names = between(&rules, &one, &other);
        assert!(names.contains(&"seats".to_owned()), "{names:?}");
        assert!(names.contains(&"player 3 status".to_owned()), "{names:?}");
        assert!(
            names.iter().all(|it| it == "seats"
                || it.starts_with("player 3 ")
                || it.starts_with("state hash")),
            "{names:?}"
        );
    }
}
