//! What a node shows to a process on it: read there by `arenactl probe`, judged elsewhere by `arenactl doctor`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::{clock, process};

/// A registry that needs longer for its first answer is of no use to a deploy.
const REGISTRY_TIMEOUT: Duration = Duration::from_secs(3);
/// The port of a registry that names none.
const REGISTRY_PORT: u16 = 443;
/// The first line of an answer is shorter than this.
const HEAD_LEN_MAX: usize = 256;
/// How Swarm tells a task which named resources it was given, the kind behind it (swarmkit,
/// `genericresource/string.go`).
const ASSIGNED: &str = "DOCKER_RESOURCE_";
/// The folder of the probe's volume, which lies where the engine keeps images and containers.
const DATA: &str = "/data";

/// What a node shows; `None` is what could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) hostname: String,
    /// By the node's clock, milliseconds since 1970.
    pub(crate) time_ms: u64,
    /// `net.ipv4.tcp_migrate_req`; kernels before 5.14 have none.
    pub(crate) tcp_migrate_req: Option<u32>,
    /// `net.ipv4.ip_local_port_range`, both ends included.
    pub(crate) local_ports: Option<(u16, u16)>,
    /// Free bytes where the engine keeps volumes.
    pub(crate) disk_free_bytes: Option<u64>,
    /// `MemAvailable` of proc(5).
    pub(crate) memory_available_bytes: Option<u64>,
    /// What the registry answered; `None` if none was asked.
    pub(crate) registry: Option<RegistryAnswer>,
    pub(crate) gpus: GpuFacts,
}

/// What came back from a registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RegistryAnswer {
    /// A status of HTTP.
    Status(u16),
    /// Something else than plain HTTP, as of a registry that speaks TLS.
    NotPlain,
    /// Nothing, and why.
    Nothing(String),
}

/// What a process sees of its node's GPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GpuFacts {
    /// Whether the node's kernel has NVIDIA's driver.
    pub(crate) has_driver: bool,
    /// GPUs in this container: `/dev/nvidia0` and on.
    pub(crate) devices: Vec<String>,
    /// The variables `DOCKER_RESOURCE_*`.
    pub(crate) assigned: BTreeMap<String, String>,
}

/// Reads everything; asks `registry`, a `host[:port]`, if there is one. Takes at most 3 s.
pub(crate) async fn gather(registry: Option<&str>) -> Facts {
    let answer = match registry {
        Some(registry) => Some(ask(registry).await),
        None => None,
    };
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let ports = read("/proc/sys/net/ipv4/ip_local_port_range");
    Facts {
        hostname: process::host_name(),
        tcp_migrate_req: read("/proc/sys/net/ipv4/tcp_migrate_req").trim().parse().ok(),
        local_ports: pair(&ports),
        disk_free_bytes: rustix::fs::statvfs(DATA).ok().map(|it| it.f_bavail * it.f_frsize),
        memory_available_bytes: kib(&read("/proc/meminfo"), "MemAvailable:").map(|it| it << 10),
        registry: answer,
        gpus: GpuFacts {
            has_driver: Path::new("/proc/driver/nvidia/version").exists(),
            devices: devices(Path::new("/dev")),
            assigned: assigned(),
        },
        // Last: what was read before it took time.
        time_ms: clock::now_ms(),
    }
}

fn pair(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.trim().split_once(char::is_whitespace)?;
    Some((first.parse().ok()?, last.trim().parse().ok()?))
}

/// Returns a figure of `/proc/meminfo`.
fn kib(meminfo: &str, name: &str) -> Option<u64> {
    let rest = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
    rest.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Returns the GPUs among device files, without `nvidiactl` and the like.
fn devices(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let is_gpu = |name: &String| {
        let number = name.strip_prefix("nvidia").unwrap_or_default();
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    let mut devices: Vec<String> = names.filter(is_gpu).collect();
    devices.sort();
    devices
}

fn assigned() -> BTreeMap<String, String> {
    let texts = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    texts.filter(|(name, _)| name.starts_with(ASSIGNED)).collect()
}

async fn ask(registry: &str) -> RegistryAnswer {
    match timeout(REGISTRY_TIMEOUT, first_line(registry)).await {
        Ok(Ok(line)) => status(&line).map_or(RegistryAnswer::NotPlain, RegistryAnswer::Status),
        Ok(Err(error)) => RegistryAnswer::Nothing(error.to_string()),
        Err(_) => {
            RegistryAnswer::Nothing(format!("no answer within {} s", REGISTRY_TIMEOUT.as_secs()))
        }
    }
}

/// Asks for the root of the registry's API (`GET /v2/`, OCI Distribution, "endpoints").
async fn first_line(registry: &str) -> std::io::Result<String> {
    let has_port = registry.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
    let address =
        if has_port { registry.to_owned() } else { format!("{registry}:{REGISTRY_PORT}") };
    let mut stream = TcpStream::connect(&address).await?;
    let ask = format!("GET /v2/ HTTP/1.1\r\nHost: {registry}\r\nConnection: close\r\n\r\n");
    // Whoever speaks TLS may hang up on this: it was reached all the same.
    if stream.write_all(ask.as_bytes()).await.is_err() {
        return Ok(String::new());
    }
    let mut head = Vec::new();
    let _ = stream.take(HEAD_LEN_MAX as u64).read_to_end(&mut head).await;
    Ok(String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned())
}

/// Reads `HTTP/1.1 200 OK`. A server that wants TLS answers 400 in plain text.
fn status(line: &str) -> Option<u16> {
    let rest = line.strip_prefix("HTTP/")?;
    rest.split_whitespace().nth(1)?.parse().ok().filter(|status| *status != 400)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn what_the_kernel_writes_is_read() {
        assert_eq!(pair("32768\t60999\n"), Some((32_768, 60_999)));
        assert_eq!(pair(""), None);
        let meminfo = "MemTotal:  16 kB\nMemAvailable:    7 kB\n";
        assert_eq!(kib(meminfo, "MemAvailable:"), Some(7));
        assert_eq!(kib(meminfo, "SwapFree:"), None);
    }

    #[test]
    fn only_numbered_devices_are_gpus() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["nvidia0", "nvidia10", "nvidiactl", "nvidia-uvm", "nvidia", "null"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(devices(folder.path()), ["nvidia0", "nvidia10"]);
    }

    #[test]
    fn a_first_line_is_a_status_or_not_plain_http() {
        for (line, expected) in [
            ("HTTP/1.1 200 OK", Some(200)),
            ("HTTP/1.1 401 Unauthorized", Some(401)),
            ("HTTP/1.0 400 Bad Request", None),
            ("\u{15}\u{3}\u{1}", None),
            ("", None),
        ] {
            assert_eq!(status(line), expected, "{line}");
        }
    }

    #[tokio::test]
    async fn a_registry_that_answers_is_told_from_one_that_does_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 64];
            let length = stream.read(&mut asked).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            String::from_utf8_lossy(&asked[..length]).into_owned()
        });
        assert_eq!(ask(&address).await, RegistryAnswer::Status(200));
        assert!(served.await.unwrap().starts_with("GET /v2/ HTTP/1.1\r\n"));
        assert!(matches!(ask(&address).await, RegistryAnswer::Nothing(_)), "nobody listens now");
    }
}
