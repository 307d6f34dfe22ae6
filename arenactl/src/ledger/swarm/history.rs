//! Releases and revisions, each a config; how a revision stands is in its labels.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arena_types::ReleaseId;
use arenactl_planning::release::{RELEASE_VERSION, Release};

use super::{SWAP_ATTEMPT_COUNT_MAX, SwarmLedger};
use crate::history::{History, Revision, RevisionStatus};
use crate::journal::{json, word};
use crate::ledger::LedgerError;
use crate::swarm::{Kind, Record, Swap, SwarmError, label};

/// Labels of a revision: what changes after it was written.
const STATUS: &str = "arena.revision.status";
const NOTE: &str = "arena.revision.note";
const ENDED_MS: &str = "arena.revision.ended_ms";
/// Characters of a note: a config's labels are read with every list.
const NOTE_LEN_MAX: usize = 1_000;
/// Revisions that a history keeps: years of weekly deploys, and still one small answer.
const REVISION_COUNT_MAX: usize = 500;

impl SwarmLedger {
    pub(super) async fn read_history(&self) -> Result<History, LedgerError> {
        let revisions = self.swarm.records(Kind::Revision).await?;
        let releases = self.swarm.records(Kind::Release).await?;
        let mut revisions: Vec<Revision> =
            revisions.iter().map(revision).collect::<Result<_, _>>()?;
        revisions.sort_by_key(|revision| revision.number);
        let releases: BTreeMap<ReleaseId, Release> =
            releases.iter().map(release).collect::<Result<_, _>>()?;
        Ok(History { revisions, releases })
    }

    /// The release is written first: without a revision that points at it, it does not count.
    pub(super) async fn append_revision(
        &self,
        revision: &Revision,
        release: &Release,
    ) -> Result<(), LedgerError> {
        let mut labels = self.swarm.labels(Kind::Release);
        labels.insert(label::RELEASE.to_owned(), release.id.to_string());
        let name = self.swarm.object_name(&format!("release-{}", release.id));
        self.swarm.create_record(&name, labels, json(release).as_bytes()).await?;
        let name = self.revision_name(revision.number);
        let mut labels = self.swarm.labels(Kind::Revision);
        labels.extend(standing(revision.status, &revision.note, revision.ended_ms));
        let data = json(revision);
        if self.swarm.create_record(&name, labels, data.as_bytes()).await? {
            return Ok(());
        }
        // By somebody who had the lock meanwhile, or by our own first try, whose answer was lost: the next
        // command sees which.
        Err(SwarmError::Contended { name }.into())
    }

    pub(super) async fn end_revision(
        &self,
        number: u32,
        status: RevisionStatus,
        note: &str,
        at_ms: u64,
    ) -> Result<(), LedgerError> {
        let name = self.revision_name(number);
        for _ in 0..SWAP_ATTEMPT_COUNT_MAX {
            let Some(record) = self.swarm.record(&name).await? else { return Ok(()) };
            let mut labels = record.labels.clone();
            labels.extend(standing(status, note, Some(at_ms)));
            if self.swarm.swap_labels(&record, labels).await? == Swap::Done {
                return Ok(());
            }
        }
        Err(SwarmError::Contended { name }.into())
    }

    /// Forgets releases that nothing may go back to, and revisions beyond those that anybody reads.
    pub(super) async fn forget_releases(
        &self,
        kept: &BTreeSet<ReleaseId>,
    ) -> Result<(), LedgerError> {
        let records = self.swarm.records(Kind::Release).await?;
        let parsed = records.iter().map(|record| Ok((release(record)?.0, record)));
        let parsed: BTreeMap<ReleaseId, &Record> = parsed.collect::<Result<_, SwarmError>>()?;
        // The newest one says which number comes next.
        let newest = parsed.keys().next_back().copied();
        let is_needed = |id: &ReleaseId| kept.contains(id) || Some(*id) == newest;
        for (_, record) in parsed.iter().filter(|(id, _)| !is_needed(id)) {
            self.swarm.remove_record(&record.id).await?;
        }
        let mut revisions = self.swarm.records(Kind::Revision).await?;
        revisions.sort_by_key(|record| revision(record).map_or(0, |it| it.number));
        let old = revisions.len().saturating_sub(REVISION_COUNT_MAX);
        for record in &revisions[..old] {
            self.swarm.remove_record(&record.id).await?;
        }
        Ok(())
    }

    fn revision_name(&self, number: u32) -> String {
        self.swarm.object_name(&format!("revision-{number}"))
    }
}

fn standing(status: RevisionStatus, note: &str, ended_ms: Option<u64>) -> HashMap<String, String> {
    let note: String = note.chars().take(NOTE_LEN_MAX).collect();
    let mut labels = HashMap::from([(STATUS.to_owned(), word(&status)), (NOTE.to_owned(), note)]);
    labels.extend(ended_ms.map(|at| (ENDED_MS.to_owned(), at.to_string())));
    labels
}

fn revision(record: &Record) -> Result<Revision, SwarmError> {
    let mut revision: Revision = record.parse()?;
    if let Some(status) = record.label(STATUS) {
        let status = serde_json::from_value(status.into());
        revision.status = status.map_err(|error| record.corrupt(error))?;
    }
    if let Some(note) = record.label(NOTE) {
        note.clone_into(&mut revision.note);
    }
    revision.ended_ms = record.label(ENDED_MS).and_then(|it| it.parse().ok());
    Ok(revision)
}

fn release(record: &Record) -> Result<(ReleaseId, Release), SwarmError> {
    let release: Release = record.parse()?;
    if release.version > RELEASE_VERSION {
        return Err(SwarmError::Newer { name: record.name.clone() });
    }
    Ok((release.id, release))
}
