//! From a spec to a release and its plan: what `plan`, `diff` and `deploy` share.

use std::path::Path;
use std::process::Command;

use arenactl_planning::Digest;
use arenactl_planning::lint::{lint, lint_secrets};
use arenactl_planning::plan::{Plan, Seed, plan};
use arenactl_planning::release::{Inputs, Origin, Release};
use arenactl_planning::spec::Spec;

use crate::artifacts::Remember;
use crate::backend::{self, Lack};
use crate::cli::{Context, context::Place};
use crate::error::{CliError, Status};
use crate::lock;

/// A release that does not exist yet, and what it would take to get there.
pub(crate) struct Draft {
    pub(crate) release: Release,
    pub(crate) plan: Plan,
}

/// Drafts the next release of a region and plans the way there.
pub(crate) async fn draft(
    context: &Context,
    place: &mut Place,
    spec: &Spec,
    why: &str,
    remember: Remember,
) -> Result<Draft, CliError> {
    let inputs = place.backend.inputs(spec, remember).await?;
    let inputs = Inputs { git: git_revision(&context.global.file), ..inputs };
    let origin = Origin { created: place.backend.now(), by: lock::user(), why: why.to_owned() };
    let id = place.history.next_release();
    let release = Release::draft(id, spec.clone(), inputs, origin);
    planned(place, release).await
}

/// Plans the way to a release that exists.
pub(crate) async fn planned(place: &mut Place, release: Release) -> Result<Draft, CliError> {
    let lacks = place.backend.lacks(&release).await?;
    if !lacks.is_empty() {
        return Err(impossible(
            lacks.iter().map(|Lack { what, help }| (what.clone(), help.clone())),
        ));
    }
    let region = place.region.clone();
    let mut observed = backend::observe(&mut *place.backend, &region, &place.history).await?;
    observed.releases.entry(release.id).or_insert_with(|| release.clone());
    let seed = Seed(Digest::of_json(&(&release.digest, place.history.next_revision())).as_u64());
    let plan = plan(&release, &observed, seed).map_err(|errors| {
        impossible(errors.iter().map(|error| (error.to_string(), error.help())))
    })?;
    let mut findings = lint(&plan, &release, &observed);
    let known = place.backend.secret_values(&release.spec);
    findings.extend(lint_secrets(&plan, &known));
    if findings.is_empty() {
        return Ok(Draft { release, plan });
    }
    let lines: Vec<String> = findings.iter().map(|finding| format!("  {finding}")).collect();
    Err(CliError::new(Status::Bug, "the plan breaks a rule of its own; nothing was changed")
        .with_details(lines)
        .with_help("report it with arena.yaml and the output of `arenactl history`"))
}

/// Everything that makes a plan impossible is told at once.
fn impossible(mistakes: impl Iterator<Item = (String, String)>) -> CliError {
    let lines = mistakes.map(|(what, help)| format!("  {what}\n    help: {help}"));
    CliError::new(Status::PreflightFailed, "the region cannot run this release")
        .with_details(lines.collect::<Vec<_>>())
}

/// Best effort: a spec outside a repository, or a machine without git, has no revision.
fn git_revision(file: &Path) -> Option<String> {
    let folder = file.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let output =
        Command::new("git").arg("-C").arg(folder).args(["rev-parse", "HEAD"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
