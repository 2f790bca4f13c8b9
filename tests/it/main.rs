//! All integration tests, one binary: `support` is what they lean on, every other module is one
//! behaviour.
#![allow(
    unreachable_pub,
    reason = "a test binary exports nothing; in `support`, `pub` marks what tests may use"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::use_debug,
    clippy::disallowed_methods,
    reason = "in a test a panic is the report; clippy's allow-…-in-tests covers only the test functions themselves"
)]

mod support;

mod architecture;
mod as_it_is;
mod benchmark;
mod builders;
mod challenges;
mod checks;
mod clients;
mod commands;
mod compose;
mod connections;
mod contract;
mod credential_helpers;
mod digest_places;
mod digests;
mod drone;
mod edit;
mod elsewhere;
mod faults;
mod files;
mod golden;
mod heads;
mod images_and_tags;
mod in_files;
mod injection;
mod into_files;
mod jobs;
mod known_faults;
mod labels;
mod labels_missing;
mod links;
mod login;
mod long_waits;
mod lost_platforms;
mod manifest_tool;
mod masks;
mod memory;
mod messages;
mod migration;
mod narrow;
mod near_tags;
mod once;
mod other_registries;
mod outputs;
mod overwrite;
mod panics;
mod parsers;
mod places;
mod platform_tags;
mod process;
mod progress;
mod providers;
mod publishing;
mod quick;
mod read_once;
mod referrers;
mod refusals;
mod registries;
mod secrets;
mod security_policy;
mod signals;
mod slips;
mod spec;
mod spec_scale;
mod spec_text;
mod supply_chain;
mod support_works;
mod threats;
mod tls;
mod together;
mod transfer;
mod trouble;
mod troubleshooting;
mod two_readers;
mod user_files;
mod waiting;
mod way_back;
mod web_pages;
mod wire;
mod wrong_lists;
