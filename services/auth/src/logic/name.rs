use crate::AuthError;

/// Longest name: what fits above a player's head.
const CHARS_MAX: usize = 24;

/// A name as others see it: 1 to 24 printable characters, single spaces inside only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisplayName(String);

impl DisplayName {
    /// Normalises and checks a name: white space is trimmed and collapsed; control characters and
    /// invisible or direction-changing ones, by which one name can look like another, are refused.
    ///
    /// # Errors
    /// [`AuthError::Invalid`].
    pub fn parse(text: &str) -> Result<Self, AuthError> {
        let refused = |rule| AuthError::Invalid { field: "display_name", rule };
        // Before anything is built from it: 4 bytes a character, as many spaces again.
        if text.len() > 8 * CHARS_MAX {
            return Err(refused("1 to 24 characters"));
        }
        let name = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if !(1..=CHARS_MAX).contains(&name.chars().count()) {
            return Err(refused("1 to 24 characters"));
        }
        if name.chars().any(|it| it.is_control() || is_invisible(it)) {
            return Err(refused("printable characters"));
        }
        Ok(Self(name))
    }

    /// Returns the name of a player who gave none.
    #[must_use]
    pub fn of_nobody(number: u64) -> Self {
        Self(format!("Player {:04}", number % 10_000))
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Format characters (Unicode category Cf) and the blank ones of Hangul and Braille.
fn is_invisible(it: char) -> bool {
    matches!(it,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}' | '\u{34f}' | '\u{2800}'
        | '\u{115f}'..='\u{1160}' | '\u{3164}' | '\u{ffa0}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normalised_or_refused() {
        for (text, name) in [
            ("Ada", Some("Ada")),
            ("  Ada \t Lovelace ", Some("Ada Lovelace")),
            ("Zoë 漢字", Some("Zoë 漢字")),
            ("123456789012345678901234", Some("123456789012345678901234")),
            ("1234567890123456789012345", None),
            ("", None),
            ("   ", None),
            ("Ada\u{202e}nimda", None),
            ("A\u{200b}da", None),
            ("A\u{7}da", None),
            ("\u{3164}", None),
        ] {
            let parsed = DisplayName::parse(text).ok();
            assert_eq!(parsed.as_ref().map(DisplayName::as_str), name, "{text:?}");
        }
        assert!(DisplayName::parse(&"x".repeat(1 << 20)).is_err());
    }
}
