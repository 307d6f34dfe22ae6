//! What a session asks of the matchmaker about parties.

use arena_types::{PartyCode, TicketId};

/// A call about parties.
#[derive(Clone, Debug, PartialEq)]
pub enum PartyCall {
    /// Make one and watch it.
    Create(String),
    /// Join one and watch it.
    Join(PartyCode),
    /// Watch one that the session is in already.
    Watch(PartyCode),
    /// Leave it.
    Leave(PartyCode),
    /// Queue it with this ticket.
    Queue(PartyCode, TicketId),
}

impl PartyCall {
    /// Whether the session follows the party from this call on.
    #[must_use]
    pub const fn keeps_watch(&self) -> bool {
        matches!(self, Self::Create(_) | Self::Join(_) | Self::Watch(_))
    }

    /// Whether the session follows no party any more after this call.
    #[must_use]
    pub const fn ends_watch(&self) -> bool {
        matches!(self, Self::Leave(_))
    }
}
