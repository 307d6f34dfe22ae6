//! Open files: each connection is one, and few are allowed unless a process asks.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Open files beside players' connections: links to games, stores, listeners, files.
const SPARE: u64 = 256;

/// Allows this process as many open files as it may have at most, and warns if `connections` need more.
pub(crate) fn allow(connections: u32) {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    let needed = u64::from(connections) + SPARE;
    if let Some(allowed) = getrlimit(Resource::Nofile).current.filter(|it| *it < needed) {
        tracing::warn!(
            allowed,
            needed,
            "fewer open files are allowed than connections may come: raise the hard limit (`nofile`) \
             or lower ARENA_GATEWAY_CONNECTIONS"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_are_allowed_are_asked_for() {
        allow(10);
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        assert_eq!(current, maximum);
    }
}
