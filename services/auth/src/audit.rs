//! Audit lines: who did what with which outcome. Never a secret, never a mail address.

use arena_types::PlayerId;

use crate::AuthError;

/// Logs one attempt to get or keep a session.
pub(crate) fn attempt(way: &str, ip: &str, outcome: Result<PlayerId, &AuthError>) {
    match outcome {
        Ok(player) => tracing::info!(target: "audit", way, ip, %player, "session granted"),
        Err(error) => {
            tracing::warn!(target: "audit", way, ip, outcome = error.outcome(), "session refused");
        }
    }
}

/// Logs what an operator did to an account; `caller` is what the certificate proves.
pub(crate) fn sanction(action: &str, player: PlayerId, by: &str, caller: &str, detail: &str) {
    tracing::warn!(target: "audit", action, %player, by, caller, detail, "sanction");
}
