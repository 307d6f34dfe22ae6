//! Which images a command is about, and the engine that has them.

use bollard::Docker;
use clap::Args;
use serde_json::{Value, json};

use arenactl_planning::spec::Spec;

use crate::cli::Context;
use crate::docker::{self, DEFAULT_ENDPOINT};
use crate::error::CliError;
use crate::images::{self, Recipe};

/// How many images are worked on at a time: an engine unpacks on few cores, and a registry takes few uploads.
pub(super) const IMAGES_AT_ONCE: usize = 3;

/// Options of every command about images.
#[derive(Clone, Debug, Args)]
pub(super) struct Selection {
    /// A service, or `arenactl` for its own image; all if left out. May be repeated.
    #[arg(long, value_name = "NAME")]
    service: Vec<String>,
    /// Replaces the spec's `images.tag`.
    #[arg(long)]
    tag: Option<String>,
    /// The engine: `unix://`, `tcp://` or `ssh://`.
    #[arg(
        long,
        value_name = "ENDPOINT",
        env = "DOCKER_HOST",
        hide_env = true,
        default_value = DEFAULT_ENDPOINT
    )]
    pub(super) engine: String,
}

impl Selection {
    /// Reads the spec, with the tag that was asked for.
    pub(super) fn spec(&self, context: &Context) -> Result<Spec, CliError> {
        let mut context = context.clone();
        // As a value of the spec it is checked like one.
        context.global.set.extend(self.tag.as_ref().map(|tag| format!("images.tag={tag}")));
        context.spec()
    }

    pub(super) fn recipes(&self, spec: &Spec) -> Result<Vec<Recipe>, CliError> {
        Ok(images::recipes(spec, &self.service)?)
    }

    pub(super) async fn connect(&self) -> Result<Docker, CliError> {
        Ok(docker::connect(&self.engine, None).await?)
    }
}

/// Returns one object a service, each with what is known of its image.
pub(super) fn listed<'a>(images: impl Iterator<Item = (&'a Recipe, Value)>) -> Vec<Value> {
    let mut listed = Vec::new();
    for (recipe, facts) in images {
        for service in &recipe.services {
            let mut entry = json!({"service": service, "image": recipe.image});
            if let (Some(entry), Some(facts)) = (entry.as_object_mut(), facts.as_object()) {
                entry.extend(facts.clone());
            }
            listed.push(entry);
        }
    }
    listed
}
