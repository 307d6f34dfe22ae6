//! One session's life: what a client, the matchmaker and the games say goes in, what to do comes out.
//!
//! Frames do not pass here; they go from a link to a socket's slot of the newest few. Inputs pass
//! [`Session::input`] alone. Everything else is an [`Event`], answered by [`Effect`]s in order.

use std::collections::VecDeque;

use arena_types::{Epoch, InstanceId, MatchId, PlayerId, SessionId, Tick, TicketId};
use arena_wire::link::Leave;
use arena_wire::play::{
    ClientMessage, Code, EventKind, MatchStart, Move, Owner, Party, Playback, QueueUpdate,
    RatingChange, RegionRtt, ServerMessage, Watch,
};

use super::record::{Activity, Record, Seat, Waiting};
pub use calls::PartyCall;
use inputs::Seen;
use moving::Next;
use queued::age_ms;
use watching::Watching;

mod calls;
mod inputs;
mod moving;
mod queued;
mod watching;

/// First wait before a lost game is tried again; it doubles up to [`RETRY_MS_MAX`].
const RETRY_MS_MIN: u64 = 100;
/// Longest wait between two tries: a failover takes below 3 s, so several fall into it.
const RETRY_MS_MAX: u64 = 1_000;
/// A match that cannot be reached for so long is given up: a failover takes below 3 s.
const PATIENCE_MS: u64 = 15_000;
/// An owner that says so often, with nothing else between, that it does not know the match has lost it.
const UNKNOWN_MAX: u32 = 4;
/// A client that has the end of its match says so at once; one that does not is taken at its silence.
const OVER_MS: u64 = 5_000;
/// Effects of one event are few; the queue is a formality with a bound.
const EFFECTS_MAX: usize = 64;

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The client said something, but for a hello, an input and a ping.
    Client(ClientMessage),
    /// The matchmaker said something about the ticket.
    Ticket(TicketId, TicketEvent),
    /// The party changed; `None` is its end.
    Party(Option<PartyState>),
    /// A party call was refused.
    PartyRefused(Code, String),
    /// The game took the session; its start goes to the client as it is.
    Attach(Box<MatchStart>),
    /// The game, or the way to it, refused the session, which came with this epoch.
    AttachRefused(AttachRefusal, Epoch),
    /// The registry does not say where the match is.
    NotLocated,
    /// Something happened in the match.
    Match(Box<arena_wire::play::Event>),
    /// The client has acknowledged the match's last event: the game let the session go.
    Ended(MatchId),
    /// The link to the owner of this epoch broke.
    LinkLost(Epoch),
    /// The match is about to move: the next owner, its epoch.
    Moving(InstanceId, Epoch),
    /// It does not move after all.
    Staying,
    /// It has moved, to the owner of this epoch.
    Moved(Epoch),
    /// The session goes on through another socket.
    Replaced,
    /// The session should have gone to another gateway by now.
    Expel,
    /// The registry's record of the match, `None` if there is none any more.
    Placement(MatchId, Option<Placement>),
    /// The match changed the rating.
    Rating(RatingChange),
    /// Where the match that is watched stands.
    Playback(Playback),
    /// This gateway goes away.
    Drain(Move),
    /// The time of [`Session::wake_at_ms`] has come.
    Timer,
    /// The socket closed.
    Close,
}

/// What the matchmaker says about a ticket.
#[derive(Clone, Debug, PartialEq)]
pub enum TicketEvent {
    /// It waits.
    Wait {
        /// Tickets in the queue.
        tickets: u32,
        /// Half width of the rating window.
        window: u32,
        /// What keeps a match from being made; empty while players are looked for.
        reason: String,
    },
    /// It has a match.
    Assign(Seat),
    /// It will get none; the sentence says why, and is empty if the player asked for it.
    End(String),
    /// This matchmaker cannot go on; another one can.
    Break,
}

/// A party with what the gateway needs beside what the client sees.
#[derive(Clone, Debug, PartialEq)]
pub struct PartyState {
    /// What the client sees.
    pub party: Party,
    /// The ticket every member follows while the party is queued.
    pub ticket: Option<TicketId>,
}

/// Where a match is, by the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Its owner.
    pub owner: InstanceId,
    /// The owner's epoch.
    pub epoch: Epoch,
    /// The owner's release.
    pub release: arena_types::ReleaseId,
}

/// Why a game did not take a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachRefusal {
    /// It cannot be reached, or is full.
    Unreachable,
    /// It does not host the match, or no more: look again who does.
    Unknown,
    /// It knows that the match is over, or that the player has no seat in it.
    Gone,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Tell the client.
    Send(ServerMessage),
    /// Close the socket with this code, after what was sent before.
    Close(Code),
    /// Queue this ticket with any matchmaker and report what it says.
    Enqueue(Ticket),
    /// Take a ticket out of the queue.
    CancelTicket(TicketId),
    /// Attach to the match's owner, from the client's newest frame and event on.
    Attach {
        /// The seat.
        seat: Seat,
        /// The newest frame the client holds.
        ack_tick: Tick,
        /// The last event the client has seen.
        ack_event: u32,
    },
    /// Take the seat at the next owner beside the one there is, and send inputs to both.
    AttachNext {
        /// The seat there.
        seat: Seat,
        /// The newest frame the client holds.
        ack_tick: Tick,
        /// The last event the client has seen.
        ack_event: u32,
    },
    /// Let go of the seat at the next owner, which is told why.
    DetachNext(Leave),
    /// The seat at the next owner is the one there is.
    Promote,
    /// Show a match at this instance, or at any; it answers as to [`Effect::Attach`].
    Watch {
        /// What, from where, how fast.
        watch: Watch,
        /// Where.
        at: Option<InstanceId>,
    },
    /// Let go of the match.
    Detach(Leave),
    /// Read the registry's record of the match.
    Locate(MatchId),
    /// Ask for a party.
    AskParty(PartyCall),
    /// Find out what the match does to the rating.
    FollowRating(MatchId),
    /// Write the session's record, so that any gateway can go on with it.
    Save(Record),
}

/// A ticket to queue.
#[derive(Clone, Debug, PartialEq)]
pub struct Ticket {
    /// The id, kept over matchmakers and gateways.
    pub id: TicketId,
    /// The game mode.
    pub mode: String,
    /// Milliseconds it has waited already.
    pub waited_ms: u64,
    /// Everyone it stands for.
    pub members: Vec<(PlayerId, String)>,
    /// Round-trip times of the player.
    pub rtts: Vec<RegionRtt>,
}

/// The state of one session.
#[derive(Clone, Debug)]
pub struct Session {
    id: SessionId,
    player: PlayerId,
    name: String,
    token_epoch: u64,
    /// Connections the session had before this one.
    connection: u32,
    seed: u64,
    phase: Phase,
    party: Option<PartyState>,
    rtts: Vec<RegionRtt>,
    /// The party ticket that was followed last; the same one again means nothing new.
    followed: Option<TicketId>,
    client: Seen,
    wake_at_ms: Option<u64>,
    leaving: bool,
    effects: VecDeque<Effect>,
}

#[derive(Clone, Debug, PartialEq)]
enum Phase {
    Lobby,
    /// The ticket's own age is what it had at `since_ms`.
    Queued {
        ticket: Ticket,
        since_ms: u64,
        broken_since_ms: Option<u64>,
    },
    /// Between the seat and the game: at the start, or after a loss.
    Seeking {
        seat: Seat,
        since_ms: u64,
        tries: u32,
        /// Of these, the last ones that an owner refused because it does not know the match.
        unknown: u32,
    },
    /// `over_since_ms` is set once the end was sent and not acknowledged yet, `next` while the match
    /// changes its owner.
    Playing {
        seat: Seat,
        over_since_ms: Option<u64>,
        next: Option<Next>,
    },
    /// It has no seat and sees another's match.
    Watching(Watching),
}

impl Session {
    /// Starts a session in the lobby.
    #[must_use]
    pub fn new(
        id: SessionId,
        (player, name): (PlayerId, String),
        token_epoch: u64,
        seed: u64,
    ) -> Self {
        Self {
            id,
            player,
            name,
            token_epoch,
            connection: 0,
            seed,
            phase: Phase::Lobby,
            party: None,
            rtts: Vec::new(),
            followed: None,
            client: Seen::NOTHING,
            wake_at_ms: None,
            leaving: false,
            effects: VecDeque::new(),
        }
    }

    /// Goes on with a session from its record; the effects bring it back to where it was.
    #[must_use]
    pub fn resume(
        record: &Record,
        (ack_tick, ack_event): (Tick, u32),
        seed: u64,
        now_ms: u64,
    ) -> (Self, Vec<Effect>) {
        let who = (record.player, record.name.clone());
        let mut session = Self::new(record.session, who, record.token_epoch, seed);
        session.connection = record.connection.saturating_add(1);
        session.client = Seen { ack_tick, ack_event, ..Seen::NOTHING };
        if let Some(code) = &record.party {
            session.act(Effect::AskParty(PartyCall::Watch(code.clone())));
        }
        match &record.activity {
            Activity::Lobby => {
                session.tell(QueueUpdate::Idle { reason: String::new() });
            }
            Activity::Queued(waiting) => session.queue_again(waiting, now_ms),
            Activity::Match(seat) => session.seek(seat.clone(), now_ms),
        }
        let effects = session.drain_effects();
        (session, effects)
    }

    /// Returns the session's id.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Returns the session's player.
    #[must_use]
    pub fn player(&self) -> PlayerId {
        self.player
    }

    /// Returns the epoch of the access token the session was opened with.
    #[must_use]
    pub fn token_epoch(&self) -> u64 {
        self.token_epoch
    }

    /// Returns how many connections the session had before this one.
    #[must_use]
    pub fn connection(&self) -> u32 {
        self.connection
    }

    /// Returns the match the session is in or on its way to.
    #[must_use]
    pub fn in_match(&self) -> Option<MatchId> {
        match &self.phase {
            Phase::Seeking { seat, .. } | Phase::Playing { seat, .. } => Some(seat.match_id),
            Phase::Lobby | Phase::Queued { .. } | Phase::Watching(_) => None,
        }
    }

    /// Returns when [`Event::Timer`] is wanted.
    #[must_use]
    pub fn wake_at_ms(&self) -> Option<u64> {
        self.wake_at_ms
    }

    /// Returns what another gateway needs to go on.
    #[must_use]
    pub fn record(&self, now_ms: u64) -> Record {
        let activity = match &self.phase {
            // Who watches asks again: a page knows where it is.
            Phase::Lobby | Phase::Watching(_) => Activity::Lobby,
            Phase::Queued { ticket, since_ms, .. } => Activity::Queued(Waiting {
                ticket: ticket.id,
                mode: ticket.mode.clone(),
                waited_ms: age_ms(ticket, *since_ms, now_ms),
                members: ticket.members.clone(),
            }),
            Phase::Seeking { seat, .. } | Phase::Playing { seat, .. } => {
                Activity::Match(seat.clone())
            }
        };
        Record {
            session: self.id,
            player: self.player,
            name: self.name.clone(),
            token_epoch: self.token_epoch,
            connection: self.connection,
            party: self.party.as_ref().map(|it| it.party.code.clone()),
            activity,
        }
    }

    /// Decides what to do about `event`.
    pub fn on(&mut self, event: Event, now_ms: u64) -> Vec<Effect> {
        match event {
            Event::Client(message) => self.client(message, now_ms),
            Event::Ticket(ticket, event) => self.ticket(ticket, event, now_ms),
            Event::Party(state) => self.party(state, now_ms),
            Event::PartyRefused(code, text) => {
                self.act(Effect::Send(ServerMessage::Error { code, text }));
            }
            Event::Attach(start) => self.attached(*start, now_ms),
            Event::AttachRefused(refusal, epoch) => {
                if !self.next_lost(epoch, now_ms) {
                    self.refused(refusal, now_ms);
                }
            }
            Event::NotLocated => self.refused(AttachRefusal::Unreachable, now_ms),
            Event::Match(event) => self.happened(*event, now_ms),
            Event::Ended(match_id) => self.ended(match_id, now_ms),
            Event::LinkLost(epoch) if self.is_past(epoch) => {}
            Event::LinkLost(epoch) => {
                if !self.next_lost(epoch, now_ms) && !self.waits_for_next(now_ms) {
                    self.lost(now_ms);
                }
            }
            Event::Moving(owner, epoch) => self.moving(owner, epoch),
            Event::Staying => self.let_go_of_next(Leave::Moved),
            Event::Moved(epoch) => self.moved(epoch, now_ms),
            Event::Replaced => self.replaced(),
            Event::Expel => self.act(Effect::Close(Code::Moved)),
            Event::Placement(id, placement) => self.located(id, placement, now_ms),
            Event::Playback(playback) => self.playback(playback),
            Event::Rating(change) => self.act(Effect::Send(ServerMessage::Rating(change))),
            Event::Drain(to) => self.leave_gateway(to, now_ms),
            Event::Timer => self.timer(now_ms),
            Event::Close => self.close(now_ms),
        }
        self.drain_effects()
    }

    fn client(&mut self, message: ClientMessage, now_ms: u64) {
        if matches!(self.phase, Phase::Playing { over_since_ms: Some(_), .. }) {
            self.enter_lobby(Leave::Lost, now_ms); // who says anything has seen the end before
        }
        // The next gateway reads how things stood when the client was told to go: nothing may begin here.
        if self.leaving && !matches!(message, ClientMessage::Leave | ClientMessage::Hello(_)) {
            return;
        }
        if let (ClientMessage::Queue { .. } | ClientMessage::Leave, Phase::Watching(_)) =
            (&message, &self.phase)
        {
            self.stop_watching(now_ms);
        }
        match (message, &self.phase) {
            (ClientMessage::Watch(watch), _) => self.watch(watch),
            (ClientMessage::Queue { mode, rtts }, Phase::Lobby) => self.queue(mode, rtts, now_ms),
            (ClientMessage::Cancel, Phase::Queued { ticket, .. }) => {
                let id = ticket.id;
                self.act(Effect::CancelTicket(id));
                self.idle(String::new(), now_ms);
            }
            (ClientMessage::PartyCreate { mode }, Phase::Lobby) if self.party.is_none() => {
                self.act(Effect::AskParty(PartyCall::Create(mode)));
            }
            (ClientMessage::PartyJoin { code }, Phase::Lobby) if self.party.is_none() => {
                self.act(Effect::AskParty(PartyCall::Join(code)));
            }
            (ClientMessage::PartyLeave, _) => {
                if let Some(state) = self.party.take() {
                    self.act(Effect::AskParty(PartyCall::Leave(state.party.code)));
                    self.act(Effect::Send(ServerMessage::Party(None)));
                    self.save(now_ms);
                }
            }
            (ClientMessage::Leave, Phase::Playing { .. } | Phase::Seeking { .. }) => {
                self.enter_lobby(Leave::Left, now_ms);
                self.tell(QueueUpdate::Idle { reason: String::new() });
            }
            (ClientMessage::Hello(_), _) => self.act(Effect::Close(Code::OutOfPlace)),
            // What arrives a moment too late is no mistake: a cancel after the assignment, say.
            _ => {}
        }
    }

    /// Goes for a match whose owner is known from the assignment or the session's record.
    fn seek(&mut self, seat: Seat, now_ms: u64) {
        self.attach(&seat);
        self.phase = Phase::Seeking { seat, since_ms: now_ms, tries: 0, unknown: 0 };
        self.save(now_ms);
    }

    fn attach(&mut self, seat: &Seat) {
        let Seen { ack_tick, ack_event, .. } = self.client;
        self.act(Effect::Attach { seat: seat.clone(), ack_tick, ack_event });
    }

    fn attached(&mut self, start: MatchStart, now_ms: u64) {
        if self.goes_over(&start, now_ms) {
            return;
        }
        let Phase::Seeking { seat, .. } = &self.phase else { return self.watch_started(start) };
        if (seat.match_id, seat.seat) != (start.match_id, start.seat) || start.epoch < seat.epoch {
            return; // an owner of the past: a session never falls to a lower epoch
        }
        let moved = seat.epoch != start.epoch || seat.owner != start.owner;
        let seat = Seat { epoch: start.epoch, owner: start.owner.clone(), ..seat.clone() };
        self.client.restart(start.input_seq, start.event_seq);
        self.act(Effect::Send(ServerMessage::Start(start)));
        self.phase = Phase::Playing { seat, over_since_ms: None, next: None };
        self.wake_at_ms = None;
        if moved {
            self.save(now_ms);
        }
    }

    fn refused(&mut self, refusal: AttachRefusal, now_ms: u64) {
        let Phase::Seeking { since_ms, tries, unknown, .. } = &mut self.phase else {
            return self.watch_refused(refusal, now_ms);
        };
        *tries += 1;
        *unknown = if refusal == AttachRefusal::Unknown { *unknown + 1 } else { 0 };
        let (tries, waited_ms) = (*tries, now_ms.saturating_sub(*since_ms));
        let lost = *unknown >= UNKNOWN_MAX;
        if refusal == AttachRefusal::Gone || lost || waited_ms >= PATIENCE_MS {
            return self.give_up(now_ms);
        }
        let backoff_ms = RETRY_MS_MAX.min(RETRY_MS_MIN << (tries - 1).min(8));
        self.wake_at_ms = Some(now_ms + backoff_ms / 2 + self.jitter(backoff_ms / 2));
    }

    fn lost(&mut self, now_ms: u64) {
        self.let_go_of_next(Leave::Lost);
        let Phase::Playing { seat, over_since_ms, .. } = &self.phase else {
            return match self.phase {
                Phase::Watching(_) => self.watch_lost(now_ms),
                _ => self.refused(AttachRefusal::Unreachable, now_ms),
            };
        };
        if over_since_ms.is_some() {
            return self.enter_lobby(Leave::Lost, now_ms);
        }
        let seat = seat.clone();
        self.act(Effect::Locate(seat.match_id));
        self.phase = Phase::Seeking { seat, since_ms: now_ms, tries: 0, unknown: 0 };
    }

    fn located(&mut self, id: MatchId, placement: Option<Placement>, now_ms: u64) {
        let Phase::Seeking { seat, .. } = &mut self.phase else {
            return self.watch_at(id, placement);
        };
        if seat.match_id != id {
            return;
        }
        let Some(Placement { owner, epoch, release }) = placement else {
            return self.give_up(now_ms);
        };
        if epoch < seat.epoch {
            return self.refused(AttachRefusal::Unreachable, now_ms); // the copy is behind
        }
        seat.owner = owner.clone();
        seat.epoch = epoch;
        let seat = seat.clone();
        let moving = Owner { match_id: id, epoch, instance: owner, release, moving: true };
        self.act(Effect::Send(ServerMessage::Owner(moving)));
        self.attach(&seat);
    }

    fn happened(&mut self, event: arena_wire::play::Event, now_ms: u64) {
        if let Phase::Watching(_) = self.phase {
            return self.act(Effect::Send(ServerMessage::Event(event)));
        }
        let Phase::Playing { seat, over_since_ms, .. } = &mut self.phase else { return };
        if event.seq <= self.client.told_event {
            return;
        }
        self.client.told_event = event.seq;
        let match_id = seat.match_id;
        let over = matches!(event.kind, EventKind::End { .. }) && over_since_ms.is_none();
        if over {
            *over_since_ms = Some(now_ms);
        }
        self.act(Effect::Send(ServerMessage::Event(event)));
        if over {
            self.act(Effect::FollowRating(match_id));
            self.wake_at_ms = Some(now_ms + OVER_MS);
        }
    }

    fn ended(&mut self, match_id: MatchId, now_ms: u64) {
        if self.in_match() == Some(match_id) {
            self.enter_lobby(Leave::Lost, now_ms);
        }
    }

    fn replaced(&mut self) {
        self.let_go_of_next(Leave::Moved);
        self.phase = Phase::Lobby; // whoever replaced this socket saves the session from here on
        self.act(Effect::Close(if self.leaving { Code::Moved } else { Code::TakenOver }));
    }

    fn enter_lobby(&mut self, why: Leave, now_ms: u64) {
        self.let_go_of_next(why);
        self.act(Effect::Detach(why));
        self.phase = Phase::Lobby;
        self.wake_at_ms = None;
        self.save(now_ms);
    }

    fn give_up(&mut self, now_ms: u64) {
        let text = "the match is over or cannot be reached: queue for another one".to_owned();
        self.act(Effect::Send(ServerMessage::Error { code: Code::MatchGone, text }));
        self.idle(String::new(), now_ms);
    }

    fn leave_gateway(&mut self, to: Move, now_ms: u64) {
        if !self.leaving {
            self.leaving = true;
            self.save(now_ms);
            self.act(Effect::Send(ServerMessage::Move(to)));
        }
    }

    fn timer(&mut self, now_ms: u64) {
        if self.wake_at_ms.is_none_or(|it| it > now_ms) {
            return;
        }
        self.wake_at_ms = None;
        match &self.phase {
            Phase::Queued { ticket, since_ms, .. } => {
                let waited_ms = age_ms(ticket, *since_ms, now_ms);
                let again = Ticket { waited_ms, ..ticket.clone() };
                self.act(Effect::Enqueue(again));
            }
            Phase::Seeking { seat, .. } => {
                let match_id = seat.match_id;
                self.act(Effect::Locate(match_id));
            }
            Phase::Playing { over_since_ms: Some(_), .. } => self.enter_lobby(Leave::Lost, now_ms),
            Phase::Playing { .. } => self.next_is_late(now_ms),
            Phase::Watching(_) => self.watch_again(),
            Phase::Lobby => {}
        }
    }

    fn close(&mut self, now_ms: u64) {
        match &self.phase {
            // A player who left the page does not fill a seat; one who moves is queued again there.
            Phase::Queued { ticket, .. } if !self.leaving && ticket.members.len() == 1 => {
                let id = ticket.id;
                self.act(Effect::CancelTicket(id));
                self.phase = Phase::Lobby;
                self.save(now_ms);
            }
            Phase::Seeking { .. } | Phase::Playing { .. } => {
                let why = if self.leaving { Leave::Moved } else { Leave::Lost };
                self.let_go_of_next(why);
                self.act(Effect::Detach(why));
            }
            Phase::Watching(_) => self.act(Effect::Detach(Leave::Left)),
            Phase::Lobby | Phase::Queued { .. } => {}
        }
    }

    fn tell(&mut self, update: QueueUpdate) {
        self.act(Effect::Send(ServerMessage::Queue(update)));
    }

    fn save(&mut self, now_ms: u64) {
        let record = self.record(now_ms);
        self.act(Effect::Save(record));
    }

    fn act(&mut self, effect: Effect) {
        assert!(self.effects.len() < EFFECTS_MAX, "an event has a handful of effects");
        self.effects.push_back(effect);
    }

    fn drain_effects(&mut self) -> Vec<Effect> {
        self.effects.drain(..).collect()
    }

    fn jitter(&mut self, below_ms: u64) -> u64 {
        self.draw() % below_ms.max(1)
    }

    /// Draws the next of the session's random numbers: `SplitMix64` (Steele, Lea & Flood 2014).
    fn draw(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests;
