//! The list of tests: one line a function. A test below keeps it complete.

/// Makes a module of tests, one for each function of the suite of a port.
///
/// `$store` is an expression for a future of `(store, guard)`: the store derefs to the port's
/// trait object, the guard (a folder, a server) is kept until the test ends.
///
/// ```ignore
/// arena_store::conformance!(registry, embedded_registry().await);
/// ```
#[macro_export]
macro_rules! conformance {
    (registry, $store:expr) => {
        $crate::conformance!(@tests registry_conformance, registry, $store, [
            a_key_that_was_never_written_is_not_there,
            a_written_key_reads_back_with_its_commit,
            revisions_grow_by_one_with_every_commit,
            a_listing_holds_the_prefix_in_order_at_one_revision,
            a_listing_larger_than_one_message_is_whole,
            a_transaction_commits_only_if_every_condition_holds,
            a_refused_transaction_tells_what_it_found,
            of_many_compare_and_swaps_exactly_one_wins,
            a_transaction_without_changes_makes_no_revision,
            ownership_moves_only_while_the_target_lives,
            a_key_beyond_the_limits_is_refused,
            a_key_may_change_once_in_a_transaction,
            keys_vanish_with_their_lease,
            a_lease_that_is_kept_alive_does_not_end,
            a_lease_that_is_left_alone_ends,
            a_revoked_lease_cannot_be_used,
            a_put_without_a_lease_outlives_it,
            a_lease_beyond_the_limits_is_refused,
        ]);
        $crate::conformance!(@tests watch_conformance, watches, $store, [
            a_watch_sees_every_commit_after_its_revision,
            a_watch_sees_only_its_prefix,
            a_commit_is_seen_whole,
            a_watch_sees_keys_vanish_with_their_lease,
            a_watch_catches_up_with_a_long_past,
            two_watches_see_the_same,
        ]);
    };
    (hot, $store:expr) => {
        $crate::conformance!(@tests hot_conformance, hot, $store, [
            a_hot_value_reads_back_until_it_is_deleted,
            a_hot_value_ends_with_its_time,
            every_write_has_a_new_version,
            a_compare_and_set_writes_only_over_what_it_expects,
            of_many_compare_and_sets_exactly_one_wins,
            a_counter_adds_up,
            a_counter_does_not_wrap,
            a_rate_limit_grants_its_burst_and_then_its_rate,
            a_rate_limit_takes_all_or_none,
            a_board_ranks_the_highest_first,
            a_board_write_can_set_add_or_keep_the_best,
            a_board_shows_the_lines_around_a_member,
            who_is_present_is_listed_until_they_leave,
            presence_ends_with_its_time,
            a_hot_request_beyond_the_limits_is_refused,
        ]);
        $crate::conformance!(@tests journal_conformance, journals, $store, [
            a_journal_numbers_its_entries_from_one,
            an_append_to_several_journals_is_all_or_nothing,
            a_repeated_append_is_refused,
            a_journal_read_is_bounded_in_entries_and_bytes,
            a_trimmed_journal_goes_on_counting,
            a_deleted_journal_starts_again,
            a_journal_ends_after_its_last_append,
            appends_of_many_writers_are_all_there,
        ]);
        $crate::conformance!(@tests stream_conformance, streams, $store, [
            a_group_gets_every_entry_once,
            two_groups_each_get_every_entry,
            a_read_waits_for_the_first_entry,
            a_read_of_nothing_ends_with_its_wait,
            an_entry_is_pending_until_it_is_acknowledged,
            an_idle_entry_can_be_claimed,
            a_stream_forgets_its_oldest_entries,
            consumers_share_a_group,
        ]);
    };
    (players, $store:expr) => {
        $crate::conformance!(@tests player_conformance, players, $store, [
            an_account_reads_back,
            a_credential_belongs_to_one_account,
            an_accounts_last_credential_stays,
            a_secret_can_be_replaced,
            a_refresh_token_is_good_once,
            a_lost_reply_is_forgiven_within_the_grace,
            a_token_used_twice_ends_the_session,
            of_many_trades_of_one_token_later_than_the_grace_one_wins,
            a_session_over_is_not_refreshed,
            an_unknown_token_is_unknown,
            all_sessions_of_a_player_can_be_ended,
            expired_sessions_are_purged,
            a_ban_holds_until_it_ends_or_is_lifted,
            a_profile_is_written_over_the_version_that_was_read,
        ]);
        $crate::conformance!(@tests result_conformance, results, $store, [
            a_result_is_recorded_once,
            ratings_change_with_their_result_or_not_at_all,
            a_rating_computed_from_an_old_version_is_refused,
            a_result_sent_by_many_at_once_counts_once,
            history_is_newest_first_and_pages,
        ]);
    };
    (analytics, $store:expr) => {
        $crate::conformance!(@tests analytics_conformance, analytics, $store, [
            events_read_back_by_kind_and_time,
            an_event_sent_twice_is_stored_once,
            events_are_counted_by_spans_of_time,
            a_batch_beyond_the_limit_is_refused,
        ]);
    };
    (objects, $store:expr) => {
        $crate::conformance!(@tests object_conformance, objects, $store, [
            an_object_reads_back_whole,
            a_large_object_reads_back_whole,
            an_object_is_created_once,
            an_object_that_is_not_there_is_not_found,
            objects_are_listed_by_folder,
            a_deleted_object_is_gone,
            a_path_outside_the_root_is_refused,
        ]);
    };
    (@tests $module:ident, $suite:ident, $store:expr, [$($test:ident,)*]) => {
        mod $module {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let (store, _guard) = $store;
                    $crate::conformance::$suite::$test(&*store).await;
                }
            )*
        }
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_function_of_the_suite_is_in_the_macro() {
        let listed = include_str!("macros.rs");
        for suite in [
            include_str!("analytics.rs"),
            include_str!("hot.rs"),
            include_str!("journals.rs"),
            include_str!("objects.rs"),
            include_str!("players.rs"),
            include_str!("registry.rs"),
            include_str!("results.rs"),
            include_str!("streams.rs"),
            include_str!("watches.rs"),
        ] {
            for line in suite.lines().filter_map(|it| it.strip_prefix("pub async fn ")) {
                let name = line.split('(').next().unwrap_or_default();
                assert!(listed.contains(&format!(" {name},\n")), "{name} is not in conformance!");
            }
        }
    }
}
