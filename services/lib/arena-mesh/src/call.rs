//! One call on one QUIC stream: `HEAD DATA* TRAILERS` each way.

pub(crate) mod recv;
pub(crate) mod send;
