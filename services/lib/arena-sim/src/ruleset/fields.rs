//! Every rule that is a number or a word: one line a rule; parsing, schema and hash follow from it.

/// A rule's place in the list of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Version,
    Projectiles,
    TimeLimit,
    FragLimit,
    Mode,
    CaptureLimit,
    FlagReturn,
    Health,
    Respawn,
    Radius,
    Acceleration,
    Drag,
    SpeedMax,
    Cooldown,
    Pellets,
    Spread,
    Speed,
    Jitter,
    Lifetime,
    Damage,
    HitRadius,
    Walls,
    Pickups,
    PickupRespawn,
    PickupHealth,
    PickupBoost,
    Drones,
    DroneHealth,
    DroneRadius,
    DroneAcceleration,
    DroneSpeedMax,
    DroneBite,
    DroneBitePause,
    DroneRespawn,
}

/// How many there are.
pub(super) const COUNT: usize = Key::DroneRespawn as usize + 1;

/// What a rule's value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A whole number from the first to the second.
    Number(u32, u32),
    /// One of these numbers.
    OneOf(&'static [u32]),
    /// One of these words; the value is its index.
    Word(&'static [&'static str]),
}

/// One rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) key: Key,
    /// Section (empty = top level) and name.
    pub(super) path: (&'static str, &'static str),
    pub(super) kind: Kind,
    pub(super) standard: u32,
    pub(super) doc: &'static str,
}

const fn field(
    key: Key,
    path: (&'static str, &'static str),
    kind: Kind,
    standard: u32,
    doc: &'static str,
) -> Field {
    Field { key, path, kind, standard, doc }
}

/// What a projectile does at a wall inside the arena, by value of `weapon.walls`.
pub(super) const WALLS: &[&str] = &["stop", "bounce"];

/// What a match is about, by value of `match.mode`.
pub(super) const MODES: &[&str] = &["deathmatch", "team", "capture"];

/// All rules in the order of the document; `map` stands beside them.
#[rustfmt::skip]
pub(super) const FIELDS: [Field; COUNT] = [
    field(Key::Version, ("", "version"), Kind::Number(1, u32::MAX), 1, "grows with every published change"),
    field(Key::Projectiles, ("", "projectiles"), Kind::OneOf(&[256, 512, 2048]), 512, "slots for projectiles in flight; the oldest gives way when all are taken"),
    field(Key::TimeLimit, ("match", "time_limit_ticks"), Kind::Number(60, 216_000), 10_800, "length of a match, 60 ticks a second"),
    field(Key::FragLimit, ("match", "frag_limit"), Kind::Number(0, 1_000), 30, "kills (of a team, in team matches) that end a match, 0 = none"),
    field(Key::Mode, ("match", "mode"), Kind::Word(MODES), 0, "everyone for themselves; two teams (even and odd seats) for kills; two teams for flags"),
    field(Key::CaptureLimit, ("match", "capture_limit"), Kind::Number(0, 100), 3, "captured flags that end a capture match, 0 = none"),
    field(Key::FlagReturn, ("match", "flag_return_ticks"), Kind::Number(1, 3_600), 900, "wait until a dropped flag returns by itself"),
    field(Key::Health, ("player", "health"), Kind::Number(1, 255), 100, "health after a respawn"),
    field(Key::Respawn, ("player", "respawn_ticks"), Kind::Number(1, 255), 120, "wait after a death"),
    field(Key::Radius, ("player", "radius_mm"), Kind::Number(100, 1_500), 500, "half the side of the body that meets walls"),
    field(Key::Acceleration, ("player", "acceleration"), Kind::Number(1, 512), 88, "push of a full stick, 1/4096 m/tick each tick"),
    field(Key::Drag, ("player", "drag_shift"), Kind::Number(1, 8), 3, "speed lost each tick is speed / 2^this"),
    field(Key::SpeedMax, ("player", "speed_max_mm_s"), Kind::Number(500, 30_000), 12_000, "speed that nothing exceeds, an axis"),
    field(Key::Cooldown, ("weapon", "cooldown_ticks"), Kind::Number(1, 255), 9, "ticks between shots"),
    field(Key::Pellets, ("weapon", "pellets"), Kind::Number(1, 16), 1, "projectiles a shot"),
    field(Key::Spread, ("weapon", "spread"), Kind::Number(0, 64), 2, "random deviation to either side, 1/256 turns"),
    field(Key::Speed, ("weapon", "speed_mm_s"), Kind::Number(1_000, 55_000), 26_000, "slowest projectile"),
    field(Key::Jitter, ("weapon", "speed_jitter_mm_s"), Kind::Number(0, 20_000), 0, "how much faster the fastest may be"),
    field(Key::Lifetime, ("weapon", "lifetime_ticks"), Kind::Number(1, 1_024), 90, "ticks a projectile flies"),
    field(Key::Damage, ("weapon", "damage"), Kind::Number(1, 255), 18, "health a hit takes"),
    field(Key::HitRadius, ("weapon", "hit_radius_mm"), Kind::Number(100, 1_500), 650, "distance from a player's centre that hits"),
    field(Key::Walls, ("weapon", "walls"), Kind::Word(WALLS), 0, "what a projectile does at a wall; the border always bounces"),
    field(Key::Pickups, ("pickups", "count"), Kind::Number(0, 16), 0, "pick-ups, by turns health and boost, spread over the floor"),
    field(Key::PickupRespawn, ("pickups", "respawn_ticks"), Kind::Number(1, 3_600), 900, "wait until a taken pick-up is there again"),
    field(Key::PickupHealth, ("pickups", "health"), Kind::Number(1, 255), 50, "health a pick-up gives back"),
    field(Key::PickupBoost, ("pickups", "boost_ticks"), Kind::Number(1, 255), 240, "time in which shots do double damage"),
    field(Key::Drones, ("drones", "count"), Kind::Number(0, 64), 0, "drones that hunt the nearest player"),
    field(Key::DroneHealth, ("drones", "health"), Kind::Number(1, 255), 40, "health of a fresh drone"),
    field(Key::DroneRadius, ("drones", "radius_mm"), Kind::Number(100, 1_500), 400, "half the side of the body that meets walls"),
    field(Key::DroneAcceleration, ("drones", "acceleration"), Kind::Number(1, 512), 48, "push, 1/4096 m/tick each tick"),
    field(Key::DroneSpeedMax, ("drones", "speed_max_mm_s"), Kind::Number(500, 30_000), 5_000, "speed that nothing exceeds, an axis"),
    field(Key::DroneBite, ("drones", "bite_damage"), Kind::Number(1, 255), 10, "health a bite takes"),
    field(Key::DroneBitePause, ("drones", "bite_pause_ticks"), Kind::Number(1, 255), 30, "ticks between bites"),
    field(Key::DroneRespawn, ("drones", "respawn_ticks"), Kind::Number(1, 3_600), 300, "wait after a drone's end"),
];

#[cfg(test)]
mod tests {
    use super::{COUNT, FIELDS, Kind};

    #[test]
    fn every_rule_stands_at_its_own_place_and_its_standard_is_allowed() {
        for (i, field) in FIELDS.iter().enumerate() {
            assert_eq!(field.key as usize, i, "{:?}", field.path);
            let allowed = match field.kind {
                Kind::Number(min, max) => (min..=max).contains(&field.standard),
                Kind::OneOf(choices) => choices.contains(&field.standard),
                Kind::Word(words) => (field.standard as usize) < words.len(),
            };
            assert!(allowed, "{:?}", field.path);
        }
        assert_eq!(FIELDS.len(), COUNT);
    }
}
