//! docs/troubleshooting.md has a section for each exit status and an entry for each message: whoever
//! searches it for words of a log finds them.

use crate::support::named::{exists, read, root, sources};
use manifest_action::error::{Error, Exit};

/// Words that no failure of docs/messages.md has, each with a test that provokes them and reads
/// them.
const ELSEWHERE: [(&str, &str); 18] = [
    (
        "does not allow replacing an archive",
        "into_files::names::a_layout_keeps_what_has_another_name_and_an_archive_is_replaced",
    ),
    (
        "required arguments were not provided",
        "commands::arguments::wrong_arguments_are_reported_in_json_too",
    ),
    ("both give", "checks::a_template_is_expanded_over_the_platforms_as_written"),
    ("cannot write results-dir", "places::results_that_cannot_be_written_are_told_with_what_to_do"),
    (
        "it is a folder with other things in it",
        "into_files::names::what_is_no_layout_stays_as_it_is",
    ),
    (
        "is not possible",
        "referrers::attestations::a_docker_list_is_refused_only_where_something_is_found",
    ),
    ("is a single image", "commands::inspect::an_image_and_an_entry_of_a_list"),
    ("moved by somebody else", "edit::annotate_refuses_when_the_tag_moves_meanwhile"),
    ("remove the last entry", "edit::what_annotate_and_remove_refuse"),
    (
        "is not what is listed",
        "referrers::threats::an_entry_that_says_something_else_than_the_referrer_is",
    ),
    ("no response in time", "faults::slow::a_registry_that_never_answers_in_time_is_named"),
    (
        "the response was truncated",
        "faults::slow::an_answer_that_is_cut_off_is_asked_for_again_and_then_called_truncated",
    ),
    ("no longer in the registry", "faults::lag::a_child_that_vanishes_before_the_push_is_named"),
    ("address that is not allowed", "threats::redirects_that_are_refused"),
    (
        "still shows another digest",
        "faults::lag::a_registry_that_never_shows_what_was_pushed_is_told_and_the_next_run_heals",
    ),
    (
        "the outputs could not be written",
        "files::outputs_that_cannot_be_written_are_all_missing_and_the_report_says_so",
    ),
    ("bug in manifest-action", "panics::the_program_tells_of_a_panic_and_ends_with_its_status"),
    ("stopped by SIG", "signals::a_second_signal_changes_nothing"),
];

/// The sections on exit statuses: the statuses, the heading behind them, the text below it.
fn sections(page: &str) -> Vec<(&str, &str, &str)> {
    let headed = page.split("\n## ").filter_map(|part| part.split_once('\n'));
    let parts = headed.filter_map(|(heading, text)| {
        let (statuses, title) = heading.split_once(": ")?;
        let are_numbers = statuses.split(", ").all(|one| one.parse::<u8>().is_ok());
        are_numbers.then_some((statuses, title, text))
    });
    parts.collect()
}

/// The section on an exit status.
fn section<'p>(page: &'p str, status: &str) -> &'p str {
    let mut sections = sections(page).into_iter();
    let found = sections.find(|(statuses, ..)| statuses.split(", ").any(|one| one == status));
    found.unwrap_or_else(|| panic!("no section on {status}")).2
}

/// The words of the log that each entry of a section is about: what its heading has in code.
fn entries(section: &str) -> impl Iterator<Item = Vec<&str>> {
    let headings = section.lines().filter_map(|line| line.strip_prefix("### "));
    headings.map(|heading| heading.split('`').skip(1).step_by(2).collect())
}

/// Every failure of docs/messages.md: its exit status and all that is said of it.
fn failures(page: &str) -> Vec<(&str, &str)> {
    let blocks = page.split("\n\n").map(|block| block.trim_start_matches("```text\n"));
    let status = |block: &'_ str| -> Option<usize> { block.lines().next()?.rfind(" · exit ") };
    blocks
        .filter_map(|block| {
            let at = status(block)? + " · exit ".len();
            Some((block[at..].lines().next()?, block))
        })
        .collect()
}

/// Whether a message has these words; `…` stands for what differs.
fn says(message: &str, words: &str) -> bool {
    let mut parts = words.split('…').map(str::trim);
    let rest = parts.try_fold(message, |rest, part| Some(rest.split_once(part)?.1));
    rest.is_some()
}

fn troubleshooting() -> String {
    read(&root().join("docs/troubleshooting.md"))
}

/// In the words of an annotation's title, in the order of the statuses.
#[test]
fn every_exit_status_has_a_section() {
    let exits = [
        Exit::Different,
        Exit::Inputs,
        Exit::NotArrived,
        Exit::JobFailed,
        Exit::Refused,
        Exit::Denied,
        Exit::Registry,
        Exit::Partial,
        Exit::Defect,
        Exit::Interrupted,
    ];
    let of_exit = |exit: Exit| match exit {
        Exit::Interrupted => "130, 143".to_owned(),
        exit => (exit as u8).to_string(),
    };
    let expected: Vec<_> =
        exits.map(|exit| (of_exit(exit), Error::new(exit, "").title().to_owned())).into();
    let page = troubleshooting();
    let found: Vec<_> = sections(&page)
        .into_iter()
        .map(|(statuses, title, _)| (statuses.to_owned(), title.to_owned()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn every_message_has_an_entry() {
    let page = troubleshooting();
    let messages = read(&root().join("docs/messages.md"));
    let failures = failures(&messages);
    assert!(failures.len() > 100, "the page is read: {}", failures.len());
    let has_none = |(status, said): &&(&str, &str)| {
        !entries(section(&page, status)).flatten().any(|words| says(said, words))
    };
    let missing: Vec<_> = failures.iter().filter(has_none).map(|(_, said)| *said).collect();
    assert!(missing.is_empty(), "no entry has words of these:\n{}", missing.join("\n\n"));
}

/// Whoever copies them from a log finds them, and they are not those of an older version.
#[test]
fn every_entry_has_words_of_the_log() {
    let page = troubleshooting();
    let messages = read(&root().join("docs/messages.md"));
    let failures = failures(&messages);
    let is_shown = |statuses: &str, words: &str| {
        failures.iter().any(|(status, said)| *status == statuses && says(said, words))
    };
    let mut unheard = Vec::new();
    for (statuses, _, text) in sections(&page) {
        for words in entries(text) {
            assert!(!words.is_empty(), "an entry of {statuses} has no words of the log");
            let known = |words: &&str| ELSEWHERE.iter().any(|(known, _)| known == words);
            unheard.extend(words.into_iter().filter(|it| !is_shown(statuses, it) && !known(it)));
        }
    }
    assert!(unheard.is_empty(), "no message has these words: {unheard:#?}");
}

#[test]
fn what_is_provoked_elsewhere_is_read_there() {
    let page = troubleshooting();
    for (words, test) in ELSEWHERE {
        assert!(page.contains(&format!("`{words}`")), "no entry is about {words:?}");
        assert!(exists(test), "there is no test {test}");
        let (module, _) = test.rsplit_once("::").unwrap();
        let mut files = sources(module).filter(|file| file.is_file());
        assert!(files.any(|file| says(&read(&file), words)), "{test} does not read {words:?}");
    }
}
