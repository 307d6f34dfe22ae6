/// Longest [`Event::Own`].
pub const OWN_EVENT_BYTES_MAX: usize = 1 << 10;

/// What one tick of one match brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TickOutput {
    /// Ticks stepped so far.
    pub tick: u32,
    /// Whether the match is over.
    pub finished: bool,
    /// What every viewer must hear of, in order; all else shows in frames.
    pub events: Vec<Event>,
}

impl TickOutput {
    /// Starts over for the outcome of another tick; the memory of the events is used again.
    pub fn reset(&mut self, tick: u32, finished: bool) {
        (self.tick, self.finished) = (tick, finished);
        self.events.clear();
    }
}

/// Something that happened in a match. The service numbers it, keeps it and tells it again to whoever was away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A player was killed.
    Kill {
        /// The seat that gets the credit; the victim's if nobody does.
        killer: u8,
        /// The seat of who died.
        victim: u8,
    },
    /// Something became of a team's flag.
    Flag {
        /// The team it belongs to, 0 or 1.
        team: u8,
        /// What.
        change: FlagChange,
        /// The seat of who did it; 0 for a return.
        seat: u8,
    },
    /// Something only the game's own page understands, at most [`OWN_EVENT_BYTES_MAX`].
    Own(Vec<u8>),
}

/// What becomes of a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagChange {
    /// An opponent took it.
    Taken,
    /// Its carrier died or left.
    Dropped,
    /// It is at home again, uncaptured.
    Returned,
    /// Its carrier brought it home and scored.
    Captured,
}

/// How a match stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Why it is over, one word: `time`. `None` while it runs.
    pub finished: Option<&'static str>,
    /// The seats that were taken, by place.
    pub standings: Vec<Standing>,
    /// The scores of the teams; empty without teams.
    pub team_scores: Vec<u32>,
}

/// One seat's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The seat.
    pub seat: u8,
    /// Place from 1; who is level shares one.
    pub rank: u8,
    /// Points; kills, in a game that has them.
    pub kills: u16,
    /// Deaths.
    pub deaths: u16,
    /// Whether a bot plays the seat now.
    pub bot: bool,
}
