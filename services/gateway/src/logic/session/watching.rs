//! A session that watches a match: without a seat, at its own place and pace.

use arena_types::{InstanceId, MatchId, Tick};
use arena_wire::link::Leave;
use arena_wire::play::{Code, MatchStart, Playback, QueueUpdate, ServerMessage, Watch};

use super::{AttachRefusal, Effect, Phase, Placement, RETRY_MS_MAX, Seen, Session};

/// Instances that are asked for a match before it is given up: its owner, others, and once more.
const TRIES_MAX: u32 = 4;

/// What a session watches.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Watching {
    watch: Watch,
    /// Instances that were asked so far.
    tries: u32,
    /// Whether it is shown.
    is_shown: bool,
}

impl Session {
    /// Watches from the lobby, or goes on watching at another place.
    pub(super) fn watch(&mut self, watch: Watch) {
        match &self.phase {
            Phase::Watching(_) => self.act(Effect::Detach(Leave::Left)),
            Phase::Lobby => {}
            _ => return,
        }
        self.client = Seen::NOTHING;
        self.phase = Phase::Watching(Watching { watch, tries: 0, is_shown: false });
        self.wake_at_ms = None;
        self.act(Effect::Locate(watch.match_id));
    }

    /// Asks the match's owner first: it alone has a match that runs. Its replay everyone has.
    pub(super) fn watch_at(&mut self, id: MatchId, placement: Option<Placement>) {
        let Phase::Watching(Watching { watch, tries, is_shown: false }) = &self.phase else {
            return;
        };
        if watch.match_id == id {
            let owner = placement.map(|it| it.owner).filter(|_| *tries == 0);
            self.show(owner);
        }
    }

    fn show(&mut self, at: Option<InstanceId>) {
        if let Phase::Watching(Watching { watch, .. }) = self.phase {
            self.act(Effect::Watch { watch, at });
        }
    }

    pub(super) fn watch_started(&mut self, start: MatchStart) {
        let Phase::Watching(watching) = &mut self.phase else { return };
        if watching.watch.match_id == start.match_id && start.seat == MatchStart::WATCHES {
            (watching.is_shown, watching.tries) = (true, 0);
            self.act(Effect::Send(ServerMessage::Start(start)));
        }
    }

    pub(super) fn watch_refused(&mut self, refusal: AttachRefusal, now_ms: u64) {
        let Phase::Watching(watching) = &mut self.phase else { return };
        watching.tries += 1;
        watching.is_shown = false;
        let (tries, id) = (watching.tries, watching.watch.match_id);
        if refusal == AttachRefusal::Gone || tries >= TRIES_MAX {
            let text = format!(
                "match {id} cannot be shown: if it has just ended, try again in a few seconds; \
                 else check the link, old replays are removed"
            );
            self.act(Effect::Send(ServerMessage::Error { code: Code::MatchGone, text }));
            self.stop_watching(now_ms);
        } else if tries == 1 {
            self.show(None);
        } else {
            self.wake_at_ms = Some(now_ms + RETRY_MS_MAX / 2 + self.jitter(RETRY_MS_MAX / 2));
        }
    }

    /// Goes on where the client is; the client says where that is by its acknowledgements.
    pub(super) fn watch_lost(&mut self, now_ms: u64) {
        let Phase::Watching(watching) = &mut self.phase else { return };
        if !watching.is_shown {
            return self.watch_refused(AttachRefusal::Unreachable, now_ms);
        }
        if self.client.ack_tick != Tick(0) {
            watching.watch.tick = self.client.ack_tick;
        }
        watching.is_shown = false;
        let id = watching.watch.match_id;
        self.client = Seen::NOTHING;
        self.act(Effect::Locate(id));
    }

    pub(super) fn watch_again(&mut self) {
        if let Phase::Watching(Watching { is_shown: false, .. }) = self.phase {
            self.show(None);
        }
    }

    pub(super) fn playback(&mut self, playback: Playback) {
        if matches!(&self.phase, Phase::Watching(it) if it.watch.match_id == playback.match_id) {
            self.act(Effect::Send(ServerMessage::Playback(playback)));
        }
    }

    pub(super) fn stop_watching(&mut self, now_ms: u64) {
        self.enter_lobby(Leave::Left, now_ms);
        self.tell(QueueUpdate::Idle { reason: String::new() });
    }
}
