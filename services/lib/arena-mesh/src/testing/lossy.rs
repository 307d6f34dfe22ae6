//! A path that loses and delays datagrams: what a network between regions does, without its kernel
//! module.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::UdpSocket,
    sync::{mpsc, watch},
    task::JoinSet,
    time::Instant,
};

/// Datagrams on the way in one direction: 6 MiB, more than any window in these tests.
const IN_FLIGHT_MAX: usize = 4096;
/// The largest datagram there is.
const DATAGRAM_LEN_MAX: usize = 65_536;

/// What a path does to each datagram, in each direction.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Datagrams lost out of 1 000, each by its own draw.
    pub loss_per_mille: u64,
    /// One way.
    pub delay: Duration,
    /// Where the draws begin.
    pub seed: u64,
}

/// A path from one client to one server; dropping it cuts the path.
#[derive(Debug)]
pub struct LossyPath {
    addr: SocketAddr,
    _tasks: JoinSet<io::Result<()>>,
}

impl LossyPath {
    /// Lays a path to `server`, on the current tokio runtime.
    ///
    /// # Errors
    /// If loopback cannot be bound.
    pub async fn to(server: SocketAddr, weather: Weather) -> io::Result<Self> {
        let front = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?);
        let back = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?);
        let addr = front.local_addr()?;
        let (heard, client) = watch::channel(None);
        let (up, up_queue) = mpsc::channel(IN_FLIGHT_MAX);
        let (down, down_queue) = mpsc::channel(IN_FLIGHT_MAX);
        let (_, server) = watch::channel(Some(server));
        let mut tasks = JoinSet::new();
        let back_weather = Weather { seed: !weather.seed, ..weather };
        tasks.spawn(take(front.clone(), up, weather, Some(heard)));
        tasks.spawn(give(back.clone(), up_queue, server));
        tasks.spawn(take(back, down, back_weather, None));
        tasks.spawn(give(front, down_queue, client));
        Ok(Self { addr, _tasks: tasks })
    }

    /// Returns the address that stands for the server.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }
}

type Sent = (Instant, Vec<u8>);

async fn take(
    socket: Arc<UdpSocket>,
    queue: mpsc::Sender<Sent>,
    weather: Weather,
    heard: Option<watch::Sender<Option<SocketAddr>>>,
) -> io::Result<()> {
    let mut datagram = vec![0; DATAGRAM_LEN_MAX];
    let mut draws = weather.seed;
    loop {
        let (len, from) = socket.recv_from(&mut datagram).await?;
        if let Some(heard) = &heard {
            heard.send_replace(Some(from));
        }
        draws = draws.wrapping_add(0x9e37_79b9_7f4a_7c15);
        if mix(draws) % 1000 >= weather.loss_per_mille {
            // A full path loses too.
            let _ = queue.try_send((Instant::now() + weather.delay, datagram[..len].to_vec()));
        }
    }
}

async fn give(
    socket: Arc<UdpSocket>,
    mut queue: mpsc::Receiver<Sent>,
    to: watch::Receiver<Option<SocketAddr>>,
) -> io::Result<()> {
    while let Some((due, datagram)) = queue.recv().await {
        tokio::time::sleep_until(due).await;
        let to = *to.borrow();
        if let Some(to) = to {
            socket.send_to(&datagram, to).await?;
        }
    }
    Ok(())
}

/// The output step of `SplitMix64` (Steele, Lea & Flood, OOPSLA 2014).
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
