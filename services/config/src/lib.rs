//! Versioned rules and flags.
