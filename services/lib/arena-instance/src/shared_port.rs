//! A TCP port that the instances of one machine share.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;

use socket2::{Domain, Protocol, SockFilter, SockRef, Socket, Type};

/// Connections that wait to be accepted, as the standard library has it; the kernel lowers it to
/// `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// An address that several processes of one user listen at, each with a socket of its own
/// (`SO_REUSEPORT`): the kernel spreads new connections over those that listen now.
///
/// It is bound from the start, so that a wrong address shows at once, but no connection comes before
/// [`SharedPort::listen`].
#[derive(Debug)]
pub struct SharedPort {
    addr: SocketAddr,
    bound: Option<Socket>,
}

impl SharedPort {
    /// Binds the address.
    ///
    /// # Errors
    /// As `bind(2)`, for example if a process has it that does not share it.
    pub fn bind(addr: SocketAddr) -> io::Result<Self> {
        let bound = bind(addr)?;
        let addr = bound.local_addr()?.as_socket().unwrap_or(addr);
        Ok(Self { addr, bound: Some(bound) })
    }

    /// Returns the address, with the port that the system chose if none was asked for.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Listens, non-blocking; binds again if the listener before was closed.
    ///
    /// # Errors
    /// As `bind(2)` and `listen(2)`.
    pub fn listen(&mut self) -> io::Result<TcpListener> {
        let bound = match self.bound.take() {
            Some(bound) => bound,
            None => bind(self.addr)?,
        };
        bound.listen(BACKLOG)?;
        bound.set_nonblocking(true)?;
        Ok(bound.into())
    }

    /// Makes `listener` deaf to new connections, while those that it has begun to take still come.
    ///
    /// What is in the queue of a listener when it closes is reset, handshakes under way included,
    /// unless `net.ipv4.tcp_migrate_req` is 1. So the first packet of a connection is dropped here
    /// by a socket filter (`packet(7)`, `SO_ATTACH_FILTER`); the client sends it again after a second
    /// (RFC 6298 §2), when only others listen.
    ///
    /// # Errors
    /// If the system has no socket filters.
    pub fn deafen(listener: &impl AsFd) -> io::Result<()> {
        SockRef::from(listener).attach_filter(&no_syn())
    }
}

fn bind(addr: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?; // a restart does not wait for TIME_WAIT
    socket.set_reuse_port(true)?;
    socket.bind(&addr.into())?;
    Ok(socket)
}

/// Classic BPF (`linux/bpf_common.h`): drops segments that have SYN without ACK. A filter of a TCP
/// socket sees the segment from its header on; the flags are its 14th byte (RFC 9293 §3.1).
fn no_syn() -> [SockFilter; 5] {
    const LOAD_BYTE: u16 = 0x30; // BPF_LD | BPF_B | BPF_ABS
    const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
    const JUMP_IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
    const RETURN: u16 = 0x06; // BPF_RET | BPF_K
    const FLAGS_AT: u32 = 13;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    [
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS_AT),
        SockFilter::new(AND, 0, 0, SYN | ACK),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ]
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::time::Duration;

    use super::*;

    /// Far below the second after which a client sends its first packet again.
    const NO_ANSWER: Duration = Duration::from_millis(200);

    fn any() -> SharedPort {
        SharedPort::bind("127.0.0.1:0".parse().unwrap()).unwrap()
    }

    #[test]
    fn two_listen_at_one_address_and_again_after_one_was_closed() {
        let mut first = any();
        let addr = first.local_addr();
        assert!(TcpStream::connect(addr).is_err(), "bound, but nobody listens");
        let mut second = SharedPort::bind(addr).unwrap();
        let [one, other] = [first.listen().unwrap(), second.listen().unwrap()];
        drop(one);
        TcpStream::connect(addr).unwrap();
        other.accept().unwrap();
        drop(other);
        let again = first.listen().unwrap();
        assert_eq!(again.local_addr().unwrap(), addr);
        TcpStream::connect(addr).unwrap();
    }

    #[test]
    fn a_port_that_somebody_does_not_share_is_refused() {
        let alone = TcpListener::bind("127.0.0.1:0").unwrap();
        let refused = SharedPort::bind(alone.local_addr().unwrap()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_deaf_listener_keeps_what_it_has_and_gets_nothing_new() {
        let mut port = any();
        let listener = port.listen().unwrap();
        let _queued = TcpStream::connect(port.local_addr()).unwrap();
        SharedPort::deafen(&listener).unwrap();
        let late = TcpStream::connect_timeout(&port.local_addr(), NO_ANSWER).unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        listener.accept().unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
