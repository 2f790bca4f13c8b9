//! Logging in: logins and where they are found, what a host asks for, tokens.

mod auth;
mod challenge;
mod credentials;
mod first;
mod helper;
mod lookup;
mod program;
mod refused;
mod root;
mod slot;
mod token;

pub use auth::Writable;
pub(crate) use auth::{Auth, Authorization};
pub(crate) use credentials::from_base64;
pub use credentials::{AuthFile, Credential, Login, Logins, canonical_host};
pub use helper::HandedOver;
pub(crate) use lookup::Lookup;
pub(crate) use refused::Refusal;
use std::sync::{Mutex, MutexGuard, PoisonError};
pub(crate) use token::Wire;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
