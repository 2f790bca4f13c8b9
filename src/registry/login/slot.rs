//! What is known of the token of one repository.

use super::token::Token;
use crate::registry::error::Error;
use std::collections::BTreeSet;

/// Scopes beside our own that a registry may name for one repository.
const MOST_EXTRA_SCOPES: usize = 8;

#[derive(Debug, Default)]
pub(super) struct TokenSlot {
    pub(super) token: Option<Token>,
    /// Source of the login that it was given for.
    pub(super) login: Option<String>,
    /// Number of tokens so far: it tells a refused one from its successor.
    pub(super) generation: u64,
    /// Why the token server refused the login, which is not sent to it again.
    pub(super) bad_login: Option<Error>,
    /// Scopes that the registry named beside ours.
    pub(super) extra_scopes: BTreeSet<String>,
}

impl TokenSlot {
    /// Asks for this scope too from now on; whether that is new.
    pub(super) fn adds_scope(&mut self, scope: String) -> bool {
        self.extra_scopes.len() < MOST_EXTRA_SCOPES && self.extra_scopes.insert(scope)
    }

    /// Drops the token of this generation, and none that came after it.
    pub(super) fn drop_token(&mut self, generation: u64) {
        if self.generation == generation {
            self.token = None;
        }
    }
}
