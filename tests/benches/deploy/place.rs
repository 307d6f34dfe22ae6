//! Where it is played: a region `local`, or three engines of a lab.

use std::collections::BTreeMap;

use anyhow::Context as _;
use arena_load::Args;
use arena_tests::{LabSpec, PUBLIC_PORT, SwarmRegion, TestRegion};
use serde_json::Value;
use tokio::process::Command;

use crate::Scale;

/// What the lab differs in: a game and a gateway on every node.
const ON_NODES: [&str; 4] = [
    "services.game.instances=3",
    "services.gateway.instances=3",
    "services.gateway.placement.max_per_node=1",
    "services.gateway.ready_timeout=120s",
];

/// A region that runs.
pub(crate) enum Place {
    Local(TestRegion),
    Lab(SwarmRegion),
}

/// Which instance a match is at, and on which node, by match.
pub(crate) type Owners = BTreeMap<String, (String, String)>;

/// Matches that changed their owner.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moved {
    pub(crate) matches: u32,
    /// Of these, those whose owner is on another node.
    pub(crate) between_nodes: u32,
}

impl Moved {
    pub(crate) fn between(before: &Owners, after: &Owners) -> Self {
        let mut moved = Self { matches: 0, between_nodes: 0 };
        for (id, (owner, node)) in before {
            let Some((now, there)) = after.get(id) else { continue };
            moved.matches += u32::from(now != owner);
            moved.between_nodes += u32::from(there != node);
        }
        moved
    }
}

impl Place {
    pub(crate) async fn start(scale: &Scale) -> anyhow::Result<Self> {
        let settings = scale.settings();
        let settings = settings.iter().map(String::as_str);
        if scale.is_lab {
            // Two games of a node hold a GPU each while one takes over from the other.
            let spec = LabSpec { nodes: 3, gpus: 2, ..LabSpec::default() };
            let settings: Vec<&str> = settings.chain(ON_NODES).collect();
            let region = SwarmRegion::start(spec, &settings).await?;
            region.deploy(&[]).await?.expect_code(0)?;
            return Ok(Self::Lab(region));
        }
        let settings: Vec<&str> = settings.chain(["services.gateway.ports.public=0"]).collect();
        let region = TestRegion::new(&settings).await?;
        region.deploy(&[]).await?.expect_code(0)?;
        Ok(Self::Local(region))
    }

    /// Returns what the bots are to do; on a lab they all come over the gateway of one node, and their matches are
    /// on all.
    pub(crate) async fn load(&self, players: u32) -> anyhow::Result<Args> {
        Ok(match self {
            Self::Local(region) => {
                let url = region.url().await?;
                Args::of_region(&url, region.folder(), region.replays(), players)
            }
            Self::Lab(region) => {
                let url = format!("http://{}:{PUBLIC_PORT}", region.lab().address(1));
                let nowhere = std::path::PathBuf::new;
                let args = Args::of_region(&url, nowhere(), nowhere(), players);
                Args { state: None, replays: None, ..args }
            }
        })
    }

    /// Returns the command of a deploy with `changes`, `--set` arguments without the flag, that tells its steps.
    pub(crate) fn deploy(&self, changes: &[String]) -> Command {
        let changes = changes.iter().map(String::as_str);
        let mut command = match self {
            Self::Local(region) => {
                let changes: Vec<&str> = changes.flat_map(|it| ["--set", it]).collect();
                region.command(&region.deploy_args(&changes))
            }
            Self::Lab(region) => region.deploy_command("lab", &changes.collect::<Vec<_>>()),
        };
        command.args(["--output", "jsonl"]);
        command
    }

    /// Returns where each match is.
    pub(crate) async fn owners(&self) -> anyhow::Result<Owners> {
        let args = ["top", "--once", "--output", "json"];
        let (top, instances) = match self {
            Self::Local(region) => (region.run(&args).await?, region.live("game").await?),
            Self::Lab(region) => (region.arenactl(&args).await?, region.instances().await?),
        };
        let text = |value: &Value| value.as_str().unwrap_or("this machine").to_owned();
        let nodes: BTreeMap<String, String> =
            instances.iter().map(|it| (text(&it["instance"]), text(&it["node"]))).collect();
        let top = top.expect_code(0)?.json()?;
        let matches = top["matches"].as_array().context("the matches of `top`")?;
        let place = |it: &Value| {
            let owner = text(&it["owner"]);
            let node = nodes.get(&owner).cloned().unwrap_or_default();
            (text(&it["match"]), (owner, node))
        };
        Ok(matches.iter().map(place).collect())
    }

    pub(crate) async fn close(self) -> anyhow::Result<()> {
        match self {
            Self::Local(region) => region.close().await,
            Self::Lab(region) => region.close().await,
        }
    }
}
