//! Rows that become one message.

use arena_store::limits::READ_BYTES_MAX;
use futures::{Stream, TryStreamExt};

/// Reads rows up to and with the one that passes [`READ_BYTES_MAX`]; `size` is a row's bytes.
pub(crate) async fn one_message<T>(
    mut rows: impl Stream<Item = Result<T, sqlx::Error>> + Unpin,
    size: impl Fn(&T) -> usize,
) -> Result<Vec<T>, sqlx::Error> {
    let (mut read, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.try_next().await? {
        bytes += size(&row);
        read.push(row);
        if bytes >= READ_BYTES_MAX {
            break;
        }
    }
    Ok(read)
}
