//! The main jobs against registries of other stock, as well as against Debian's: each server through
//! the same [`cases`], each case in repositories of its own. What a server does in its own way is in
//! the table [`OWN_WAYS`].

mod cases;
mod process;
mod pulp;
mod server;

use cases::CASES;
use server::Server;
use std::sync::Arc;

/// Where a server cannot do what a case is about: case, server, why. The case then asserts what it
/// answers instead.
const OWN_WAYS: &[(&str, &str, &str)] = &[(
    "wrong_password",
    "ferro-oci-server",
    "it has no logins, so it never asks for the password, and the run ends well",
)];

/// Runs all cases, one after the other, and names those that failed.
async fn take_all(server: Server) {
    let server = Arc::new(server);
    let mut failed = Vec::new();
    for (name, case) in CASES {
        println!("== {name}");
        let start = std::time::Instant::now();
        if tokio::spawn(case(server.clone())).await.is_err() {
            failed.push(*name);
        }
        println!("== {name}: {:?}", start.elapsed());
    }
    assert!(failed.is_empty(), "{}: these cases failed: {failed:?}", server.name());
}

#[tokio::test]
async fn debian() {
    take_all(Server::debian().await).await;
}

#[tokio::test]
async fn ferro() {
    take_all(Server::ferro().await).await;
}

#[tokio::test]
async fn pulp() {
    take_all(Server::pulp().await).await;
}

#[test]
fn own_ways_are_those_of_cases() {
    for (case, server, why) in OWN_WAYS {
        assert!(CASES.iter().any(|(name, _)| name == case), "{case} of {server}: {why}");
    }
}
