//! Results, ratings, leaderboards.
