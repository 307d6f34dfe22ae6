//! Who one is to a registry, from Docker's own configuration. What is read here is never printed.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::auth::DockerCredentials;
use serde::Deserialize;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// How long a credential helper may take; it may ask a person for a passphrase.
const HELPER_TIMEOUT: Duration = Duration::from_mins(1);
/// The registry of names without a host.
const DOCKER_HUB: &str = "docker.io";
/// The name under which Docker keeps the credentials of [`DOCKER_HUB`].
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";
/// The user name by which a helper says that its secret is an identity token.
const TOKEN_USER: &str = "<token>";

/// Docker's `config.json`: credentials, or the names of the programs that keep them.
#[derive(Clone, Default, Deserialize)]
pub struct Logins {
    #[serde(default)]
    auths: BTreeMap<String, Stored>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
    #[serde(default, rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
}

/// One entry of `auths`; empty where a helper keeps the secret.
#[derive(Clone, Default, Deserialize)]
struct Stored {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    identitytoken: String,
}

/// The credentials for one registry.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    registry: String,
    username: String,
    secret: Secret,
}

#[derive(Clone, PartialEq, Eq)]
enum Secret {
    Password(String),
    Token(String),
}

/// Why credentials cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// Docker's configuration cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Docker's configuration is not what Docker writes. Its text is not repeated: it holds secrets.
    #[error("`{}` is not Docker's configuration, see line {line}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// The entry of a registry is not base64 of `user:password`.
    #[error("docker's credentials for `{registry}` are damaged")]
    Damaged {
        /// The registry.
        registry: String,
    },
    /// The program that keeps the credentials cannot be run.
    #[error("cannot run `{helper}`, which keeps the credentials for `{registry}`")]
    NoHelper {
        /// The program.
        helper: String,
        /// The registry.
        registry: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The program that keeps the credentials fails.
    #[error("`{helper}` does not hand out the credentials for `{registry}`: {reason}")]
    Helper {
        /// The program.
        helper: String,
        /// The registry.
        registry: String,
        /// Its own words, or what is wrong with its answer.
        reason: String,
    },
}

impl CredentialError {
    /// One thing the operator can do next.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Read { path, .. } | Self::Corrupt { path, .. } => {
                format!("move `{}` away and `docker login` again", path.display())
            }
            Self::Damaged { registry } | Self::Helper { registry, .. } => {
                format!("`docker login {registry}` writes them anew")
            }
            Self::NoHelper { helper, .. } => {
                format!(
                    "install `{helper}`, or take it out of Docker's config.json and `docker login` again"
                )
            }
        }
    }
}

impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logins").field("registries", &self.auths.keys()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("registry", &self.registry).finish_non_exhaustive()
    }
}

impl Login {
    /// Returns what the client library sends; its `Debug` shows the secret, so it must not be kept.
    #[must_use]
    pub fn credentials(&self) -> DockerCredentials {
        let (password, token) = match &self.secret {
            Secret::Password(password) => (Some(password.clone()), None),
            Secret::Token(token) => (None, Some(token.clone())),
        };
        DockerCredentials {
            username: Some(self.username.clone()).filter(|it| !it.is_empty()),
            password,
            identitytoken: token,
            serveraddress: Some(key_of(&self.registry).to_owned()),
            ..DockerCredentials::default()
        }
    }
}

impl Logins {
    /// Reads `config.json` in the folder `DOCKER_CONFIG`, else in `~/.docker`. Without a file there are none.
    ///
    /// # Errors
    /// [`CredentialError::Read`] and [`CredentialError::Corrupt`].
    pub fn read() -> Result<Self, CredentialError> {
        let variable = |name| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
        let folder = variable("DOCKER_CONFIG").or_else(|| Some(variable("HOME")?.join(".docker")));
        folder.map_or_else(|| Ok(Self::default()), |folder| Self::read_from(&folder))
    }

    /// Reads `config.json` in a folder.
    ///
    /// # Errors
    /// [`CredentialError::Read`] and [`CredentialError::Corrupt`].
    pub fn read_from(folder: &Path) -> Result<Self, CredentialError> {
        let path = folder.join("config.json");
        match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|error| CredentialError::Corrupt { path, line: error.line() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(CredentialError::Read { path, source }),
        }
    }

    /// Returns the credentials for a registry, as [`registry_of`] names it; `None` if nobody logged in there.
    ///
    /// # Errors
    /// [`CredentialError`].
    pub async fn of(&self, registry: &str) -> Result<Option<Login>, CredentialError> {
        let key = key_of(registry);
        let named = self.helpers.iter().find(|(host, _)| is_same(host, key));
        if let Some((host, helper)) = named {
            return ask(helper, host, registry).await;
        }
        let stored = self.auths.iter().find(|(host, _)| is_same(host, key));
        if let Some(store) = &self.store {
            let host = stored.map_or(key, |(host, _)| host.as_str());
            return ask(store, host, registry).await;
        }
        stored.map_or(Ok(None), |(_, stored)| stored.login(registry))
    }
}

impl Stored {
    fn login(&self, registry: &str) -> Result<Option<Login>, CredentialError> {
        let damaged = || CredentialError::Damaged { registry: registry.to_owned() };
        let (username, password) = if self.auth.is_empty() {
            (self.username.clone(), self.password.clone())
        } else {
            let text = STANDARD.decode(&self.auth).map_err(|_| damaged())?;
            let text = String::from_utf8(text).map_err(|_| damaged())?;
            let (username, password) = text.split_once(':').ok_or_else(damaged)?;
            (username.to_owned(), password.trim_end_matches('\0').to_owned())
        };
        let secret = match (self.identitytoken.as_str(), password) {
            ("", password) if password.is_empty() && username.is_empty() => return Ok(None),
            ("", password) => Secret::Password(password),
            (token, _) => Secret::Token(token.to_owned()),
        };
        Ok(Some(Login { registry: registry.to_owned(), username, secret }))
    }
}

/// What a helper prints.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

async fn ask(name: &str, host: &str, registry: &str) -> Result<Option<Login>, CredentialError> {
    let helper = format!("docker-credential-{name}");
    let registry = registry.to_owned();
    if name.contains(['/', '\0']) {
        let source = io::Error::from(io::ErrorKind::InvalidInput);
        return Err(CredentialError::NoHelper { helper, registry, source });
    }
    let answer = tokio::time::timeout(HELPER_TIMEOUT, run(&helper, host)).await;
    let wrong = |reason: String| CredentialError::Helper {
        helper: helper.clone(),
        registry: registry.clone(),
        reason,
    };
    let output = match answer {
        Err(_) => return Err(wrong(format!("no answer in {} s", HELPER_TIMEOUT.as_secs()))),
        Ok(Err(source)) => return Err(CredentialError::NoHelper { helper, registry, source }),
        Ok(Ok(output)) => output,
    };
    if !output.status.success() {
        // Helpers put their reasons on stdout.
        let reason = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let is_unknown = reason.to_lowercase().contains("credentials not found");
        return if is_unknown { Ok(None) } else { Err(wrong(reason)) };
    }
    let answer: HelperAnswer = serde_json::from_slice(&output.stdout)
        .map_err(|_| wrong("its answer is not that of a credential helper".to_owned()))?;
    let (username, secret) = match answer.username.as_str() {
        TOKEN_USER => (String::new(), Secret::Token(answer.secret)),
        _ => (answer.username, Secret::Password(answer.secret)),
    };
    Ok(Some(Login { registry, username, secret }))
}

async fn run(helper: &str, host: &str) -> io::Result<std::process::Output> {
    let mut command = Command::new(helper);
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.kill_on_drop(true).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that does not read its question says why itself.
        let _ = stdin.write_all(host.as_bytes()).await;
    }
    child.wait_with_output().await
}

/// Returns the registry of an image: the host before its first slash, if it is one, else `docker.io`.
#[must_use]
pub fn registry_of(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host == "localhost" || host.contains(['.', ':']) => host,
        _ => DOCKER_HUB,
    }
}

fn key_of(registry: &str) -> &str {
    if registry == DOCKER_HUB { DOCKER_HUB_KEY } else { registry }
}

/// Old entries have a scheme and a path.
fn is_same(entry: &str, key: &str) -> bool {
    fn host(text: &str) -> &str {
        let text = text.trim_start_matches("https://").trim_start_matches("http://");
        text.split('/').next().unwrap_or(text)
    }
    entry == key || host(entry) == host(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logins(text: &str) -> Logins {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_registry_of_an_image_is_its_host() {
        for (image, registry) in [
            ("debian:bookworm", "docker.io"),
            ("arena/game:1", "docker.io"),
            ("localhost/game", "localhost"),
            ("127.0.0.1:5000/arena/game:1", "127.0.0.1:5000"),
            ("ghcr.io/arena/game", "ghcr.io"),
        ] {
            assert_eq!(registry_of(image), registry, "{image}");
        }
    }

    #[tokio::test]
    async fn an_entry_is_found_by_host_and_never_printed() {
        let logins = logins(
            r#"{"auths": {"https://r.example/v1/": {"auth": "bWU6aHVudGVyMg=="}, "https://index.docker.io/v1/": {}}}"#,
        );
        let login = logins.of("r.example").await.unwrap().unwrap();
        assert_eq!(login.credentials().username.as_deref(), Some("me"));
        assert_eq!(login.credentials().password.as_deref(), Some("hunter2"));
        let shown = format!("{logins:?} {login:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("bWU6"), "{shown}");
        assert_eq!(logins.of("docker.io").await.unwrap(), None);
        assert_eq!(logins.of("other.example").await.unwrap(), None);
    }

    #[test]
    fn a_mistake_in_the_file_does_not_show_its_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(path, "{\n\"auths\": {\"r.example\": \"hunter2\"}}").unwrap();
        let error = Logins::read_from(folder.path()).unwrap_err();
        assert!(matches!(error, CredentialError::Corrupt { line: 2, .. }), "{error:?}");
        assert!(!format!("{error:?} {error}").contains("hunter2"));
    }

    #[tokio::test]
    async fn a_helper_that_is_not_installed_is_named() {
        let logins = logins(r#"{"credHelpers": {"r.example": "nobody-has-this"}}"#);
        let error = logins.of("r.example").await.unwrap_err();
        assert!(error.help().contains("docker-credential-nobody-has-this"), "{}", error.help());
    }
}
