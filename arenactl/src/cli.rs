//! The command line: one file a command, under its noun.

mod context;
mod identity;
mod image;
mod instance;
mod process;
mod region;
mod replay;
mod rollout;
mod service;
mod settings;
mod shell;
mod spec;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand};

use crate::error::{CliError, Status};
use crate::print::{Output, Printer};
pub(crate) use context::{Context, Place};

/// Deploys arenas to this machine, Docker Swarm or Nomad, and takes them back.
///
/// One file, arena.yaml, says what shall run. `plan` shows what would change, `deploy` does it, `rollback`
/// goes back to the release before; none of them drops a player's session.
///
/// Exit codes: 0 done or nothing to do, 2 changes pending (`plan`), 3 spec or usage, 4 preflight failed, 5 lock
/// held, 6 conflict or drift, 10 failed and rolled back, 11 failed and rollback failed, 12 failed and left as
/// is, 13 timed out or inconclusive and paused, 14 a replay does not verify, 70 a mistake of arenactl, 130
/// interrupted.
#[derive(Debug, Parser)]
#[command(name = "arenactl", version, disable_help_subcommand = true)]
#[command(max_term_width = 100, infer_subcommands = false, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// The spec.
    #[arg(
        long,
        short = 'f',
        value_name = "PATH",
        default_value = "arena.yaml",
        env = "ARENACTL_FILE",
        hide_env = true,
        global = true
    )]
    pub(crate) file: PathBuf,
    /// The region; may be left out if the spec has a region `local`, or only one.
    #[arg(
        long,
        short = 'r',
        value_name = "REGION",
        env = "ARENACTL_REGION",
        hide_env = true,
        global = true
    )]
    pub(crate) region: Option<String>,
    /// The environment whose overlay is merged over the spec.
    #[arg(
        long,
        short = 'e',
        value_name = "ENV",
        env = "ARENACTL_ENV",
        hide_env = true,
        global = true
    )]
    pub(crate) env: Option<String>,
    /// Sets one value of the spec, after overlays: `services.game.instances=3`. May be repeated.
    #[arg(long, value_name = "KEY=VALUE", global = true)]
    pub(crate) set: Vec<String>,
    /// Where state is kept [default: `arena` below the XDG state folder].
    #[arg(long, value_name = "DIR", env = "ARENACTL_STATE_DIR", hide_env = true, global = true)]
    pub(crate) state_dir: Option<PathBuf>,
    /// The folder of the services' programs [default: the one arenactl is in].
    #[arg(long, value_name = "DIR", env = "ARENACTL_ARTIFACTS", hide_env = true, global = true)]
    pub(crate) artifacts: Option<PathBuf>,
    /// What is printed on stdout.
    #[arg(long, short = 'o', value_enum, default_value_t, global = true)]
    pub(crate) output: Output,
    /// Replaces the region's backend: a rehearsal on simulated instances.
    #[arg(long, value_name = "KIND", hide = true, global = true)]
    pub(crate) backend: Option<Rehearsal>,
    /// How simulated instances behave.
    #[arg(long, value_name = "PATH", hide = true, global = true)]
    pub(crate) memory_script: Option<PathBuf>,
    /// A drill for `resume`: arenactl kills itself once it has journalled this step.
    #[arg(long, value_name = "STEP", hide = true, global = true)]
    pub(crate) die_after_step: Option<u64>,
}

/// A backend that no spec can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Rehearsal {
    /// Simulated instances on a simulated clock.
    Memory,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(spec::init::Init),
    Schema(spec::schema::Schema),
    Doctor(region::doctor::Doctor),
    Plan(spec::plan::Plan),
    Diff(spec::diff::Diff),
    Render(spec::render::Render),
    Build(image::build::Build),
    Push(image::push::Push),
    Deploy(rollout::deploy::Deploy),
    Rollback(rollout::rollback::Rollback),
    Status(region::status::StatusOf),
    Top(region::top::Top),
    History(region::history::HistoryOf),
    Logs(instance::logs::Logs),
    Promote(rollout::promote::Promote),
    Abort(rollout::abort::Abort),
    Pause(rollout::pause::Pause),
    Resume(rollout::resume::Resume),
    Unlock(rollout::unlock::Unlock),
    Drain(instance::drain::Drain),
    Migrate(instance::migrate::Migrate),
    Scale(service::scale::Scale),
    Flag(settings::flag::Flag),
    Rules(settings::rules::Rules),
    Secret(settings::secret::Secret),
    Replay(replay::Replay),
    Certs(identity::certs::Certs),
    Completions(shell::completions::Completions),
    Down(region::down::Down),
    #[command(hide = true)]
    Supervise(process::supervise::Supervise),
    #[command(hide = true)]
    Exec(process::exec::Exec),
    #[command(hide = true)]
    Relay(process::relay::Relay),
    #[command(hide = true)]
    Probe(process::probe::Probe),
}

/// Reads the arguments, runs the command, prints its failure; returns the exit code.
pub fn main(args: impl IntoIterator<Item = OsString>) -> u8 {
    let args: Vec<OsString> = args.into_iter().collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, &args),
    };
    let printer = Printer::new(cli.global.output);
    match dispatch(cli, printer.clone()) {
        Ok(status) => status.exit_code(),
        Err(error) => {
            printer.failure(&error);
            error.status().exit_code()
        }
    }
}

/// Returns the definition of the whole command line, for help, completions and the reference.
#[must_use]
pub fn definition() -> clap::Command {
    Cli::command()
}

/// Help and version go to stdout with 0; what cannot be parsed is exit 3, since 2 means changes.
fn usage(error: &clap::Error, args: &[OsString]) -> u8 {
    if !error.use_stderr() {
        let _ = error.print(); // A closed stdout is the reader's choice.
        return Status::Done.exit_code();
    }
    let failure = CliError::new(Status::InvalidInput, error.render().to_string().trim_end());
    Printer::new(asked_output(args)).usage(&failure);
    failure.status().exit_code()
}

/// What was asked for as output by arguments that cannot be parsed as a whole.
fn asked_output(args: &[OsString]) -> Output {
    let words: Vec<&str> = args.iter().filter_map(|arg| arg.to_str()).collect();
    let follows =
        |word: &str| words.windows(2).any(|it| matches!(it[0], "-o" | "--output") && it[1] == word);
    let asked = |word: &str| follows(word) || words.contains(&format!("--output={word}").as_str());
    match (asked("json"), asked("jsonl")) {
        (true, _) => Output::Json,
        (_, true) => Output::Jsonl,
        _ => Output::Text,
    }
}

fn dispatch(cli: Cli, printer: Printer) -> Result<Status, CliError> {
    let context = Context::new(cli.global, printer);
    match cli.command {
        Command::Init(command) => command.run(&context),
        Command::Schema(_) => spec::schema::Schema::run(&context),
        Command::Doctor(_) => region::doctor::Doctor::run(&context),
        Command::Plan(command) => command.run(&context),
        Command::Diff(_) => spec::diff::Diff::run(&context),
        Command::Render(command) => command.run(&context),
        Command::Build(command) => command.run(&context),
        Command::Push(command) => command.run(&context),
        Command::Deploy(command) => command.run(&context),
        Command::Rollback(command) => command.run(&context),
        Command::Status(command) => command.run(&context),
        Command::Top(command) => command.run(&context),
        Command::History(_) => region::history::HistoryOf::run(&context),
        Command::Logs(command) => command.run(&context),
        Command::Promote(_) => rollout::promote::Promote::run(&context),
        Command::Abort(command) => command.run(&context),
        Command::Pause(_) => rollout::pause::Pause::run(&context),
        Command::Resume(_) => rollout::resume::Resume::run(&context),
        Command::Unlock(_) => rollout::unlock::Unlock::run(&context),
        Command::Drain(command) => command.run(&context),
        Command::Migrate(command) => command.run(&context),
        Command::Scale(command) => command.run(&context),
        Command::Flag(command) => command.run(&context),
        Command::Rules(command) => command.run(&context),
        Command::Secret(command) => command.run(&context),
        Command::Replay(command) => command.run(&context),
        Command::Certs(command) => command.run(&context),
        Command::Completions(command) => Ok(command.run(&context)),
        Command::Down(command) => command.run(&context),
        Command::Supervise(command) => command.run(&context),
        Command::Exec(command) => Err(command.run()),
        Command::Relay(command) => command.run(),
        Command::Probe(command) => command.run(&context),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_sound_down_to_the_last_subcommand() {
        super::definition().debug_assert();
    }
}
