//! What a folder may look like when the stores are opened.

use std::fs;
use std::path::Path;

use arena_store_embedded::{Embedded, OpenError, Options};
use bytes::Bytes;
use sqlx::{Connection, SqliteConnection};

async fn refusal(folder: &Path) -> OpenError {
    Embedded::open(folder, Options::default()).await.expect_err("it must not open")
}

#[tokio::test]
async fn what_was_written_is_there_after_a_close() {
    let folder = tempfile::tempdir().unwrap();
    let embedded = crate::open(folder.path()).await;
    let stores = embedded.stores();
    let revision = stores.registry.put("a", Bytes::from("1"), None).await.unwrap();
    stores.hot.set("b", Bytes::from("2"), None).await.unwrap();
    drop(stores);
    embedded.close().await;
    let embedded = crate::reopen(folder.path()).await;
    let stores = embedded.stores();
    let entry = stores.registry.get("a").await.unwrap().unwrap();
    assert_eq!((entry.value, entry.revision), (Bytes::from("1"), revision));
    assert_eq!(stores.hot.get("b").await.unwrap().unwrap().value, "2");
}

#[tokio::test]
async fn a_second_store_on_the_folder_is_refused_with_the_first_ones_pid() {
    let folder = tempfile::tempdir().unwrap();
    let _first = crate::open(folder.path()).await;
    let error = refusal(folder.path()).await;
    let OpenError::Locked { pid: Some(pid), .. } = error else { panic!("{error}") };
    assert_eq!(pid, std::process::id());
    assert!(error.help().contains(&pid.to_string()), "{}", error.help());
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    crate::open(folder.path()).await.close().await;
    let path = folder.path().join("players.db");
    let garbage = vec![7; 64 << 10];
    fs::write(&path, &garbage).unwrap();
    let error = refusal(folder.path()).await;
    assert!(matches!(&error, OpenError::Corrupt { path: at, .. } if *at == path), "{error:?}");
    assert!(error.help().contains("restore"), "{}", error.help());
    assert_eq!(fs::read(&path).unwrap(), garbage);
}

#[tokio::test]
async fn a_damaged_page_is_found_before_anything_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let embedded = crate::open(folder.path()).await;
    let registry = embedded.stores().registry;
    for number in 0..200 {
        registry.put(&format!("key/{number}"), Bytes::from(vec![1; 500]), None).await.unwrap();
    }
    drop(registry);
    embedded.close().await;
    let path = folder.path().join("registry.db");
    let mut bytes = fs::read(&path).unwrap();
    for page in bytes.chunks_mut(4096).skip(3).step_by(2) {
        page[..512].fill(0xa5);
    }
    fs::write(&path, bytes).unwrap();
    let error = refusal(folder.path()).await;
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error:?}");
}

#[tokio::test]
async fn a_newer_schema_is_refused_with_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    crate::open(folder.path()).await.close().await;
    let path = folder.path().join("hot.db");
    let mut connection =
        SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (99, 'later', TRUE, x'00', 0)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
    let error = refusal(folder.path()).await;
    let OpenError::SchemaNewer { found: 99, supported: 1, .. } = error else { panic!("{error:?}") };
    assert!(error.to_string().contains("99") && error.to_string().contains("up to 1"), "{error}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = refusal(&file).await;
    assert!(matches!(error, OpenError::Folder { .. }), "{error:?}");
    assert!(error.to_string().contains("file"), "{error}");
}
