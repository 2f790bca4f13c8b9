//! Logins: which one belongs to a repository, and where it was found.
//!
//! Hosts are compared whole, never by a part of their name. A longer `host/path` key of an auth
//! file goes before the host alone (containers-auth.json(5)).

use super::helper::{HandedOver, Helper};
use crate::oci::reference::parse_host;
use crate::oci::{Repository, json, shown};
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

    /// User name and identity token.
    pub(super) fn identity(secrets: &Secrets, username: &str, token: &str) -> Self {
        keep_basic(secrets, username, token);
        Self::Identity(username.to_owned(), secrets.keep(token))
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

    /// The value of an `Authorization` header, for a registry.
    pub(super) fn header(&self) -> Option<String> {
        match &self.credential {
            Credential::Bearer(token) => Some(format!("Bearer {}", token.expose())),
            _ => self.basic(),
        }
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
    /// What credential helpers said elsewhere, where they could be run.
    pub handed_over: Vec<HandedOver>,
}

/// Where a login may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place<'l> {
    Login(&'l Login),
    Helper(Helper<'l>),
}

impl Logins {
    /// The first login for the repository that is known without asking a credential helper.
    pub fn find(&self, repository: &Repository) -> Option<&Login> {
        self.places(repository).find_map(|place| match place {
            Place::Login(login) => Some(login),
            Place::Helper(_) => None,
        })
    }

    /// Where a login for the repository may come from; the first one counts.
    pub(super) fn places(&self, repository: &Repository) -> impl Iterator<Item = Place<'_>> {
        let host = repository.host();
        let files = self.files.iter().flat_map(move |file| file.places(repository));
        by_host(&self.stated, host).into_iter().chain(files).chain(by_host(&self.provided, host))
    }
}

fn by_host<'l>(logins: &'l [(String, Login)], host: &str) -> Option<Place<'l>> {
    logins.iter().find(|(other, _)| other == host).map(|(_, login)| Place::Login(login))
}

/// A Docker or containers auth file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuthFile {
    /// Its path or the variable that it came from.
    label: String,
    auths: BTreeMap<String, Login>,
    /// By host; an empty name means that the host has none, not even the store.
    helpers: BTreeMap<String, String>,
    /// The helper of all other hosts.
    store: Option<String>,
    /// Entries that cannot be read, and why; the others still count.
    skipped: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    // Tools write null for what is empty.
    auths: Option<BTreeMap<String, Option<Entry>>>,
    cred_helpers: Option<BTreeMap<String, Option<String>>>,
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
                Err(why) => file.skipped.push(format!("the entry for {}: {why}", shown(&key))),
            }
        }
        file.helpers = document
            .cred_helpers
            .unwrap_or_default()
            .into_iter()
            .map(|(key, helper)| (canonical_key(&key), helper.unwrap_or_default()))
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

    /// The host's own helper, an entry with a login, the helper of all hosts.
    fn places(&self, repository: &Repository) -> impl Iterator<Item = Place<'_>> {
        let own = self.helpers.get(repository.host());
        let store = self.store.as_ref().filter(|_| own.is_none_or(|own| !own.is_empty()));
        let own = own.filter(|own| !own.is_empty()).map(|name| self.helper(name));
        let entry = self.find(repository).map(Place::Login);
        own.into_iter().chain(entry).chain(store.map(|name| self.helper(name)))
    }

    fn helper<'l>(&'l self, name: &'l str) -> Place<'l> {
        Place::Helper(Helper { name, file: &self.label })
    }

    fn find(&self, repository: &Repository) -> Option<&Login> {
        let full = repository.to_string();
        let ends = full.match_indices('/').map(|(at, _)| at).chain([full.len()]).rev();
        ends.filter_map(|end| full.get(..end)).find_map(|key| self.auths.get(key))
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
            return Ok(Some(Credential::identity(secrets, &username, &token)));
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

/// Without what a URL has round its host and path.
fn bare(url: &str) -> &str {
    url.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/')
}

/// Key of an auth file as `host` or `host/path`: no scheme, one name for Docker Hub.
fn canonical_key(key: &str) -> String {
    let bare = bare(key);
    let (host, path) = bare.split_once('/').unwrap_or((bare, ""));
    let host = canonical_host(host);
    match path {
        "" | "v1" | "v2" => host,
        path => format!("{host}/{path}"),
    }
}

/// Registry host as references have it: lower-case, one name for Docker Hub.
pub fn canonical_host(text: &str) -> String {
    let bare = bare(text);
    parse_host(bare.trim_end_matches("/v1").trim_end_matches("/v2"))
        .unwrap_or_else(|_| bare.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{chosen, mixed, spoilt};

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
        let logins = Logins {
            stated: vec![("a.example".into(), login("stated"))],
            files: vec![file(
                r#"{"auths": {"a.example": {"username": "file", "password": "password"}, "b.example": {"username": "file", "password": "password"}}}"#,
            )],
            provided: vec![
                ("b.example".into(), login("provided")),
                ("c.example".into(), login("provided")),
            ],
            handed_over: Vec::new(),
        };
        assert_eq!(user(&logins, "a.example/x"), Some("stated"));
        assert_eq!(user(&logins, "b.example/x"), Some("file"));
        assert_eq!(user(&logins, "c.example/x"), Some("provided"));
        assert_eq!(user(&logins, "d.example/x"), None);
    }

    #[test]
    fn helpers_stand_in_the_order_of_their_file() {
        let first = file(
            r#"{"auths": {"a.example": {"auth": "YTpwYXNzd29yZA=="}, "b.example": {"auth": "YTpwYXNzd29yZA=="}, "docker.io": {}},
                "credHelpers": {"https://A.EXAMPLE/": "own", "https://index.docker.io/v1/": "hub", "none.example": "", "null.example": null},
                "credsStore": "store"}"#,
        );
        let second = file(r#"{"credsStore": "second"}"#);
        let logins = Logins { files: vec![first, second], ..Logins::default() };
        for (name, expected) in [
            ("a.example/x", vec!["own", "login", "store", "second"]),
            ("b.example/x", vec!["login", "store", "second"]),
            ("c.example/x", vec!["store", "second"]),
            ("a.example:444/x", vec!["store", "second"]),
            ("app", vec!["hub", "store", "second"]),
            // Docker's own reading: an empty name takes the store away.
            ("none.example/x", vec!["second"]),
            ("null.example/x", vec!["second"]),
        ] {
            let repository = repository(name);
            let places = logins.places(&repository).map(|place| match place {
                Place::Login(_) => "login",
                Place::Helper(helper) => helper.name,
            });
            assert_eq!(places.collect::<Vec<_>>(), expected, "{name}");
        }
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
            Credential::identity(&secrets, "0000", "identity-token")
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
        let long = format!(r#"{{"auths": {{"{}": {{"auth": "!"}}}}}}"#, "x".repeat(4000));
        assert_eq!(
            file(&long).skipped(),
            [
                "the entry for a text of 4000 bytes: an `auth` value is not base64 of USERNAME:PASSWORD"
            ]
        );
        assert_eq!(file(r#"{"auths": null, "credHelpers": null, "credsStore": null}"#), file("{}"));
    }

    /// Nothing of a file is told but its keys, whatever is in it, and every login is a secret.
    #[test]
    fn survives_any_document() {
        let whole = serde_json::json!({
            "auths": {
                "r.example": {"auth": "YTpjYW5hcnktc2VjcmV0"},
                "https://index.docker.io/v1/": {"username": "u", "password": "canary-secret"},
                "s.example/team": {"auth": "MDAwMDo=", "identitytoken": "canary-secret"},
                "[::1]:5000": {"registrytoken": "canary-secret"},
                "t.example": {},
            },
            "credHelpers": {"r.example": "canary-secret", "": "x"},
            "credsStore": "canary-secret",
            "x": {"canary-secret": 1},
        });
        let mut random = fastrand::Rng::with_seed(1);
        let (mut logins, mut refused) = (0, 0);
        for _ in 0..800 {
            let rarity = *chosen(&mut random, &[10, 60, 400]);
            let text = spoilt(&mut random, &whole, rarity);
            let text = String::from_utf8_lossy(&text);
            let secrets = Secrets::default();
            let file = match AuthFile::parse(&text, "test", &secrets) {
                Ok(file) => file,
                Err(why) => {
                    refused += 1;
                    assert!(!why.contains("canary") && why.len() < 200, "{why}");
                    continue;
                }
            };
            for why in file.skipped() {
                assert!(!why.contains("canary") && why.len() < 600, "{why}");
                assert!(!why.contains(char::is_control), "{why}");
            }
            for login in file.auths.values() {
                logins += 1;
                let secret = match &login.credential {
                    Credential::Password(_, secret) | Credential::Identity(_, secret) => secret,
                    Credential::Bearer(secret) => secret,
                };
                assert!(!secret.expose().is_empty(), "{text}");
                let is_known =
                    secret.expose() != "canary-secret" || secrets.redact(secret.expose()) == "***";
                assert!(is_known && !format!("{login:?}").contains("canary"), "{text}");
                if let Some(header) = login.header() {
                    let told = secrets.redact(&header).into_owned();
                    assert!(secret.expose() != "canary-secret" || told.contains("***"), "{told}");
                }
            }
            let logins = Logins { files: vec![file], ..Logins::default() };
            for name in ["r.example/a", "app", "s.example/team/a", "[::1]:5000/a"] {
                logins.places(&repository(name)).count();
            }
        }
        assert!(logins > 800 && refused > 50, "{logins} {refused}");
    }

    #[test]
    fn survives_any_key() {
        let pieces = [
            "https://",
            "http://",
            "r.example",
            "/",
            "/v1",
            "/v2/",
            ":",
            "5000",
            "[::1]",
            "index.docker.io",
            "A",
            "é",
            "\0",
            " ",
            "@",
            "%",
        ];
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..5_000 {
            let text = mixed(&mut random, &pieces, 6);
            canonical_key(&text);
            if let Ok(host) = parse_host(&canonical_host(&text)) {
                assert_eq!(canonical_host(&host), host, "{text}");
            }
            let base64 = mixed(&mut random, &["YTpi", "YQ", "=", "\n", "é", "-", "_", "/"], 5);
            from_base64(&base64);
        }
    }
}
