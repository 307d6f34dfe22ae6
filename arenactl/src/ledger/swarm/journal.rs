//! Steps, each a config that names the one before; requests, each a config that is removed by who takes it.

use std::collections::{BTreeMap, BTreeSet};

use arenactl_planning::Digest;

use super::{SWAP_ATTEMPT_COUNT_MAX, SwarmLedger, TOKEN};
use crate::clock;
use crate::history::RevisionStatus;
use crate::journal::{Steering, Step, StepError, json};
use crate::ledger::LedgerError;
use crate::lock::{Lock, LockError};
use crate::swarm::{Kind, Record, Swap, SwarmError, label};

/// Label of the lock, followed by a rollout's id: its last step.
const HEAD: &str = "arena.journal.";
/// Label of a step: the step before it.
const BEFORE: &str = "arena.step.before";

impl SwarmLedger {
    pub(super) async fn append_step(
        &self,
        lock: &Lock,
        id: &str,
        step: &Step,
    ) -> Result<(), LockError> {
        let head = format!("{HEAD}{id}");
        let failed = |error: SwarmError| LockError::from(LedgerError::from(error));
        for _ in 0..SWAP_ATTEMPT_COUNT_MAX {
            let found = self.lock_record().await.map_err(failed)?;
            let held = found.filter(|record| record.label(TOKEN) == Some(lock.token()));
            let record = held.ok_or(LockError::Lost)?;
            let name = self.write_step(&record, id, step, record.label(&head)).await;
            let name = name.map_err(failed)?;
            let count = |record: &mut Record| {
                record.labels.insert(head.clone(), name.clone());
            };
            if self.swap(&record, count).await.map_err(failed)? == Swap::Done {
                return Ok(());
            }
            self.swarm.remove_record(&name).await.map_err(failed)?; // It never counted.
        }
        Err(failed(SwarmError::Contended { name: self.lock_name() }))
    }

    /// Writes a step that does not count yet. Its name tells who wrote it upon which lock: of two who believe
    /// to hold it, each writes its own.
    async fn write_step(
        &self,
        lock: &Record,
        id: &str,
        step: &Step,
        before: Option<&str>,
    ) -> Result<String, SwarmError> {
        let writer = format!("{} {}", lock.label(TOKEN).unwrap_or_default(), lock.version);
        let writer = &Digest::of(writer.as_bytes()).short()[..8];
        let name = self.swarm.object_name(&format!("step-{id}-{}-{writer}", step.rollout.step));
        let mut labels = self.swarm.labels(Kind::Step);
        labels.insert(label::ROLLOUT.to_owned(), id.to_owned());
        labels.extend(before.map(|it| (BEFORE.to_owned(), it.to_owned())));
        // Taken means that the answer to our own first try was lost: nobody else has that name.
        self.swarm.create_record(&name, labels, json(step).as_bytes()).await?;
        Ok(name)
    }

    pub(super) async fn read_steps(&self, id: &str) -> Result<Vec<Step>, LedgerError> {
        let Some(head) = self.head(id).await? else { return Ok(Vec::new()) };
        let records = self.swarm.records(Kind::Step).await?;
        let chain = chain(&head, &records);
        let mut steps: Vec<Step> = chain.into_iter().map(step).collect::<Result<_, _>>()?;
        steps.reverse();
        Ok(steps)
    }

    pub(super) async fn read_last_step(&self, id: &str) -> Result<Option<Step>, LedgerError> {
        let Some(head) = self.head(id).await? else { return Ok(None) };
        let record = self.swarm.record(&head).await?;
        record.as_ref().map(step).transpose()
    }

    async fn head(&self, id: &str) -> Result<Option<String>, SwarmError> {
        let lock = self.lock_record().await?;
        Ok(lock.and_then(|lock| lock.label(&format!("{HEAD}{id}")).map(str::to_owned)))
    }

    /// Forgets the journals of rollouts that are over, but the last one, and steps that never counted.
    pub(super) async fn forget_journals(&self) -> Result<(), LedgerError> {
        let history = self.read_history().await?;
        let is_open = |status| status == RevisionStatus::Running;
        let open = history.revisions.iter().filter(|it| is_open(it.status));
        let kept: BTreeSet<String> = open
            .chain(history.revisions.last())
            .map(|it| format!("{HEAD}{}", it.rollout))
            .collect();
        let Some(lock) = self.lock_record().await? else { return Ok(()) };
        let forget = |record: &mut Record| {
            record.labels.retain(|key, _| !key.starts_with(HEAD) || kept.contains(key));
        };
        if self.swap(&lock, forget).await? == Swap::Beaten {
            return Ok(()); // The next deploy tidies up.
        }
        let records = self.swarm.records(Kind::Step).await?;
        let heads = kept.iter().filter_map(|key| lock.label(key));
        let needed: BTreeSet<&str> =
            heads.flat_map(|head| chain(head, &records)).map(|it| it.name.as_str()).collect();
        for record in records.iter().filter(|record| !needed.contains(record.name.as_str())) {
            self.swarm.remove_record(&record.id).await?;
        }
        Ok(())
    }

    pub(super) async fn leave_request(&self, request: &Steering) -> Result<(), LedgerError> {
        let text = json(request);
        let mark = format!("{} {} {text}", std::process::id(), clock::now_ms());
        let name =
            self.swarm.object_name(&format!("steering-{}", Digest::of(mark.as_bytes()).short()));
        let labels = self.swarm.labels(Kind::Steering);
        self.swarm.create_record(&name, labels, text.as_bytes()).await?;
        Ok(())
    }

    /// Whoever removes a request has taken it.
    pub(super) async fn take_request(&self) -> Result<Option<Steering>, LedgerError> {
        let mut requests = self.swarm.records(Kind::Steering).await?;
        requests.sort_by_key(|record| record.version);
        for record in requests {
            if self.swarm.remove_record(&record.id).await? {
                return Ok(Some(record.parse()?));
            }
        }
        Ok(None)
    }

    pub(super) async fn clear_requests(&self) -> Result<(), LedgerError> {
        for record in self.swarm.records(Kind::Steering).await? {
            self.swarm.remove_record(&record.id).await?;
        }
        Ok(())
    }
}

fn step(record: &Record) -> Result<Step, LedgerError> {
    Step::read(record.parse()?).map_err(|error| match error {
        StepError::Version { found, known } => LedgerError::Journal { found, known },
        StepError::Json(source) => record.corrupt(source).into(),
    })
}

/// Returns the steps from `head` back to the first one.
fn chain<'a>(head: &str, records: &'a [Record]) -> Vec<&'a Record> {
    let by_name: BTreeMap<&str, &Record> =
        records.iter().map(|record| (record.name.as_str(), record)).collect();
    let first = by_name.get(head).copied();
    let before = |record: &&'a Record| by_name.get(record.label(BEFORE)?).copied();
    // A chain has at most all steps: a circle, which nobody writes, ends here, too.
    std::iter::successors(first, before).take(records.len()).collect()
}
