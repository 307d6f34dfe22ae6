//! Which replays are kept.

use std::time::Duration;

/// How much is kept; what is over either bound goes, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The oldest replay that is kept.
    pub age_max: Duration,
    /// Bytes of all replays together.
    pub bytes_max: u64,
}

/// A replay in the object store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its path.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// When it was stored, Unix milliseconds.
    pub stored_ms: u64,
}

/// Returns what is to be deleted of `all`, oldest first.
#[must_use]
pub fn expired(mut all: Vec<Kept>, retention: Retention, now_ms: u64) -> Vec<Kept> {
    all.sort_by(|a, b| (a.stored_ms, &a.path).cmp(&(b.stored_ms, &b.path)));
    let age_max_ms = u64::try_from(retention.age_max.as_millis()).unwrap_or(u64::MAX);
    let oldest_ms = now_ms.saturating_sub(age_max_ms);
    let mut bytes: u64 = all.iter().map(|it| it.bytes).sum();
    let is_over = |it: &Kept| {
        let over = it.stored_ms < oldest_ms || bytes > retention.bytes_max;
        bytes -= if over { it.bytes } else { 0 };
        over
    };
    let kept_from = all.iter().map(is_over).take_while(|it| *it).count();
    all.truncate(kept_from);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_until_both_bounds_hold() {
        let all = |stored: &[(u64, u64)]| -> Vec<Kept> {
            let kept = |(i, (stored_ms, bytes)): (usize, &(u64, u64))| Kept {
                path: format!("replays/{i}"),
                bytes: *bytes,
                stored_ms: *stored_ms,
            };
            stored.iter().enumerate().map(kept).collect()
        };
        let stored = [(9_000, 10), (1_000, 10), (5_000, 10), (8_000, 10)];
        for (age_max_ms, bytes_max, gone) in [
            (10_000, 40, vec![]),
            (5_000, 40, vec!["replays/1"]),
            (4_999, 40, vec!["replays/1", "replays/2"]),
            (10_000, 39, vec!["replays/1"]),
            (10_000, 20, vec!["replays/1", "replays/2"]),
            (10_000, 0, vec!["replays/1", "replays/2", "replays/3", "replays/0"]),
            (0, 40, vec!["replays/1", "replays/2", "replays/3", "replays/0"]),
        ] {
            let retention = Retention { age_max: Duration::from_millis(age_max_ms), bytes_max };
            let expired = expired(all(&stored), retention, 10_000);
            let paths: Vec<&str> = expired.iter().map(|it| it.path.as_str()).collect();
            assert_eq!(paths, gone, "{age_max_ms} ms, {bytes_max} bytes");
        }
    }
}
