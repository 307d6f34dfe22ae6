//! `arenactl probe`: the facts of the node it runs on.

use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use crate::cli::Context;
use crate::error::{CliError, Status};
use crate::facts;

/// Longest wait of a probe that nobody stops: whoever asked has given up by then.
const WAIT_MAX: Duration = Duration::from_secs(90);

/// Print what this node shows, one line of JSON, for `arenactl doctor`.
#[derive(Debug, Args)]
pub(crate) struct Probe {
    /// Registry to ask, `host[:port]`.
    #[arg(long, value_name = "HOST")]
    registry: Option<String>,
    /// Waits for SIGTERM afterwards, for a minute and a half at most: an engine removes the container of a task that
    /// it stops, and keeps that of one that has ended.
    #[arg(long)]
    wait: bool,
}

impl Probe {
    pub(crate) fn run(self, context: &Context) -> Result<Status, CliError> {
        Context::block_on(async {
            let facts = facts::gather(self.registry.as_deref()).await;
            let line = serde_json::to_string(&facts).expect("our own types serialise to JSON");
            let terminate = signal(SignalKind::terminate());
            let mut terminate = terminate.map_err(|it| CliError::new(Status::LeftAsIs, it))?;
            context.printer.verbatim(&format!("{line}\n"));
            if self.wait {
                // Stopped or not, there is nothing more to do.
                let _ = timeout(WAIT_MAX, terminate.recv()).await;
            }
            Ok(Status::Done)
        })
    }
}
