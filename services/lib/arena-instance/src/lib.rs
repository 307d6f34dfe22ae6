//! What every service instance does: side port, lifecycle, lease.
