//! Environment variables parsed into typed settings.
