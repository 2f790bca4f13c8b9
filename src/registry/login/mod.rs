//! Logging in: logins and where they are found, what a host asks for, tokens.

mod auth;
mod challenge;
mod credentials;
mod token;

pub use auth::Writable;
pub(crate) use auth::{Auth, Authorization};
pub(crate) use credentials::from_base64;
pub use credentials::{AuthFile, Credential, Login, Logins, canonical_host};
pub(crate) use token::Wire;
