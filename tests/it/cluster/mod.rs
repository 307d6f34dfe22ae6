//! Real processes, real QUIC on this machine: the whole arena, deployed by arenactl.

mod browser;
mod failing;
mod failover;
mod games;
mod handover;
mod judged;
mod killed;
mod migrate;
mod moving;
mod party;
mod picture;
mod releases;
mod shadow;
mod swarm;
mod top;
mod verbs;

/// What every region of these tests differs in from `arena.yaml`: a port of its own, short matches.
const SETTINGS: &[&str] = &["services.gateway.ports.public=0", "rules.match.time_limit_ticks=1200"];
