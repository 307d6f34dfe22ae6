//! Hosts matches and owns their tick loop.
