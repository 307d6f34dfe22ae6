//! Starts the bots, waits for the end, adds up.

use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::bot::Bot;
use crate::login::{Gateway, UrlError};
use crate::report::Tally;
use crate::{Args, Report};

/// Bots have this long to say goodbye.
const GOODBYE_MAX: Duration = Duration::from_secs(15);

/// Why there is no run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The address cannot be used.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The system refuses signals.
    #[error("listen to signals")]
    Signals(#[from] std::io::Error),
}

/// Plays until the time is over or a signal comes.
///
/// # Errors
/// [`RunError`]; a gateway that is away is none, it is tried again.
pub async fn run(args: &Args) -> Result<Report, RunError> {
    let gateway = Gateway::parse(&args.url)?;
    let (stop, stopped) = watch::channel(false);
    let start = Instant::now();
    let mut bots = JoinSet::new();
    for index in 0..args.players {
        let delay = Duration::from_secs_f64(f64::from(index) / f64::from(args.ramp.max(1)));
        let bot = Bot::new(gateway.clone(), args.mode.clone(), (args.seed, index), stopped.clone());
        bots.spawn(bot.run(delay));
    }
    until_the_end(args.seconds).await?;
    stop.send_replace(true);
    let mut tally = Tally::default();
    let collect = async {
        while let Some(bot) = bots.join_next().await {
            match bot {
                Ok(it) => tally.add(&it),
                Err(_) => Tally::count(&mut tally.protocol_errors, "bots that failed"),
            }
        }
    };
    let late = tokio::time::timeout(GOODBYE_MAX, collect).await.is_err();
    if late {
        Tally::count(&mut tally.protocol_errors, "bots that did not stop in time");
    }
    Ok(Report::new(args.players, start.elapsed().as_secs_f64(), &tally))
}

async fn until_the_end(seconds: Option<u64>) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let time = async {
        match seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
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
