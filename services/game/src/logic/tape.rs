//! Matches on their way into replay files: what is to be appended to which file.

use std::collections::BTreeMap;

use arena_replay::{Block, Encoder, Header, Outcome, Settings, WriteError, Writer};
use arena_sdk::SeatInputs;
use arena_types::{Epoch, MatchId};
use arena_wire::play::SeatName;

/// The name of a replay: each owner of a match writes a file of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplayId {
    /// The match.
    pub match_id: MatchId,
    /// The owner's epoch.
    pub epoch: Epoch,
}

impl ReplayId {
    /// The folder of the object store that holds replays.
    pub const FOLDER: &'static str = "replays";

    /// Returns where the object store holds it: all replays of a match are in one folder.
    #[must_use]
    pub fn object_path(self) -> String {
        format!("{}/{}/{}.rpl", Self::FOLDER, self.match_id, self.epoch.0)
    }

    /// Returns the name of its file.
    #[must_use]
    pub fn file_name(self) -> String {
        format!("{}-{}.rpl", self.match_id, self.epoch.0)
    }

    /// Reads where the object store holds one.
    #[must_use]
    pub fn of_object_path(path: &str) -> Option<Self> {
        let (folder, name) = path.rsplit_once('/')?;
        let match_id = folder.strip_prefix(Self::FOLDER)?.strip_prefix('/')?.parse().ok()?;
        let epoch = Epoch(name.strip_suffix(".rpl")?.parse().ok()?);
        Some(Self { match_id, epoch }).filter(|it| it.object_path() == path)
    }

    /// Reads the name of a file.
    #[must_use]
    pub fn of_file_name(name: &str) -> Option<Self> {
        let (match_id, epoch) = name.strip_suffix(".rpl")?.split_once('-')?;
        let id = Self { match_id: match_id.parse().ok()?, epoch: Epoch(epoch.parse().ok()?) };
        (id.file_name() == name).then_some(id)
    }
}

/// What is to be done to a file, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taped {
    /// Append these bytes; the file starts with those at 0.
    Bytes {
        /// The file.
        id: ReplayId,
        /// Its length before: where it differs, bytes were lost on the way.
        offset: u64,
        /// The bytes, and whether they are to be safe soon.
        block: Block,
    },
    /// Nothing follows.
    End {
        /// The file.
        id: ReplayId,
    },
}

/// How a match stands after a tick, asked for only where a replay holds it.
pub trait Stand {
    /// Returns the hash of the state.
    fn hash(&self) -> u64;
    /// Returns the state.
    fn state(&self) -> Vec<u8>;
}

/// The matches of a shard that are recorded.
pub struct Tapes {
    /// The schema of the game's states.
    schema: u32,
    /// `None` if nothing is recorded here.
    encoder: Option<Encoder>,
    running: BTreeMap<MatchId, Tape>,
    taped: Vec<Taped>,
    failed: u64,
}

struct Tape {
    id: ReplayId,
    writer: Writer,
    offset: u64,
}

impl Tapes {
    /// Records nothing.
    #[must_use]
    pub fn off() -> Self {
        Self { schema: 0, encoder: None, running: BTreeMap::new(), taped: Vec::new(), failed: 0 }
    }

    /// Records every match of a game with this schema of states.
    ///
    /// # Errors
    /// [`WriteError::Compression`] if there is no memory for a compressor.
    pub fn on(schema: u32) -> Result<Self, WriteError> {
        Ok(Self { schema, encoder: Some(Encoder::new()?), ..Self::off() })
    }

    /// Starts the replay of a match whose first tick comes, or of one that goes on here from `stand`.
    pub fn begin(
        &mut self,
        match_id: MatchId,
        header: impl FnOnce() -> Header,
        stand: &impl Stand,
    ) {
        let Some(encoder) = &mut self.encoder else { return };
        if self.running.contains_key(&match_id) {
            return;
        }
        let header = Header { schema: self.schema, ..header() };
        let epoch = Epoch(u32::try_from(header.epoch).expect("epochs have 32 bits"));
        let id = ReplayId { match_id, epoch };
        let started = Writer::new(&header, Settings::default()).and_then(|mut writer| {
            if header.first_tick > 0 {
                writer.keyframe(&stand.state(), encoder)?;
            }
            Ok(writer)
        });
        match started {
            Ok(writer) => drop(self.running.insert(match_id, Tape { id, writer, offset: 0 })),
            Err(error) => self.fail(id, &error),
        }
    }

    /// Notes that a seat changes hands with the coming tick.
    pub fn seated(&mut self, match_id: MatchId, seat: &SeatName) {
        let Some(encoder) = &mut self.encoder else { return };
        let Some(tape) = self.running.get_mut(&match_id) else { return };
        let kind = if seat.bot { "bot" } else { "player" };
        if let Err(error) = tape.writer.event(kind, Some(seat.seat.into()), &seat.name, encoder) {
            let id = tape.id;
            self.running.remove(&match_id);
            self.fail(id, &error);
        }
    }

    /// Takes a tick that was stepped: its inputs, and how the match stands after it.
    pub fn stepped(&mut self, match_id: MatchId, inputs: &SeatInputs, stand: &impl Stand) {
        let Some(encoder) = &mut self.encoder else { return };
        let Some(tape) = self.running.get_mut(&match_id) else { return };
        match tape.step(inputs, stand, encoder) {
            Ok(taped) => self.taped.extend(taped),
            Err(error) => {
                let id = tape.id;
                self.running.remove(&match_id);
                self.fail(id, &error);
            }
        }
    }

    /// Ends the replay of a match that is over.
    pub fn finish(&mut self, match_id: MatchId, outcome: Outcome, hash: u64) {
        let Some(encoder) = &mut self.encoder else { return };
        let Some(Tape { id, writer, offset }) = self.running.remove(&match_id) else { return };
        match writer.finish(outcome, hash, encoder) {
            Ok(block) => {
                self.taped.push(Taped::Bytes { id, offset, block });
                self.taped.push(Taped::End { id });
            }
            Err(error) => self.fail(id, &error),
        }
    }

    /// Returns what is to be done to files since the last call, and how many replays failed.
    pub fn take(&mut self) -> (Vec<Taped>, u64) {
        (std::mem::take(&mut self.taped), std::mem::take(&mut self.failed))
    }

    /// What was written stays readable; the match goes on without a replay.
    fn fail(&mut self, id: ReplayId, error: &WriteError) {
        let error = error as &dyn std::error::Error;
        tracing::error!(match_id = %id.match_id, error, "the replay ends before its match");
        self.taped.push(Taped::End { id });
        self.failed += 1;
    }
}

impl Tape {
    fn step(
        &mut self,
        inputs: &SeatInputs,
        stand: &impl Stand,
        encoder: &mut Encoder,
    ) -> Result<Option<Taped>, WriteError> {
        let Self { id, writer, offset } = self;
        writer.inputs(writer.tick(), inputs, encoder)?;
        if writer.is_hash_due() {
            writer.hash(stand.hash(), encoder)?;
        }
        if writer.is_keyframe_due() {
            writer.keyframe(&stand.state(), encoder)?;
        }
        Ok(writer.take().map(|block| {
            let taped = Taped::Bytes { id: *id, offset: *offset, block };
            *offset = writer.byte_count();
            taped
        }))
    }
}

impl std::fmt::Debug for Tapes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { encoder, running, .. } = self;
        let (is_on, matches) = (encoder.is_some(), running.len());
        f.debug_struct("Tapes").field("is_on", &is_on).field("matches", &matches).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_a_file_is_read_as_it_is_written() {
        let id = ReplayId { match_id: MatchId::from_u64(7), epoch: Epoch(3) };
        assert_eq!(id.object_path(), "replays/0000000000007/3.rpl");
        assert_eq!(ReplayId::of_file_name(&id.file_name()), Some(id));
        assert_eq!(ReplayId::of_object_path(&id.object_path()), Some(id));
        for path in ["replays/3.rpl", "replays/0000000000007/3", "replays/0000000000007/03.rpl"] {
            assert_eq!(ReplayId::of_object_path(path), None, "{path}");
        }
        for name in ["", ".rpl", "0000000000007-3", "0000000000007-03.rpl", "x-3.rpl", "a.rpl"] {
            assert_eq!(ReplayId::of_file_name(name), None, "{name}");
        }
        assert!(arena_store_path(&id.object_path()));
    }

    /// The object store takes these characters.
    fn arena_store_path(path: &str) -> bool {
        path.bytes().all(|b| b.is_ascii_alphanumeric() || b"./_-".contains(&b))
    }
}
