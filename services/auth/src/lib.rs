//! Identities, tokens and bans.
