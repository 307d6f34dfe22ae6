//! `arenactl push`: the images of the spec's services, to the registry in their names.

use bollard::Docker;
use clap::Args;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use indicatif::HumanBytes;
use serde_json::json;

use super::selection::{IMAGES_AT_ONCE, Selection, listed};
use crate::cli::Context;
use crate::docker::Logins;
use crate::error::{CliError, Status};
use crate::images::{Phase, Pushed, Pusher, Recipe, View};
use crate::print::table;

/// Push the images of the services, and arenactl's own, to their registry; print their digests.
///
/// Credentials are those of `docker login`. What the registry has already is not sent again.
#[derive(Debug, Args)]
pub(crate) struct Push {
    #[command(flatten)]
    selection: Selection,
}

impl Push {
    pub(crate) fn run(self, context: &Context) -> Result<Status, CliError> {
        let spec = self.selection.spec(context)?;
        let recipes = self.selection.recipes(&spec)?;
        Context::block_on(async {
            let docker = self.selection.connect().await?;
            push(context, &self.selection, docker, &recipes).await
        })
    }
}

/// Pushes images that the engine has, and prints what the registry calls them.
pub(super) async fn push(
    context: &Context,
    selection: &Selection,
    docker: Docker,
    recipes: &[Recipe],
) -> Result<Status, CliError> {
    let pusher = Pusher { docker, endpoint: selection.engine.clone(), logins: Logins::read()? };
    let view = View::new(&context.printer, recipes.iter().map(|it| it.image.as_str()));
    let pushes = recipes.iter().map(|recipe| {
        let row = view.row(Phase::Push, &recipe.image);
        pusher.push(recipe, row)
    });
    let pushed: Vec<Pushed> = stream::iter(pushes).buffered(IMAGES_AT_ONCE).try_collect().await?;
    let facts = pushed.iter().map(|Pushed { digest, built }| {
        let (size, user) = (built.size_bytes, &built.user);
        json!({"digest": digest, "size_bytes": size, "user": user})
    });
    let document = json!({"images": listed(recipes.iter().zip(facts))});
    context.printer.data(&document, || text(recipes, &pushed));
    Ok(Status::Done)
}

fn text(recipes: &[Recipe], pushed: &[Pushed]) -> String {
    let head = ["IMAGE", "DIGEST", "SIZE", "USER", "SERVICES"].map(str::to_owned).to_vec();
    let rows = recipes.iter().zip(pushed).map(|(recipe, Pushed { digest, built })| {
        let size = HumanBytes(built.size_bytes).to_string();
        let services = recipe.services.join(" ");
        vec![recipe.image.clone(), digest.clone(), size, built.user.clone(), services]
    });
    table(&[head].into_iter().chain(rows).collect::<Vec<_>>())
}
