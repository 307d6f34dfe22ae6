//! A supervisor's control socket: `control.sock` in the instance's folder.
//!
//! One JSON line each way per connection; the answer to `take` carries descriptors (`SCM_RIGHTS`).
//! Only the owner of the folder (mode 0700) can reach it.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

/// File name of the socket.
pub(super) const CONTROL_FILE: &str = "control.sock";
/// A peer on this machine that does not answer within this is stuck.
const PEER_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest line either side sends.
const LINE_BYTES_MAX: usize = 4096;
/// Most sockets of one instance: side, mesh, public, and one to spare.
const SOCKET_COUNT_MAX: usize = 4;

/// What a supervisor can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Share the sockets of these names; both supervisors hold them from then on.
    Take {
        /// Socket names.
        names: Vec<String>,
    },
    /// Let the child drain, and exit when it has; asking again is harmless.
    Stop {
        /// Kill a child that has not exited by then. `None` where it may still hold players.
        kill_after_ms: Option<u64>,
    },
}

/// A supervisor's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    /// Names of the descriptors that come with it, in order.
    pub(super) names: Vec<String>,
}

/// Tells the supervisor of an instance's folder to stop its child.
///
/// # Errors
/// Plain I/O; `NotFound` or `ConnectionRefused` if there is no supervisor.
pub fn stop(instance: &Path, request: &Request) -> io::Result<()> {
    let stream = connect(instance)?;
    send_line(&stream, request, &[])?;
    receive(&stream).map(drop)
}

/// Takes the sockets of these names over from the supervisor of an instance's folder.
///
/// # Errors
/// Plain I/O; fewer sockets than names are `NotFound`.
pub(super) fn take(instance: &Path, names: &[String]) -> io::Result<Vec<OwnedFd>> {
    let stream = connect(instance)?;
    send_line(&stream, &Request::Take { names: names.to_vec() }, &[])?;
    let (answer, fds) = receive(&stream)?;
    if answer.names == names && fds.len() == names.len() {
        return Ok(fds);
    }
    Err(io::ErrorKind::NotFound.into())
}

/// Reads the request of an accepted connection.
pub(super) fn read_request(stream: &UnixStream) -> io::Result<Request> {
    prepare(stream)?;
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < LINE_BYTES_MAX {
        let mut stream = stream;
        if stream.read(&mut byte)? == 0 || byte[0] == b'\n' {
            break;
        }
        line.push(byte[0]);
    }
    serde_json::from_slice(&line).map_err(io::Error::other)
}

/// Answers an accepted connection.
pub(super) fn answer(stream: &UnixStream, sockets: &[(&str, BorrowedFd<'_>)]) -> io::Result<()> {
    let names = sockets.iter().map(|(name, _)| (*name).to_owned()).collect();
    let fds: Vec<_> = sockets.iter().map(|(_, fd)| *fd).collect();
    send_line(stream, &Answer { names }, &fds)
}

/// A path short enough for `sockaddr_un` (108 bytes), whatever the state folder is called.
pub(super) fn short_path(folder: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(CONTROL_FILE)
}

fn connect(instance: &Path) -> io::Result<UnixStream> {
    let folder = File::open(instance)?;
    let stream = UnixStream::connect(short_path(&folder))?;
    prepare(&stream)?;
    Ok(stream)
}

fn prepare(stream: &UnixStream) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PEER_TIMEOUT))?;
    stream.set_write_timeout(Some(PEER_TIMEOUT))
}

fn send_line<T: Serialize>(
    stream: &UnixStream,
    line: &T,
    fds: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKET_COUNT_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::other("more sockets than one message carries"));
    }
    sendmsg(stream, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

fn receive(stream: &UnixStream) -> io::Result<(Answer, Vec<OwnedFd>)> {
    let mut bytes = [0; LINE_BYTES_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKET_COUNT_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [IoSliceMut::new(&mut bytes)];
    let received = recvmsg(stream, &mut slices, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(passed) = message {
            fds.extend(passed);
        }
    }
    let answer = serde_json::from_slice(&bytes[..received.bytes]).map_err(io::Error::other)?;
    Ok((answer, fds))
}
