//! The Debian packages in an image, from the records that dpkg keeps there.

use std::io::{self, Read as _};

use bollard::Docker;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{DownloadFromContainerOptions, RemoveContainerOptions};
use futures::TryStreamExt as _;

use super::encoded;
use crate::docker::DockerError;

/// What dpkg keeps, and what images without a shell keep instead.
const RECORDS: &[&str] = &["/var/lib/dpkg/status", "/var/lib/dpkg/status.d"];
/// What names the system; the second is a link to the first where there are both.
const OS_RELEASES: &[&str] = &["/usr/lib/os-release", "/etc/os-release"];
/// A full desktop's record is a tenth of this.
const ARCHIVE_BYTES_MAX: usize = 64 << 20;
/// The system whose packages these are, where nothing names it.
const DEBIAN: &str = "debian";

/// What lies below the program in an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Installed {
    /// The system.
    pub os: OsRelease,
    /// Its packages.
    pub packages: Vec<Package>,
}

/// A system's name and version, empty if nothing tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OsRelease {
    /// `debian`, `ubuntu` …
    pub id: String,
    /// `12`, `24.04` …
    pub version: String,
}

/// An installed package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// `amd64`, `all` …
    pub architecture: String,
}

impl Package {
    /// Returns its package URL.
    #[must_use]
    pub fn purl(&self, os: &OsRelease) -> String {
        let id = if os.id.is_empty() { DEBIAN } else { &os.id };
        let (name, version) = (encoded(&self.name), encoded(&self.version));
        let (id, architecture) = (encoded(id), encoded(&self.architecture));
        let distro = match os.version.as_str() {
            "" => String::new(),
            version => format!("&distro={id}-{}", encoded(version)),
        };
        format!("pkg:deb/{id}/{name}@{version}?arch={architecture}{distro}")
    }
}

/// Reads the packages of an image. It is not started: its files are read from a container that never runs.
///
/// # Errors
/// [`DockerError`].
pub async fn installed(
    docker: &Docker,
    endpoint: &str,
    image: &str,
) -> Result<Installed, DockerError> {
    let failed = |error| DockerError::of(endpoint, error);
    let body = ContainerCreateBody {
        image: Some(image.to_owned()),
        // An image without an entry point would be refused.
        cmd: Some(vec!["/never".to_owned()]),
        ..ContainerCreateBody::default()
    };
    let container = docker.create_container(None, body).await.map_err(failed)?.id;
    let read = read(docker, endpoint, &container).await;
    let options = RemoveContainerOptions { force: true, ..RemoveContainerOptions::default() };
    docker.remove_container(&container, Some(options)).await.map_err(failed)?;
    read
}

async fn read(docker: &Docker, endpoint: &str, container: &str) -> Result<Installed, DockerError> {
    let os = first(docker, endpoint, container, OS_RELEASES).await?;
    let records = first(docker, endpoint, container, RECORDS).await?;
    Ok(Installed { os: os_release(&os), packages: packages(&records) })
}

/// Returns the text of the first of the paths that there is; of a folder, all its files'.
async fn first(
    docker: &Docker,
    endpoint: &str,
    container: &str,
    paths: &[&str],
) -> Result<String, DockerError> {
    for path in paths {
        let options = DownloadFromContainerOptions { path: (*path).to_owned() };
        let archive = docker.download_from_container(container, Some(options));
        let archive = archive.map_err(|error| DockerError::of(endpoint, error));
        let limited = archive.try_fold(Vec::new(), |mut all, chunk| async move {
            all.extend_from_slice(&chunk);
            if all.len() > ARCHIVE_BYTES_MAX {
                let message = format!("`{path}` has more than {ARCHIVE_BYTES_MAX} bytes");
                return Err(DockerError::Failed { message });
            }
            Ok(all)
        });
        match limited.await {
            Err(DockerError::Refused { status: 404, .. }) => {}
            Err(error) => return Err(error),
            Ok(archive) => {
                let text = text(&archive).map_err(|source| DockerError::Lost {
                    endpoint: endpoint.to_owned(),
                    source: source.into(),
                })?;
                if !text.is_empty() {
                    return Ok(text);
                }
            }
        }
    }
    Ok(String::new())
}

/// Returns the text of all files of an archive, an empty line between them.
fn text(archive: &[u8]) -> io::Result<String> {
    let mut all = Vec::new();
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        let is_checksums = entry.path()?.extension().is_some_and(|it| it == "md5sums");
        if entry.header().entry_type().is_file() && !is_checksums {
            entry.read_to_end(&mut all)?;
            all.extend_from_slice(b"\n\n");
        }
    }
    Ok(String::from_utf8_lossy(&all).trim().to_owned())
}

/// Reads the paragraphs of dpkg's record (deb-control(5)); a package that was removed leaves one, too.
fn packages(records: &str) -> Vec<Package> {
    let mut packages: Vec<Package> = records.split("\n\n").filter_map(package).collect();
    packages.sort_by(|a, b| (&a.name, &a.architecture).cmp(&(&b.name, &b.architecture)));
    packages
}

fn package(paragraph: &str) -> Option<Package> {
    let field = |name: &str| {
        let line = paragraph.lines().find_map(|it| it.strip_prefix(name)?.strip_prefix(':'));
        line.map(|it| it.trim().to_owned())
    };
    if field("Status").is_some_and(|status| !status.ends_with(" installed")) {
        return None;
    }
    let architecture = field("Architecture").unwrap_or_else(|| "all".to_owned());
    Some(Package { name: field("Package")?, version: field("Version")?, architecture })
}

/// Reads os-release(5).
fn os_release(text: &str) -> OsRelease {
    let field = |name: &str| {
        let line = text.lines().find_map(|it| it.strip_prefix(name)?.strip_prefix('='));
        line.map(|it| it.trim_matches(['"', '\'']).to_owned()).unwrap_or_default()
    };
    OsRelease { id: field("ID"), version: field("VERSION_ID") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removed_packages_are_not_in_the_image() {
        let records = "Package: libstdc++6\nStatus: install ok installed\nArchitecture: amd64\n\
             Version: 12.2.0-14+deb12u1\nDescription: x\n Package: no\n\n\
             Package: gone\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 1\n\n\
             Package: base-files\nVersion: 12.4+deb12u5\nArchitecture: amd64\n";
        let os = os_release("PRETTY_NAME=\"Debian\"\nID=debian\nVERSION_ID=\"12\"\n");
        let purls: Vec<String> = packages(records).iter().map(|it| it.purl(&os)).collect();
        let expected = [
            "pkg:deb/debian/base-files@12.4%2Bdeb12u5?arch=amd64&distro=debian-12",
            "pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64&distro=debian-12",
        ];
        assert_eq!(purls, expected);
    }
}
