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

use super::{epochs_read, journal_key};
use crate::Config;
use crate::figures::Figures;
use crate::host::Host;
use crate::logic::failover::{Effect, Event, Journal, Outcome, Phase, TakeOver, Written};
use crate::logic::recovery::{Recovered, recover};
use crate::logic::shard::{Awaited, RestoreError, Restoring};
use crate::moving::{Command, Known, Records, Write, bounded, messages};

/// How often the machine is told that time passes.
const PERIOD: Duration = Duration::from_millis(20);
/// Tries to give a match to the instance that has its copy.
const CEDE_TRIES: u32 = 3;
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
        let is_first = record.owner == self.own.0 || record.shadow.as_ref() == Some(&self.own.0);
        let rank = if is_first { 0 } else { self.rank(id) };
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

    /// Gives a match of an earlier life of this instance to the instance that has its warm copy: nobody else could go
    /// on, now that this instance's key is there again. Returns whether it is another's now.
    pub(super) async fn cede(&self, id: MatchId) -> bool {
        for _ in 0..CEDE_TRIES {
            let Ok(Some(Known { record, revision })) = self.records.read(id).await else {
                return false;
            };
            if record.owner != self.own.0 {
                return true;
            }
            let Some(shadow) = record.shadow.clone() else { return false };
            let Some(at) = self.alive().remove(shadow.as_str()) else { return false };
            let Some(next) = record.owned_by(shadow.clone(), at.release) else { return false };
            let lives = (instance_key(&self.service, &shadow), Condition::Present);
            if let Write::Committed(_) = self.records.write(id, revision, &next, [lives]).await {
                tracing::info!(target: "audit", %id, owner = %shadow, epoch = %next.epoch, "a match of an earlier life of this instance goes on from its warm copy");
                return true;
            }
        }
        false
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

/// What a match is gone on from.
enum Restore {
    /// The journal of the owner before.
    Journal(Box<Restoring>),
    /// The warm copy that is kept here.
    Copy,
}

/// One match.
struct Taking<'a> {
    failover: &'a Failover,
    id: MatchId,
    /// The record with its revision, once it was read.
    known: Option<Known>,
    /// The record of the owner that died.
    before: MatchRecord,
    found: Option<Restore>,
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
        let shadow = match self.failover.records.read(self.id).await {
            Ok(Some(known))
                if known.record.epoch == self.before.epoch || self.is_own(&known.record) =>
            {
                self.known.insert(known).record.shadow.clone()
            }
            Ok(_) => return Journal::Unknown, // it has changed: the copies will say so
            Err(error) => return self.unknown(&error),
        };
        if let Some(shadow) = shadow {
            return self.look_at_copy(&shadow).await;
        }
        let policy = self.before.failover.unwrap_or(self.failover.config.failover);
        if policy == FailoverPolicy::Off {
            self.why = Some("failover is off for it".to_owned());
            return Journal::Missing;
        }
        let mut foreign = None;
        for epoch in epochs_read(self.before.epoch) {
            match self.failover.journal(self.id, epoch).await {
                Ok(None) => {}
                Ok(Some(recovered)) => match self.parse(recovered) {
                    Ok(found) => {
                        self.found = Some(Restore::Journal(Box::new(found)));
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

    /// Finds out who has the warm copy that the registry names: nobody else may go on, for players may have seen what
    /// it alone has.
    async fn look_at_copy(&mut self, shadow: &InstanceId) -> Journal {
        let Failover { own, host, records, service, .. } = self.failover;
        let epoch = self.before.epoch;
        if *shadow == own.0 {
            let has = host.ask(self.id, |reply| Command::HasCopy(epoch, reply)).await;
            if has == Some(true) {
                self.found = Some(Restore::Copy);
                return Journal::Whole;
            }
            self.why = Some("its warm copy is not here any more".to_owned());
            return Journal::Missing;
        }
        if records.is_there(&instance_key(service, shadow)).await == Some(false) {
            self.why = Some(format!("{shadow}, which had its warm copy, died too"));
            return Journal::Missing;
        }
        self.why = Some(format!("{shadow}, which has its warm copy, does not go on"));
        Journal::Unknown
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
        let epoch = self.known.as_ref().map_or(self.before.epoch, |it| it.record.epoch);
        if let Some(Restore::Copy) = self.found {
            let owned = host.ask(self.id, |reply| Command::OwnCopy(epoch, reply)).await;
            return self.went_on(owned, epoch, "warm copy");
        }
        let newest = self.failover.journal(self.id, self.before.epoch).await;
        if let Ok(Some(recovered)) = newest
            && let Ok(found) = self.parse(recovered)
        {
            self.found = Some(Restore::Journal(Box::new(found)));
        }
        let Some(Restore::Journal(found)) = self.found.take() else {
            return Err("nothing was found".to_owned());
        };
        let restored = host.restore(self.id, *found, epoch).await;
        self.went_on(restored, epoch, "journal")
    }

    /// Tells what came of going on with the match.
    fn went_on(
        &self,
        tick: Option<Result<u32, RestoreError>>,
        epoch: Epoch,
        from: &str,
    ) -> Result<(), String> {
        match tick {
            Some(Ok(tick)) => {
                tracing::info!(id = %self.id, %epoch, tick, from, "a match was played again up to where it is known");
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
