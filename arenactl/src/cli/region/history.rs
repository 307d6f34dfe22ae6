//! `arenactl history`: every revision of a region.

use clap::Args;
use serde_json::json;

use crate::cli::Context;
use crate::clock;
use crate::error::{CliError, Status};
use crate::history::Revision;
use crate::journal::word;
use crate::print;

/// Show every revision of a region: which release, when, who, why, and how it ended.
#[derive(Debug, Args)]
pub(crate) struct HistoryOf {}

impl HistoryOf {
    pub(crate) fn run(context: &Context) -> Result<Status, CliError> {
        Context::block_on(async {
            let place = context.known_place().await?;
            let releases = &place.history.releases;
            let digest = |revision: &Revision| {
                releases.get(&revision.release).map(|release| release.digest.short())
            };
            let revisions = &place.history.revisions;
            let values: Vec<_> =
                revisions.iter().map(|it| value(it, digest(it).as_deref())).collect();
            context.printer.data(&json!({"region": place.region, "revisions": values}), || {
                let head = ["REV", "WHEN", "KIND", "RELEASE", "DIGEST", "STATUS", "WHO", "NOTE"];
                let mut rows = vec![head.map(str::to_owned).to_vec()];
                rows.extend(revisions.iter().map(|it| row(it, digest(it))));
                print::table(&rows)
            });
            Ok(Status::Done)
        })
    }
}

fn value(revision: &Revision, digest: Option<&str>) -> serde_json::Value {
    json!({
        "revision": revision.number,
        "release": revision.release,
        "kind": revision.kind,
        "status": revision.status,
        "strategy": revision.strategy,
        "rollout": revision.rollout,
        "digest": digest,
        "who": revision.who,
        "why": revision.why,
        "when": clock::format_ms(revision.started_ms),
        "started_ms": revision.started_ms,
        "ended_ms": revision.ended_ms,
        "note": revision.note,
    })
}

fn row(revision: &Revision, digest: Option<String>) -> Vec<String> {
    let note = if revision.note.is_empty() { &revision.why } else { &revision.note };
    vec![
        revision.number.to_string(),
        clock::format_ms(revision.started_ms),
        word(&revision.kind),
        revision.release.to_string(),
        digest.unwrap_or_default(),
        revision.status.to_string(),
        revision.who.clone(),
        note.clone(),
    ]
}
