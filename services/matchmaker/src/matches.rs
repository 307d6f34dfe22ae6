//! Makes matches: recorded once, hosted by one instance, told to nobody before both are so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arena_instance::placement::{Node, choose, nodes};
use arena_instance::{Instance, LiveConfig, Mirror};
use arena_mesh::{Channel, Endpoint};
use arena_store::{Condition, Registry, Revision, StoreError, Transaction, TransactionOutcome};
use arena_types::registry::{
    InstanceRecord, RulesRecord, Traffic, instances_of, rules_key, traffic_key,
};
use arena_types::{
    Epoch, FailoverPolicy, InstanceId, MatchId, MatchRecord, QueueFailover, Seated, ServiceName,
    TicketId, match_key,
};
use arena_wire::game::v1::game_client::GameClient;
use arena_wire::game::v1::{CreateRequest, Seat};
use tonic::{Request, Status};

use crate::figures::Figures;
use crate::leases::Shelf;
use crate::logic::{Group, Member, Obstacle};
use crate::records::{TicketRecord, json, parse, ticket_key};

/// Owners asked for one match: the third refusal in a row is a fleet that is full.
const OWNERS_MAX: u32 = 3;
/// An instance has this long to make room for a match; it takes it a millisecond.
const CREATE_DEADLINE: Duration = Duration::from_secs(1);
/// How often, and how many times, a match that another instance makes is looked at before this one
/// takes over: 4 s in all, more than all its owners' deadlines.
const SETTLE_PAUSE: Duration = Duration::from_millis(50);
const SETTLE_LOOKS: u32 = 80;

/// What became of a ticket of a proposed match.
#[derive(Clone, Debug)]
pub(crate) enum Fate {
    /// It has this match.
    Assign(MatchId, Arc<MatchRecord>),
    /// It was cancelled elsewhere.
    Cancel,
    /// It waits on; the obstacle, if there is one, is told to whoever waits.
    Return(Option<Obstacle>),
}

/// What the registry knows of a ticket.
pub(crate) enum Known {
    /// Nothing: it can be queued.
    Fresh,
    /// It has a match already.
    Assigned(MatchId, Arc<MatchRecord>),
    /// It was cancelled.
    Cancelled,
    /// Its match is over.
    Over,
}

/// Why a match has no owner.
#[derive(Debug, thiserror::Error)]
enum PlaceError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0} was changed by another instance")]
    Overtaken(MatchId),
    #[error("no instance takes the match, {asked} refused")]
    NoOwner { asked: usize },
}

impl PlaceError {
    fn obstacle(&self) -> Obstacle {
        match self {
            Self::NoOwner { .. } => Obstacle::NoRoom,
            Self::Store(_) | Self::Overtaken(_) => Obstacle::Failure,
        }
    }
}

/// Makes matches. Shared by everything that waits for one.
pub(crate) struct Matches {
    registry: Arc<dyn Registry>,
    live: LiveConfig,
    failover: QueueFailover,
    games: Mirror,
    traffic: Mirror,
    channel: Channel,
    shelf: Shelf,
    figures: Figures,
    /// A client an instance, over its own pinned connection.
    clients: Mutex<BTreeMap<InstanceId, (Endpoint, GameClient<Channel>)>>,
    /// Matches that are being made, by owner.
    placing: Mutex<BTreeMap<InstanceId, u32>>,
}

impl Matches {
    pub(crate) fn new(
        instance: &Instance,
        live: LiveConfig,
        failover: QueueFailover,
        figures: Figures,
    ) -> Self {
        let game: ServiceName = "game".parse().expect("it is a service name");
        Self {
            registry: instance.stores().registry.clone(),
            live,
            failover,
            games: instance.mirror(&instances_of(&game)),
            traffic: instance.mirror(&traffic_key(&game)),
            channel: instance.channel_to("game"),
            shelf: Shelf::new(instance.stores().registry.clone()),
            figures,
            clients: Mutex::default(),
            placing: Mutex::default(),
        }
    }

    /// Waits until it is known who hosts matches and which releases take traffic: before that a
    /// match could begin on a release that takes none.
    pub(crate) async fn warm(&self) {
        self.games.clone().first().await;
        self.traffic.clone().first().await;
    }

    /// Makes a match of `group`, and says what became of each ticket. A ticket that another
    /// instance was faster with gets that one's match.
    pub(crate) async fn make(&self, group: Group, now_ms: u64) -> Vec<(TicketId, Fate)> {
        let ids: Vec<_> = group.tickets.iter().map(|it| it.id).collect();
        let all = |fate: &Fate| ids.iter().map(|id| (*id, fate.clone())).collect();
        let Some(rules) = self.live.rules() else {
            self.figures.refused("no_rules");
            return all(&Fate::Return(Some(Obstacle::NoRules)));
        };
        let Some(node) = self.choose(group.match_id, &BTreeSet::new()) else {
            self.figures.refused("no_instance");
            tracing::debug!("no game instance is ready, has room and takes traffic");
            return all(&Fate::Return(Some(Obstacle::NoRoom)));
        };
        let id = group.match_id;
        let failover = self.failover.of(group.mode);
        let record = MatchRecord { failover, ..record(&group, &rules, &node, now_ms) };
        let made = match self.claim(id, &record).await {
            Ok(Ok(revision)) => self.finish(id, record, revision).await,
            Ok(Err(found)) => return self.lost(&ids, found).await,
            Err(error) => Err(error.into()),
        };
        match made {
            Ok(record) => all(&Fate::Assign(id, Arc::new(record))),
            Err(error) => {
                tracing::warn!(%id, %error, "a match was not made, its tickets wait on");
                all(&Fate::Return(Some(error.obstacle())))
            }
        }
    }

    /// Returns what is known of a ticket, waiting for its match if that is being made.
    ///
    /// # Errors
    /// The registry's.
    pub(crate) async fn known(&self, ticket: TicketId) -> Result<Known, StoreError> {
        let id = match self.outcome(ticket).await? {
            None => return Ok(Known::Fresh),
            Some(TicketRecord { match_id: None }) => return Ok(Known::Cancelled),
            Some(TicketRecord { match_id: Some(id) }) => id,
        };
        match self.settled(id).await {
            Ok(Some(record)) => Ok(Known::Assigned(id, Arc::new(record))),
            // Either it could not be made, and the ticket is free again, or it is long over.
            Ok(None) if self.outcome(ticket).await?.is_none() => Ok(Known::Fresh),
            Ok(None) => Ok(Known::Over),
            Err(PlaceError::Store(error)) => Err(error),
            Err(error) => Err(StoreError::unavailable(error.to_string())),
        }
    }

    /// Says for everyone that a ticket is cancelled, unless it has a match. Returns whether it is.
    ///
    /// # Errors
    /// The registry's.
    pub(crate) async fn cancel(&self, ticket: TicketId) -> Result<bool, StoreError> {
        let key = ticket_key(ticket);
        let lease = self.shelf.lease().await?;
        let write = Transaction::new().when(&key, Condition::Absent).put_leased(
            &key,
            json(&TicketRecord { match_id: None }),
            lease,
        );
        Ok(self.transact(write).await?.revision().is_some())
    }

    /// Returns what became of a ticket, if something did.
    ///
    /// # Errors
    /// The registry's.
    pub(crate) async fn outcome(
        &self,
        ticket: TicketId,
    ) -> Result<Option<TicketRecord>, StoreError> {
        let key = ticket_key(ticket);
        let found = self.registry.get(&key).await?;
        found.map(|it| parse(&key, &it.value)).transpose()
    }

    /// Returns the fate of a ticket that the registry gave to another match.
    pub(crate) async fn fate(&self, record: TicketRecord) -> Fate {
        let Some(id) = record.match_id else { return Fate::Cancel };
        match self.settled(id).await {
            Ok(Some(record)) => Fate::Assign(id, Arc::new(record)),
            Ok(None) => Fate::Return(None),
            Err(error) => {
                tracing::warn!(%id, %error, "another instance's match was not made");
                Fate::Return(Some(error.obstacle()))
            }
        }
    }

    async fn lost(
        &self,
        ids: &[TicketId],
        found: Vec<Option<TicketRecord>>,
    ) -> Vec<(TicketId, Fate)> {
        let fates = ids.iter().zip(found).map(async |(id, found)| match found {
            Some(record) => (*id, self.fate(record).await),
            None => (*id, Fate::Return(None)),
        });
        futures::future::join_all(fates).await
    }

    /// Records the match and all its tickets at once, or returns what became of the tickets.
    async fn claim(
        &self,
        id: MatchId,
        record: &MatchRecord,
    ) -> Result<Result<Revision, Vec<Option<TicketRecord>>>, StoreError> {
        let lease = self.shelf.lease().await?;
        let (key, ticket) = (match_key(id), json(&TicketRecord { match_id: Some(id) }));
        let mut write = Transaction::new();
        for it in &record.tickets {
            let key = ticket_key(*it);
            write = write.when(&key, Condition::Absent).put_leased(&key, ticket.clone(), lease);
        }
        write = write.when(&key, Condition::Absent).put(&key, json(record));
        match self.transact(write).await? {
            TransactionOutcome::Committed { revision } => Ok(Ok(revision)),
            TransactionOutcome::Refused { found } => {
                let tickets = found.into_iter().take(record.tickets.len());
                let parsed = tickets.map(|it| it.map(|it| parse(&it.key, &it.value)).transpose());
                parsed.collect::<Result<_, _>>().map(Err)
            }
        }
    }

    async fn transact(&self, write: Transaction) -> Result<TransactionOutcome, StoreError> {
        let outcome = self.registry.transact(write).await;
        if matches!(outcome, Err(StoreError::NotFound { .. })) {
            self.shelf.forget().await; // the lease is gone: the next try grants another
        }
        outcome
    }

    /// Finds the recorded match an owner that has it, starting with the recorded one. Each other
    /// owner is recorded first, with the next epoch. Without an owner the record is taken back.
    async fn finish(
        &self,
        id: MatchId,
        mut record: MatchRecord,
        mut revision: Revision,
    ) -> Result<MatchRecord, PlaceError> {
        let mut refused = BTreeSet::new();
        loop {
            match self.create(id, &record).await {
                Ok(()) => break,
                Err(status) => {
                    let owner = record.owner.clone();
                    tracing::info!(%id, %owner, %status, "an instance refuses a match");
                    self.figures.refused("instance");
                    refused.insert(owner);
                }
            }
            let may_ask = refused.len() < OWNERS_MAX as usize;
            let next = self.choose(id, &refused).filter(|_| may_ask);
            let (Some(node), Some(epoch)) = (next, record.epoch.next()) else {
                self.take_back(id, &record, revision).await?;
                return Err(PlaceError::NoOwner { asked: refused.len() });
            };
            (record.owner, record.release, record.epoch) = (node.id, node.release, epoch);
            revision = self.swap(id, &record, revision).await?;
        }
        record.ready = true;
        self.swap(id, &record, revision).await?;
        self.figures.matches.inc();
        let MatchRecord { owner, epoch, players, .. } = &record;
        tracing::info!(%id, %owner, %epoch, players = players.len(), "a match begins");
        Ok(record)
    }

    async fn swap(
        &self,
        id: MatchId,
        record: &MatchRecord,
        revision: Revision,
    ) -> Result<Revision, PlaceError> {
        let key = match_key(id);
        let write =
            Transaction::new().when(&key, Condition::WrittenAt(revision)).put(&key, json(record));
        let swapped = self.registry.transact(write).await?;
        swapped.revision().ok_or(PlaceError::Overtaken(id))
    }

    /// Removes the match and frees its tickets, all or nothing.
    async fn take_back(
        &self,
        id: MatchId,
        record: &MatchRecord,
        revision: Revision,
    ) -> Result<(), PlaceError> {
        let key = match_key(id);
        let mut write = Transaction::new().when(&key, Condition::WrittenAt(revision)).delete(&key);
        for it in &record.tickets {
            write = write.delete(ticket_key(*it));
        }
        let done = self.registry.transact(write).await?;
        done.revision().map(|_| ()).ok_or(PlaceError::Overtaken(id))
    }

    /// Returns the match once its owner has it, or `None` if there is none any more. A match whose
    /// maker is gone is finished here.
    async fn settled(&self, id: MatchId) -> Result<Option<MatchRecord>, PlaceError> {
        match self.settle(id).await {
            Err(PlaceError::Overtaken(_)) => self.settle(id).await, // somebody else finishes it
            settled => settled,
        }
    }

    async fn settle(&self, id: MatchId) -> Result<Option<MatchRecord>, PlaceError> {
        for _ in 0..SETTLE_LOOKS {
            match self.read(id).await? {
                None => return Ok(None),
                Some((record, _)) if record.ready => return Ok(Some(record)),
                Some(_) => tokio::time::sleep(SETTLE_PAUSE).await,
            }
        }
        match self.read(id).await? {
            None => Ok(None),
            Some((record, _)) if record.ready => Ok(Some(record)),
            Some((record, revision)) => {
                tracing::warn!(%id, "the maker of a match is gone, it is finished here");
                self.finish(id, record, revision).await.map(Some)
            }
        }
    }

    async fn read(&self, id: MatchId) -> Result<Option<(MatchRecord, Revision)>, StoreError> {
        let key = match_key(id);
        let found = self.registry.get(&key).await?;
        found.map(|it| Ok((parse(&key, &it.value)?, it.revision))).transpose()
    }

    fn choose(&self, id: MatchId, refused: &BTreeSet<InstanceId>) -> Option<Node> {
        let records = self.games.parsed::<InstanceRecord>(&self.games.now());
        let traffic = self.traffic.parsed::<Traffic>(&self.traffic.now()).remove("");
        let placing = self.placing.lock().unwrap_or_else(PoisonError::into_inner).clone();
        choose(id.as_u64(), &nodes(&records, traffic.as_ref(), &placing), refused).cloned()
    }

    async fn create(&self, id: MatchId, record: &MatchRecord) -> Result<(), Status> {
        let _counted = Counted::one_more(&self.placing, &record.owner);
        let mut client = self.client(&record.owner)?;
        let rules = self.rules(record.rules_version).await?;
        let seat = |it: &Seated| Seat {
            player: it.player.to_string(),
            display_name: it.name.clone(),
            seat: u32::from(it.seat),
        };
        let mut request = Request::new(CreateRequest {
            r#match: id.to_string(),
            epoch: record.epoch.0,
            seed: record.seed,
            mode: record.mode.clone(),
            rules_version: record.rules_version,
            rules_json: rules.rules_json.clone(),
            seats: record.players.iter().map(seat).collect(),
            failover: record.failover.as_ref().map(FailoverPolicy::to_string).unwrap_or_default(),
        });
        request.set_timeout(CREATE_DEADLINE);
        client.create(request).await.map(|_| ())
    }

    /// Returns the rules of a version, which never changes.
    async fn rules(&self, version: u32) -> Result<Arc<RulesRecord>, Status> {
        if let Some(active) = self.live.rules().filter(|it| it.version == version) {
            return Ok(active);
        }
        let key = rules_key(version);
        let away = |error: StoreError| Status::unavailable(error.to_string());
        let found = self.registry.get(&key).await.map_err(away)?;
        let found = found.ok_or_else(|| Status::not_found(format!("there is no `{key}`")))?;
        parse(&key, &found.value).map(Arc::new).map_err(away)
    }

    fn client(&self, owner: &InstanceId) -> Result<GameClient<Channel>, Status> {
        let records = self.games.parsed::<InstanceRecord>(&self.games.now());
        let record = records.get(owner.as_str());
        let record = record.ok_or_else(|| Status::unavailable(format!("{owner} is gone")))?;
        let endpoint = Endpoint::new(owner.as_str(), record.mesh_addr);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.retain(|id, _| records.contains_key(id.as_str()));
        match clients.get(owner) {
            Some((known, client)) if *known == endpoint => Ok(client.clone()),
            _ => {
                let client = GameClient::new(self.channel.to(endpoint.clone()));
                clients.insert(owner.clone(), (endpoint, client.clone()));
                Ok(client)
            }
        }
    }
}

fn record(group: &Group, rules: &RulesRecord, node: &Node, now_ms: u64) -> MatchRecord {
    let members = group.tickets.iter().flat_map(|it| it.members.clone()).enumerate();
    let seated = |(seat, Member { player, name }): (usize, Member)| Seated {
        player,
        name,
        seat: seat as u8,
    };
    MatchRecord {
        owner: node.id.clone(),
        epoch: Epoch::FIRST,
        release: node.release,
        rules_version: rules.version,
        seed: group.seed,
        mode: group.mode.to_owned(),
        players: members.map(seated).collect(),
        tickets: group.tickets.iter().map(|it| it.id).collect(),
        created_ms: now_ms,
        ready: false,
        failover: None,
        shadow: None,
    }
}

/// One match that is being made, in the load of its owner.
struct Counted<'a> {
    placing: &'a Mutex<BTreeMap<InstanceId, u32>>,
    owner: InstanceId,
}

impl<'a> Counted<'a> {
    fn one_more(placing: &'a Mutex<BTreeMap<InstanceId, u32>>, owner: &InstanceId) -> Self {
        let mut counts = placing.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(owner.clone()).or_default() += 1;
        Self { placing, owner: owner.clone() }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        let mut counts = self.placing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.owner) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.owner);
            }
        }
    }
}
