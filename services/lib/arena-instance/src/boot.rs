//! From a bare process to an instance: settings, log, sockets, identity, side port.

use std::error::Error;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use arena_env::{EnvError, HostPort, Process, Reader, SecretError, Source};
use arena_mesh::{MaterialError, SpiffeId};
use arena_store::Stores;
use arena_telemetry::{Metrics, logs};
use tokio::signal::unix::{SignalKind, signal};

use crate::early::{Addrs, Early};
use crate::lifecycle::Event;
use crate::{Instance, Program, Settings, SocketError, Sockets, Threads, health};

/// Exit code of wrong settings, the same as arenactl's.
const EXIT_SETTINGS: u8 = 3;
/// Exit code of everything else.
const EXIT_FAILED: u8 = 1;
/// A thread that still waits for the system, for example for a name server, is left behind after
/// this: whatever must be written was waited for before.
const BLOCKED_MAX: Duration = Duration::from_secs(2);

/// Why an instance does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Variables are missing or wrong.
    #[error(transparent)]
    Environment(#[from] EnvError),
    /// The log cannot be started.
    #[error(transparent)]
    Log(#[from] logs::LogError),
    /// A socket is not there.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The address others reach this instance at is not known.
    #[error("tell others about {bound}: set ARENA_ADVERTISE_IP to this instance's own address")]
    Unadvertised {
        /// The address that means "all".
        bound: SocketAddr,
    },
    /// The store, towards which the own address is looked for, is nowhere.
    #[error(
        "find a way to the store at {store} in {} s; check ARENA_STORE_ADDR, or set ARENA_ADVERTISE_IP",
        waited.as_secs()
    )]
    NoRoute {
        /// `ARENA_STORE_ADDR`.
        store: HostPort,
        /// How long it was waited for.
        waited: Duration,
        /// What the system says.
        source: std::io::Error,
    },
    /// There is no folder for files.
    #[error(
        "make the data folder `{}`; set ARENA_DATA_DIR to one below a volume that this user may write to",
        folder.display()
    )]
    DataDir {
        /// `ARENA_DATA_DIR`.
        folder: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A secret is missing or wrong.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The certificate, its key or the roots are missing or wrong.
    #[error("load the identity in `{folder}`; `arenactl certs` issues it")]
    Identity {
        /// `ARENA_IDENTITY_DIR`.
        folder: String,
        /// What is wrong.
        source: MaterialError,
    },
    /// The certificate is another instance's.
    #[error(
        "start as `{expected}` with the certificate of `{found}`; `arenactl certs` issues the right one"
    )]
    OtherIdentity {
        /// What the environment says.
        expected: String,
        /// What the certificate says.
        found: SpiffeId,
    },
    /// The system refused something.
    #[error("{doing}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// What this needs was not declared in [`Program::needs`], so it may be unset.
    #[error("use {what}: the program does not declare that it needs it")]
    Undeclared {
        /// The variable.
        what: &'static str,
    },
}

/// An instance without stores yet. The side port answers already; `/readyz` says 503.
#[derive(Debug)]
pub struct Boot {
    pub(crate) early: Early,
    pub(crate) addrs: Addrs,
}

impl Boot {
    /// Loads identity and secrets and opens the side port.
    ///
    /// # Errors
    /// [`StartError`], also if a port listens on all addresses and none is advertised.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(
        program: Program,
        settings: Settings,
        sockets: Sockets,
    ) -> Result<Self, StartError> {
        Early::start(program, settings, sockets)?.finish(None)
    }

    /// Returns what the environment said.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.early.settings
    }

    /// Returns the registry of metrics.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.early.metrics
    }

    /// Goes on with the service `store`. It is not waited for: calls fail until it answers.
    ///
    /// # Errors
    /// [`StartError::Undeclared`] without [`crate::Need::Store`].
    pub fn connect(self) -> Result<Instance, StartError> {
        let what = "ARENA_STORE_ADDR";
        let addr =
            self.early.settings.store_addr.as_ref().ok_or(StartError::Undeclared { what })?;
        let channel = crate::instance::store_channel(&self.early.identity, addr);
        Ok(self.with_stores(arena_store_remote::connect(channel)))
    }

    /// Goes on with given stores: the service `store` itself, and tests.
    #[must_use]
    pub fn with_stores(self, stores: Stores) -> Instance {
        Instance::start(self, stores)
    }
}

/// Runs a service from `main`: reads the environment, starts the log, opens the sockets, then
/// `serve`s until it returns.
///
/// With the argument `healthcheck` it asks the instance that the same environment describes whether it
/// is healthy instead ([`crate::check_health`]), prints one line and exits with 0 or 1.
///
/// All mistakes of the environment, those of the service's own settings in `read` included, are
/// printed at once (exit 3); any other failure is printed with its causes (exit 1).
pub fn main<T, F, E>(
    program: Program,
    read: impl FnOnce(&mut Reader<'_>) -> Option<T>,
    serve: impl FnOnce(Boot, T) -> F,
) -> ExitCode
where
    F: Future<Output = Result<(), E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    if let Some(code) = health::asked(std::env::args_os().nth(1).as_deref()) {
        return code;
    }
    let (settings, own) = match prepare(&program, &Process, read) {
        Ok(prepared) => prepared,
        Err(error) => return fail(program.name, EXIT_SETTINGS, &error),
    };
    let runtime = match runtime(program.threads) {
        Ok(runtime) => runtime,
        Err(error) => return fail(program.name, EXIT_FAILED, &error),
    };
    let served = runtime.block_on(async {
        let sockets = Sockets::open(&settings, &Process).map_err(StartError::from)?;
        let early = Early::start(program, settings, sockets)?;
        let doing = "listen to signals";
        watch_signals(&early).map_err(|source| StartError::System { doing, source })?;
        let Some(boot) = early.reachable().await? else { return Ok(()) };
        serve(boot, own).await.map_err(Into::into)
    });
    runtime.shutdown_timeout(BLOCKED_MAX);
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let error: Box<dyn Error> = error;
            fail(program.name, EXIT_FAILED, &*error)
        }
    }
}

fn prepare<T>(
    program: &Program,
    environment: &dyn Source,
    read: impl FnOnce(&mut Reader<'_>) -> Option<T>,
) -> Result<(Settings, T), StartError> {
    let mut reader = Reader::new(environment);
    let settings = Settings::read(program, &mut reader);
    let own = read(&mut reader);
    let undeclared = reader.undeclared();
    let (settings, own) = reader.finish(|| Some((settings?, own?)))?;
    logs::start(&settings.log, settings.log_format, &settings.origin())?;
    for name in undeclared {
        tracing::warn!(
            name,
            "no service reads this variable; docs/settings.md lists those that are"
        );
    }
    Ok((settings, own))
}

fn runtime(threads: Threads) -> Result<tokio::runtime::Runtime, StartError> {
    let mut builder = match threads {
        Threads::One => tokio::runtime::Builder::new_current_thread(),
        Threads::Cores => tokio::runtime::Builder::new_multi_thread(),
    };
    let doing = "start the runtime";
    builder.enable_all().build().map_err(|source| StartError::System { doing, source })
}

/// SIGTERM and SIGINT drain; another one stops now.
fn watch_signals(early: &Early) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (control, deadline) = (early.control.clone(), early.settings.drain_deadline);
    tokio::spawn(async move {
        loop {
            let signal = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            tracing::info!(signal, "asked to exit");
            control.apply(Event::Sigterm(deadline)).await;
        }
    });
    Ok(())
}

/// Prints a failure and its causes: before the log starts there is only stderr.
fn fail(name: &str, code: u8, error: &dyn Error) -> ExitCode {
    let mut text = format!("{name}: failed to {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        text += "\n  because: ";
        text += &cause.to_string();
        source = cause.source();
    }
    tracing::error!(error = text, "cannot go on");
    text.push('\n');
    let _ = std::io::stderr().write_all(text.as_bytes()); // nowhere left to say so
    ExitCode::from(code)
}
