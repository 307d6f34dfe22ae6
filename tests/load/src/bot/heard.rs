//! What a player makes of what the gateway says.

use arena_types::Epoch;
use arena_wire::play::{
    ClientMessage, FRAME_TYPE, FrameHead, MatchStart, Move, QueueUpdate, ServerMessage,
};
use bytes::Bytes;
use futures::SinkExt as _;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{self, Message};

use super::{Bot, NEXT_MATCH, QUEUE_PATIENCE};
use crate::socket::Socket;
use crate::timeline::Count;
use crate::watch::{Pace, Restart, Step, Violation, Watch};

impl Bot {
    /// Takes a message and answers it; returns where to move to, if it says so.
    pub(super) async fn receive(
        &mut self,
        bytes: &[u8],
        socket: &mut Socket,
    ) -> Result<Option<Move>, tungstenite::Error> {
        if self.is_playing {
            self.judge.count_many(Count::Bytes, bytes.len() as u64);
        }
        if bytes.first() == Some(&FRAME_TYPE) {
            self.frame(bytes, socket).await?;
            return Ok(None);
        }
        match ServerMessage::decode(bytes) {
            Ok(ServerMessage::Move(to)) => return Ok(Some(to)),
            Ok(message) => match self.told(message) {
                Ok(answers) => say(socket, answers).await?,
                Err(violation) => self.judge.complain(&violation),
            },
            Err(error) => self.judge.complain(&Violation::Decode(error)),
        }
        Ok(None)
    }

    /// Takes a message of the connection that the session moves from: it still shows the match, and takes
    /// inputs, until the next one has said where it stands: `answers` is where they go. Between two connections there is
    /// no order: what is of an owner before the one that the next has told of is left out, as the page does.
    pub(super) async fn receive_former(
        &mut self,
        bytes: &[u8],
        answers: &mut Socket,
    ) -> Result<(), tungstenite::Error> {
        let known = self.watch.as_ref().map_or(Epoch(0), Watch::epoch);
        let is_taken = if bytes.first() == Some(&FRAME_TYPE) {
            FrameHead::peek(bytes).map_or(true, |it| it.epoch >= known)
        } else {
            match ServerMessage::decode(bytes) {
                Ok(ServerMessage::Owner(owner)) => owner.epoch >= known,
                Ok(ServerMessage::Event(_)) => true,
                _ => false,
            }
        };
        if is_taken {
            self.receive(bytes, answers).await?;
        }
        Ok(())
    }

    async fn frame(&mut self, bytes: &[u8], socket: &mut Socket) -> Result<(), tungstenite::Error> {
        let now_ms = self.judge.now_ms();
        // Frames that follow the end of a match show how it stands; nobody plays them.
        let step = self.watch.as_mut().map(|it| it.frame(bytes, now_ms));
        self.note(bytes, step, now_ms);
        let Some(watch) = self.watch.as_mut() else { return Ok(()) };
        let inputs = watch.inputs(now_ms);
        self.judge.count_many(Count::Inputs, inputs.len() as u64);
        say(socket, inputs.into_iter().map(ClientMessage::Input).collect()).await
    }

    /// Tells the judge of a frame.
    fn note(&self, bytes: &[u8], step: Option<Result<Step, Violation>>, now_ms: u64) {
        let mut judge = self.judge.lock();
        let timeline = &mut judge.timeline;
        timeline.count(Count::Frames, 1, now_ms);
        let head = FrameHead::peek(bytes).ok();
        if head.is_some_and(|it| it.baseline.is_none()) {
            timeline.count(Count::FullFrames, 1, now_ms);
        }
        match step {
            Some(Ok(step)) => {
                let missed = if step.was_away { Count::TicksAway } else { Count::TicksSkipped };
                timeline.count(missed, u64::from(step.missed_ticks), now_ms);
                let between = step.between();
                step.gap_ms.into_iter().for_each(|it| timeline.gap(it, between, now_ms));
                step.latencies_ms.into_iter().for_each(|it| timeline.latency(it, now_ms));
                if let (Some(head), Some(watch)) = (head, &self.watch)
                    && let Some(seen) = judge.seen(watch.id(), self.ticks_per_frame)
                {
                    seen.course.shown(head.tick.0, head.epoch, now_ms);
                }
            }
            Some(Err(violation)) => {
                drop(judge);
                self.judge.complain(&violation);
            }
            None => {}
        }
    }

    /// Takes a message; returns what to answer.
    fn told(&mut self, message: ServerMessage) -> Result<Vec<ClientMessage>, Violation> {
        match message {
            ServerMessage::Welcome(welcome) => self.resume_token = Some(welcome.resume_token),
            ServerMessage::Queue(QueueUpdate::Idle { .. }) => {
                self.lose_match(); // it ended while this player was away, or cannot be reached
                self.queue_at = Some(Instant::now() + NEXT_MATCH);
            }
            ServerMessage::Queue(QueueUpdate::Waiting { .. }) => {
                self.queue_at = Some(Instant::now() + QUEUE_PATIENCE);
            }
            ServerMessage::Queue(QueueUpdate::Assigned { .. }) => self.queue_at = None,
            ServerMessage::Start(start) => {
                self.is_started = true;
                return self.started(&start);
            }
            ServerMessage::Event(event) => {
                let now_ms = self.judge.now_ms();
                let Some(watch) = self.watch.as_mut() else { return Ok(Vec::new()) };
                if watch.event(&event)? {
                    let heard = watch.inputs(now_ms).into_iter().take(1);
                    let heard = heard.map(ClientMessage::Input).collect();
                    let id = watch.id();
                    self.judge.count(Count::MatchesFinished);
                    if let Some(seen) = self.judge.lock().seen(id, self.ticks_per_frame) {
                        seen.course.ended();
                    }
                    self.leave_match();
                    self.queue_at = Some(Instant::now() + NEXT_MATCH.mul_f64(1.0 + self.draw()));
                    return Ok(heard);
                }
            }
            ServerMessage::Owner(owner) => {
                if let Some(watch) = self.watch.as_mut() {
                    watch.owner(&owner)?;
                }
            }
            ServerMessage::Error { code, .. } => {
                *self.judge.lock().refusals.entry(code.number().to_string()).or_default() += 1;
                if self.watch.is_none() {
                    self.queue_at = Some(Instant::now() + NEXT_MATCH);
                }
            }
            ServerMessage::Move(_)
            | ServerMessage::Party(_)
            | ServerMessage::Pong(_)
            | ServerMessage::Playback(_)
            | ServerMessage::Rating(_) => {}
        }
        Ok(Vec::new())
    }

    fn started(&mut self, start: &MatchStart) -> Result<Vec<ClientMessage>, Violation> {
        self.queue_at = None;
        self.waited();
        if let Some(watch) = self.watch.as_mut()
            && let Some(Restart { given_up, again }) = watch.restart(start)?
        {
            self.judge.count_many(Count::InputsUncounted, u64::from(given_up));
            self.is_playing = true;
            return Ok(again.into_iter().map(ClientMessage::Input).collect());
        }
        self.lose_match();
        self.is_playing = true;
        let pace = Pace { ticks_per_frame: self.ticks_per_frame, now_ms: self.judge.now_ms() };
        let watch = Watch::new(start, self.seed, pace);
        self.watch = Some(if self.keeps_diaries { watch.with_diary() } else { watch });
        self.judge.count(Count::MatchesStarted);
        let mut judge = self.judge.lock();
        if judge.seen(start.match_id, self.ticks_per_frame).is_none() {
            judge.matches_unjudged += 1;
        }
        judge.playing += 1;
        *judge.releases.entry(start.release.to_string()).or_default() += 1;
        Ok(Vec::new())
    }

    pub(super) fn leave_match(&mut self) {
        self.is_playing = false;
        let Some(watch) = self.watch.take() else { return };
        let now_ms = self.judge.now_ms();
        let mut judge = self.judge.lock();
        judge.playing -= 1;
        judge.timeline.silence(watch.silent_ms(now_ms), now_ms);
        let (id, ticks_per_frame) = (watch.id(), self.ticks_per_frame);
        if let Some(diary) = watch.into_diary()
            && let Some(seen) = judge.seen(id, ticks_per_frame)
        {
            seen.diaries.push(diary);
        }
    }

    /// Leaves a match, if there is one, whose end was not seen.
    pub(super) fn lose_match(&mut self) {
        if let Some(watch) = &self.watch {
            let now_ms = self.judge.now_ms();
            let mut judge = self.judge.lock();
            judge.timeline.count(Count::MatchesLost, 1, now_ms);
            if let Some(seen) = judge.seen(watch.id(), self.ticks_per_frame) {
                seen.course.given_up(now_ms);
            }
        }
        self.leave_match();
    }

    /// Ends a wait for a match.
    pub(super) fn waited(&mut self) {
        if let Some(since) = self.wants_since.take() {
            let waited_ms = since.elapsed().as_millis() as u64;
            let mut judge = self.judge.lock();
            judge.longest_wait_ms = judge.longest_wait_ms.max(waited_ms);
        }
    }
}

/// Says all of it, in one write.
async fn say(socket: &mut Socket, messages: Vec<ClientMessage>) -> Result<(), tungstenite::Error> {
    for message in messages {
        socket.feed(Message::Binary(Bytes::from(message.encode()))).await?;
    }
    socket.flush().await
}
