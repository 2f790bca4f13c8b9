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
mod checks;
mod clients;
mod commands;
mod compose;
mod contract;
mod credential_helpers;
mod digests;
mod edit;
mod faults;
mod files;
mod golden;
mod injection;
mod jobs;
mod labels;
mod login;
mod long_waits;
mod masks;
mod memory;
mod migration;
mod other_registries;
mod outputs;
mod panics;
mod places;
mod process;
mod progress;
mod providers;
mod publishing;
mod quick;
mod registries;
mod secrets;
mod security_policy;
mod signals;
mod spec;
mod spec_scale;
mod supply_chain;
mod support_works;
mod threats;
mod tls;
mod transfer;
mod trouble;
mod two_readers;
mod user_files;
mod waiting;
mod way_back;
mod wire;
mod wrong_lists;
