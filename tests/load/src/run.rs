//! Starts the bots, waits for the end, adds up.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

use crate::bot::{Bot, Common};
use crate::cpu::{Cpu, CpuLog};
use crate::judge::Shared;
use crate::login::{Gateway, UrlError};
use crate::picture::{self, Panel};
use crate::replays::{self, ReplayReport};
use crate::window::{Mark, Window};
use crate::{Args, Report};

/// Bots have this long to say goodbye.
const GOODBYE_MAX: Duration = Duration::from_secs(15);
/// Between two looks at CPU times.
const CPU_PERIOD: Duration = Duration::from_secs(1);

/// Why there is no run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The address cannot be used.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The system refuses signals, a thread or timers.
    #[error("set up the bots' thread")]
    System(#[from] std::io::Error),
    /// A file that was asked for cannot be written.
    #[error("write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The bots' thread ended in a panic; what it said is on standard error.
    #[error("the bots' thread failed")]
    Failed,
}

/// A run that is over.
#[derive(Debug)]
pub struct Outcome {
    judge: Shared,
    cpu: CpuLog,
    players: u32,
    end_ms: u64,
    replays: Option<ReplayReport>,
}

impl Outcome {
    /// Returns the figures.
    #[must_use]
    pub fn report(&self) -> Report {
        let run = (self.players, self.end_ms);
        Report::new(&self.judge.lock(), &self.cpu, run, self.replays.clone())
    }

    /// Returns the gaps between frames over time as SVG, with windows and marks.
    #[must_use]
    pub fn picture(&self, title: &str) -> String {
        picture(&[(title, self)])
    }
}

/// Returns the gaps between frames of several runs as one picture (SVG), below each other.
#[must_use]
pub fn picture(runs: &[(&str, &Outcome)]) -> String {
    let panel = |(title, it): &(&str, &Outcome)| Panel::new(title, &it.judge.lock(), it.end_ms);
    picture::draw(&runs.iter().map(panel).collect::<Vec<_>>())
}

/// Writes a report or a picture.
///
/// # Errors
/// [`RunError::Write`].
pub fn write(path: &Path, text: &str) -> Result<(), RunError> {
    std::fs::write(path, text).map_err(|source| RunError::Write { path: path.to_owned(), source })
}

/// Plays until the time is over or a signal comes.
///
/// # Errors
/// [`RunError`]; a gateway that is away is none, it is tried again.
pub async fn run(args: &Args) -> Result<Outcome, RunError> {
    let gateway = Gateway::parse(&args.url)?;
    let (stop, stopped) = watch::channel(false);
    let play = play(args, gateway, Shared::new(), stopped);
    let end = async {
        until_the_end(args.seconds).await?;
        stop.send_replace(true);
        Ok(())
    };
    Ok(tokio::try_join!(play, end)?.0)
}

/// Bots on a thread of their own, for programs that do something else meanwhile. Dropped, it stops them.
#[derive(Debug)]
pub struct Run {
    judge: Shared,
    stop: watch::Sender<bool>,
    thread: JoinHandle<Result<Outcome, RunError>>,
}

impl Run {
    /// Starts the bots; they play until [`Run::finish`], whatever `args.seconds` says.
    ///
    /// # Errors
    /// [`RunError::Url`] and [`RunError::System`].
    pub fn start(args: Args) -> Result<Self, RunError> {
        let gateway = Gateway::parse(&args.url)?;
        let (stop, stopped) = watch::channel(false);
        let judge = Shared::new();
        let shared = judge.clone();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new()
            .name("bots".to_owned())
            .spawn(move || runtime.block_on(play(&args, gateway, shared, stopped)))?;
        Ok(Self { judge, stop, thread })
    }

    /// Returns how many bots are in a match now.
    #[must_use]
    pub fn playing(&self) -> u32 {
        self.judge.lock().playing
    }

    /// Begins a window of this name now.
    pub fn begin(&self, name: &str) {
        let now_ms = self.judge.now_ms();
        self.judge.lock().add_window(Window::begun(name, now_ms));
    }

    /// Ends the window of this name now.
    pub fn end(&self, name: &str) {
        let now_ms = self.judge.now_ms();
        self.judge.lock().end_window(name, now_ms);
    }

    /// Marks this moment.
    pub fn mark(&self, text: impl Into<String>) {
        let mark = Mark { at_ms: self.judge.now_ms(), text: text.into() };
        self.judge.lock().add_mark(mark);
    }

    /// Stops the bots, looks at the replays if `args` named a folder, and returns what came out. Takes until the
    /// replays are stored; it blocks meanwhile.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn finish(self) -> Result<Outcome, RunError> {
        self.stop.send_replace(true);
        self.thread.join().map_err(|_| RunError::Failed)?
    }
}

async fn play(
    args: &Args,
    gateway: Gateway,
    judge: Shared,
    stopped: watch::Receiver<bool>,
) -> Result<Outcome, RunError> {
    let common = Common {
        gateway,
        mode: args.mode.clone(),
        seed: args.seed,
        judge: judge.clone(),
        keeps_diaries: args.replays.is_some(),
        stopped: stopped.clone(),
    };
    args.windows.iter().for_each(|it| judge.lock().add_window(it.clone()));
    let mut bots = JoinSet::new();
    for index in 0..args.players {
        let delay = Duration::from_secs_f64(f64::from(index) / f64::from(args.ramp.max(1)));
        bots.spawn(Bot::new(common.clone(), index).run(delay));
    }
    let mut log = CpuLog::default();
    sample_until(stopped, &judge, (&mut Cpu::new(args.state.as_deref()), &mut log)).await;
    let end_ms = judge.now_ms();
    goodbye(&mut bots, &judge).await;
    let mut replays = None;
    if let Some(folder) = &args.replays {
        replays::stored(folder, &judge).await;
        replays = Some(replays::check(folder, &judge.lock()));
    }
    Ok(Outcome { judge, cpu: log, players: args.players, end_ms, replays })
}

/// Looks at CPU times until the bots are to stop.
async fn sample_until(
    mut stopped: watch::Receiver<bool>,
    judge: &Shared,
    (cpu, log): (&mut Cpu, &mut CpuLog),
) {
    let mut looks = interval(CPU_PERIOD);
    looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let stopped = async move {
        // An error means that nobody can say so any more: the run is over.
        let _ = stopped.wait_for(|it| *it).await;
    };
    tokio::pin!(stopped);
    loop {
        tokio::select! {
            _ = looks.tick() => cpu.sample(log, judge.now_ms()),
            () = &mut stopped => break,
        }
    }
    cpu.sample(log, judge.now_ms());
}

/// Waits for the bots to leave.
async fn goodbye(bots: &mut JoinSet<()>, judge: &Shared) {
    let end = Instant::now() + GOODBYE_MAX;
    loop {
        tokio::select! {
            bot = bots.join_next() => match bot {
                Some(Ok(())) => {}
                Some(Err(error)) => judge.fail("BotFailed".to_owned(), &error.to_string()),
                None => return,
            },
            () = sleep_until(end) => {
                let late = bots.len();
                return judge.fail("BotLate".to_owned(), &format!("{late} bots did not stop in time"));
            }
        }
    }
}

async fn until_the_end(seconds: Option<u64>) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let time = async {
        match seconds {
            Some(seconds) => sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = time => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[tokio::test]
    async fn an_address_that_is_none_ends_a_run_before_it_begins() {
        let args = Args::parse_from(["arena-load", "--url", "127.0.0.1:8080"]);
        let text = run(&args).await.unwrap_err().to_string();
        assert!(text.contains("http://HOST:PORT"), "{text}");
        assert!(matches!(Run::start(args), Err(RunError::Url(_))));
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let error = write(Path::new("/nowhere/report.json"), "").unwrap_err();
        assert_eq!(error.to_string(), "write `/nowhere/report.json`");
    }

    /// A bot that cannot connect waits between its tries, unless nobody is left to say stop.
    #[tokio::test]
    async fn a_bot_whose_run_was_dropped_does_not_try_on() {
        let (stop, stopped) = watch::channel(false);
        let common = Common {
            gateway: Gateway::parse("http://127.0.0.1:1").unwrap(),
            mode: "arena".to_owned(),
            seed: 1,
            judge: Shared::new(),
            keeps_diaries: false,
            stopped,
        };
        let mut bots = JoinSet::new();
        bots.spawn(Bot::new(common, 0).run(Duration::ZERO));
        tokio::task::yield_now().await;
        drop(stop);
        bots.join_next().await.unwrap().unwrap();
    }
}
