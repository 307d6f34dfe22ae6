//! `<service> healthcheck`: what a container runtime asks in an image without a shell.

use std::ffi::OsStr;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use arena_env::{EnvError, Process, Reader, Source, names};
use arena_types::InstanceId;
use arena_types::contract::{InstanceReport, InstanceState, NotReady};

/// The first argument that asks for it.
const COMMAND: &str = "healthcheck";
/// All questions together: below the 2 s after which a check is usually taken for failed.
const ANSWER_MAX: Duration = Duration::from_millis(1_500);
/// Bytes of one answer: the longest, `/instance`, is below 1 KiB.
const ANSWER_BYTES_MAX: usize = 16 << 10;

/// Why an instance is not healthy.
#[derive(Debug, thiserror::Error)]
pub enum Unhealthy {
    /// The environment does not say which instance is meant.
    #[error(transparent)]
    Environment(#[from] EnvError),
    /// The system chose the side port, so that nobody else knows it.
    #[error("know the side port: give ARENA_SIDE_ADDR a port other than 0")]
    NoPort,
    /// The side port does not answer.
    #[error("get {path} of {addr}")]
    Silent {
        /// What was asked.
        path: &'static str,
        /// Where.
        addr: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// It was never ready, and is not now.
    #[error("become ready: {reason}")]
    NotReady {
        /// What it waits for.
        reason: String,
    },
    /// It was ready, and does not live now.
    #[error("live: /livez says {status}")]
    Dead {
        /// The status of the answer.
        status: u16,
    },
    /// It is ready, but the next check would not know that it was.
    #[error("keep `{}`: mount a tmpfs there", path.display())]
    Marker {
        /// The file that says that it was ready.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Tells whether the instance that `environment` describes is healthy, and why.
///
/// It is if it is ready. Once it has been, which a file in `markers` remembers, it is enough that it
/// lives: who kills what is unhealthy would kill an instance that drains, or waits for the store,
/// with its players. For the same reason one that drains is healthy.
///
/// # Errors
/// [`Unhealthy`].
pub fn check_health(environment: &dyn Source, markers: &Path) -> Result<&'static str, Unhealthy> {
    let mut reader = Reader::new(environment);
    let instance = reader.read::<InstanceId>(&names::INSTANCE);
    let side = reader.read::<SocketAddr>(&names::SIDE_ADDR);
    let (instance, side) = reader.finish(|| Some((instance?, side?)))?;
    if side.port() == 0 {
        return Err(Unhealthy::NoPort);
    }
    let side = Side { addr: reachable(side), until: Instant::now() + ANSWER_MAX };
    let marker = markers.join(format!("arena-{instance}-{}.ready", side.addr.port()));
    if marker.exists() {
        return match side.get("/livez")?.0 {
            200 => Ok("it lives, and was ready"),
            status => Err(Unhealthy::Dead { status }),
        };
    }
    let (status, body) = side.get("/readyz")?;
    if status != 200 && !side.is_leaving()? {
        let reason = serde_json::from_str::<NotReady>(&body);
        let reason = reason.map_or_else(|_| format!("/readyz says {status}"), |it| it.reason);
        return Err(Unhealthy::NotReady { reason });
    }
    std::fs::write(&marker, "").map_err(|source| Unhealthy::Marker { path: marker, source })?;
    Ok(if status == 200 { "it is ready" } else { "it drains" })
}

/// Does what `argument` asks for, if that is a check: prints one line and exits 0 or 1.
pub(crate) fn asked(argument: Option<&OsStr>) -> Option<ExitCode> {
    if argument != Some(OsStr::new(COMMAND)) {
        return None;
    }
    let (line, code) = match check_health(&Process, &std::env::temp_dir()) {
        Ok(why) => (format!("healthy: {why}\n"), ExitCode::SUCCESS),
        Err(error) => (format!("unhealthy: failed to {}\n", whole(&error)), ExitCode::FAILURE),
    };
    let _ = io::stdout().write_all(line.as_bytes()); // the exit code says it, too
    Some(code)
}

/// Returns an error and its causes as one line.
fn whole(error: &Unhealthy) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text.replace('\n', ";")
}

/// A socket that listens on all addresses answers on the loopback one.
fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    SocketAddr::new(ip, bound.port())
}

struct Side {
    addr: SocketAddr,
    until: Instant,
}

impl Side {
    fn is_leaving(&self) -> Result<bool, Unhealthy> {
        let (_, body) = self.get("/instance")?;
        let report = serde_json::from_str::<InstanceReport>(&body);
        Ok(report
            .is_ok_and(|it| matches!(it.state, InstanceState::Draining | InstanceState::Empty)))
    }

    fn get(&self, path: &'static str) -> Result<(u16, String), Unhealthy> {
        self.try_get(path).map_err(|source| Unhealthy::Silent { path, addr: self.addr, source })
    }

    fn try_get(&self, path: &str) -> io::Result<(u16, String)> {
        let mut stream = TcpStream::connect_timeout(&self.addr, self.left()?)?;
        stream.set_write_timeout(Some(self.left()?))?;
        let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        let mut answer = Vec::new();
        let mut part = [0; 4 << 10];
        while answer.len() < ANSWER_BYTES_MAX {
            stream.set_read_timeout(Some(self.left()?))?;
            let read = stream.read(&mut part)?;
            if read == 0 {
                break;
            }
            answer.extend_from_slice(&part[..read]);
        }
        parse(&String::from_utf8_lossy(&answer))
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"))
    }

    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

fn parse(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some((status, body.to_owned()))
}

#[cfg(test)]
mod tests;
