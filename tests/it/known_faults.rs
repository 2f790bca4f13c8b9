//! Faults that were found once, by the letter and number of their list: the tests that keep each one
//! away, and which of them are not mended yet.

use crate::support::named::exists;
use std::collections::BTreeMap;

/// Of each list, how many there are. Those of security (S) stand in SECURITY.md's table.
const LISTS: [(char, usize); 4] = [('N', 21), ('W', 5), ('I', 11), ('P', 6)];

const MENDED: [(&str, &str, &[&str]); 43] = [
    (
        "N1",
        "trouble to the end of a wait, of the registry or of hosts that stand in for it",
        &[
            "trouble::a_registry_in_trouble_to_the_end_is_not_an_image_that_is_missing",
            "trouble::trouble_after_an_honest_answer",
            "trouble::the_last_words_of_a_registry_that_falls_silent",
            "trouble::both_ends_in_one_wait",
            "elsewhere::storage_behind_a_redirect_is_named",
            "elsewhere::a_token_server_that_cannot_be_reached_is_named",
        ],
    ),
    (
        "N2",
        "HEAD that fails where GET works",
        &[
            "heads::a_tag_that_must_not_move_is_not_moved",
            "heads::an_image_that_comes_late_is_found_before_it_is_given_up",
            "heads::an_index_of_a_builder_is_whole",
            "heads::a_plain_run_asks_for_its_tag_once",
            "heads::what_is_missing_costs_one_request_more",
        ],
    ),
    ("N3", "optional fields that are null", &["oci::manifest::what_is_null_is_absent"]),
    (
        "N4",
        "a web page in place of an answer, compression that nobody asked for",
        &[
            "web_pages::in_place_of_a_manifest",
            "web_pages::a_redirect_to_a_sign_in_page",
            "web_pages::in_place_of_a_config",
            "web_pages::in_place_of_a_token",
            "web_pages::in_place_of_an_upload_and_of_a_push",
            "web_pages::a_compressed_answer",
        ],
    ),
    (
        "N5",
        "a server's own certificate as `ca-file`",
        &[
            "faults::certificates::the_servers_own_certificate_can_be_the_ca_file",
            "faults::certificates::a_servers_own_certificate_is_held_against_its_names_and_times",
        ],
    ),
    (
        "N6",
        "plain HTTP and HTTPS in each other's place, certificates, proxies: a sentence each",
        &[
            "tls::plain_http_where_https_is_expected_is_told",
            "tls::a_tls_port_that_is_said_to_be_plain_is_taken_at_its_word",
            "faults::certificates::a_certificate_that_is_expired_or_for_another_name_is_refused",
            "faults::real_proxy::what_it_refuses_is_told_with_its_name",
        ],
    ),
    (
        "N7",
        "`NO_PROXY` in all forms",
        &[
            "registry::http::proxies::what_goes_past_a_proxy",
            "faults::real_proxy::no_proxy_goes_past_it_in_every_form",
        ],
    ),
    ("N8", "a denial that asks for no login", &["challenges::a_denial_that_asks_for_no_login"]),
    (
        "N9",
        "what a proxy does not take, an upload without its port, silence",
        &[
            "faults::a_blob_that_is_too_large_for_a_proxy_is_told_with_its_size",
            "elsewhere::the_place_of_an_upload_is_named",
            "faults::slow::a_push_that_hangs_is_told_while_it_does",
        ],
    ),
    (
        "N10",
        "a redirect to a host without a name",
        &["elsewhere::storage_behind_a_redirect_is_named"],
    ),
    (
        "N11",
        "uploads that broke",
        &[
            "transfer::uploads::a_session_is_resumed_only_where_it_can_be_believed",
            "transfer::uploads::a_session_is_resumed_once",
            "transfer::uploads::a_blob_that_became_another_one_moves_no_tag",
            "transfer::uploads::what_is_there_counts_by_its_length",
        ],
    ),
    (
        "N12",
        "a part of a download that is refused",
        &[
            "transfer::streamed::a_part_that_is_refused_is_read_from_the_start",
            "transfer::ranges::a_download_goes_on_whatever_a_server_thinks_of_ranges",
        ],
    ),
    (
        "N13",
        "a challenge at the root alone",
        &[
            "challenges::a_challenge_at_the_root_alone_counts_for_the_host",
            "challenges::without_any_challenge_no_login_is_sent",
        ],
    ),
    (
        "N14",
        "several errors, details that are objects, empty messages",
        &[
            "registry::said::reads_whatever_a_registry_says",
            "registry::said::what_is_long_is_cut",
            "registry::said::no_secret_is_shown",
        ],
    ),
    (
        "N15",
        "foreign layers in a registry that refuses them",
        &[
            "transfer::refused::foreign_layers_that_a_registry_does_not_take_are_told_at_once",
            "transfer::refused::foreign_layers_survive_trouble_that_passes",
        ],
    ),
    (
        "N16",
        "a login that may only read, a wrong password by 403, a tag that may not move",
        &[
            "refusals::a_basic_login_that_read_is_not_wrong",
            "refusals::a_token_server_that_says_403_of_a_wrong_password",
            "refusals::a_tag_that_must_not_move_is_told_as_that",
        ],
    ),
    (
        "N17",
        "405 on every write, before the wait",
        &[
            "refusals::a_registry_that_takes_no_writes_is_told_before_the_wait",
            "refusals::a_registry_that_takes_no_writes_is_told_at_the_push",
        ],
    ),
    (
        "N18",
        "blobs that were counted as there and are not",
        &[
            "transfer::refused::blobs_that_were_only_shown_are_uploaded",
            "transfer::refused::an_image_that_is_refused_is_what_the_error_is_about",
        ],
    ),
    (
        "N19",
        "the order of images and their attestations",
        &["transfer::refused::what_refers_to_an_image_comes_after_it"],
    ),
    (
        "N20",
        "limits of what is sent at once, and warnings",
        &[
            "transfer::chunks::an_upload_is_sent_in_pieces_that_the_registry_takes",
            "transfer::chunks::a_piece_that_breaks_goes_on_where_the_registry_stands",
            "transfer::chunks::many_pieces_may_break",
            "transfer::chunks::the_limit_may_come_with_any_answer_of_a_session",
            "transfer::chunks::a_limit_that_does_not_matter_changes_nothing",
            "transfer::chunks::a_limit_that_cannot_be_obeyed_is_told",
            "transfer::chunks::a_limit_below_the_least_counts",
            "refusals::a_warning_of_a_registry_is_shown_once",
        ],
    ),
    (
        "N21",
        "a restart during three uploads",
        &[
            "transfer::restarted::three_uploads_outlast_a_registry_that_takes_seconds_to_restart",
            "faults::restarts::copies_under_way_outlast_seconds_without_the_registry_and_one_asks_for_all",
            "registry::attempts::limiter::an_outage_counts_once_for_all_copies_under_way",
            "registry::attempts::limiter::what_was_under_way_together_fails_once_and_one_asks_for_all_until_there_is_an_answer",
            "registry::attempts::retry::a_host_is_not_given_up_before_it_could_have_restarted",
        ],
    ),
    (
        "W1",
        "a variant that only another architecture has",
        &[
            "oci::platform::variants_of_another_architecture",
            "oci::platform::a_stray_variant_contradicts_nothing",
            "builders::a_variant_of_another_architecture_is_left_out_with_a_warning",
            "builders::all_other_variants_stay",
            "builders::a_variant_that_the_inputs_contradict_is_named",
            "builders::an_entry_with_a_variant_of_another_architecture_is_told",
            "builders::a_variant_of_the_image_that_is_appended_to_is_left_out",
        ],
    ),
    (
        "W2",
        "a job that pushed another architecture than its tag says",
        &[
            "oci::named::architectures_in_names",
            "builders::an_image_that_is_not_what_its_name_says_is_named",
            "builders::a_template_says_what_its_images_are_for",
            "builders::other_places_that_say_what_an_image_is_for",
            "builders::an_output_of_a_job_says_what_its_image_is_for",
            "builders::what_is_missing_beside_two_images_for_one_platform_is_told",
            "builders::a_name_alone_refuses_nothing",
        ],
    ),
    (
        "W3",
        "`expect-labels` where no image has the label",
        &[
            "labels_missing::the_first_wait_line_says_how_builders_set_it",
            "labels_missing::the_error_says_how_builders_set_it",
            "labels_missing::another_value_is_another_build",
        ],
    ),
    (
        "W4",
        "a tag that loses platforms",
        &[
            "pipeline::lost::what_is_lost",
            "lost_platforms::the_platforms_that_a_tag_loses_are_named",
            "lost_platforms::what_loses_nothing_is_no_warning",
            "lost_platforms::it_costs_one_request_and_no_round_trip",
            "lost_platforms::a_release_like_the_last_one_pays_nothing",
            "lost_platforms::what_cannot_be_read_is_no_error",
        ],
    ),
    (
        "W5",
        "images whose revision nobody knows",
        &["report::summary::what_is_known_of_no_image_has_no_column"],
    ),
    (
        "I1",
        "quotes, dashes and flags in annotations and labels",
        &[
            "inputs::slips::quotes_round_a_line_are_dropped",
            "inputs::slips::a_pair_or_what_to_write",
            "slips::quotes_round_an_annotation_are_not_published",
        ],
    ),
    (
        "I2",
        "slips in references and platforms",
        &[
            "oci::slip::every_slip_has_its_cause",
            "oci::slip::nothing_else_is_one",
            "slips::every_slip_is_told_in_one_run_before_any_request",
        ],
    ),
    (
        "I4",
        "empty job outputs beside `platforms`",
        &[
            "digests::empty_outputs_beside_platforms_are_left_out_and_completeness_decides",
            "plan::digests::an_empty_output_is_left_out_where_platforms_tell_what_is_missing",
        ],
    ),
    (
        "I5",
        "Drone's templates, `auto_tag`, `insecure`",
        &[
            "inputs::drone::a_placeholder_stands_anywhere_and_counts_once",
            "inputs::auto_tag::tags_of_a_version_or_latest",
            "inputs::auto_tag::builds_that_publish_nothing",
            "inputs::filling::names_helpers_and_blocks",
            "drone::a_template_in_a_build_of_a_branch",
            "drone::a_template_in_a_build_of_a_tag_with_tags_of_its_own",
            "drone::auto_tag_publishes_on_the_default_branch_and_on_tags_only",
            "drone::the_platform_in_the_name_of_the_repository",
            "drone::insecure_is_of_the_registries_that_the_step_names",
            "migration::a_step_of_plugins_manifest_changes_its_image_only",
        ],
    ),
    (
        "I6",
        "completions of flags and values",
        &[
            "commands::completions::commands_flags_and_values_are_completed",
            "commands::completions::the_values_offered_are_those_that_an_input_takes",
        ],
    ),
    (
        "I7",
        "manual pages and help",
        &[
            "commands::shell::manual_pages_have_the_sections_that_readers_look_for_and_keep_the_lines_of_examples",
            "commands::shell::short_help_fits_a_screen_and_long_help_has_every_exit_status",
            "commands::shell::alone_at_a_terminal_it_shows_help",
        ],
    ),
    (
        "I3",
        "a folder that a container step does not see",
        &[
            "tests/ci/staging.sh",
            "tests/ci/github.sh",
            "inputs::places::copies_come_first_and_nothing_outside_of_them",
            "inputs::places::what_a_step_does_not_see",
            "user_files::copies_are_read_in_the_place_of_what_a_container_does_not_see",
        ],
    ),
    (
        "I8",
        "errors of arguments in the words of a command line",
        &[
            "cli::neighbour::the_right_neighbour",
            "inputs::a_problem_in_the_words_of_a_command",
            "commands::arguments::mistakes_are_told_in_the_words_of_the_command",
        ],
    ),
    (
        "I9",
        "auth files where other tools take them",
        &[
            "plan::logins::a_variable_may_name_a_file_or_its_folder",
            "registry::login::credentials::entries_that_tools_write_oddly",
        ],
    ),
    (
        "I10",
        "files that are broken or cannot be written",
        &[
            "user_files::a_file_that_is_found_and_broken_is_told_with_its_name_and_a_way_out",
            "places::results_that_cannot_be_written_are_told_with_what_to_do",
        ],
    ),
    (
        "I11",
        "a misspelt `watch-jobs` name, before the end",
        &[
            "jobs::verdict::jobs_that_may_still_be_listed",
            "long_waits::a_name_that_no_job_has_is_told_once_after_a_minute",
        ],
    ),
    ("P1", "CircleCI's snippet, as its shell runs it", &["tests/ci/others.sh"]),
    ("P2", "the keywords that Azure wants first", &["tests/ci/lint.sh"]),
    ("P3", "snippets that can be pasted", &["tests/ci/lint.sh"]),
    ("P4", "texts in place of booleans for older GitLab", &["tests/ci/lint.sh"]),
    (
        "P5",
        "each error once, in the form that its reader can show",
        &[
            "once::on_github_as_an_annotation",
            "once::on_runners_made_of_act_as_text",
            "once::of_each_index_that_failed",
        ],
    ),
    (
        "P6",
        "terminals of 40 and 80 columns",
        &[
            "narrow::the_table_says_which_image_is_missing_and_is_cut_nowhere",
            "narrow::the_log_is_whole_when_the_table_is_gone",
        ],
    ),
];

const OPEN: [(&str, &str); 0] = [];

#[test]
fn each_is_kept_away_by_tests_or_known_to_be_open() {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (row, what, tests) in MENDED {
        assert!(!tests.is_empty(), "{row} has no test: {what}");
        for test in tests {
            assert!(exists(test), "{row} names {test}, which does not exist");
        }
        *seen.entry(row).or_default() += 1;
    }
    for (row, _) in OPEN {
        *seen.entry(row).or_default() += 1;
    }
    for (list, length) in LISTS {
        for number in 1..=length {
            let row = format!("{list}{number}");
            assert_eq!(seen.remove(row.as_str()), Some(1), "{row} must stand in one table, once");
        }
    }
    assert!(seen.is_empty(), "no such fault: {seen:?}");
}
