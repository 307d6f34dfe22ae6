//! One image, built by an engine's classic builder: the one that every engine since 20.10 has.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::PathBuf;
use std::time::Duration;

use arenactl_planning::spec::Images;
use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::models::BuildInfo;
use bollard::query_parameters::{BuildImageOptions, BuilderVersion};
use futures::StreamExt as _;
use serde_json::json;

use super::build_context::{self, DOCKERFILE};
use super::error::ImageError;
use super::recipe::{Recipe, Target};
use super::view::Row;
use crate::artifacts::Artifacts;
use crate::docker::{DockerError, Login, Logins, registry_of};

/// Names the program in an image: two images differ in when they were built, also where this is the same.
const PROGRAM_LABEL: &str = "arena.program";
/// How long an engine may take to receive the whole context: 200 MB at 0.5 Mbit/s.
const UPLOAD_TIMEOUT: Duration = Duration::from_hours(1);
/// How long a step may say nothing: the pull of a base's largest layer.
const SILENCE_MAX: Duration = Duration::from_mins(15);
/// How many lines of a failed step are kept.
const OUTPUT_LINES_MAX: usize = 20;

/// Everything that is the same for all images of a build.
pub struct Workshop {
    /// The engine.
    pub docker: Docker,
    /// Its address, for messages.
    pub endpoint: String,
    /// The Dockerfile.
    pub dockerfile: PathBuf,
    /// The folder of the programs.
    pub programs: PathBuf,
    /// What images are built on.
    pub images: Images,
    /// What every image is labelled with.
    pub labels: BTreeMap<String, String>,
    /// Credentials for the registries of the bases.
    pub logins: Logins,
}

/// An image that an engine has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// `sha256:…` of its configuration.
    pub id: String,
    /// All its layers, unpacked.
    pub size_bytes: u64,
    /// The user that its program runs as, `root` if it names none.
    pub user: String,
}

impl Workshop {
    /// Builds one image and says so on its row.
    ///
    /// # Errors
    /// [`ImageError`].
    pub async fn build(&self, recipe: &Recipe, mut row: Row<'_>) -> Result<Built, ImageError> {
        let program = self.programs.join(&recipe.binary);
        let digest = Artifacts::new(&self.programs).digest(&program)?;
        let (length, context) =
            build_context::stream(&self.dockerfile, &program, &recipe.binary).await?;
        row.note(&format!("sending {}", indicatif::HumanBytes(length)));
        let docker = self.docker.clone().with_timeout(UPLOAD_TIMEOUT);
        let context = bollard::body_try_stream(context);
        let credentials = self.credentials().await?;
        let mut steps = Steps::new(&recipe.image);
        let mut said =
            docker.build_image(self.options(recipe, &digest), Some(credentials), Some(context));
        loop {
            let next = tokio::time::timeout(SILENCE_MAX, said.next()).await;
            match next.map_err(|_| steps.silent())? {
                None => break,
                Some(Ok(info)) => steps.on(&info, &mut row),
                Some(Err(error)) => return Err(steps.failed(&self.endpoint, error)),
            }
        }
        let built = inspect(&self.docker, &self.endpoint, &recipe.image).await?;
        if steps.id.is_none() {
            return Err(ImageError::Unnamed { image: recipe.image.clone(), what: "id" });
        }
        row.done(&built.facts(), &format!("built, {}", built.text()));
        Ok(built)
    }

    fn options(&self, recipe: &Recipe, program: &str) -> BuildImageOptions {
        // The classic builder goes through the stages before the target as well, and need not pull their base.
        let base = match recipe.target {
            Target::Plain => self.images.base.as_str(),
            Target::Gpu => "scratch",
        };
        let arguments = [
            ("BASE", base),
            ("GPU_BASE", self.images.gpu_base.as_str()),
            ("SERVICE", recipe.binary.strip_prefix("arena-").unwrap_or(&recipe.binary)),
            ("BINARY", recipe.binary.as_str()),
        ];
        let arguments = arguments.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut labels: HashMap<String, String> = self.labels.clone().into_iter().collect();
        labels.insert(PROGRAM_LABEL.to_owned(), format!("sha256:{program}"));
        BuildImageOptions {
            dockerfile: DOCKERFILE.to_owned(),
            t: Some(recipe.image.clone()),
            target: recipe.target.name().to_owned(),
            buildargs: Some(HashMap::from(arguments)),
            labels: Some(labels),
            rm: true,
            forcerm: true,
            version: BuilderVersion::BuilderV1,
            ..BuildImageOptions::default()
        }
    }

    async fn credentials(&self) -> Result<HashMap<String, DockerCredentials>, ImageError> {
        let mut known = HashMap::new();
        for base in [&self.images.base, &self.images.gpu_base] {
            let login = self.logins.of(registry_of(base)).await?;
            let credentials = login.as_ref().map(Login::credentials);
            if let Some(credentials) = credentials {
                let host = credentials.serveraddress.clone().unwrap_or_default();
                known.insert(host, credentials);
            }
        }
        Ok(known)
    }
}

/// Asks an engine for one of its images.
///
/// # Errors
/// [`ImageError::NotBuilt`] and [`ImageError::Docker`].
pub(super) async fn inspect(
    docker: &Docker,
    endpoint: &str,
    image: &str,
) -> Result<Built, ImageError> {
    let found = docker.inspect_image(image).await;
    let found = found.map_err(|error| match DockerError::of(endpoint, error) {
        DockerError::Refused { status: 404, .. } => {
            ImageError::NotBuilt { image: image.to_owned(), endpoint: endpoint.to_owned() }
        }
        error => error.into(),
    })?;
    let user = found.config.and_then(|it| it.user).filter(|user| !user.is_empty());
    Ok(Built {
        id: found.id.unwrap_or_default(),
        size_bytes: u64::try_from(found.size.unwrap_or(0)).unwrap_or(0),
        user: user.unwrap_or_else(|| "root".to_owned()),
    })
}

impl Built {
    /// Returns what a machine wants to know.
    #[must_use]
    pub fn facts(&self) -> serde_json::Value {
        let Self { id, size_bytes, user } = self;
        json!({"id": id, "size_bytes": size_bytes, "user": user})
    }

    fn text(&self) -> String {
        format!("{}, user {}", indicatif::HumanBytes(self.size_bytes), self.user)
    }
}

/// Follows what a builder says.
struct Steps<'a> {
    image: &'a str,
    /// `3/12 RUN …`, `0` before the first.
    step: String,
    output: VecDeque<String>,
    id: Option<String>,
}

impl<'a> Steps<'a> {
    fn new(image: &'a str) -> Self {
        Self { image, step: "0".to_owned(), output: VecDeque::new(), id: None }
    }

    fn on(&mut self, said: &BuildInfo, row: &mut Row<'_>) {
        if let Some(id) = said.aux.as_ref().and_then(|it| it.id.clone()) {
            self.id = Some(id);
        }
        if let Some(detail) = &said.progress_detail
            && let (Some(done), Some(total)) = (detail.current, detail.total)
        {
            row.bytes(done.unsigned_abs(), total.unsigned_abs());
        }
        for line in said.stream.iter().flat_map(|it| it.lines()).filter(|it| !it.is_empty()) {
            match parse_step(line) {
                Some((number, count, instruction)) => {
                    self.step = format!("{number}/{count} {instruction}");
                    self.output.clear();
                    row.step(number, count, instruction);
                }
                None => self.keep(line),
            }
        }
    }

    fn keep(&mut self, line: &str) {
        if self.output.len() == OUTPUT_LINES_MAX {
            self.output.pop_front();
        }
        self.output.push_back(line.trim_end().to_owned());
    }

    fn silent(&self) -> ImageError {
        let (image, doing) = (self.image.to_owned(), format!("step {}", self.step));
        ImageError::Silent { image, doing, minutes: SILENCE_MAX.as_secs() / 60 }
    }

    fn failed(self, endpoint: &str, error: bollard::errors::Error) -> ImageError {
        let message = match DockerError::of(endpoint, error) {
            DockerError::Failed { message } => message,
            DockerError::Refused { message, .. } if self.step == "0" => message,
            error => return error.into(),
        };
        let (image, step, output) = (self.image.to_owned(), self.step, self.output.into());
        ImageError::Step { image, step, message: message.trim().to_owned(), output }
    }
}

/// Reads `Step 3/12 : RUN …`.
fn parse_step(line: &str) -> Option<(u64, u64, &str)> {
    let (counts, instruction) = line.strip_prefix("Step ")?.split_once(" : ")?;
    let (number, count) = counts.split_once('/')?;
    Some((number.parse().ok()?, count.parse().ok()?, instruction))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_told_from_what_it_prints() {
        for (line, step) in [
            ("Step 3/12 : RUN true", Some((3, 12, "RUN true"))),
            (" ---> Running in 0123", None),
            ("Step by step", None),
            ("Step a/b : RUN", None),
        ] {
            assert_eq!(parse_step(line), step, "{line}");
        }
    }
}
