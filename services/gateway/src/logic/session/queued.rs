//! A session that waits for a match: alone, or with its party.

use arena_types::TicketId;
use arena_wire::play::{Code, QueueUpdate, RegionRtt, ServerMessage};

use super::{Effect, PartyCall, PartyState, Phase, Seen, Session, Ticket, TicketEvent};
use crate::logic::record::Waiting;

/// Wait before a broken queue stream is opened at another matchmaker.
const REQUEUE_MS: u64 = 250;
/// A ticket that cannot be queued anywhere for so long is handed back to the player.
pub(super) const QUEUE_PATIENCE_MS: u64 = 60_000;
/// What a player is told while no matchmaker answers.
pub(super) const AWAY: &str =
    "the matchmaker does not answer and is tried again: you keep your place";

impl Session {
    pub(super) fn queue(&mut self, mode: String, rtts: Vec<RegionRtt>, now_ms: u64) {
        self.rtts = rtts;
        let id = TicketId::from_u64(self.draw());
        let Some(state) = &self.party else {
            let members = vec![(self.player, self.name.clone())];
            let rtts = self.rtts.clone();
            return self.enqueue(Ticket { id, mode, waited_ms: 0, members, rtts }, now_ms);
        };
        if state.party.leader == self.player {
            let code = state.party.code.clone();
            self.act(Effect::AskParty(PartyCall::Queue(code, id)));
        } else {
            let text = "only the leader can queue the party: ask, or leave the party".to_owned();
            self.act(Effect::Send(ServerMessage::Error { code: Code::NotLeader, text }));
        }
    }

    pub(super) fn queue_again(&mut self, waiting: &Waiting, now_ms: u64) {
        let Waiting { ticket, mode, waited_ms, members } = waiting.clone();
        let rtts = self.rtts.clone();
        self.enqueue(Ticket { id: ticket, mode, waited_ms, members, rtts }, now_ms);
    }

    fn enqueue(&mut self, ticket: Ticket, now_ms: u64) {
        self.act(Effect::Enqueue(ticket.clone()));
        self.followed = Some(ticket.id);
        let waited_ms = u32::try_from(ticket.waited_ms).unwrap_or(u32::MAX);
        self.tell(QueueUpdate::Waiting { waited_ms, tickets: 0, window: 0, reason: String::new() });
        self.phase = Phase::Queued { ticket, since_ms: now_ms, broken_since_ms: None };
        self.save(now_ms);
    }

    pub(super) fn ticket(&mut self, id: TicketId, event: TicketEvent, now_ms: u64) {
        let Phase::Queued { ticket, since_ms, broken_since_ms } = &mut self.phase else { return };
        if ticket.id != id {
            return;
        }
        match event {
            TicketEvent::Wait { tickets, window, reason } => {
                *broken_since_ms = None;
                let waited_ms = age_ms(ticket, *since_ms, now_ms);
                let waited_ms = u32::try_from(waited_ms).unwrap_or(u32::MAX);
                self.tell(QueueUpdate::Waiting { waited_ms, tickets, window, reason });
            }
            TicketEvent::Assign(seat) => {
                self.tell(QueueUpdate::Assigned { match_id: seat.match_id });
                self.client = Seen::NOTHING;
                self.seek(seat, now_ms);
            }
            TicketEvent::End(reason) => self.idle(reason, now_ms),
            TicketEvent::Break => {
                let since = *broken_since_ms.get_or_insert(now_ms);
                if now_ms.saturating_sub(since) >= QUEUE_PATIENCE_MS {
                    self.idle("no matchmaker answers: try again in a minute".to_owned(), now_ms);
                } else {
                    let waited_ms = age_ms(ticket, *since_ms, now_ms);
                    let waited_ms = u32::try_from(waited_ms).unwrap_or(u32::MAX);
                    let reason = AWAY.to_owned();
                    self.tell(QueueUpdate::Waiting { waited_ms, tickets: 0, window: 0, reason });
                    self.wake_at_ms = Some(now_ms + REQUEUE_MS + self.jitter(REQUEUE_MS));
                }
            }
        }
    }

    pub(super) fn party(&mut self, state: Option<PartyState>, now_ms: u64) {
        let before = self.party.as_ref().map(|it| it.party.code.clone());
        self.act(Effect::Send(ServerMessage::Party(state.as_ref().map(|it| it.party.clone()))));
        self.party = state;
        if before != self.party.as_ref().map(|it| it.party.code.clone()) {
            self.save(now_ms);
        }
        let Some(PartyState { party, ticket: Some(id) }) = &self.party else { return };
        if self.phase != Phase::Lobby || self.followed == Some(*id) {
            return;
        }
        let members = party.members.iter().map(|it| (it.player, it.name.clone())).collect();
        let (mode, rtts) = (party.mode.clone(), self.rtts.clone());
        self.enqueue(Ticket { id: *id, mode, waited_ms: 0, members, rtts }, now_ms);
    }

    pub(super) fn idle(&mut self, reason: String, now_ms: u64) {
        self.phase = Phase::Lobby;
        self.wake_at_ms = None;
        self.tell(QueueUpdate::Idle { reason });
        self.save(now_ms);
    }
}

pub(super) fn age_ms(ticket: &Ticket, since_ms: u64, now_ms: u64) -> u64 {
    ticket.waited_ms + now_ms.saturating_sub(since_ms)
}
