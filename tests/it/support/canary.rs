//! Secrets that a run was given, and whether it let go of one. Every run of the suite is searched
//! when it ends, whatever its test is about.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::sync::{Mutex, PoisonError};
use url::Url;
use url::form_urlencoded::byte_serialize;

/// Shorter ones are parts of ordinary words; they are not redacted either.
const SHORTEST: usize = 6;

/// Tokens that servers of this process handed out, each of them one of a kind.
static ISSUED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Remembers a token that a run may receive.
pub fn issued(token: &str) {
    ISSUED.lock().unwrap_or_else(PoisonError::into_inner).insert(token.to_owned());
}

/// The secrets of one run.
#[derive(Debug, Default)]
pub struct Canaries(BTreeSet<String>);

impl Canaries {
    /// Those among what a run is started with; `files` are auth files, or anything else.
    pub fn of(
        environment: &BTreeMap<String, OsString>,
        arguments: &[OsString],
        stdin: &[u8],
        files: impl Iterator<Item = Vec<u8>>,
    ) -> Self {
        let mut all = Self::default();
        for (name, value) in environment {
            all.variable(name, &value.to_string_lossy());
        }
        let arguments: Vec<_> = arguments.iter().map(|part| part.to_string_lossy()).collect();
        for (at, argument) in arguments.iter().enumerate() {
            let Some(flag) = argument.strip_prefix("--") else { continue };
            match flag.split_once('=') {
                Some((name, value)) => all.variable(name, value),
                None => all.variable(flag, arguments.get(at + 1).map_or("", AsRef::as_ref)),
            }
        }
        if arguments.iter().any(|argument| argument == "--password-stdin") {
            all.keep(&String::from_utf8_lossy(stdin));
        }
        for file in files {
            all.document(&String::from_utf8_lossy(&file));
        }
        all
    }

    /// What a variable or flag of this name keeps secret.
    fn variable(&mut self, name: &str, value: &str) {
        let name = name.replace('-', "_").to_uppercase();
        if name.ends_with("PASSWORD") || name.ends_with("TOKEN") {
            self.keep(value);
        } else if name.ends_with("_PROXY") {
            self.keep(Url::parse(value).ok().as_ref().and_then(Url::password).unwrap_or_default());
        } else if name.ends_with("CREDENTIALS") {
            for (_, login) in value.lines().filter_map(|line| line.split_once('=')) {
                self.keep(login.split_once(':').unwrap_or_default().1);
            }
        }
        self.document(value);
    }

    /// The logins of JSON text, as in auth files and `credentials`.
    fn document(&mut self, text: &str) {
        let mut values: Vec<Value> = serde_json::from_str(text).into_iter().collect();
        while let Some(value) = values.pop() {
            match value {
                Value::Object(fields) => {
                    for (key, value) in fields {
                        match (key.as_str(), &value) {
                            ("auth", Value::String(auth)) => {
                                let pair = STANDARD.decode(auth).unwrap_or_default();
                                let pair = String::from_utf8_lossy(&pair);
                                self.keep(pair.split_once(':').unwrap_or_default().1);
                            }
                            (
                                "password" | "identitytoken" | "registrytoken",
                                Value::String(secret),
                            ) => self.keep(secret),
                            _ => values.push(value),
                        }
                    }
                }
                Value::Array(items) => values.extend(items),
                _ => {}
            }
        }
    }

    fn keep(&mut self, secret: &str) {
        if secret.trim().len() >= SHORTEST {
            self.0.insert(secret.trim().to_owned());
        }
    }

    /// The first secret, of these or a token that was issued, that stands in `text`, and how it is
    /// spelled there. Lines that ask a runner to mask something do not count: it swallows them.
    pub fn found_in(&self, text: &[u8]) -> Option<(String, String)> {
        let text = String::from_utf8_lossy(text);
        let lines = || text.lines().filter(|line| !line.starts_with("::add-mask::"));
        let issued = ISSUED.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.iter().chain(&*issued).find_map(|secret| {
            let there = |spelling: &String| lines().any(|line| line.contains(spelling.as_str()));
            spellings(secret).into_iter().find(there).map(|spelling| (secret.clone(), spelling))
        })
    }
}

/// The ways to write a secret that a registry, a library or a page could turn it into.
pub fn spellings(secret: &str) -> Vec<String> {
    let escaped = |plain: fn(char) -> bool, escape: &dyn Fn(char) -> String| -> String {
        let one = |c| if plain(c) { String::from(c) } else { escape(c) };
        secret.chars().map(one).collect()
    };
    let alphanumeric: fn(char) -> bool = |c| c.is_ascii_alphanumeric();
    let unreserved: fn(char) -> bool = |c| c.is_ascii_alphanumeric() || "-._~".contains(c);
    let bytes = |c: char| c.to_string().into_bytes();
    let percent =
        |c: char, write: fn(&u8) -> String| -> String { bytes(c).iter().map(write).collect() };
    let named = |c: char| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        '\'' => "&apos;".to_owned(),
        c => c.to_string(),
    };
    let within = |text: String| text[1..text.len() - 1].to_owned();
    let mut all = vec![
        secret.to_owned(),
        within(format!("{secret:?}")),
        within(Value::from(secret).to_string()),
        within(Value::from(secret).to_string()).replace('/', "\\/"),
        byte_serialize(secret.as_bytes()).collect(),
        escaped(unreserved, &|c| percent(c, |b| format!("%{b:02X}"))),
        escaped(unreserved, &|c| percent(c, |b| format!("%{b:02x}"))),
        escaped(alphanumeric, &|c| percent(c, |b| format!("%{b:02x}"))),
        escaped(alphanumeric, &|c| percent(c, |b| format!("%25{b:02X}"))),
        escaped(|_| false, &|c| percent(c, |b| format!("%{b:02X}"))),
        escaped(alphanumeric, &|c| format!("\\u{:04X}", c as u32)),
        escaped(alphanumeric, &|c| format!("\\u{:04x}", c as u32)),
        escaped(alphanumeric, &named),
        escaped(alphanumeric, &|c| format!("&#{};", c as u32)),
        escaped(alphanumeric, &|c| format!("&#x{:x};", c as u32)),
        escaped(alphanumeric, &|c| format!("&#x{:X};", c as u32)),
        STANDARD.encode(secret),
        STANDARD_NO_PAD.encode(secret),
        URL_SAFE.encode(secret),
    ];
    // Alone or within a longer text, such as USER:SECRET: what does not depend on its neighbours.
    for before in 0..3 {
        let bytes = [&[0; 2][..before], secret.as_bytes()].concat();
        let partial = usize::from(bytes.len() % 3 != 0);
        for encoded in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
            all.push(encoded[[0, 2, 3][before]..encoded.len() - partial].to_owned());
        }
    }
    all
}
