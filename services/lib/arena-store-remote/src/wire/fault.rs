//! Errors, in the details of a status.

use arena_store::StoreError;
use arena_wire::store::v1 as pb;
use arena_wire::store::v1::fault::Kind;
use prost::Message;
use tonic::{Code, Status};

fn words(what: String, reason: String) -> pb::Words {
    pb::Words { what, reason }
}

/// Writes an error, with the gRPC code that fits it.
#[must_use]
pub fn status(error: &StoreError) -> Status {
    let (code, kind) = match error.clone() {
        StoreError::Unavailable { reason } => {
            (Code::Unavailable, Kind::Unavailable(words(String::new(), reason)))
        }
        StoreError::Uncertain { reason } => {
            (Code::Unknown, Kind::Uncertain(words(String::new(), reason)))
        }
        StoreError::Conflict { what } => {
            (Code::Aborted, Kind::Conflict(words(what, String::new())))
        }
        StoreError::NotFound { what } => {
            (Code::NotFound, Kind::NotFound(words(what, String::new())))
        }
        StoreError::Invalid { field, reason } => {
            (Code::InvalidArgument, Kind::Invalid(words(field, reason)))
        }
        StoreError::Compacted { after, oldest } => {
            (Code::OutOfRange, Kind::Compacted(pb::CompactedFault { after, oldest }))
        }
        StoreError::Full { what } => {
            (Code::ResourceExhausted, Kind::Full(words(what, String::new())))
        }
        StoreError::Corrupt { what, reason } => {
            (Code::DataLoss, Kind::Corrupt(words(what, reason)))
        }
        StoreError::Denied { caller, action } => {
            (Code::PermissionDenied, Kind::Denied(words(caller, action)))
        }
    };
    let details = pb::Fault { kind: Some(kind) }.encode_to_vec();
    Status::with_details(code, error.to_string(), details.into())
}

/// Reads the error that the store put into a status; `None` if the status is not the store's.
#[must_use]
pub fn fault_of(status: &Status) -> Option<StoreError> {
    let kind = pb::Fault::decode(status.details()).ok()?.kind?;
    Some(match kind {
        Kind::Unavailable(words) => StoreError::Unavailable { reason: words.reason },
        Kind::Uncertain(words) => StoreError::Uncertain { reason: words.reason },
        Kind::Conflict(words) => StoreError::Conflict { what: words.what },
        Kind::NotFound(words) => StoreError::NotFound { what: words.what },
        Kind::Invalid(words) => StoreError::Invalid { field: words.what, reason: words.reason },
        Kind::Compacted(it) => StoreError::Compacted { after: it.after, oldest: it.oldest },
        Kind::Full(words) => StoreError::Full { what: words.what },
        Kind::Corrupt(words) => StoreError::Corrupt { what: words.what, reason: words.reason },
        Kind::Denied(words) => StoreError::Denied { caller: words.what, action: words.reason },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_reads_back_as_it_was() {
        let text = || "x".to_owned();
        for error in [
            StoreError::Unavailable { reason: text() },
            StoreError::Uncertain { reason: text() },
            StoreError::Conflict { what: text() },
            StoreError::NotFound { what: text() },
            StoreError::Invalid { field: text(), reason: "y".to_owned() },
            StoreError::Compacted { after: 3, oldest: 7 },
            StoreError::Full { what: text() },
            StoreError::Corrupt { what: text(), reason: "y".to_owned() },
            StoreError::Denied { caller: text(), action: "y".to_owned() },
        ] {
            assert_eq!(fault_of(&status(&error)), Some(error));
        }
        assert_eq!(fault_of(&Status::unavailable("gone")), None);
    }
}
