//! Every variable Arena's services read: code and manual in one.

/// One environment variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// `ARENA_<NAME>`, or `ARENA_<SERVICE>_<NAME>` if one service alone reads it.
    pub name: &'static str,
    /// Which services read it: `all` or their names.
    pub read_by: &'static str,
    /// What an unset variable means, in the variable's own syntax.
    pub default: Option<&'static str>,
    /// One sentence or two; the first says what it is.
    pub doc: &'static str,
}

macro_rules! variables {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal, $read_by:literal, $default:expr;)*) => {
        $($(#[doc = $doc])+ pub const $name: Variable = Variable {
            name: $text,
            read_by: $read_by,
            default: $default,
            doc: concat!($($doc),+).trim_ascii(),
        };)*

        /// All of them, in the order of `docs/settings.md`.
        pub const ALL: &[&Variable] = &[$(&$name),*];
    };
}

variables! {
    /// The trust domain: all instances that share one certificate authority.
    CLUSTER = "ARENA_CLUSTER", "all", None;
    /// The region this instance runs in, for example `eu-fra` or `local`.
    REGION = "ARENA_REGION", "all", None;
    /// The service this instance is a copy of, as `arena.yaml` names it.
    SERVICE = "ARENA_SERVICE", "all", None;
    /// The name of this instance; it must be the one in its certificate.
    INSTANCE = "ARENA_INSTANCE", "all", None;
    /// The release this instance was started from, for example `r42`.
    RELEASE = "ARENA_RELEASE", "all", None;
    /// Where the side port (health, metrics, drain; TCP) listens unless a socket named `side` is passed.
    SIDE_ADDR = "ARENA_SIDE_ADDR", "all", Some("127.0.0.1:0");
    /// Where the mesh port (QUIC; UDP) listens unless a socket named `mesh` is passed.
    MESH_ADDR = "ARENA_MESH_ADDR", "all", Some("127.0.0.1:0");
    /// Where players connect (HTTP, WebSocket; TCP) unless a socket named `public` is passed.
    PUBLIC_ADDR = "ARENA_PUBLIC_ADDR", "gateway", None;
    /// 1 if the gateways of one machine share the public port (`SO_REUSEPORT`): one that drains lets go of it, another takes over. 0: it is this gateway's alone.
    PUBLIC_SHARED = "ARENA_PUBLIC_SHARED", "gateway", Some("0");
    /// The IP address that other instances reach this one at. Unset, ports that listen on all addresses are told as the local address of the route to the store; by the store itself, as the first address of its host name that is no loopback.
    ADVERTISE_IP = "ARENA_ADVERTISE_IP", "all", None;
    /// Host name or IP address, and mesh port, of the service `store`. A name is looked up again and again, so that the store may move.
    STORE_ADDR = "ARENA_STORE_ADDR", "all but store", None;
    /// Folder with `cert.pem`, `key.pem` and `roots.pem`; watched, so that certificates rotate without a restart.
    IDENTITY_DIR = "ARENA_IDENTITY_DIR", "all", None;
    /// Folder of secret files, 32 random bytes in hexadecimal each.
    SECRETS_DIR = "ARENA_SECRETS_DIR", "all", None;
    /// Folder of the plain files that `arena.yaml` names in `configs`; set where a service names some.
    CONFIGS_DIR = "ARENA_CONFIGS_DIR", "programs of your own", None;
    /// Folder this instance alone writes to and finds again after a restart; made, for this user alone, if it is missing.
    DATA_DIR = "ARENA_DATA_DIR", "config, game, store", None;
    /// What is logged: directives `target=level`, for example `info,arena_mesh=debug`.
    LOG = "ARENA_LOG", "all", Some("info");
    /// `text` or `json`; unset means text on a terminal, JSON elsewhere.
    LOG_FORMAT = "ARENA_LOG_FORMAT", "all", None;
    /// Seconds that a drain asked for by SIGTERM may take.
    DRAIN_DEADLINE_S = "ARENA_DRAIN_DEADLINE_S", "all", Some("600");

    /// The game of new matches, as `game` in `arena.yaml` names it.
    GAME = "ARENA_GAME", "config, game, matchmaker", Some("arena");
    /// Matches that one game instance hosts at once, 1 to 100000.
    GAME_CAPACITY = "ARENA_GAME_CAPACITY", "game", Some("500");
    /// Threads that step matches, 1 to 256; unset means one a core.
    GAME_THREADS = "ARENA_GAME_THREADS", "game", None;
    /// What steps matches: `auto`, a graphics card where it does at least twice the work of all threads and the CPU elsewhere; `cpu`, which loads no driver; `gpu`, any GPU that works, or the instance does not start. `gpu-software`, a driver that computes on the CPU, is for tests.
    GAME_BACKEND = "ARENA_GAME_BACKEND", "game", Some("auto");
    /// Seats taken in a new match, 1 to 16: bots play those without a player.
    GAME_FILLED_SEATS = "ARENA_GAME_FILLED_SEATS", "game", Some("8");
    /// Days that replays are kept, 0 to 3650; 0 records none.
    GAME_REPLAY_DAYS = "ARENA_GAME_REPLAY_DAYS", "game", Some("30");
    /// MiB of replays that the object store keeps; beyond it the oldest are removed.
    GAME_REPLAY_MIB = "ARENA_GAME_REPLAY_MIB", "game", Some("20480");
    /// MiB of replays in the data folder that wait for the object store; beyond it new matches are not recorded.
    GAME_REPLAY_DISK_MIB = "ARENA_GAME_REPLAY_DISK_MIB", "game", Some("2048");
    /// Percent of one core, 0 to 100, that one game instance spends on playing matches again to check them; 0 checks none.
    GAME_CHECK_PERCENT = "ARENA_GAME_CHECK_PERCENT", "game", Some("10");
    /// Viewers of running and of recorded matches that one game instance serves at once, 0 to 10000; 0 lets nobody watch.
    GAME_WATCHERS = "ARENA_GAME_WATCHERS", "game", Some("64");
    /// Seconds that viewers of a running match are behind it, 1 to 3600, so that nobody is told of by those who watch.
    GAME_WATCH_DELAY_S = "ARENA_GAME_WATCH_DELAY_S", "game", Some("10");
    /// What becomes of matches whose instance dies: `journal`, what is confirmed goes to the hot state every 50 ms and another instance goes on from there within seconds; `shadow`, another instance keeps a warm copy that has a tick before its players see it, so that none is lost, and takes a slot there; `off`, they end and players are told so. `ARENA_MATCHMAKER_FAILOVER` goes before.
    GAME_FAILOVER = "ARENA_GAME_FAILOVER", "game", Some("journal");
    /// PEM file of the public port's certificate, leaf first; with it the port speaks TLS 1.3 only.
    GATEWAY_TLS_CERT = "ARENA_GATEWAY_TLS_CERT", "gateway", None;
    /// PEM file of the certificate's key. Both files are watched, so that a renewal needs no restart.
    GATEWAY_TLS_KEY = "ARENA_GATEWAY_TLS_KEY", "gateway", None;
    /// Connections of all players that one gateway holds at most.
    GATEWAY_CONNECTIONS = "ARENA_GATEWAY_CONNECTIONS", "gateway", Some("20000");
    /// Connections from one address that one gateway holds at most; many players may share a NAT.
    GATEWAY_CONNECTIONS_PER_IP = "ARENA_GATEWAY_CONNECTIONS_PER_IP", "gateway", Some("2000");
    /// REST requests a second of one address; 400 may come at once.
    GATEWAY_REQUESTS_PER_S = "ARENA_GATEWAY_REQUESTS_PER_S", "gateway", Some("100");
    /// Players in a match, 1 to 16; bots take empty seats.
    MATCHMAKER_SEATS = "ARENA_MATCHMAKER_SEATS", "matchmaker", Some("16");
    /// Milliseconds a player waits for others before bots join, 0 to 60000.
    MATCHMAKER_FILL_AFTER_MS = "ARENA_MATCHMAKER_FILL_AFTER_MS", "matchmaker", Some("2000");
    /// Seconds after which a ticket without a match ends.
    MATCHMAKER_TIMEOUT_S = "ARENA_MATCHMAKER_TIMEOUT_S", "matchmaker", Some("60");
    /// What becomes of the matches of each queue if their instance dies, as `ARENA_GAME_FAILOVER` has it: `QUEUE=POLICY`, separated by commas, for example `arena=off`. Of a queue that is not named the game instances decide.
    MATCHMAKER_FAILOVER = "ARENA_MATCHMAKER_FAILOVER", "matchmaker", None;
    /// Logins a minute from one address, all at once or spread: a school or a café shares one.
    AUTH_LOGINS_PER_IP = "ARENA_AUTH_LOGINS_PER_IP", "auth", Some("600");
    /// Fewest game instances the autoscaler recommends.
    AUTOSCALER_GAME_MIN = "ARENA_AUTOSCALER_GAME_MIN", "autoscaler", Some("1");
    /// Most game instances the autoscaler recommends.
    AUTOSCALER_GAME_MAX = "ARENA_AUTOSCALER_GAME_MAX", "autoscaler", Some("8");
    /// Fewest gateway instances the autoscaler recommends.
    AUTOSCALER_GATEWAY_MIN = "ARENA_AUTOSCALER_GATEWAY_MIN", "autoscaler", Some("1");
    /// Most gateway instances the autoscaler recommends.
    AUTOSCALER_GATEWAY_MAX = "ARENA_AUTOSCALER_GATEWAY_MAX", "autoscaler", Some("4");
    /// Seconds that a starting store waits for the one before to leave the data folder.
    STORE_LOCK_WAIT_S = "ARENA_STORE_LOCK_WAIT_S", "store", Some("10");
    /// Bytes that each database file may grow to; unset means as the disk allows.
    STORE_FILE_BYTES_MAX = "ARENA_STORE_FILE_BYTES_MAX", "store", None;
}

/// Prints `docs/settings.md`.
#[must_use]
pub fn reference() -> String {
    use std::fmt::Write as _;
    let mut text = String::from(
        "# Settings of the services\n\n\
         Printed from `services/lib/arena-env/src/names.rs`; `UPDATE_EXPECT=1 cargo test -p arena-env` renews it.\n\
         A service that is set up wrongly prints every mistake at once and exits with 3.\n\n\
         | variable | read by | default | what it is |\n|---|---|---|---|\n",
    );
    for Variable { name, read_by, default, doc } in ALL {
        let default = default.map_or_else(String::new, |it| format!("`{it}`"));
        writeln!(text, "| `{name}` | {read_by} | {default} | {doc} |").expect("a String takes all");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_is_what_the_code_declares() {
        expect_test::expect_file!["../../../../docs/settings.md"].assert_eq(&reference());
    }

    #[test]
    fn names_are_unique_and_carry_the_prefix() {
        let mut names: Vec<_> = ALL.iter().map(|it| it.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
        assert!(names.iter().all(|it| it.starts_with("ARENA_")), "{names:?}");
    }

    #[test]
    fn a_doc_is_a_sentence() {
        for it in ALL {
            assert!(it.doc.ends_with('.') && it.doc.len() > 20, "{}: {}", it.name, it.doc);
        }
    }
}
