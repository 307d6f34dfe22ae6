//! Images of the services, from the binaries that are built: stripped, put on the base that
//! `.ci/base-image` makes, pushed, and kept for the next lab as long as the binary stays the same.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;
use tempfile::TempDir;

use super::node::Node;
use super::registry::Registry;
use super::run::{run, run_command};
use super::slot::{CACHE, lock};

/// Images of one service kept for later labs; with more of them the store of images starts anew.
const KEPT_MAX: usize = 20;
/// Hexadecimal digits of a hash that tell images apart.
const HASH_LEN: usize = 16;

/// An image in the lab's registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The name with a tag, as every node of the lab reads it.
    pub reference: String,
    /// The same image by content: `sha256:` and 64 hexadecimal digits.
    pub digest: String,
}

/// A service's name and its binary.
pub(crate) type Program<'a> = (&'a str, &'a Path);

/// Lays out what earlier labs pushed; to be called before the registry starts.
pub(crate) async fn reuse(registry: &Registry) -> anyhow::Result<()> {
    let _lock = lock_store().await?;
    let (kept, storage) = (kept(), registry.storage());
    fs::create_dir_all(repositories(&storage))?;
    fs::create_dir_all(blobs(&storage))?;
    if kept.exists() {
        copy("-al", &blobs(&kept), &blobs(&storage)).await?;
        copy("-a", &repositories(&kept), &repositories(&storage)).await?;
    }
    Ok(())
}

/// Makes the image of a program unless it is there, and pushes it as `tag`.
pub(crate) async fn push(
    node: &Node,
    registry: &Registry,
    program: Program<'_>,
    tag: &str,
) -> anyhow::Result<Image> {
    let hash = hash(program.1)?;
    let name = format!("127.0.0.1:5000/arena/{}", program.0);
    let tags = repository(&registry.storage(), program.0).join("_manifests/tags");
    if !tags.join(&hash).exists() {
        build(node, program, &format!("{name}:{hash}")).await?;
        keep(registry, program.0, &hash).await?;
    }
    let named = tags.join(tag);
    // A tag is a folder with a link to a manifest: this is what pushing it again would write.
    if named.exists() {
        fs::remove_dir_all(&named)?;
    }
    run("cp", &[Path::new("-a"), &tags.join(&hash), &named]).await?;
    let digest = fs::read_to_string(named.join("current/link")).context("the digest of a push")?;
    Ok(Image { reference: format!("{name}:{tag}"), digest })
}

/// Names the binary, the image file and the base together.
fn hash(binary: &Path) -> anyhow::Result<String> {
    let about = fs::metadata(binary).with_context(|| binary.display().to_string())?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(&fs::read(root().join("Dockerfile.gpu"))?);
    hasher.update(&fs::read(root().join(".ci/base-image"))?);
    hasher.update(binary.as_os_str().as_encoded_bytes());
    // Cheaper than to read it, and a build that changes it changes these.
    for number in [about.len(), about.mtime() as u64, about.mtime_nsec() as u64, about.ino()] {
        hasher.update(&number.to_le_bytes());
    }
    Ok(hasher.finalize().to_hex()[..HASH_LEN].to_owned())
}

async fn build(node: &Node, (service, binary): Program<'_>, name: &str) -> anyhow::Result<()> {
    let script = root().join(".ci/base-image");
    run("bash", &[script.as_os_str(), "plain".as_ref(), node.endpoint().as_ref()]).await?;
    let file_name = binary.file_name().and_then(OsStr::to_str).context("a binary's name")?;
    let context = context(binary, file_name).await?;
    let mut command = node.docker();
    command.args(["build", "--quiet", "--target", "plain", "--tag", name]);
    command.args(["--build-arg", "BASE=arena-base:bookworm"]);
    command.args(["--build-arg", &format!("SERVICE={service}")]);
    command.args(["--build-arg", &format!("BINARY={file_name}")]);
    command.arg("--file").arg(context.path().join("Dockerfile.gpu")).arg(context.path());
    run_command(command).await?;
    let mut command = node.docker();
    command.args(["push", "--quiet", name]);
    run_command(command).await.map(drop)
}

/// Makes the folder sent to the engine: the image file, and the binary where it looks for it.
async fn context(binary: &Path, file_name: &str) -> anyhow::Result<TempDir> {
    let context = TempDir::with_prefix_in("context-", CACHE)?;
    let folder = context.path().join("target/release");
    fs::create_dir_all(&folder)?;
    fs::copy(root().join("Dockerfile.gpu"), context.path().join("Dockerfile.gpu"))?;
    let stripped = folder.join(file_name);
    run("strip", &[Path::new("-o"), &stripped, binary]).await?;
    // The same bytes give the same layer, whenever they were built.
    File::options().append(true).open(&stripped)?.set_modified(SystemTime::UNIX_EPOCH)?;
    Ok(context)
}

/// Keeps a pushed image for later labs.
async fn keep(registry: &Registry, service: &str, hash: &str) -> anyhow::Result<()> {
    let _lock = lock_store().await?;
    let (kept, storage) = (kept(), registry.storage());
    let (from, into) = (repository(&storage, service), repository(&kept, service));
    let count = fs::read_dir(into.join("_manifests/tags")).into_iter().flatten().count();
    if count >= KEPT_MAX {
        fs::remove_dir_all(&kept)?;
    }
    fs::create_dir_all(blobs(&kept))?;
    copy("-aln", &blobs(&storage), &blobs(&kept)).await?;
    // The tag goes last: it says that all else is there.
    let tag = Path::new("_manifests/tags").join(hash);
    for part in [Path::new("_layers"), Path::new("_manifests/revisions"), &tag] {
        fs::create_dir_all(into.join(part))?;
        copy("-an", &from.join(part), &into.join(part)).await?;
    }
    Ok(())
}

/// Copies what is in the folder `from` into the folder `to`.
async fn copy(how: &str, from: &Path, to: &Path) -> anyhow::Result<()> {
    run("cp", &[Path::new(how), &from.join("."), to]).await.map(drop)
}

async fn lock_store() -> anyhow::Result<File> {
    tokio::task::spawn_blocking(|| lock(&Path::new(CACHE).join("images.lock"))).await?
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn kept() -> PathBuf {
    Path::new(CACHE).join("images")
}

fn blobs(storage: &Path) -> PathBuf {
    storage.join("docker/registry/v2/blobs")
}

fn repositories(storage: &Path) -> PathBuf {
    storage.join("docker/registry/v2/repositories")
}

fn repository(storage: &Path, service: &str) -> PathBuf {
    repositories(storage).join("arena").join(service)
}
