//! Files.

use bytes::Bytes;

use crate::limits::OBJECT_BYTES_MAX;
use crate::{Objects, PutMode, StoreError};

pub async fn an_object_reads_back_whole(objects: &dyn Objects) {
    for value in ["first", "second", ""] {
        objects.put("replays/1.rpl", Bytes::from(value), PutMode::Overwrite).await.unwrap();
        let found = objects.get("replays/1.rpl").await.unwrap();
        assert_eq!(found.value, value);
        assert_eq!(
            (found.meta.path.as_str(), found.meta.bytes),
            ("replays/1.rpl", value.len() as u64)
        );
        assert!(found.meta.modified_ms > 1_600_000_000_000);
    }
}

pub async fn a_large_object_reads_back_whole(objects: &dyn Objects) {
    let value: Vec<u8> = (0..10_000_000_u32).map(|it| (it / 1_000) as u8).collect();
    let value = Bytes::from(value);
    objects.put("big", value.clone(), PutMode::Create).await.unwrap();
    assert!(objects.get("big").await.unwrap().value == value);
    let too_large = Bytes::from(vec![0; OBJECT_BYTES_MAX + 1]);
    let outcome = objects.put("bigger", too_large, PutMode::Create).await;
    assert!(matches!(outcome, Err(StoreError::Invalid { .. })), "{outcome:?}");
}

pub async fn an_object_is_created_once(objects: &dyn Objects) {
    objects.put("a", Bytes::from("1"), PutMode::Create).await.unwrap();
    let outcome = objects.put("a", Bytes::from("2"), PutMode::Create).await;
    assert!(matches!(outcome, Err(StoreError::Conflict { .. })), "{outcome:?}");
    assert_eq!(objects.get("a").await.unwrap().value, "1");
}

pub async fn an_object_that_is_not_there_is_not_found(objects: &dyn Objects) {
    let outcome = objects.get("a").await;
    assert!(matches!(outcome, Err(StoreError::NotFound { .. })), "{outcome:?}");
}

async fn paths(objects: &dyn Objects, folder: &str) -> Vec<String> {
    objects.list(folder).await.unwrap().into_iter().map(|it| it.path).collect()
}

pub async fn objects_are_listed_by_folder(objects: &dyn Objects) {
    for path in ["r/2", "r/1", "r/deep/3", "rx/4", "5"] {
        objects.put(path, Bytes::from("x"), PutMode::Create).await.unwrap();
    }
    assert_eq!(paths(objects, "r").await, ["r/1", "r/2", "r/deep/3"]);
    assert_eq!(paths(objects, "").await, ["5", "r/1", "r/2", "r/deep/3", "rx/4"]);
    assert_eq!(paths(objects, "none").await, [""; 0]);
}

pub async fn a_deleted_object_is_gone(objects: &dyn Objects) {
    objects.put("a", Bytes::from("1"), PutMode::Create).await.unwrap();
    objects.delete("a").await.unwrap();
    objects.delete("a").await.unwrap();
    assert_eq!(paths(objects, "").await, [""; 0]);
    objects.put("a", Bytes::from("2"), PutMode::Create).await.unwrap();
}

pub async fn a_path_outside_the_root_is_refused(objects: &dyn Objects) {
    for path in ["", "../a", "a/../../b", "/etc/passwd", "a/", "a b"] {
        let outcome = objects.put(path, Bytes::new(), PutMode::Create).await;
        assert!(matches!(outcome, Err(StoreError::Invalid { .. })), "{path}: {outcome:?}");
    }
}
