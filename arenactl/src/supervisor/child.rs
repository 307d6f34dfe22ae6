//! Starts the instance's program with its sockets, and never outlives its supervisor's wish.

use std::ffi::OsString;
use std::io::{self, PipeWriter};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use command_fds::{CommandFdExt as _, FdMapping};
use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use super::launch::Launch;
use super::sockets::BoundSocket;

/// First descriptor of the protocol: `sd_listen_fds(3)`, `SD_LISTEN_FDS_START`.
const LISTEN_FDS_START: i32 = 3;

/// Starts the program through `arenactl exec`; its output goes to `output`.
pub(super) fn start(
    launch: &Launch,
    sockets: &[BoundSocket],
    output: &PipeWriter,
) -> io::Result<tokio::process::Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("exec").arg(std::process::id().to_string()).arg("--").arg(&launch.program);
    command.args(&launch.args);
    command.env_clear().envs(&launch.env).envs(socket_variables(sockets));
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output.try_clone()?);
    let mut mappings = Vec::new();
    for (child_fd, socket) in (LISTEN_FDS_START..).zip(sockets) {
        mappings.push(FdMapping { parent_fd: socket.as_fd().try_clone_to_owned()?, child_fd });
    }
    command.fd_mappings(mappings).map_err(io::Error::other)?;
    let mut command = tokio::process::Command::from(command);
    command.kill_on_drop(false).spawn()
}

/// `sd_listen_fds(3)`; the addresses too, so that a program that binds by itself finds its own.
fn socket_variables(sockets: &[BoundSocket]) -> Vec<(String, String)> {
    let names: Vec<&str> = sockets.iter().map(|socket| socket.name.as_str()).collect();
    let mut variables = vec![
        ("LISTEN_FDS".to_owned(), sockets.len().to_string()),
        ("LISTEN_FDNAMES".to_owned(), names.join(":")),
    ];
    for socket in sockets {
        let name = format!("ARENA_{}_ADDR", socket.name.to_uppercase());
        variables.push((name, socket.address.to_string()));
    }
    variables
}

/// Becomes `program`: the second half of `start`, in the child.
///
/// The kernel sends this process `SIGTERM` when its supervisor dies, so a killed supervisor leaves an
/// instance that drains, not one that nobody owns. `LISTEN_PID` is set here because only the child
/// knows its pid.
///
/// # Errors
/// Returns only if the program cannot be started.
#[must_use]
pub fn exec(supervisor: u32, program: &[OsString]) -> io::Error {
    if let Err(error) = set_parent_process_death_signal(Some(Signal::TERM)) {
        return error.into();
    }
    let parent = getppid().map(|pid| pid.as_raw_nonzero().get());
    if parent.and_then(|pid| u32::try_from(pid).ok()) != Some(supervisor) {
        return io::Error::other("the supervisor is gone");
    }
    let Some((name, args)) = program.split_first() else {
        return io::Error::other("no program given");
    };
    Command::new(name).args(args).env("LISTEN_PID", std::process::id().to_string()).exec()
}

/// Returns both ends of the pipe that carries a child's output.
pub(super) fn output_pipe() -> io::Result<(tokio::net::unix::pipe::Receiver, PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    let reader = tokio::net::unix::pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?;
    Ok((reader, writer))
}
