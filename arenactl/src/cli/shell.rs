//! Commands about the shell.

pub(super) mod completions;
