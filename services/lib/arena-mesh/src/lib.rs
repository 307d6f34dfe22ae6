//! RPC over QUIC between services: gRPC semantics and tonic's generated code, one QUIC stream a call,
//! mutual TLS with one SPIFFE identity an instance.
//!
//! - [`Server`] serves generated servers and [`Link`]s, and authorises each call by [`Policy`].
//! - [`Channel`] is what generated clients take: it discovers, balances, retries and ejects.
//! - [`Identity`] is who this process is; [`Ca`] issues what it loads.
//! - [`Link`] carries real-time traffic: an ordered stream and frames of which only the newest count.
//!
//! It is gRPC's semantics over QUIC, not gRPC on the wire: peers must use this crate.

mod ca;
mod call;
mod channel;
mod context;
mod discover;
mod fault;
mod identity;
mod link;
mod material;
mod policy;
mod server;
mod spiffe;
#[cfg(feature = "testing")]
pub mod testing;
mod tuning;
mod verify;

pub use self::{
    ca::{CA_CERT_FILE, CA_KEY_FILE, Ca, CaError, LEAF_LIFE, holds_identity},
    channel::{
        AnswerBody, Channel, ChannelBuilder, Ejection, PeakEwma, READY_WAIT_MAX, RetryBudget,
    },
    context::{
        Deadline, GRPC_TIMEOUT, Peer, TRACEPARENT, TraceContext, TraceContextError, in_trace,
    },
    discover::{Change, Discover, Endpoint, LOOKUP_PERIOD, Resolved, Static, Watched},
    fault::{ConnectError, StreamError},
    identity::{Identity, RotateError, TlsError, WATCH_PERIOD, chain},
    link::{FRAME_LEN_MAX, Link, LinkError, LinkReceiver, LinkSender, ORDERED_QUEUE_MAX, Received},
    material::{CERT_FILE, KEY_FILE, Leaf, Material, MaterialError, ROOTS_FILE},
    policy::{LINK_METHOD, Policy, PolicyError, PolicyHandle, Rule},
    server::{Drained, ServeError, Server, ServerBuilder, Serving},
    spiffe::{SpiffeId, SpiffeIdError},
    tuning::{IDLE_MAX, KEEP_ALIVE, STREAMS_MAX, Seed, Tuning},
    verify::CertificateFault,
};
