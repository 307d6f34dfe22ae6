//! The command line.

use std::path::PathBuf;

/// Bot players for Arena: real logins, real connections, every frame checked.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "arena-load", version)]
pub struct Args {
    /// Address of a gateway
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub url: String,
    /// Players
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub players: u32,
    /// Seconds to play; without it until SIGTERM or SIGINT
    #[arg(long, value_name = "N")]
    pub seconds: Option<u64>,
    /// Makes the players' whims repeatable
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Game mode to queue for
    #[arg(long, value_name = "NAME", default_value = "arena")]
    pub mode: String,
    /// Players that log in a second
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub ramp: u32,
    /// Also write the report as JSON to this file
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
        let args = Args::parse_from(["arena-load", "--players", "200", "--report", "/tmp/x.json"]);
        assert_eq!((args.players, args.seconds), (200, None));
    }
}
