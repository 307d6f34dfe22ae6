//! The gRPC service `arena.matchmaker.v1.Matchmaker`.

use std::sync::Arc;

use arena_instance::Order;
use arena_store::{Event, Watch};
use arena_types::{PartyCode, PlayerId};
use arena_wire::matchmaker::v1;
use arena_wire::matchmaker::v1::ended::Reason;
use arena_wire::matchmaker::v1::matchmaker_server::Matchmaker;
use futures::stream::{BoxStream, StreamExt as _, unfold};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tonic::{Request, Response, Status};

use crate::desk::{Command, Shared};
use crate::logic::{Member, PartyRecord, Ticket, TicketError};
use crate::matches::Known;
use crate::parties::{PartiesError, unknown};
use crate::ratings;
use crate::records::{parse, party_key};
use crate::updates::{Sink, reason};

/// Watches of parties at once: each is a stream of the registry.
pub(crate) const WATCHES_MAX: usize = 20_000;

/// Answers gateways.
#[derive(Clone)]
pub(crate) struct MatchmakerService {
    pub(crate) seats: u32,
    pub(crate) shared: Shared,
    pub(crate) desk: mpsc::Sender<Command>,
    pub(crate) watches: Arc<Semaphore>,
}

impl MatchmakerService {
    /// Queues a ticket that nobody knows; one that has a match already gets it.
    async fn queue(&self, message: v1::Ticket, sink: Sink) {
        let now_ms = self.shared.clock.now_ms();
        let mut ticket = match Ticket::parse(message, self.seats, now_ms) {
            Ok(ticket) => ticket,
            Err(error) => {
                self.shared.figures.ended("refused");
                return sink.end(Reason::Refused, error.to_string());
            }
        };
        let stats = self.shared.instance.channel_to("stats");
        let (known, rating) = tokio::join!(
            self.shared.matches.known(ticket.id),
            ratings::mean(stats, &ticket.members)
        );
        ticket.rating = rating;
        match known {
            Ok(Known::Assigned(id, record)) => {
                let now_ms = self.shared.clock.now_ms();
                sink.assign(self.shared.seats.assigned(id, &record, &ticket.members, now_ms));
            }
            Ok(Known::Cancelled) => sink.end(Reason::Cancelled, "the ticket was cancelled"),
            Ok(Known::Over) => sink.end(Reason::Refused, "its match is over: queue again"),
            Ok(Known::Fresh) => self.wait(ticket, sink).await,
            Err(error) => {
                // Whoever has it already is noticed when its match is recorded.
                tracing::info!(id = %ticket.id, %error, "a ticket is queued unchecked");
                self.wait(ticket, sink).await;
            }
        }
    }

    async fn wait(&self, ticket: Ticket, sink: Sink) {
        let id = ticket.id;
        if let Err(mpsc::error::SendError(Command::Queue(_, sink))) =
            self.desk.send(Command::Queue(ticket, sink)).await
        {
            return sink.end(Reason::Moved, "this instance stops");
        }
        // What became of it since it was looked up may have been heard before it waited here.
        if let Ok(Some(record)) = self.shared.matches.outcome(id).await {
            let _ = self.desk.send(Command::Hear(id, record)).await; // a desk that stopped needs none
        }
    }

    fn orders(&self) -> watch::Receiver<Order> {
        self.shared.instance.orders()
    }
}

#[tonic::async_trait]
impl Matchmaker for MatchmakerService {
    type EnqueueStream = BoxStream<'static, Result<v1::TicketUpdate, Status>>;
    type PartyWatchStream = BoxStream<'static, Result<v1::Party, Status>>;

    async fn enqueue(
        &self,
        request: Request<v1::Ticket>,
    ) -> Result<Response<Self::EnqueueStream>, Status> {
        let (sink, updates) = Sink::new();
        if *self.orders().borrow() == Order::Serve {
            self.queue(request.into_inner(), sink).await;
        } else {
            let (reason, detail) = reason(crate::logic::Ending::Moved);
            sink.end(reason, detail);
        }
        let next =
            async |mut updates: mpsc::Receiver<_>| Some((Ok(updates.recv().await?), updates));
        Ok(Response::new(unfold(updates, next).boxed()))
    }

    async fn cancel(
        &self,
        request: Request<v1::CancelRequest>,
    ) -> Result<Response<v1::CancelReply>, Status> {
        let id = request.into_inner().ticket.parse().map_err(|it| bad(&it))?;
        // The registry tells every desk that holds it, this one too.
        if self.shared.matches.cancel(id).await.map_err(PartiesError::from)? {
            self.shared.parties.release(id).await?;
        }
        Ok(Response::new(v1::CancelReply {}))
    }

    async fn party_create(
        &self,
        request: Request<v1::PartyCreateRequest>,
    ) -> Result<Response<v1::Party>, Status> {
        let v1::PartyCreateRequest { leader, mode } = request.into_inner();
        let leader = member(leader)?;
        let (code, party) = self.shared.parties.create(leader, &mode, rand::random()).await?;
        Ok(Response::new(message(&code, party)))
    }

    async fn party_join(
        &self,
        request: Request<v1::PartyJoinRequest>,
    ) -> Result<Response<v1::Party>, Status> {
        let v1::PartyJoinRequest { code, member: joining } = request.into_inner();
        let (code, joining) = (party_code(&code)?, member(joining)?);
        self.forget_settled(&code).await?;
        let party = self.shared.parties.join(&code, &joining).await?;
        Ok(Response::new(message(&code, party)))
    }

    async fn party_leave(
        &self,
        request: Request<v1::PartyLeaveRequest>,
    ) -> Result<Response<v1::PartyLeaveReply>, Status> {
        let v1::PartyLeaveRequest { code, player } = request.into_inner();
        let (code, player) = (party_code(&code)?, parse_player(&player)?);
        let changed = self.shared.parties.leave(&code, player).await?;
        if let (true, Some(ticket)) = (changed.before.has(player), changed.before.ticket) {
            // Who is left is not matched with someone who went.
            self.shared.matches.cancel(ticket).await.map_err(PartiesError::from)?;
        }
        if changed.after.is_none() {
            tracing::debug!(%code, "a party ends");
        }
        Ok(Response::new(v1::PartyLeaveReply {}))
    }

    async fn party_queue(
        &self,
        request: Request<v1::PartyQueueRequest>,
    ) -> Result<Response<v1::Party>, Status> {
        let v1::PartyQueueRequest { code, player, ticket } = request.into_inner();
        let (code, player) = (party_code(&code)?, parse_player(&player)?);
        let ticket = ticket.parse().map_err(|it| bad(&it))?;
        self.forget_settled(&code).await?;
        let party = self.shared.parties.queue(&code, player, ticket).await?;
        Ok(Response::new(message(&code, party)))
    }

    async fn party_watch(
        &self,
        request: Request<v1::PartyWatchRequest>,
    ) -> Result<Response<Self::PartyWatchStream>, Status> {
        let v1::PartyWatchRequest { code, player } = request.into_inner();
        let (code, player) = (party_code(&code)?, parse_player(&player)?);
        let full = |_| Status::unavailable(format!("{WATCHES_MAX} parties are watched here"));
        let permit = self.watches.clone().try_acquire_owned().map_err(full)?;
        let (party, revision) = self.shared.parties.read(&code).await?;
        if !party.has(player) {
            return Err(PartiesError::from(unknown(&code)).into());
        }
        let registry = &self.shared.instance.stores().registry;
        let changes = registry.watch(&party_key(&code), revision).await;
        let changes = changes.map_err(PartiesError::from)?;
        let watched = Watched { code, player, first: Some(party), changes, _permit: permit };
        let parties = unfold(watched, async |mut it| Some((Ok(it.next().await?), it)));
        let mut orders = self.orders();
        let stop = async move {
            let _ = orders.wait_for(|it| *it != Order::Serve).await; // it is watched on elsewhere
        };
        Ok(Response::new(parties.take_until(Box::pin(stop)).boxed()))
    }
}

impl MatchmakerService {
    /// Frees a party whose ticket has a match or was cancelled, if whoever should have is gone.
    async fn forget_settled(&self, code: &PartyCode) -> Result<(), PartiesError> {
        let (party, _) = self.shared.parties.read(code).await?;
        if let Some(ticket) = party.ticket
            && self.shared.matches.outcome(ticket).await?.is_some()
        {
            self.shared.parties.unqueue(code, ticket).await?;
        }
        Ok(())
    }
}

/// A party as one member sees it; it ends with the membership.
struct Watched {
    code: PartyCode,
    player: PlayerId,
    first: Option<PartyRecord>,
    changes: Watch,
    _permit: OwnedSemaphorePermit,
}

impl Watched {
    async fn next(&mut self) -> Option<v1::Party> {
        if let Some(party) = self.first.take() {
            return Some(message(&self.code, party));
        }
        loop {
            let commit = self.changes.next().await?;
            let event = commit.ok()?.events.pop(); // one key is changed once in a commit
            let entry = match event {
                Some(Event::Put(entry)) => entry,
                Some(Event::Delete { .. }) => return None,
                None => continue,
            };
            let party: PartyRecord = parse(&entry.key, &entry.value).ok()?;
            return party.has(self.player).then(|| message(&self.code, party));
        }
    }
}

fn bad(error: &dyn std::error::Error) -> Status {
    Status::invalid_argument(error.to_string())
}

fn party_code(text: &str) -> Result<PartyCode, Status> {
    text.parse().map_err(|it: arena_types::NameError| bad(&it))
}

fn parse_player(text: &str) -> Result<PlayerId, Status> {
    text.parse().map_err(|it: arena_types::ParseIdError| bad(&it))
}

fn member(message: Option<v1::Member>) -> Result<Member, Status> {
    let message = message.ok_or_else(|| Status::invalid_argument("a member is needed"))?;
    Member::parse(message).map_err(|it: TicketError| bad(&it))
}

fn message(code: &PartyCode, party: PartyRecord) -> v1::Party {
    let PartyRecord { leader, members, mode, ticket } = party;
    let member = |it: Member| v1::Member { player: it.player.to_string(), display_name: it.name };
    v1::Party {
        code: code.to_string(),
        leader: leader.to_string(),
        members: members.into_iter().map(member).collect(),
        mode,
        ticket: ticket.map_or_else(String::new, |it| it.to_string()),
    }
}
