//! Entry point.

use arena_load::{Args, run, write};
use clap::Parser as _;

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    // One thread: the load generator must leave the machine to what it measures.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(run(&args))?;
    let report = outcome.report();
    report.print(&mut std::io::stdout().lock())?;
    if let Some(path) = &args.report {
        write(path, &report.json())?;
    }
    if let Some(path) = &args.picture {
        write(path, &outcome.picture(&format!("{} bots at {}", args.players, args.url)))?;
    }
    Ok(())
}
