//! Hosts that stand in for a registry: its storage, its token server, its place for uploads.

/// A host that stands in for a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// `HOST[:PORT]`.
    pub host: String,
    /// What it does for the registry.
    pub role: Role,
}

/// What a host does for a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Reads are redirected to it.
    Storage,
    /// It gives the tokens.
    Tokens,
    /// It takes the bytes of uploads.
    Uploads,
}

impl Elsewhere {
    /// With what it does for this registry: `s3.example, to which r.example redirects`.
    pub(super) fn of(&self, registry: &str) -> String {
        let host = &self.host;
        match self.role {
            Role::Storage => format!("{host}, to which {registry} redirects"),
            Role::Tokens => format!("{host}, the token server of {registry}"),
            Role::Uploads => format!("{host}, where {registry} takes uploads"),
        }
    }
}
