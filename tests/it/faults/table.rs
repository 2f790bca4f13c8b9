//! The fault table: what may go wrong with registries and the way to them, what is to come of it,
//! and which tests show it. A row without a test, and a test that does not exist, fail here.

use std::collections::BTreeSet;
use std::process::Command;

/// A row: what goes wrong, what is to come of it, and the tests, by their full names.
type Row = (&'static str, &'static str, &'static [&'static str]);

const TABLE: [Row; 22] = [
    (
        "RST after request / mid-body / before headers",
        "retried; PUT checked by HEAD first; one index, one tag",
        &[
            "faults::what_may_pass_is_tried_again",
            "faults::a_push_that_landed_unseen_is_not_repeated",
            "publishing::a_push_that_nobody_answered_is_looked_at_and_not_repeated",
            "publishing::a_push_that_never_got_there_is_repeated",
            "publishing::a_push_that_landed_unseen_and_is_refused_when_repeated_has_landed_all_the_same",
        ],
    ),
    (
        "429 with `Retry-After: 2`, with a date, with 99999, with junk",
        "waits 2 s; waits to date; fails now with reason; normal backoff",
        &[
            "faults::the_pause_that_a_registry_asks_for_is_kept",
            "faults::a_pause_that_is_too_long_ends_it_at_once",
            "faults::load::too_many_without_a_time_is_a_growing_pause_for_all",
        ],
    ),
    (
        "500,502,503,504 then 200; six in a row",
        "success on the later try; fail with the last status and try count",
        &[
            "faults::what_may_pass_is_tried_again",
            "faults::six_tries_are_all",
            "faults::what_will_not_pass_is_not_tried_again",
        ],
    ),
    (
        "Slow loris (1 B/10 s), silent server, stalled TLS",
        "idle or total limit hits; retried; deadline kept within 1 s",
        &[
            "faults::slow::an_answer_that_does_not_come_in_time_is_asked_for_again",
            "faults::slow::a_blob_that_trickles_is_given_up",
            "faults::slow::a_registry_that_falls_silent_over_a_blob_is_given_up",
            "faults::slow::a_stored_blob_whose_answer_is_lost_costs_a_minute",
            "faults::slow::a_registry_that_never_answers_in_time_is_named",
            "faults::slow::a_handshake_that_stalls_is_given_up_after_ten_seconds",
            "faults::slow::a_dead_connection_does_not_swallow_all_tries",
            "faults::slow::a_slow_answer_does_not_outlast_the_wait",
            "waiting::the_deadline_holds_though_the_registry_hangs",
        ],
    ),
    (
        "Body shorter than Content-Length; bad chunk framing",
        "retried, then `truncated`",
        &[
            "faults::slow::an_answer_that_is_cut_off_is_asked_for_again_and_then_called_truncated",
            "faults::lag::a_tag_read_whose_bytes_are_spoilt_on_the_way_is_read_once_more",
            "threats::bytes_that_were_spoilt_once",
        ],
    ),
    (
        "Stale read: 404 ×N then 200; old digest ×N then new",
        "success; `verify_stale` after 60 s",
        &[
            "publishing::a_registry_that_lags_behind_its_own_writes_is_given_time",
            "publishing::a_tag_that_is_not_found_right_after_the_push_is_looked_at_again",
            "publishing::a_registry_that_does_not_see_the_images_yet_is_asked_again",
            "waiting::what_a_source_names_is_waited_for_too",
            "faults::lag::a_replica_that_lags_at_every_step_costs_time_and_nothing_else",
            "faults::lag::a_registry_that_never_shows_what_was_pushed_is_told_and_the_next_run_heals",
        ],
    ),
    (
        "Token expires mid-wait, between HEAD and PUT, server revokes early, clock ±1 h",
        "silent refresh; ≤1 extra 401 per request",
        &[
            "login::a_token_that_lives_two_seconds_outlives_a_wait",
            "login::a_token_that_is_revoked_early_is_renewed_silently",
            "login::a_token_revoked_between_two_requests_costs_one_more",
            "faults::tokens::a_token_server_whose_clock_is_wrong_changes_nothing",
        ],
    ),
    (
        "Token server down 20 s",
        "wait survives",
        &[
            "login::a_token_server_that_is_down_for_a_while_does_not_end_the_wait",
            "login::a_token_server_that_stays_down_is_named",
        ],
    ),
    (
        "Registry restarts mid-push; child vanishes before PUT",
        "retry; names the missing child",
        &[
            "faults::restarts::a_registry_that_restarts_at_any_write_costs_a_moment",
            "transfer::restarted::a_registry_that_restarts_while_blobs_are_mounted_or_streamed_costs_a_moment",
            "transfer::restarted::an_outage_at_the_start_does_not_end_the_wait",
            "faults::restarts::a_registry_that_stays_down_is_reported_truly_and_the_next_run_completes",
            "faults::restarts::our_process_killed_at_any_write_leaves_no_tag_on_half_a_list",
            "faults::lag::a_child_that_vanishes_before_the_push_is_named",
            "waiting::a_registry_that_restarts_does_not_end_the_wait",
        ],
    ),
    (
        "Read replica lag per tag (some tags pushed, one fails)",
        "partial report: which tags moved; exit ≠0; rerun converges",
        &[
            "publishing::after_the_first_tag_that_fails_no_other_is_started_and_latest_never_moves",
            "publishing::latest_stays_when_another_tag_fails_and_is_named_when_it_fails_itself",
            "faults::restarts::a_registry_that_stays_down_is_reported_truly_and_the_next_run_completes",
            "faults::random::five_hundred_runs_in_which_anything_may_go_wrong",
        ],
    ),
    (
        "SIGTERM/SIGINT/SIGHUP while waiting / during PUT / second signal",
        "exit 143/130 within 2 s, in-flight PUT finished or reported unknown, no half-written outputs; PID 1 handles signals \
         without an init",
        &[
            "signals::while_waiting_nothing_is_moved",
            "signals::during_a_push_the_tag_is_unknown",
            "signals::between_two_tags_each_is_accounted_for",
            "signals::while_a_registry_hangs_nothing_is_moved",
            "signals::a_second_signal_changes_nothing",
            "signals::a_hangup_that_was_to_be_ignored_is_ignored",
            // As PID 1: tests/ci/image.sh, in the image itself.
        ],
    ),
    (
        "DNS: NXDOMAIN, SERVFAIL, first of 2 addresses dead, slow",
        "NXDOMAIN fails after 3 tries naming host; happy-eyeballs works",
        &[
            "faults::a_registry_that_never_answers_is_named",
            "faults::network::a_dead_address_does_not_keep_from_the_live_one",
            // What a name server says: registry::http::names.
        ],
    ),
    (
        "IPv6 only, `[::1]:5000` refs, v6 with dead v4",
        "works; Host header bracketed",
        &[
            "faults::network::a_registry_is_named_by_its_address_of_the_sixth_version",
            "faults::network::a_dead_address_does_not_keep_from_the_live_one",
        ],
    ),
    (
        "HTTPS_PROXY (CONNECT, 407, TLS proxy), NO_PROXY host/.domain/CIDR/*, lower-case names",
        "obeyed per curl rules; 407 is fatal and clear",
        &[
            "faults::proxies::a_registry_behind_a_proxy_is_reached_through_a_tunnel",
            "faults::proxies::a_proxy_that_wants_a_login_ends_it_at_once",
            "faults::proxies::what_no_proxy_names_goes_past_the_proxy",
            "faults::real_proxy::a_registry_is_reached_through_it_in_a_tunnel_and_in_plain_http",
            "threats::a_proxy_never_sees_loopback",
            "threats::the_password_of_a_proxy_is_not_told",
        ],
    ),
    (
        "Private CA, expired cert, wrong name, TLS 1.1 only",
        "CA via file/env; others fatal, not retried",
        &[
            "tls::a_tag_is_published_over_tls",
            "tls::an_unknown_authority_is_named_and_not_tried_again",
            "faults::certificates::a_certificate_that_is_expired_or_for_another_name_is_refused",
            "faults::certificates::a_server_that_speaks_an_old_version_only_is_refused",
            "faults::certificates::the_systems_own_store_can_be_another_file",
        ],
    ),
    (
        "Disk full / read-only / missing output path",
        "push result still printed to stdout; exit code says \"outputs failed\"; no retry of push",
        &[
            "outputs::a_full_disk_is_told_with_the_outputs_and_nothing_is_pushed_again",
            "outputs::an_output_file_that_cannot_be_opened_ends_the_run_before_any_request",
        ],
    ),
    (
        "Two runs push the same tag with equal / different content",
        "both succeed, one digest; last writer wins and loser reports `moved`",
        &[
            "faults::lag::two_runs_that_publish_the_same_agree",
            "faults::lag::who_loses_a_tag_to_another_writer_says_so",
        ],
    ),
    (
        "Immutable tag: same digest / other digest",
        "success \"unchanged\"; error naming immutability (400/403/409/412 variants)",
        &[
            "publishing::a_second_run_writes_nothing_and_says_so",
            "publishing::a_tag_that_cannot_be_moved_is_said_to_be_immutable_however_the_registry_says_it",
            "publishing::a_push_that_landed_unseen_and_is_refused_when_repeated_has_landed_all_the_same",
        ],
    ),
    (
        "64 children × 429 bursts",
        "total requests ≤ budget; finishes",
        &[
            "transfer::restarted::a_second_of_trouble_costs_a_second_or_two_however_much_is_under_way",
            "faults::load::sixty_four_children_get_through_a_limit_of_requests",
            "faults::load::a_registry_that_fails_all_the_time_is_not_stormed",
        ],
    ),
    (
        "HEAD unsupported (405), HEAD without digest, 304",
        "GET fallback; GET fallback; \"unchanged\"",
        &[
            "faults::a_registry_without_heads_is_read_instead",
            "publishing::a_head_that_tells_nothing_is_followed_by_a_get",
        ],
    ),
    (
        "System clock jumps",
        "deadlines unaffected",
        &[
            "faults::slow::ten_minutes_of_waiting_are_ten_minutes_of_the_clock_that_never_jumps",
            "faults::table::the_wall_clock_is_read_in_one_place_only",
        ],
    ),
    (
        "Referrers: no API, denied, 5xx, RST, gone, altered, pages without end, a list that is too long; killed at every write",
        "by tag; told, by tag; retried, then 7; 7; 5; 5; 5; no tag moves, the next run completes",
        &[
            "referrers::api::what_is_no_list_means_that_there_is_no_api",
            "referrers::api::a_list_that_cannot_be_had_moves_no_tag",
            "referrers::attestations::a_list_that_cannot_be_had_moves_no_tag_and_a_denied_one_is_told",
            "referrers::attestations::one_that_is_listed_and_cannot_be_had_moves_no_tag",
            "referrers::attestations::trouble_with_the_list_is_waited_for",
            "referrers::faults::what_lasts_moves_no_tag_and_the_next_run_completes",
            "referrers::faults::what_passes_costs_a_moment_at_every_request",
            "referrers::killed::a_kill_at_any_write_moves_no_tag_where_tags_list_referrers",
            "referrers::killed::a_kill_at_any_write_moves_no_tag_where_the_registry_lists_referrers",
            "referrers::threats::a_list_of_referrers_without_end",
            "referrers::threats::more_referrers_than_anybody_signs_with",
            "referrers::travel::one_that_cannot_be_copied_moves_no_tag_and_the_way_out_is_told",
        ],
    ),
];

/// The rows of the research that the table follows: none may get lost.
const ROWS: &str = "\
RST after request / mid-body / before headers
429 with `Retry-After: 2`, with a date, with 99999, with junk
500,502,503,504 then 200; six in a row
Slow loris (1 B/10 s), silent server, stalled TLS
Body shorter than Content-Length; bad chunk framing
Stale read: 404 ×N then 200; old digest ×N then new
Token expires mid-wait, between HEAD and PUT, server revokes early, clock ±1 h
Token server down 20 s
Registry restarts mid-push; child vanishes before PUT
Read replica lag per tag (some tags pushed, one fails)
SIGTERM/SIGINT/SIGHUP while waiting / during PUT / second signal
DNS: NXDOMAIN, SERVFAIL, first of 2 addresses dead, slow
IPv6 only, `[::1]:5000` refs, v6 with dead v4
HTTPS_PROXY (CONNECT, 407, TLS proxy), NO_PROXY host/.domain/CIDR/*, lower-case names
Private CA, expired cert, wrong name, TLS 1.1 only
Disk full / read-only / missing output path
Two runs push the same tag with equal / different content
Immutable tag: same digest / other digest
64 children × 429 bursts
HEAD unsupported (405), HEAD without digest, 304
System clock jumps
Referrers: no API, denied, 5xx, RST, gone, altered, pages without end, a list that is too long; killed at every write";

#[test]
fn every_row_has_tests_and_every_test_exists() {
    let listed = Command::new(std::env::current_exe().unwrap())
        .args(["--list", "--format", "terse"])
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let tests: BTreeSet<&str> =
        listed.lines().filter_map(|line| line.strip_suffix(": test")).collect();
    assert!(tests.contains("faults::table::every_row_has_tests_and_every_test_exists"), "{listed}");
    let rows: Vec<&str> = TABLE.iter().map(|(row, ..)| *row).collect();
    assert_eq!(rows, ROWS.lines().collect::<Vec<_>>());
    for (row, expected, names) in TABLE {
        assert!(!names.is_empty() && !expected.is_empty(), "{row}");
        for name in names {
            assert!(tests.contains(name), "{row}: there is no test {name}");
        }
    }
}

/// A clock that is set, or that jumps, moves no deadline, for nothing but a date in `Retry-After`
/// is held against it, and by the job API also the time at which its rate limit ends.
#[test]
fn the_wall_clock_is_read_in_one_place_only() {
    let mut readers = Vec::new();
    let source = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    let mut folders = vec![source.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read_to_string(&path).unwrap().contains("SystemTime::now()") {
                readers.push(path);
            }
        }
    }
    let mut names: Vec<&str> =
        readers.iter().filter_map(|path| path.strip_prefix(source).ok()?.to_str()).collect();
    names.sort_unstable();
    // `inspect` prints an age; nothing is decided by it.
    assert_eq!(names, ["cli/inspect.rs", "jobs/ask.rs", "registry/attempts/mod.rs"]);
}
