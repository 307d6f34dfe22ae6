//! `arenactl build`: the images of the spec's services.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bollard::Docker;
use clap::Args;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use indicatif::HumanBytes;
use serde_json::json;

use arenactl_planning::spec::Spec;

use super::push;
use super::selection::{IMAGES_AT_ONCE, Selection, listed};
use crate::artifacts::Artifacts;
use crate::cli::Context;
use crate::docker::Logins;
use crate::durable::{self, Access};
use crate::error::{CliError, Status};
use crate::images::{self, Built, Contents, Phase, Recipe, View, Workshop, Workspace};
use crate::print::table;

/// Build the images of the services, and arenactl's own.
///
/// One image a program, from the folder of the programs (`--artifacts`) and `Dockerfile.gpu`. The same program
/// gives the same layer wherever it is built, so that nodes and registries that have it take nothing.
#[derive(Debug, Args)]
pub(crate) struct Build {
    #[command(flatten)]
    selection: Selection,
    /// The Dockerfile, with targets `plain` and `gpu` [default: `Dockerfile.gpu` beside the spec].
    #[arg(long, value_name = "PATH")]
    dockerfile: Option<PathBuf>,
    /// Writes what is in each image to `DIR/PROGRAM.cdx.json` (CycloneDX 1.5): the crates of the workspace whose
    /// Cargo.toml is beside the spec, and the Debian packages of the base.
    #[arg(long, value_name = "DIR")]
    sbom: Option<PathBuf>,
    /// Pushes them as well.
    #[arg(long)]
    push: bool,
}

impl Build {
    pub(crate) fn run(self, context: &Context) -> Result<Status, CliError> {
        let spec = self.selection.spec(context)?;
        let recipes = self.selection.recipes(&spec)?;
        Context::block_on(async {
            let docker = self.selection.connect().await?;
            let built = self.build(context, &spec, &docker, &recipes).await?;
            if let Some(folder) = &self.sbom {
                self.write_sboms(context, &docker, &recipes, folder).await?;
            }
            if self.push {
                return push::push(context, &self.selection, docker, &recipes).await;
            }
            let images = recipes.iter().zip(built.iter().map(Built::facts));
            let document = json!({"images": listed(images)});
            context.printer.data(&document, || text(&recipes, &built));
            Ok(Status::Done)
        })
    }

    async fn build(
        &self,
        context: &Context,
        spec: &Spec,
        docker: &Docker,
        recipes: &[Recipe],
    ) -> Result<Vec<Built>, CliError> {
        let workshop = Workshop {
            docker: docker.clone(),
            endpoint: self.selection.engine.clone(),
            dockerfile: self.dockerfile(&context.global.file),
            programs: context.programs(),
            images: spec.images.clone(),
            labels: labels(),
            logins: Logins::read()?,
        };
        let view = View::new(&context.printer, recipes.iter().map(|it| it.image.as_str()));
        let builds = recipes.iter().map(|recipe| {
            let row = view.row(Phase::Build, &recipe.image);
            workshop.build(recipe, row)
        });
        Ok(stream::iter(builds).buffered(IMAGES_AT_ONCE).try_collect().await?)
    }

    async fn write_sboms(
        &self,
        context: &Context,
        docker: &Docker,
        recipes: &[Recipe],
        folder: &Path,
    ) -> Result<(), CliError> {
        let workspace = Workspace::read(&context.global.file.with_file_name("Cargo.toml"))?;
        let programs = context.programs();
        for recipe in recipes {
            let program = Artifacts::new(&programs).digest(&programs.join(&recipe.binary))?;
            let installed =
                images::installed(docker, &self.selection.engine, &recipe.image).await?;
            let contents = Contents { recipe, program, workspace: &workspace, installed };
            let path = folder.join(format!("{}.cdx.json", recipe.binary));
            let text = serde_json::to_vec_pretty(&contents.bom()?);
            let text = text.expect("our own types serialise to JSON");
            durable::write(&path, &text, Access::Everyone)?;
            context.printer.say(&format!("wrote {}", path.display()));
        }
        Ok(())
    }

    fn dockerfile(&self, spec: &Path) -> PathBuf {
        self.dockerfile.clone().unwrap_or_else(|| spec.with_file_name("Dockerfile.gpu"))
    }
}

/// What every image says of what its programs understand. Not which revision it was built from: an image of the
/// same program stays the same, and its services are not replaced; the release knows the revision.
fn labels() -> BTreeMap<String, String> {
    let play = [("play", u32::from(arena_wire::play::PROTOCOL_VERSION))];
    let schemas = arena_games::SCHEMAS.into_iter().chain(play);
    schemas.map(|(name, version)| (format!("arena.schema.{name}"), version.to_string())).collect()
}

fn text(recipes: &[Recipe], built: &[Built]) -> String {
    let head = ["IMAGE", "ID", "SIZE", "USER", "SERVICES"].map(str::to_owned).to_vec();
    let rows = recipes.iter().zip(built).map(|(recipe, built)| {
        let id = built.id.trim_start_matches("sha256:").chars().take(12).collect();
        let size = HumanBytes(built.size_bytes).to_string();
        vec![recipe.image.clone(), id, size, built.user.clone(), recipe.services.join(" ")]
    });
    table(&[head].into_iter().chain(rows).collect::<Vec<_>>())
}
