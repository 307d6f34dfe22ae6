//! The supervisor's loop: the only place here that waits.

use std::fs::{self, File};
use std::io::{self, PipeWriter};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use tokio::net::unix::pipe::Receiver;
use tokio::net::{UnixListener, UnixStream};
use tokio::process::Child;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::control::{self, CONTROL_FILE, Request};
use super::identity::{self, IdentityError};
use super::launch::{LAUNCH_FILE, Launch};
use super::log_files::LogFiles;
use super::report::{Exit, Phase, Report};
use super::restart::Restarts;
use super::sockets::{self, BoundSocket, SocketError};
use super::{child, launch, lease};
use crate::durable::{self, FileError};
use crate::process::ProcessId;

/// Read size of a child's output.
const OUTPUT_BYTES: usize = 16 * 1024;
/// After the second stop request a child gets this long before it is killed.
const STOP_NOW_GRACE: Duration = Duration::from_secs(5);
/// A certificate that could not be renewed is tried again after this; half its life is left then.
const RENEW_RETRY: Duration = Duration::from_secs(30);

/// Why a supervisor could not run.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    /// A file of the instance could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is no `launch.json`.
    #[error("`{}` holds no launch.json", folder.display())]
    NoLaunch {
        /// The folder given.
        folder: PathBuf,
    },
    /// A socket could not be had.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The certificate could not be issued.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The system refused a pipe, a signal handler or the control socket.
    #[error("cannot supervise `{}`", folder.display())]
    System {
        /// The instance's folder.
        folder: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// Supervises the instance of `folder` until it is stopped.
///
/// # Errors
/// [`SuperviseError`], after it was written to `state.json`.
pub async fn supervise(folder: &Path) -> Result<(), SuperviseError> {
    // Fails only if this process leads a group already, as under a debugger; then nothing is lost.
    let _ = rustix::process::setsid();
    let mut report = Report::starting();
    report.write(folder)?;
    let outcome = match Supervisor::prepare(folder, &mut report) {
        Ok(supervisor) => supervisor.run(&mut report).await,
        Err(error) => Err(error),
    };
    if let Err(error) = &outcome {
        report.phase = Phase::Failed;
        report.error = Some(chain(error));
        report.write(folder)?;
    }
    outcome
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// What wakes the loop.
enum Wake {
    Exit(io::Result<ExitStatus>),
    Output(usize),
    Signal,
    Request(UnixStream),
    Timer(Timer),
    LeaseEnded(String),
}

/// What a passed deadline is for.
#[derive(Clone, Copy)]
enum Timer {
    Restart,
    Kill,
    Renew,
}

/// Deadlines that are set; `None` never wakes the loop.
#[derive(Default)]
struct Timers {
    restart: Option<Instant>,
    kill: Option<Instant>,
    renew: Option<Instant>,
}

struct Supervisor {
    folder: PathBuf,
    launch: Launch,
    sockets: Vec<BoundSocket>,
    control: UnixListener,
    output: (Receiver, PipeWriter),
    log: LogFiles,
    signals: [Signal; 2],
    child: Option<(Child, Instant)>,
    restarts: Restarts,
    began: Instant,
    stop_requests: u32,
    timers: Timers,
    lease: Option<JoinHandle<String>>,
}

impl Supervisor {
    fn prepare(folder: &Path, report: &mut Report) -> Result<Self, SuperviseError> {
        let no_launch = || SuperviseError::NoLaunch { folder: folder.to_path_buf() };
        let launch: Launch =
            durable::read_json(&folder.join(LAUNCH_FILE))?.ok_or_else(no_launch)?;
        let mut timers = Timers::default();
        if let Some(plan) = &launch.identity {
            timers.renew = Some(Instant::now() + identity::issue(plan)?);
        }
        let sockets = sockets::open(&launch.sockets)?;
        report.addresses =
            sockets.iter().map(|socket| (socket.name.clone(), socket.address)).collect();
        let system = |source| SuperviseError::System { folder: folder.to_path_buf(), source };
        Ok(Self {
            control: listen(folder).map_err(system)?,
            output: child::output_pipe().map_err(system)?,
            log: LogFiles::new(launch::log_folder(folder), launch.log),
            signals: [
                signal(SignalKind::terminate()).map_err(system)?,
                signal(SignalKind::interrupt()).map_err(system)?,
            ],
            folder: folder.to_path_buf(),
            restarts: Restarts::new(launch.restart),
            launch,
            sockets,
            child: None,
            began: Instant::now(),
            stop_requests: 0,
            timers,
            lease: None,
        })
    }

    async fn run(mut self, report: &mut Report) -> Result<(), SuperviseError> {
        self.start(report)?;
        let mut buffer = vec![0; OUTPUT_BYTES];
        loop {
            match self.wake(&mut buffer).await {
                Wake::Output(count) => self.log.append(&buffer[..count]),
                Wake::Exit(status) => self.on_exit(status, report)?,
                Wake::Signal => self.stop(report)?,
                Wake::Request(stream) => self.on_request(stream, report)?,
                Wake::Timer(Timer::Restart) => {
                    report.restarts += 1;
                    self.start(report)?;
                }
                Wake::Timer(Timer::Kill) => self.kill(),
                Wake::Timer(Timer::Renew) => self.renew(),
                Wake::LeaseEnded(line) => self.note(&line),
            }
            if self.stop_requests > 0 && self.child.is_none() {
                if let Some(line) = self.lease.take() {
                    self.note(&line.await.unwrap_or_default());
                }
                report.phase = Phase::Stopped;
                report.write(&self.folder)?;
                return Ok(());
            }
        }
    }

    /// Output comes before the exit, so that a child's last words are in the log when it is reported.
    async fn wake(&mut self, buffer: &mut [u8]) -> Wake {
        let [terminate, interrupt] = &mut self.signals;
        let timers = &self.timers;
        tokio::select! {
            biased;
            count = read_output(&self.output.0, buffer) => Wake::Output(count),
            status = wait(&mut self.child) => Wake::Exit(status),
            _ = terminate.recv() => Wake::Signal,
            _ = interrupt.recv() => Wake::Signal,
            stream = accept(&self.control) => Wake::Request(stream),
            line = ended(&mut self.lease) => Wake::LeaseEnded(line),
            () = at(timers.restart) => Wake::Timer(Timer::Restart),
            () = at(timers.kill) => Wake::Timer(Timer::Kill),
            () = at(timers.renew) => Wake::Timer(Timer::Renew),
        }
    }

    fn start(&mut self, report: &mut Report) -> Result<(), SuperviseError> {
        self.timers.restart = None;
        match child::start(&self.launch, &self.sockets, &self.output.1) {
            Ok(child) => {
                report.child = child.id().and_then(ProcessId::of);
                report.phase = Phase::Running;
                self.child = Some((child, Instant::now()));
                Ok(report.write(&self.folder)?)
            }
            Err(error) => {
                self.note(&format!("cannot start: {error}"));
                self.back_off(Exit { code: None, signal: None, uptime_ms: 0 }, report)
            }
        }
    }

    fn on_exit(
        &mut self,
        status: io::Result<ExitStatus>,
        report: &mut Report,
    ) -> Result<(), SuperviseError> {
        let started = self.child.take().map_or_else(Instant::now, |(_, started)| started);
        let status = status.ok();
        let exit = Exit {
            code: status.and_then(|status| status.code()),
            signal: status.and_then(|status| status.signal()),
            uptime_ms: started.elapsed().as_millis() as u64,
        };
        report.child = None;
        self.timers.kill = None;
        // A child that ends well ends its lease itself.
        if exit.code != Some(0) {
            self.note(&format!("it ended: {exit}"));
            self.lease = lease::end(&self.launch);
        }
        self.back_off(exit, report)
    }

    /// Writes a line of the supervisor's own between those of its child.
    fn note(&mut self, line: &str) {
        if !line.is_empty() {
            self.log.append(format!("arenactl: {line}\n").as_bytes());
        }
    }

    fn back_off(&mut self, exit: Exit, report: &mut Report) -> Result<(), SuperviseError> {
        let delay =
            self.restarts.on_exit(self.began.elapsed(), Duration::from_millis(exit.uptime_ms));
        report.last_exit = Some(exit);
        report.crash_looping = self.restarts.is_crash_loop();
        report.phase = Phase::BackingOff;
        if self.stop_requests == 0 {
            self.timers.restart = Some(Instant::now() + delay);
        }
        Ok(report.write(&self.folder)?)
    }

    /// The first request drains, every later one stops at once: the contract of an instance.
    fn stop(&mut self, report: &mut Report) -> Result<(), SuperviseError> {
        self.stop_requests += 1;
        self.timers.restart = None;
        let pid = self.child.as_ref().and_then(|(child, _)| child.id());
        if let Some(child) = pid.and_then(ProcessId::of) {
            let _ = child.signal(rustix::process::Signal::TERM); // It may have exited just now.
        }
        if self.stop_requests > 1 {
            self.timers.kill.get_or_insert(Instant::now() + STOP_NOW_GRACE);
        }
        report.phase = Phase::Stopping;
        Ok(report.write(&self.folder)?)
    }

    fn kill(&mut self) {
        self.timers.kill = None;
        if let Some((child, _)) = &mut self.child {
            let _ = child.start_kill(); // It may have exited just now.
        }
    }

    fn renew(&mut self) {
        let Some(plan) = &self.launch.identity else { return };
        let next = identity::issue(plan).unwrap_or_else(|error| {
            self.log.append(
                format!("arenactl: certificate not renewed: {}\n", chain(&error)).as_bytes(),
            );
            RENEW_RETRY
        });
        self.timers.renew = Some(Instant::now() + next);
    }

    fn on_request(
        &mut self,
        stream: UnixStream,
        report: &mut Report,
    ) -> Result<(), SuperviseError> {
        // A peer that goes away in the middle has lost nothing but its own answer.
        let Ok(stream) = stream.into_std() else { return Ok(()) };
        let Ok(request) = control::read_request(&stream) else { return Ok(()) };
        let mut shared = Vec::new();
        match &request {
            Request::Take { names } => shared = self.named(names),
            Request::Stop { kill_after_ms } => {
                if self.stop_requests == 0 {
                    self.stop(report)?;
                }
                if let Some(ms) = kill_after_ms {
                    let kill = Instant::now() + Duration::from_millis(*ms);
                    self.timers.kill = Some(self.timers.kill.map_or(kill, |set| set.min(kill)));
                }
            }
        }
        let _ = control::answer(&stream, &shared);
        Ok(())
    }

    fn named(&self, names: &[String]) -> Vec<(&str, std::os::fd::BorrowedFd<'_>)> {
        let wanted = self.sockets.iter().filter(|socket| names.contains(&socket.name));
        wanted.map(|socket| (socket.name.as_str(), socket.as_fd())).collect()
    }
}

fn listen(folder: &Path) -> io::Result<UnixListener> {
    let _ = fs::remove_file(folder.join(CONTROL_FILE)); // Left by a supervisor that was killed.
    let folder = File::open(folder)?;
    UnixListener::bind(control::short_path(&folder))
}

async fn read_output(output: &Receiver, buffer: &mut [u8]) -> usize {
    loop {
        if output.readable().await.is_err() {
            return std::future::pending().await;
        }
        match output.try_read(buffer) {
            // This process holds a writer too, so zero bytes never mean the end.
            Ok(count) if count > 0 => return count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            _ => return std::future::pending().await,
        }
    }
}

async fn wait(child: &mut Option<(Child, Instant)>) -> io::Result<ExitStatus> {
    match child {
        Some((child, _)) => child.wait().await,
        None => std::future::pending().await,
    }
}

async fn ended(lease: &mut Option<JoinHandle<String>>) -> String {
    let Some(task) = lease else { return std::future::pending().await };
    let line = task.await.unwrap_or_default();
    *lease = None;
    line
}

async fn accept(control: &UnixListener) -> UnixStream {
    match control.accept().await {
        Ok((stream, _)) => stream,
        // Out of descriptors: the loop must not spin on it; the next restart frees them.
        Err(_) => std::future::pending().await,
    }
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
