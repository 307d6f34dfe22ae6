use arena_env::{Reader, Seconds, Variable, names};
use arena_instance::{Need, Program, Threads};
use arena_sdk::{Game, SEATS};
use arena_types::{FailoverPolicy, QueueFailover};

use crate::logic::{MODES, Policy};

/// What this program is.
pub const PROGRAM: Program =
    Program { name: "arena-matchmaker", needs: &[Need::Store], schema: &[], threads: Threads::One };

/// Longest wait for bots: beyond it a person alone never plays.
const FILL_AFTER_MS_MAX: u32 = 60_000;

/// What is set for this service alone.
#[derive(Clone, Debug)]
pub struct MatchmakerSettings {
    /// The game of the matches.
    pub game: &'static dyn Game,
    /// How matches are formed.
    pub policy: Policy,
    /// What becomes of matches whose owner dies, by queue.
    pub failover: QueueFailover,
}

impl MatchmakerSettings {
    /// Reads it; mistakes stay in `reader`.
    #[must_use]
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let game = arena_games::read(reader);
        let seats = within(reader, &names::MATCHMAKER_SEATS, 1, SEATS as u32);
        let fill_after_ms = within(reader, &names::MATCHMAKER_FILL_AFTER_MS, 0, FILL_AFTER_MS_MAX);
        let timeout = reader.read::<Seconds>(&names::MATCHMAKER_TIMEOUT_S);
        let failover = failover(reader);
        let game = game?;
        let policy = Policy {
            seats: seats?.min(game.seats_max() as u32),
            fill_after_ms: u64::from(fill_after_ms?),
            timeout_ms: timeout?.duration().as_millis() as u64,
        };
        Some(Self { game, policy, failover: failover? })
    }
}

fn failover(reader: &mut Reader<'_>) -> Option<QueueFailover> {
    let variable = &names::MATCHMAKER_FAILOVER;
    let Some(written) = reader.optional::<String>(variable)? else {
        return Some(QueueFailover::default());
    };
    let read = written.parse::<QueueFailover>();
    let unknown = |read: &QueueFailover| {
        let queue = read.queues().find(|it| !MODES.contains(it))?;
        Some(format!("there is no queue `{queue}`"))
    };
    let wrong = match read {
        Ok(read) => match unknown(&read) {
            None => return Some(read),
            Some(wrong) => wrong,
        },
        Err(error) => error.to_string(),
    };
    let (queues, policies) = (MODES.join(", "), FailoverPolicy::RULE);
    let rule = format!("QUEUE=POLICY,… of the queues {queues} with {policies}: {wrong}");
    reader.refuse(variable, Some(written), rule);
    None
}

fn within(reader: &mut Reader<'_>, variable: &Variable, min: u32, max: u32) -> Option<u32> {
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

    fn read(source: &dyn arena_env::Source) -> Result<MatchmakerSettings, arena_env::EnvError> {
        let mut reader = Reader::new(source);
        let settings = MatchmakerSettings::read(&mut reader);
        reader.finish(|| settings)
    }

    #[test]
    fn nothing_needs_to_be_set_and_every_bound_is_named() {
        let none: [(&str, &str); 0] = [];
        let policy = Policy { seats: 16, fill_after_ms: 2_000, timeout_ms: 60_000 };
        assert_eq!(read(&none).unwrap().policy, policy);
        let error = read(&[
            ("ARENA_MATCHMAKER_SEATS", "17"),
            ("ARENA_MATCHMAKER_FILL_AFTER_MS", "60001"),
            ("ARENA_MATCHMAKER_TIMEOUT_S", "0"),
            ("ARENA_MATCHMAKER_FAILOVER", "duel=off"),
        ])
        .unwrap_err();
        assert_eq!(error.mistakes.len(), 4, "{error}");
        assert!(error.to_string().contains("must be a number from 1 to 16"), "{error}");
    }

    #[test]
    fn a_queue_says_what_becomes_of_its_matches() {
        let failover = |text| read(&[("ARENA_MATCHMAKER_FAILOVER", text)]);
        assert_eq!(failover("arena=off").unwrap().failover.of("arena"), Some(FailoverPolicy::Off));
        for (text, wrong) in [
            (
                "duel=off",
                "queues arena with `journal`, `shadow` or `off`: there is no queue `duel`",
            ),
            ("arena=maybe", "queue `arena`: `maybe` is not `journal`, `shadow` or `off`"),
            ("off", "`off` is not QUEUE=POLICY"),
        ] {
            let error = failover(text).unwrap_err().to_string();
            assert!(
                error.contains("ARENA_MATCHMAKER_FAILOVER=`") && error.contains(wrong),
                "{error}"
            );
        }
    }
}
