//! The game service's own settings.

use std::time::Duration;

use arena_env::{Reader, names};
use arena_games::Policy;
use arena_sdk::Game;
use arena_types::FailoverPolicy;

use crate::films::Watching;
use crate::logic::retention::Retention;
use crate::recorder::Recording;

/// What only the game service is told.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The game it hosts.
    pub game: &'static dyn Game,
    /// Matches hosted at once, at least 1.
    pub capacity: u32,
    /// Threads that step matches if the CPU does, at least 1.
    pub threads: u32,
    /// What steps them.
    pub policy: Policy,
    /// Seats taken in a new match, by bots where there are no players; 1 to 16.
    pub filled_seats: u32,
    /// What is recorded of matches.
    pub recording: Recording,
    /// Who may watch.
    pub watching: Watching,
    /// What becomes of matches whose owner dies, if their queue does not say so.
    pub failover: FailoverPolicy,
    /// Percent of one core that checking matches takes, 0 to 100.
    pub check_percent: u32,
}

impl Config {
    /// Reads the settings; mistakes stay in `reader`.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let game = arena_games::read(reader);
        let capacity = bounded(reader, &names::GAME_CAPACITY, 1, 100_000);
        let threads = match reader.optional::<u32>(&names::GAME_THREADS) {
            Some(None) => Some(cores()),
            Some(Some(_)) => bounded(reader, &names::GAME_THREADS, 1, 256),
            None => None,
        };
        let policy = policy(reader);
        let filled_seats = bounded(reader, &names::GAME_FILLED_SEATS, 1, 16);
        let recording = recording(reader);
        let check_percent = bounded(reader, &names::GAME_CHECK_PERCENT, 0, 100);
        let viewers_max = bounded(reader, &names::GAME_WATCHERS, 0, 10_000);
        let delay_s = bounded(reader, &names::GAME_WATCH_DELAY_S, 1, 3_600);
        let failover = failover(reader);
        Some(Self {
            game: game?,
            capacity: capacity?,
            threads: threads?,
            policy: policy?,
            filled_seats: filled_seats?,
            recording: recording?,
            watching: Watching {
                viewers_max: viewers_max?,
                delay_ticks: delay_s? * arena_sdk::TICK_RATE_HZ,
            },
            failover: failover?,
            check_percent: check_percent?,
        })
    }
}

fn policy(reader: &mut Reader<'_>) -> Option<Policy> {
    let written = reader.read::<String>(&names::GAME_BACKEND)?;
    let parsed = written.parse().ok();
    if parsed.is_none() {
        let rule = "`auto`, `cpu` or `gpu`".to_owned();
        reader.refuse(&names::GAME_BACKEND, Some(written), rule);
    }
    parsed
}

fn failover(reader: &mut Reader<'_>) -> Option<FailoverPolicy> {
    let written = reader.read::<String>(&names::GAME_FAILOVER)?;
    let parsed = written.parse().ok();
    if parsed.is_none() {
        let rule = FailoverPolicy::RULE.to_owned();
        reader.refuse(&names::GAME_FAILOVER, Some(written), rule);
    }
    parsed
}

fn recording(reader: &mut Reader<'_>) -> Option<Recording> {
    /// 16 TiB.
    const MIB_MAX: u32 = 16 << 20;
    let days = bounded(reader, &names::GAME_REPLAY_DAYS, 0, 3_650);
    let kept_mib = bounded(reader, &names::GAME_REPLAY_MIB, 1, MIB_MAX);
    let disk_mib = bounded(reader, &names::GAME_REPLAY_DISK_MIB, 1, MIB_MAX);
    let (days, kept_mib, disk_mib) = (days?, kept_mib?, disk_mib?);
    let bytes = |mib: u32| u64::from(mib) << 20;
    let age_max = Duration::from_hours(24 * u64::from(days));
    Some(Recording {
        disk_bytes_max: bytes(disk_mib),
        retention: Retention { age_max, bytes_max: bytes(kept_mib) },
    })
}

fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |it| it.get() as u32)
}

fn bounded(
    reader: &mut Reader<'_>,
    variable: &arena_env::Variable,
    min: u32,
    max: u32,
) -> Option<u32> {
    let value = reader.read::<u32>(variable)?;
    if (min..=max).contains(&value) {
        return Some(value);
    }
    reader.refuse(variable, Some(value.to_string()), format!("a number from {min} to {max}"));
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<const N: usize>(source: &[(&str, &str); N]) -> Result<Config, String> {
        let mut reader = Reader::new(source);
        let config = Config::read(&mut reader);
        reader.finish(|| config).map_err(|it| it.to_string())
    }

    #[test]
    fn all_has_a_default() {
        let config = read(&[("ARENA_GAME_THREADS", "3")]).unwrap();
        assert_eq!(config.game.name(), "arena");
        assert_eq!((config.capacity, config.threads, config.filled_seats), (500, 3, 8));
        assert_eq!(config.policy, Policy::Auto);
        let asked = read(&[("ARENA_GAME_BACKEND", "cpu")]).unwrap();
        assert_eq!(asked.policy, Policy::Cpu);
        let retention =
            Retention { age_max: Duration::from_hours(30 * 24), bytes_max: 20_480 << 20 };
        let recording = Recording { disk_bytes_max: 2_048 << 20, retention };
        assert!(recording.is_on());
        assert_eq!(config.recording, recording);
        assert_eq!(config.check_percent, 10);
        assert_eq!(config.failover, FailoverPolicy::Journal);
        assert_eq!(config.watching, Watching { viewers_max: 64, delay_ticks: 600 });
        assert!(!read(&[("ARENA_GAME_REPLAY_DAYS", "0")]).unwrap().recording.is_on());
    }

    #[test]
    fn every_mistake_is_shown() {
        let error = read(&[
            ("ARENA_GAME", "chess"),
            ("ARENA_GAME_CAPACITY", "0"),
            ("ARENA_GAME_THREADS", "many"),
            ("ARENA_GAME_FILLED_SEATS", "17"),
            ("ARENA_GAME_REPLAY_MIB", "0"),
            ("ARENA_GAME_BACKEND", "fpga"),
            ("ARENA_GAME_FAILOVER", "maybe"),
        ])
        .unwrap_err();
        for text in [
            "ARENA_GAME=`chess`",
            "ARENA_GAME_CAPACITY=`0`",
            "ARENA_GAME_THREADS=`many`",
            "from 1 to 16",
            "ARENA_GAME_REPLAY_MIB=`0`",
            "ARENA_GAME_BACKEND=`fpga`",
            "ARENA_GAME_FAILOVER=`maybe`",
        ] {
            assert!(error.contains(text), "{text} in {error}");
        }
    }
}
