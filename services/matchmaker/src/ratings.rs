//! What `stats` knows of the players of a ticket.

use std::time::Duration;

use arena_mesh::Channel;
use arena_wire::stats::v1::stats_client::StatsClient;
use arena_wire::stats::v1::{RatingList, RatingsRequest};
use tonic::Request;

use crate::logic::{Member, RATING_START, quantise};

/// A player does not wait longer for the own rating; without an answer it is the start's.
const DEADLINE: Duration = Duration::from_millis(250);

/// Returns the mean rating of `members`.
pub(crate) async fn mean(channel: Channel, members: &[Member]) -> u16 {
    let players: Vec<_> = members.iter().map(|it| it.player.to_string()).collect();
    let mut request = Request::new(RatingsRequest { players });
    request.set_timeout(DEADLINE);
    let asked = tokio::time::timeout(DEADLINE, StatsClient::new(channel).ratings(request)).await;
    let RatingList { ratings } = match asked {
        Ok(Ok(answer)) => answer.into_inner(),
        Ok(Err(status)) => {
            tracing::debug!(%status, "stats is away, ratings are the start's");
            RatingList::default()
        }
        Err(_) => RatingList::default(),
    };
    let rating_of = |member: &Member| {
        let id = member.player.to_string();
        ratings.iter().find(|it| it.player == id).map_or(RATING_START, |it| it.rating)
    };
    let sum: f64 = members.iter().map(rating_of).sum();
    quantise(sum / members.len().max(1) as f64)
}
