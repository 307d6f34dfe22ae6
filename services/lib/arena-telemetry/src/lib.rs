//! Logs and metrics: one set-up, one list of names.
