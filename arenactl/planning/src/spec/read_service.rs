//! One service of the file → [`ServiceSpec`].

use std::collections::{BTreeMap, BTreeSet};

use arena_types::contract::{AtDeadline, DrainMode};
use arena_types::{FailoverPolicy, QueueFailover, ServiceName};

use crate::spec::error::Problem;
use crate::spec::placement::Placement;
use crate::spec::ports::Ports;
use crate::spec::section::Section;
use crate::spec::services::{Drain, Kind, Resources, Restart, ServiceSpec, Strategy};
use crate::spec::yaml::Value;
use crate::units::{Bytes, Cpus, Span};

/// Longest name of a service: `-r`, a release and a number must fit behind it into 63 characters.
const NAME_LEN_MAX: usize = 40;
/// Most instances of a service in a region; more is a slip of the hand.
const INSTANCES_MAX: u32 = 1_000;
/// The least memory a process can start with.
const MEMORY_MIN: Bytes = Bytes::new(1 << 20);

const KINDS: [(&str, Kind); 4] = [
    ("stateless", Kind::Stateless),
    ("sessions", Kind::Sessions),
    ("matches", Kind::Matches),
    ("data", Kind::Data),
];
const STRATEGIES: [(&str, Strategy); 3] = [
    ("rolling", Strategy::Rolling),
    ("blue-green", Strategy::BlueGreen),
    ("recreate", Strategy::Recreate),
];

/// Variables that arenactl sets for every instance.
const RESERVED: [&str; 17] = [
    "ARENA_CLUSTER",
    crate::spec::read::GAME,
    "ARENA_REGION",
    "ARENA_SERVICE",
    "ARENA_INSTANCE",
    "ARENA_RELEASE",
    "ARENA_SIDE_ADDR",
    "ARENA_MESH_ADDR",
    "ARENA_PUBLIC_ADDR",
    "ARENA_PUBLIC_SHARED",
    "ARENA_ADVERTISE_IP",
    "ARENA_STORE_ADDR",
    "ARENA_IDENTITY_DIR",
    "ARENA_SECRETS_DIR",
    "ARENA_CONFIGS_DIR",
    "ARENA_DATA_DIR",
    "ARENA_DRAIN_DEADLINE_S",
];
/// Endings of a variable's name that say its value is a secret.
const SECRET_ENDINGS: [&str; 5] = ["PASSWORD", "SECRET", "TOKEN", "_KEY", "CREDENTIALS"];

/// All names of the file, for references between sections.
pub(super) struct Names {
    pub(super) services: BTreeSet<String>,
    pub(super) secrets: BTreeSet<String>,
    pub(super) configs: BTreeSet<String>,
}

/// Reads one service.
pub(super) fn read(
    name: &ServiceName,
    section: &mut Section<'_, '_, '_>,
    names: &Names,
) -> ServiceSpec {
    if name.as_str().len() > NAME_LEN_MAX {
        let what = format!("has {} characters, {NAME_LEN_MAX} fit", name.as_str().len());
        section.conflict("", what, "give it a shorter name");
    }
    let kind = section.choice("kind", &KINDS).unwrap_or(Kind::Stateless);
    let instances = section.number("instances", 0..=INSTANCES_MAX, 1);
    if kind == Kind::Data && instances > 1 {
        let what = format!("is {instances}, but one process alone may open the data");
        section.conflict("instances", what, "set it to 1, or choose another `kind`");
    }
    ServiceSpec {
        kind,
        strategy: strategy(section, kind),
        instances,
        binary: section.or("binary", format!("arena-{name}")),
        image: section.value("image"),
        args: section.list("args").unwrap_or_default(),
        env: env(section),
        secrets: section.names("secrets", "secret", &names.secrets).into_iter().collect(),
        configs: section.names("configs", "config", &names.configs).into_iter().collect(),
        resources: section.section("resources", resources),
        placement: section.section("placement", Placement::read),
        ports: section.section("ports", |it| Ports::read(it, kind)),
        drain: section.section("drain", |it| drain(it, kind)),
        ready_timeout: section.or("ready_timeout", Span::from_s(30)),
        restart: section.section("restart", |it| Restart {
            attempts: it.number("attempts", 0..=100, 5),
            within: it.or("within", Span::from_s(60)),
        }),
        batch: section.number("batch", 1..=INSTANCES_MAX, 1),
        weights: weights(section),
        settle: section.or("settle", Span::from_s(1)),
        capacity: capacity(section, kind),
        after: section.names("after", "service", &names.services).into_iter().collect(),
    }
}

fn strategy(section: &mut Section<'_, '_, '_>, kind: Kind) -> Option<Strategy> {
    let strategy = section.choice("strategy", &STRATEGIES)?;
    let what = match (kind, strategy) {
        (Kind::Data, Strategy::Rolling | Strategy::BlueGreen) => {
            "would run two processes on the same data"
        }
        (Kind::Matches | Kind::Sessions, Strategy::Recreate) => {
            "would stop the old instances before the new ones are there"
        }
        _ => return Some(strategy),
    };
    section.conflict("strategy", what, "remove it: the kind decides");
    None
}

fn env(section: &mut Section<'_, '_, '_>) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    for (key, node) in section.entries("env") {
        let path = section.path_of(&format!("env.{}", key.text));
        let Value::Scalar { text, .. } = &node.value else {
            let found = node.shape();
            let problem = Problem::WrongShape { wanted: "a single value", found };
            section.mistake_at(node.at, &path, problem);
            continue;
        };
        let problem = if !is_variable(&key.text) {
            Some(Problem::Invalid {
                value: key.text.clone(),
                what: "a variable's name".to_owned(),
                help: "use A-Z, 0-9 and `_`, starting with a letter".to_owned(),
            })
        } else if RESERVED.contains(&key.text.as_str()) {
            Some(Problem::ReservedVariable)
        } else if SECRET_ENDINGS.iter().any(|it| key.text.ends_with(it)) {
            Some(Problem::PlainSecret)
        } else {
            None
        };
        if let Some(problem) = problem {
            section.mistake_at(key.at, &path, problem);
        } else if let Some(problem) = bad_failover(&key.text, text) {
            section.mistake_at(node.at, &path, problem);
        }
        env.insert(key.text.clone(), text.clone());
    }
    env
}

/// What is wrong with a value that decides what becomes of matches: it shall not be found only once one dies.
fn bad_failover(variable: &str, value: &str) -> Option<Problem> {
    let (what, help) = match variable {
        "ARENA_GAME_FAILOVER" => {
            value.parse::<FailoverPolicy>().err()?;
            ("a policy", format!("write {}", FailoverPolicy::RULE))
        }
        "ARENA_MATCHMAKER_FAILOVER" => {
            let wrong = value.parse::<QueueFailover>().err()?;
            let what = "what becomes of the matches of queues";
            (what, format!("{wrong}; write QUEUE=POLICY, for example `arena=journal,duel=off`"))
        }
        _ => return None,
    };
    Some(Problem::Invalid { value: value.to_owned(), what: what.to_owned(), help })
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|it: char| it.is_ascii_uppercase())
        && name.bytes().all(|it| it.is_ascii_uppercase() || it.is_ascii_digit() || it == b'_')
}

fn resources(section: &mut Section<'_, '_, '_>) -> Resources {
    let memory = section.or("memory", Bytes::new(128 << 20));
    if memory < MEMORY_MIN {
        let what = format!("is {memory}: no process starts with that");
        section.conflict("memory", what, format!("write {MEMORY_MIN} or more"));
    }
    Resources {
        cpu: section.or("cpu", Cpus::from_milli(250)),
        memory,
        gpus: section.number("gpus", 0..=64, 0),
    }
}

fn drain(section: &mut Section<'_, '_, '_>, kind: Kind) -> Drain {
    let default_s = if kind == Kind::Matches { 600 } else { 60 };
    let deadline = section.or("deadline", Span::from_s(default_s));
    if deadline < Span::from_s(1) {
        let what = format!("is {deadline}: nothing can drain in that time");
        section.conflict("deadline", what, "write 1s or more");
    }
    Drain {
        deadline,
        mode: section
            .choice("mode", &[("migrate", DrainMode::Migrate), ("wait", DrainMode::Wait)])
            .unwrap_or(DrainMode::Migrate),
        at_deadline: section
            .choice("at_deadline", &[("keep", AtDeadline::Keep), ("end", AtDeadline::End)])
            .unwrap_or(AtDeadline::Keep),
    }
}

fn weights(section: &mut Section<'_, '_, '_>) -> Vec<u32> {
    let Some(weights) = section.numbers("weights", &(1..=100)) else { return vec![100] };
    if weights.last() != Some(&100) || weights.windows(2).any(|it| it[0] >= it[1]) {
        section.conflict(
            "weights",
            "must grow and end with 100",
            "write `[100]` or `[10, 50, 100]`",
        );
        return vec![100];
    }
    weights
}

fn capacity(section: &mut Section<'_, '_, '_>, kind: Kind) -> u32 {
    let capacity = section.number("capacity", 0..=100_000, 0);
    match (kind, capacity) {
        (Kind::Matches, 0) => {
            let help = "write how many matches one instance can host".to_owned();
            section.mistake("capacity", Problem::Missing { help });
        }
        (Kind::Stateless | Kind::Sessions | Kind::Data, 1..) => section.conflict(
            "capacity",
            "only a service of kind `matches` hosts matches",
            "remove it, or set `kind: matches`",
        ),
        _ => {}
    }
    capacity
}
