//! The smallest service that keeps the instance contract: what arenactl deploys in its own tests.
//!
//! `STUB_EXIT=<code>` exits at once, `STUB_NEVER_READY=1` never gets ready, `STUB_SAYS=<text>` is what a
//! connection to its public socket reads, `STUB_IGNORES_TERM=1` stays at the first `SIGTERM`.
//! `STUB_READY_ONCE=<path>` gets ready once that file exists, `STUB_BUSY_WHILE=<path>` is not empty after a
//! drain while that one does, and tells of [`LEFT`]: so a test decides when, and no clock does. Sockets are passed, or bound at
//! `ARENA_SIDE_ADDR` and `ARENA_PUBLIC_ADDR`; `arena-stub healthcheck` asks the one that runs there,
//! `arena-stub show <path>` prints a file: its image has no other program.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use arena_types::contract::{DrainReport, InstanceReport, InstanceState};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 64;

/// What is left on a stub that is busy after a drain.
const LEFT: DrainReport = DrainReport {
    left_s: 60,
    players: 3,
    matches: 1,
    moving: 1,
    waiting: 0,
    unsaved: 0,
    estimate_s: Some(30),
};

/// What the side port answers from.
struct Stub {
    report: Mutex<InstanceReport>,
    token: String,
}

fn main() -> anyhow::Result<()> {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["healthcheck"] => return healthcheck(&variable("ARENA_SIDE_ADDR")),
        ["show", path] => return Ok(std::io::stdout().write_all(&std::fs::read(path)?)?),
        _ => {}
    }
    say(&format!(
        "{} starts with sockets {}",
        variable("ARENA_INSTANCE"),
        variable("LISTEN_FDNAMES")
    ));
    if let Ok(code) = variable("STUB_EXIT").parse() {
        say("the stub was told to fail");
        std::process::exit(code);
    }
    let mut sockets = listenfd::ListenFd::from_env();
    let names: Vec<String> = variable("LISTEN_FDNAMES").split(':').map(str::to_owned).collect();
    let position = |name: &str| names.iter().position(|it| it == name);
    let mut listener = |name: &str| -> anyhow::Result<Option<TcpListener>> {
        let passed = position(name).map(|index| sockets.take_tcp_listener(index)).transpose()?;
        let addr = variable(&format!("ARENA_{}_ADDR", name.to_uppercase()));
        match passed.flatten() {
            None if !addr.is_empty() => Ok(Some(bind(addr.parse()?)?)),
            passed => Ok(passed),
        }
    };
    let (side, public) = (listener("side")?, listener("public")?);
    exit_on_term(variable("STUB_IGNORES_TERM").is_empty())?;
    if let Some(public) = public {
        std::thread::spawn(move || greet(&public, &variable("STUB_SAYS")));
    }
    let stub = stub()?;
    let side = side.ok_or_else(|| anyhow::anyhow!("no socket `side`"))?;
    for stream in side.incoming() {
        // A prober that went away has only lost its own answer.
        let _ = answer(&stub, stream?);
    }
    Ok(())
}

/// Binds a socket that a successor may bind as well: both share a public port for a while.
fn bind(addr: SocketAddr) -> anyhow::Result<TcpListener> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _entered = runtime.enter();
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(addr)?;
    let listener = socket.listen(BACKLOG)?.into_std()?;
    listener.set_nonblocking(false)?;
    Ok(listener)
}

/// Fails unless the stub that runs at `addr`, on this host, is ready.
fn healthcheck(addr: &str) -> anyhow::Result<()> {
    let addr: SocketAddr = addr.parse()?;
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, addr.port()))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    anyhow::ensure!(answer.starts_with("HTTP/1.1 200"), "not ready: {answer}");
    Ok(())
}

fn stub() -> anyhow::Result<Stub> {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let waits = ["STUB_NEVER_READY", "STUB_READY_ONCE"];
    let is_ready = waits.iter().all(|name| variable(name).is_empty());
    let report = InstanceReport {
        service: variable("ARENA_SERVICE").parse()?,
        instance: variable("ARENA_INSTANCE").parse()?,
        region: variable("ARENA_REGION").parse()?,
        release: variable("ARENA_RELEASE").parse()?,
        state: if is_ready { InstanceState::Ready } else { InstanceState::Starting },
        sessions: 0,
        matches: 0,
        moving: 0,
        shadows: 0,
        capacity: 10,
        schema: BTreeMap::new(),
        backend: None,
        drain_left_s: None,
        drain: None,
    };
    let token = std::fs::read_to_string(format!("{}/drain_token", variable("ARENA_SECRETS_DIR")))?;
    Ok(Stub { report: Mutex::new(report), token })
}

/// Exits at the first or, if that one is to be ignored, at the second `SIGTERM`.
fn exit_on_term(at_first: bool) -> anyhow::Result<()> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let entered = runtime.enter();
    let mut signals = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    drop(entered);
    std::thread::spawn(move || {
        runtime.block_on(async {
            while signals.recv().await.is_some() {
                let count = COUNT.fetch_add(1, Ordering::Relaxed) + 1;
                say(&format!("SIGTERM {count}"));
                if at_first || count > 1 {
                    std::process::exit(0);
                }
            }
        });
    });
    Ok(())
}

fn greet(public: &TcpListener, says: &str) {
    for mut stream in public.incoming().flatten() {
        let _ = stream.write_all(says.as_bytes());
    }
}

fn answer(stub: &Stub, stream: TcpStream) -> anyhow::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end().to_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(text) = line.strip_prefix("content-length:") {
            length = text.trim().parse()?;
        }
        lines.push(line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let is_authorised = lines.contains(&format!("authorization: bearer {}", stub.token));
    let (status, body) = route(stub, lines.first().map_or("", String::as_str), is_authorised);
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    reader.into_inner().write_all(format!("{head}{body}").as_bytes())?;
    Ok(())
}

fn route(stub: &Stub, request: &str, is_authorised: bool) -> (&'static str, String) {
    let mut report = stub.report.lock().expect("no thread panics while it holds this");
    let exists = |name: &str| std::env::var(name).ok().map(|path| Path::new(&path).exists());
    if report.state == InstanceState::Starting && exists("STUB_READY_ONCE") == Some(true) {
        report.state = InstanceState::Ready;
    }
    let is_busy = exists("STUB_BUSY_WHILE") == Some(true);
    report.drain = (report.state == InstanceState::Draining && is_busy).then_some(LEFT);
    report.drain_left_s = report.drain.map(|left| left.left_s);
    let left = report.drain.map_or((0, 0, 0), |left| (left.players, left.matches, left.moving));
    (report.sessions, report.matches, report.moving) = left;
    if report.state == InstanceState::Draining && !is_busy {
        report.state = InstanceState::Empty;
    }
    match request.split(' ').take(2).collect::<Vec<_>>().as_slice() {
        ["get", "/readyz"] if report.state == InstanceState::Starting => {
            ("503 Service Unavailable", r#"{"reason":"the stub never gets ready"}"#.to_owned())
        }
        ["get", "/readyz"] => ("200 OK", "{}".to_owned()),
        ["get", "/instance"] => {
            ("200 OK", serde_json::to_string(&*report).expect("a report is JSON"))
        }
        ["post" | "delete", "/drain"] if !is_authorised => ("401 Unauthorized", String::new()),
        ["post", "/drain"] => {
            report.state = InstanceState::Draining;
            ("202 Accepted", String::new())
        }
        ["delete", "/drain"] => {
            report.state = InstanceState::Ready;
            ("202 Accepted", String::new())
        }
        _ => ("404 Not Found", String::new()),
    }
}

/// The supervisor keeps what this prints.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
