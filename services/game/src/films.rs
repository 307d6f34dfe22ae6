//! Matches that are watched: a thread that plays replays to viewers, and where those come from.

use std::collections::HashMap;
use std::io::Cursor;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arena_replay::Reader;
use arena_sdk::Game;
use arena_store::{Objects, StoreError};
use arena_types::{Epoch, MatchId, Tick};
use arena_wire::link::{Refusal, ToGateway};
use arena_wire::play::Watch;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

use crate::links::Links;
use crate::logic::film::{Film, FilmError, Span, TURNS_PER_S};
use crate::logic::hosted::Owner;
use crate::logic::shard::FlowKey;
use crate::logic::tape::ReplayId;
use crate::recorder::Recorder;

/// Commands that wait for a turn: what viewers hold is said twice a turn each.
const COMMANDS_MAX: usize = 4_096;
/// Replays in memory, for jumps to and fro: a replay of ten minutes is below 1 MiB.
const CACHE_BYTES_MAX: usize = 64 << 20;
/// Bytes of a replay that is shown: an hour of a match. Longer ones are for `arenactl replay`.
const REPLAY_BYTES_MAX: usize = 8 << 20;
/// Epochs of a match that are looked at: each change of owner starts a file.
const EPOCHS_MAX: usize = 64;

/// Who may watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watching {
    /// Viewers at once; 0 is nobody.
    pub viewers_max: u32,
    /// Ticks that are held back of a match that runs, so that nobody is told of by those who watch.
    pub delay_ticks: u32,
}

/// The way in; clones share it.
#[derive(Clone)]
pub(crate) struct Films {
    commands: mpsc::Sender<Command>,
    source: Arc<Source>,
    links: Arc<Links>,
}

impl std::fmt::Debug for Films {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Films").field("watching", &self.source.watching).finish_non_exhaustive()
    }
}

enum Command {
    Show(FlowKey, Box<Film>),
    Ack(FlowKey, Tick),
    Stop(FlowKey),
    LinkLost(u64),
}

/// What films are made of.
pub(crate) struct Source {
    pub(crate) game: &'static dyn Game,
    pub(crate) owner: Owner,
    pub(crate) recorder: Option<Recorder>,
    pub(crate) objects: Arc<dyn Objects>,
    pub(crate) watching: Watching,
    pub(crate) cache: Mutex<Cache>,
}

/// Why nothing is shown.
#[derive(Debug, thiserror::Error)]
enum ShowError {
    #[error("nobody may watch here")]
    Off,
    #[error("there is no replay of match {0}, or not yet")]
    Unknown(MatchId),
    #[error("{viewers} viewers watch here, no more can")]
    Full { viewers: u32 },
    #[error("a replay of {bytes} bytes is too long to be shown; `arenactl replay` reads it")]
    TooLong { bytes: usize },
    #[error("read the replay")]
    Store(#[from] StoreError),
    #[error("show the match")]
    Film(#[from] FilmError),
}

impl ShowError {
    const fn refusal(&self) -> Refusal {
        match self {
            Self::Unknown(_) | Self::Film(FilmError::TooEarly) => Refusal::UnknownMatch,
            Self::Full { .. } | Self::Store(_) => Refusal::Full,
            Self::Off | Self::TooLong { .. } | Self::Film(_) => Refusal::Over,
        }
    }
}

impl Films {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system's, if it has no thread left.
    pub(crate) fn start(source: Source, links: Arc<Links>) -> std::io::Result<Self> {
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        let source = Arc::new(source);
        let films = HashMap::new();
        let theatre = Theatre { source: source.clone(), links: links.clone(), films, inbox };
        std::thread::Builder::new().name("films".to_owned()).spawn(move || theatre.run())?;
        Ok(Self { commands, source, links })
    }

    /// Looks for a match and shows it to a flow, or refuses.
    pub(crate) async fn show(self, key: FlowKey, watch: Watch) {
        match self.film(watch).await {
            Ok(film) => self.links.if_open(key, || {
                // A thread that is so far behind shows nothing more.
                let _ = self.commands.try_send(Command::Show(key, Box::new(film)));
            }),
            Err(error) => refuse(&self.links, key, &error),
        }
    }

    /// Takes the word of a viewer on what it holds; one word lost is no harm.
    pub(crate) fn acknowledge(&self, key: FlowKey, tick: Tick) {
        let _ = self.commands.try_send(Command::Ack(key, tick));
    }

    /// Ends a flow.
    pub(crate) async fn stop(&self, key: FlowKey) {
        let _ = self.commands.send(Command::Stop(key)).await; // a thread that ended shows nothing
    }

    /// Ends all flows of a link.
    pub(crate) async fn link_lost(&self, link: u64) {
        let _ = self.commands.send(Command::LinkLost(link)).await;
    }

    async fn film(&self, watch: Watch) -> Result<Film, ShowError> {
        let source = &self.source;
        if source.watching.viewers_max == 0 {
            return Err(ShowError::Off);
        }
        let (id, file, span) = source.find(watch).await?;
        let source = source.clone();
        let opening = tokio::task::spawn_blocking(move || {
            let delay_ticks = source.watching.delay_ticks;
            let owner = source.owner.clone();
            Film::open((id, file), (source.game, owner), (watch, span), delay_ticks)
        });
        Ok(opening.await.expect("opening a replay does not panic")?)
    }
}

impl Source {
    /// Returns the replay of a match that holds the tick to be shown, and what all its replays hold: each of its
    /// owners wrote one, which begins where the one before ends. Those of this instance are on its disk, the
    /// others are stored.
    async fn find(&self, watch: Watch) -> Result<(ReplayId, Bytes, Span), ShowError> {
        let match_id = watch.match_id;
        let local = self.recorder.clone();
        let local = tokio::task::spawn_blocking(move || local?.newest(match_id));
        let local = local.await.expect("reading a file does not panic");
        let local = local.map(|(id, bytes)| bounded(id, bytes.into())).transpose()?;
        let mut older = self.epochs(match_id, local.as_ref().map(|it| it.0)).await?;
        let newest = match local {
            Some(newest) => newest,
            None => self.stored(older.pop().ok_or(ShowError::Unknown(match_id))?).await?,
        };
        let (first, span) = span(&newest.1, self.watching.delay_ticks)?;
        let wanted = if watch.tick == Watch::NEWEST { span.last } else { watch.tick };
        let (mut first, mut found) = (first, newest);
        while first > wanted
            && let Some(id) = older.pop()
        {
            found = self.stored(id).await?;
            first = self::span(&found.1, 0)?.0;
        }
        Ok((found.0, found.1, span))
    }

    /// Returns the stored replays of a match before `newest`, the last one last; none if it holds all.
    async fn epochs(
        &self,
        match_id: MatchId,
        newest: Option<ReplayId>,
    ) -> Result<Vec<ReplayId>, ShowError> {
        if newest.is_some_and(|it| it.epoch == Epoch::FIRST) {
            return Ok(Vec::new());
        }
        let folder = format!("{}/{match_id}", ReplayId::FOLDER);
        let listed = self.objects.list(&folder).await?;
        let ids = listed.iter().filter_map(|it| ReplayId::of_object_path(&it.path));
        let mut ids: Vec<_> = ids.filter(|it| newest.is_none_or(|of| *it < of)).collect();
        ids.sort_unstable();
        Ok(ids.split_off(ids.len().saturating_sub(EPOCHS_MAX)))
    }

    async fn stored(&self, id: ReplayId) -> Result<(ReplayId, Bytes), ShowError> {
        if let Some(bytes) = self.cache().get(id) {
            return Ok((id, bytes));
        }
        let (id, bytes) = bounded(id, self.objects.get(&id.object_path()).await?.value)?;
        self.cache().put(id, bytes.clone());
        Ok((id, bytes))
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bounded(id: ReplayId, bytes: Bytes) -> Result<(ReplayId, Bytes), ShowError> {
    if bytes.len() > REPLAY_BYTES_MAX {
        return Err(ShowError::TooLong { bytes: bytes.len() });
    }
    Ok((id, bytes))
}

/// Returns the first tick of a replay, and what its match has to be shown by it.
fn span(bytes: &Bytes, delay_ticks: u32) -> Result<(Tick, Span), FilmError> {
    let reader = Reader::open(Cursor::new(bytes.clone()))?;
    let is_live = reader.footer().is_none();
    let held_back = if is_live { delay_ticks } else { 0 };
    let last = Tick(reader.last_tick().saturating_sub(held_back));
    Ok((Tick(reader.header().first_tick), Span { last, is_live }))
}

/// Replays that were read lately.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    /// The last used is the last.
    replays: Vec<(ReplayId, Bytes)>,
}

impl Cache {
    fn get(&mut self, id: ReplayId) -> Option<Bytes> {
        let at = self.replays.iter().position(|it| it.0 == id)?;
        let found = self.replays.remove(at);
        let bytes = found.1.clone();
        self.replays.push(found);
        Some(bytes)
    }

    fn put(&mut self, id: ReplayId, bytes: Bytes) {
        self.replays.retain(|it| it.0 != id);
        self.replays.push((id, bytes));
        let mut total: usize = self.replays.iter().map(|it| it.1.len()).sum();
        while total > CACHE_BYTES_MAX {
            total -= self.replays.remove(0).1.len();
        }
    }
}

/// The thread: all films, a turn after the other.
struct Theatre {
    source: Arc<Source>,
    links: Arc<Links>,
    films: HashMap<FlowKey, Box<Film>>,
    inbox: mpsc::Receiver<Command>,
}

impl Theatre {
    fn run(mut self) {
        let turn = Duration::from_secs(1) / TURNS_PER_S;
        let mut next = Instant::now();
        loop {
            // Without viewers nothing turns.
            if self.films.is_empty() {
                let Some(command) = self.inbox.blocking_recv() else { return };
                self.obey(command);
                next = Instant::now();
            }
            loop {
                match self.inbox.try_recv() {
                    Ok(command) => self.obey(command),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
            self.turn();
            let now = Instant::now();
            next = (next + turn).max(now); // what is late is not made up for
            std::thread::park_timeout(next - now); // a turn that comes early is no harm
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Show(key, film) => self.show(key, film),
            Command::Ack(key, tick) => {
                if let Some(film) = self.films.get_mut(&key) {
                    film.acknowledge(tick);
                }
            }
            Command::Stop(key) => drop(self.films.remove(&key)),
            Command::LinkLost(link) => self.films.retain(|key, _| key.link != link),
        }
    }

    fn show(&mut self, key: FlowKey, film: Box<Film>) {
        let FlowKey { link, flow } = key;
        let viewers = self.source.watching.viewers_max;
        if self.films.len() >= viewers as usize {
            return refuse(&self.links, key, &ShowError::Full { viewers });
        }
        let (epoch, start) = (film.id().epoch, film.start());
        self.links.send(link, &ToGateway::Attached { flow, epoch, start });
        self.films.insert(key, film);
    }

    fn turn(&mut self) {
        let Self { source, links, films, .. } = self;
        films.retain(|key, film| match show_turn(source, links, *key, film) {
            Ok(()) if film.goes_on_elsewhere() => {
                // Whoever has the next replay of the match is found as the owner of a match is.
                let (owner, epoch) = (source.owner.instance.to_string(), film.id().epoch);
                links.send(key.link, &ToGateway::Moved { flow: key.flow, owner, epoch });
                false
            }
            Ok(()) => true,
            Err(error) => {
                refuse(links, *key, &ShowError::Film(error));
                false
            }
        });
    }
}

fn show_turn(
    source: &Source,
    links: &Links,
    key: FlowKey,
    film: &mut Film,
) -> Result<(), FilmError> {
    let FlowKey { link, flow } = key;
    let turn = film.turn()?;
    for (seq, event) in turn.events {
        links.send(link, &ToGateway::Event { flow, seq, event });
    }
    if let Some((tick, frame)) = turn.frame {
        links.send_frame(key, tick, &frame);
    }
    if let Some(playback) = turn.playback {
        links.send(link, &ToGateway::Playback { flow, playback });
    }
    if turn.wants_more {
        let grown = source.recorder.as_ref().and_then(|it| it.newest(film.id().match_id));
        if let Some((_, bytes)) =
            grown.filter(|(id, it)| *id == film.id() && it.len() <= REPLAY_BYTES_MAX)
        {
            film.extend(bytes.into())?;
        }
    }
    Ok(())
}

fn refuse(links: &Links, FlowKey { link, flow }: FlowKey, error: &ShowError) {
    let chain = error as &dyn std::error::Error;
    tracing::info!(error = chain, "a match is not shown");
    let (why, detail) = (error.refusal(), error.to_string());
    links.send(link, &ToGateway::Refused { flow, why, detail });
}
