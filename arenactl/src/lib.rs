//! Deploys arenas and takes them back.
