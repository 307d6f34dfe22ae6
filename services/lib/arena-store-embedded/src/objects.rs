//! Objects in a folder, through `object_store`: S3 is the same calls.

use std::error::Error as _;
use std::io;
use std::path::Path;

use arena_store::limits::OBJECT_BYTES_MAX;
use arena_store::{Object, ObjectMeta, Objects, PutMode, StoreError, check_path};
use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::OpenError;

/// Objects of one folder.
#[derive(Debug)]
pub(crate) struct FolderObjects {
    store: LocalFileSystem,
}

impl FolderObjects {
    /// Opens the folder, or makes it.
    pub(crate) fn open(folder: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Folder { path: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let store = LocalFileSystem::new_with_prefix(folder);
        let store = store.map_err(|error| failed(io::Error::other(error)))?;
        Ok(Self { store: store.with_fsync(true).with_automatic_cleanup(true) })
    }
}

#[async_trait]
impl Objects for FolderObjects {
    async fn put(&self, path: &str, value: Bytes, mode: PutMode) -> Result<(), StoreError> {
        check_path(path)?;
        if value.len() > OBJECT_BYTES_MAX {
            let reason = format!("it has {} bytes, at most {OBJECT_BYTES_MAX}", value.len());
            return Err(StoreError::invalid("value", reason));
        }
        let mode = match mode {
            PutMode::Overwrite => object_store::PutMode::Overwrite,
            PutMode::Create => object_store::PutMode::Create,
        };
        let put = self.store.put_opts(&path.into(), value.into(), mode.into()).await;
        put.map(|_| ()).map_err(|error| translate(error, path))
    }

    async fn get(&self, path: &str) -> Result<Object, StoreError> {
        check_path(path)?;
        let failed = |error| translate(error, path);
        let found = self.store.get(&path.into()).await.map_err(failed)?;
        let meta = to_meta(&found.meta);
        if meta.bytes > OBJECT_BYTES_MAX as u64 {
            let reason = format!("it has {} bytes, at most {OBJECT_BYTES_MAX}", meta.bytes);
            return Err(StoreError::invalid("path", reason));
        }
        Ok(Object { meta, value: found.bytes().await.map_err(failed)? })
    }

    async fn list(&self, folder: &str) -> Result<Vec<ObjectMeta>, StoreError> {
        let prefix = match folder {
            "" => None,
            folder => {
                check_path(folder)?;
                Some(object_store::path::Path::from(folder))
            }
        };
        let found = self.store.list(prefix.as_ref()).map_ok(|it| to_meta(&it));
        let mut found: Vec<_> =
            found.try_collect().await.map_err(|error| translate(error, folder))?;
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    async fn delete(&self, path: &str) -> Result<(), StoreError> {
        check_path(path)?;
        match self.store.delete(&path.into()).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(translate(error, path)),
        }
    }
}

fn to_meta(meta: &object_store::ObjectMeta) -> ObjectMeta {
    ObjectMeta {
        path: meta.location.to_string(),
        bytes: meta.size,
        modified_ms: meta.last_modified.timestamp_millis().max(0) as u64,
    }
}

fn translate(error: object_store::Error, path: &str) -> StoreError {
    match error {
        object_store::Error::NotFound { .. } => StoreError::not_found(path),
        object_store::Error::AlreadyExists { .. } => StoreError::conflict(path),
        error if is_full(&error) => StoreError::Full { what: format!("object {path}") },
        error => StoreError::unavailable(format!("object {path}: {error}")),
    }
}

fn is_full(error: &object_store::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error
            .downcast_ref::<io::Error>()
            .is_some_and(|it| it.kind() == io::ErrorKind::StorageFull)
        {
            return true;
        }
        cause = error.source();
    }
    false
}
