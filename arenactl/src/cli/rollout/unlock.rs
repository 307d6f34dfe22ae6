//! `arenactl unlock`: remove the lock of an arenactl that is gone for good.

use clap::Args;

use crate::cli::Context;
use crate::error::{CliError, Status};
use crate::lock::Holder;

/// Remove the lock of a region.
///
/// Needed only for a holder on another machine that cannot come back: one that died on this machine is
/// replaced at once, any other after 15 s without a sign of life. A holder that lives is fenced: its next
/// step ends with exit 6.
#[derive(Debug, Args)]
pub(crate) struct Unlock {}

impl Unlock {
    pub(crate) fn run(context: &Context) -> Result<Status, CliError> {
        Context::block_on(async {
            let mut place = context.known_place().await?;
            let view = place.ledger.lock_view().await?;
            place.ledger.break_lock().await?;
            let text = match &view {
                Some(view) => removed(&view.holder),
                None => "there was no lock".to_owned(),
            };
            context.printer.verdict(Status::Done, &serde_json::json!({"removed": view}), &text);
            Ok(Status::Done)
        })
    }
}

fn removed(holder: &Holder) -> String {
    let still = if holder.is_known_alive() {
        ", which still runs: its next step ends with exit 6"
    } else {
        ""
    };
    let Holder { who, command, process, .. } = holder;
    format!("removed the lock of {who} (pid {}, `{command}`){still}", process.pid)
}
