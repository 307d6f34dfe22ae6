//! One WebSocket: reads the client, asks the session what to do, does it.

use std::future::pending;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arena_store::HotState;
use arena_types::{Epoch, InstanceId, PlayerId, SessionId, Tick};
use arena_wire::link::{Attach, Flow, Leave};
use arena_wire::play::{
    CLIENT_MESSAGE_LEN_MAX, ClientMessage, Code, Hello, PROTOCOL_VERSION, Pong, SCHEMA_HASH,
    ServerMessage, Watch, Welcome,
};
use arena_wire::stats::v1::PlayerProfile;
use arena_wire::token::{ResumeClaims, TokenKey};
use bytes::Bytes;
use futures::stream::SplitStream;
use futures::{FutureExt as _, Stream, StreamExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::Sleep;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::accept::Gate;
use crate::keys::{Keys, TokenError};
use crate::lanes::Lanes;
use crate::links::{Links, Port, Seated};
use crate::logic::bucket::{Bucket, Rate};
use crate::logic::record::Seat;
use crate::logic::session::{AttachRefusal, Effect, Event, Session};
use crate::metrics::GatewayMetrics;
use crate::placement::Placements;
use crate::rest::Site;
use crate::revocations::Revocations;
use crate::saver::{self, Saver};
use crate::sessions::{Presence, Sessions};
use crate::silence::Silence;
use crate::slot::Slot;
use crate::upgrade::Socket;
use crate::upstream::Upstream;
use crate::waiting;

/// A hello must come within this: it is the first thing a page sends.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);
/// A client pings every second; one that is silent for so long is gone.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// Messages of one client: 60 inputs a second, pings, and a burst after a stall.
const MESSAGES: Rate = Rate { per_s: 150, burst: 400 };
/// A ping costs as much as this many other messages: its answer takes a place in the reliable lane,
/// and a burst of pings must not fill it.
const PING_COST: u32 = 5;
/// So does a jump in a match that is watched: up to ten seconds of it are played again for each.
const WATCH_COST: u32 = 20;
/// Messages of one client taken in one turn: the inputs that a frame is answered with, and more after a stall.
const MESSAGES_AT_ONCE: usize = 8;
/// Bytes of one client: an input takes 21.
const BYTES: Rate = Rate { per_s: 16 << 10, burst: 64 << 10 };
/// Bytes of a WebSocket message that are read before it is refused without being looked at.
pub const MESSAGE_LEN_READ_MAX: usize = 4 * CLIENT_MESSAGE_LEN_MAX;
/// A closed socket is read for so long at most, until the client has closed its side.
const LINGER: Duration = Duration::from_secs(1);
/// Events for one session that wait; a session that does not take them is let go of.
const EVENTS_MAX: usize = 256;
/// A resume token is good for this long; a move or a reconnect brings a new one.
const RESUME_LIFE: Duration = Duration::from_hours(24);
const TICKS_PER_S: u8 = 60;
const FRAMES_PER_S: u8 = 30;

/// What all sockets share; cheap to clone.
#[derive(Clone)]
pub struct Shared {
    /// Who we are.
    pub site: Arc<Site>,
    /// The services behind.
    pub upstream: Upstream,
    /// Ways to games.
    pub links: Links,
    /// Where matches are.
    pub placements: Placements,
    /// Where sessions' records are.
    pub hot: Arc<dyn HotState>,
    /// Checks access tokens.
    pub keys: Keys,
    /// Signs resume tokens.
    pub resume_key: TokenKey,
    /// Knows which tokens were taken back.
    pub revocations: Revocations,
    /// Bounds hellos.
    pub gate: Gate,
    /// All sessions.
    pub sessions: Sessions,
    /// What is counted.
    pub metrics: GatewayMetrics,
}

impl Shared {
    /// Returns a token to resume `session` with.
    #[must_use]
    pub fn resume_token(&self, session: &Session) -> String {
        let life_ms = u64::try_from(RESUME_LIFE.as_millis()).unwrap_or(u64::MAX);
        ResumeClaims {
            session: session.id(),
            player: session.player(),
            match_id: session.in_match(),
            expires_ms: unix_ms() + life_ms,
        }
        .sign(&self.resume_key)
    }
}

/// Runs one WebSocket to its end.
pub async fn run(shared: Shared, socket: Socket, ip: IpAddr) {
    let started = Instant::now();
    shared.metrics.sockets.inc();
    let (sink, mut stream) = socket.split();
    let slot = Arc::new(Slot::default());
    let (lanes, mut writer) = Lanes::start(sink, slot.clone(), shared.metrics.clone());
    match greet(&shared, &mut stream, ip, started).await {
        Ok(Greeted { session, effects, resumed }) => {
            let (events, inbox) = mpsc::channel(EVENTS_MAX);
            let presence = shared.sessions.enter(session.id(), events.clone());
            let mut client = Client {
                saver: Saver::start(shared.hot.clone(), session.id()),
                shared: shared.clone(),
                session,
                lanes,
                slot,
                events,
                started,
                messages: Bucket::full(MESSAGES, 0),
                bytes: Bucket::full(BYTES, 0),
                seated: None,
                next: None,
                before: None,
                ticket: None,
                party: None,
                _presence: presence,
            };
            client.serve(&mut stream, inbox, &mut writer, effects, resumed).await;
        }
        Err(code) => lanes.close(code),
    }
    if !writer.is_finished() {
        let _ = writer.await; // it writes what is left, then the close frame
    }
    // A socket closed with bytes unread is reset, and the reset may overtake the close frame.
    let _ = tokio::time::timeout(LINGER, async { while let Some(Ok(_)) = stream.next().await {} })
        .await;
    shared.metrics.sockets.dec();
}

struct Greeted {
    session: Session,
    effects: Vec<Effect>,
    resumed: bool,
}

/// Reads the hello and opens the session it asks for.
async fn greet(
    shared: &Shared,
    stream: &mut SplitStream<Socket>,
    ip: IpAddr,
    started: Instant,
) -> Result<Greeted, Code> {
    let first = tokio::time::timeout(HELLO_TIMEOUT, next(stream)).await;
    let bytes = first.map_err(|_| Code::HelloTimeout)??.ok_or(Code::HelloTimeout)?;
    check_version(&bytes)?;
    let ClientMessage::Hello(hello) = decode(&bytes)? else { return Err(Code::OutOfPlace) };
    if !shared.gate.hello(ip).await || shared.sessions.is_draining() {
        return Err(Code::Overloaded);
    }
    let seed = rand::random();
    match hello {
        Hello::Access { token, .. } => {
            let claims = shared.keys.verify(&token).map_err(|it| match it {
                TokenError::UnknownKey if !shared.keys.is_warm() => Code::Overloaded,
                _ => Code::Unauthorized,
            })?;
            let id = SessionId::from_u64(rand::random());
            if shared.revocations.covers(claims.player, claims.epoch) {
                return Err(Code::Banned);
            }
            let who = (claims.player, claims.name);
            let session = Session::new(id, who, claims.epoch, seed);
            let effects = vec![Effect::Save(session.record(0))];
            Ok(Greeted { session, effects, resumed: false })
        }
        Hello::Resume { token, ack_tick, ack_event, .. } => {
            let claims = ResumeClaims::verify(&token, &shared.resume_key, unix_ms())
                .map_err(|_| Code::ResumeExpired)?;
            let record = saver::load(&*shared.hot, claims.session).await?;
            if record.player != claims.player {
                return Err(Code::ResumeExpired);
            }
            if shared.revocations.covers(record.player, record.token_epoch) {
                return Err(Code::Banned);
            }
            let now_ms = elapsed_ms(started);
            let (session, effects) = Session::resume(&record, (ack_tick, ack_event), seed, now_ms);
            shared.metrics.resumed.inc();
            Ok(Greeted { session, effects, resumed: true })
        }
    }
}

/// Refuses a hello of another version before the rest of it is read: only its first seven bytes, type,
/// version and schema, are the same in all versions (`docs/protocol.md`).
fn check_version(bytes: &[u8]) -> Result<(), Code> {
    const HELLO_TYPE: u8 = 0x01;
    let [HELLO_TYPE, v0, v1, s0, s1, s2, s3, ..] = *bytes else { return Ok(()) };
    let spoken = (u16::from_le_bytes([v0, v1]), u32::from_le_bytes([s0, s1, s2, s3]));
    if spoken == (PROTOCOL_VERSION, SCHEMA_HASH) { Ok(()) } else { Err(Code::Version) }
}

/// Returns the next binary message, `None` at the end of the stream.
async fn next<S>(stream: &mut S) -> Result<Option<Bytes>, Code>
where
    S: Stream<Item = Result<Message, tungstenite::Error>> + Unpin,
{
    loop {
        let Some(message) = stream.next().await else { return Ok(None) };
        match message {
            Ok(Message::Binary(bytes)) => return Ok(Some(bytes)),
            Ok(Message::Close(_)) => return Ok(None),
            Ok(Message::Text(_)) => return Err(Code::BadMessage),
            Ok(_) => {} // pings and pongs are answered below
            Err(tungstenite::Error::Capacity(_)) => return Err(Code::TooBig),
            // A client that goes away without a word is a matter of the protocol too, and no fault.
            Err(tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => {
                return Ok(None);
            }
            Err(tungstenite::Error::Protocol(_) | tungstenite::Error::Utf8(_)) => {
                return Err(Code::BadMessage);
            }
            Err(_) => return Ok(None),
        }
    }
}

fn decode(bytes: &[u8]) -> Result<ClientMessage, Code> {
    if bytes.len() > CLIENT_MESSAGE_LEN_MAX {
        return Err(Code::TooBig);
    }
    ClientMessage::decode(bytes).map_err(|_| Code::BadMessage)
}

/// A session with its socket.
struct Client {
    shared: Shared,
    session: Session,
    lanes: Lanes,
    slot: Arc<Slot>,
    events: mpsc::Sender<Event>,
    saver: Saver,
    started: Instant,
    messages: Bucket,
    bytes: Bucket,
    seated: Option<Seated>,
    /// The seat at the next owner of a match that moves.
    next: Option<Seated>,
    /// The profile at the start of the match, for the change of rating at its end.
    before: Option<oneshot::Receiver<Option<PlayerProfile>>>,
    ticket: Option<Task>,
    party: Option<Task>,
    _presence: Presence,
}

/// The time of [`Session::wake_at_ms`]; a timer is touched only when that changes.
struct Alarm {
    started: Instant,
    at_ms: Option<u64>,
    sleep: Pin<Box<Sleep>>,
}

impl Alarm {
    fn new(started: Instant) -> Self {
        Self { started, at_ms: None, sleep: Box::pin(tokio::time::sleep(Duration::ZERO)) }
    }

    fn set(&mut self, at_ms: Option<u64>) {
        if let Some(ms) = at_ms.filter(|_| self.at_ms != at_ms) {
            self.sleep.as_mut().reset((self.started + Duration::from_millis(ms)).into());
        }
        self.at_ms = at_ms;
    }

    /// Waits until its time has come. Dropping it half-way loses nothing.
    async fn goes_off(&mut self) {
        match self.at_ms {
            Some(_) => self.sleep.as_mut().await,
            None => pending().await,
        }
    }
}

/// A task that ends with whoever holds it.
struct Task(AbortHandle);

impl Task {
    fn start(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(future).abort_handle())
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Client {
    async fn serve(
        &mut self,
        stream: &mut SplitStream<Socket>,
        mut inbox: mpsc::Receiver<Event>,
        writer: &mut tokio::task::JoinHandle<()>,
        effects: Vec<Effect>,
        resumed: bool,
    ) {
        let greeted = match self.welcome(resumed) {
            Ok(()) => self.act_all(effects).await,
            Err(code) => Err(code),
        };
        let mut ended = greeted;
        let (player, epoch) = (self.session.player(), self.session.token_epoch());
        let mut revoked = pin!(self.shared.revocations.clone().cover(player, epoch));
        let mut silence = Silence::new(IDLE_MAX);
        let mut alarm = Alarm::new(self.started);
        while ended.is_ok() {
            alarm.set(self.session.wake_at_ms());
            ended = tokio::select! {
                message = next(stream) => match message {
                    Ok(Some(bytes)) => {
                        silence.broken();
                        self.heard_all(bytes, stream).await
                    }
                    Ok(None) => break,
                    Err(code) => Err(code),
                },
                Some(event) = inbox.recv() => self.on(event).await,
                () = alarm.goes_off() => self.on(Event::Timer).await,
                () = silence.too_long() => Err(Code::Idle),
                () = &mut revoked => Err(Code::Banned),
                _ = &mut *writer => break,
            };
        }
        if let Err(code) = ended {
            self.lanes.close(code);
        }
        let effects = self.session.on(Event::Close, self.now_ms());
        let _ = self.act_all(effects).await; // nobody is left to tell
        self.saver.settle().await;
    }

    fn welcome(&self, resumed: bool) -> Result<(), Code> {
        let Site { region, release, instance } = &*self.shared.site;
        let record = self.session.record(self.now_ms());
        self.lanes.send(&ServerMessage::Welcome(Welcome {
            session: record.session,
            player: record.player,
            name: record.name,
            resume_token: self.shared.resume_token(&self.session),
            region: region.clone(),
            release: *release,
            instance: instance.clone(),
            tick_rate: TICKS_PER_S,
            frame_rate: FRAMES_PER_S,
            resumed,
        }))
    }

    /// Takes a message, and those that came with it.
    async fn heard_all(
        &mut self,
        bytes: Bytes,
        stream: &mut SplitStream<Socket>,
    ) -> Result<(), Code> {
        self.heard(&bytes).await?;
        for _ in 1..MESSAGES_AT_ONCE {
            match next(stream).now_or_never().transpose()?.flatten() {
                Some(bytes) => self.heard(&bytes).await?,
                None => break,
            }
        }
        Ok(())
    }

    async fn heard(&mut self, bytes: &[u8]) -> Result<(), Code> {
        let now_ms = self.now_ms();
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.shared.metrics.bytes_received.inc_by(u64::from(len));
        let message = decode(bytes)?;
        let cost = match message {
            ClientMessage::Ping { .. } => PING_COST,
            ClientMessage::Watch(_) => WATCH_COST,
            _ => 1,
        };
        if !self.messages.take(MESSAGES, cost, now_ms) || !self.bytes.take(BYTES, len, now_ms) {
            return Err(Code::TooFast);
        }
        match message {
            ClientMessage::Ping { sent_us } => {
                let now_us = self.started.elapsed().as_micros() as u32;
                let pong = Pong { sent_us, received_us: now_us, answered_us: now_us };
                self.lanes.send(&ServerMessage::Pong(pong))
            }
            ClientMessage::Input(input) => {
                if let (Some(input), Some(seated)) = (self.session.input(input)?, &self.seated) {
                    seated.input(input);
                    if let Some(next) = &self.next {
                        next.input(input);
                    }
                }
                Ok(())
            }
            message => self.on(Event::Client(message)).await,
        }
    }

    async fn on(&mut self, event: Event) -> Result<(), Code> {
        let effects = self.session.on(event, self.now_ms());
        self.act_all(effects).await
    }

    async fn act_all(&mut self, effects: Vec<Effect>) -> Result<(), Code> {
        for effect in effects {
            self.act(effect).await?;
        }
        Ok(())
    }

    async fn act(&mut self, effect: Effect) -> Result<(), Code> {
        let (upstream, events) = (self.shared.upstream.clone(), self.events.clone());
        let player = self.session.player();
        match effect {
            Effect::Send(message) => return self.send(message).await,
            Effect::Close(code) => return Err(code),
            Effect::Save(record) => self.saver.save(record),
            Effect::Enqueue(ticket) => {
                let following = waiting::follow_ticket(upstream, player, ticket, events);
                self.ticket = Some(Task::start(following));
            }
            Effect::CancelTicket(ticket) => {
                self.ticket = None;
                tokio::spawn(waiting::cancel_ticket(upstream, ticket));
            }
            Effect::Attach { seat, ack_tick, ack_event } => {
                self.attach(seat, (ack_tick, ack_event)).await;
            }
            Effect::AttachNext { seat, ack_tick, ack_event } => {
                self.detach_next(Leave::Moved).await;
                self.next = Some(self.take_seat(seat, (ack_tick, ack_event)).await);
            }
            Effect::DetachNext(why) => self.detach_next(why).await,
            Effect::Promote => {
                if let Some(next) = self.next.take()
                    && let Some(old) = self.seated.replace(next)
                {
                    old.detach(Leave::Moved).await;
                }
            }
            Effect::Watch { watch, at } => self.watch(watch, at).await,
            Effect::Detach(why) => {
                if why == Leave::Left {
                    self.before = None; // the next match's change counts from the next profile
                }
                if let Some(seated) = self.seated.take() {
                    seated.detach(why).await;
                }
            }
            Effect::Locate(match_id) => {
                tokio::spawn(self.shared.placements.clone().locate(match_id, events));
            }
            Effect::AskParty(asked) => {
                let name = self.session.record(0).name;
                let keeps = asked.keeps_watch();
                let asking = waiting::party(upstream, (player, name), asked.clone(), events);
                if keeps {
                    self.party = Some(Task::start(asking));
                } else {
                    if asked.ends_watch() {
                        self.party = None;
                    }
                    tokio::spawn(asking);
                }
            }
            Effect::FollowRating(match_id) => {
                if let Some(before) = self.before.take() {
                    tokio::spawn(async move {
                        if let Ok(Some(before)) = before.await {
                            waiting::follow_rating(upstream, player, match_id, before, events)
                                .await;
                        }
                    });
                }
            }
        }
        Ok(())
    }

    async fn attach(&mut self, seat: Seat, acks: (Tick, u32)) {
        self.follow_profile(self.session.player());
        self.slot.clear();
        self.seated = Some(self.take_seat(seat, acks).await);
    }

    async fn detach_next(&mut self, why: Leave) {
        if let Some(next) = self.next.take() {
            next.detach(why).await;
        }
    }

    /// Asks an owner for the seat; its frames come into the same slot, where no epoch falls.
    async fn take_seat(&self, seat: Seat, (ack_tick, ack_event): (Tick, u32)) -> Seated {
        let attach = Attach {
            flow: Flow(0),
            session: self.session.id(),
            match_id: seat.match_id,
            epoch: seat.epoch,
            player: self.session.player(),
            seat: seat.seat,
            route_token: seat.route_token,
            ack_tick,
            ack_event,
            connection: self.session.connection(),
        };
        let port = Port { events: self.events.clone(), slot: self.slot.clone() };
        self.shared.links.attach(&seat.owner, attach, port).await
    }

    async fn watch(&mut self, watch: Watch, at: Option<InstanceId>) {
        self.slot.clear();
        let port = Port { events: self.events.clone(), slot: self.slot.clone() };
        self.seated = self.shared.links.watch(at, watch, port).await;
        if self.seated.is_none() {
            // A session that is behind hears of it when it retries.
            let refused = Event::AttachRefused(AttachRefusal::Unreachable, Epoch(0));
            let _ = self.events.try_send(refused);
        }
    }

    async fn send(&mut self, message: ServerMessage) -> Result<(), Code> {
        if let ServerMessage::Move(it) = message {
            // The other gateway reads the record: it must be there before the player is.
            self.saver.settle().await;
            let resume_token = self.shared.resume_token(&self.session);
            return self
                .lanes
                .send(&ServerMessage::Move(arena_wire::play::Move { resume_token, ..it }));
        }
        self.lanes.send(&message)?;
        if let ServerMessage::Start(_) = message {
            self.slot.open(); // what is in the lanes by now leaves before any frame
        }
        Ok(())
    }

    /// Reads the profile once a match, so that its end can say what it changed.
    fn follow_profile(&mut self, player: PlayerId) {
        if self.before.is_some() {
            return;
        }
        let (tell, told) = oneshot::channel();
        let upstream = self.shared.upstream.clone();
        tokio::spawn(async move {
            let _ = tell.send(waiting::profile(&upstream, player).await); // the session may have ended
        });
        self.before = Some(told);
    }

    fn now_ms(&self) -> u64 {
        elapsed_ms(self.started)
    }
}

fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
