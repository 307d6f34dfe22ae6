/// `(milliseconds waited, half width in rating points)`; straight lines between, level after the
/// last. A tenth of a class of 400 at first, two classes at most: beyond it nobody has a fair game.
const POINTS: [(u64, u32); 4] = [(0, 100), (5_000, 200), (15_000, 400), (30_000, 800)];

/// Returns how far another rating may be from that of a ticket that has waited so long.
#[must_use]
pub fn half_width(waited_ms: u64) -> u32 {
    let mut before = POINTS[0];
    for point in POINTS {
        if waited_ms < point.0 {
            let ((from_ms, from), (to_ms, to)) = (before, point);
            let grown = u64::from(to - from) * (waited_ms - from_ms) / (to_ms - from_ms);
            return from + grown as u32;
        }
        before = point;
    }
    before.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_widens_up_to_a_cap() {
        for (waited_ms, wide) in [
            (0, 100),
            (2_500, 150),
            (5_000, 200),
            (10_000, 300),
            (15_000, 400),
            (22_500, 600),
            (30_000, 800),
            (u64::MAX, 800),
        ] {
            assert_eq!(half_width(waited_ms), wide, "{waited_ms} ms");
        }
    }
}
