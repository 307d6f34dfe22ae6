//! Notices a client that says nothing, whatever else happens to its session meanwhile.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// How long ago a client was heard, and the alarm for when that is too long.
#[derive(Debug)]
pub struct Silence {
    max: Duration,
    heard: Instant,
    /// Set once, and anew only when it goes off: hearing something costs no timer.
    alarm: Pin<Box<Sleep>>,
}

impl Silence {
    /// Starts to listen; a client may be silent for `max`.
    #[must_use]
    pub fn new(max: Duration) -> Self {
        let heard = Instant::now();
        Self { max, heard, alarm: Box::pin(sleep_until(heard + max)) }
    }

    /// Notes that the client was heard.
    pub fn broken(&mut self) {
        self.heard = Instant::now();
    }

    /// Waits until the client has been silent for too long. Dropping it half-way loses nothing.
    pub async fn too_long(&mut self) {
        loop {
            self.alarm.as_mut().await;
            let until = self.heard + self.max;
            if until <= Instant::now() {
                return;
            }
            self.alarm.as_mut().reset(until);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: Duration = Duration::from_millis(60);
    const OFTEN: Duration = Duration::from_millis(5);

    #[tokio::test]
    async fn what_happens_meanwhile_does_not_lengthen_it() {
        let start = Instant::now();
        let mut silence = Silence::new(MAX);
        let mut meanwhile = 0;
        loop {
            tokio::select! {
                () = silence.too_long() => break,
                () = tokio::time::sleep(OFTEN) => meanwhile += 1,
            }
            assert!(meanwhile < 10_000, "it never ends");
        }
        assert!(start.elapsed() >= MAX && meanwhile > 0, "{meanwhile}");
    }

    #[tokio::test]
    async fn it_starts_anew_whenever_the_client_is_heard() {
        let mut silence = Silence::new(MAX);
        let mut before = Instant::now();
        for _ in 0..3 {
            tokio::time::sleep(MAX / 2).await;
            before = Instant::now();
            silence.broken();
        }
        silence.too_long().await;
        assert!(before.elapsed() >= MAX, "{:?}", before.elapsed());
    }
}
