//! How a command ends: its exit code, and for a failure what happened, why, and what to do next.

use std::error::Error;

use crate::artifacts::ArtifactError;
use crate::backend::BackendError;
use crate::config_client::ConfigError;
use crate::docker::{CredentialError, DockerError};
use crate::durable::FileError;
use crate::images::{CrateError, ImageError};
use crate::ledger::LedgerError;
use crate::lock::LockError;
use crate::secrets::SecretError;
use crate::state_folder::NoStateFolder;
use crate::swarm::SwarmError;

/// How a command ended; each has one exit code, and scripts may rely on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Done, or nothing to do.
    Done,
    /// `plan`: there are changes to deploy.
    ChangesPending,
    /// The spec or the command line is wrong; nothing was changed.
    InvalidInput,
    /// A check before the start failed; nothing was changed.
    PreflightFailed,
    /// Another arenactl works on the region.
    LockHeld,
    /// The region is not what the plan was made for.
    Conflict,
    /// The rollout failed and everything is as before.
    RolledBack,
    /// The rollout failed, and so did its rollback.
    RollbackFailed,
    /// The rollout failed and was left as it is.
    LeftAsIs,
    /// The rollout waits for a person.
    Paused,
    /// A replay does not verify: it is damaged, has no end, or tells what did not happen.
    NotVerified,
    /// A mistake of arenactl.
    Bug,
    /// Interrupted; the rollout can be resumed.
    Interrupted,
}

impl Status {
    /// Returns the exit code.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::ChangesPending => 2,
            Self::InvalidInput => 3,
            Self::PreflightFailed => 4,
            Self::LockHeld => 5,
            Self::Conflict => 6,
            Self::RolledBack => 10,
            Self::RollbackFailed => 11,
            Self::LeftAsIs => 12,
            Self::Paused => 13,
            Self::NotVerified => 14,
            Self::Bug => 70,
            Self::Interrupted => 130,
        }
    }
}

/// The failure of a command: status, chain of causes, help.
#[derive(Debug)]
pub struct CliError {
    status: Status,
    source: Box<dyn Error + Send + Sync>,
    details: Vec<String>,
    help: Vec<String>,
}

impl CliError {
    /// Makes a failure of any error.
    #[must_use]
    pub fn new(status: Status, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { status, source: source.into(), details: Vec::new(), help: Vec::new() }
    }

    /// Adds one thing the operator can do next.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Adds lines between the causes and the help: one a mistake.
    #[must_use]
    pub fn with_details(mut self, details: impl IntoIterator<Item = String>) -> Self {
        self.details.extend(details);
        self
    }

    /// Returns the lines added by [`CliError::with_details`].
    #[must_use]
    pub fn details(&self) -> &[String] {
        &self.details
    }

    /// Returns how the command ends.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    /// Returns what happened, then each cause, outermost first.
    #[must_use]
    pub fn chain(&self) -> Vec<String> {
        chain(self.source.as_ref())
    }

    /// Returns what the operator can do next.
    #[must_use]
    pub fn help(&self) -> &[String] {
        &self.help
    }
}

/// Returns an error and each of its causes, outermost first.
fn chain(error: &(dyn Error + 'static)) -> Vec<String> {
    let (mut next, mut chain) = (Some(error), Vec::new());
    while let Some(error) = next {
        chain.push(error.to_string());
        next = error.source();
    }
    chain
}

/// Writes an error and each of its causes in one line.
pub(crate) fn causes(error: &(dyn Error + 'static)) -> String {
    chain(error).join(": ")
}

impl From<FileError> for CliError {
    fn from(error: FileError) -> Self {
        let help = error.help();
        Self::new(Status::PreflightFailed, error).with_help(help)
    }
}

impl From<ArtifactError> for CliError {
    fn from(error: ArtifactError) -> Self {
        let help = error.help();
        Self::new(Status::PreflightFailed, error).with_help(help)
    }
}

impl From<LedgerError> for CliError {
    fn from(error: LedgerError) -> Self {
        let help = error.help();
        Self::new(Status::PreflightFailed, error).with_help(help)
    }
}

impl From<LockError> for CliError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Ledger(error) => error.into(),
            LockError::Held(_) => Self::new(Status::LockHeld, error)
                .with_help("wait for it, watch it with `arenactl status`, or steer it with `arenactl abort`")
                .with_help("if that command can no longer be running: `arenactl unlock`"),
            LockError::Lost => Self::new(Status::Conflict, error)
                .with_help("see what the other one does: `arenactl status`"),
        }
    }
}

impl From<BackendError> for CliError {
    fn from(error: BackendError) -> Self {
        let status = match &error {
            BackendError::Script { .. } | BackendError::Config(ConfigError::Refused { .. }) => {
                Status::InvalidInput
            }
            BackendError::Swarm(SwarmError::Drift { .. }) => Status::Conflict,
            _ => Status::PreflightFailed,
        };
        let help = error.help();
        Self::new(status, error).with_help(help)
    }
}

impl From<SwarmError> for CliError {
    fn from(error: SwarmError) -> Self {
        BackendError::from(error).into()
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        let status = match error {
            ConfigError::Refused { .. } => Status::InvalidInput,
            _ => Status::PreflightFailed,
        };
        let help = error.help();
        Self::new(status, error).with_help(help)
    }
}

impl From<SecretError> for CliError {
    fn from(error: SecretError) -> Self {
        let help = error.help();
        Self::new(Status::PreflightFailed, error).with_help(help)
    }
}

impl From<DockerError> for CliError {
    fn from(error: DockerError) -> Self {
        let status = match error {
            DockerError::Endpoint(_) => Status::InvalidInput,
            _ => Status::PreflightFailed,
        };
        let help = error.help();
        Self::new(status, error).with_help(help)
    }
}

impl From<CredentialError> for CliError {
    fn from(error: CredentialError) -> Self {
        let help = error.help();
        Self::new(Status::PreflightFailed, error).with_help(help)
    }
}

impl From<ImageError> for CliError {
    fn from(error: ImageError) -> Self {
        let status = match error {
            ImageError::UnknownService { .. }
            | ImageError::Collision { .. }
            | ImageError::NoRegistry { .. } => Status::InvalidInput,
            ImageError::Docker(error) => return error.into(),
            _ => Status::PreflightFailed,
        };
        let (help, details) = (error.help(), error.details());
        Self::new(status, error).with_details(details).with_help(help)
    }
}

impl From<CrateError> for CliError {
    fn from(error: CrateError) -> Self {
        let help = error.help();
        Self::new(Status::PreflightFailed, error).with_help(help)
    }
}

impl From<NoStateFolder> for CliError {
    fn from(error: NoStateFolder) -> Self {
        Self::new(Status::InvalidInput, error).with_help("name a folder with `--state-dir DIR`")
    }
}
