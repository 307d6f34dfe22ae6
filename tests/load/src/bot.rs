//! One player: keeps one session alive and plays one match after the other.

use std::pin::Pin;
use std::time::Duration;

use arena_types::Tick;
use arena_wire::play::{
    ClientMessage, FRAME_TYPE, FrameHead, Hello, MatchStart, Move, PROTOCOL_VERSION, QueueUpdate,
    SCHEMA_HASH, ServerMessage, Welcome,
};
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_tungstenite::tungstenite::{self, Message};

use crate::login::Gateway;
use crate::policy::mix;
use crate::report::Tally;
use crate::socket::{OpenError, Socket, open};
use crate::watch::{Step, Violation, Watch};

/// Between two tries to connect: doubles from the first to the second, with jitter.
const BACKOFF_MIN: Duration = Duration::from_millis(250);
const BACKOFF_MAX: Duration = Duration::from_secs(4);
/// A session that cannot be resumed in this time is dropped.
const RESUME_MAX: Duration = Duration::from_mins(1);
/// A session that is away when the run ends has this long to show that it can be resumed.
const LAST_RESUME_MAX: Duration = Duration::from_secs(6);
/// Between two pings, as the page.
const PING_PERIOD: Duration = Duration::from_secs(1);
/// Between the end of a match and the next queue: a glance at the standings.
const NEXT_MATCH: Duration = Duration::from_secs(1);
/// A queue that says nothing for so long is asked again.
const QUEUE_PATIENCE: Duration = Duration::from_secs(20);

type Opening = Pin<Box<dyn Future<Output = Result<(Socket, Welcome), OpenError>> + Send>>;

/// A player.
#[derive(Debug)]
pub(crate) struct Bot {
    gateway: Gateway,
    mode: String,
    seed: u64,
    name: String,
    stopped: watch::Receiver<bool>,
    start: Instant,
    tally: Tally,
    resume_token: Option<String>,
    endpoint: String,
    watch: Option<Watch>,
    playing_since: Option<Instant>,
    queue_at: Option<Instant>,
    /// Since when it wants a match.
    wants_since: Option<Instant>,
    ticks_per_frame: u32,
    drawn: u64,
}

/// Why a connection is left.
enum Left {
    Stopped,
    Lost,
}

impl Bot {
    /// Makes the player with this number.
    pub(crate) fn new(
        gateway: Gateway,
        mode: String,
        (seed, index): (u64, u32),
        stopped: watch::Receiver<bool>,
    ) -> Self {
        Self {
            gateway,
            mode,
            seed: mix(seed ^ u64::from(index) << 32),
            name: format!("Load {index}"),
            stopped,
            start: Instant::now(),
            tally: Tally::default(),
            resume_token: None,
            endpoint: String::new(),
            watch: None,
            playing_since: None,
            queue_at: None,
            wants_since: None,
            ticks_per_frame: 1,
            drawn: 0,
        }
    }

    /// Plays until it is stopped.
    pub(crate) async fn run(mut self, delay: Duration) -> Tally {
        let mut stopped = self.stopped.clone();
        tokio::select! {
            () = sleep(delay) => {}
            () = told_to_stop(&mut stopped) => return self.tally,
        }
        while let Some(socket) = self.connect().await {
            match self.play(socket).await {
                Left::Stopped => break,
                Left::Lost => {
                    self.tally.connections_lost += u64::from(!*self.stopped.borrow());
                    self.pause();
                }
            }
        }
        self.leave_match();
        self.waited();
        self.tally
    }

    /// Opens a connection, with the session if there is one; `None` once stopped, but a session that
    /// is away then comes back once more, or was dropped.
    async fn connect(&mut self) -> Option<Socket> {
        let since = Instant::now();
        let mut backoff = BACKOFF_MIN;
        let mut ending = None;
        loop {
            if *self.stopped.borrow() {
                self.resume_token.as_ref()?;
                if ending.get_or_insert_with(Instant::now).elapsed() > LAST_RESUME_MAX {
                    self.drop_session();
                    return None;
                }
            }
            match self.try_connect().await {
                Ok(socket) => return Some(socket),
                Err(given_up) => {
                    if self.resume_token.is_some() && (given_up || since.elapsed() > RESUME_MAX) {
                        self.drop_session();
                        continue;
                    }
                }
            }
            let jittered = backoff.mul_f64(0.5 + self.draw());
            let mut stopped = self.stopped.clone();
            tokio::select! {
                () = sleep(jittered) => {}
                () = told_to_stop(&mut stopped), if ending.is_none() => {}
            }
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    /// Tries once; the error says whether the session is gone for good.
    async fn try_connect(&mut self) -> Result<Socket, bool> {
        let hello = if let Some(token) = self.resume_token.clone() {
            self.hello(token)
        } else {
            let token = self.gateway.login(&self.secret(), &self.name).await.map_err(|_| {
                self.tally.logins_failed += 1;
                false
            })?;
            Hello::Access { version: PROTOCOL_VERSION, schema: SCHEMA_HASH, token }
        };
        match open(&self.gateway.play_url(&self.endpoint), hello).await {
            Ok((socket, welcome)) => {
                self.welcomed(welcome);
                Ok(socket)
            }
            Err(error) => {
                self.count_failed(&error);
                if !self.endpoint.is_empty() {
                    self.endpoint.clear(); // the address that everyone knows may be better
                }
                Err(error.is_final())
            }
        }
    }

    fn welcomed(&mut self, welcome: Welcome) {
        self.ticks_per_frame = u32::from(welcome.tick_rate / welcome.frame_rate.max(1));
        match (self.resume_token.replace(welcome.resume_token), welcome.resumed) {
            (Some(_), true) => self.tally.resumed += 1,
            (Some(_), false) => {
                self.tally.sessions += 1;
                self.count_dropped();
            }
            (None, _) => self.tally.sessions += 1,
        }
        if self.watch.is_none() {
            self.queue_at = Some(Instant::now());
        }
    }

    fn count_failed(&mut self, error: &OpenError) {
        self.tally.connects_failed += 1;
        if let OpenError::Closed { code } = error {
            Tally::count(&mut self.tally.close_codes, code.to_string());
        }
    }

    fn drop_session(&mut self) {
        self.resume_token = None;
        self.count_dropped();
    }

    fn count_dropped(&mut self) {
        self.tally.dropped_sessions += 1;
        self.lose_match();
    }

    /// Plays on one connection, and on those it is moved to.
    async fn play(&mut self, mut socket: Socket) -> Left {
        let mut stopped = self.stopped.clone();
        let mut moving: Option<Opening> = None;
        let mut ping_at = Instant::now() + PING_PERIOD;
        loop {
            let wake_at = self.queue_at.map_or(ping_at, |it| it.min(ping_at));
            let message = tokio::select! {
                message = socket.next() => message,
                moved = opened(&mut moving) => {
                    moving = None;
                    match moved {
                        Ok((new, welcome)) => {
                            self.tally.moves += 1;
                            self.welcomed(welcome);
                            let mut old = std::mem::replace(&mut socket, new);
                            let _ = old.close(None).await; // it may be gone already
                        }
                        Err(error) => self.count_failed(&error), // the old one goes on for a while
                    }
                    continue;
                }
                () = sleep_until(wake_at) => {
                    if self.on_time(&mut socket, &mut ping_at).await.is_err()
                        && !self.take_over(&mut moving, &mut socket).await
                    {
                        return Left::Lost;
                    }
                    continue;
                }
                () = told_to_stop(&mut stopped) => {
                    let _ = socket.close(None).await;
                    return Left::Stopped;
                }
            };
            match message {
                Some(Ok(Message::Binary(bytes))) => match self.receive(&bytes, &mut socket).await {
                    Ok(Some(to)) => moving = Some(self.open_next(to)),
                    Ok(None) => {}
                    Err(_) if self.take_over(&mut moving, &mut socket).await => {}
                    Err(_) => return Left::Lost,
                },
                Some(Ok(Message::Close(frame))) => {
                    let code = frame.map_or(1005, |it| u16::from(it.code));
                    Tally::count(&mut self.tally.close_codes, code.to_string());
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None if self.take_over(&mut moving, &mut socket).await => {}
                Some(Err(_)) | None => return Left::Lost,
            }
        }
    }

    /// Goes on on the connection that a move opens, once the old one has ended; false without one.
    async fn take_over(&mut self, moving: &mut Option<Opening>, socket: &mut Socket) -> bool {
        let Some(opening) = moving.take() else { return false };
        match opening.await {
            Ok((new, welcome)) => {
                self.tally.moves += 1;
                self.welcomed(welcome);
                *socket = new;
                true
            }
            Err(error) => {
                self.count_failed(&error);
                false
            }
        }
    }

    async fn on_time(
        &mut self,
        socket: &mut Socket,
        ping_at: &mut Instant,
    ) -> Result<(), tungstenite::Error> {
        let now = Instant::now();
        if now >= *ping_at {
            *ping_at = now + PING_PERIOD;
            let sent_us = self.start.elapsed().as_micros() as u32;
            send(socket, &ClientMessage::Ping { sent_us }).await?;
        }
        if self.queue_at.is_some_and(|it| now >= it) {
            self.queue_at = Some(now + QUEUE_PATIENCE);
            self.wants_since.get_or_insert(now);
            let mode = self.mode.clone();
            send(socket, &ClientMessage::Queue { mode, rtts: vec![] }).await?;
        }
        Ok(())
    }

    /// Takes a message and answers it; returns where to move to, if it says so.
    async fn receive(
        &mut self,
        bytes: &[u8],
        socket: &mut Socket,
    ) -> Result<Option<Move>, tungstenite::Error> {
        if self.playing_since.is_some() {
            self.tally.bytes += bytes.len() as u64;
        }
        if bytes.first() == Some(&FRAME_TYPE) {
            self.frame(bytes, socket).await?;
            return Ok(None);
        }
        match ServerMessage::decode(bytes) {
            Ok(ServerMessage::Move(to)) => return Ok(Some(to)),
            Ok(message) => match self.told(message) {
                Ok(Some(answer)) => send(socket, &answer).await?,
                Ok(None) => {}
                Err(violation) => self.complain(&violation),
            },
            Err(error) => self.complain(&Violation::Decode(error)),
        }
        Ok(None)
    }

    async fn frame(&mut self, bytes: &[u8], socket: &mut Socket) -> Result<(), tungstenite::Error> {
        self.tally.frames += 1;
        if FrameHead::peek(bytes).is_ok_and(|it| it.baseline.is_none()) {
            self.tally.full_frames += 1;
        }
        let now_ms = self.start.elapsed().as_millis() as u64;
        // Frames that follow the end of a match show how it stands; nobody plays them.
        let Some(watch) = self.watch.as_mut() else { return Ok(()) };
        match watch.frame(bytes, now_ms) {
            Ok(Step { gap_ms, missed }) => {
                self.tally.frames_lost += u64::from(missed);
                if let Some(gap_ms) = gap_ms {
                    self.tally.gap(gap_ms);
                }
            }
            Err(violation) => self.complain(&violation),
        }
        let Some(watch) = self.watch.as_mut() else { return Ok(()) };
        for input in watch.inputs(now_ms) {
            self.tally.inputs += 1;
            let bytes = ClientMessage::Input(input).encode();
            socket.feed(Message::Binary(Bytes::from(bytes))).await?;
        }
        socket.flush().await
    }

    /// Takes a message; returns what to answer.
    fn told(&mut self, message: ServerMessage) -> Result<Option<ClientMessage>, Violation> {
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
            ServerMessage::Start(start) => self.started(&start)?,
            ServerMessage::Event(event) => {
                let now_ms = self.start.elapsed().as_millis() as u64;
                let Some(watch) = self.watch.as_mut() else { return Ok(None) };
                if watch.event(&event)? {
                    let heard = watch.inputs(now_ms).first().copied().map(ClientMessage::Input);
                    self.tally.matches_finished += 1;
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
                Tally::count(&mut self.tally.refusals, code.number().to_string());
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
        Ok(None)
    }

    fn started(&mut self, start: &MatchStart) -> Result<(), Violation> {
        self.queue_at = None;
        self.waited();
        if let Some(watch) = self.watch.as_mut()
            && let Some(lost) = watch.restart(start)?
        {
            self.tally.inputs_lost += u64::from(lost);
            self.playing_since.get_or_insert_with(Instant::now);
            return Ok(());
        }
        self.lose_match();
        self.playing_since = Some(Instant::now());
        let now_ms = self.start.elapsed().as_millis() as u64;
        self.watch = Some(Watch::new(start, self.seed, (self.ticks_per_frame, now_ms)));
        self.tally.matches_started += 1;
        Tally::count(&mut self.tally.releases, start.release.to_string());
        Ok(())
    }

    fn leave_match(&mut self) {
        self.pause();
        if let Some(watch) = self.watch.take() {
            let silent_ms = watch.silent_ms(self.start.elapsed().as_millis() as u64);
            self.tally.longest_gap_ms = self.tally.longest_gap_ms.max(silent_ms);
        }
    }

    /// Leaves a match, if there is one, whose end was not seen.
    fn lose_match(&mut self) {
        self.tally.matches_lost += u64::from(self.watch.is_some());
        self.leave_match();
    }

    /// Ends a wait for a match.
    fn waited(&mut self) {
        if let Some(since) = self.wants_since.take() {
            let waited_ms = since.elapsed().as_millis() as u64;
            self.tally.longest_wait_ms = self.tally.longest_wait_ms.max(waited_ms);
        }
    }

    /// Ends the time that counts as playing.
    fn pause(&mut self) {
        if let Some(since) = self.playing_since.take() {
            self.tally.playing_ms += since.elapsed().as_millis() as u64;
        }
    }

    /// Opens the next connection beside this one, at a random moment of those allowed.
    fn open_next(&mut self, to: Move) -> Opening {
        let span = f64::from(to.within_ms.saturating_sub(to.after_ms));
        let wait = Duration::from_secs_f64((f64::from(to.after_ms) + span * self.draw()) / 1e3);
        self.endpoint.clone_from(&to.endpoint);
        let url = self.gateway.play_url(&to.endpoint);
        let hello = self.hello(to.resume_token);
        Box::pin(async move {
            sleep(wait).await;
            open(&url, hello).await
        })
    }

    fn hello(&self, token: String) -> Hello {
        let newest = self.watch.as_ref().map_or(Tick(0), Watch::newest);
        let last_event = self.watch.as_ref().map_or(0, Watch::last_event);
        Hello::Resume {
            version: PROTOCOL_VERSION,
            schema: SCHEMA_HASH,
            token,
            ack_tick: newest,
            ack_event: last_event,
        }
    }

    fn complain(&mut self, violation: &Violation) {
        let kind = format!("{violation:?}");
        let kind = kind.split([' ', '(']).next().unwrap_or_default().to_owned();
        self.tally.examples.entry(kind.clone()).or_insert_with(|| violation.to_string());
        Tally::count(&mut self.tally.protocol_errors, kind);
    }

    fn secret(&self) -> [u8; 32] {
        std::array::from_fn(|it| (mix(self.seed ^ (it as u64 / 8)) >> (it % 8 * 8)) as u8)
    }

    /// Draws a number from 0 to 1.
    fn draw(&mut self) -> f64 {
        self.drawn += 1;
        (mix(self.seed ^ self.drawn) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

async fn send(socket: &mut Socket, message: &ClientMessage) -> Result<(), tungstenite::Error> {
    socket.send(Message::Binary(Bytes::from(message.encode()))).await
}

/// Waits for the next connection if one is being opened, else for ever.
async fn opened(opening: &mut Option<Opening>) -> Result<(Socket, Welcome), OpenError> {
    match opening {
        Some(opening) => opening.await,
        None => std::future::pending().await,
    }
}

async fn told_to_stop(stopped: &mut watch::Receiver<bool>) {
    // An error means that nobody can say so any more: the run is over.
    let _ = stopped.wait_for(|it| *it).await;
}
