use std::time::Duration;

use arena_store::RateLimit;

/// Logins to one account: what a person mistypes, far below what a guesser needs.
pub const ACCOUNT_LIMIT: RateLimit = RateLimit { burst: 5, interval: Duration::from_secs(12) };
/// Logins of one device: a page that reloads in a loop.
pub const DEVICE_LIMIT: RateLimit = RateLimit { burst: 20, interval: Duration::from_secs(3) };

/// Time in which an address gets its whole allowance back.
const IP_PERIOD: Duration = Duration::from_mins(1);

/// Returns the limit of one address: `per_minute` at once, and again every minute.
#[must_use]
pub fn ip_limit(per_minute: u32) -> RateLimit {
    let burst = per_minute.max(1);
    RateLimit { burst, interval: IP_PERIOD / burst }
}

/// What a limit counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Requests from one address.
    Ip(String),
    /// Logins to one account, by the pseudonym of its address.
    Account(String),
    /// Logins of one device, by the start of its hash.
    Device(String),
}

impl Scope {
    /// Returns the key in the hot state.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Ip(ip) => format!("rate/auth/ip/{ip}"),
            Self::Account(account) => format!("rate/auth/account/{account}"),
            Self::Device(device) => format!("rate/auth/device/{device}"),
        }
    }

    /// Names the kind in metrics.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Ip(_) => "ip",
            Self::Account(_) => "account",
            Self::Device(_) => "device",
        }
    }
}
