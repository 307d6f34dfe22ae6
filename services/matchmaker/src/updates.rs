//! What a ticket's streams are told.

use arena_types::{MatchId, MatchRecord, Seated};
use arena_wire::matchmaker::v1::ended::Reason;
use arena_wire::matchmaker::v1::ticket_update::Update;
use arena_wire::matchmaker::v1::{Assigned, Ended, SeatToken, TicketUpdate, Waiting};
use arena_wire::token::{RouteClaims, TokenKey};
use tokio::sync::mpsc;

use crate::logic::{Ending, Member, Obstacle};

/// Updates that wait for a slow gateway; all but the last are only news.
pub(crate) const UPDATES_MAX: usize = 4;
/// A seat is kept this long: beyond the longest match, any number of reconnections included.
const SEAT_LIFE_MS: u64 = 6 * 3_600_000;

/// The other end of a ticket's stream.
#[derive(Clone, Debug)]
pub(crate) struct Sink(mpsc::Sender<TicketUpdate>);

impl Sink {
    pub(crate) fn new() -> (Self, mpsc::Receiver<TicketUpdate>) {
        let (sender, receiver) = mpsc::channel(UPDATES_MAX);
        (Self(sender), receiver)
    }

    /// Tells whether nobody listens any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Sends news, unless the reader is behind: one place is kept for the end.
    pub(crate) fn wait(&self, waiting: Waiting) {
        if self.0.capacity() > 1 {
            let _ = self.0.try_send(update(Update::Waiting(waiting)));
        }
    }

    /// Ends the stream with a match.
    pub(crate) fn assign(self, assigned: Assigned) {
        let _ = self.0.try_send(update(Update::Assigned(assigned)));
    }

    /// Ends the stream without a match.
    pub(crate) fn end(self, reason: Reason, detail: impl Into<String>) {
        let ended = Ended { reason: reason.into(), detail: detail.into() };
        let _ = self.0.try_send(update(Update::Ended(ended)));
    }
}

fn update(update: Update) -> TicketUpdate {
    TicketUpdate { update: Some(update) }
}

/// Returns the reason a gateway is told, and why, for a person.
pub(crate) fn reason(ending: Ending) -> (Reason, &'static str) {
    match ending {
        Ending::Cancelled => (Reason::Cancelled, "the ticket was cancelled"),
        Ending::TimedOut => (Reason::TimedOut, "no match was found in time"),
        Ending::Moved => (Reason::Moved, "this instance drains"),
        Ending::Full => (Reason::Moved, "this instance has no room for more tickets"),
    }
}

/// Returns what a player is told who waits because of `obstacle`.
pub(crate) fn obstacle(obstacle: Obstacle) -> &'static str {
    match obstacle {
        Obstacle::NoRoom => "every game server is full or restarting: you keep your place",
        Obstacle::NoRules => "the rules of the game are not published yet: you keep your place",
        Obstacle::Failure => "a match could not be made and is tried again: you keep your place",
    }
}

/// Signs seats.
#[derive(Clone, Debug)]
pub(crate) struct Seats(TokenKey);

impl Seats {
    pub(crate) fn new(key: TokenKey) -> Self {
        Self(key)
    }

    /// Returns the match with the seats of `members`, each signed.
    pub(crate) fn assigned(
        &self,
        id: MatchId,
        record: &MatchRecord,
        members: &[Member],
        now_ms: u64,
    ) -> Assigned {
        let own = |it: &&Seated| members.iter().any(|member| member.player == it.player);
        let token = |it: &Seated| {
            let expires_ms = now_ms + SEAT_LIFE_MS;
            let claims = RouteClaims { match_id: id, player: it.player, seat: it.seat, expires_ms };
            SeatToken {
                player: it.player.to_string(),
                seat: u32::from(it.seat),
                route_token: claims.sign(&self.0),
            }
        };
        Assigned {
            r#match: id.to_string(),
            owner: record.owner.to_string(),
            epoch: record.epoch.0,
            release: record.release.to_string(),
            mode: record.mode.clone(),
            seats: record.players.iter().filter(own).map(token).collect(),
        }
    }
}
