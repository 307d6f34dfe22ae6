//! Tickets in, matches out.
