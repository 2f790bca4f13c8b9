//! Logins: which one belongs to a repository, and where it was found.
//!
//! Hosts are compared whole, never by a part of their name. A longer `host/path` key of an auth
//! file goes before the host alone (containers-auth.json(5)).

use crate::oci::reference::parse_host;
use crate::oci::{Repository, json};
use crate::registry::error::Helper;
use crate::secret::{Secret, Secrets};
use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use serde::Deserialize;
use std::collections::BTreeMap;

/// What a login consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// User name and password.
    Password(String, Secret),
    /// User name and identity token, which a token server changes for a token (`OAuth2` refresh
    /// token).
    Identity(String, Secret),
    /// A token that is ready to be sent.
    Bearer(Secret),
}

impl Credential {
    /// User name and password.
    pub fn password(secrets: &Secrets, username: &str, password: &str) -> Self {
        keep_basic(secrets, username, password);
        Self::Password(username.to_owned(), secrets.keep(password))
    }

    fn identity(secrets: &Secrets, username: String, token: String) -> Self {
        keep_basic(secrets, &username, &token);
        Self::Identity(username, secrets.keep(token))
    }
}

/// A login and where it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// What it consists of.
    pub credential: Credential,
    /// Where it was found, for people.
    pub source: String,
    /// Whether nobody asked for it: a read that is refused with it is tried without.
    pub implicit: bool,
}

impl Login {
    /// A login that was asked for.
    pub fn stated(credential: Credential, source: &str) -> Self {
        Self { credential, source: source.to_owned(), implicit: false }
    }

    /// A login that the CI system provides.
    pub fn provided(credential: Credential, source: &str) -> Self {
        Self { implicit: true, ..Self::stated(credential, source) }
    }

    /// The value of a Basic `Authorization` header, for a password or for a token server that only
    /// knows those.
    pub fn basic(&self) -> Option<String> {
        let (Credential::Password(username, secret) | Credential::Identity(username, secret)) =
            &self.credential
        else {
            return None;
        };
        Some(basic(username, secret.expose()))
    }

    /// The user's name, if there is one.
    pub fn username(&self) -> Option<&str> {
        match &self.credential {
            Credential::Password(username, _) | Credential::Identity(username, _) => Some(username),
            Credential::Bearer(_) => None,
        }
    }
}

/// All logins, in the order in which they count.
#[derive(Debug, Clone, Default)]
pub struct Logins {
    /// From inputs, by exact host.
    pub stated: Vec<(String, Login)>,
    /// From auth files, first one first.
    pub files: Vec<AuthFile>,
    /// What the CI system provides, by exact host.
    pub provided: Vec<(String, Login)>,
}

impl Logins {
    /// The first login that fits the repository.
    pub fn find(&self, repository: &Repository) -> Option<&Login> {
        by_host(&self.stated, repository.host())
            .or_else(|| self.files.iter().find_map(|file| file.find(repository)))
            .or_else(|| by_host(&self.provided, repository.host()))
    }

    /// The credential helper that an auth file names for the host, with the file's label: we cannot
    /// run it, and the user should hear so when a login is missing.
    pub fn helper(&self, host: &str) -> Option<Helper> {
        let helper = |file: &AuthFile| {
            Some(Helper { name: file.helper(host)?.to_owned(), file: file.label.clone() })
        };
        self.files.iter().find_map(helper)
    }
}

fn by_host<'l>(logins: &'l [(String, Login)], host: &str) -> Option<&'l Login> {
    logins.iter().find(|(other, _)| other == host).map(|(_, login)| login)
}

/// A Docker or containers auth file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuthFile {
    /// Its path or the variable that it came from.
    label: String,
    auths: BTreeMap<String, Login>,
    helpers: BTreeMap<String, String>,
    store: Option<String>,
    /// Entries that cannot be read, and why; the others still count.
    skipped: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    // Tools write null for what is empty.
    auths: Option<BTreeMap<String, Option<Entry>>>,
    cred_helpers: Option<BTreeMap<String, String>>,
    #[serde(default)]
    creds_store: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

impl AuthFile {
    /// Reads a file's text. The error never quotes it: it is made of secrets.
    pub fn parse(text: &str, label: &str, secrets: &Secrets) -> Result<Self, String> {
        let document: Document = serde_json::from_str(text).map_err(|error| {
            format!("it is not a Docker auth file (JSON error at {})", json::place(&error))
        })?;
        let mut file = Self { label: label.to_owned(), ..Self::default() };
        for (key, entry) in document.auths.unwrap_or_default() {
            match entry.unwrap_or_default().credential(secrets) {
                Ok(Some(credential)) => {
                    file.auths.insert(canonical_key(&key), Login::stated(credential, label));
                }
                Ok(None) => {}
                Err(why) => file.skipped.push(format!("the entry for {key}: {why}")),
            }
        }
        file.helpers = document
            .cred_helpers
            .unwrap_or_default()
            .into_iter()
            .map(|(key, helper)| (canonical_key(&key), helper))
            .collect();
        file.store = document.creds_store.filter(|store| !store.is_empty());
        Ok(file)
    }

    /// Its path or the variable that it came from.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Entries that cannot be read, and why; the others still count.
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    fn find(&self, repository: &Repository) -> Option<&Login> {
        let full = repository.to_string();
        let ends = full.match_indices('/').map(|(at, _)| at).chain([full.len()]).rev();
        ends.filter_map(|end| full.get(..end)).find_map(|key| self.auths.get(key))
    }

    fn helper(&self, host: &str) -> Option<&str> {
        self.helpers.get(host).or(self.store.as_ref()).map(String::as_str)
    }
}

impl Entry {
    fn credential(self, secrets: &Secrets) -> Result<Option<Credential>, String> {
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        if let Some(token) = filled(self.registrytoken) {
            return Ok(Some(Credential::Bearer(secrets.keep(token))));
        }
        let (mut username, mut password) = (filled(self.username), filled(self.password));
        if let Some(encoded) = filled(self.auth) {
            let pair = from_base64(&encoded)
                .ok_or("an `auth` value is not base64 of USERNAME:PASSWORD")?;
            secrets.keep(encoded);
            let (user, secret) =
                pair.split_once(':').ok_or("an `auth` value is not base64 of USERNAME:PASSWORD")?;
            username = Some(user.to_owned());
            // `echo USERNAME:PASSWORD | base64` encodes a line end too.
            let secret = secret.trim_end_matches('\0');
            let secret = secret.strip_suffix('\n').unwrap_or(secret);
            password = filled(Some(secret.strip_suffix('\r').unwrap_or(secret).to_owned()));
        }
        if let Some(token) = filled(self.identitytoken) {
            let username = username.unwrap_or_default();
            return Ok(Some(Credential::identity(secrets, username, token)));
        }
        // `{}` is Docker's marker for "the helper has it", no login.
        Ok(username
            .filter(|name| !name.is_empty())
            .zip(password)
            .map(|(username, password)| Credential::password(secrets, &username, &password)))
    }
}

/// The value of a Basic header (RFC 7617).
fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))
}

/// Registries quote the whole header or what follows the scheme.
fn keep_basic(secrets: &Secrets, username: &str, password: &str) {
    let header = basic(username, password);
    secrets.keep(header.trim_start_matches("Basic "));
    secrets.keep(header);
}

/// Text in base64, with or without `=`.
pub(crate) fn from_base64(text: &str) -> Option<String> {
    let lenient =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    // `base64` breaks what it prints into lines.
    let text: String = text.split_ascii_whitespace().collect();
    let bytes = GeneralPurpose::new(&base64::alphabet::STANDARD, lenient).decode(text).ok()?;
    String::from_utf8(bytes).ok()
}

/// Key of an auth file as `host` or `host/path`: no scheme, one name for Docker Hub.
fn canonical_key(key: &str) -> String {
    let bare =
        key.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
    let (host, path) = bare.split_once('/').unwrap_or((bare, ""));
    let host = canonical_host(host);
    match path {
        "" | "v1" | "v2" => host,
        path => format!("{host}/{path}"),
    }
}

/// Registry host as references have it: lower-case, one name for Docker Hub.
pub fn canonical_host(text: &str) -> String {
    let bare =
        text.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
    parse_host(bare.trim_end_matches("/v1").trim_end_matches("/v2"))
        .unwrap_or_else(|_| bare.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(name: &str) -> Repository {
        name.parse().unwrap()
    }

    fn file(text: &str) -> AuthFile {
        AuthFile::parse(text, "test", &Secrets::default()).unwrap()
    }

    fn user<'a>(logins: &'a Logins, name: &str) -> Option<&'a str> {
        logins.find(&repository(name)).and_then(Login::username)
    }

    #[test]
    fn whole_hosts_only_and_longer_keys_first() {
        let file = file(
            r#"{"auths": {"ghcr.io": {"auth": "YTpwYXNzd29yZA=="}, "r.example/team/app": {"username": "c", "password": "password"},
                "r.example": {"auth": "YjpwYXNzd29yZA"}, "https://index.docker.io/v1/": {"username": "hub", "password": "password"}, "marker.example": {}}}"#,
        );
        let logins = Logins { files: vec![file], ..Logins::default() };
        for (name, expected) in [
            ("ghcr.io/acme/app", Some("a")),
            ("GHCR.IO/acme/app", Some("a")),
            ("ghcr.io.evil.test/acme/app", None),
            ("evil.test/ghcr.io/app", None),
            ("ghcr.io:444/acme/app", None),
            ("r.example/team/app", Some("c")),
            ("r.example/team/app/deep", Some("c")),
            ("r.example/team/apple", Some("b")),
            ("r.example/other", Some("b")),
            ("app", Some("hub")),
            ("marker.example/app", None),
        ] {
            assert_eq!(user(&logins, name), expected, "{name}");
        }
    }

    #[test]
    fn inputs_before_files_before_the_ci_system() {
        let secrets = Secrets::default();
        let login =
            |name: &str| Login::stated(Credential::password(&secrets, name, "password"), "test");
        let mut logins = Logins {
            stated: vec![("a.example".into(), login("stated"))],
            files: vec![file(
                r#"{"auths": {"a.example": {"username": "file", "password": "password"}, "b.example": {"username": "file", "password": "password"}}}"#,
            )],
            provided: vec![
                ("b.example".into(), login("provided")),
                ("c.example".into(), login("provided")),
            ],
        };
        assert_eq!(user(&logins, "a.example/x"), Some("stated"));
        assert_eq!(user(&logins, "b.example/x"), Some("file"));
        assert_eq!(user(&logins, "c.example/x"), Some("provided"));
        assert_eq!(user(&logins, "d.example/x"), None);
        logins.files[0].helpers.insert("e.example".into(), "ecr-login".into());
        let helper = Helper { name: "ecr-login".into(), file: "test".into() };
        assert_eq!(logins.helper("e.example"), Some(helper));
        assert_eq!(logins.helper("d.example"), None);
    }

    #[test]
    fn entries_that_tools_write_oddly() {
        let secrets = Secrets::default();
        let nul = file(r#"{"auths": {"r.example": {"auth": "YTpwYXNzd29yZAAAAA=="}}}"#);
        assert_eq!(
            nul.auths["r.example"].credential,
            Credential::password(&secrets, "a", "password")
        );
        // Of `echo a:password | base64`, and broken into lines.
        for auth in ["YTpwYXNzd29yZAo=", "YTpwYXNzd29yZA0K", "YTpwYXNz\\nd29yZA==\\r\\n"] {
            let file = file(&format!(r#"{{"auths": {{"r.example": {{"auth": "{auth}"}}}}}}"#));
            assert_eq!(
                file.auths["r.example"].credential,
                Credential::password(&secrets, "a", "password"),
                "{auth}"
            );
        }
        let identity = file(
            r#"{"auths": {"r.example": {"auth": "MDAwMDo=", "identitytoken": "identity-token"}}}"#,
        );
        assert_eq!(
            identity.auths["r.example"].credential,
            Credential::identity(&secrets, "0000".into(), "identity-token".into())
        );
        let error = AuthFile::parse("canary", "test", &Secrets::default()).unwrap_err();
        assert!(error.contains("line 1") && !error.contains("canary"), "{error}");
        for bad in ["canary!", "Y2FuYXJ5"] {
            let text = format!(
                r#"{{"auths": {{"r.example": {{"auth": "{bad}"}}, "s.example": {{"auth": "YTpwYXNzd29yZA=="}}}}}}"#
            );
            let file = file(&text);
            assert_eq!(
                file.auths.keys().collect::<Vec<_>>(),
                ["s.example"],
                "the others still count"
            );
            let [why] = file.skipped.as_slice() else { panic!("{:?}", file.skipped) };
            assert!(
                why.contains("r.example") && why.contains("base64") && !why.contains(bad),
                "{why}"
            );
        }
        assert_eq!(file(r#"{"auths": null, "credHelpers": null, "credsStore": null}"#), file("{}"));
    }
}
