//! Players for empty seats: a function of what a seat could see, so that replays need no bot.

mod aim;
mod paths;
mod policy;

pub use aim::turn_towards;
pub use policy::bot_input;

#[cfg(test)]
mod tests;
