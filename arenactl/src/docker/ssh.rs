//! An engine behind SSH: HTTP through `ssh HOST docker system dial-stdio`, as Docker's own client does it.
//!
//! It is the system's `ssh`, so keys, agents, jump hosts and known hosts are those of `~/.ssh/config`. It cannot ask
//! anything: an unknown host or a key with a passphrase and no agent is an error.

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bollard::errors::Error as BollardError;
use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use hyper::Uri;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, Join, ReadBuf};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;

/// The host in HTTP's own addresses; nobody resolves it.
const AUTHORITY: &str = "http://docker.ssh";
/// How much of what `ssh` complains about is kept.
const COMPLAINT_BYTES_MAX: u64 = 4096;
/// How long `ssh` waits for the other machine to answer; below that of a whole connection.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Where `ssh` goes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Destination {
    /// `[user@]host`.
    host: String,
    port: Option<u16>,
}

/// What `ssh` says when it, or the command on the other side, ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("ssh: {complaint}")]
pub(super) struct SshFailed {
    complaint: String,
}

/// One connection: a running `ssh`, which is killed when this is dropped.
struct Dialed {
    pipes: Join<ChildStdout, ChildStdin>,
    complaint: JoinHandle<String>,
    is_answered: bool,
    _child: Child,
}

/// Makes the client of an engine behind SSH; nothing is dialled before the first request.
pub(super) fn open(destination: &str, timeout_s: u64) -> Result<Docker, BollardError> {
    let destination = Destination::of(destination);
    let dial =
        tower::service_fn(move |_: Uri| std::future::ready(destination.dial().map(TokioIo::new)));
    let client = Client::builder(TokioExecutor::new()).build(dial);
    let transport = move |request: BollardRequest| {
        let answer = client.request(request);
        async move { answer.await.map_err(BollardError::from) }
    };
    Docker::connect_with_custom_transport(
        transport,
        Some(AUTHORITY),
        timeout_s,
        API_DEFAULT_VERSION,
    )
}

impl Destination {
    fn of(text: &str) -> Self {
        let parts = text.rsplit_once(':').filter(|(host, _)| !host.ends_with(':'));
        let port = parts.and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let (host, port) = port.map_or((text, None), |(host, port)| (host, Some(port)));
        // Brackets belong to addresses, not to what `ssh` takes.
        Self { host: host.replace(['[', ']'], ""), port }
    }

    fn command(&self) -> Command {
        let mut command = Command::new("ssh");
        command.args(["-T", "-o", "BatchMode=yes", "-o"]);
        command.arg(format!("ConnectTimeout={}", DIAL_TIMEOUT.as_secs()));
        if let Some(port) = self.port {
            command.args(["-p", &port.to_string()]);
        }
        command.args(["--", &self.host, "docker", "system", "dial-stdio"]);
        command
    }

    fn dial(&self) -> io::Result<Dialed> {
        let mut command = self.command();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn()?;
        let piped = "it was asked for above";
        let (stdout, stdin) = (child.stdout.take().expect(piped), child.stdin.take().expect(piped));
        let complaint = tokio::spawn(complaint(child.stderr.take().expect(piped)));
        let pipes = tokio::io::join(stdout, stdin);
        Ok(Dialed { pipes, complaint, is_answered: false, _child: child })
    }
}

async fn complaint(stderr: ChildStderr) -> String {
    let mut text = Vec::new();
    // What cannot be read was not said.
    let _ = stderr.take(COMPLAINT_BYTES_MAX).read_to_end(&mut text).await;
    String::from_utf8_lossy(&text).trim().replace("\r\n", "\n")
}

impl AsyncRead for Dialed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.pipes).poll_read(context, buffer))?;
        if buffer.filled().len() > before || self.is_answered {
            self.is_answered = true;
            return Poll::Ready(Ok(()));
        }
        let complaint = ready!(Pin::new(&mut self.complaint).poll(context)).unwrap_or_default();
        Poll::Ready(Err(io::Error::other(SshFailed { complaint })))
    }
}

impl AsyncWrite for Dialed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.pipes).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipes).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipes).poll_shutdown(context)
    }
}

impl Connection for Dialed {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_may_have_a_port() {
        for (text, host, port) in [
            ("m1", "m1", None),
            ("ops@m1", "ops@m1", None),
            ("ops@m1:2222", "ops@m1", Some(2222)),
            ("ops@[::1]:2222", "ops@::1", Some(2222)),
            ("[::1]", "::1", None),
        ] {
            assert_eq!(Destination::of(text), Destination { host: host.to_owned(), port });
        }
    }

    #[test]
    fn a_host_is_never_taken_for_an_option() {
        let command = Destination::of("m1:22").command();
        let args: Vec<_> = command.as_std().get_args().filter_map(|it| it.to_str()).collect();
        assert_eq!(args[args.len() - 5..], ["--", "m1", "docker", "system", "dial-stdio"]);
    }
}
