//! Storage ports and the conformance suite every adapter passes.
