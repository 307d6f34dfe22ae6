//! The registry's types.

use arena_store::{
    Change, Changes, Compare, Condition, Entry, Event, LeaseId, Revision, StoreError, Transaction,
    TransactionOutcome,
};
use arena_wire::store::v1 as pb;
use arena_wire::store::v1::compare::Condition as WireCondition;
use arena_wire::store::v1::event::Kind;

use super::{Wire, all, messages, required};

impl Wire for Entry {
    type Message = pb::Entry;

    fn into_wire(self) -> pb::Entry {
        let (revision, lease) = (self.revision.0, self.lease.map(|it| it.0));
        pb::Entry { key: self.key, value: self.value, revision, lease }
    }

    fn from_wire(message: pb::Entry) -> Result<Self, StoreError> {
        let (revision, lease) = (Revision(message.revision), message.lease.map(LeaseId));
        Ok(Self { key: message.key, value: message.value, revision, lease })
    }
}

impl Wire for Compare {
    type Message = pb::Compare;

    fn into_wire(self) -> pb::Compare {
        let condition = Some(match self.condition {
            Condition::Absent => WireCondition::Absent(pb::Done {}),
            Condition::Present => WireCondition::Present(pb::Done {}),
            Condition::WrittenAt(revision) => WireCondition::WrittenAt(revision.0),
        });
        pb::Compare { key: self.key, condition }
    }

    fn from_wire(message: pb::Compare) -> Result<Self, StoreError> {
        let condition = match required(message.condition, "condition")? {
            WireCondition::Absent(_) => Condition::Absent,
            WireCondition::Present(_) => Condition::Present,
            WireCondition::WrittenAt(revision) => Condition::WrittenAt(Revision(revision)),
        };
        Ok(Self { key: message.key, condition })
    }
}

impl Wire for Change {
    type Message = pb::Change;

    fn into_wire(self) -> pb::Change {
        match self {
            Self::Put { key, value, lease } => {
                pb::Change { key, value: Some(value), lease: lease.map(|it| it.0) }
            }
            Self::Delete { key } => pb::Change { key, value: None, lease: None },
        }
    }

    fn from_wire(message: pb::Change) -> Result<Self, StoreError> {
        Ok(match message.value {
            Some(value) => Self::Put { key: message.key, value, lease: message.lease.map(LeaseId) },
            None => Self::Delete { key: message.key },
        })
    }
}

impl Wire for Transaction {
    type Message = pb::TransactRequest;

    fn into_wire(self) -> pb::TransactRequest {
        pb::TransactRequest { compares: messages(self.compares), changes: messages(self.changes) }
    }

    fn from_wire(message: pb::TransactRequest) -> Result<Self, StoreError> {
        Ok(Self { compares: all(message.compares)?, changes: all(message.changes)? })
    }
}

impl Wire for TransactionOutcome {
    type Message = pb::TransactReply;

    fn into_wire(self) -> pb::TransactReply {
        match self {
            Self::Committed { revision } => {
                pb::TransactReply { revision: Some(revision.0), found: Vec::new() }
            }
            Self::Refused { found } => {
                let found =
                    found.into_iter().map(|it| pb::Found { entry: it.map(Wire::into_wire) });
                pb::TransactReply { revision: None, found: found.collect() }
            }
        }
    }

    fn from_wire(message: pb::TransactReply) -> Result<Self, StoreError> {
        if let Some(revision) = message.revision {
            return Ok(Self::Committed { revision: Revision(revision) });
        }
        let found = message.found.into_iter();
        let found = found.map(|it| it.entry.map(Entry::from_wire).transpose());
        Ok(Self::Refused { found: found.collect::<Result<_, _>>()? })
    }
}

impl Wire for Event {
    type Message = pb::Event;

    fn into_wire(self) -> pb::Event {
        let kind = match self {
            Self::Put(entry) => Kind::Put(entry.into_wire()),
            Self::Delete { key } => Kind::Delete(key),
        };
        pb::Event { kind: Some(kind) }
    }

    fn from_wire(message: pb::Event) -> Result<Self, StoreError> {
        Ok(match required(message.kind, "event")? {
            Kind::Put(entry) => Self::Put(Entry::from_wire(entry)?),
            Kind::Delete(key) => Self::Delete { key },
        })
    }
}

impl Wire for Changes {
    type Message = pb::Commit;

    fn into_wire(self) -> pb::Commit {
        pb::Commit { revision: self.revision.0, events: messages(self.events) }
    }

    fn from_wire(message: pb::Commit) -> Result<Self, StoreError> {
        Ok(Self { revision: Revision(message.revision), events: all(message.events)? })
    }
}
