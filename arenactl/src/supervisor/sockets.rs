//! The sockets of an instance: bound here, or taken over from the release before.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use super::control;
use super::launch::{SocketKind, SocketPlan};
use crate::process;

/// Why an instance has no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another program holds the port.
    #[error("port {} of socket `{name}` is taken by {holder}", address.port())]
    Taken {
        /// Socket name.
        name: String,
        /// Address asked for.
        address: SocketAddr,
        /// Process that holds it, as far as it can be seen.
        holder: String,
    },
    /// The system refused.
    #[error("cannot bind socket `{name}` to {address}")]
    Bind {
        /// Socket name.
        name: String,
        /// Address asked for.
        address: SocketAddr,
        /// The system's answer.
        source: io::Error,
    },
}

/// A socket and where it is bound.
#[derive(Debug)]
pub(super) struct BoundSocket {
    pub(super) name: String,
    pub(super) address: SocketAddr,
    fd: OwnedFd,
}

impl BoundSocket {
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Takes over or binds every socket, in order.
pub(super) fn open(plans: &[SocketPlan]) -> Result<Vec<BoundSocket>, SocketError> {
    plans.iter().map(open_one).collect()
}

fn open_one(plan: &SocketPlan) -> Result<BoundSocket, SocketError> {
    if let Some(fd) = plan.from.as_deref().and_then(|from| take_over(from, plan)) {
        return named(plan, fd);
    }
    let bound = match plan.kind {
        SocketKind::Tcp => TcpListener::bind(plan.address).map(OwnedFd::from),
        SocketKind::Udp => UdpSocket::bind(plan.address).map(OwnedFd::from),
    };
    bound.map_err(|source| refused(plan, source)).and_then(|fd| named(plan, fd))
}

/// Nothing to take over is not an error: the predecessor may be gone, then the address is free.
fn take_over(from: &Path, plan: &SocketPlan) -> Option<OwnedFd> {
    let mut taken = control::take(from, std::slice::from_ref(&plan.name)).ok()?;
    taken.pop()
}

fn named(plan: &SocketPlan, fd: OwnedFd) -> Result<BoundSocket, SocketError> {
    let address = local_address(plan.kind, &fd).map_err(|source| SocketError::Bind {
        name: plan.name.clone(),
        address: plan.address,
        source,
    })?;
    Ok(BoundSocket { name: plan.name.clone(), address, fd })
}

fn local_address(kind: SocketKind, fd: &OwnedFd) -> io::Result<SocketAddr> {
    let copy = fd.try_clone()?;
    match kind {
        SocketKind::Tcp => TcpListener::from(copy).local_addr(),
        SocketKind::Udp => UdpSocket::from(copy).local_addr(),
    }
}

fn refused(plan: &SocketPlan, source: io::Error) -> SocketError {
    let SocketPlan { name, address, kind, .. } = plan;
    let (name, address) = (name.clone(), *address);
    if source.kind() != io::ErrorKind::AddrInUse {
        return SocketError::Bind { name, address, source };
    }
    let holder = match kind {
        SocketKind::Tcp => process::holder(address.port()),
        SocketKind::Udp => "another program".to_owned(),
    };
    SocketError::Taken { name, address, holder }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_names_its_holder() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let plan = SocketPlan {
            name: "public".to_owned(),
            kind: SocketKind::Tcp,
            address: listener.local_addr().unwrap(),
            from: None,
        };
        let error = open(&[plan]).unwrap_err().to_string();
        assert!(error.contains(&format!("(pid {})", std::process::id())), "{error}");
    }
}
