//! The services behind the gateway.

use arena_mesh::Channel;
use arena_wire::auth::v1::auth_client::AuthClient;
use arena_wire::matchmaker::v1::matchmaker_client::MatchmakerClient;
use arena_wire::stats::v1::stats_client::StatsClient;

/// One channel a service; cheap to clone.
#[derive(Clone, Debug)]
pub struct Upstream {
    auth: AuthClient<Channel>,
    matchmaker: MatchmakerClient<Channel>,
    stats: StatsClient<Channel>,
}

impl Upstream {
    /// Calls these channels.
    #[must_use]
    pub fn new(auth: Channel, matchmaker: Channel, stats: Channel) -> Self {
        Self {
            auth: AuthClient::new(auth),
            matchmaker: MatchmakerClient::new(matchmaker),
            stats: StatsClient::new(stats),
        }
    }

    /// Returns a client of auth.
    #[must_use]
    pub fn auth(&self) -> AuthClient<Channel> {
        self.auth.clone()
    }

    /// Returns a client of the matchmaker.
    #[must_use]
    pub fn matchmaker(&self) -> MatchmakerClient<Channel> {
        self.matchmaker.clone()
    }

    /// Returns a client of stats.
    #[must_use]
    pub fn stats(&self) -> StatsClient<Channel> {
        self.stats.clone()
    }
}
