//! What a seat does in one tick, in four bytes.

/// The inputs of a match for one tick, by seat.
pub type SeatInputs = [Input; crate::SEATS];

/// Buttons of [`Input::buttons`]; a match's course is a function of its seed, rules and inputs alone,
/// so taking and leaving a seat are inputs too.
pub mod buttons {
    /// What the page's trigger presses.
    pub const FIRE: u8 = 1;
    /// Empties the seat: its player vanishes with all it owns, its score stays for the standings.
    pub const LEAVE: u8 = 0x20;
    /// With [`JOIN`]: the seat is played by a bot.
    pub const BOT: u8 = 0x40;
    /// Takes the seat. An empty seat starts with a new player and score; a taken one changes hands
    /// between person and bot and goes on as it stands. With [`LEAVE`]: starts anew in any case.
    pub const JOIN: u8 = 0x80;
    /// What a player's own client may press; the rest belongs to the game service.
    pub const CLIENT: u8 = 0x1f;
}

/// One seat's input for one tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Input {
    /// Stick to the right, -127 to 127; -128 means -127.
    pub move_x: i8,
    /// Stick down the page (+y), -127 to 127; -128 means -127.
    pub move_y: i8,
    /// Direction in 1/256 turns: 0 looks along +x, 64 along +y.
    pub aim: u8,
    /// Bits of [`buttons`].
    pub buttons: u8,
}

impl Input {
    /// Returns the input as one word: `move_x | move_y << 8 | aim << 16 | buttons << 24`.
    #[inline]
    #[must_use]
    pub fn pack(self) -> u32 {
        u32::from_le_bytes([self.move_x as u8, self.move_y as u8, self.aim, self.buttons])
    }

    /// Returns the input in `word`; every word is one.
    #[inline]
    #[must_use]
    pub fn unpack(word: u32) -> Self {
        let [x, y, aim, buttons] = word.to_le_bytes();
        Self { move_x: x as i8, move_y: y as i8, aim, buttons }
    }

    /// Returns the input without the buttons that only the game service may press.
    #[must_use]
    pub fn from_client(self) -> Self {
        Self { buttons: self.buttons & buttons::CLIENT, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::{Input, buttons};

    #[test]
    fn an_input_survives_packing() {
        for word in [0, 1, 0x80ff_7f80, u32::MAX, 0x0102_0304] {
            assert_eq!(Input::unpack(word).pack(), word);
        }
    }

    #[test]
    fn a_client_cannot_take_or_empty_seats() {
        let all = Input { buttons: 0xff, ..Input::default() };
        assert_eq!(all.from_client().buttons & (buttons::JOIN | buttons::LEAVE | buttons::BOT), 0);
        assert_eq!(all.from_client().buttons & buttons::FIRE, buttons::FIRE);
    }
}
