//! RPC over QUIC between services.
