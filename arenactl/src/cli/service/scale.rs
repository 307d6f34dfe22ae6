//! `arenactl scale`: more or fewer instances of a service.

use std::str::FromStr;

use arena_types::ServiceName;
use arenactl_planning::release::{Inputs, Origin, Release};
use clap::Args;

use crate::cli::rollout::draft;
use crate::cli::rollout::session::{self, Agreed};
use crate::cli::rollout::settle::settled;
use crate::cli::{Context, context::Place};
use crate::error::{CliError, Status};
use crate::history::RevisionKind;
use crate::lock;

/// Run more or fewer instances of services; no session is dropped.
///
/// Changes nothing else of the running release. The next `deploy` follows arena.yaml again.
#[derive(Debug, Args)]
pub(crate) struct Scale {
    /// A service and its new number of instances: `game=3`.
    #[arg(required = true, value_name = "SERVICE=COUNT")]
    counts: Vec<Count>,
    /// Does not ask.
    #[arg(long, short = 'y')]
    yes: bool,
}

/// One service's new number of instances.
#[derive(Clone, Debug)]
struct Count {
    service: ServiceName,
    instances: u32,
}

impl FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not SERVICE=COUNT, such as game=3");
        let (service, instances) = text.split_once('=').ok_or_else(wrong)?;
        Ok(Self {
            service: service.parse().map_err(|_| wrong())?,
            instances: instances.parse().map_err(|_| wrong())?,
        })
    }
}

impl Scale {
    pub(crate) fn run(self, context: &Context) -> Result<Status, CliError> {
        Context::block_on(async {
            let mut place = context.known_place().await?;
            session::refuse_if_busy(&mut place, "scale").await?;
            let release = self.scaled(&place)?;
            let draft = settled(context, &mut place, async |place| {
                draft::planned(place, release.clone()).await
            })
            .await?;
            if draft.plan.is_empty() {
                context.printer.verdict(Status::Done, &serde_json::json!({}), "nothing to do");
                return Ok(Status::Done);
            }
            let text = arenactl_planning::plan::text(&draft.plan);
            session::confirm(context, &place, Agreed::of(self.yes), &text)?;
            let why = self.why();
            session::carry_out(context, &mut place, draft, RevisionKind::Scale, &why).await
        })
    }

    /// The running release with other numbers: a release of its own, so that the history stays true.
    fn scaled(&self, place: &Place) -> Result<Release, CliError> {
        let current = place.history.current().cloned().ok_or_else(|| {
            CliError::new(Status::InvalidInput, format!("nothing runs in {}", place.region))
                .with_help("begin with `arenactl deploy`")
        })?;
        let mut spec = current.spec;
        for Count { service, instances } in &self.counts {
            let known: Vec<_> = spec.services.keys().map(ToString::to_string).collect();
            let unknown = || {
                CliError::new(Status::InvalidInput, format!("there is no service `{service}`"))
                    .with_help(format!("one of: {}", known.join(", ")))
            };
            spec.services.get_mut(service).ok_or_else(unknown)?.instances = *instances;
        }
        let inputs = Inputs {
            artifacts: current.artifacts,
            secret_hashes: current.secret_hashes,
            config_files: current.config_files,
            schema: current.schema,
            git: current.git,
        };
        let origin = Origin { created: place.backend.now(), by: lock::user(), why: self.why() };
        Ok(Release::draft(place.history.next_release(), spec, inputs, origin))
    }

    fn why(&self) -> String {
        let counts: Vec<_> =
            self.counts.iter().map(|it| format!("{}={}", it.service, it.instances)).collect();
        format!("scale {}", counts.join(" "))
    }
}
