//! What an engine is sent to build from: a tar of the Dockerfile and one program, the same for the same bytes.

use std::io;
use std::path::Path;

use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt as _, TryStreamExt as _};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

use super::error::ImageError;

/// The name of the Dockerfile in the context.
pub(super) const DOCKERFILE: &str = "Dockerfile.gpu";
/// Where the Dockerfile finds programs.
const PROGRAMS: &str = "target/release";
/// Every entry's modification time: a fixed one, since it becomes part of a layer.
const MODIFIED_S: u64 = 0;
/// A program is for everyone to run and for nobody to change.
const PROGRAM_MODE: u32 = 0o555;
/// A Dockerfile is not part of an image.
const DOCKERFILE_MODE: u32 = 0o444;
/// What is read of a program at a time.
const CHUNK_BYTES: usize = 256 * 1024;
/// Entries of a tar are padded to this, and it ends with two empty blocks.
const BLOCK_BYTES: u64 = 512;

/// Opens the files and returns the tar, and its length in bytes.
///
/// # Errors
/// [`ImageError::Read`].
pub(super) async fn stream(
    dockerfile: &Path,
    program: &Path,
    binary: &str,
) -> Result<(u64, impl Stream<Item = io::Result<Bytes>> + Send + 'static), ImageError> {
    let unread = |path: &Path| {
        let path = path.to_owned();
        move |source| ImageError::Read { path, source }
    };
    let text = tokio::fs::read(dockerfile).await.map_err(unread(dockerfile))?;
    let file = File::open(program).await.map_err(unread(program))?;
    let size = file.metadata().await.map_err(unread(program))?.len();
    let name = format!("{PROGRAMS}/{binary}");
    let before = [
        header(DOCKERFILE, text.len() as u64, DOCKERFILE_MODE),
        Bytes::from(text.clone()),
        zeros(padding(text.len() as u64)),
        header(&name, size, PROGRAM_MODE),
    ];
    let after = zeros(padding(size) + 2 * BLOCK_BYTES);
    let length = before.iter().map(|it| it.len() as u64).sum::<u64>() + size + after.len() as u64;
    let before = stream::iter(before.into_iter().map(Ok));
    Ok((length, before.chain(chunks(file, size)).chain(stream::once(async { Ok(after) }))))
}

fn header(name: &str, size: u64, mode: u32) -> Bytes {
    let mut header = tar::Header::new_ustar();
    header.set_path(name).expect("names of programs are short and relative");
    header.set_size(size);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(MODIFIED_S);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    Bytes::copy_from_slice(header.as_bytes())
}

const fn padding(size: u64) -> u64 {
    (BLOCK_BYTES - size % BLOCK_BYTES) % BLOCK_BYTES
}

fn zeros(count: u64) -> Bytes {
    Bytes::from(vec![0; count as usize])
}

/// Reads exactly `size` bytes; a program that is built anew meanwhile must not shift what follows.
fn chunks(file: File, size: u64) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let whole = stream::try_unfold((file, size), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let mut chunk = vec![0; CHUNK_BYTES.min(left as usize)];
        file.read_exact(&mut chunk).await?;
        let left = left - chunk.len() as u64;
        Ok(Some((Bytes::from(chunk), (file, left))))
    });
    whole.into_stream()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    async fn tar(program: &Path) -> Vec<u8> {
        let dockerfile = program.with_file_name("Dockerfile");
        std::fs::write(&dockerfile, "FROM scratch\n").unwrap();
        let (length, stream) = stream(&dockerfile, program, "arena-game").await.unwrap();
        let bytes = stream.try_collect::<Vec<Bytes>>().await.unwrap().concat();
        assert_eq!(bytes.len() as u64, length);
        bytes
    }

    #[tokio::test]
    async fn the_same_program_gives_the_same_bytes_whoever_built_it_when() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("game");
        for size in [0, 1, 511, 512, CHUNK_BYTES, CHUNK_BYTES + 1] {
            std::fs::write(&program, vec![7; size]).unwrap();
            let first = tar(&program).await;
            let times = std::fs::FileTimes::new().set_modified(std::time::SystemTime::now());
            std::fs::File::options().write(true).open(&program).unwrap().set_times(times).unwrap();
            assert_eq!(tar(&program).await, first, "{size} bytes");
        }
    }

    #[tokio::test]
    async fn the_tar_holds_dockerfile_and_program() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("game");
        std::fs::write(&program, vec![7; 700]).unwrap();
        let bytes = tar(&program).await;
        let mut found = Vec::new();
        for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            let path = entry.path().unwrap().display().to_string();
            found.push((path, entry.header().mode().unwrap(), content.len()));
        }
        let expected = [
            ("Dockerfile.gpu".to_owned(), 0o444, 13),
            ("target/release/arena-game".to_owned(), 0o555, 700),
        ];
        assert_eq!(found, expected);
    }
}
