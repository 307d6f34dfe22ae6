//! Links to game instances: one each, shared by all sessions that play there.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arena_mesh::{Channel, Endpoint, LinkReceiver, LinkSender, Received};
use arena_types::{Epoch, InstanceId};
use arena_wire::bits::DecodeError;
use arena_wire::link::{Attach, BATCH_MAX, Flow, Leave, Refusal, ToGame, ToGateway};
use arena_wire::play::{Input, ServerMessage, Watch};
use bytes::Bytes;
use futures::FutureExt as _;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use crate::logic::session::{AttachRefusal, Event};
use crate::metrics::GatewayMetrics;
use crate::slot::{Kept, Slot};

/// Inputs are sent once in this time: a tick.
const BATCH_INTERVAL: Duration = Duration::from_micros(16_667);
/// How often it is looked whether the owner's lease lives: reading a copy of the registry. A process that died is
/// noticed by this long before its connection is.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// Commands of all sessions that wait for one link: a tick's inputs of thousands of players.
const COMMANDS_MAX: usize = 8192;
/// Messages of the game taken in one turn.
const RECEIVED_AT_ONCE: usize = 8;
/// Commands taken in one turn. Inputs come twice as often as frames: with as many they queue, with hundreds frames wait.
const COMMANDS_AT_ONCE: usize = 32;
/// A link nobody plays over is closed after this; the next match opens another one.
const IDLE: Duration = Duration::from_secs(30);

/// Where a game instance is; the registry's copy answers.
pub type Locate = Arc<dyn Fn(&InstanceId) -> Option<SocketAddr> + Send + Sync>;

/// Any game instance that takes players now.
pub type AnyGame = Arc<dyn Fn() -> Option<InstanceId> + Send + Sync>;

/// What a link needs to reach one session.
#[derive(Clone, Debug)]
pub struct Port {
    /// Takes what must not be lost.
    pub events: mpsc::Sender<Event>,
    /// Takes frames.
    pub slot: Arc<Slot>,
}

/// One session on one link.
#[derive(Debug)]
pub struct Seated {
    flow: Flow,
    commands: mpsc::Sender<Command>,
}

enum Command {
    Attach(Box<Attach>, Port),
    Watch(Flow, Watch, Port),
    Input(Flow, Input),
    Detach(Flow, Leave),
}

/// All links of this gateway; clones share them.
#[derive(Clone)]
pub struct Links {
    games: Channel,
    locate: Locate,
    any: AnyGame,
    metrics: GatewayMetrics,
    open: Arc<Mutex<HashMap<InstanceId, mpsc::Sender<Command>>>>,
    flows: Arc<AtomicU32>,
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Links").finish_non_exhaustive()
    }
}

impl Links {
    /// Opens links over `games`, to where `locate` says.
    #[must_use]
    pub fn new(games: Channel, locate: Locate, any: AnyGame, metrics: GatewayMetrics) -> Self {
        let (open, flows) = (Arc::default(), Arc::new(AtomicU32::new(1)));
        Self { games, locate, any, metrics, open, flows }
    }

    /// Asks `owner` to take a session; the answer, and all that follows, comes to `port`.
    ///
    /// The flow of `attach` is replaced by one that is new on every link.
    pub async fn attach(&self, owner: &InstanceId, mut attach: Attach, port: Port) -> Seated {
        let flow = self.new_flow();
        attach.flow = flow;
        let commands = self.command(owner, Command::Attach(Box::new(attach), port)).await;
        Seated { flow, commands }
    }

    /// Asks an instance, or any, to show a match; the answer, and all that follows, comes to `port`.
    /// Returns `None` if there is no instance to ask.
    pub async fn watch(&self, at: Option<InstanceId>, watch: Watch, port: Port) -> Option<Seated> {
        let at = at.or_else(|| (self.any)())?;
        let flow = self.new_flow();
        let commands = self.command(&at, Command::Watch(flow, watch, port)).await;
        Some(Seated { flow, commands })
    }

    fn new_flow(&self) -> Flow {
        Flow(self.flows.fetch_add(1, Ordering::Relaxed))
    }

    async fn command(&self, owner: &InstanceId, mut command: Command) -> mpsc::Sender<Command> {
        loop {
            let commands = self.link(owner);
            match commands.send(command).await {
                Ok(()) => return commands,
                Err(closed) => command = closed.0, // that link has just ended: open another one
            }
            self.forget(owner, &commands);
        }
    }

    fn link(&self, owner: &InstanceId) -> mpsc::Sender<Command> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(commands) = open.get(owner).filter(|it| !it.is_closed()) {
            return commands.clone();
        }
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        open.insert(owner.clone(), commands.clone());
        tokio::spawn(run(self.clone(), owner.clone(), inbox));
        commands
    }

    fn forget(&self, owner: &InstanceId, commands: &mpsc::Sender<Command>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.get(owner).is_some_and(|it| it.same_channel(commands)) {
            open.remove(owner);
        }
    }
}

impl Seated {
    /// Sends an input with the next batch; if thousands wait already it is dropped, as on a bad line.
    pub fn input(&self, input: Input) {
        let _ = self.commands.try_send(Command::Input(self.flow, input));
    }

    /// Lets go of the seat.
    pub async fn detach(self, why: Leave) {
        let _ = self.commands.send(Command::Detach(self.flow, why)).await; // a link that ended is let go of
    }
}

/// Runs one link from its first session to its end; whoever is on it then hears of it.
async fn run(links: Links, owner: InstanceId, mut inbox: mpsc::Receiver<Command>) {
    let opened = match (links.locate)(&owner) {
        Some(addr) => {
            links.games.to(Endpoint::new(&owner, addr)).link().await.map_err(|it| it.to_string())
        }
        None => Err("the registry does not know the instance".to_owned()),
    };
    match opened {
        Ok(link) => {
            let (sender, receiver) = link.split();
            let metrics = links.metrics.clone();
            let addr = (links.locate)(&owner);
            let is_alive = || (links.locate)(&owner) == addr;
            let mut running = Running {
                sender,
                receiver,
                metrics,
                seats: HashMap::new(),
                batch: Vec::new(),
                idle_since: Instant::now(),
                taken: VecDeque::new(),
            };
            running.serve(&mut inbox, is_alive).await;
            tracing::info!(%owner, sessions = running.seats.len(), "link to a game instance ends");
            inbox.close();
            for Seat { port, epoch } in running.seats.into_values() {
                let _ = port.events.send(Event::LinkLost(epoch)).await;
            }
            for command in running.taken {
                refuse(command).await;
            }
        }
        Err(error) => {
            tracing::warn!(%owner, error, "no link to a game instance");
            links.metrics.link_failures.inc();
            inbox.close();
        }
    }
    while let Some(command) = inbox.recv().await {
        refuse(command).await;
    }
}

/// Tells whoever waits for an answer to `command` that there is no link.
async fn refuse(command: Command) {
    let (port, epoch) = match command {
        Command::Attach(attach, port) => (port, attach.epoch),
        Command::Watch(_, _, port) => (port, Epoch(0)),
        Command::Input(..) | Command::Detach(..) => return,
    };
    let refused = Event::AttachRefused(AttachRefusal::Unreachable, epoch);
    let _ = port.events.send(refused).await; // the session may be over
}

/// One session on this link, with the epoch the game attached it in.
struct Seat {
    port: Port,
    epoch: Epoch,
}

struct Running {
    sender: LinkSender,
    receiver: LinkReceiver,
    metrics: GatewayMetrics,
    seats: HashMap<Flow, Seat>,
    batch: Vec<(Flow, Input)>,
    idle_since: Instant,
    /// Commands that were taken and not carried out yet.
    taken: VecDeque<Command>,
}

impl Running {
    /// Serves until the link breaks, is idle, or the owner's lease has ended: what it hosted goes on elsewhere.
    async fn serve(&mut self, inbox: &mut mpsc::Receiver<Command>, is_alive: impl Fn() -> bool) {
        let mut looks = tokio::time::interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ticks = tokio::time::interval(BATCH_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut commands = Vec::with_capacity(COMMANDS_AT_ONCE);
        loop {
            let alive = tokio::select! {
                received = self.receiver.recv() => self.received_all(received),
                count = inbox.recv_many(&mut commands, COMMANDS_AT_ONCE) => {
                    self.taken.extend(commands.drain(..));
                    self.commands().await && count > 0
                }
                _ = looks.tick() => is_alive(),
                _ = ticks.tick(), if !self.batch.is_empty() || self.seats.is_empty() => {
                    let idle = self.seats.is_empty() && self.idle_since.elapsed() > IDLE;
                    self.flush().await && !idle
                }
            };
            if !alive {
                return;
            }
        }
    }

    /// Takes a message, and those that wait behind it; false if there are no more.
    fn received_all(&mut self, first: Option<Received>) -> bool {
        let mut goes_on = self.received(first);
        for _ in 1..RECEIVED_AT_ONCE {
            let Some(next) = goes_on.then(|| self.receiver.recv().now_or_never()).flatten() else {
                break;
            };
            goes_on = self.received(next);
        }
        goes_on
    }

    fn received(&mut self, received: Option<Received>) -> bool {
        match received {
            Some(Received::Latest { flow, seq, bytes }) => {
                self.frame(Flow(flow), seq, bytes);
                true
            }
            Some(Received::Ordered(bytes)) => self.ordered(&bytes),
            None => false,
        }
    }

    /// Carries out what was taken, up to the first that the link breaks at.
    async fn commands(&mut self) -> bool {
        while let Some(command) = self.taken.pop_front() {
            if !self.command(command).await {
                return false;
            }
        }
        true
    }

    async fn command(&mut self, command: Command) -> bool {
        match command {
            Command::Input(flow, input) => {
                self.batch.push((flow, input));
                self.batch.len() < BATCH_MAX || self.flush().await
            }
            Command::Attach(attach, port) => {
                self.seats.insert(attach.flow, Seat { port, epoch: attach.epoch });
                self.tell(&ToGame::Attach(*attach)).await
            }
            Command::Watch(flow, watch, port) => {
                self.seats.insert(flow, Seat { port, epoch: Epoch(0) });
                self.tell(&ToGame::Watch { flow, watch }).await
            }
            Command::Detach(flow, why) => {
                let known = self.leave(flow);
                !known || self.flush().await && self.tell(&ToGame::Detach { flow, why }).await
            }
        }
    }

    async fn flush(&mut self) -> bool {
        if self.batch.is_empty() {
            return true;
        }
        let inputs = ToGame::Inputs(std::mem::take(&mut self.batch));
        self.tell(&inputs).await
    }

    async fn tell(&mut self, message: &ToGame) -> bool {
        self.sender.send_ordered(message.encode().into()).await.is_ok()
    }

    /// Forwards a frame unopened; its sequence number is its tick.
    fn frame(&mut self, flow: Flow, tick: u32, bytes: Bytes) {
        let Some(seat) = self.seats.get(&flow) else { return };
        if seat.port.slot.put(bytes, seat.epoch, tick) != Kept::Fresh {
            self.metrics.frames_dropped.inc();
        }
    }

    fn ordered(&mut self, bytes: &[u8]) -> bool {
        let message = match ToGateway::decode(bytes) {
            Ok(message) => message,
            Err(DecodeError::UnknownType { found }) => {
                tracing::debug!(found, "a message of a later release is passed over");
                return true;
            }
            Err(error) => {
                tracing::error!(%error, "a game instance sent what is no message; the link is closed");
                return false;
            }
        };
        let flow = message.flow();
        let (event, over) = match message {
            ToGateway::Attached { start, epoch, .. } => match ServerMessage::decode(&start) {
                Ok(ServerMessage::Start(start)) => {
                    if let Some(seat) = self.seats.get_mut(&flow) {
                        seat.epoch = epoch;
                    }
                    (Event::Attach(Box::new(start)), false)
                }
                _ => return broken("start"),
            },
            ToGateway::Event { event, .. } => match ServerMessage::decode(&event) {
                Ok(ServerMessage::Event(event)) => (Event::Match(Box::new(event)), false),
                _ => return broken("event"),
            },
            ToGateway::Playback { playback, .. } => match ServerMessage::decode(&playback) {
                Ok(ServerMessage::Playback(playback)) => (Event::Playback(playback), false),
                _ => return broken("playback"),
            },
            ToGateway::Refused { why, detail, .. } => {
                tracing::debug!(?why, detail, "a game instance refused a session");
                (Event::AttachRefused(refusal(why), self.epoch_of(flow)), true)
            }
            ToGateway::Ended { match_id, .. } => (Event::Ended(match_id), true),
            ToGateway::Replaced { .. } => (Event::Replaced, true),
            ToGateway::Moved { epoch, .. } => (Event::Moved(epoch), true),
            ToGateway::Moving { owner, epoch, .. } => match owner.parse() {
                Ok(owner) => (Event::Moving(owner, epoch), false),
                Err(_) => return broken("moving"),
            },
            ToGateway::Staying { .. } => (Event::Staying, false),
        };
        self.deliver(flow, event);
        if over {
            self.leave(flow);
        }
        true
    }

    /// A session whose queue is full is let go of; once it gets on, it attaches again and hears
    /// what it missed.
    fn deliver(&mut self, flow: Flow, event: Event) {
        let Some(seat) = self.seats.get(&flow) else { return };
        if seat.port.events.try_send(event).is_err() {
            self.metrics.slow.inc();
            let (events, epoch) = (seat.port.events.clone(), seat.epoch);
            tokio::spawn(async move {
                let _ = events.send(Event::LinkLost(epoch)).await; // the session may be over
            });
            self.leave(flow);
        }
    }

    fn epoch_of(&self, flow: Flow) -> Epoch {
        self.seats.get(&flow).map_or(Epoch(0), |it| it.epoch)
    }

    fn leave(&mut self, flow: Flow) -> bool {
        let known = self.seats.remove(&flow).is_some();
        if self.seats.is_empty() {
            self.idle_since = Instant::now();
        }
        known
    }
}

fn refusal(why: Refusal) -> AttachRefusal {
    match why {
        Refusal::UnknownMatch | Refusal::OldEpoch => AttachRefusal::Unknown,
        Refusal::Full => AttachRefusal::Unreachable,
        Refusal::BadToken | Refusal::Left | Refusal::Over => AttachRefusal::Gone,
    }
}

/// Says that the peer does not keep to the protocol; the link ends.
fn broken(what: &str) -> bool {
    tracing::error!(what, "a game instance sent what cannot be forwarded; the link is closed");
    false
}
