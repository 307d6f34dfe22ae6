//! What a session waits for behind the gateway: its ticket, its party, its rating.

use std::time::Duration;

use arena_types::{MatchId, PartyCode, PlayerId, TicketId};
use arena_wire::matchmaker::v1::{self, ended::Reason, ticket_update::Update};
use arena_wire::play::{Code, Party, PartyMember, RatingChange};
use arena_wire::stats::v1::{PlayerProfile, ProfileRequest};
use tokio::sync::mpsc;

use crate::logic::record::Seat;
use crate::logic::session::{Event, PartyCall, PartyState, Ticket, TicketEvent};
use crate::upstream::Upstream;

/// A call that answers once may take this long.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);
/// A stream is opened anew after this: longer than any ticket waits, shorter than for ever.
const STREAM_TIMEOUT: Duration = Duration::from_mins(15);
/// Pause before a broken watch of a party is opened again.
const WATCH_PAUSE: Duration = Duration::from_millis(500);
/// How often, and how many times, a result is looked for in the profile: 15 s in all, while stats
/// takes well below one.
const RATING_PAUSE: Duration = Duration::from_millis(300);
const RATING_LOOKS: u32 = 50;

/// Queues `ticket` and reports what becomes of it, until it ends or the task is aborted.
pub async fn follow_ticket(
    upstream: Upstream,
    player: PlayerId,
    ticket: Ticket,
    events: mpsc::Sender<Event>,
) {
    let id = ticket.id;
    let mut updates = match upstream.matchmaker().enqueue(stream(message(ticket))).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => {
            let event = if is_refusal(&status) {
                TicketEvent::End(status.message().to_owned())
            } else {
                tracing::warn!(ticket = %id, %status, "a ticket was not queued");
                TicketEvent::Break
            };
            return tell(&events, Event::Ticket(id, event)).await;
        }
    };
    loop {
        let event = match updates.message().await {
            Ok(Some(v1::TicketUpdate { update: Some(update) })) => ticket_event(update, player),
            Ok(Some(v1::TicketUpdate { update: None })) => continue, // of a newer matchmaker
            Ok(None) => TicketEvent::Break,
            Err(status) => {
                tracing::info!(ticket = %id, %status, "a ticket's stream broke");
                TicketEvent::Break
            }
        };
        let last = !matches!(event, TicketEvent::Wait { .. });
        tell(&events, Event::Ticket(id, event)).await;
        if last {
            return;
        }
    }
}

fn is_refusal(status: &tonic::Status) -> bool {
    use tonic::Code::{FailedPrecondition, InvalidArgument, NotFound, PermissionDenied};
    matches!(status.code(), InvalidArgument | FailedPrecondition | NotFound | PermissionDenied)
}

fn message(ticket: Ticket) -> v1::Ticket {
    let member = |(player, name): (PlayerId, String)| v1::Member {
        player: player.to_string(),
        display_name: name,
    };
    let rtt = |it: arena_wire::play::RegionRtt| v1::RegionRtt {
        region: it.region,
        rtt_ms: u32::from(it.rtt_ms),
    };
    v1::Ticket {
        ticket: ticket.id.to_string(),
        mode: ticket.mode,
        members: ticket.members.into_iter().map(member).collect(),
        waited_ms: ticket.waited_ms,
        rtts: ticket.rtts.into_iter().map(rtt).collect(),
    }
}

fn ticket_event(update: Update, player: PlayerId) -> TicketEvent {
    match update {
        Update::Waiting(it) => {
            let v1::Waiting { tickets_in_queue: tickets, window, reason, .. } = it;
            TicketEvent::Wait { tickets, window, reason }
        }
        Update::Assigned(it) => seat(it, player).map_or_else(
            || TicketEvent::End("the match has no seat for this player: queue again".to_owned()),
            TicketEvent::Assign,
        ),
        Update::Ended(it) => match it.reason() {
            Reason::Moved => TicketEvent::Break,
            Reason::Cancelled => TicketEvent::End(String::new()),
            Reason::TimedOut => {
                TicketEvent::End("no match was found in time: try again".to_owned())
            }
            Reason::Refused | Reason::Unspecified => TicketEvent::End(it.detail),
        },
    }
}

fn seat(it: v1::Assigned, player: PlayerId) -> Option<Seat> {
    let name = player.to_string();
    let own = it.seats.into_iter().find(|it| it.player == name)?;
    Some(Seat {
        match_id: it.r#match.parse().ok()?,
        owner: it.owner.parse().ok()?,
        epoch: arena_types::Epoch(it.epoch),
        seat: u8::try_from(own.seat).ok()?,
        route_token: own.route_token,
    })
}

/// Takes a ticket out of the queue; one that cannot be reached ends by itself.
pub async fn cancel_ticket(upstream: Upstream, ticket: TicketId) {
    let request = call(v1::CancelRequest { ticket: ticket.to_string() });
    if let Err(status) = upstream.matchmaker().cancel(request).await {
        tracing::info!(%ticket, %status, "a ticket was not cancelled");
    }
}

/// Makes a call about parties; for one the player is in after it, follows the party.
pub async fn party(
    upstream: Upstream,
    (player, name): (PlayerId, String),
    asked: PartyCall,
    events: mpsc::Sender<Event>,
) {
    let mut client = upstream.matchmaker();
    let member = || Some(v1::Member { player: player.to_string(), display_name: name.clone() });
    let id = player.to_string();
    let answer = match asked {
        PartyCall::Create(mode) => {
            client.party_create(call(v1::PartyCreateRequest { leader: member(), mode })).await
        }
        PartyCall::Join(code) => {
            let request = v1::PartyJoinRequest { code: code.to_string(), member: member() };
            client.party_join(call(request)).await
        }
        PartyCall::Queue(code, ticket) => {
            let (code, ticket) = (code.to_string(), ticket.to_string());
            let request = v1::PartyQueueRequest { code, player: id, ticket };
            if let Err(status) = client.party_queue(call(request)).await {
                tell(&events, refused(&status)).await;
            }
            return;
        }
        PartyCall::Leave(code) => {
            let request = v1::PartyLeaveRequest { code: code.to_string(), player: id };
            if let Err(status) = client.party_leave(call(request)).await {
                tracing::info!(%code, %status, "a party was not left");
            }
            return;
        }
        PartyCall::Watch(code) => return watch_party(upstream, player, code, events).await,
    };
    match answer.map(|it| state(it.into_inner())) {
        Ok(Some(joined)) => {
            let code = joined.party.code.clone();
            tell(&events, Event::Party(Some(joined))).await;
            watch_party(upstream, player, code, events).await;
        }
        Ok(None) => tell(&events, refused(&tonic::Status::internal("an unreadable party"))).await,
        Err(status) => tell(&events, refused(&status)).await,
    }
}

async fn watch_party(
    upstream: Upstream,
    player: PlayerId,
    code: PartyCode,
    events: mpsc::Sender<Event>,
) {
    loop {
        let request = v1::PartyWatchRequest { code: code.to_string(), player: player.to_string() };
        match upstream.matchmaker().party_watch(stream(request)).await {
            Ok(answer) => {
                let mut updates = answer.into_inner();
                while let Ok(Some(update)) = updates.message().await {
                    if let Some(state) = state(update) {
                        tell(&events, Event::Party(Some(state))).await;
                    }
                }
            }
            Err(status) if is_refusal(&status) => return tell(&events, Event::Party(None)).await,
            Err(status) => tracing::info!(%code, %status, "a party is not watched"),
        }
        tokio::time::sleep(WATCH_PAUSE).await;
    }
}

fn refused(status: &tonic::Status) -> Event {
    use tonic::Code as Status;
    let code = match status.code() {
        Status::NotFound | Status::ResourceExhausted | Status::InvalidArgument => {
            Code::PartyUnknown
        }
        Status::PermissionDenied => Code::NotLeader,
        Status::FailedPrecondition | Status::AlreadyExists => Code::QueueRefused,
        _ => Code::Unavailable,
    };
    let text = match code {
        Code::Unavailable => "parties cannot be reached now: try again in a moment".to_owned(),
        _ => status.message().to_owned(),
    };
    Event::PartyRefused(code, text)
}

fn state(it: v1::Party) -> Option<PartyState> {
    let member = |it: v1::Member| {
        Some(PartyMember { player: it.player.parse().ok()?, name: it.display_name })
    };
    let ticket = Some(it.ticket).filter(|it| !it.is_empty()).and_then(|it| it.parse().ok());
    let party = Party {
        code: it.code.parse().ok()?,
        leader: it.leader.parse().ok()?,
        mode: it.mode,
        queued: ticket.is_some(),
        members: it.members.into_iter().map(member).collect::<Option<_>>()?,
    };
    Some(PartyState { party, ticket })
}

/// Returns a player's profile, or nothing if stats does not answer.
pub async fn profile(upstream: &Upstream, player: PlayerId) -> Option<PlayerProfile> {
    let request = call(ProfileRequest { player: player.to_string() });
    upstream.stats().profile(request).await.ok().map(tonic::Response::into_inner)
}

/// Looks until the profile shows one match more than `before`, and reports the change.
pub async fn follow_rating(
    upstream: Upstream,
    player: PlayerId,
    match_id: MatchId,
    before: PlayerProfile,
    events: mpsc::Sender<Event>,
) {
    let hundredths = |rating: f64| (rating * 100.0).round() as i32;
    for _ in 0..RATING_LOOKS {
        tokio::time::sleep(RATING_PAUSE).await;
        let Some(after) = profile(&upstream, player).await else { continue };
        if after.matches > before.matches {
            let (before, after) = (hundredths(before.rating), hundredths(after.rating));
            let change = RatingChange { match_id, before, after };
            return tell(&events, Event::Rating(change)).await;
        }
    }
    tracing::warn!(%player, %match_id, "stats shows no result of the match");
}

fn call<T>(message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(CALL_TIMEOUT);
    request
}

fn stream<T>(message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(STREAM_TIMEOUT);
    request
}

async fn tell(events: &mpsc::Sender<Event>, event: Event) {
    let _ = events.send(event).await; // the session may have ended meanwhile
}
