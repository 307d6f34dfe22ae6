//! Every storage port on SQLite and a folder.
