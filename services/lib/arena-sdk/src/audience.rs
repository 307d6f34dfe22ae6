use crate::slots::WorldId;
use crate::worlds::WorldError;

/// Bits of a frame's body, on average: 64 kbit/s at 30 Hz, less the head and four bytes of WebSocket framing.
pub const FRAME_BITS_MAX: usize = 64_000 / 30 - 32 - 112;

/// The same for somebody without a seat, who sees all of it.
pub const SPECTATOR_FRAME_BITS_MAX: usize = 4 * FRAME_BITS_MAX;

/// What one viewer sees at one tick: the body of a frame. Only the game and its page know what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The tick it shows, at least 1.
    pub tick: u32,
    /// The tick of the frame that it builds on, 1 to 255 ticks before, which the viewer has acknowledged;
    /// `None` if it says everything.
    pub baseline: Option<u32>,
    /// The body, [`FRAME_BITS_MAX`] on average over a second.
    pub body: Vec<u8>,
}

/// Names somebody who watches one match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Viewer(pub u32);

/// What those who watch see: each from a seat, each as a difference to a frame it holds.
///
/// [`Sent`](crate::Sent) does the book-keeping of who holds what. What viewers were shown is no part of a match's
/// state: it changes neither exports nor hashes.
pub trait Audience {
    /// Lets somebody watch from `seat`, who holds no frame yet.
    ///
    /// # Errors
    /// [`WorldError::Stale`], [`WorldError::Crowded`].
    fn watch(&mut self, id: WorldId, seat: u8) -> Result<Viewer, WorldError>;

    /// Lets somebody watch who has no seat, and holds no frame yet: a frame may take
    /// [`SPECTATOR_FRAME_BITS_MAX`]. Where everyone sees the same it is what seat 0 sees.
    ///
    /// # Errors
    /// As [`Audience::watch`].
    fn spectate(&mut self, id: WorldId) -> Result<Viewer, WorldError> {
        self.watch(id, 0)
    }

    /// Takes the word of a viewer that it holds the frame of `tick`; one that was not sent changes nothing.
    ///
    /// # Errors
    /// [`WorldError::Stale`].
    fn acknowledge(&mut self, id: WorldId, viewer: Viewer, tick: u32) -> Result<(), WorldError>;

    /// Goes on with a viewer that was away and holds the frame of `tick`; starts over if that is not known.
    ///
    /// # Errors
    /// [`WorldError::Stale`].
    fn resume(&mut self, id: WorldId, viewer: Viewer, tick: u32) -> Result<(), WorldError>;

    /// Looks at the match once for all its viewers; call it at the ticks that have frames, before the frames.
    ///
    /// # Errors
    /// [`WorldError::Stale`].
    fn look(&mut self, id: WorldId) -> Result<(), WorldError>;

    /// Returns the next frame of a viewer, as of the last look; `None` if it is too far behind for one now.
    ///
    /// # Errors
    /// [`WorldError::Stale`].
    fn frame(&mut self, id: WorldId, viewer: Viewer) -> Result<Option<Frame>, WorldError>;
}
