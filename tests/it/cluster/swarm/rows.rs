//! What `arenactl status` says of instances, for tests of several nodes.

use anyhow::ensure;
use arena_tests::SwarmRegion;
use serde_json::Value;

/// An instance at one moment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) service: String,
    pub(super) instance: String,
    pub(super) node: String,
    pub(super) release: String,
    pub(super) state: String,
    pub(super) matches: u64,
    pub(super) note: String,
}

impl Row {
    fn new(instance: &Value) -> Self {
        let text = |field: &str| instance[field].as_str().unwrap_or("-").to_owned();
        Self {
            service: text("service"),
            instance: text("instance"),
            node: text("node"),
            release: text("release"),
            state: text("state"),
            matches: instance["matches"].as_u64().unwrap_or(0),
            note: text("note"),
        }
    }

    pub(super) fn is_of(&self, service: &str) -> bool {
        self.service == service
    }

    /// Its name without the release: what replaces it has the same.
    pub(super) fn place(&self) -> String {
        self.instance.replace(&format!("-{}-", self.release), "-")
    }
}

/// Returns what runs, or should.
pub(super) async fn rows(region: &SwarmRegion) -> anyhow::Result<Vec<Row>> {
    let mut rows: Vec<Row> = region.instances().await?.iter().map(Row::new).collect();
    rows.sort();
    Ok(rows)
}

/// Returns those that players touch.
pub(super) async fn games_and_gateways(region: &SwarmRegion) -> anyhow::Result<Vec<Row>> {
    let mut rows = rows(region).await?;
    rows.retain(|it| it.is_of("game") || it.is_of("gateway"));
    Ok(rows)
}

/// Returns the instances of a service.
pub(super) fn of<'a>(instances: &'a [Value], service: &str) -> Vec<&'a Value> {
    instances.iter().filter(|it| it["service"] == service).collect()
}

/// Fails unless `count` instances of a service are ready, all of one release. What was emptied may still
/// be on its way out.
pub(super) async fn all_ready(
    region: &SwarmRegion,
    service: &str,
    count: usize,
) -> anyhow::Result<()> {
    let mut rows = rows(region).await?;
    rows.retain(|it| it.is_of(service) && !["draining", "empty"].contains(&it.state.as_str()));
    let is_good = |it: &Row| it.state == "ready" && it.release == rows[0].release;
    ensure!(rows.len() == count && rows.iter().all(is_good), "{count} of {service}: {rows:#?}");
    Ok(())
}
