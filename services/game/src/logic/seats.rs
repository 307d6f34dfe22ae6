//! The life of a seat: who plays it, and what a change of that means.

/// Who plays a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seat {
    /// A bot, from the start.
    Bot,
    /// A player who has not come yet.
    Expected,
    /// A player.
    Seated,
    /// A player whose connection was lost a moment ago: nobody plays.
    Held,
    /// A bot, until the player is back.
    Away,
    /// A bot; the player left for good.
    Left,
}

/// What happens to a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeatEvent {
    /// The player's session attaches.
    Attach,
    /// The player leaves the match.
    Leave,
    /// The player's connection is lost, or moves to another gateway.
    Lose,
    /// The player did not come (back) in time.
    Expire,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeatEffect {
    /// A bot takes the seat, its body and its score.
    BotTakes,
    /// The player takes the seat back.
    PlayerTakes,
}

impl Seat {
    /// Returns the next state and its effect, or `None` if `event` means nothing here.
    #[must_use]
    pub fn on(self, event: SeatEvent) -> Option<(Self, Option<SeatEffect>)> {
        use SeatEffect::{BotTakes, PlayerTakes};
        use SeatEvent::{Attach, Expire, Leave, Lose};
        Some(match (self, event) {
            (Self::Expected | Self::Seated | Self::Held, Attach) => (Self::Seated, None),
            (Self::Away, Attach) => (Self::Seated, Some(PlayerTakes)),
            (Self::Expected | Self::Seated | Self::Held, Leave) => (Self::Left, Some(BotTakes)),
            (Self::Away, Leave) => (Self::Left, None),
            (Self::Seated, Lose) => (Self::Held, None),
            (Self::Expected | Self::Held, Expire) => (Self::Away, Some(BotTakes)),
            _ => return None,
        })
    }

    /// Whether a bot decides for the seat now.
    #[must_use]
    pub fn is_bot(self) -> bool {
        matches!(self, Self::Bot | Self::Away | Self::Left)
    }

    /// Whether a person plays, or is about to.
    #[must_use]
    pub fn is_present(self) -> bool {
        matches!(self, Self::Expected | Self::Seated | Self::Held)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn every_seat_with_every_event() {
        let mut table = String::new();
        for seat in [Seat::Bot, Seat::Expected, Seat::Seated, Seat::Held, Seat::Away, Seat::Left] {
            for event in [SeatEvent::Attach, SeatEvent::Leave, SeatEvent::Lose, SeatEvent::Expire] {
                let Some((next, effect)) = seat.on(event) else { continue };
                let effect = effect.map_or(String::new(), |it| format!(", {it:?}"));
                writeln!(table, "{seat:?} + {event:?} = {next:?}{effect}").unwrap();
            }
        }
        expect_test::expect![[r"
            Expected + Attach = Seated
            Expected + Leave = Left, BotTakes
            Expected + Expire = Away, BotTakes
            Seated + Attach = Seated
            Seated + Leave = Left, BotTakes
            Seated + Lose = Held
            Held + Attach = Seated
            Held + Leave = Left, BotTakes
            Held + Expire = Away, BotTakes
            Away + Attach = Seated, PlayerTakes
            Away + Leave = Left
        "]]
        .assert_eq(&table);
    }

    #[test]
    fn a_bot_plays_exactly_the_seats_that_no_person_is_present_for() {
        for seat in [Seat::Bot, Seat::Expected, Seat::Seated, Seat::Held, Seat::Away, Seat::Left] {
            assert_ne!(seat.is_bot(), seat.is_present(), "{seat:?}");
        }
    }
}
