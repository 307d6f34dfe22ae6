//! What a bot checks: every frame against all that came before it in the match.

use std::collections::VecDeque;

use arena_types::{Epoch, MatchId, Tick};
use arena_wire::bits::DecodeError;
use arena_wire::play::{Event, EventKind, FrameHead, Input, MatchStart, Owner, View, decode_frame};

use crate::course::missing;
use crate::diary::Diary;
use crate::policy;
use crate::timeline::Between;

/// The game whose frames a bot reads.
const ARENA: &str = "arena";
/// Views a client keeps, as docs/protocol.md says.
const VIEWS_MAX: usize = 64;
/// Milliseconds within which an input must be counted while frames come: a second of a stall of
/// TCP and as much of patience.
const ACKNOWLEDGED_MS_MAX: u64 = 2_000;
/// Ticks ahead that inputs aim at.
const LEAD_TICKS: u32 = 3;
/// Inputs that wait to be counted and whose latency is told, a minute of them.
const PENDING_MAX: usize = 3_600;
/// Inputs that are kept, counted or not, and sent again after a start: an owner that goes on for one that died may know
/// less than frames have shown.
const KEPT_MAX: usize = 512;
/// Milliseconds between a start and its first frame, at most: a match waits so long for its players.
const FIRST_FRAME_MS_MAX: u64 = 3_000;

/// A promise of the protocol that was broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    /// A message cannot be read.
    #[error("decode a message")]
    Decode(#[from] DecodeError),
    /// A frame of an earlier or the same tick.
    #[error("tick {tick} came after tick {last}")]
    TickFell {
        /// What came.
        tick: u32,
        /// What had come.
        last: u32,
    },
    /// A frame or an owner of an earlier epoch.
    #[error("epoch {epoch} came after epoch {last}")]
    EpochFell {
        /// What came.
        epoch: u32,
        /// What had come.
        last: u32,
    },
    /// An input was counted that was never sent, or fewer than before.
    #[error("input {counted} is counted, {before} was before, {sent} is the last one sent")]
    Miscounted {
        /// What came.
        counted: u32,
        /// What had come.
        before: u32,
        /// What was sent.
        sent: u32,
    },
    /// Frames come, but inputs are not counted.
    #[error("input {counted} is still the last one counted, {sent} was sent {waited_ms} ms ago")]
    Unacknowledged {
        /// What came.
        counted: u32,
        /// What was sent.
        sent: u32,
        /// Since when.
        waited_ms: u64,
    },
    /// An event was left out or came for the first time out of order.
    #[error("event {seq} came after event {last}")]
    EventGap {
        /// What came.
        seq: u32,
        /// What had come.
        last: u32,
    },
}

/// One match as one bot sees it.
#[derive(Debug)]
pub(crate) struct Watch {
    id: MatchId,
    /// Whether frames have the arena's body; that of another game only its page can read.
    is_arena: bool,
    seat: u8,
    seed: u64,
    epoch: Epoch,
    /// Of a game whose frames cannot be read, views with a tick alone.
    views: VecDeque<View>,
    sent_seq: u32,
    counted_seq: u32,
    waiting_since_ms: Option<u64>,
    /// Inputs that no frame has counted yet, and when they were sent.
    pending: VecDeque<(Input, u64)>,
    /// The newest inputs.
    kept: VecDeque<Input>,
    last_event: u32,
    last_frame_ms: Option<u64>,
    /// The owner that showed the newest frame.
    last_epoch: Epoch,
    started_ms: u64,
    ticks_per_frame: u32,
    /// The session changed its connection since the last frame.
    is_away: bool,
    over: bool,
    /// `None` if nobody will look for a replay.
    diary: Option<Diary>,
}

/// What a frame says about those before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Step {
    /// Milliseconds since the frame before, if there was one.
    pub(crate) gap_ms: Option<u64>,
    /// Ticks of whole frames between it and this one that never came.
    pub(crate) missed_ticks: u32,
    /// Whether the session changed its connection in between.
    pub(crate) was_away: bool,
    /// Whether the match changed its owner in between.
    pub(crate) was_moved: bool,
    /// Milliseconds since each input was sent that this frame is the first to count.
    pub(crate) latencies_ms: Vec<u64>,
}

impl Step {
    /// Returns what happened since the frame before.
    pub(crate) fn between(&self) -> Between {
        match (self.was_moved, self.was_away) {
            (true, _) => Between::Move,
            (false, true) => Between::Connection,
            (false, false) => Between::Nothing,
        }
    }
}

/// What a start says of the inputs before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Restart {
    /// Inputs that no frame had counted and that are not sent again.
    pub(crate) given_up: u32,
    /// What the game does not have yet, in order.
    pub(crate) again: Vec<Input>,
}

/// How frames come, and since when the match is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    pub(crate) ticks_per_frame: u32,
    pub(crate) now_ms: u64,
}

impl Watch {
    /// Starts with a match.
    pub(crate) fn new(start: &MatchStart, seed: u64, pace: Pace) -> Self {
        Self {
            id: start.match_id,
            is_arena: start.game == ARENA,
            seat: start.seat,
            seed,
            epoch: start.epoch,
            views: VecDeque::new(),
            sent_seq: start.input_seq,
            counted_seq: start.input_seq,
            waiting_since_ms: None,
            pending: VecDeque::new(),
            kept: VecDeque::new(),
            last_event: start.event_seq,
            last_frame_ms: None,
            last_epoch: start.epoch,
            started_ms: pace.now_ms,
            ticks_per_frame: pace.ticks_per_frame.max(1),
            is_away: false,
            over: false,
            diary: None,
        }
    }

    /// Keeps what is done and seen, for whoever has a replay of the match later.
    pub(crate) fn with_diary(mut self) -> Self {
        self.diary = Some(Diary::new(self.seat, self.sent_seq));
        self
    }

    /// Returns the match.
    pub(crate) fn id(&self) -> MatchId {
        self.id
    }

    /// Notes that the player leaves the match on its own.
    pub(crate) fn left(&mut self) {
        if let Some(diary) = self.diary.as_mut() {
            diary.left();
        }
    }

    /// Gives what was kept, if it was.
    pub(crate) fn into_diary(self) -> Option<Diary> {
        self.diary
    }

    /// Notes that the session goes on on another connection: frames that are missing by then were missed while
    /// it was away.
    pub(crate) fn reconnected(&mut self) {
        self.is_away = true;
    }

    /// Goes on after a resume: with the same sequences if the game knows them, else anew. `None` if it is
    /// another match.
    pub(crate) fn restart(&mut self, start: &MatchStart) -> Result<Option<Restart>, Violation> {
        if start.match_id != self.id {
            return Ok(None);
        }
        self.raise(start.epoch)?;
        // Who had seen no event yet is a newcomer to the game: it counts from what the start says.
        self.last_event = self.last_event.max(start.event_seq);
        self.is_away = true;
        if let Some(again) = self.unknown_to(start.input_seq) {
            self.counted_seq = self.counted_seq.min(start.input_seq);
            if let Some(diary) = self.diary.as_mut() {
                diary.changed();
            }
            return Ok(Some(Restart { given_up: 0, again }));
        }
        let given_up = self.sent_seq.saturating_sub(self.counted_seq);
        self.sent_seq = start.input_seq;
        self.counted_seq = start.input_seq;
        self.waiting_since_ms = None;
        self.pending.clear();
        self.kept.clear();
        if let Some(diary) = self.diary.as_mut() {
            diary.restart(start.input_seq);
        }
        Ok(Some(Restart { given_up, again: Vec::new() }))
    }

    /// Returns the inputs after `seq`, the last one that the game has; `None` if they are not all there.
    fn unknown_to(&self, seq: u32) -> Option<Vec<Input>> {
        let (ack_tick, ack_event) = (self.newest(), self.last_event);
        let after = self.kept.iter().copied().filter(|it| it.seq > seq);
        let again: Vec<_> = after.map(|it| Input { ack_tick, ack_event, ..it }).collect();
        let missing = self.sent_seq.checked_sub(seq)?;
        (again.len() == missing as usize).then_some(again)
    }

    /// Returns how long no frame has come, in milliseconds; a match that has just started may still
    /// wait for its players.
    pub(crate) fn silent_ms(&self, now_ms: u64) -> u64 {
        let since_ms = self.last_frame_ms.unwrap_or(self.started_ms + FIRST_FRAME_MS_MAX);
        now_ms.saturating_sub(since_ms)
    }

    /// Checks a frame; returns what it says about those before it.
    pub(crate) fn frame(&mut self, bytes: &[u8], now_ms: u64) -> Result<Step, Violation> {
        let head = FrameHead::peek(bytes)?;
        self.raise(head.epoch)?;
        let last = self.newest().0;
        if head.tick.0 <= last {
            return Err(Violation::TickFell { tick: head.tick.0, last });
        }
        if let Some(baseline) = head.baseline {
            // The server will not use an older one again.
            while self.views.front().is_some_and(|it| it.tick < baseline.0) {
                self.views.pop_front();
            }
        }
        let view = self.read(head, bytes)?;
        let missed_ticks = match last {
            0 => 0,
            last => missing(head.tick.0 - last, self.ticks_per_frame),
        };
        let gap_ms = self.last_frame_ms.replace(now_ms).map(|it| now_ms.saturating_sub(it));
        if let Some(diary) = self.diary.as_mut() {
            diary.frame(&head, &view);
        }
        self.views.push_back(view);
        if self.views.len() > VIEWS_MAX {
            self.views.pop_front();
        }
        self.counted(head.input_seq, gap_ms.unwrap_or_default(), now_ms)?;
        let was_away = std::mem::take(&mut self.is_away);
        let was_moved = std::mem::replace(&mut self.last_epoch, head.epoch) != head.epoch;
        let latencies_ms = self.acknowledged(now_ms);
        Ok(Step { gap_ms, missed_ticks, was_away, was_moved, latencies_ms })
    }

    fn acknowledged(&mut self, now_ms: u64) -> Vec<u64> {
        let counted = self.pending.iter().take_while(|it| it.0.seq <= self.counted_seq).count();
        self.pending.drain(..counted).map(|it| now_ms.saturating_sub(it.1)).collect()
    }

    fn read(&self, head: FrameHead, bytes: &[u8]) -> Result<View, DecodeError> {
        if self.is_arena {
            return Ok(decode_frame(bytes, self.views.front())?.1);
        }
        match head.baseline {
            Some(tick) if self.views.front().is_none_or(|it| it.tick != tick.0) => {
                Err(DecodeError::NoBaseline { tick: tick.0 })
            }
            _ => Ok(View { tick: head.tick.0, ..View::default() }),
        }
    }

    fn counted(&mut self, counted: u32, gap_ms: u64, now_ms: u64) -> Result<(), Violation> {
        let (before, sent) = (self.counted_seq, self.sent_seq);
        if counted < before || counted > sent {
            return Err(Violation::Miscounted { counted, before, sent });
        }
        if counted > before || counted == sent || self.over {
            self.waiting_since_ms = (counted < sent).then_some(now_ms);
        } else if let Some(since) = self.waiting_since_ms.as_mut() {
            *since += gap_ms.saturating_sub(100); // a pause of the frames is no delay of inputs
            let waited_ms = now_ms.saturating_sub(*since);
            if waited_ms > ACKNOWLEDGED_MS_MAX {
                *since = now_ms; // complain once, not with each frame
                return Err(Violation::Unacknowledged { counted, sent, waited_ms });
            }
        }
        self.counted_seq = counted;
        Ok(())
    }

    /// Checks an event; returns true if it ends the match.
    pub(crate) fn event(&mut self, event: &Event) -> Result<bool, Violation> {
        if event.seq <= self.last_event {
            return Ok(false); // told again after a resume
        }
        let last = std::mem::replace(&mut self.last_event, event.seq);
        self.over |= matches!(event.kind, EventKind::End { .. });
        // Who resumes after the end is told of the end alone.
        if event.seq > last + 1 && !self.over {
            return Err(Violation::EventGap { seq: event.seq, last });
        }
        Ok(matches!(event.kind, EventKind::End { .. }))
    }

    /// Checks a change of owner.
    pub(crate) fn owner(&mut self, owner: &Owner) -> Result<(), Violation> {
        if owner.match_id == self.id { self.raise(owner.epoch) } else { Ok(()) }
    }

    /// Returns the inputs of the next two ticks; nothing before the first frame.
    pub(crate) fn inputs(&mut self, now_ms: u64) -> Vec<Input> {
        let Some(view) = self.views.back() else { return Vec::new() };
        let tick = view.tick + LEAD_TICKS;
        let controls = policy::controls(view, self.seat, self.seed, self.sent_seq);
        let ack_tick = self.newest();
        self.waiting_since_ms.get_or_insert(now_ms);
        let mut inputs = Vec::with_capacity(2);
        for step in 0..2 {
            self.sent_seq += 1;
            let input = Input {
                seq: self.sent_seq,
                tick: Tick(tick + step),
                controls: policy::marked(controls, self.sent_seq),
                ack_tick,
                ack_event: self.last_event,
            };
            if self.kept.len() >= KEPT_MAX {
                self.kept.pop_front();
            }
            self.kept.push_back(input);
            if self.pending.len() < PENDING_MAX {
                self.pending.push_back((input, now_ms));
            }
            if let Some(diary) = self.diary.as_mut() {
                diary.sent(&input);
            }
            inputs.push(input);
        }
        inputs
    }

    /// Returns the newest epoch that was told of.
    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Returns the newest frame held, 0 if none.
    pub(crate) fn newest(&self) -> Tick {
        Tick(self.views.back().map_or(0, |it| it.tick))
    }

    /// Returns the last event seen.
    pub(crate) fn last_event(&self) -> u32 {
        self.last_event
    }

    fn raise(&mut self, epoch: Epoch) -> Result<(), Violation> {
        let last = self.epoch.0;
        if epoch < self.epoch {
            return Err(Violation::EpochFell { epoch: epoch.0, last });
        }
        if epoch > self.epoch {
            self.epoch = epoch;
            if let Some(diary) = self.diary.as_mut() {
                diary.changed();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "watch/tests.rs"]
mod tests;
