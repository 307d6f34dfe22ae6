//! Parties live in the registry: every instance and every gateway sees the same ones.

use std::sync::Arc;
use std::time::Duration;

use arena_store::{Change, Condition, Entry, Registry, Revision, StoreError, Transaction};
use arena_types::{PartyCode, PlayerId, TicketId};

use crate::leases::Shelf;
use crate::logic::{Member, PartyError, PartyRecord, code};
use crate::records::{json, parse, party_key, party_of_key};

/// Tries of a change that another member was faster with: a party has eight.
const TRIES: u32 = 16;
/// A party that everyone forgot vanishes the same day.
const PARTY_LIFE: Duration = Duration::from_hours(12);
/// Codes drawn for one party: of a billion, one is taken by chance.
const CODES: u64 = 8;

/// Why a call about a party did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PartiesError {
    /// The party does not allow it.
    #[error(transparent)]
    Party(#[from] PartyError),
    /// The registry does not.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<PartiesError> for tonic::Status {
    fn from(error: PartiesError) -> Self {
        let text = error.to_string();
        match error {
            PartiesError::Party(PartyError::Unknown { .. }) => Self::not_found(text),
            PartiesError::Party(PartyError::Full) => Self::resource_exhausted(text),
            PartiesError::Party(PartyError::NotLeader) => Self::permission_denied(text),
            PartiesError::Party(PartyError::Queued) => Self::failed_precondition(text),
            PartiesError::Party(PartyError::Invalid(_)) => Self::invalid_argument(text),
            PartiesError::Store(_) => Self::unavailable(text),
        }
    }
}

/// What a change did.
pub(crate) struct Changed {
    pub(crate) before: PartyRecord,
    /// `None` if nobody is left.
    pub(crate) after: Option<PartyRecord>,
}

/// Changes parties, each by compare-and-swap.
pub(crate) struct Parties {
    registry: Arc<dyn Registry>,
    shelf: Shelf,
}

impl Parties {
    pub(crate) fn new(registry: Arc<dyn Registry>) -> Self {
        Self { shelf: Shelf::new(registry.clone()), registry }
    }

    pub(crate) async fn create(
        &self,
        leader: Member,
        mode: &str,
        seed: u64,
    ) -> Result<(PartyCode, PartyRecord), PartiesError> {
        let party = PartyRecord::create(leader, mode)?;
        let lease = self.registry.grant_lease(PARTY_LIFE).await?;
        for n in 0..CODES {
            let code = code(seed.wrapping_add(n));
            let key = party_key(&code);
            let write = Transaction::new().when(&key, Condition::Absent).put_leased(
                &key,
                json(&party),
                lease,
            );
            if self.registry.transact(write).await?.revision().is_some() {
                return Ok((code, party));
            }
        }
        Err(StoreError::conflict("party/").into())
    }

    pub(crate) async fn join(
        &self,
        code: &PartyCode,
        member: &Member,
    ) -> Result<PartyRecord, PartiesError> {
        let changed = self.change(code, |party| party.join(member.clone()).map(Some)).await?;
        changed.after.ok_or_else(|| unknown(code).into())
    }

    pub(crate) async fn leave(
        &self,
        code: &PartyCode,
        player: PlayerId,
    ) -> Result<Changed, PartiesError> {
        self.change(code, |party| Ok(party.leave(player))).await
    }

    /// Queues the party with `ticket`, and notes which party the ticket is of.
    pub(crate) async fn queue(
        &self,
        code: &PartyCode,
        player: PlayerId,
        ticket: TicketId,
    ) -> Result<PartyRecord, PartiesError> {
        let lease = self.shelf.lease().await?;
        let link = party_of_key(ticket);
        let noted = self.registry.put(&link, json(code).into(), Some(lease)).await;
        if matches!(noted, Err(StoreError::NotFound { .. })) {
            self.shelf.forget().await;
        }
        noted?;
        let changed = self.change(code, |party| party.queue(player, ticket).map(Some)).await?;
        changed.after.ok_or_else(|| unknown(code).into())
    }

    /// Says that `code` is not queued with `ticket` any more.
    pub(crate) async fn unqueue(
        &self,
        code: &PartyCode,
        ticket: TicketId,
    ) -> Result<(), PartiesError> {
        self.change(code, |party| Ok(Some(party.unqueue(ticket)))).await?;
        Ok(())
    }

    /// Says that whatever party queued `ticket` is queued no more; most tickets have none.
    pub(crate) async fn release(&self, ticket: TicketId) -> Result<(), PartiesError> {
        let link = party_of_key(ticket);
        let Some(entry) = self.registry.get(&link).await? else { return Ok(()) };
        match self.unqueue(&parse(&link, &entry.value)?, ticket).await {
            Ok(()) | Err(PartiesError::Party(PartyError::Unknown { .. })) => {}
            Err(error) => return Err(error),
        }
        self.registry.delete(&link).await?;
        Ok(())
    }

    /// Returns a party and the revision to watch it from.
    pub(crate) async fn read(
        &self,
        code: &PartyCode,
    ) -> Result<(PartyRecord, Revision), PartiesError> {
        let key = party_key(code);
        // The revision of an old entry may be compacted, that of a listing never is.
        let listing = self.registry.list(&key).await?;
        let entry = listing.entries.into_iter().find(|it| it.key == key);
        let entry = entry.ok_or_else(|| unknown(code))?;
        Ok((parse(&key, &entry.value)?, listing.revision))
    }

    async fn change(
        &self,
        code: &PartyCode,
        decide: impl Fn(PartyRecord) -> Result<Option<PartyRecord>, PartyError>,
    ) -> Result<Changed, PartiesError> {
        let key = party_key(code);
        for _ in 0..TRIES {
            let found = self.registry.get(&key).await?.ok_or_else(|| unknown(code))?;
            let before: PartyRecord = parse(&key, &found.value)?;
            let after = decide(before.clone())?;
            if after.as_ref() == Some(&before) {
                return Ok(Changed { before, after });
            }
            let lease = found.lease;
            let written = self.registry.transact(write(found, after.as_ref())).await?;
            if written.revision().is_some() {
                if let (None, Some(lease)) = (&after, lease) {
                    let _ = self.registry.revoke_lease(lease).await; // else it ends by itself
                }
                return Ok(Changed { before, after });
            }
        }
        Err(StoreError::conflict(key).into())
    }
}

/// Replaces what was found, under the same lease.
fn write(found: Entry, after: Option<&PartyRecord>) -> Transaction {
    let Entry { key, revision, lease, .. } = found;
    let change = match after {
        Some(party) => Change::Put { key: key.clone(), value: json(party).into(), lease },
        None => Change::Delete { key: key.clone() },
    };
    let mut write = Transaction::new().when(key, Condition::WrittenAt(revision));
    write.changes.push(change);
    write
}

pub(crate) fn unknown(code: &PartyCode) -> PartyError {
    PartyError::Unknown { code: code.to_string() }
}
