//! `arenactl relay`: the operator's end inside a cluster.

use std::path::Path;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::Context;
use crate::error::{CliError, Status};
use crate::relay;

/// Call instances on behalf of an arenactl outside the cluster: calls on standard input, answers on standard
/// output.
#[derive(Debug, Args)]
pub(crate) struct Relay {
    /// Serves nobody and waits for SIGTERM: the process that keeps the operator's container.
    #[arg(long)]
    wait: bool,
}

impl Relay {
    pub(crate) fn run(self) -> Result<Status, CliError> {
        let failed = |error: std::io::Error| CliError::new(Status::LeftAsIs, error);
        Context::block_on(async {
            if self.wait {
                let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
                terminate.recv().await;
                return Ok(Status::Done);
            }
            let folder = Path::new(relay::SECRETS);
            relay::serve(tokio::io::stdin(), tokio::io::stdout(), folder).await.map_err(failed)?;
            Ok(Status::Done)
        })
    }
}
