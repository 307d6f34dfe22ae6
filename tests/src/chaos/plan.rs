//! What a seed decides.

use std::fmt;

/// Troubles of one run, at most.
const TROUBLES_MAX: u64 = 3;
/// They begin within this time of the rollout.
const BEGIN_MS_MAX: u64 = 6_000;
/// How long one lasts.
const LAST_MS: (u64, u64) = (200, 4_000);
/// How far a clock is stepped, in seconds.
const STEP_S: u64 = 3_600;

/// A part of a region: the instances of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is the service of that name")]
pub enum Part {
    Store,
    Config,
    Auth,
    Stats,
    Game,
    Matchmaker,
    Gateway,
    Autoscaler,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Store,
        Self::Config,
        Self::Auth,
        Self::Stats,
        Self::Game,
        Self::Matchmaker,
        Self::Gateway,
        Self::Autoscaler,
    ];

    /// Returns the service's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Config => "config",
            Self::Auth => "auth",
            Self::Stats => "stats",
            Self::Game => "game",
            Self::Matchmaker => "matchmaker",
            Self::Gateway => "gateway",
            Self::Autoscaler => "autoscaler",
        }
    }
}

/// Which processes of two parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// All of one from all of the other.
    All,
    /// One of each: others go on as if nothing were.
    One,
}

/// What breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// SIGKILL to one instance.
    Kill(Part),
    /// SIGSTOP to one instance, SIGCONT at the end.
    Stop(Part),
    /// No packet passes between processes of two parts; of one part, if it is of one process and another.
    Cut(Scope, Part, Part),
    /// 30 % of the packets between them are lost.
    Loss(Scope, Part, Part),
    /// The store answers late: it stands still most of the time.
    SlowStore,
    /// The disk is full.
    FullDisk,
    /// The wall clock of one game instance is stepped, forwards or back, and back again at the end.
    Clock(i64),
    /// SIGKILL to the command that runs the rollout.
    KillArenactl,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(part) => write!(f, "kill -9 of {}", part.name()),
            Self::Stop(part) => write!(f, "SIGSTOP of {}", part.name()),
            Self::Cut(scope, a, b) => write!(f, "cut between {}", between(*scope, *a, *b)),
            Self::Loss(scope, a, b) => write!(f, "30 % loss between {}", between(*scope, *a, *b)),
            Self::SlowStore => f.write_str("a slow store"),
            Self::FullDisk => f.write_str("a full disk"),
            Self::Clock(step_s) => write!(f, "the clock of one game stepped by {step_s:+} s"),
            Self::KillArenactl => f.write_str("kill -9 of arenactl"),
        }
    }
}

fn between(scope: Scope, a: Part, b: Part) -> String {
    match scope {
        Scope::All => format!("{} and {}", a.name(), b.name()),
        Scope::One => format!("one {} and one {}", a.name(), b.name()),
    }
}

/// A fault with its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// When it begins, in milliseconds since the rollout did.
    pub at_ms: u64,
    /// How long it lasts, in milliseconds; what happens at once has no length.
    pub for_ms: u64,
    /// What breaks.
    pub fault: Fault,
}

/// How the new release takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strategy {
    /// One instance after the other.
    Rolling,
    /// New beside old.
    BlueGreen,
    /// New beside old, with a share of the traffic first.
    Canary,
}

/// What the new release changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// The game instances are replaced.
    Game,
    /// The gateways are replaced.
    Gateway,
    /// Both.
    Both,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What it follows from.
    pub seed: u64,
    /// How the new release takes over.
    pub strategy: Strategy,
    /// What it changes.
    pub change: Change,
    /// What breaks, in order of its beginning.
    pub troubles: Vec<Trouble>,
}

/// A moment of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Act {
    End(Fault),
    Begin(Fault),
}

impl Plan {
    /// Returns the run of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let strategy = [Strategy::Rolling, Strategy::BlueGreen, Strategy::Canary][dice.roll(3)];
        let change = [Change::Game, Change::Gateway, Change::Both][dice.roll(3)];
        let count = 1 + dice.roll(TROUBLES_MAX);
        let mut troubles: Vec<Trouble> = (0..count).map(|_| dice.trouble()).collect();
        troubles.sort_by_key(|it| (it.at_ms, it.fault));
        Self { seed, strategy, change, troubles }
    }

    /// Returns the settings of the new release, as `--set` takes them.
    #[must_use]
    pub fn settings(&self) -> Vec<String> {
        let parts: &[&str] = match self.change {
            Change::Game => &["game"],
            Change::Gateway => &["gateway"],
            Change::Both => &["game", "gateway"],
        };
        let mut settings: Vec<String> =
            parts.iter().map(|it| format!("services.{it}.env.ARENA_CHAOS={}", self.seed)).collect();
        settings.extend(match self.strategy {
            Strategy::Rolling => vec!["services.game.strategy=rolling".to_owned()],
            Strategy::BlueGreen => Vec::new(),
            Strategy::Canary => vec!["services.game.weights=[20,100]".to_owned()],
        });
        settings
    }

    /// Returns all beginnings and ends with their times in milliseconds, in order.
    pub(super) fn acts(&self) -> Vec<(u64, Act)> {
        let mut acts = Vec::new();
        for Trouble { at_ms, for_ms, fault } in &self.troubles {
            acts.push((*at_ms, Act::Begin(*fault)));
            if *for_ms > 0 {
                acts.push((at_ms + for_ms, Act::End(*fault)));
            }
        }
        acts.sort_unstable();
        acts
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {:?}", self.strategy, self.change)?;
        for Trouble { at_ms, for_ms, fault } in &self.troubles {
            write!(f, "; at {at_ms} ms {fault}")?;
            if *for_ms > 0 {
                write!(f, " for {for_ms} ms")?;
            }
        }
        Ok(())
    }
}

/// `SplitMix64` (Steele, Lea & Flood 2014).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: impl TryInto<u64>) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let sides = sides.try_into().unwrap_or(1).max(1);
        usize::try_from((z ^ (z >> 31)) % sides).unwrap_or(0)
    }

    /// The parts that players depend on, the game twice: it has the most to lose.
    fn part(&mut self) -> Part {
        let all = [
            Part::Game,
            Part::Game,
            Part::Gateway,
            Part::Store,
            Part::Matchmaker,
            Part::Stats,
            Part::Config,
            Part::Auth,
        ];
        all[self.roll(8)]
    }

    fn trouble(&mut self) -> Trouble {
        let at_ms = self.roll(BEGIN_MS_MAX) as u64;
        let for_ms = LAST_MS.0 + self.roll(LAST_MS.1 - LAST_MS.0) as u64;
        let (part, scope) = (self.part(), [Scope::All, Scope::One][self.roll(2_u64)]);
        let other = loop {
            let other = self.part();
            // Of games there are several: what they tell each other may be lost, too.
            if other != part || (scope, part) == (Scope::One, Part::Game) {
                break other;
            }
        };
        let step_s = if self.roll(2_u64) == 0 { STEP_S as i64 } else { -(STEP_S as i64) };
        let fault = match self.roll(8_u64) {
            0 => Fault::Kill(part),
            1 => Fault::Stop(part),
            2 => Fault::Cut(scope, part, other),
            3 => Fault::Loss(scope, part, other),
            4 => Fault::SlowStore,
            5 => Fault::FullDisk,
            6 => Fault::Clock(step_s),
            _ => Fault::KillArenactl,
        };
        let at_once = matches!(fault, Fault::Kill(_) | Fault::KillArenactl);
        Trouble { at_ms, for_ms: if at_once { 0 } else { for_ms }, fault }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_decides_everything_and_seeds_come_everywhere() {
        assert_eq!(Plan::new(7), Plan::new(7));
        let plans: Vec<Plan> = (0..200).map(Plan::new).collect();
        let kinds = |it: &Trouble| it.fault.to_string().split(' ').take(2).collect::<String>();
        let faults: BTreeSet<String> =
            plans.iter().flat_map(|it| &it.troubles).map(kinds).collect();
        let ways: BTreeSet<_> = plans.iter().map(|it| (it.strategy, it.change)).collect();
        assert!(faults.len() >= 7, "{faults:?}");
        let is_among_games =
            |it: &Trouble| it.fault == Fault::Cut(Scope::One, Part::Game, Part::Game);
        assert!(plans.iter().flat_map(|it| &it.troubles).any(is_among_games));
        assert_eq!(ways.len(), 9);
    }

    #[test]
    fn what_begins_ends_unless_it_happens_at_once() {
        let acts = Plan::new(11).acts();
        assert!(acts.is_sorted_by_key(|it| it.0));
        for (at, act) in &acts {
            let Act::Begin(fault) = act else { continue };
            let ends = acts.iter().any(|it| it.0 > *at && it.1 == Act::End(*fault));
            assert_eq!(ends, !matches!(fault, Fault::Kill(_) | Fault::KillArenactl), "{fault}");
        }
    }
}
