//! What happened to a match in one tick.
use crate::PLAYERS;

/// One tick's outcome: a few masks of seats and the killers, in words a GPU can write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TickOutput {
    /// Ticks stepped so far, this one included.
    pub tick: u32,
    /// Seats that fired.
    pub fired: u16,
    /// Seats that were hit.
    pub hit: u16,
    /// Seats whose projectile hit someone.
    pub hitters: u16,
    /// Seats that died.
    pub died: u16,
    /// Seats that stand up again.
    pub spawned: u16,
    /// Seats taken, or taken over, by a person or bot.
    pub joined: u16,
    /// Seats emptied.
    pub left: u16,
    /// Seats that took a pick-up.
    pub taken: u16,
    /// What became of each team's flag, the last of the tick.
    pub flags: [FlagEvent; 2],
    /// Whether the match is over; then nothing else happens any more.
    pub finished: bool,
    /// Who killed the seat, where `died` says so; the seat itself if drones did.
    pub killers: [u8; PLAYERS],
    /// Health the seat lost, at most 255.
    pub damage: [u8; PLAYERS],
}

/// What became of a team's flag in a tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlagEvent {
    /// Nothing.
    #[default]
    None,
    /// An opponent took it.
    Taken {
        /// The opponent's seat.
        seat: u8,
    },
    /// Its carrier died or left.
    Dropped {
        /// The carrier's seat.
        seat: u8,
    },
    /// It is at home again, uncaptured.
    Returned,
    /// Its carrier scored.
    Captured {
        /// The carrier's seat.
        seat: u8,
    },
}

/// Something worth telling a player.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TickEvent {
    /// A seat was emptied.
    Left {
        /// The seat.
        seat: u8,
    },
    /// A seat was taken or changed hands.
    Joined {
        /// The seat.
        seat: u8,
    },
    /// A player stands up.
    Spawned {
        /// The player's seat.
        seat: u8,
    },
    /// A shot.
    Fired {
        /// The shooter.
        seat: u8,
    },
    /// One or more projectiles hit a player.
    Hit {
        /// Who was hit.
        victim: u8,
        /// Health lost, at most 255.
        damage: u8,
    },
    /// A player died.
    Killed {
        /// Who gets the credit; the victim itself if drones did it.
        killer: u8,
        /// Who died.
        victim: u8,
    },
    /// A player took a pick-up.
    PickedUp {
        /// The player's seat.
        seat: u8,
    },
    /// Something became of a flag.
    Flag {
        /// The team it belongs to, 0 or 1.
        team: u8,
        /// What.
        event: FlagEvent,
    },
    /// The match is over.
    Finished,
}

/// The events of one tick in a fixed order, without an allocation.
#[derive(Clone, Debug)]
pub struct Events<'a> {
    output: &'a TickOutput,
    next: usize,
}

/// Kinds of events a seat can have, in the order they are told.
const KINDS: usize = 7;

impl TickOutput {
    /// Returns the events: all leaves, joins, spawns, shots, hits, deaths and pick-ups by seat, then the
    /// flags, then the end.
    #[must_use]
    pub fn events(&self) -> Events<'_> {
        Events { output: self, next: 0 }
    }

    fn event(&self, kind: usize, seat: u8) -> Option<TickEvent> {
        let (mask, event) = match kind {
            0 => (self.left, TickEvent::Left { seat }),
            1 => (self.joined, TickEvent::Joined { seat }),
            2 => (self.spawned, TickEvent::Spawned { seat }),
            3 => (self.fired, TickEvent::Fired { seat }),
            4 => {
                let damage = self.damage[usize::from(seat)];
                (self.hit, TickEvent::Hit { victim: seat, damage })
            }
            5 => {
                let killer = self.killers[usize::from(seat)];
                (self.died, TickEvent::Killed { killer, victim: seat })
            }
            _ => (self.taken, TickEvent::PickedUp { seat }),
        };
        (mask >> seat & 1 != 0).then_some(event)
    }
}

impl Iterator for Events<'_> {
    type Item = TickEvent;

    fn next(&mut self) -> Option<TickEvent> {
        while self.next < KINDS * PLAYERS {
            let (kind, seat) = (self.next / PLAYERS, (self.next % PLAYERS) as u8);
            self.next += 1;
            if let Some(event) = self.output.event(kind, seat) {
                return Some(event);
            }
        }
        while let Some(event) = self.output.flags.get(self.next - KINDS * PLAYERS).copied() {
            let team = (self.next - KINDS * PLAYERS) as u8;
            self.next += 1;
            if event != FlagEvent::None {
                return Some(TickEvent::Flag { team, event });
            }
        }
        let end = self.next == KINDS * PLAYERS + 2 && self.output.finished;
        self.next = KINDS * PLAYERS + 3;
        end.then_some(TickEvent::Finished)
    }
}

#[cfg(test)]
mod tests {
    use super::{TickEvent, TickOutput};

    #[test]
    fn events_come_in_a_fixed_order() {
        let mut output = TickOutput { fired: 1 << 15, hit: 0b10, died: 0b10, ..Default::default() };
        output.killers[1] = 15;
        output.damage[1] = 40;
        output.finished = true;
        let events: Vec<_> = output.events().collect();
        assert_eq!(
            events,
            [
                TickEvent::Fired { seat: 15 },
                TickEvent::Hit { victim: 1, damage: 40 },
                TickEvent::Killed { killer: 15, victim: 1 },
                TickEvent::Finished,
            ]
        );
    }
}
