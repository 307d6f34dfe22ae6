//! From a bare process to an instance: settings, log, sockets, identity, side port.

use std::error::Error;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::ExitCode;
use std::sync::Arc;

use arena_env::{EnvError, Process, Reader, SecretError, SecretsDir, Source};
use arena_mesh::{Identity, MaterialError, SpiffeId};
use arena_store::Stores;
use arena_telemetry::{Metrics, logs, names};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::control::Control;
use crate::lifecycle::Event;
use crate::side::Side;
use crate::{Instance, Program, Settings, SocketError, Sockets, Threads};

/// Exit code of wrong settings, the same as arenactl's.
const EXIT_SETTINGS: u8 = 3;
/// Exit code of everything else.
const EXIT_FAILED: u8 = 1;
/// Name of the secret that authorises a drain, in `ARENA_SECRETS_DIR`.
const DRAIN_TOKEN: &str = "drain_token";

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
    pub(crate) program: Program,
    pub(crate) settings: Arc<Settings>,
    pub(crate) secrets: SecretsDir,
    pub(crate) identity: Identity,
    pub(crate) metrics: Metrics,
    pub(crate) control: Control,
    pub(crate) capacity: watch::Sender<u32>,
    pub(crate) mesh: UdpSocket,
    pub(crate) public: Option<TcpListener>,
    pub(crate) addrs: Addrs,
}

/// The addresses others reach an instance at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addrs {
    pub(crate) side: SocketAddr,
    pub(crate) mesh: SocketAddr,
    pub(crate) public: Option<SocketAddr>,
}

impl Boot {
    /// Loads identity and secrets and opens the side port.
    ///
    /// # Errors
    /// [`StartError`].
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(
        program: Program,
        settings: Settings,
        sockets: Sockets,
    ) -> Result<Self, StartError> {
        let settings = Arc::new(settings);
        let addrs = advertise(&settings, &sockets)?;
        let secrets = SecretsDir::new(&settings.secrets_dir);
        let token = secrets.read(DRAIN_TOKEN)?;
        let identity = identity(&settings)?;
        let metrics = Metrics::new();
        let logs::Origin { service, instance, release, region } = settings.origin();
        let series = [&service, &instance, &release, &region].map(String::as_str);
        let info = metrics.gauges(&names::INSTANCE_INFO);
        info.get_or_create(&names::INSTANCE_INFO.series(series)).set(1);
        let control = Control::start(&metrics);
        let capacity = watch::Sender::new(0);
        let side = Side {
            settings: settings.clone(),
            control: control.clone(),
            metrics: metrics.clone(),
            token,
            schema: program.schema,
            capacity: capacity.subscribe(),
        };
        let doing = "serve the side port";
        side.serve(sockets.side).map_err(|source| StartError::System { doing, source })?;
        let Sockets { mesh, public, .. } = sockets;
        Ok(Self {
            program,
            settings,
            secrets,
            identity,
            metrics,
            control,
            capacity,
            mesh,
            public,
            addrs,
        })
    }

    /// Returns what the environment said.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the registry of metrics.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Goes on with the service `store`. It is not waited for: calls fail until it answers.
    ///
    /// # Errors
    /// [`StartError::Undeclared`] without [`crate::Need::Store`].
    pub fn connect(self) -> Result<Instance, StartError> {
        let what = "ARENA_STORE_ADDR";
        let addr = self.settings.store_addr.ok_or(StartError::Undeclared { what })?;
        let channel = crate::instance::store_channel(&self.identity, addr);
        Ok(self.with_stores(arena_store_remote::connect(channel)))
    }

    /// Goes on with given stores: the service `store` itself, and tests.
    #[must_use]
    pub fn with_stores(self, stores: Stores) -> Instance {
        Instance::start(self, stores)
    }
}

fn advertise(settings: &Settings, sockets: &Sockets) -> Result<Addrs, StartError> {
    let own = |bound: std::io::Result<SocketAddr>| {
        let doing = "read the address of a socket";
        let bound = bound.map_err(|source| StartError::System { doing, source })?;
        settings.advertised(bound).ok_or(StartError::Unadvertised { bound })
    };
    Ok(Addrs {
        side: own(sockets.side.local_addr())?,
        mesh: own(sockets.mesh.local_addr())?,
        public: sockets.public.as_ref().map(|it| own(it.local_addr())).transpose()?,
    })
}

fn identity(settings: &Settings) -> Result<Identity, StartError> {
    let Settings { cluster, service, instance, identity_dir, .. } = settings;
    let identity = Identity::watch_dir(identity_dir).map_err(|source| StartError::Identity {
        folder: identity_dir.display().to_string(),
        source,
    })?;
    let expected = format!("spiffe://{cluster}/{service}/{instance}");
    let found = identity.id();
    if found.as_str() == expected {
        Ok(identity)
    } else {
        Err(StartError::OtherIdentity { expected, found })
    }
}

/// Runs a service from `main`: reads the environment, starts the log, opens the sockets, then
/// `serve`s until it returns.
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
        let boot = Boot::start(program, settings, sockets)?;
        let doing = "listen to signals";
        watch_signals(&boot).map_err(|source| StartError::System { doing, source })?;
        serve(boot, own).await.map_err(Into::into)
    });
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
fn watch_signals(boot: &Boot) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (control, deadline) = (boot.control.clone(), boot.settings.drain_deadline);
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
