//! The command line.

use std::path::PathBuf;

use crate::window::Window;

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
    /// Figures of their own for a stretch of the run, in seconds since its start; may be repeated
    #[arg(long = "window", value_name = "NAME=FROM..TO")]
    pub windows: Vec<Window>,
    /// State folder of the region whose processes' CPU time is wanted
    #[arg(long, value_name = "FOLDER")]
    pub state: Option<PathBuf>,
    /// Folder of the object store with replays (MATCH/EPOCH.rpl): afterwards all matches are played again
    #[arg(long, value_name = "FOLDER")]
    pub replays: Option<PathBuf>,
    /// Also write the report as JSON to this file
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Also draw the gaps between frames over time to this file (SVG)
    #[arg(long, value_name = "FILE")]
    pub picture: Option<PathBuf>,
}

impl Args {
    /// Makes those of `players` in a region that is judged as a whole: its gateway is at `url`, its state in the folder
    /// `state`, and `replays` are looked at afterwards.
    #[must_use]
    pub fn of_region(url: &str, state: PathBuf, replays: PathBuf, players: u32) -> Self {
        Self {
            url: url.trim_end_matches('/').to_owned(),
            players,
            seconds: None,
            seed: 1,
            mode: "arena".to_owned(),
            ramp: 50,
            windows: Vec::new(),
            state: Some(state),
            replays: Some(replays),
            report: None,
            picture: None,
        }
    }
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
        let args = Args::parse_from(["arena-load", "--window", "a=1..2", "--window", "b=2..3"]);
        assert_eq!(args.windows.iter().map(|it| it.from_ms).collect::<Vec<_>>(), [1_000, 2_000]);
        let error = Args::try_parse_from(["arena-load", "--window", "a=2..1"]).unwrap_err();
        assert!(error.to_string().contains("FROM before TO"), "{error}");
    }
}
