//! Unary calls of 64 bytes, 64 in flight: the mesh against tonic over HTTP/2 with mutual TLS, client and
//! server in processes of their own (this binary again), CPU time of both counted.
//!
//! Like for like means one current-thread runtime a process on both sides; tonic's default is its
//! multi-thread runtime. Every call has a deadline and a trace context. Under loss the mesh runs alone, each
//! of its two transport settings over the same lossy path.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use arena_mesh::{
    Ca, Channel, Endpoint, Identity, LEAF_LIFE, Policy, Server, SpiffeId, TRACEPARENT, Tuning,
    testing::{
        LossyPath, Weather,
        echo::{Echo, EchoClient, Message},
    },
};
use arena_testkit::bench::{Bench, Samples, process_cpu_time};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::runtime::{Builder, Runtime};
use tonic::{
    Request,
    body::Body,
    codegen::{Body as HttpBody, Bytes, StdError},
    transport,
};

const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(2);
const WARM_UP: Duration = Duration::from_millis(500);
const IN_FLIGHT: usize = 64;
const PAYLOAD: usize = 64;
const DEADLINE: Duration = Duration::from_secs(5);
/// Between regions: a round trip of 20 ms, one datagram in a hundred lost.
const WEATHER: Weather = Weather { loss_per_mille: 10, delay: Duration::from_millis(10), seed: 1 };
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// What is measured: a stack on a runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stack {
    Mesh,
    Tonic,
    TonicMultiThread,
    WanUnderLoss,
    DatacenterUnderLoss,
}

const STACKS: [Stack; 5] = [
    Stack::Mesh,
    Stack::Tonic,
    Stack::TonicMultiThread,
    Stack::WanUnderLoss,
    Stack::DatacenterUnderLoss,
];

impl Stack {
    const fn name(self) -> &'static str {
        match self {
            Self::Mesh => "mesh",
            Self::Tonic => "tonic-h2-mtls-current-thread",
            Self::TonicMultiThread => "tonic-h2-mtls-multi-thread",
            Self::WanUnderLoss => "mesh-wan",
            Self::DatacenterUnderLoss => "mesh-datacenter",
        }
    }

    /// Returns the settings of the mesh, or `None` for tonic's own transport.
    const fn tuning(self) -> Option<Tuning> {
        match self {
            Self::Mesh | Self::DatacenterUnderLoss => Some(Tuning::Datacenter),
            Self::WanUnderLoss => Some(Tuning::Wan),
            Self::Tonic | Self::TonicMultiThread => None,
        }
    }

    const fn is_lossy(self) -> bool {
        matches!(self, Self::WanUnderLoss | Self::DatacenterUnderLoss)
    }

    fn runtime(self) -> std::io::Result<Runtime> {
        match self {
            Self::TonicMultiThread => Builder::new_multi_thread().enable_all().build(),
            _ => Builder::new_current_thread().enable_all().build(),
        }
    }
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let stack = |name: &str| STACKS.into_iter().find(|stack| stack.name() == name);
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [_, "serve", name, dir] => serve(stack(name).context("stack")?, Path::new(dir)),
        [_, "call", name, dir, addr] => {
            call(stack(name).context("stack")?, Path::new(dir), addr.parse()?)
        }
        _ => compare(),
    }
}

/// What one round gave.
#[derive(Clone, Copy, Debug)]
struct Round {
    calls_per_cpu_s: f64,
    p99_us: f64,
}

type Figure = fn(&Round) -> f64;

const FIGURES: [(&str, &str, Figure); 2] = [
    ("unary64_calls_per_cpu_s", "calls/s", |round| round.calls_per_cpu_s),
    ("unary64_p99_us", "us", |round| round.p99_us),
];

fn compare() -> Result<()> {
    let dir = tempfile::tempdir()?;
    write_mesh_identities(dir.path())?;
    write_h2_certificates(dir.path())?;
    let mut pairs = STACKS.map(|stack| Pair::start(stack, dir.path()));
    let mut rounds: [Vec<Round>; STACKS.len()] = Default::default();
    for round in 0..ROUNDS {
        for turn in 0..STACKS.len() {
            let at = (turn + round) % STACKS.len(); // nobody always runs first
            let pair = pairs[at].as_mut().map_err(|error| anyhow::anyhow!("{error:#}"))?;
            rounds[at].push(pair.round()?);
        }
    }
    let samples = |at: usize, of: Figure| Samples::new(rounds[at].iter().map(of).collect());
    let mut bench = Bench::new("mesh");
    for at in [1, 2] {
        for (metric, unit, of) in FIGURES {
            let baseline = samples(at, of);
            bench.record_against(metric, unit, samples(0, of), (STACKS[at].name(), &baseline));
        }
    }
    let p99 = |at: usize| samples(at, |round| round.p99_us);
    bench.record_against("loss1pct_p99_us", "us", p99(3), (STACKS[4].name(), &p99(4)));
    bench.finish()?;
    Ok(())
}

/// A client and a server process that take commands a line and answer a line.
struct Pair {
    server: Peer,
    client: Peer,
}

struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Peer {
    fn start(args: &[&str]) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().context("stdin")?;
        let output = BufReader::new(child.stdout.take().context("stdout")?);
        Ok(Self { child, input, output })
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            bail!("a process of the bench ended: see its message above");
        }
        Ok(line.trim().to_owned())
    }

    fn ask(&mut self, command: &str) -> Result<String> {
        writeln!(self.input, "{command}")?;
        self.line()
    }

    fn cpu_s(&mut self) -> Result<f64> {
        Ok(self.ask("cpu")?.parse()?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Pair {
    fn start(stack: Stack, dir: &Path) -> Result<Self> {
        let dir = dir.to_str().context("the temporary folder's name")?;
        let mut server = Peer::start(&["serve", stack.name(), dir])?;
        let addr = server.line()?;
        let mut client = Peer::start(&["call", stack.name(), dir, &addr])?;
        client.line()?;
        Ok(Self { server, client })
    }

    fn round(&mut self) -> Result<Round> {
        self.client.ask(&format!("run {}", WARM_UP.as_millis()))?;
        let before = self.server.cpu_s()? + self.client.cpu_s()?;
        let result = self.client.ask(&format!("run {}", ROUND.as_millis()))?;
        let cpu_s = self.server.cpu_s()? + self.client.cpu_s()? - before;
        let (calls, p99_us) = result.split_once(' ').context("a round's result")?;
        Ok(Round { calls_per_cpu_s: calls.parse::<f64>()? / cpu_s, p99_us: p99_us.parse()? })
    }
}

fn say(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

fn say_cpu() -> Result<()> {
    say(&process_cpu_time().as_secs_f64().to_string())
}

fn serve(stack: Stack, dir: &Path) -> Result<()> {
    let runtime = stack.runtime()?;
    let entered = runtime.enter();
    let mut kept = None;
    let addr = if let Some(tuning) = stack.tuning() {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let policy = Policy::deny_all().allow(&["caller"], &["arena.echo.v1.Echo/*"]);
        let identity = Identity::load(&dir.join("echo"))?;
        let server = Server::builder(identity).policy(policy).tuning(tuning);
        let serving = server.add_service(Echo::default().server()).serve(socket)?;
        kept.insert(serving).local_addr()
    } else {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        runtime.spawn(serve_h2(dir.to_owned(), listener));
        addr
    };
    drop(entered);
    say(&addr.to_string())?;
    // The runtime keeps this thread: commands are read by another one.
    let (ended, end) = tokio::sync::oneshot::channel();
    let reader = std::thread::spawn(move || -> Result<()> {
        for line in std::io::stdin().lines() {
            line?;
            say_cpu()?;
        }
        let _ = ended.send(());
        Ok(())
    });
    let _ = runtime.block_on(end);
    drop(kept);
    reader.join().map_err(|_| anyhow::anyhow!("the reader failed"))?
}

fn call(stack: Stack, dir: &Path, addr: SocketAddr) -> Result<()> {
    let runtime = stack.runtime()?;
    if let Some(tuning) = stack.tuning() {
        let identity = Identity::load(&dir.join("caller"))?;
        let path = if stack.is_lossy() {
            Some(runtime.block_on(LossyPath::to(addr, WEATHER))?)
        } else {
            None
        };
        let addr = path.as_ref().map_or(addr, LossyPath::addr);
        let entered = runtime.enter();
        let channel = Channel::builder(identity).service("echo").tuning(tuning);
        let channel: Channel = channel.pinned(Endpoint::new("1", addr));
        drop(entered);
        obey(&runtime, &EchoClient::new(channel))
    } else {
        let channel = runtime.block_on(connect_h2(dir, addr))?;
        obey(&runtime, &EchoClient::new(channel))
    }
}

/// Runs rounds as told.
fn obey<C>(runtime: &Runtime, client: &EchoClient<C>) -> Result<()>
where
    C: tonic::client::GrpcService<Body> + Clone + Send + 'static,
    C::Future: Send,
    C::ResponseBody: HttpBody<Data = Bytes> + Send + 'static,
    <C::ResponseBody as HttpBody>::Error: Into<StdError> + Send,
    C::Error: Into<StdError>,
{
    let (commands, mut queue) = tokio::sync::mpsc::channel(1);
    // The runtime keeps this thread, so that the connection stays alive between rounds.
    std::thread::spawn(move || {
        let lines = std::io::stdin().lines().map_while(Result::ok);
        lines.map(|line| commands.blocking_send(line)).take_while(Result::is_ok).count()
    });
    say("ready")?;
    runtime.block_on(async {
        while let Some(line) = queue.recv().await {
            match line.split_once(' ') {
                Some(("run", ms)) => {
                    let span = Duration::from_millis(ms.parse()?);
                    let (calls, p99_us) = load(client, span).await?;
                    say(&format!("{calls} {p99_us}"))?;
                }
                _ => say_cpu()?,
            }
        }
        Ok(())
    })
}

async fn load<C>(client: &EchoClient<C>, span: Duration) -> Result<(usize, u64)>
where
    C: tonic::client::GrpcService<Body> + Clone + Send + 'static,
    C::Future: Send,
    C::ResponseBody: HttpBody<Data = Bytes> + Send + 'static,
    <C::ResponseBody as HttpBody>::Error: Into<StdError> + Send,
    C::Error: Into<StdError>,
{
    let end = Instant::now() + span;
    let callers: Vec<_> = (0..IN_FLIGHT)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move {
                let mut latencies_us = Vec::new();
                while Instant::now() < end {
                    let start = Instant::now();
                    let payload = vec![3; PAYLOAD].into();
                    let mut request = Request::new(Message { payload });
                    request.set_timeout(DEADLINE);
                    request.metadata_mut().insert(TRACEPARENT, TRACE.parse()?);
                    let answer = client.unary(request).await?.into_inner();
                    anyhow::ensure!(answer.payload.len() == PAYLOAD, "a short answer");
                    latencies_us.push(start.elapsed().as_micros() as u64);
                }
                anyhow::Ok(latencies_us)
            })
        })
        .collect();
    let mut latencies_us = Vec::new();
    for caller in callers {
        latencies_us.extend(caller.await??);
    }
    latencies_us.sort_unstable();
    let p99 = latencies_us.get(latencies_us.len() * 99 / 100).context("no call came through")?;
    Ok((latencies_us.len(), *p99))
}

async fn serve_h2(dir: PathBuf, listener: TcpListener) -> Result<()> {
    let pem = |name: &str| std::fs::read(dir.join(name));
    let tls = transport::ServerTlsConfig::new()
        .identity(transport::Identity::from_pem(pem("h2.pem")?, pem("h2.key")?))
        .client_ca_root(transport::Certificate::from_pem(pem("h2-ca.pem")?));
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let incoming = transport::server::TcpIncoming::from(listener).with_nodelay(Some(true));
    // Added as a service among others, as the mesh does it: both sides look up who serves a path.
    let mut server = transport::Server::builder().tls_config(tls)?;
    server.add_service(Echo::default().server()).serve_with_incoming(incoming).await?;
    Ok(())
}

async fn connect_h2(dir: &Path, addr: SocketAddr) -> Result<transport::Channel> {
    let pem = |name: &str| std::fs::read(dir.join(name));
    let tls = transport::ClientTlsConfig::new()
        .domain_name("localhost")
        .ca_certificate(transport::Certificate::from_pem(pem("h2-ca.pem")?))
        .identity(transport::Identity::from_pem(pem("h2.pem")?, pem("h2.key")?));
    let endpoint = transport::Endpoint::from_shared(format!("https://{addr}"))?.tcp_nodelay(true);
    Ok(endpoint.tls_config(tls)?.connect().await?)
}

fn write_mesh_identities(dir: &Path) -> Result<()> {
    let ca = Ca::create("bench")?;
    for service in ["echo", "caller"] {
        ca.issue(&SpiffeId::new("bench", service, "1")?, LEAF_LIFE)?.save(&dir.join(service))?;
    }
    Ok(())
}

/// tonic checks host names, so it gets certificates of its own, of the same kind of key.
fn write_h2_certificates(dir: &Path) -> Result<()> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(dir.join("h2-ca.pem"), params.self_signed(&key)?.pem())?;
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(vec!["localhost".to_owned()])?.signed_by(&key, &issuer)?;
    std::fs::write(dir.join("h2.pem"), leaf.pem())?;
    Ok(std::fs::write(dir.join("h2.key"), key.serialize_pem())?)
}
