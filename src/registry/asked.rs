//! A request, as people are told of it.

use reqwest::Method;
use std::fmt;

/// Method and path of a request: `PUT /v2/acme/app/manifests/1.2`; no query, no secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its method.
    pub method: Method,
    /// Its path, or a whole address that is not of the API.
    pub path: String,
}

impl Asked {
    /// Whether it asked for nothing but to read.
    pub(super) fn is_read(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD)
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}
