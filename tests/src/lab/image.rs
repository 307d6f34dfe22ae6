//! Images of the services, from the binaries that are built: stripped, put on the base that
//! `.ci/base-image` makes, pushed, and kept for the next lab as long as the binary stays the same.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;

use super::node::Node;
use super::registry::Registry;
use super::run::{run, run_command};
use super::slot::{CACHE, lock};

/// Images kept for later labs; with more of them the store of images starts anew.
const KEPT_MAX: usize = 100;
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

/// What an image is made of.
struct Recipe {
    service: String,
    /// The folder sent to the engine.
    context: PathBuf,
    /// Names the binary, the image file and the base together.
    hash: String,
}

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

/// Makes the image of `service` from its `binary` unless it is there, and pushes it as `tag`.
pub(crate) async fn push(
    node: &Node,
    registry: &Registry,
    (service, binary): (&str, &Path),
    tag: &str,
) -> anyhow::Result<Image> {
    let recipe = prepare(service, binary).await?;
    let name = format!("127.0.0.1:5000/arena/{service}");
    let tags = repository(&registry.storage(), service).join("_manifests/tags");
    if !tags.join(&recipe.hash).exists() {
        build(node, &recipe, &format!("{name}:{}", recipe.hash)).await?;
        keep(registry, &recipe).await?;
    }
    let named = tags.join(tag);
    if tag != recipe.hash {
        // A tag is a folder with a link to a manifest: this is what pushing it again would write.
        if named.exists() {
            fs::remove_dir_all(&named)?;
        }
        run("cp", &[Path::new("-a"), &tags.join(&recipe.hash), &named]).await?;
    }
    let digest = fs::read_to_string(named.join("current/link")).context("the digest of a push")?;
    Ok(Image { reference: format!("{name}:{tag}"), digest })
}

/// Strips `binary` and puts it beside the image file, as the file wants to find it.
async fn prepare(service: &str, binary: &Path) -> anyhow::Result<Recipe> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let file_name = binary.file_name().context("a binary's name")?;
    let about = fs::metadata(binary).with_context(|| binary.display().to_string())?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(&fs::read(root.join("Dockerfile.gpu"))?);
    hasher.update(&fs::read(root.join(".ci/base-image"))?);
    hasher.update(binary.as_os_str().as_encoded_bytes());
    // Cheaper than to read it, and a build that changes it changes these.
    for number in [about.len(), about.mtime() as u64, about.mtime_nsec() as u64, about.ino()] {
        hasher.update(&number.to_le_bytes());
    }
    let hash = hasher.finalize().to_hex()[..HASH_LEN].to_owned();
    let context = Path::new(CACHE).join("contexts").join(format!("{service}-{hash}"));
    let stripped = context.join("target/release").join(file_name);
    if !stripped.exists() {
        fs::create_dir_all(context.join("target/release"))?;
        fs::copy(root.join("Dockerfile.gpu"), context.join("Dockerfile.gpu"))?;
        let part = context.join("part");
        run("strip", &[Path::new("-o"), &part, binary]).await?;
        // The same bytes give the same layer, whenever they were built.
        File::options().append(true).open(&part)?.set_modified(SystemTime::UNIX_EPOCH)?;
        fs::rename(part, &stripped)?;
    }
    Ok(Recipe { service: service.to_owned(), context, hash })
}

async fn build(node: &Node, recipe: &Recipe, name: &str) -> anyhow::Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.ci/base-image");
    run("bash", &[script.as_os_str(), "plain".as_ref(), node.endpoint().as_ref()]).await?;
    let binary = fs::read_dir(recipe.context.join("target/release"))?.next();
    let binary = binary.context("a binary in the context")??.file_name();
    let mut command = node.docker();
    command.args(["build", "--quiet", "--target", "plain", "--tag", name]);
    command.args(["--build-arg", "BASE=arena-base:bookworm"]);
    command.args(["--build-arg", &format!("SERVICE={}", recipe.service)]);
    command.args(["--build-arg", &format!("BINARY={}", binary.to_string_lossy())]);
    command.arg("--file").arg(recipe.context.join("Dockerfile.gpu")).arg(&recipe.context);
    run_command(command).await?;
    let mut command = node.docker();
    command.args(["push", "--quiet", name]);
    run_command(command).await?;
    Ok(())
}

/// Keeps a pushed image for later labs.
async fn keep(registry: &Registry, recipe: &Recipe) -> anyhow::Result<()> {
    let _lock = lock_store().await?;
    let (kept, storage) = (kept(), registry.storage());
    let tag = Path::new("_manifests/tags").join(&recipe.hash);
    let into = repository(&kept, &recipe.service);
    let count = fs::read_dir(into.join("_manifests/tags")).into_iter().flatten().count();
    if count >= KEPT_MAX {
        fs::remove_dir_all(&kept)?;
    }
    fs::create_dir_all(blobs(&kept))?;
    copy("-aln", &blobs(&storage), &blobs(&kept)).await?;
    let from = repository(&storage, &recipe.service);
    // The tag goes last: it says that all else is there.
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
