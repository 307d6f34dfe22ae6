//! The near end of the relay: a process started with `exec` in the operator's container.

use std::pin::Pin;
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::StartExecResults;
use bollard::models::ExecConfig;
use futures::{Stream, StreamExt as _};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use super::protocol::LINE_LEN_MAX;
use super::{Call, Reply};

/// Longest call: a drain or a probe of an instance that does not answer takes 2 s, a write of rules 10 s.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Time for the relay to tell what it gathered, on top of what the call itself may take.
const GATHER_SLACK: Duration = Duration::from_secs(5);
/// The program in the operator's image.
const PROGRAM: [&str; 2] = [arenactl_planning::spec::PROGRAM, "relay"];
/// Characters of what the relay wrote on its standard error that are kept for the failure.
const COMPLAINT_LEN_MAX: usize = 400;

/// Why the relay did not answer.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// It could not be started.
    #[error("cannot start the relay in the operator's container")]
    Start {
        /// What the engine says.
        source: bollard::errors::Error,
    },
    /// It ended, or the connection to it did.
    #[error("the relay in the cluster ended{}", why(.0))]
    Ended(String),
    /// It did not answer in time.
    #[error("the relay in the cluster does not answer")]
    TimedOut,
    /// What it answered is no reply.
    #[error("the relay in the cluster answered what this arenactl does not understand")]
    Reply {
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl RelayError {
    /// Says whether the container is not there or does not run: another one is about to take its place.
    pub(crate) fn is_gone(&self) -> bool {
        use bollard::errors::Error as Engine;
        let Self::Start { source } = self else { return false };
        matches!(source, Engine::DockerResponseServerError { status_code: 404 | 409, .. })
    }
}

/// A call that says itself how long it may take has that time, and the relay a moment to say so.
fn limit(call: &Call) -> Duration {
    match call {
        Call::Gather(method) => Duration::from_millis(method.timeout_ms) + GATHER_SLACK,
        _ => CALL_TIMEOUT,
    }
}

fn why(complaint: &str) -> String {
    if complaint.is_empty() { String::new() } else { format!(": {complaint}") }
}

/// A running relay.
pub(crate) struct Relay {
    input: Pin<Box<dyn AsyncWrite + Send>>,
    output: Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>,
    received: Vec<u8>,
    complaint: String,
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay").finish_non_exhaustive()
    }
}

impl Relay {
    /// Starts a relay in a container of the engine that `docker` talks to.
    ///
    /// # Errors
    /// [`RelayError::Start`].
    pub(crate) async fn start(docker: &Docker, container: &str) -> Result<Self, RelayError> {
        let failed = |source| RelayError::Start { source };
        let config = ExecConfig {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(PROGRAM.map(str::to_owned).to_vec()),
            ..ExecConfig::default()
        };
        let exec = docker.create_exec(container, config).await.map_err(failed)?;
        match docker.start_exec(&exec.id, None).await.map_err(failed)? {
            StartExecResults::Attached { output, input } => {
                Ok(Self { input, output, received: Vec::new(), complaint: String::new() })
            }
            StartExecResults::Detached => Err(RelayError::Ended(String::new())),
        }
    }

    /// Makes one call.
    ///
    /// # Errors
    /// [`RelayError`]; a relay that failed once is of no more use.
    pub(crate) async fn call(&mut self, call: &Call) -> Result<Reply, RelayError> {
        let mut line = serde_json::to_vec(call).expect("our own types serialise to JSON");
        line.push(b'\n');
        timeout(limit(call), self.exchange(&line)).await.unwrap_or(Err(RelayError::TimedOut))
    }

    async fn exchange(&mut self, line: &[u8]) -> Result<Reply, RelayError> {
        let sent = async {
            self.input.write_all(line).await?;
            self.input.flush().await
        };
        if let Err(error) = sent.await {
            return Err(RelayError::Ended(error.to_string()));
        }
        loop {
            if let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.received.drain(..=end).collect();
                return serde_json::from_slice(&line)
                    .map_err(|source| RelayError::Reply { source });
            }
            match self.output.next().await {
                // What the engine itself says comes without a frame.
                Some(Ok(LogOutput::StdErr { message } | LogOutput::Console { message })) => {
                    let text = String::from_utf8_lossy(&message);
                    let left = COMPLAINT_LEN_MAX.saturating_sub(self.complaint.len());
                    self.complaint.extend(text.trim().chars().take(left));
                }
                Some(Ok(output)) if self.received.len() < LINE_LEN_MAX => {
                    self.received.extend_from_slice(&output.into_bytes());
                }
                Some(Err(error)) => return Err(RelayError::Ended(error.to_string())),
                Some(Ok(_)) | None => {
                    return Err(RelayError::Ended(std::mem::take(&mut self.complaint)));
                }
            }
        }
    }
}
