//! What instances show of themselves at one moment: their report, how long their ticks take, their matches.

mod channels;
pub(crate) mod histogram;

use std::net::SocketAddr;
use std::time::Duration;

use arena_types::ServiceName;
use arena_wire::game::v1::game_client::GameClient;
use arena_wire::game::v1::{ListRequest, Match};
use futures::StreamExt as _;
use futures::future::join;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};

use crate::backend::Unit;
use crate::relay::Target;
use crate::side_port::{self, Probe};
pub(crate) use channels::Channels;
pub use histogram::Histogram;

/// An instance that needs longer is shown as silent: below the second after which it is asked again.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(800);
/// Instances asked at once: no region of ours has more, and each takes three connections for a moment.
const CONCURRENT_COUNT_MAX: usize = 64;
/// Matches taken over of one instance: more fit on no screen and hardly through a relay.
const MATCH_COUNT_MAX: usize = 500;

/// Whom to ask, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) service: ServiceName,
    /// Its side port.
    pub(crate) target: Target,
    /// Its mesh port.
    pub(crate) mesh: Option<SocketAddr>,
}

impl Asked {
    /// Makes one of an instance whose side port is `side`.
    pub(crate) fn of(unit: &Unit, side: SocketAddr) -> Self {
        Self {
            service: unit.service.clone(),
            target: Target { instance: unit.instance.clone(), address: side },
            mesh: unit.addresses.get("mesh").copied(),
        }
    }
}

/// What an instance showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) probe: Probe,
    /// How long its ticks took since it started; `None` where there are none.
    pub(crate) ticks: Option<Histogram>,
    /// `None` if it hosts none, or did not tell.
    pub(crate) matches: Option<Vec<HostedMatch>>,
}

/// A match, as its host tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostedMatch {
    /// Its id.
    pub id: String,
    /// Its mode.
    pub mode: String,
    /// Players of flesh and blood.
    pub players: u32,
    /// Players of the machine.
    pub bots: u32,
    /// Its last tick.
    pub tick: u32,
    /// Counts its owners.
    pub epoch: u32,
    /// Whether it is over.
    pub is_finished: bool,
    /// Whether it is on its way to another instance.
    #[serde(default)]
    pub is_moving: bool,
}

impl From<Match> for HostedMatch {
    fn from(it: Match) -> Self {
        Self {
            id: it.r#match,
            mode: it.mode,
            players: it.players,
            bots: it.bots,
            tick: it.tick,
            epoch: it.epoch,
            is_finished: it.finished,
            is_moving: it.moving,
        }
    }
}

/// One instance with what it showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What is known of it.
    pub unit: Unit,
    /// Whether it spoke for itself.
    pub answer: Answer,
    /// How long its ticks took since it started.
    pub ticks: Option<Histogram>,
    /// Its matches, where it told.
    pub matches: Option<Vec<HostedMatch>>,
}

/// Whether an instance spoke for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It does not run, so that nobody asked.
    NotAsked,
    /// It did.
    Given,
    /// It did not, and why.
    Missing(String),
}

impl Reading {
    /// Makes one of an instance that was not asked for more than its unit tells.
    #[must_use]
    pub fn of(unit: Unit, answer: Answer) -> Self {
        Self { unit, answer, ticks: None, matches: None }
    }
}

/// Asks all at once; the answers are in the same order. Who is silent holds up nobody.
pub(crate) async fn take(asked: &[Asked], channels: Option<&Channels>) -> Vec<Sample> {
    let samples = asked.iter().map(|asked| ask(asked, channels));
    futures::stream::iter(samples).buffered(CONCURRENT_COUNT_MAX).collect().await
}

async fn ask(asked: &Asked, channels: Option<&Channels>) -> Sample {
    let (side, until) = (asked.target.address, Instant::now() + ANSWER_TIMEOUT);
    let Ok(probe) = timeout_at(until, side_port::probe(side)).await else {
        let why = format!("no answer from {side} within {} ms", ANSWER_TIMEOUT.as_millis());
        return Sample::silent(&why);
    };
    if !probe.report.as_ref().is_ok_and(|report| report.capacity > 0) {
        return Sample { probe, ticks: None, matches: None };
    }
    let ticks = async {
        let exposition = timeout_at(until, side_port::metrics(side)).await.ok()?.ok()?;
        Histogram::parse(&exposition, histogram::TICKS)
    };
    let matches = async {
        let mut client = GameClient::new(channels?.to(asked)?);
        let list = timeout_at(until, client.list(ListRequest {})).await.ok()?.ok()?;
        let matches = list.into_inner().matches.into_iter().take(MATCH_COUNT_MAX);
        Some(matches.map(HostedMatch::from).collect())
    };
    let (ticks, matches) = join(ticks, matches).await;
    Sample { probe, ticks, matches }
}

impl Sample {
    /// The sample of an instance that told nothing.
    pub(crate) fn silent(why: &str) -> Self {
        let probe = Probe { report: Err(why.to_owned()), not_ready: None };
        Self { probe, ticks: None, matches: None }
    }
}

/// Puts together what is known of instances with what those said that were asked, by their index.
pub(crate) fn readings(
    units: Vec<Unit>,
    asked: &[(usize, Asked)],
    samples: Vec<Sample>,
) -> Vec<Reading> {
    let units = units.into_iter().map(|unit| Reading::of(unit, Answer::NotAsked));
    let mut readings: Vec<Reading> = units.collect();
    for ((index, _), sample) in asked.iter().zip(samples) {
        let Sample { probe, ticks, matches } = sample;
        let reading = &mut readings[*index];
        reading.answer = match &probe.report {
            Ok(_) => Answer::Given,
            Err(why) => Answer::Missing(why.clone()),
        };
        (reading.ticks, reading.matches) = (ticks, matches);
        reading.unit.judge(probe);
    }
    readings
}
