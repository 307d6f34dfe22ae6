//! Every storage port, served by the store service over the mesh.
