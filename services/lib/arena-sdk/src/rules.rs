use std::any::Any;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

/// Rules that one match is played by from its first tick to its last; cheap to clone.
#[derive(Clone)]
pub struct PinnedRules {
    inner: Arc<Inner>,
}

struct Inner {
    game: &'static str,
    version: u32,
    hash: u64,
    document: String,
    page: String,
    parsed: Box<dyn Any + Send + Sync>,
}

impl PinnedRules {
    /// Pins what `game` has parsed.
    ///
    /// `hash` covers all that a match depends on but the version; `document` is complete, standard values
    /// included; `page` is what the game's page needs of the rules.
    #[must_use]
    pub fn new<R: Any + Send + Sync>(
        game: &'static str,
        (version, hash): (u32, u64),
        document: &Value,
        page: &Value,
        parsed: R,
    ) -> Self {
        let (document, page) = (document.to_string(), page.to_string());
        let parsed = Box::new(parsed);
        Self { inner: Arc::new(Inner { game, version, hash, document, page, parsed }) }
    }

    /// Returns the name of the game they are of.
    #[must_use]
    pub fn game(&self) -> &'static str {
        self.inner.game
    }

    /// Returns their version.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.inner.version
    }

    /// Returns their hash: rules of the same hash play alike, whatever their version.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.inner.hash
    }

    /// Returns the complete document, as JSON.
    #[must_use]
    pub fn document(&self) -> &str {
        &self.inner.document
    }

    /// Returns what the page needs of them, as JSON.
    #[must_use]
    pub fn page(&self) -> &str {
        &self.inner.page
    }

    /// Returns what the game has parsed; `None` if they are another game's.
    #[must_use]
    pub fn parsed<R: Any>(&self) -> Option<&R> {
        self.inner.parsed.downcast_ref()
    }
}

impl fmt::Debug for PinnedRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { game, version, hash, .. } = &*self.inner;
        write!(f, "PinnedRules({game} {version}, {hash:016x})")
    }
}

/// Why rules cannot be played: every mistake, each with where it is and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", mistakes.join("; "))]
pub struct RulesError {
    /// A sentence each.
    pub mistakes: Vec<String>,
}

impl RulesError {
    /// Makes it of at least one mistake.
    #[must_use]
    pub fn new(mistakes: Vec<String>) -> Self {
        debug_assert!(!mistakes.is_empty(), "an error says what is wrong");
        Self { mistakes }
    }
}
