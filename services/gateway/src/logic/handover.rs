//! Where and when the sessions of a draining gateway go.

use std::net::SocketAddr;

/// Sessions that go each second: the other gateways admit as many (see `config::HELLOS`).
const SESSIONS_PER_S: usize = 400;
/// Every session draws its moment from a window this long, so that none go together.
const WINDOW_MS: u32 = 250;

/// When one session goes, in milliseconds from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The earliest moment.
    pub after_ms: u32,
    /// The latest moment.
    pub within_ms: u32,
}

/// Returns the window of the `index`-th session.
#[must_use]
pub fn window(index: usize) -> Window {
    let after_ms = u32::try_from(index * 1000 / SESSIONS_PER_S).unwrap_or(u32::MAX - WINDOW_MS);
    Window { after_ms, within_ms: after_ms + WINDOW_MS }
}

/// Returns the time by which all of `sessions` sessions have gone, in milliseconds.
#[must_use]
pub fn span_ms(sessions: usize) -> u32 {
    window(sessions).within_ms
}

/// Returns where players go: empty for the address they know, if another gateway serves it too or
/// none is known; else another gateway's own address.
#[must_use]
pub fn endpoint(own: SocketAddr, others: &[SocketAddr], scheme: &str) -> String {
    if others.is_empty() || others.contains(&own) {
        return String::new();
    }
    format!("{scheme}://{}", others[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_go_in_portions() {
        assert_eq!(window(0), Window { after_ms: 0, within_ms: 250 });
        assert_eq!(window(400).after_ms, 1_000);
        assert_eq!(span_ms(200), 750);
        let first_second = (0..10_000).filter(|it| window(*it).after_ms < 1_000).count();
        assert_eq!(first_second, SESSIONS_PER_S);
        assert!(window(usize::MAX / 1000).within_ms > 0, "no overflow");
    }

    #[test]
    fn players_keep_their_address_where_another_gateway_serves_it() {
        let [own, other] = ["127.0.0.1:8080", "127.0.0.1:8081"].map(|it| it.parse().unwrap());
        assert_eq!(endpoint(own, &[], "ws"), "");
        assert_eq!(endpoint(own, &[other, own], "ws"), "");
        assert_eq!(endpoint(own, &[other], "wss"), "wss://127.0.0.1:8081");
    }
}
