//! What is said between parts: messages, generated clients and servers, codecs. No I/O.

pub mod bits;
pub mod frame;
pub mod link;
pub mod play;
pub mod token;

/// Generated from `proto/`: `<service>::v1` with messages, a client and a server trait each.
#[expect(clippy::pedantic, reason = "generated code")]
mod generated {
    pub mod auth {
        pub mod v1 {
            tonic::include_proto!("arena.auth.v1");
        }
    }
    pub mod config {
        pub mod v1 {
            tonic::include_proto!("arena.config.v1");
        }
    }
    pub mod game {
        pub mod v1 {
            tonic::include_proto!("arena.game.v1");
        }
    }
    pub mod matchmaker {
        pub mod v1 {
            tonic::include_proto!("arena.matchmaker.v1");
        }
    }
    pub mod stats {
        pub mod v1 {
            tonic::include_proto!("arena.stats.v1");
        }
    }
    pub mod store {
        pub mod v1 {
            tonic::include_proto!("arena.store.v1");
        }
    }
}

pub use generated::{auth, config, game, matchmaker, stats, store};
