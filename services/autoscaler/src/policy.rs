//! Load in, wanted count out. No clock: time is an argument.
//!
//! Up at once, down late: a player who finds no slot leaves, an instance too many costs a little.
//! Down only after the lower count was right for [`DOWN_AFTER`] without a break, one step a decision,
//! and never during a rollout, which needs the room of two releases for a while.

use std::fmt::Write as _;
use std::time::Duration;

/// A lower count must be right for this long: longer than a match, so that a wave of matches that
/// end together does not look like the end of the evening.
pub const DOWN_AFTER: Duration = Duration::from_mins(5);
/// Pause between two steps down: what is drained needs a while to show.
pub const DOWN_COOLDOWN: Duration = Duration::from_mins(1);
/// Pause between two steps up: an instance needs a while to start and to take load.
pub const UP_COOLDOWN: Duration = Duration::from_secs(5);
/// Units kept free beyond those in use, in percent: what arrives while another instance starts.
const BUFFER_PERCENT: u32 = 25;
/// Units kept free at least.
const BUFFER_MIN: u32 = 4;

/// Least and most instances of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    min: u32,
    max: u32,
}

impl Bounds {
    /// Returns `None` unless 1 ≤ `max` and `min` ≤ `max`.
    #[must_use]
    pub const fn new(min: u32, max: u32) -> Option<Self> {
        if max >= 1 && min <= max { Some(Self { min, max }) } else { None }
    }

    fn clamp(self, count: u32) -> (u32, &'static str) {
        if count < self.min {
            (self.min, ", the minimum")
        } else if count > self.max {
            (self.max, ", the maximum")
        } else {
            (count, "")
        }
    }
}

/// A service as it is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Instances that take new work, or will once they are warm.
    pub present: u32,
    /// Units in use on those: matches of a game service, sessions of a gateway.
    pub used: u32,
    /// Units that wait for room: matches that the queue would make.
    pub waiting: u32,
    /// Units one instance holds.
    pub per_instance: u32,
    /// Whether releases are being exchanged.
    pub in_rollout: bool,
}

/// What the policy remembers of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The last recommendation; 0 before the first.
    wanted: u32,
    /// When it last changed.
    changed_at: Duration,
    /// Since when a lower count has been right.
    low_since: Option<Duration>,
}

/// A recommendation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Instances.
    pub wanted: u32,
    /// Why, for a person.
    pub reason: String,
}

/// Decides at `now`, a time that never falls.
#[must_use]
pub fn decide(bounds: Bounds, memory: Memory, seen: Observed, now: Duration) -> (Memory, Decision) {
    let Observed { used, waiting, per_instance, .. } = seen;
    let needed = used.saturating_add(waiting);
    let buffer =
        (needed / 100 * BUFFER_PERCENT + needed % 100 * BUFFER_PERCENT / 100).max(BUFFER_MIN);
    let (target, limit) = bounds.clamp(needed.saturating_add(buffer).div_ceil(per_instance.max(1)));
    let mut reason = format!(
        "{used} in use + {waiting} waiting + {buffer} spare at {per_instance} each = {target}{limit}"
    );
    let mut memory = Memory {
        // The first decision goes by what is there: a restart of this service is no reason to move.
        wanted: if memory.wanted == 0 { bounds.clamp(seen.present).0 } else { memory.wanted },
        ..memory
    };
    // Bounds that were changed hold at once.
    memory.wanted = bounds.clamp(memory.wanted).0;
    let step = step(&mut memory, target, seen, now);
    if let Some(hold) = step {
        write!(reason, "; {hold}").expect("a String takes all");
    }
    (memory, Decision { wanted: memory.wanted, reason })
}

/// Moves towards `target`, or says why not.
fn step(memory: &mut Memory, target: u32, seen: Observed, now: Duration) -> Option<String> {
    let since_change = now.saturating_sub(memory.changed_at);
    if target >= memory.wanted {
        memory.low_since = None;
        if target == memory.wanted {
            return None;
        }
        if since_change < UP_COOLDOWN && memory.changed_at != Duration::ZERO {
            return Some(hold(memory.wanted, "the last change is only just made"));
        }
        (memory.wanted, memory.changed_at) = (target, now);
        return None;
    }
    if seen.in_rollout {
        memory.low_since = None;
        return Some(hold(memory.wanted, "a rollout runs"));
    }
    let low_since = *memory.low_since.get_or_insert(now);
    if now.saturating_sub(low_since) < DOWN_AFTER {
        let wait = DOWN_AFTER.as_secs();
        return Some(hold(memory.wanted, &format!("it was not lower for {wait} s yet")));
    }
    if since_change < DOWN_COOLDOWN {
        return Some(hold(memory.wanted, "the last change is only just made"));
    }
    (memory.wanted, memory.changed_at) = (memory.wanted - 1, now);
    Some(format!("one step down to {}", memory.wanted))
}

fn hold(wanted: u32, why: &str) -> String {
    format!("held at {wanted}: {why}")
}

#[cfg(test)]
mod tests;
