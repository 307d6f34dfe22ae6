//! Who plays with whom, and where: state, event, time and seed in, effects out. No clock, no socket.

mod party;
mod queue;
mod sweep;
mod ticket;
mod window;

pub use party::{MEMBERS_MAX, PartyError, PartyRecord, code};
pub use queue::{Effect, Ending, Event, Group, Obstacle, Policy, Queue};
pub use ticket::{MODES, Member, RATING_START, Ticket, TicketError, quantise};
pub use window::half_width;
