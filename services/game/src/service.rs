//! The gRPC service `arena.game.v1.Game`.

use std::collections::BTreeSet;

use arena_types::{Epoch, FailoverPolicy, MatchId, PlayerId};
use arena_wire::game::v1::game_server::Game;
use arena_wire::game::v1::{
    CreateReply, CreateRequest, DescribeRequest, ListRequest, Match, MatchList,
};
use tonic::{Request, Response, Status};

use crate::Config;
use crate::host::{Host, RefusedError};
use crate::logic::hosted::{NewMatch, Player};
use crate::logic::shard::CreateError;

/// Answers the matchmaker and operators.
#[derive(Clone, Debug)]
pub struct GameService {
    host: Host,
    config: Config,
}

impl GameService {
    /// Serves `host`.
    #[must_use]
    pub fn new(host: Host, config: Config) -> Self {
        Self { host, config }
    }
}

#[tonic::async_trait]
impl Game for GameService {
    async fn create(
        &self,
        request: Request<CreateRequest>,
    ) -> Result<Response<CreateReply>, Status> {
        let new = parse(request.into_inner(), &self.config)?;
        self.host.create(new).await.map_err(|error| refused(&error))?;
        let matches = self.host.load().hosted;
        Ok(Response::new(CreateReply { capacity: self.config.capacity, matches }))
    }

    async fn describe(&self, request: Request<DescribeRequest>) -> Result<Response<Match>, Status> {
        let id = request.into_inner().r#match;
        let matches = self.host.describe().await;
        let found = matches.into_iter().find(|it| it.r#match == id);
        found.map(Response::new).ok_or_else(|| Status::not_found(format!("match {id} is not here")))
    }

    async fn list(&self, _: Request<ListRequest>) -> Result<Response<MatchList>, Status> {
        Ok(Response::new(MatchList { matches: self.host.describe().await }))
    }
}

fn refused(error: &RefusedError) -> Status {
    match error {
        RefusedError::Shard(CreateError::OtherEpoch { .. } | CreateError::Over) => {
            Status::failed_precondition(error.to_string())
        }
        _ => Status::unavailable(error.to_string()),
    }
}

/// Checks everything before anything is done.
pub(crate) fn parse(request: CreateRequest, config: &Config) -> Result<NewMatch, Status> {
    let bad = |what: &str, why: &dyn std::fmt::Display| {
        Status::invalid_argument(format!("{what}: {why}"))
    };
    let id: MatchId = request.r#match.parse().map_err(|it| bad("match", &it))?;
    let rules = config.game.parse_rules_text(&request.rules_json);
    let rules = rules.map_err(|it| bad("rules_json", &it))?;
    if rules.version() != request.rules_version {
        return Err(bad("rules_version", &format!("the rules are version {}", rules.version())));
    }
    if request.epoch == 0 {
        return Err(bad("epoch", &"counts from 1"));
    }
    let mut seats = BTreeSet::new();
    let mut players = Vec::new();
    for seat in request.seats {
        let index = seat.seat as usize;
        let max = config.game.seats_max();
        if index >= max || !seats.insert(index) {
            return Err(bad("seats", &format!("{index} is taken twice or not below {max}")));
        }
        let player: PlayerId = seat.player.parse().map_err(|it| bad("player", &it))?;
        players.push(Player { id: player, name: seat.display_name, seat: index as u8 });
    }
    let failover = match request.failover.as_str() {
        "" => config.failover,
        text => text.parse::<FailoverPolicy>().map_err(|it| bad("failover", &it))?,
    };
    if players.is_empty() {
        return Err(bad("seats", &"a match needs a player"));
    }
    Ok(NewMatch {
        id,
        epoch: Epoch(request.epoch),
        seed: request.seed,
        mode: request.mode,
        filled_seats: config.game.seats_max().min(config.filled_seats as usize),
        rules,
        players,
        failover,
    })
}

#[cfg(test)]
mod tests {
    use arena_wire::game::v1::Seat;

    use super::*;
    use crate::logic::retention::Retention;
    use crate::{Recording, Watching};

    fn seat(player: &str, seat: u32) -> Seat {
        Seat { player: player.to_owned(), display_name: "Zoë".to_owned(), seat }
    }

    fn request() -> CreateRequest {
        CreateRequest {
            r#match: "0000000000001".to_owned(),
            epoch: 1,
            seed: 7,
            mode: "arena".to_owned(),
            rules_version: 1,
            rules_json: r#"{"version": 1}"#.to_owned(),
            seats: vec![seat("0000000000002", 0), seat("0000000000003", 15)],
            failover: String::new(),
        }
    }

    fn config() -> Config {
        let retention = Retention { age_max: std::time::Duration::ZERO, bytes_max: 0 };
        let recording = Recording { disk_bytes_max: 0, retention };
        let watching = Watching { viewers_max: 2, delay_ticks: 60 };
        let game = arena_games::standard();
        Config {
            game,
            capacity: 1,
            threads: 1,
            policy: arena_games::Policy::Cpu,
            filled_seats: 8,
            recording,
            watching,
            failover: FailoverPolicy::Off,
            check_percent: 0,
        }
    }

    #[test]
    fn the_queue_goes_before_the_instance() {
        for (said, expected) in [("", FailoverPolicy::Off), ("journal", FailoverPolicy::Journal)] {
            let request = CreateRequest { failover: said.to_owned(), ..request() };
            assert_eq!(parse(request, &config()).unwrap().failover, expected, "`{said}`");
        }
    }

    #[test]
    fn every_mistake_names_its_field() {
        assert!(parse(request(), &config()).is_ok());
        let seats = |seats: Vec<Seat>| CreateRequest { seats, ..request() };
        for (name, request) in [
            ("match", CreateRequest { r#match: "x".to_owned(), ..request() }),
            ("epoch", CreateRequest { epoch: 0, ..request() }),
            ("rules_json", CreateRequest { rules_json: "{}".to_owned(), ..request() }),
            ("rules_version", CreateRequest { rules_version: 2, ..request() }),
            ("seats", seats(vec![])),
            ("seats", seats(vec![seat("0000000000002", 16)])),
            ("seats", seats(vec![seat("0000000000002", 1), seat("0000000000003", 1)])),
            ("player", seats(vec![seat("me", 1)])),
            ("failover", CreateRequest { failover: "maybe".to_owned(), ..request() }),
        ] {
            let status = parse(request, &config()).unwrap_err();
            assert_eq!(status.code(), tonic::Code::InvalidArgument, "{name}");
            assert!(status.message().starts_with(name), "{name}: {}", status.message());
        }
    }
}
