//! The shader: names of places, the rules of the game, and the drivers of its phases, in one module.
use arena_sim::seam;

const SYSTEMS: [&str; 10] = [
    include_str!("systems/step.wgsl"),
    include_str!("systems/players.wgsl"),
    include_str!("systems/movement.wgsl"),
    include_str!("systems/crowd.wgsl"),
    include_str!("systems/weapons.wgsl"),
    include_str!("systems/flight.wgsl"),
    include_str!("systems/referee.wgsl"),
    include_str!("systems/capture.wgsl"),
    include_str!("systems/pickups.wgsl"),
    include_str!("systems/report.wgsl"),
];

/// The text of the shader that steps matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    text: String,
}

impl Kernel {
    /// Returns the kernel.
    #[must_use]
    pub fn new() -> Self {
        let mut text = seam::layout_wgsl() + &seam::wgsl();
        for system in SYSTEMS {
            text += system;
        }
        Self { text }
    }

    /// Returns its WGSL.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the kernel with `new` in the place of `old`: what tests must find fault with.
    ///
    /// # Panics
    /// Unless `old` stands there exactly once.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn altered(&self, old: &str, new: &str) -> Self {
        assert_eq!(self.text.matches(old).count(), 1, "`{old}` stands once in the kernel");
        Self { text: self.text.replace(old, new) }
    }
}

impl Default for Kernel {
    fn default() -> Self {
        Self::new()
    }
}
