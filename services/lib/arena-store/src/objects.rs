//! Files by path, whole: replays, backups.

use async_trait::async_trait;
use bytes::Bytes;

use crate::StoreError;

/// What is known of an object without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectMeta {
    /// Its path.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// When it was written, Unix milliseconds.
    pub modified_ms: u64,
}

/// An object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// What is known of it.
    pub meta: ObjectMeta,
    /// All of it.
    pub value: Bytes,
}

/// What a put does when the path is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutMode {
    /// Replaces the object, as a whole.
    Overwrite,
    /// Refuses with [`StoreError::Conflict`].
    Create,
}

/// Objects by path: segments of `A-Z a-z 0-9 . _ -`, separated by `/`, none of them `.` or `..`.
///
/// # Errors
/// All methods: [`StoreError::Unavailable`], [`StoreError::Uncertain`] (writes),
/// [`StoreError::Invalid`] beyond [`limits`](crate::limits), [`StoreError::Full`],
/// [`StoreError::Denied`]; others where they are named.
#[async_trait]
pub trait Objects: Send + Sync + 'static {
    /// Stores an object of at most [`OBJECT_BYTES_MAX`](crate::limits::OBJECT_BYTES_MAX); readers
    /// see the old one or the new one, never a part.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] with [`PutMode::Create`] if the path is taken.
    async fn put(&self, path: &str, value: Bytes, mode: PutMode) -> Result<(), StoreError>;

    /// Reads an object.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] without it.
    async fn get(&self, path: &str) -> Result<Object, StoreError>;

    /// Returns what is stored below a folder, by path; the empty path is the root.
    async fn list(&self, folder: &str) -> Result<Vec<ObjectMeta>, StoreError>;

    /// Removes an object; nothing happens if there is none.
    async fn delete(&self, path: &str) -> Result<(), StoreError>;
}

/// Checks an object's path.
///
/// # Errors
/// [`StoreError::Invalid`] with the rule it breaks.
pub fn check_path(path: &str) -> Result<(), StoreError> {
    crate::check_key(path)?;
    let good = |it: &str| {
        !matches!(it, "" | "." | "..")
            && it.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    match path.split('/').find(|it| !good(it)) {
        Some(segment) => {
            let reason = format!(
                "segment `{segment}` of `{path}` is empty, `.`, `..` or not of A-Z a-z 0-9 . _ -"
            );
            Err(StoreError::invalid("path", reason))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_the_root() {
        for (path, ok) in [
            ("replays/0000000000007.rpl", true),
            ("a", true),
            ("", false),
            ("/a", false),
            ("a/", false),
            ("a//b", false),
            ("../a", false),
            ("a/../b", false),
            ("a b", false),
            ("a\\b", false),
        ] {
            assert_eq!(check_path(path).is_ok(), ok, "{path}");
        }
    }
}
