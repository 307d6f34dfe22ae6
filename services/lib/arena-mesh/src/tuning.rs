//! Transport settings per route; the measurements behind each value are in the rpc reference.

use std::{net::UdpSocket, sync::Arc, time::Duration};

use quinn::{EndpointConfig, IdleTimeout, TransportConfig, VarInt, congestion};
use ring::hmac;

/// Keep-alive period: a quarter of [`IDLE_MAX`], so one lost ping ends nothing.
pub const KEEP_ALIVE: Duration = Duration::from_millis(500);
/// A peer silent for this long is dead.
pub const IDLE_MAX: Duration = Duration::from_secs(2);
/// First guess of the round trip, for the resend of a lost first packet (quinn's default is 333 ms).
const INITIAL_RTT: Duration = Duration::from_millis(10);
/// Concurrent calls a peer may open at first: 66 KiB of server memory a connection.
pub const STREAMS_MAX: u32 = 256;
/// Concurrent calls once one of them was authorised: a gateway holds a stream open for each player who
/// waits for a match. About 0.3 MiB a connection, which strangers do not get.
pub(crate) const STREAMS_MAX_AUTHORISED: u32 = 2048;
/// One control stream a side, and room for the next protocol version's.
const UNI_STREAMS_MAX: u32 = 4;
/// Least congestion window inside a datacentre: default CUBIC collapses at 1 % loss.
const WINDOW_FLOOR: u64 = 1024 * 1024;
/// Flow-control window of one stream: a message of 4 MiB needs no stop on the way.
const STREAM_WINDOW: u32 = 4 * 1024 * 1024 + 64 * 1024;
/// Flow-control window of a connection: several big messages at once.
const CONNECTION_WINDOW: u32 = 32 * 1024 * 1024;
/// Datagrams waiting to be sent: twice a tick's burst of 1 024 frames of 1 KiB.
const DATAGRAM_SEND_BUFFER: usize = 2 * 1024 * 1024;
/// Datagrams waiting to be read: two such bursts and their bookkeeping.
const DATAGRAM_RECEIVE_BUFFER: usize = 4 * 1024 * 1024;
/// Socket buffers: with the default 106 KiB a burst of frames loses 3 to 8 %.
const SOCKET_BUFFER: usize = 4 * 1024 * 1024;

/// Which network a route crosses; decides the congestion controller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tuning {
    /// A network we own: CUBIC with a window floor of 1 MiB.
    #[default]
    Datacenter,
    /// Between regions: BBR.
    Wan,
}

impl Tuning {
    pub(crate) fn transport(self) -> Arc<TransportConfig> {
        let mut config = TransportConfig::default();
        config
            .max_concurrent_bidi_streams(VarInt::from_u32(STREAMS_MAX))
            .max_concurrent_uni_streams(VarInt::from_u32(UNI_STREAMS_MAX))
            .keep_alive_interval(Some(KEEP_ALIVE))
            .max_idle_timeout(Some(IdleTimeout::from(
                VarInt::from_u32(IDLE_MAX.as_millis() as u32),
            )))
            .initial_rtt(INITIAL_RTT)
            .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
            .receive_window(VarInt::from_u32(CONNECTION_WINDOW))
            .send_window(u64::from(CONNECTION_WINDOW))
            .datagram_send_buffer_size(DATAGRAM_SEND_BUFFER)
            .datagram_receive_buffer_size(Some(DATAGRAM_RECEIVE_BUFFER))
            .enable_segmentation_offload(true);
        match self {
            Self::Datacenter => config.congestion_controller_factory(Arc::new(FloorConfig)),
            Self::Wan => {
                config.congestion_controller_factory(Arc::new(congestion::BbrConfig::default()))
            }
        };
        Arc::new(config)
    }
}

/// Thirty-two bytes that survive a restart: stateless reset and connection ids are derived from them,
/// so a peer of the old process learns of its death in 0.3 s instead of by [`IDLE_MAX`].
#[derive(Clone)]
pub struct Seed([u8; 32]);

impl Seed {
    /// Takes bytes that stay the same for one listening port, and are secret.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Derives a seed for one instance from the bytes of a secret, such as the content of a file.
    #[must_use]
    pub fn derive(secret: &[u8], instance: &str) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let tag = hmac::sign(&key, format!("arena-mesh seed {instance}").as_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(tag.as_ref());
        Self(bytes)
    }

    pub(crate) fn endpoint(&self) -> EndpointConfig {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let tag = hmac::sign(&key, b"connection ids");
        let mut cid = [0; 8];
        cid.copy_from_slice(&tag.as_ref()[..8]);
        let cid = u64::from_be_bytes(cid);
        let mut config = EndpointConfig::new(Arc::new(key));
        config.cid_generator(move || {
            Box::new(quinn_proto::HashedConnectionIdGenerator::from_key(cid))
        });
        config
    }
}

/// Asks for large socket buffers; the kernel may give less, which costs frames only under bursts.
pub(crate) fn size_buffers(socket: &UdpSocket) {
    let sizes = [
        rustix::net::sockopt::set_socket_recv_buffer_size(socket, SOCKET_BUFFER),
        rustix::net::sockopt::set_socket_send_buffer_size(socket, SOCKET_BUFFER),
    ];
    for error in sizes.into_iter().filter_map(Result::err) {
        tracing::debug!(%error, "udp socket buffers keep their default size");
    }
}

/// CUBIC that never closes its window below [`WINDOW_FLOOR`].
struct FloorConfig;

impl congestion::ControllerFactory for FloorConfig {
    fn build(
        self: Arc<Self>,
        now: std::time::Instant,
        mtu: u16,
    ) -> Box<dyn congestion::Controller> {
        Box::new(Floor(Arc::new(congestion::CubicConfig::default()).build(now, mtu)))
    }
}

struct Floor(Box<dyn congestion::Controller>);

impl congestion::Controller for Floor {
    fn on_sent(&mut self, now: std::time::Instant, bytes: u64, last_packet_number: u64) {
        self.0.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(
        &mut self,
        now: std::time::Instant,
        sent: std::time::Instant,
        bytes: u64,
        app_limited: bool,
        rtt: &quinn_proto::RttEstimator,
    ) {
        self.0.on_ack(now, sent, bytes, app_limited, rtt);
    }

    fn on_end_acks(
        &mut self,
        now: std::time::Instant,
        in_flight: u64,
        app_limited: bool,
        largest_packet_num_acked: Option<u64>,
    ) {
        self.0.on_end_acks(now, in_flight, app_limited, largest_packet_num_acked);
    }

    fn on_congestion_event(
        &mut self,
        now: std::time::Instant,
        sent: std::time::Instant,
        is_persistent_congestion: bool,
        lost_bytes: u64,
    ) {
        self.0.on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.0.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        self.0.window().max(WINDOW_FLOOR)
    }

    fn clone_box(&self) -> Box<dyn congestion::Controller> {
        Box::new(Self(self.0.clone_box()))
    }

    fn initial_window(&self) -> u64 {
        self.0.initial_window().max(WINDOW_FLOOR)
    }

    fn into_any(self: Box<Self>) -> Box<dyn std::any::Any> {
        self
    }
}
