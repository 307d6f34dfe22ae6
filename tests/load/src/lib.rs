//! Bot players over real WebSockets.
