//! Credential helpers: what they are called, what they are asked, what an answer means. Pure; they
//! are run in `program`.
//!
//! Source: the protocol of docker-credential-helpers, `docker-credential-NAME get`.

use super::credentials::{Credential, Login};
use crate::oci::reference::DOCKER_HUB;
use crate::registry::error::HelperCause;
use crate::secret::Secrets;
use serde::Deserialize;

/// Bytes of an answer at most.
pub(super) const LARGEST_ANSWER: usize = 64 << 10;
/// What the protocol has for Docker Hub.
const DOCKER_HUB_SERVER: &str = "https://index.docker.io/v1/";
/// Characters of a name that are shown at most.
const LONGEST_NAME: usize = 64;
/// What helpers print when they have no login for a server.
const NOT_FOUND: &[u8] = b"credentials not found in native keychain";
/// User name that marks an identity token.
const IDENTITY: &str = "<token>";

/// A helper that an auth file names for a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Helper<'l> {
    /// NAME of `docker-credential-NAME`, as the file has it.
    pub(super) name: &'l str,
    /// The file's label.
    pub(super) file: &'l str,
}

impl Helper<'_> {
    /// Its program, for people: the name may be one that is not run.
    pub(super) fn shown(&self) -> String {
        let name: String = self.name.chars().take(LONGEST_NAME).collect();
        format!("docker-credential-{name}")
    }

    /// Its program, unless the name could lead anywhere else than to a helper on PATH.
    pub(super) fn program(&self) -> Result<String, HelperCause> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        if self.name.is_empty() || self.name.contains("..") || !self.name.bytes().all(is_plain) {
            return Err(HelperCause::BadName);
        }
        Ok(format!("docker-credential-{}", self.name))
    }

    /// A login from its answer.
    pub(super) fn login(&self, credential: Credential) -> Login {
        Login::stated(credential, &format!("{} of {}", self.shown(), self.file))
    }
}

/// What a helper is asked for to get the login of a registry.
pub(super) fn server(host: &str) -> &str {
    if host == DOCKER_HUB { DOCKER_HUB_SERVER } else { host }
}

/// What a helper that ended has printed, and its exit status; none if a signal ended it.
pub(super) struct Output {
    pub(super) status: Option<i32>,
    pub(super) stdout: Vec<u8>,
}

/// What came of a question: a login, none, or why nobody knows.
pub(super) type Answer = Result<Option<Credential>, HelperCause>;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    username: String,
    secret: String,
}

/// Reads an answer. It is made of secrets, so no part of it is ever told.
pub(super) fn read(output: &Output, secrets: &Secrets) -> Answer {
    let Output { status, stdout } = output;
    if stdout.len() > LARGEST_ANSWER {
        return Err(HelperCause::TooLong);
    }
    if *status != Some(0) {
        let is_not_found = stdout.trim_ascii() == NOT_FOUND;
        return if is_not_found { Ok(None) } else { Err(HelperCause::Failed(*status)) };
    }
    // serde would take a list of the values too.
    let is_object = stdout.trim_ascii_start().starts_with(b"{");
    let document = serde_json::from_slice::<Document>(stdout).ok().filter(|_| is_object);
    let Some(document) = document else { return Err(HelperCause::Malformed) };
    match (document.username.as_str(), document.secret.as_str()) {
        ("", "") => Ok(None),
        ("", _) | (_, "") => Err(HelperCause::Malformed),
        (IDENTITY, token) => Ok(Some(Credential::identity(secrets, IDENTITY, token))),
        (username, password) => Ok(Some(Credential::password(secrets, username, password))),
    }
}

/// An answer from elsewhere: `action/stage.sh` asks helpers on the machine, where they are, and
/// hands over to the container what they said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandedOver {
    pub(super) name: String,
    pub(super) server: String,
    pub(super) answer: Answer,
}

impl HandedOver {
    /// Reads a file of `action/stage.sh`: a line `NAME SERVER ENDED`, then what the helper printed.
    /// ENDED is its exit status, `missing` or `timeout`.
    pub fn parse(file: &[u8], secrets: &Secrets) -> Option<Self> {
        let end = file.iter().position(|byte| *byte == b'\n')?;
        let (line, stdout) = (file.get(..end)?, file.get(end + 1..)?);
        let mut words = str::from_utf8(line).ok()?.split(' ');
        let (name, server, ended) = (words.next()?, words.next()?, words.next()?);
        let answer = match ended {
            "missing" => Err(HelperCause::Missing),
            "timeout" => Err(HelperCause::Silent(super::lookup::LIMIT)),
            status => {
                let output = Output { status: status.parse().ok(), stdout: stdout.to_owned() };
                read(&output, secrets)
            }
        };
        Some(Self { name: name.to_owned(), server: server.to_owned(), answer })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{chosen, damage, spoilt};

    #[test]
    fn only_plain_names_are_run() {
        for (name, is_good) in [
            ("gcloud", true),
            ("ecr-login", true),
            ("acr_env.2", true),
            ("", false),
            ("../x", false),
            ("a..b", false),
            ("/bin/x", false),
            ("a/b", false),
            ("a b", false),
            ("x;id", false),
            ("$(id)", false),
            ("x\n", false),
            ("x\0", false),
            ("é", false),
        ] {
            let helper = Helper { name, file: "config.json" };
            let expected =
                is_good.then(|| format!("docker-credential-{name}")).ok_or(HelperCause::BadName);
            assert_eq!(helper.program(), expected, "{name:?}");
        }
        let long = Helper { name: &"x".repeat(9000), file: "f" }.shown();
        assert!(long.len() < 100, "{long}");
    }

    #[test]
    fn registries_are_asked_for_by_their_host() {
        for (host, expected) in [
            ("ghcr.io", "ghcr.io"),
            ("localhost:5000", "localhost:5000"),
            ("docker.io", "https://index.docker.io/v1/"),
        ] {
            assert_eq!(server(host), expected);
        }
    }

    #[test]
    fn answers() {
        let secrets = Secrets::default();
        let password = Ok(Some(Credential::password(&secrets, "u", "canary\"")));
        let identity = Ok(Some(Credential::identity(&secrets, "<token>", "canary")));
        let (malformed, failed) =
            (Err(HelperCause::Malformed), |status| Err(HelperCause::Failed(status)));
        let long = format!(r#"{{"Username": "u", "Secret": "{}"}}"#, "x".repeat(LARGEST_ANSWER));
        for (status, stdout, expected) in [
            (Some(0), r#"{"ServerURL":"r","Username":"u","Secret":"canary\""}"#, password.clone()),
            // gcloud's helper leaves the address out; others add keys of their own.
            (Some(0), "{\"Secret\":\"canary\\\"\",\"Username\":\"u\",\"Expires\":1}\r\n", password),
            (Some(0), r#"{"ServerURL":"r","Username":"<token>","Secret":"canary"}"#, identity),
            (Some(0), r#"{"Username":"","Secret":""}"#, Ok(None)),
            (Some(0), r#"{"Username":"u","Secret":""}"#, malformed.clone()),
            (Some(0), r#"{"Username":"","Secret":"canary"}"#, malformed.clone()),
            (Some(0), r#"{"Username":"u"}"#, malformed.clone()),
            (Some(0), r#"{"Username":1,"Secret":"canary"}"#, malformed.clone()),
            (Some(0), r#"{"Username":"u","Secret":"canary"}x"#, malformed.clone()),
            (Some(0), r#"{"Username":"u","Secret":"canary","Secret":"canary"}"#, malformed.clone()),
            (Some(0), r#"["u","canary"]"#, malformed.clone()),
            (Some(0), "canary", malformed.clone()),
            (Some(0), "", malformed.clone()),
            // The words of the protocol count only as a refusal.
            (Some(0), "credentials not found in native keychain", malformed),
            (Some(1), "credentials not found in native keychain\n", Ok(None)),
            (Some(1), "canary: credentials not found in native keychain", failed(Some(1))),
            (Some(1), r#"{"Username":"u","Secret":"canary"}"#, failed(Some(1))),
            (None, "", failed(None)),
            (Some(0), &long, Err(HelperCause::TooLong)),
        ] {
            let output = Output { status, stdout: stdout.into() };
            let answer = read(&output, &secrets);
            assert_eq!(answer, expected, "{status:?} {stdout:.80}");
            assert!(!format!("{answer:?}").contains("canary"), "{answer:?}");
        }
        assert_eq!(secrets.redact("canary\""), "***");
    }

    #[test]
    fn answers_that_were_handed_over() {
        let secrets = Secrets::default();
        let parse = |text: &str| HandedOver::parse(text.as_bytes(), &secrets);
        let of = |answer| {
            Some(HandedOver { name: "x".to_owned(), server: "r.example".to_owned(), answer })
        };
        let good = Ok(Some(Credential::password(&secrets, "u", "canary")));
        for (text, expected) in [
            ("x r.example 0\n{\"Username\":\"u\",\n\"Secret\":\"canary\"}\n", of(good)),
            ("x r.example missing\n", of(Err(HelperCause::Missing))),
            ("x r.example timeout\n", of(Err(HelperCause::Silent(super::super::lookup::LIMIT)))),
            ("x r.example 2\ncanary", of(Err(HelperCause::Failed(Some(2))))),
            ("x r.example 1\ncredentials not found in native keychain\n", of(Ok(None))),
            ("x r.example\n", None),
            ("", None),
        ] {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn survives_any_answer() {
        let whole = serde_json::json!({
            "ServerURL": "r", "Username": "<token>", "Secret": "canary-secret", "Expires": 1,
        });
        let mut random = fastrand::Rng::with_seed(1);
        let mut logins = 0;
        for _ in 0..4_000 {
            let secrets = Secrets::default();
            let mut file = spoilt(&mut random, &whole, 12);
            let status = *chosen(&mut random, &[Some(0), Some(1), None]);
            let answer = read(&Output { status, stdout: file.clone() }, &secrets);
            assert!(!format!("{answer:?}").contains("canary"), "{answer:?}");
            if let Ok(Some(login)) = answer {
                logins += 1;
                let header = Login::stated(login, "x").basic().unwrap();
                assert!(secrets.redact(&header).contains("***"), "{header}");
                assert_eq!(status, Some(0));
            }
            let ends = ["0", "1", "missing", "timeout", "-1", "99999999999", ""];
            let line = format!("x r.example {}\n", chosen(&mut random, &ends));
            file.splice(0..0, line.bytes());
            if random.bool() {
                damage(&mut random, &mut file);
            }
            let handed_over = HandedOver::parse(&file, &secrets);
            let answer = handed_over.map(|handed_over| handed_over.answer);
            assert!(!format!("{answer:?}").contains("canary"), "{answer:?}");
        }
        assert!(logins > 200, "{logins}");
    }
}
