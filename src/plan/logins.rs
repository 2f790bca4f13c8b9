//! Logins from inputs, auth files and what the CI system provides.

use crate::error::words::input;
use crate::file;
use crate::inputs::places::Places;
use crate::inputs::table::{Given, RawInputs};
use crate::inputs::{Context, Findings, set, values};
use crate::oci::json;
use crate::oci::reference::parse_host;
use crate::registry::{
    AuthFile, Credential, HandedOver, Login, Logins, canonical_host, from_base64,
};
use crate::secret::Secrets;
use crate::system;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Folder of what credential helpers said, in that of the staged auth file: `action/stage.sh`
/// writes it.
const HANDED_OVER: &str = "manifest-action-helpers";
/// Bytes: twice what is read of a helper.
const LARGEST_HANDED_OVER: u64 = 128 << 10;

/// Logins of hundreds of registries take far less.
const LARGEST_FILE: u64 = 4 << 20;

/// All logins in the order of docs/registries.md, section "Logins", and warnings about auth files
/// that cannot be read. `first_host`: the first tag's registry, for a login without `registry`.
pub(super) fn read(
    inputs: &RawInputs,
    context: &Context<'_>,
    first_host: Option<&str>,
    findings: &mut Findings,
) -> Logins {
    inputs.credentials().warn_of_crowded("login", parts_logins, findings);
    let mut logins = Logins {
        stated: stated(inputs, first_host, context.secrets, findings),
        ..Logins::default()
    };
    let docker_config = inputs.docker_config();
    if let Some(value) = docker_config.text {
        let file = stated_file(value, &Places::of(context), context.secrets);
        logins.files.extend(findings.take(docker_config.name, None, file));
    }
    logins.files.extend(found_files(context, findings));
    logins.provided = provided(inputs, context);
    logins.handed_over = handed_over(context);
    know_proxy_logins(context);
    logins
}

fn stated(
    inputs: &RawInputs,
    first_host: Option<&str>,
    secrets: &Secrets,
    findings: &mut Findings,
) -> Vec<(String, Login)> {
    let mut stated = Vec::new();
    let (registry, username, password) = (inputs.registry(), inputs.username(), inputs.password());
    let (user, pass) = (input(username.name), input(password.name));
    match (username.text, password.text) {
        (Some(username), Some(password)) => {
            let host = match registry.text {
                Some(text) => findings.take(registry.name, None, parse_host(&canonical_host(text))),
                None => first_host.map(str::to_owned),
            };
            let credential = Credential::password(secrets, username, password);
            let login = Login::stated(credential, "inputs username and password");
            stated.extend(host.map(|host| (host, login)));
        }
        (Some(_), None) => {
            findings.problem(username.name, format!("{user} is set, but {pass} is not"));
        }
        (None, Some(_)) => {
            findings.problem(password.name, format!("{pass} is set, but {user} is not"));
        }
        (None, None) if registry.text.is_some() => {
            findings.problem(
                registry.name,
                format!("{} is set, but {user} and {pass} are not", input(registry.name)),
            );
        }
        (None, None) => {}
    }
    stated.extend(credentials(inputs.credentials(), secrets, findings));
    stated
}

#[derive(Deserialize)]
struct Pair {
    username: String,
    password: String,
}

/// Messages name lines and never quote them, because they contain secrets.
fn credentials(
    input: Given<'_>,
    secrets: &Secrets,
    findings: &mut Findings,
) -> Vec<(String, Login)> {
    let mut logins: Vec<(usize, String, Login)> = Vec::new();
    for (line, host, pair) in credential_lines(input, findings) {
        let credential = Credential::password(secrets, &pair.username, &pair.password);
        let login = Login::stated(credential, "input credentials");
        let Ok(host) = parse_host(&canonical_host(&host)) else {
            findings.problem_at(input.name, line, "the part before = is not a registry host");
            continue;
        };
        match logins.iter().find(|(_, other, _)| *other == host) {
            Some((first, _, _)) => {
                let text = format!("{host} already has a login, in line {first}");
                findings.problem_at(input.name, line, text);
            }
            None => logins.push((line, host, login)),
        }
    }
    logins.into_iter().map(|(_, host, login)| (host, login)).collect()
}

/// The input's lines or JSON members: the number of each, its host and its login.
fn credential_lines(input: Given<'_>, findings: &mut Findings) -> Vec<(usize, String, Pair)> {
    if let Some(value) = input.text.filter(|value| values::is_object(value)) {
        let object = values::object::<Pair>(value).map_err(|error| {
            format!(
                "is not JSON of {{\"REGISTRY\": {{\"username\": …, \"password\": …}}}} ({})",
                json::place(&error)
            )
        });
        let members = findings.take(input.name, None, object).unwrap_or_default();
        return members.into_iter().zip(1..).map(|((host, pair), at)| (at, host, pair)).collect();
    }
    let lines = input.items(findings).into_iter().filter_map(|item| {
        let login = credential(&item.text).ok_or("not REGISTRY=USERNAME:PASSWORD");
        let (host, pair) = findings.take(input.name, Some(item.line), login)?;
        Some((item.line, host, pair))
    });
    lines.collect()
}

/// `REGISTRY=USERNAME:PASSWORD`.
fn credential(text: &str) -> Option<(String, Pair)> {
    let (host, login) = text.split_once('=')?;
    let (username, password) = login.split_once(':')?;
    let pair = Pair { username: username.to_owned(), password: password.to_owned() };
    (!username.is_empty() && !password.is_empty()).then(|| (host.trim().to_owned(), pair))
}

/// Whether the text after a comma begins as another `HOST=USERNAME:` would. A password may contain
/// that too, but hardly with a host.
fn parts_logins(_: &str, after: &str) -> bool {
    let Some((host, login)) = after.split_once('=') else { return false };
    let is_host = host == "localhost" || host.contains(['.', ':']) && parse_host(host).is_ok();
    is_host && login.split_once(':').is_some_and(|(username, _)| !username.is_empty())
}

/// The input `docker-config`: a folder, a path or the JSON itself.
fn stated_file(value: &str, places: &Places, secrets: &Secrets) -> Result<AuthFile, String> {
    if values::is_object(value) {
        return whole(AuthFile::parse(value, "input docker-config", secrets)?);
    }
    let place = places.find(value);
    let file = auth_file(&place.path());
    // The value is quoted only if something is there: if it is not a path, it may be the content of a
    // file, encoded or truncated.
    file.symlink_metadata().map_err(|error| {
        let (why, hint) = (file::why(&error), places.hint(value));
        format!("cannot read the file that it names: {why}{hint}")
    })?;
    let label = place.written(&file).display().to_string();
    read_file(&file, &label, secrets).and_then(whole).map_err(|why| format!("{label}: {why}"))
}

fn read_file(path: &Path, label: &str, secrets: &Secrets) -> Result<AuthFile, String> {
    let text = file::text(path, LARGEST_FILE).map_err(|why| format!("it {why}"))?;
    AuthFile::parse(&text, label, secrets)
        .map_err(|why| format!("{why}; `docker login` writes a new one"))
}

/// The auth file at a path: of a folder, what Docker keeps there.
fn auth_file(path: &Path) -> PathBuf {
    if path.is_dir() { path.join("config.json") } else { path.to_owned() }
}

/// A file that was named explicitly must be valid in all its parts.
fn whole(file: AuthFile) -> Result<AuthFile, String> {
    if file.skipped().is_empty() { Ok(file) } else { Err(file.skipped().join("; ")) }
}

/// Auth files where Docker and the containers tools keep them; a missing one is not a problem.
fn found_files(context: &Context<'_>, findings: &mut Findings) -> Vec<AuthFile> {
    let Context { environment, secrets, .. } = *context;
    let set = |name: &str| set(environment, name);
    let home = |rest: &str| set(system::HOME).map(|home| Path::new(home).join(rest));
    let mut texts = Vec::new();
    let mut paths = Vec::new();
    if let Some(value) = set("DOCKER_AUTH_CONFIG").map(str::trim) {
        // A variable of GitLab's type "File" holds the path of a file with the value.
        if Path::new(value).is_file() {
            paths.push(PathBuf::from(value));
        } else {
            let text = Some(value).filter(|value| values::is_object(value)).map(str::to_owned);
            let why = "it is neither the JSON of a Docker auth file nor the path of one";
            texts.push(("DOCKER_AUTH_CONFIG".to_owned(), text.ok_or_else(|| why.to_owned())));
        }
    }
    let named = |name: &str| set(name).map(|path| auth_file(Path::new(path)));
    let configuration = set("XDG_CONFIG_HOME").map(PathBuf::from).or_else(|| home(".config"));
    let usual = [
        named("REGISTRY_AUTH_FILE"),
        named("DOCKER_CONFIG").or_else(|| home(".docker/config.json")),
        set("XDG_RUNTIME_DIR").map(|folder| Path::new(folder).join("containers/auth.json")),
        configuration.map(|folder| folder.join("containers/auth.json")),
    ];
    paths.extend(usual.into_iter().flatten().filter(|path| path.exists()));
    let texts = texts.into_iter().map(|(label, text)| {
        let file = text.and_then(|text| AuthFile::parse(&text, &label, secrets));
        (label, file)
    });
    let read = paths.iter().map(|path| {
        let label = path.display().to_string();
        let file = read_file(path, &label, secrets);
        (label, file)
    });
    let mut files = Vec::new();
    for (label, file) in texts.chain(read) {
        match file {
            Ok(file) => files.push(file),
            Err(why) => findings.warn(format!("{label} is ignored: {why}")),
        }
    }
    // A file that was named and does not exist is worth a warning; the usual places are not, nor is
    // a folder of Docker's without a login.
    for name in ["REGISTRY_AUTH_FILE", "DOCKER_CONFIG"] {
        if let Some(value) = set(name).filter(|value| !Path::new(value).exists()) {
            findings.warn(names_nothing(name, value, secrets));
        }
    }
    let folder = set("REGISTRY_AUTH_FILE").map(Path::new).filter(|path| path.is_dir());
    if let Some(path) = folder.map(auth_file).filter(|path| !path.exists()) {
        findings.warn(format!("REGISTRY_AUTH_FILE names {}, which does not exist", path.display()));
    }
    for file in &files {
        findings.warnings.extend(
            file.skipped().iter().map(|why| format!("{} is used without {why}", file.label())),
        );
    }
    files
}

/// What is wrong with a variable that should name a file or a folder. Its value is quoted only where
/// it can be nothing else.
fn names_nothing(name: &str, value: &str, secrets: &Secrets) -> String {
    let json = if values::is_object(value) { Some(value.to_owned()) } else { from_base64(value) };
    if let Some(json) = json.filter(|json| values::is_object(json)) {
        // So that none of it is shown by others either.
        let _ = AuthFile::parse(&json, name, secrets);
        return format!(
            "{name} holds JSON, but must name a file: put JSON into DOCKER_AUTH_CONFIG"
        );
    }
    let is_path = value.starts_with(['/', '.', '~'])
        && !value.contains(|c: char| c.is_whitespace() || "{}\":=".contains(c));
    if is_path {
        format!("{name} names {value}, which does not exist")
    } else {
        format!("{name} must name a file or folder, and names none that exists")
    }
}

/// What credential helpers said to `action/stage.sh`, beside the auth file that it staged.
fn handed_over(context: &Context<'_>) -> Vec<HandedOver> {
    let folder = set(context.environment, "DOCKER_CONFIG")
        .and_then(|folder| Path::new(folder).join(HANDED_OVER).read_dir().ok());
    let files = folder.into_iter().flatten().flatten().map(|entry| entry.path());
    let texts = files.filter_map(|path| file::bytes(&path, LARGEST_HANDED_OVER).ok());
    texts.filter_map(|text| HandedOver::parse(&text, context.secrets)).collect()
}

/// GitLab's registry login, and the token for GitHub's registry on github.com.
fn provided(inputs: &RawInputs, context: &Context<'_>) -> Vec<(String, Login)> {
    let Context { environment, secrets, .. } = *context;
    let set = |name: &str| set(environment, name);
    let mut provided = Vec::new();
    if let (Some(host), Some(user), Some(password)) =
        (set("CI_REGISTRY"), set("CI_REGISTRY_USER"), set("CI_REGISTRY_PASSWORD"))
    {
        let credential = Credential::password(secrets, user, password);
        let login = Login::provided(credential, "CI_REGISTRY_USER and CI_REGISTRY_PASSWORD");
        provided.push((canonical_host(host), login));
    }
    // ghcr.io must never see the token of a GitHub Enterprise server.
    if let (Some(token), Some("https://github.com")) =
        (inputs.token().text, set("GITHUB_SERVER_URL").map(|url| url.trim_end_matches('/')))
    {
        let user = set("GITHUB_ACTOR").unwrap_or("x-access-token");
        let login = Login::provided(Credential::password(secrets, user, token), "input token");
        provided.push(("ghcr.io".to_owned(), login));
    }
    provided
}

/// The HTTP library reads these variables itself, but does not know that their logins are secret.
/// A login may be written as in an address, and the address without its scheme.
fn know_proxy_logins(context: &Context<'_>) {
    let Context { environment, secrets, .. } = *context;
    let is_proxy = |name: &str| {
        let name = name.to_ascii_lowercase();
        name.ends_with("_proxy") && name != "no_proxy"
    };
    for (_, value) in environment.iter().filter(|(name, _)| is_proxy(name)) {
        let address = value.split_once("://").map_or(value.as_str(), |(_, address)| address);
        let Some((login, _)) = address.rsplit_once('@') else { continue };
        // Alone, the user is a token.
        let (user, password) = login.split_once(':').unwrap_or(("", login));
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        secrets.keep(password);
        Credential::password(secrets, &decoded(user), &decoded(password));
        if password.is_empty() {
            secrets.keep(decoded(user));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::Environment;
    use crate::random::mixed;
    use std::fs;
    use tempfile::TempDir;

    fn read(
        inputs: &RawInputs,
        environment: &Environment,
        first_host: Option<&str>,
        findings: &mut Findings,
    ) -> (Logins, Vec<String>) {
        let (folder, secrets) = (Path::new("."), &Secrets::default());
        let context = Context { environment, folder, secrets };
        let logins = super::read(inputs, &context, first_host, findings);
        (logins, std::mem::take(&mut findings.warnings))
    }

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn origin(logins: &Logins, name: &str) -> Option<String> {
        logins.find(&name.parse().unwrap()).map(|login| slashes(&login.source))
    }

    /// Paths on Windows can be written with either, and are found with both.
    fn slashes(text: &str) -> String {
        text.replace('\\', "/")
    }

    const AUTHS: &str =
        r#"{"auths": {"r.example": {"username": "u", "password": "canary-password"}}}"#;

    #[test]
    fn first_match_in_the_documented_order() {
        let home = TempDir::new().unwrap();
        let write = |path: &str| {
            let path = home.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, AUTHS).unwrap();
            slashes(&path.display().to_string())
        };
        let paths: Vec<String> = [
            "auth.json",
            "docker/config.json",
            "run/containers/auth.json",
            ".config/containers/auth.json",
        ]
        .into_iter()
        .map(write)
        .collect();
        let in_home = |path: &str| slashes(&home.path().join(path).display().to_string());
        let mut variables = environment(&[
            ("DOCKER_AUTH_CONFIG", AUTHS),
            ("REGISTRY_AUTH_FILE", &paths[0]),
            ("DOCKER_CONFIG", &in_home("docker")),
            ("XDG_RUNTIME_DIR", &in_home("run")),
            (system::HOME, &in_home("")),
            ("CI_REGISTRY", "r.example"),
            ("CI_REGISTRY_USER", "ci"),
            ("CI_REGISTRY_PASSWORD", "canary-password"),
        ]);
        let mut inputs = RawInputs {
            username: Some("u".into()),
            password: Some("canary-password".into()),
            credentials: Some("r.example=u:canary-password".into()),
            docker_config: Some(AUTHS.into()),
            ..RawInputs::default()
        };
        let expect = |inputs: &RawInputs, variables: &Environment, expected: &str| {
            let mut findings = Findings::default();
            let (logins, warnings) = read(inputs, variables, Some("r.example"), &mut findings);
            assert_eq!(
                (origin(&logins, "r.example/x").as_deref(), findings.problems, warnings),
                (Some(expected), vec![], vec![])
            );
        };
        expect(&inputs, &variables, "inputs username and password");
        (inputs.username, inputs.password) = (None, None);
        expect(&inputs, &variables, "input credentials");
        inputs.credentials = None;
        expect(&inputs, &variables, "input docker-config");
        inputs.docker_config = None;
        expect(&inputs, &variables, "DOCKER_AUTH_CONFIG");
        variables.remove("DOCKER_AUTH_CONFIG");
        expect(&inputs, &variables, &paths[0]);
        variables.remove("REGISTRY_AUTH_FILE");
        expect(&inputs, &variables, &paths[1]);
        variables.remove("DOCKER_CONFIG");
        expect(&inputs, &variables, &paths[2]);
        variables.remove("XDG_RUNTIME_DIR");
        expect(&inputs, &variables, &paths[3]);
        variables.remove(system::HOME);
        expect(&inputs, &variables, "CI_REGISTRY_USER and CI_REGISTRY_PASSWORD");
    }

    #[test]
    fn a_variable_may_name_a_file_or_its_folder() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("config.json");
        fs::write(&file, AUTHS).unwrap();
        let [folder, file] =
            [folder.path(), &file].map(|path| slashes(&path.display().to_string()));
        let line = format!("{file}\n");
        for (name, value) in [
            ("DOCKER_AUTH_CONFIG", &file),
            ("DOCKER_AUTH_CONFIG", &line),
            ("REGISTRY_AUTH_FILE", &file),
            ("REGISTRY_AUTH_FILE", &folder),
            ("DOCKER_CONFIG", &file),
            ("DOCKER_CONFIG", &folder),
        ] {
            let (logins, warnings) = read(
                &RawInputs::default(),
                &environment(&[(name, value)]),
                None,
                &mut Findings::default(),
            );
            assert_eq!(origin(&logins, "r.example/x"), Some(file.clone()), "{name}={value}");
            assert_eq!(warnings, Vec::<String>::new(), "{name}={value}");
        }
        let empty = TempDir::new().unwrap();
        let empty = slashes(&empty.path().display().to_string());
        for (name, expected) in [
            ("REGISTRY_AUTH_FILE", Some(format!("REGISTRY_AUTH_FILE names {empty}/config.json, which does not exist"))),
            ("DOCKER_CONFIG", None),
            ("DOCKER_AUTH_CONFIG", Some("DOCKER_AUTH_CONFIG is ignored: it is neither the JSON of a Docker auth file nor the path of one".to_owned())),
        ] {
            let variables = environment(&[(name, &empty)]);
            let (_, warnings) =
                read(&RawInputs::default(), &variables, None, &mut Findings::default());
            let warnings: Vec<String> = warnings.iter().map(|warning| slashes(warning)).collect();
            assert_eq!(warnings, Vec::from_iter(expected), "{name}");
        }
    }

    #[test]
    fn the_token_is_for_githubs_own_registry() {
        let inputs = RawInputs { token: Some("canary-token".into()), ..RawInputs::default() };
        for (server, expected) in
            [("https://github.com", Some("input token")), ("https://ghe.example", None), ("", None)]
        {
            let (logins, _) = read(
                &inputs,
                &environment(&[("GITHUB_SERVER_URL", server)]),
                None,
                &mut Findings::default(),
            );
            assert_eq!(origin(&logins, "ghcr.io/acme/app").as_deref(), expected, "{server}");
        }
    }

    #[test]
    fn problems_name_lines_and_no_secrets() {
        let bad = |inputs: RawInputs| {
            let mut findings = Findings::default();
            read(&inputs, &environment(&[]), Some("r.example"), &mut findings);
            findings.problems.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let secret = || Some("canary".to_owned());
        let input = RawInputs::default;
        for (inputs, expected) in [
            (RawInputs { username: secret(), ..input() }, "username is set, but password is not"),
            (RawInputs { password: secret(), ..input() }, "password is set, but username is not"),
            (RawInputs { registry: Some("r.example".into()), ..input() }, "registry is set, but username and password are not"),
            (
                RawInputs { credentials: Some("# first\nr.example=canary".into()), ..input() },
                "credentials, line 2: not REGISTRY=USERNAME:PASSWORD",
            ),
            (
                RawInputs { credentials: Some("r example=u:canary".into()), ..input() },
                "credentials, line 1: the part before = is not a registry host",
            ),
            (
                RawInputs { credentials: Some("r.example=u:canary\nR.EXAMPLE=u:canary".into()), ..input() },
                "credentials, line 2: r.example already has a login, in line 1",
            ),
            (
                RawInputs {
                    credentials: Some(
                        r#"{"r.example": {"username": "u", "password": "canary"}, "r.example": {"username": "v", "password": "canary"}}"#.into(),
                    ),
                    ..input()
                },
                "credentials, line 2: r.example already has a login, in line 1",
            ),
            (
                RawInputs { docker_config: Some("/nowhere/x".into()), ..input() },
                "docker-config: cannot read the file that it names: no such file or directory",
            ),
        ] {
            assert_eq!(bad(inputs), [expected]);
        }
        let json =
            bad(RawInputs { credentials: Some(r#"{"r.example": "canary"}"#.into()), ..input() });
        assert!(
            json[0].starts_with("credentials: is not JSON") && !json[0].contains("canary"),
            "{json:?}"
        );
    }

    #[test]
    fn a_line_that_looks_like_several_logins_is_told() {
        for (value, expected) in [
            ("r.example=u:canary,s.example=v:canary", 1),
            ("r.example=u:canary, localhost:5000=v:canary", 1),
            ("r.example=u:canary,localhost=v:canary", 1),
            ("r.example=u:can,ary=x:y", 0),
            ("r.example=u:can,s.example=ary", 0),
            ("r.example=u:can,=a:b,c", 0),
        ] {
            let inputs = RawInputs { credentials: Some(value.to_owned()), ..RawInputs::default() };
            let (_, warnings) = read(&inputs, &environment(&[]), None, &mut Findings::default());
            assert!(
                warnings.len() == expected && !warnings.concat().contains("canary"),
                "{value}: {warnings:?}"
            );
        }
    }

    #[test]
    fn broken_files_found_by_themselves_only_warn() {
        let (_, warnings) = read(
            &RawInputs::default(),
            &environment(&[
                ("DOCKER_AUTH_CONFIG", "canary"),
                ("DOCKER_CONFIG", "/nowhere"),
                ("REGISTRY_AUTH_FILE", "/no/file"),
            ]),
            None,
            &mut Findings::default(),
        );
        assert!(warnings[0].starts_with("DOCKER_AUTH_CONFIG is ignored"), "{warnings:?}");
        assert_eq!(
            warnings[1..],
            [
                "REGISTRY_AUTH_FILE names /no/file, which does not exist",
                "DOCKER_CONFIG names /nowhere, which does not exist"
            ]
        );
        assert!(!warnings.join(" ").contains("canary"));
    }

    #[test]
    fn survives_any_credentials() {
        let pieces = [
            "r.example",
            "localhost:5000",
            "=",
            ":",
            ",",
            "\n",
            "u",
            "canary-p",
            "{",
            "}",
            "\"",
            "username",
            "é",
            "[",
            "]",
            " ",
        ];
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..3_000 {
            let value = mixed(&mut random, &pieces, 10);
            let inputs = RawInputs { credentials: Some(value), ..RawInputs::default() };
            let (secrets, mut findings) = (Secrets::default(), Findings::default());
            credentials(inputs.credentials(), &secrets, &mut findings);
            for problem in &findings.problems {
                assert!(!problem.to_string().contains("canary"), "{problem}");
            }
        }
    }
}
