//! How many matches' journals the embedded store bears: its process, and what game instances would write to it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use arena_load::cpu_time_s;
use arena_mesh::{Channel, Endpoint, Identity};
use arena_store::{HotState, JournalAppend};
use arena_tests::TestRegion;
use bytes::Bytes;
use futures::future::try_join_all;
use tokio::time::{MissedTickBehavior, interval};

/// Instances that write, each all its matches at once.
const INSTANCES: usize = 3;
/// Between two writes of an instance: three ticks. A write that takes longer holds up the next.
const PERIOD: Duration = Duration::from_millis(50);
/// Writes between two snapshots of a match, which take turns.
const SNAPSHOT_WRITES: usize = 20;
/// Writes between two trims of a match's journal.
const TRIM_WRITES: usize = 80;
/// What 16 players do in three ticks, and their match as a whole.
const ENTRY_BYTES: usize = 500;
const SNAPSHOT_BYTES: usize = 40 << 10;
/// Matches of an instance, step by step; the first step is the lab's capacity.
const STEPS: [usize; 6] = [20, 40, 80, 120, 160, 200];
/// Writes of a step.
const WRITES: usize = 100;
const TTL: Duration = Duration::from_mins(2);

/// What a number of matches took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Borne {
    pub(crate) matches: usize,
    /// Cores that the store used.
    pub(crate) cores: f64,
    pub(crate) append_ms_p99: f64,
}

/// Returns what the first step took, and the last one whose appends were done, all but one of a hundred, when the
/// next were due.
pub(crate) async fn measure() -> anyhow::Result<[Borne; 2]> {
    let region = TestRegion::new(&["services.gateway.ports.public=0"]).await?;
    region.deploy(&[]).await?.expect_code(0)?;
    let store = region.live("store").await?.pop().context("a store")?;
    let addr: SocketAddr = store["addresses"]["mesh"].as_str().context("its address")?.parse()?;
    let pid = u32::try_from(store["pid"].as_u64().context("its process")?)?;
    let identity = Identity::load(&region.folder().join("instances/game-r1-0/identity"))?;
    let channel = Channel::builder(identity).service("store").pinned(Endpoint::at(addr));
    let hot = arena_store_remote::connect(channel).hot;
    let first = step(&hot, pid, STEPS[0]).await?;
    let mut most = first;
    for matches in STEPS.into_iter().skip(1) {
        let borne = step(&hot, pid, matches).await?;
        if borne.append_ms_p99 > PERIOD.as_secs_f64() * 1_000.0 {
            break;
        }
        most = borne;
    }
    region.close().await?;
    Ok([first, most])
}

/// Lets all instances write for some seconds.
async fn step(hot: &Arc<dyn HotState>, pid: u32, matches: usize) -> anyhow::Result<Borne> {
    let used_s = || cpu_time_s(pid).context("the store has ended");
    let (begun, before_s) = (Instant::now(), used_s()?);
    let instances = (0..INSTANCES).map(|it| tokio::spawn(write(hot.clone(), it, matches)));
    let mut took_ms = Vec::new();
    for instance in try_join_all(instances).await? {
        took_ms.extend(instance?);
    }
    took_ms.sort_by(f64::total_cmp);
    Ok(Borne {
        matches: INSTANCES * matches,
        cores: (used_s()? - before_s) / begun.elapsed().as_secs_f64(),
        append_ms_p99: took_ms[took_ms.len() * 99 / 100],
    })
}

/// Writes what an instance with so many matches does, and returns how long each write took, from when it was due.
async fn write(
    hot: Arc<dyn HotState>,
    instance: usize,
    matches: usize,
) -> anyhow::Result<Vec<f64>> {
    let mut took_ms = Vec::with_capacity(WRITES);
    let mut due = interval(PERIOD);
    due.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for number in 0..WRITES {
        let due = due.tick().await;
        let append = |id: usize| JournalAppend {
            journal: format!("match/{matches}-{instance}-{id}/1"),
            after: None,
            entries: vec![Bytes::from(vec![7; bytes(number + id)])],
            ttl: TTL,
        };
        hot.journal_append((0..matches).map(append).collect()).await?;
        took_ms.push(due.elapsed().as_secs_f64() * 1_000.0);
        for id in (0..matches).filter(|it| (number + it) % TRIM_WRITES == TRIM_WRITES - 1) {
            let through = (number + 1).saturating_sub(SNAPSHOT_WRITES) as u64;
            hot.journal_trim(&append(id).journal, through).await?;
        }
    }
    Ok(took_ms)
}

fn bytes(write: usize) -> usize {
    if write.is_multiple_of(SNAPSHOT_WRITES) { SNAPSHOT_BYTES } else { ENTRY_BYTES }
}
