//! One player: keeps one session alive and plays one match after the other.

mod heard;

use std::pin::{Pin, pin};
use std::time::Duration;

use arena_types::Tick;
use arena_wire::play::{
    ClientMessage, FRAME_TYPE, Hello, Move, PROTOCOL_VERSION, SCHEMA_HASH, Welcome,
};
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_tungstenite::tungstenite::{self, Message};

use crate::judge::Shared;
use crate::login::Gateway;
use crate::policy::mix;
use crate::socket::{OpenError, Socket, open};
use crate::timeline::Count;
use crate::watch::Watch;

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

/// What comes on a connection, `None` at its end.
type Heard = Option<Result<Message, tungstenite::Error>>;
type Opening = Pin<Box<dyn Future<Output = Result<(Socket, Welcome), OpenError>> + Send>>;

/// The next connection of a session that the gateway moves.
struct Moving {
    /// Before, nothing was tried.
    opens_at: Instant,
    opening: Opening,
}

/// A player.
#[derive(Debug)]
pub(crate) struct Bot {
    gateway: Gateway,
    mode: String,
    seed: u64,
    name: String,
    stopped: watch::Receiver<bool>,
    judge: Shared,
    /// Whether somebody will look for replays.
    keeps_diaries: bool,
    resume_token: Option<String>,
    endpoint: String,
    watch: Option<Watch>,
    is_playing: bool,
    /// Whether the connection has said where the match stands: inputs go over it from then on, and over the one that
    /// the session moves from until then.
    is_started: bool,
    queue_at: Option<Instant>,
    /// Since when it wants a match.
    wants_since: Option<Instant>,
    ticks_per_frame: u32,
    drawn: u64,
}

/// What all players of a run have in common.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    pub(crate) gateway: Gateway,
    pub(crate) mode: String,
    pub(crate) seed: u64,
    pub(crate) judge: Shared,
    pub(crate) keeps_diaries: bool,
    pub(crate) stopped: watch::Receiver<bool>,
}

/// Why a connection is left.
enum Left {
    Stopped,
    Lost,
}

impl Bot {
    /// Makes the player with this number.
    pub(crate) fn new(common: Common, index: u32) -> Self {
        let Common { gateway, mode, seed, judge, keeps_diaries, stopped } = common;
        Self {
            gateway,
            mode,
            seed: mix(seed ^ u64::from(index) << 32),
            name: format!("Load {index}"),
            stopped,
            judge,
            keeps_diaries,
            resume_token: None,
            endpoint: String::new(),
            watch: None,
            is_playing: false,
            is_started: false,
            queue_at: None,
            wants_since: None,
            ticks_per_frame: 1,
            drawn: 0,
        }
    }

    /// Plays until it is stopped.
    pub(crate) async fn run(mut self, delay: Duration) {
        let mut stopped = self.stopped.clone();
        tokio::select! {
            () = sleep(delay) => {}
            () = told_to_stop(&mut stopped) => return,
        }
        while let Some(socket) = self.connect().await {
            match self.play(socket).await {
                Left::Stopped => break,
                Left::Lost => {
                    if !self.is_stopped() {
                        self.judge.count(Count::ConnectionsLost);
                    }
                    self.is_playing = false;
                }
            }
        }
        self.leave_match();
        self.waited();
    }

    /// Opens a connection, with the session if there is one; `None` once stopped, but a session that
    /// is away then comes back once more, or was dropped.
    async fn connect(&mut self) -> Option<Socket> {
        let since = Instant::now();
        let mut backoff = BACKOFF_MIN;
        let mut ending = None;
        loop {
            if self.is_stopped() {
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

    /// Says whether the run is over; it is, too, once nobody is left who could say so.
    fn is_stopped(&self) -> bool {
        *self.stopped.borrow() || self.stopped.has_changed().is_err()
    }

    /// Tries once; the error says whether the session is gone for good.
    async fn try_connect(&mut self) -> Result<Socket, bool> {
        let hello = if let Some(token) = self.resume_token.clone() {
            self.hello(token)
        } else {
            let token = self.gateway.login(&self.secret(), &self.name).await.map_err(|_| {
                self.judge.count(Count::LoginsFailed);
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
        self.judge.lock().told_ticks_per_s = Some(u32::from(welcome.tick_rate).max(1));
        match (self.resume_token.replace(welcome.resume_token), welcome.resumed) {
            (Some(_), true) => {
                self.judge.count(Count::Resumed);
                if let Some(watch) = self.watch.as_mut() {
                    watch.reconnected();
                }
            }
            (Some(_), false) => {
                self.judge.count(Count::Sessions);
                self.count_dropped();
            }
            (None, _) => self.judge.count(Count::Sessions),
        }
        self.is_started = !(welcome.resumed && self.watch.is_some());
        if self.watch.is_none() {
            self.queue_at = Some(Instant::now());
        }
    }

    fn count_failed(&mut self, error: &OpenError) {
        self.judge.count(Count::ConnectsFailed);
        if let OpenError::Closed { code } = error {
            self.count_closed(*code);
        }
    }

    fn count_closed(&self, code: u16) {
        *self.judge.lock().close_codes.entry(code.to_string()).or_default() += 1;
    }

    fn drop_session(&mut self) {
        self.resume_token = None;
        self.count_dropped();
    }

    fn count_dropped(&mut self) {
        self.judge.count(Count::DroppedSessions);
        self.lose_match();
    }

    /// Plays on one connection, and on those it is moved to.
    async fn play(&mut self, mut socket: Socket) -> Left {
        let mut stopped = self.stopped.clone();
        let mut moving: Option<Moving> = None;
        // What the session moves from, until it is shown its match on what it moves to.
        let mut former: Option<Socket> = None;
        let mut ping_at = Instant::now() + PING_PERIOD;
        // Both are kept over the loop: with a thousand players, making them anew for each frame is seen.
        let mut wake = pin!(sleep_until(ping_at));
        let mut stop = pin!(told_to_stop(&mut stopped));
        loop {
            let wake_at = self.queue_at.map_or(ping_at, |it| it.min(ping_at));
            if wake.deadline() != wake_at {
                wake.as_mut().reset(wake_at);
            }
            let message = tokio::select! {
                biased; // what the former connection still shows comes before what the next one does
                message = next(&mut former) => {
                    self.heard_former(&mut former, &mut socket, message).await;
                    continue;
                }
                message = socket.next() => message,
                moved = opened(&mut moving) => {
                    moving = None;
                    match moved {
                        Ok((new, welcome)) => {
                            self.judge.count(Count::Moves);
                            self.welcomed(welcome);
                            former = Some(std::mem::replace(&mut socket, new));
                        }
                        Err(error) => self.count_failed(&error), // the old one goes on for a while
                    }
                    continue;
                }
                () = wake.as_mut() => {
                    if self.on_time(&mut socket, &mut ping_at).await.is_err()
                        && !self.take_over(&mut moving, &mut socket).await
                    {
                        return Left::Lost;
                    }
                    continue;
                }
                () = stop.as_mut() => {
                    self.say_goodbye(&mut socket).await;
                    return Left::Stopped;
                }
            };
            if self.is_shown(&message)
                && let Some(mut former) = former.take()
            {
                let _ = former.close(None).await; // it may be gone already
            }
            match message {
                Some(Ok(Message::Binary(bytes))) => match self.receive(&bytes, &mut socket).await {
                    Ok(Some(to)) => moving = Some(self.open_next(to)),
                    Ok(None) => {}
                    Err(_) if self.take_over(&mut moving, &mut socket).await => {}
                    Err(_) => return Left::Lost,
                },
                Some(Ok(Message::Close(frame))) => {
                    self.count_closed(frame.map_or(1005, |it| u16::from(it.code)));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None if self.take_over(&mut moving, &mut socket).await => {}
                Some(Err(_)) | None => return Left::Lost,
            }
        }
    }

    /// Whether a message shows that the connection it came on has taken over: a frame, or anything if there
    /// is no match.
    fn is_shown(&self, message: &Heard) -> bool {
        let Some(Ok(Message::Binary(bytes))) = message else { return false };
        self.watch.is_none() || bytes.first() == Some(&FRAME_TYPE)
    }

    /// Takes what came on the connection that the session moves from; it ends by itself as well.
    async fn heard_former(
        &mut self,
        former: &mut Option<Socket>,
        socket: &mut Socket,
        message: Heard,
    ) {
        let goes_on = match (message, former.as_mut()) {
            (Some(Ok(Message::Binary(bytes))), Some(former)) => {
                let answers = if self.is_started { socket } else { former };
                self.receive_former(&bytes, answers).await.is_ok()
            }
            (Some(Ok(Message::Close(_)) | Err(_)) | None, _) => false,
            (Some(Ok(_)), _) => true,
        };
        if !goes_on {
            *former = None;
        }
    }

    /// Goes on on the connection that a move opens, once the old one has ended; false without one.
    /// One that ends before the next was even tried is lost: the page says "reconnecting" then.
    async fn take_over(&mut self, moving: &mut Option<Moving>, socket: &mut Socket) -> bool {
        let Some(Moving { opens_at, opening }) = moving.take() else { return false };
        let was_tried = Instant::now() >= opens_at;
        match opening.await {
            Ok((new, welcome)) => {
                if !was_tried {
                    self.judge.count(Count::ConnectionsLost);
                }
                self.judge.count(Count::Moves);
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

    /// Leaves for good: a match that nobody can come back to ends at once, and has a replay.
    async fn say_goodbye(&mut self, socket: &mut Socket) {
        if let Some(watch) = self.watch.as_mut() {
            watch.left();
            let _ = send(socket, &ClientMessage::Leave).await; // it may be gone already
        }
        let _ = socket.close(None).await;
    }

    async fn on_time(
        &mut self,
        socket: &mut Socket,
        ping_at: &mut Instant,
    ) -> Result<(), tungstenite::Error> {
        let now = Instant::now();
        if now >= *ping_at {
            *ping_at = now + PING_PERIOD;
            let sent_us = self.judge.now_us() as u32;
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

    /// Opens the next connection beside this one, at a random moment of those allowed.
    fn open_next(&mut self, to: Move) -> Moving {
        let span = f64::from(to.within_ms.saturating_sub(to.after_ms));
        let wait = Duration::from_secs_f64((f64::from(to.after_ms) + span * self.draw()) / 1e3);
        self.endpoint.clone_from(&to.endpoint);
        let url = self.gateway.play_url(&to.endpoint);
        let hello = self.hello(to.resume_token);
        let opens_at = Instant::now() + wait;
        let opening = Box::pin(async move {
            sleep_until(opens_at).await;
            open(&url, hello).await
        });
        Moving { opens_at, opening }
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

/// Waits for the next message of a connection if there is one, else for ever.
async fn next(socket: &mut Option<Socket>) -> Heard {
    match socket {
        Some(socket) => socket.next().await,
        None => std::future::pending().await,
    }
}

/// Waits for the next connection if one is being opened, else for ever.
async fn opened(moving: &mut Option<Moving>) -> Result<(Socket, Welcome), OpenError> {
    match moving {
        Some(moving) => moving.opening.as_mut().await,
        None => std::future::pending().await,
    }
}

async fn told_to_stop(stopped: &mut watch::Receiver<bool>) {
    // An error means that nobody can say so any more: the run is over.
    let _ = stopped.wait_for(|it| *it).await;
}
