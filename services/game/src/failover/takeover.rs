//! Goes on with one match whose owner died: carries out what `logic::failover` decides.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arena_instance::placement::{nodes, ranked};
use arena_instance::{Fence, Mirror};
use arena_store::limits::ENTRIES_MAX;
use arena_store::{Condition, HotState, StoreError};
use arena_types::registry::{InstanceRecord, Traffic, instance_key};
use arena_types::{
    Epoch, FailoverPolicy, InstanceId, MatchId, MatchRecord, ReleaseId, ServiceName,
};
use arena_wire::game::v1::JournalEntry;
use prost::Message as _;
use tokio::time::{Instant, interval};
use tonic::Code;

use super::journal_key;
use crate::Config;
use crate::figures::Figures;
use crate::host::Host;
use crate::logic::failover::{Effect, Event, Journal, Outcome, Phase, TakeOver, Written};
use crate::logic::recovery::{Recovered, recover};
use crate::logic::shard::{Awaited, Restoring};
use crate::moving::{Known, Records, Write, bounded, messages};

/// How often the machine is told that time passes.
const PERIOD: Duration = Duration::from_millis(20);
/// Epochs before the last one whose journals are looked at: an owner that died before its first snapshot leaves that
/// of the owner before.
const EPOCHS_BACK: u32 = 2;
/// Reads of one journal: a snapshot and what follows it is far less.
const READS_MAX: u32 = 16;

/// Goes on with matches of instances that died; clones are the same.
#[derive(Clone)]
pub(crate) struct Failover {
    pub(crate) host: Host,
    pub(crate) config: Config,
    pub(crate) records: Records,
    pub(crate) hot: Arc<dyn HotState>,
    pub(crate) instances: Mirror,
    pub(crate) matches: Mirror,
    pub(crate) traffic: Mirror,
    pub(crate) service: ServiceName,
    pub(crate) own: (InstanceId, ReleaseId),
    pub(crate) fence: Fence,
    pub(crate) figures: Figures,
}

impl Failover {
    /// Returns the instances that live, by the newest copy.
    pub(super) fn alive(&self) -> BTreeMap<String, InstanceRecord> {
        self.instances.parsed(&self.instances.now())
    }

    /// Returns how many go before this instance for a match: those who cannot take anything come last.
    fn rank(&self, id: MatchId) -> u32 {
        let traffic = self.traffic.parsed::<Traffic>(&self.traffic.now()).remove("");
        let nodes = nodes(&self.alive(), traffic.as_ref(), &BTreeMap::new());
        let ranked = ranked(id.as_u64(), &nodes);
        let own = ranked.iter().position(|it| it.id == self.own.0);
        u32::try_from(own.unwrap_or(ranked.len() + 1)).unwrap_or(u32::MAX)
    }

    /// Goes on with a match, or sees that somebody does, or that it ends.
    pub(super) async fn take_over(&self, id: MatchId, record: MatchRecord) -> Outcome {
        let begun = Instant::now();
        let rank = if record.owner == self.own.0 { 0 } else { self.rank(id) };
        let mut taking =
            Taking { failover: self, id, known: None, before: record, found: None, why: None };
        let outcome = taking.run(rank, begun).await;
        let what = match &outcome {
            Outcome::Taken => "taken",
            Outcome::Elsewhere => "elsewhere",
            Outcome::Lost(_) => "lost",
            Outcome::Unknown => "unknown",
        };
        let (owner, epoch, why) = (&taking.before.owner, taking.before.epoch, &taking.why);
        match &outcome {
            Outcome::Taken => {
                self.figures.takeover.observe(begun.elapsed().as_secs_f64());
                tracing::info!(target: "audit", %id, dead = %owner, before = %epoch, took = ?begun.elapsed(), "a match goes on here: its owner died");
            }
            Outcome::Elsewhere => {
                tracing::debug!(%id, dead = %owner, "another goes on with a match");
            }
            Outcome::Lost(_) | Outcome::Unknown => {
                tracing::error!(target: "audit", %id, dead = %owner, %epoch, %outcome, why, "a match whose owner died does not go on");
            }
        }
        self.figures.takeover_ended(what);
        outcome
    }

    /// Reads what the owner of an epoch wrote down.
    async fn journal(&self, id: MatchId, epoch: Epoch) -> Result<Option<Recovered>, StoreError> {
        let key = journal_key(id, epoch);
        let (mut entries, mut after) = (Vec::new(), 0);
        for _ in 0..READS_MAX {
            let read = bounded(self.hot.journal_read(&key, after, ENTRIES_MAX)).await?;
            let Some(last) = read.last() else { break };
            after = last.number;
            // What is no entry is a gap, and ends what is known.
            entries.extend(
                read.iter().map(|it| JournalEntry::decode(&it.value[..]).unwrap_or_default()),
            );
        }
        Ok(recover(entries))
    }
}

/// One match.
struct Taking<'a> {
    failover: &'a Failover,
    id: MatchId,
    /// The record with its revision, once it was read.
    known: Option<Known>,
    /// The record of the owner that died.
    before: MatchRecord,
    found: Option<Restoring>,
    why: Option<String>,
}

impl Taking<'_> {
    async fn run(&mut self, rank: u32, begun: Instant) -> Outcome {
        let now_ms = || u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut machine = TakeOver::new(rank, 0);
        let mut period = interval(PERIOD);
        loop {
            period.tick().await;
            let mut event = Some(if self.is_back() { Event::Back } else { Event::Time });
            while let Some(happened) = event.take() {
                match machine.on(happened, now_ms()) {
                    Some(Effect::Finish(outcome)) => {
                        self.failover.host.await_match(self.id, Awaited::No).await;
                        return outcome;
                    }
                    Some(effect) => event = Some(self.act(&effect).await),
                    None => {}
                }
            }
            debug_assert!(machine.phase() != Phase::Over, "it finishes first");
        }
    }

    /// Whether nobody needs to do anything, by the newest copies; the registry has the last word.
    fn is_back(&self) -> bool {
        let Failover { instances, matches, own, .. } = self.failover;
        if self.before.owner != own.0 && instances.now().contains_key(self.before.owner.as_str()) {
            return true;
        }
        let records = matches.now();
        let Some(bytes) = records.get(self.id.to_string().as_str()) else {
            return self.before.owner != own.0;
        };
        let found = serde_json::from_slice::<MatchRecord>(bytes);
        found.is_ok_and(|it| it.epoch != self.before.epoch && !self.is_own(&it))
    }

    /// Whether a record is what this take-over writes.
    fn is_own(&self, record: &MatchRecord) -> bool {
        record.owner == self.failover.own.0 && Some(record.epoch) == self.before.epoch.next()
    }

    async fn act(&mut self, effect: &Effect) -> Event {
        match effect {
            Effect::Read => Event::Journal(self.look().await),
            Effect::Swap => Event::Written(self.swap().await),
            Effect::Verify => Event::Written(self.verify().await),
            Effect::Restore => match self.restore().await {
                Ok(()) => Event::Restored,
                Err(why) => {
                    self.why = Some(why.clone());
                    Event::Failed(why)
                }
            },
            Effect::Abandon => Event::Written(self.abandon().await),
            Effect::Finish(_) => Event::Time,
        }
    }

    /// Finds out what is known of the match, and whether it can be played here.
    async fn look(&mut self) -> Journal {
        match self.failover.records.read(self.id).await {
            Ok(Some(known))
                if known.record.epoch == self.before.epoch || self.is_own(&known.record) =>
            {
                self.known = Some(known);
            }
            Ok(_) => return Journal::Unknown, // it has changed: the copies will say so
            Err(error) => return self.unknown(&error),
        }
        let policy = self.before.failover.unwrap_or(self.failover.config.failover);
        if policy == FailoverPolicy::Off {
            self.why = Some("failover is off for it".to_owned());
            return Journal::Missing;
        }
        let mut foreign = None;
        for back in 0..=EPOCHS_BACK {
            let Some(epoch) = self.before.epoch.0.checked_sub(back).filter(|it| *it > 0) else {
                break;
            };
            match self.failover.journal(self.id, Epoch(epoch)).await {
                Ok(None) => {}
                Ok(Some(recovered)) => match self.parse(recovered) {
                    Ok(found) => {
                        self.found = Some(found);
                        return self.has_room();
                    }
                    Err(status) if status.code() == Code::FailedPrecondition => {
                        foreign.get_or_insert(status.message().to_owned());
                    }
                    Err(status) => self.why = Some(status.message().to_owned()),
                },
                Err(error) => return self.unknown(&error),
            }
        }
        if let Some(why) = foreign {
            self.why = Some(why.clone());
            return Journal::Foreign(why);
        }
        self.why.get_or_insert("the hot state has no whole journal of it".to_owned());
        Journal::Missing
    }

    fn unknown(&mut self, error: &StoreError) -> Journal {
        tracing::warn!(id = %self.id, error = error as &dyn std::error::Error, "it is not known how a match stands");
        self.why = Some(error.to_string());
        Journal::Unknown
    }

    fn has_room(&mut self) -> Journal {
        let Failover { host, config, .. } = self.failover;
        let why = if host.load().hosted >= config.capacity {
            "this instance is full"
        } else if !host.is_accepting() {
            "this instance drains"
        } else {
            return Journal::Whole;
        };
        self.why = Some(why.to_owned());
        Journal::Foreign(why.to_owned())
    }

    fn parse(&self, recovered: Recovered) -> Result<Restoring, tonic::Status> {
        let Recovered { offer, inputs, carried } = recovered;
        let offered = messages::offered(offer, &self.failover.config)?;
        if offered.new.id != self.id {
            return Err(tonic::Status::data_loss("the journal is another match's"));
        }
        Ok(Restoring { offered, inputs, carried })
    }

    /// What must hold besides for nobody else to own the match.
    fn unowned(&self) -> Option<(String, Condition)> {
        let Failover { own, service, .. } = self.failover;
        // Of an earlier life of this instance, or its own already: nothing.
        let is_foreign = self.before.owner != own.0;
        is_foreign.then(|| (instance_key(service, &self.before.owner), Condition::Absent))
    }

    async fn swap(&mut self) -> Written {
        let Failover { own, service, host, records, .. } = self.failover;
        let Some(known) = &self.known else { return Written::Unknown };
        let Some(next) = self.before.owned_by(own.0.clone(), own.1) else {
            return Written::Refused;
        };
        host.await_match(self.id, Awaited::Yes).await;
        let lives = (instance_key(service, &own.0), Condition::Present);
        let also = self.unowned().into_iter().chain([lives]);
        match records.write(self.id, known.revision, &next, also).await {
            Write::Committed(revision) => {
                self.known = Some(Known { record: next, revision });
                Written::Committed
            }
            Write::Refused(_) => self.verify().await,
            Write::Unknown(error) => {
                tracing::warn!(id = %self.id, %error, "nobody knows who owns a match");
                Written::Unknown
            }
        }
    }

    /// Reads who owns the match.
    async fn verify(&mut self) -> Written {
        match self.failover.records.read(self.id).await {
            Ok(Some(known)) => {
                let written = if self.is_own(&known.record) {
                    Written::Committed
                } else if known.record.epoch == self.before.epoch {
                    Written::Unchanged
                } else {
                    Written::Refused
                };
                if written != Written::Refused {
                    self.known = Some(known);
                }
                written
            }
            Ok(None) => Written::Refused,
            Err(_) => Written::Unknown,
        }
    }

    /// Goes on with the match as its owner. What the one before wrote until it was fenced is read once more.
    async fn restore(&mut self) -> Result<(), String> {
        let Failover { host, .. } = self.failover;
        let newest = self.failover.journal(self.id, self.before.epoch).await;
        if let Ok(Some(recovered)) = newest
            && let Ok(found) = self.parse(recovered)
        {
            self.found = Some(found);
        }
        let Some(found) = self.found.take() else { return Err("nothing was found".to_owned()) };
        let epoch = self.known.as_ref().map_or(self.before.epoch, |it| it.record.epoch);
        let (inputs, snapshot) = (found.inputs.len(), found.offered.tick);
        match host.restore(self.id, found, epoch).await {
            Some(Ok(tick)) => {
                tracing::info!(id = %self.id, %epoch, snapshot, inputs, tick, "a match was played again up to where it is known");
                Ok(())
            }
            Some(Err(error)) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(id = %self.id, error, "a match cannot be gone on with");
                Err(error.to_string())
            }
            None => Err("the tick thread has ended".to_owned()),
        }
    }

    /// Removes the record, so that players are told: their gateways find no match.
    async fn abandon(&mut self) -> Written {
        let Some(known) = &self.known else { return Written::Unknown };
        let is_own = known.record.owner == self.failover.own.0;
        let also = if is_own { None } else { self.unowned() };
        match self.failover.records.remove(self.id, known.revision, also).await {
            Ok(true) => Written::Committed,
            Ok(false) => match self.verify().await {
                Written::Committed | Written::Unchanged => Written::Unchanged,
                other => other,
            },
            Err(error) => {
                tracing::warn!(id = %self.id, error = &error as &dyn std::error::Error, "nobody knows who owns a match");
                Written::Unknown
            }
        }
    }
}
