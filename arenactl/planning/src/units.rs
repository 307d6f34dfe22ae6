//! Values with units, as people write them in `arena.yaml`: `30s`, `512MiB`, `1.5`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Why a text is not a value with a unit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {what}")]
pub struct UnitError {
    /// What was given.
    pub text: String,
    /// What was expected, with its article.
    pub what: &'static str,
    /// How it is written.
    pub help: &'static str,
}

macro_rules! text_serde {
    ($name:ident, $types:tt, $pattern:literal) => {
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": $types, "pattern": $pattern })
            }
        }

        impl TryFrom<String> for $name {
            type Error = UnitError;

            fn try_from(text: String) -> Result<Self, UnitError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    };
}

/// A length of time in whole milliseconds, at most [`Span::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(u64);

/// Units of a [`Span`], largest first, with their length in milliseconds.
const SPAN_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
const SPAN_HELP: &str = "write a whole number and a unit: `200ms`, `30s`, `10m`, `2h` or `7d`";

impl Span {
    /// The longest span, a year: anything longer is a slip of the hand.
    pub const MAX: Self = Self(365 * 86_400_000);
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// Returns a span of `ms` milliseconds, at most [`Span::MAX`].
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        if ms < Self::MAX.0 { Self(ms) } else { Self::MAX }
    }

    /// Returns a span of `s` seconds, at most [`Span::MAX`].
    #[must_use]
    pub const fn from_s(s: u64) -> Self {
        Self::from_ms(s.saturating_mul(1_000))
    }

    /// Returns the span in milliseconds.
    #[must_use]
    pub const fn as_ms(self) -> u64 {
        self.0
    }

    /// Returns the span in seconds, rounded up.
    #[must_use]
    pub const fn as_s(self) -> u64 {
        self.0.div_ceil(1_000)
    }

    /// Returns the span as the standard library's type.
    #[must_use]
    pub const fn as_duration(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.pad("0s");
        }
        let (unit, ms) =
            SPAN_UNITS.into_iter().find(|(_, ms)| self.0.is_multiple_of(*ms)).unwrap_or(("ms", 1));
        f.pad(&format!("{}{unit}", self.0 / ms))
    }
}

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (number, unit) = split_unit(text);
        let ms = SPAN_UNITS.into_iter().find(|(name, _)| *name == unit).map(|(_, ms)| ms);
        number
            .parse::<u64>()
            .ok()
            .zip(ms)
            .and_then(|(count, ms)| count.checked_mul(ms))
            .filter(|ms| *ms <= Self::MAX.0)
            .map(Self)
            .ok_or_else(|| UnitError { text: text.to_owned(), what: "a duration", help: SPAN_HELP })
    }
}

text_serde!(Span, ["string"], "^[0-9]+(ms|s|m|h|d)$");

/// A size in bytes, at most [`Bytes::MAX`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Bytes(u64);

/// Units of [`Bytes`], largest first.
const BYTES_UNITS: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
const BYTES_HELP: &str = "write a whole number and a unit: `64KiB`, `512MiB` or `4GiB`";

impl Bytes {
    /// The largest size, 1 PiB: anything larger is a slip of the hand.
    pub const MAX: Self = Self(1 << 50);

    /// Returns a size of `bytes`, at most [`Bytes::MAX`].
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        if bytes < Self::MAX.0 { Self(bytes) } else { Self::MAX }
    }

    /// Returns the number of bytes.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.pad("0B");
        }
        let (unit, size) = BYTES_UNITS
            .into_iter()
            .find(|(_, size)| self.0.is_multiple_of(*size))
            .unwrap_or(("B", 1));
        f.pad(&format!("{}{unit}", self.0 / size))
    }
}

impl FromStr for Bytes {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (number, unit) = split_unit(text);
        let size = BYTES_UNITS.into_iter().find(|(name, _)| *name == unit).map(|(_, size)| size);
        number
            .parse::<u64>()
            .ok()
            .zip(size)
            .and_then(|(count, size)| count.checked_mul(size))
            .filter(|bytes| *bytes <= Self::MAX.0)
            .map(Self)
            .ok_or_else(|| UnitError { text: text.to_owned(), what: "a size", help: BYTES_HELP })
    }
}

text_serde!(Bytes, ["string"], "^[0-9]+(B|KiB|MiB|GiB|TiB)$");

/// A share of processor cores in thousandths: `1.5` is one and a half core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cpus(u32);

const CPUS_HELP: &str = "write cores with at most three decimals, 0.001 to 1024: `0.25` or `2`";

impl Cpus {
    /// The largest share, 1 024 cores.
    pub const MAX: Self = Self(1_024_000);

    /// Returns a share of `milli` thousandths of a core, at most [`Cpus::MAX`].
    #[must_use]
    pub const fn from_milli(milli: u32) -> Self {
        if milli < Self::MAX.0 { Self(milli) } else { Self::MAX }
    }

    /// Returns the share in thousandths of a core.
    #[must_use]
    pub const fn as_milli(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, milli) = (self.0 / 1_000, self.0 % 1_000);
        if milli == 0 {
            return f.pad(&whole.to_string());
        }
        f.pad(format!("{whole}.{milli:03}").trim_end_matches('0'))
    }
}

impl FromStr for Cpus {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        parse_milli(text).filter(|milli| (1..=Self::MAX.0).contains(milli)).map(Self).ok_or_else(
            || UnitError { text: text.to_owned(), what: "a number of cores", help: CPUS_HELP },
        )
    }
}

text_serde!(Cpus, ["string", "number"], "^[0-9]+(\\.[0-9]{1,3})?$");

/// Reads a decimal with at most three places into thousandths, without floats.
fn parse_milli(text: &str) -> Option<u32> {
    let (whole, places) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|it| it.is_ascii_digit());
    if !digits(whole) || !digits(places) || places.len() > 3 {
        return None;
    }
    let milli: u32 = format!("{places:0<3}").parse().ok()?;
    whole.parse::<u32>().ok()?.checked_mul(1_000)?.checked_add(milli)
}

/// Splits `30s` into `30` and `s`.
fn split_unit(text: &str) -> (&str, &str) {
    text.split_at(text.find(|it: char| !it.is_ascii_digit()).unwrap_or(text.len()))
}

/// A point in time: milliseconds since 1970-01-01 UTC. Planning is told the time, it never asks.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Returns the time that passed since `earlier`, zero if it lies ahead.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Span {
        Span::from_ms(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, whole seconds. Dates by Howard Hinnant's `civil_from_days`
    /// (<https://howardhinnant.github.io/date_algorithms.html#civil_from_days>).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = self.0 / 1_000;
        let (year, month, day) = civil_date(s / 86_400);
        let (hour, minute, second) = (s / 3_600 % 24, s / 60 % 60, s % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// Returns the year, month and day of a count of days since 1970-01-01.
const fn civil_date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + (month <= 2) as u64, month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spans_need_a_unit() {
        for (text, ms) in [
            ("30s", Some(30_000)),
            ("200ms", Some(200)),
            ("10m", Some(600_000)),
            ("2h", Some(7_200_000)),
            ("7d", Some(604_800_000)),
            ("0s", Some(0)),
            ("30", None),
            ("30 s", None),
            ("30sec", None),
            ("-1s", None),
            ("1.5s", None),
            ("", None),
            ("s", None),
            ("99999999999999999999s", None),
            ("366d", None),
        ] {
            assert_eq!(text.parse::<Span>().ok().map(Span::as_ms), ms, "{text}");
        }
    }

    #[test]
    fn sizes_need_a_binary_unit() {
        for (text, bytes) in [
            ("512MiB", Some(512 << 20)),
            ("4GiB", Some(4 << 30)),
            ("1B", Some(1)),
            ("512MB", None),
            ("512 MiB", None),
            ("512", None),
            ("1.5GiB", None),
            ("2000TiB", None),
        ] {
            assert_eq!(text.parse::<Bytes>().ok().map(Bytes::as_u64), bytes, "{text}");
        }
    }

    #[test]
    fn cores_have_three_decimals() {
        for (text, milli) in [
            ("1.5", Some(1_500)),
            ("2", Some(2_000)),
            ("0.001", Some(1)),
            ("0", None),
            ("0.0001", None),
            ("-1", None),
            (".5", None),
            ("1.", None),
            ("1024.001", None),
            ("500m", None),
        ] {
            assert_eq!(text.parse::<Cpus>().ok().map(Cpus::as_milli), milli, "{text}");
        }
    }

    #[test]
    fn timestamps_print_as_rfc_3339() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59Z"),
            (4_102_444_800_000, "2100-01-01T00:00:00Z"),
        ] {
            assert_eq!(Timestamp(ms).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(ms in 0..=Span::MAX.0, bytes in 0..=Bytes::MAX.0, milli in 1..=Cpus::MAX.0) {
            prop_assert_eq!(Span(ms).to_string().parse(), Ok(Span(ms)));
            prop_assert_eq!(Bytes(bytes).to_string().parse(), Ok(Bytes(bytes)));
            prop_assert_eq!(Cpus(milli).to_string().parse(), Ok(Cpus(milli)));
        }
    }
}
