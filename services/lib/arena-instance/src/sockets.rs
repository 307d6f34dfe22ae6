//! The sockets of an instance: passed by a supervisor, or bound here.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use arena_env::Source;
use listenfd::ListenFd;

use crate::{Settings, SharedPort, port_holder};

const SIDE: &str = "side";
const MESH: &str = "mesh";
const PUBLIC: &str = "public";

/// The listening sockets of an instance, non-blocking.
#[derive(Debug)]
pub struct Sockets {
    /// Health, metrics, drain.
    pub side: TcpListener,
    /// QUIC.
    pub mesh: UdpSocket,
    /// Players, if the program has them.
    pub public: Option<PublicPort>,
}

/// The port that players connect to.
#[derive(Debug)]
pub enum PublicPort {
    /// A listening socket, non-blocking. It stays open while nobody is taken from it: a supervisor
    /// and the instances it starts hold the same one.
    Kept(TcpListener),
    /// A port that other instances of this machine listen at with sockets of their own. Whoever
    /// takes no players lets go of it.
    Shared(SharedPort),
}

impl PublicPort {
    /// Returns where it is bound.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Kept(listener) => listener.local_addr(),
            Self::Shared(port) => Ok(port.local_addr()),
        }
    }
}

/// Why a socket is not there.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The address cannot be bound.
    #[error("listen for `{socket}` on {addr}{}", held_by(holder.as_deref()))]
    Bind {
        /// `side`, `mesh` or `public`.
        socket: &'static str,
        /// Where.
        addr: SocketAddr,
        /// Who has it, as `name (pid)`, where that can be seen.
        holder: Option<String>,
        /// What the system says.
        source: io::Error,
    },
    /// What the supervisor passed is not such a socket.
    #[error("use the passed socket `{socket}`: it must be {rule}")]
    Passed {
        /// `side`, `mesh` or `public`.
        socket: &'static str,
        /// What it must be.
        rule: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

fn held_by(holder: Option<&str>) -> String {
    holder.map_or_else(String::new, |it| {
        format!(", which {it} holds; stop it or choose another port")
    })
}

impl Sockets {
    /// Takes what the supervisor passed (`LISTEN_FDS`, `LISTEN_FDNAMES`: `sd_listen_fds(3)`), binds
    /// the rest.
    ///
    /// # Errors
    /// [`SocketError`]; sockets taken or bound before are closed.
    pub fn open(settings: &Settings, environment: &dyn Source) -> Result<Self, SocketError> {
        let names = environment.value("LISTEN_FDNAMES").unwrap_or_default();
        let mut passed = Passed {
            fds: ListenFd::from_env(),
            names: names.split(':').map(str::to_owned).collect(),
        };
        let side = match passed.tcp(SIDE)? {
            Some(socket) => socket,
            None => bind_tcp(SIDE, settings.side_addr)?,
        };
        let mesh = match passed.udp(MESH)? {
            Some(socket) => socket,
            None => bind_udp(MESH, settings.mesh_addr)?,
        };
        let public = match (passed.tcp(PUBLIC)?, settings.public_addr) {
            (Some(socket), _) => Some(PublicPort::Kept(socket)),
            (None, Some(addr)) => Some(bind_public(addr, settings.public_shared)?),
            (None, None) => None,
        };
        Ok(Self { side, mesh, public })
    }
}

struct Passed {
    fds: ListenFd,
    names: Vec<String>,
}

impl Passed {
    fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|it| it == name).filter(|it| *it < self.fds.len())
    }

    fn tcp(&mut self, socket: &'static str) -> Result<Option<TcpListener>, SocketError> {
        let Some(index) = self.position(socket) else { return Ok(None) };
        let rule = "a listening TCP socket";
        let refused = |source| SocketError::Passed { socket, rule, source };
        let Some(listener) = self.fds.take_tcp_listener(index).map_err(refused)? else {
            return Ok(None);
        };
        listener.set_nonblocking(true).map_err(refused)?;
        Ok(Some(listener))
    }

    fn udp(&mut self, socket: &'static str) -> Result<Option<UdpSocket>, SocketError> {
        let Some(index) = self.position(socket) else { return Ok(None) };
        let rule = "a bound UDP socket";
        let refused = |source| SocketError::Passed { socket, rule, source };
        let Some(bound) = self.fds.take_udp_socket(index).map_err(refused)? else {
            return Ok(None);
        };
        bound.set_nonblocking(true).map_err(refused)?;
        Ok(Some(bound))
    }
}

fn bind_public(addr: SocketAddr, is_shared: bool) -> Result<PublicPort, SocketError> {
    if !is_shared {
        return bind_tcp(PUBLIC, addr).map(PublicPort::Kept);
    }
    SharedPort::bind(addr).map(PublicPort::Shared).map_err(tcp_refused(PUBLIC, addr))
}

fn bind_tcp(socket: &'static str, addr: SocketAddr) -> Result<TcpListener, SocketError> {
    // The standard library sets SO_REUSEADDR, so that a restart does not wait for TIME_WAIT.
    let bound = TcpListener::bind(addr).and_then(|it| it.set_nonblocking(true).map(|()| it));
    bound.map_err(tcp_refused(socket, addr))
}

fn tcp_refused(socket: &'static str, addr: SocketAddr) -> impl Fn(io::Error) -> SocketError {
    move |source| {
        let holder = port_holder::find(port_holder::Transport::Tcp, addr.port());
        SocketError::Bind { socket, addr, holder, source }
    }
}

fn bind_udp(socket: &'static str, addr: SocketAddr) -> Result<UdpSocket, SocketError> {
    let bound = UdpSocket::bind(addr).and_then(|it| it.set_nonblocking(true).map(|()| it));
    bound.map_err(|source| {
        let holder = port_holder::find(port_holder::Transport::Udp, addr.port());
        SocketError::Bind { socket, addr, holder, source }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_names_its_holder() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let error = bind_tcp(SIDE, held.local_addr().unwrap()).unwrap_err();
        let text = error.to_string();
        let pid = std::process::id();
        assert!(text.starts_with("listen for `side` on 127.0.0.1:"), "{text}");
        assert!(text.contains(&format!("({pid}) holds; stop it or")), "{text}");
        let held = UdpSocket::bind("127.0.0.1:0").unwrap();
        let text = bind_udp(MESH, held.local_addr().unwrap()).unwrap_err().to_string();
        assert!(text.contains(&format!("({pid}) holds; stop it or")), "{text}");
    }
}
