//! The embedded stores behind the mesh.
