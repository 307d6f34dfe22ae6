//! Every storage port, served by the store service over the mesh.

/// Returns all ports of the store at the end of `channel`; nothing is called until it is needed.
#[must_use]
pub fn connect(_channel: arena_mesh::Channel) -> arena_store::Stores {
    todo!("the client follows")
}

/// Tells whether a method of the store may run twice.
#[must_use]
pub fn is_idempotent(_method: &str) -> bool {
    false
}
