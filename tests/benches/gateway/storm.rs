//! A gateway dies under ten thousand sessions: how soon all are back, and what running matches notice of it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use arena_testkit::bench::variable;
use arena_tests::{Bots, BotsReport, TestRegion, get, login, wait_for};
use arena_wire::play::{
    ClientMessage, FRAME_TYPE, Hello, PROTOCOL_VERSION, SCHEMA_HASH, ServerMessage,
};
use futures::{SinkExt as _, StreamExt as _};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// Sessions that come back at once; `ARENA_BENCH_GUESTS` says otherwise.
const GUESTS: u32 = 10_000;
/// They come from so many addresses, below the bounds of one.
const ADDRESSES: u32 = 250;
/// Players in running matches, whose sessions come back among the others.
const PLAYERS: u32 = 64;
/// The stretch that the storm is compared with.
const CALM: Duration = Duration::from_secs(20);
/// Guests that log in at the same time.
const LOGINS: u32 = 64;
/// All are in within this time, logins at the rate of a machine with few cores.
const LOGINS_LIMIT: Duration = Duration::from_mins(15);
/// All are back within this time, else there is no figure.
const LIMIT: Duration = Duration::from_mins(4);
/// A guest says something this often: the gateway closes who is silent for half a minute.
const PING: Duration = Duration::from_secs(20);
/// A welcome that takes longer is none, as for the page.
const WELCOME_MAX: Duration = Duration::from_secs(8);
/// Waits before a reconnect, as the page's.
const BACKOFF_MIN_MS: f64 = 200.0;
const BACKOFF_MAX_MS: f64 = 5_000.0;
/// Open files of this process beside one socket a guest.
const FILES_SPARE: u64 = 500;
/// What the crowd is worth to the scheduler beside what is measured: on few cores it would take their time.
const NICE: i32 = 10;

/// What came out.
pub(crate) struct Storm {
    /// p99 of a tick's time in the storm, in shares of that before.
    pub(crate) tick_p99_ratio: f64,
    pub(crate) tick_p99_us: [f64; 2],
    /// From the death of the gateway to the last session's return.
    pub(crate) all_back_s: f64,
    /// Connections that guests opened for it, each.
    pub(crate) attempts: f64,
    pub(crate) players: BotsReport,
}

/// Lets a gateway die under a crowd.
pub(crate) async fn measure() -> anyhow::Result<Storm> {
    let guests = variable("ARENA_BENCH_GUESTS", GUESTS)?;
    raise_files(guests)?;
    let region = TestRegion::new(&[
        "services.gateway.ports.public=0",
        "services.auth.env.ARENA_AUTH_LOGINS_PER_IP=100000",
        "rules.match.frag_limit=0",
        "rules.match.time_limit_ticks=36000",
    ])
    .await?;
    region.deploy(&[]).await?.expect_code(0)?;
    let url = region.url().await?;
    let bots = Bots::start(&url, PLAYERS, 5)?;
    let _ = rustix::process::nice(NICE); // without it the figures are only worse
    let crowd = Arc::new(Crowd::new(&url, guests)?);
    crowd.fill().await?;
    let game = side_address(&region, "game").await?;
    let before = ticks(game).await?;
    tokio::time::sleep(CALM).await;
    let calm = ticks(game).await?;
    let (began, opened) = (Instant::now(), crowd.opened.load(Ordering::Relaxed));
    for pid in region.pids("gateway").await? {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).context("a process id")?;
        kill_process(pid, Signal::KILL)?;
    }
    wait_for("the gateway's death", LIMIT, || async {
        Ok((crowd.present.load(Ordering::Relaxed) < guests).then_some(()))
    })
    .await?;
    crowd.complete("everybody's return", LIMIT).await?;
    let all_back_s = began.elapsed().as_secs_f64();
    let after = ticks(game).await?;
    let attempts = crowd.opened.load(Ordering::Relaxed) - opened;
    let players = bots.stop().await?;
    region.close().await?;
    let p99 = [p99_us(&before, &calm)?, p99_us(&calm, &after)?];
    Ok(Storm {
        tick_p99_ratio: p99[1] / p99[0],
        tick_p99_us: p99,
        all_back_s,
        attempts: attempts as f64 / f64::from(guests),
        players,
    })
}

/// Lets this process, and what it starts, have as many open files as it may.
fn raise_files(guests: u32) -> anyhow::Result<()> {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let wanted = u64::from(guests) + FILES_SPARE;
    if let Some(most) = limit.maximum.filter(|it| *it < wanted) {
        bail!("{most} open files are allowed, the crowd needs {wanted}: raise `ulimit -Hn`");
    }
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    Ok(rustix::process::setrlimit(Resource::Nofile, raised)?)
}

async fn side_address(region: &TestRegion, service: &str) -> anyhow::Result<SocketAddr> {
    let instances = region.instances(service).await?;
    let ready = instances.iter().find(|it| it["state"] == "ready").context("a ready instance")?;
    let address = ready["addresses"]["side"].as_str();
    Ok(address.with_context(|| format!("its side port in {ready}"))?.parse()?)
}

/// Ticks so far, by the upper bound of the time they took, in nanoseconds; cumulative.
async fn ticks(game: SocketAddr) -> anyhow::Result<BTreeMap<u64, f64>> {
    let text = get(game, "/metrics").await?;
    let mut buckets = BTreeMap::new();
    for line in text.lines().filter(|it| it.starts_with("arena_game_tick_seconds_bucket")) {
        let (name, count) = line.rsplit_once(' ').context("a value")?;
        let (_, bound) = name.split_once("le=\"").context("a bound")?;
        let bound = bound.split('"').next().unwrap_or_default();
        let bound_ns =
            if bound == "+Inf" { u64::MAX } else { (bound.parse::<f64>()? * 1e9) as u64 };
        *buckets.entry(bound_ns).or_default() += count.parse::<f64>()?;
    }
    ensure!(!buckets.is_empty(), "no ticks in {text}");
    Ok(buckets)
}

/// Returns the time that 99 of 100 ticks between two looks did not take longer than, straight between two bounds.
fn p99_us(from: &BTreeMap<u64, f64>, to: &BTreeMap<u64, f64>) -> anyhow::Result<f64> {
    let counts: Vec<(u64, f64)> =
        to.iter().map(|(bound, count)| (*bound, count - from.get(bound).unwrap_or(&0.0))).collect();
    let wanted = counts.last().context("ticks")?.1 * 0.99;
    ensure!(wanted > 0.0, "no tick was stepped");
    let (mut low_ns, mut below) = (0, 0.0);
    for (bound_ns, count) in counts {
        if count >= wanted {
            let high_ns = if bound_ns == u64::MAX { low_ns } else { bound_ns };
            let share = (wanted - below) / (count - below).max(1.0);
            return Ok((low_ns as f64 + (high_ns - low_ns) as f64 * share) / 1e3);
        }
        (low_ns, below) = (bound_ns, count);
    }
    bail!("the histogram has no last bound")
}

/// Sessions in the lobby, each on a socket of its own.
struct Crowd {
    gateway: SocketAddr,
    guests: u32,
    present: AtomicU32,
    /// Connections opened so far.
    opened: AtomicU64,
}

impl Crowd {
    fn new(url: &str, guests: u32) -> anyhow::Result<Self> {
        let authority = url.strip_prefix("http://").context("an http address")?;
        Ok(Self {
            gateway: authority.trim_end_matches('/').parse()?,
            guests,
            present: AtomicU32::new(0),
            opened: AtomicU64::new(0),
        })
    }

    /// Brings all guests in; they stay until this process ends.
    async fn fill(self: &Arc<Self>) -> anyhow::Result<()> {
        let turns = Arc::new(tokio::sync::Semaphore::new(LOGINS as usize));
        for number in 0..self.guests {
            let (crowd, turns) = (self.clone(), turns.clone());
            tokio::spawn(async move {
                let guest = Guest { crowd: &crowd, number };
                let token = loop {
                    let _turn = turns.acquire().await;
                    match guest.login().await {
                        Ok(token) => break token,
                        Err(_) => tokio::time::sleep(guest.pause(2)).await, // over the rate: again
                    }
                };
                guest.stay(token).await;
            });
        }
        self.complete("everybody's login", LOGINS_LIMIT).await
    }

    async fn complete(&self, what: &str, limit: Duration) -> anyhow::Result<()> {
        wait_for(what, limit, || async {
            Ok((self.present.load(Ordering::Relaxed) == self.guests).then_some(()))
        })
        .await
        .with_context(|| format!("{} of {}", self.present.load(Ordering::Relaxed), self.guests))
    }
}

struct Guest<'a> {
    crowd: &'a Crowd,
    number: u32,
}

impl Guest<'_> {
    async fn connect(&self) -> anyhow::Result<TcpStream> {
        let host = self.number % ADDRESSES;
        let from = SocketAddrV4::new(Ipv4Addr::new(127, 0, 1, host as u8 + 1), 0);
        let socket = TcpSocket::new_v4()?;
        socket.bind(from.into())?;
        self.crowd.opened.fetch_add(1, Ordering::Relaxed);
        Ok(socket.connect(self.crowd.gateway).await?)
    }

    async fn login(&self) -> anyhow::Result<String> {
        let mut secret = [0; 32];
        secret[..4].copy_from_slice(&self.number.to_le_bytes());
        let (name, gateway) = (format!("Guest {}", self.number), self.crowd.gateway.to_string());
        login(self.connect().await?, &gateway, secret, &name).await
    }

    /// Stays in the lobby, over one connection after the other; each goes on with the session.
    async fn stay(&self, access: String) {
        let (mut resume, mut failures) = (None, 0);
        loop {
            match tokio::time::timeout(WELCOME_MAX, self.enter(&access, resume.as_deref())).await {
                Ok(Ok((token, mut socket))) => {
                    (resume, failures) = (Some(token), 0);
                    self.crowd.present.fetch_add(1, Ordering::Relaxed);
                    let _ = linger(&mut socket).await; // until the gateway dies
                    self.crowd.present.fetch_sub(1, Ordering::Relaxed);
                }
                Ok(Err(_)) | Err(_) => failures += 1,
            }
            tokio::time::sleep(self.pause(failures)).await;
        }
    }

    /// Waits at random up to a limit that doubles, as the page does.
    fn pause(&self, failures: u32) -> Duration {
        let seed = u64::from(self.number) << 32 | self.crowd.opened.load(Ordering::Relaxed);
        let draw = (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11) as f64 / (1_u64 << 53) as f64;
        let limit = (BACKOFF_MIN_MS * 2_f64.powi(failures.min(8) as i32)).min(BACKOFF_MAX_MS);
        Duration::from_secs_f64(limit * (0.25 + 0.75 * draw) / 1e3)
    }

    async fn enter(
        &self,
        access: &str,
        resume: Option<&str>,
    ) -> anyhow::Result<(String, WebSocketStream<TcpStream>)> {
        let stream = self.connect().await?;
        let url = format!("ws://{}/v1/play", self.crowd.gateway);
        let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await?;
        let (version, schema) = (PROTOCOL_VERSION, SCHEMA_HASH);
        let hello = match resume {
            None => Hello::Access { version, schema, token: access.to_owned() },
            Some(token) => Hello::Resume {
                version,
                schema,
                token: token.to_owned(),
                ack_tick: arena_types::Tick(0),
                ack_event: 0,
            },
        };
        socket.send(Message::binary(ClientMessage::Hello(hello).encode())).await?;
        while let Some(message) = socket.next().await {
            if let Message::Binary(bytes) = message?
                && bytes.first() != Some(&FRAME_TYPE)
                && let ServerMessage::Welcome(welcome) = ServerMessage::decode(&bytes)?
            {
                return Ok((welcome.resume_token, socket));
            }
        }
        bail!("the gateway closed before its welcome")
    }
}

/// Stays until the socket ends.
async fn linger(socket: &mut WebSocketStream<TcpStream>) -> anyhow::Result<()> {
    let mut pings = tokio::time::interval(PING);
    loop {
        tokio::select! {
            message = socket.next() => drop(message.context("the end")??),
            _ = pings.tick() => {
                let ping = ClientMessage::Ping { sent_us: 0 }.encode();
                socket.send(Message::binary(ping)).await?;
            }
        }
    }
}
