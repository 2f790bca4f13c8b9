//! Credential helpers: real programs on PATH, run for the registries that a run needs, and what
//! comes of those that cannot be used.

use crate::support::fast_clock::with_fast_clock;
use crate::support::running::Ran;
use crate::support::scene::{BOTH, Scene, bare_step_at, reference_at, waiting_step_at};
use crate::support::scripted::{ScriptedServer, answer};
use crate::support::step::Step;
use crate::support::token::TokenServer;
use crate::support::wait::until;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use manifest_action::app::{Invocation, compose_lists};
use manifest_action::error::Exit;
use manifest_action::inputs::{Context, Environment};
use manifest_action::secret::Secrets;
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

const USER: &str = "ci";
const PASSWORD: &str = "canary-pa\"ss\\wo<rd>&%41|x";
const IDENTITY: &str = "canary/identity+token==";
/// What a helper says that has no login, with exit status 1.
const NOT_FOUND: &str = "echo 'credentials not found in native keychain'; exit 1";

/// A folder of helpers, which is the first on PATH.
struct Helpers(TempDir);

impl Helpers {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("helpers-").tempdir().unwrap();
        fs::create_dir_all(folder.path().join("bin")).unwrap();
        Self(folder)
    }

    /// A folder with one helper, `docker-credential-test`.
    fn test(does: &str) -> Self {
        Self::new().with("test", does)
    }

    /// Another program `docker-credential-NAME`: it notes what it was asked and does this, `$server`
    /// being what came on its stdin.
    fn with(self, name: &str, does: &str) -> Self {
        let program = self.0.path().join("bin").join(format!("docker-credential-{name}"));
        let (folder, noted) = (self.path().display(), "\"${0##*/} $* $server\"");
        let text = format!(
            "#!/bin/sh\nfolder='{folder}'\nserver=$(cat)\necho {noted} >>\"$folder/asked\"\n{does}\n"
        );
        executable(&program, &text);
        self
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// The value of PATH.
    fn on_path(&self) -> String {
        format!("{}:/usr/bin:/bin", self.path().join("bin").display())
    }

    /// The questions so far.
    fn asked(&self) -> Vec<String> {
        let asked = fs::read_to_string(self.path().join("asked")).unwrap_or_default();
        asked.lines().map(str::to_owned).collect()
    }

    fn file(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path().join(name)).ok()
    }

    /// The step with them on PATH and this auth file in its home.
    fn of(&self, step: Step, config: &str) -> Step {
        step.env("PATH", self.on_path()).home_file(".docker/config.json", config)
    }
}

fn executable(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Shell that prints an answer with this login.
fn gives(username: &str, secret: &str) -> String {
    let document = json!({"ServerURL": "x", "Username": username, "Secret": secret}).to_string();
    format!("printf %s '{document}'")
}

fn good() -> String {
    gives(USER, PASSWORD)
}

/// An auth file with this helper for the host.
fn cred_helpers(host: &str, name: &str) -> String {
    json!({ "credHelpers": { host: name } }).to_string()
}

fn entry(user: &str, password: &str) -> serde_json::Value {
    json!({ "auth": STANDARD.encode(format!("{user}:{password}")) })
}

async fn basic() -> Scene {
    Scene::with_login(USER, PASSWORD).await
}

async fn with_tokens() -> (TokenServer, Scene) {
    let tokens = TokenServer::new().user(USER, PASSWORD).identity_token(IDENTITY);
    let tokens = tokens.anonymous_pull(false).start().await;
    let scene = Scene::with_tokens(&tokens, &tokens.realm()).await;
    scene.push_both().await;
    (tokens, scene)
}

#[track_caller]
fn login_line(ran: &Ran) -> &str {
    ran.stdout
        .lines()
        .find(|line| line.starts_with("login "))
        .unwrap_or_else(|| panic!("{}", ran.stdout))
}

/// Lines that warn, without the commands around them.
fn warnings(ran: &Ran) -> Vec<String> {
    let of_command = ran.commands().into_iter().filter(|c| c.name == "warning").map(|c| c.data);
    let lines = ran.raw.stdout.lines().filter_map(|line| line.strip_prefix("warning: "));
    of_command.chain(lines.map(str::to_owned)).collect()
}

/// That nothing of a secret, nor of anything else that a helper prints, is seen anywhere.
#[track_caller]
fn says_nothing(ran: &Ran) {
    ran.never_says("canary").never_says(&STANDARD.encode(format!("{USER}:canary"))[..12]);
}

#[tokio::test]
async fn a_helper_logs_in_and_is_asked_once_for_a_host() {
    let (tokens, by_token) = with_tokens().await;
    for scene in [basic().await, by_token] {
        let helpers = Helpers::test(&format!("{}; echo canary >&2", good()));
        let host = scene.proxy.host();
        let config = cred_helpers(&format!("https://{host}/v2/"), "test");
        for (nth, config) in
            [config, json!({ "credsStore": "test" }).to_string()].iter().enumerate()
        {
            // Two repositories, two tags: all begin at the same time.
            let tags = ["acme/app:1", "acme/app:2", "acme/other:1"].map(|tag| scene.full_name(tag));
            let step = scene.waiting_step().input("tags", &tags.join("\n"));
            let ran = helpers.of(step.input("log-level", "trace"), config).run().await.ok();
            let line = login_line(&ran);
            assert!(
                line.starts_with(&format!("login    {host} from docker-credential-test of /"))
                    && line.ends_with("/.docker/config.json"),
                "{line}"
            );
            assert_eq!(warnings(&ran), Vec::<String>::new());
            let question = format!("docker-credential-test get {host}");
            assert_eq!(helpers.asked(), vec![question; nth + 1]);
            let masks: Vec<_> =
                ran.commands().into_iter().filter(|command| command.name == "add-mask").collect();
            assert!(masks.iter().any(|mask| mask.data == PASSWORD), "{masks:?}");
            says_nothing(&ran);
        }
    }
    assert!(tokens.requests().iter().all(|request| request.user.as_deref() == Some(USER)));
}

#[tokio::test]
async fn an_identity_token_of_a_helper_is_posted() {
    let (tokens, scene) = with_tokens().await;
    let helpers = Helpers::test(&gives("<token>", IDENTITY));
    let config = cred_helpers(&scene.proxy.host(), "test");
    let step = bare_step_at(&scene.proxy.host(), &BOTH).input("log-level", "trace");
    says_nothing(&helpers.of(step, &config).run().await.ok());
    let requests = tokens.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert_eq!(
        (requests[0].method.as_str(), requests[0].grant_type.as_deref(), requests[0].status),
        ("POST", Some("refresh_token"), 200)
    );
}

#[tokio::test]
async fn a_helper_is_asked_only_for_a_registry_that_wants_a_login() {
    let open = Scene::with_both().await;
    let helpers = Helpers::test(&good());
    let store = json!({ "credsStore": "test" }).to_string();
    helpers.of(open.waiting_step(), &store).run().await.ok();
    assert_eq!(helpers.asked(), Vec::<String>::new());
    // One that is broken is no trouble for other hosts.
    let scene = basic().await;
    let host = scene.proxy.host();
    let config = json!({"credHelpers": {"r.example": "missing", "s.example": "../x"},
        "credsStore": "test"})
    .to_string();
    let ran = helpers.of(scene.waiting_step(), &config).run().await.ok();
    assert_eq!(helpers.asked(), [format!("docker-credential-test get {host}")]);
    assert_eq!(warnings(&ran), Vec::<String>::new());
    // A login from inputs goes first: the helper is not needed.
    let step = scene.waiting_step().input("username", USER).input("password", PASSWORD);
    helpers.of(step, &config).run().await.ok();
    assert_eq!(helpers.asked().len(), 1);
}

#[tokio::test]
async fn one_without_a_login_makes_room_for_the_next() {
    let scene = basic().await;
    let host = scene.proxy.host();
    let helpers = Helpers::new()
        .with("none", NOT_FOUND)
        .with("empty", r#"echo '{"ServerURL":"","Username":"","Secret":""}'"#)
        .with("good", &good());
    let helper = |name: &str| json!({ &host: name });
    let own_entry = json!({ &host: entry(USER, PASSWORD) });
    let of = |program: &str| format!("docker-credential-{program} of ");
    for (first, second, source, asked) in [
        // In one file: the host's helper, the entry, the helper of all hosts.
        (
            json!({"credHelpers": helper("good"), "auths": own_entry, "credsStore": "none"}),
            json!({}),
            of("good"),
            vec!["good"],
        ),
        (
            json!({"credHelpers": helper("none"), "auths": own_entry, "credsStore": "good"}),
            json!({}),
            String::new(),
            vec!["none"],
        ),
        (
            json!({"credHelpers": helper("none"), "auths": {&host: {}}, "credsStore": "good"}),
            json!({}),
            of("good"),
            vec!["none", "good"],
        ),
        (
            json!({"auths": own_entry, "credsStore": "good"}),
            json!({"credsStore": "none"}),
            String::new(),
            vec![],
        ),
        // One file after the other.
        (
            json!({"credsStore": "empty"}),
            json!({"credHelpers": helper("good")}),
            of("good"),
            vec!["empty", "good"],
        ),
        (
            json!({"credsStore": "good"}),
            json!({"auths": {&host: entry("other", "wrong")}}),
            of("good"),
            vec!["good"],
        ),
    ] {
        let before = helpers.asked().len();
        let step = helpers.of(scene.waiting_step(), &second.to_string());
        let step = step.env("DOCKER_AUTH_CONFIG", first.to_string());
        let ran = step.run().await.ok();
        let line = login_line(&ran);
        assert!(line.contains(&source), "{first} {second}: {line}");
        assert_eq!(line.contains("docker-credential-"), !source.is_empty(), "{first}: {line}");
        let asked: Vec<String> =
            asked.iter().map(|name| format!("docker-credential-{name} get {host}")).collect();
        assert_eq!(helpers.asked()[before..], asked, "{first} {second}");
        assert_eq!(warnings(&ran), Vec::<String>::new(), "{first} {second}");
        says_nothing(&ran);
    }
    let config = cred_helpers(&host, "none");
    let ran = helpers.of(scene.waiting_step(), &config).run().await.fails(6);
    assert!(ran.stdout.contains(&format!("no login for {host} is configured")), "{}", ran.stdout);
    assert_eq!(warnings(&ran), Vec::<String>::new());
}

#[tokio::test]
async fn one_that_cannot_be_used_is_told_once() {
    let scene = basic().await;
    let host = scene.proxy.host();
    let open = scene.full_name("acme/app:1");
    let flood = "while :; do echo canary-canary-canary-canary; done";
    for (name, does, why) in [
        ("missing", None, "not found on PATH"),
        ("broken", Some("echo canary; echo canary >&2; exit 3"), "exit status 3"),
        ("killed", Some("kill -KILL $$"), "it was killed"),
        ("flood", Some(flood), "it printed more than 64 KiB"),
        ("text", Some("echo canary"), "it printed no JSON with Username and Secret"),
        (
            "partial",
            Some("echo '{\"Username\": \"u\", \"Secret\": \"canary'"),
            "it printed no JSON",
        ),
        ("silent", Some("exit 0"), "it printed no JSON"),
    ] {
        let helpers = match does {
            Some(does) => Helpers::new().with(name, does),
            None => Helpers::new(),
        };
        let said = format!("docker-credential-{name} of /");
        for step in [waiting_step_at(&host, &BOTH), bare_step_at(&host, &BOTH)] {
            let step = step.input("log-level", "trace").input("tags", &open);
            let ran = helpers.of(step, &cred_helpers(&host, name)).run().await.fails(6);
            let warnings = warnings(&ran);
            assert!(
                warnings.len() == 1
                    && warnings[0].starts_with(&said)
                    && warnings[0].contains(&format!(".docker/config.json gave no login ({why}"))
                    && warnings[0].ends_with(&format!("or give another login for {host}")),
                "{name}: {warnings:?}"
            );
            let fix = ran.stdout.lines().find(|line| line.starts_with("  fix:")).unwrap();
            assert!(fix.contains(&said) && fix.contains("set `username` and `password`"), "{fix}");
            assert!(ran.elapsed < Duration::from_secs(15), "{name}: {:?}", ran.elapsed);
            says_nothing(&ran);
        }
        // The same file's entry takes its place.
        let config = json!({"credHelpers": {&host: name}, "auths": {&host: entry(USER, PASSWORD)}});
        let step = helpers.of(waiting_step_at(&host, &BOTH), &config.to_string());
        let ran = step.run().await.ok();
        assert_eq!(warnings(&ran).len(), 1, "{name}: {}", ran.stdout);
        assert!(login_line(&ran).ends_with("/.docker/config.json"), "{name}: {}", ran.stdout);
        // If that is refused, the helper may be why.
        let config = json!({"credHelpers": {&host: name}, "auths": {&host: entry(USER, "wrong")}});
        let ran = helpers.of(waiting_step_at(&host, &BOTH), &config.to_string()).run().await;
        let ran = ran.fails(6);
        let fix = ran.stdout.lines().find(|line| line.starts_with("  fix:")).unwrap();
        assert!(fix.contains(&said), "{fix}");
    }
}

#[tokio::test]
async fn a_program_that_is_not_one_is_told() {
    let scene = basic().await;
    let host = scene.proxy.host();
    let helpers = Helpers::new();
    let bin = helpers.path().join("bin");
    executable(&bin.join("docker-credential-odd"), "canary\n");
    fs::write(bin.join("docker-credential-plain"), "canary").unwrap();
    fs::create_dir_all(bin.join("docker-credential-folder")).unwrap();
    for (name, why) in [
        ("odd", "it cannot be run: Exec format error"),
        ("plain", "not found on PATH"),
        ("folder", "not found on PATH"),
    ] {
        let config = cred_helpers(&host, name);
        let ran = helpers.of(scene.waiting_step(), &config).run().await.fails(6);
        assert!(warnings(&ran).concat().contains(why), "{name}: {}", ran.stdout);
        says_nothing(&ran);
    }
}

#[tokio::test]
async fn a_name_leads_nowhere_but_to_a_helper_on_path() {
    let scene = basic().await;
    let host = scene.proxy.host();
    let helpers = Helpers::test(&good());
    // Everywhere a bad name could lead to, and in the folder that the step works in.
    fs::create_dir_all(helpers.path().join("bin/docker-credential-")).unwrap();
    let program = fs::read_to_string(helpers.path().join("bin/docker-credential-test")).unwrap();
    for place in ["x", "bin/x", "bin/docker-credential-a b", "bin/docker-credential-x;id"] {
        executable(&helpers.path().join(place), &program);
    }
    let absolute = helpers.path().join("x").display().to_string();
    for name in
        ["../x", "/../x", "..", "a b", "x;id", "$(touch x)", "a\nb", "a\u{1b}[2Jb", &absolute]
    {
        let config = cred_helpers(&host, name);
        let ran = helpers.of(scene.waiting_step(), &config).run().await.fails(6);
        let warnings = warnings(&ran);
        assert!(
            warnings.len() == 1
                && warnings[0].contains("(not run: a helper's name has only letters"),
            "{name:?}: {warnings:?}"
        );
        assert!(!ran.stdout.contains('\u{1b}'), "{name:?}: {:?}", ran.stdout);
    }
    // A relative folder of PATH would be in the repository that is being built.
    for on_path in ["", ".", "bin", ":/usr/bin"] {
        let step = scene.waiting_step().file("docker-credential-test", &program);
        let step = step.file("bin/docker-credential-test", &program);
        for place in ["docker-credential-test", "bin/docker-credential-test"] {
            let path = step.workdir().join(place);
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let step = helpers.of(step, &cred_helpers(&host, "test")).env("PATH", on_path);
        let ran = step.run().await.fails(6);
        assert!(warnings(&ran).concat().contains("not found on PATH"), "{on_path}: {}", ran.stdout);
    }
    assert_eq!(helpers.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn a_helper_does_not_see_our_inputs() {
    let scene = basic().await;
    let helpers = Helpers::test(&format!("env >\"$folder/environment\"; {}", good()));
    let step = scene.waiting_step().input("credentials", "r.example=u:canary-of-input");
    let step = step.env("PLUGIN_PASSWORD", "canary-of-input").env("AWS_PROFILE", "ci");
    let step = step.env("PLUGIN_USERNAME", "x").env("PLUGIN_REGISTRY", "r.example");
    let step = step.env("MANIFEST_ACTION_TOKEN", "canary-of-input");
    helpers.of(step, &cred_helpers(&scene.proxy.host(), "test")).run().await.ok();
    let environment = helpers.file("environment").unwrap();
    assert!(!environment.contains("canary"), "{environment}");
    for prefix in ["INPUT_", "PLUGIN_", "MANIFEST_ACTION_"] {
        assert!(!environment.contains(prefix), "{environment}");
    }
    assert!(environment.contains("AWS_PROFILE=ci") && environment.contains("HOME="));
}

#[tokio::test]
async fn a_wrong_login_of_a_helper_ends_it_at_once() {
    let (tokens, by_token) = with_tokens().await;
    for scene in [basic().await, by_token] {
        let helpers = Helpers::test(&gives(USER, "wrong-canary"));
        let config = cred_helpers(&scene.proxy.host(), "test");
        let ran = helpers.of(scene.waiting_step(), &config).run().await.fails(6);
        assert!(
            ran.stdout.contains("wrong user name or password")
                && ran.stdout.contains("check the login from docker-credential-test of /"),
            "{}",
            ran.stdout
        );
        assert_eq!(helpers.asked().len(), 1, "it never worked, so it has not expired");
        says_nothing(&ran);
    }
    assert_eq!(tokens.requests().len(), 2, "to push, then to pull");
}

/// A registry in which nothing is there yet and whose password changes after some requests.
fn changing(password: Arc<Mutex<String>>) -> ScriptedServer {
    ScriptedServer::answering(move |request, _| {
        let pair = format!("{USER}:{}", password.lock().unwrap());
        if request.header("authorization") == Some(&format!("Basic {}", STANDARD.encode(pair))) {
            return answer(404, &[], "");
        }
        answer(401, &[("WWW-Authenticate", "Basic realm=\"x\"")], "")
    })
}

#[tokio::test]
async fn a_login_that_expires_in_a_wait_is_asked_for_again() {
    let password = Arc::new(Mutex::new("canary-first".to_owned()));
    let registry = changing(Arc::clone(&password));
    let does = format!(
        "echo >>\"$folder/calls\"; case $(wc -l <\"$folder/calls\") in 1) {} ;; *) {} ;; esac",
        gives(USER, "canary-first"),
        gives(USER, "canary-second"),
    );
    let helpers = Helpers::test(&does);
    let step = waiting_step_at(&registry.host(), &BOTH);
    let step =
        step.input("wait", "30s").input("wait-interval", "100ms").input("log-level", "trace");
    let running = helpers.of(step, &cred_helpers(&registry.host(), "test")).spawn().await;
    running.wait_for_line("checking for up to").await;
    "canary-second".clone_into(&mut password.lock().unwrap());
    running.wait_for_line("is no longer valid").await;
    let with_second = STANDARD.encode(format!("{USER}:canary-second"));
    let takes_second = || {
        let requests = registry.requests();
        let headers = requests.iter().filter_map(|request| request.header("authorization"));
        headers.filter(|header| header.ends_with(&with_second)).count() > 4
    };
    until("the new login is used", async || takes_second()).await;
    // What it gives from now on is refused too: that is wrong, not expired.
    "canary-third".clone_into(&mut password.lock().unwrap());
    let ran = running.wait().await.fails(6);
    assert!(ran.stdout.contains("wrong user name or password"), "{}", ran.stdout);
    assert_eq!(helpers.asked().len(), 3);
    says_nothing(&ran);
}

#[tokio::test]
async fn a_token_that_expires_in_a_wait_is_asked_for_with_a_new_login() {
    let tokens = TokenServer::new().user(USER, "canary-first").anonymous_pull(false).lifetime(1);
    let tokens = tokens.start().await;
    let scene = Scene::with_tokens(&tokens, &tokens.realm()).await;
    scene.push_amd64().await;
    let helpers = Helpers::test("cat \"$folder/answer\"");
    let answer = |password: &str| {
        let document = json!({ "Username": USER, "Secret": password }).to_string();
        fs::write(helpers.path().join("answer"), document).unwrap();
    };
    answer("canary-first");
    let step = scene.waiting_step().input("wait", "30s").input("wait-interval", "100ms");
    let running = helpers.of(step, &cred_helpers(&scene.proxy.host(), "test")).spawn().await;
    running.wait_for_line("checking for up to").await;
    answer("canary-second");
    tokens.change(|settings| settings.users = vec![(USER.to_owned(), "canary-second".to_owned())]);
    until("the login is refused", async || tokens.requests().iter().any(|r| r.status == 401)).await;
    scene.push_arm64().await;
    let ran = running.wait().await.ok();
    assert_eq!(helpers.asked().len(), 2, "{:?}", helpers.asked());
    says_nothing(&ran);
}

/// Shell that never ends, nor does what it has started; the ids of both go to a file.
const HANGS: &str =
    "sleep 3600 & echo $$ $! >\"$folder/started\"; mv \"$folder/started\" \"$folder/pids\"; wait";

/// The processes of [`HANGS`] that still run.
fn running(helpers: &Helpers) -> Vec<String> {
    let pids = helpers.file("pids").expect("the helper was run");
    let runs = |pid: &&str| {
        let stat = fs::read_to_string(PathBuf::from(format!("/proc/{pid}/stat")));
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    };
    pids.split_whitespace().filter(runs).map(str::to_owned).collect()
}

#[tokio::test]
async fn one_that_hangs_is_ended_after_half_a_minute() {
    let scene = basic().await;
    let helpers = Helpers::test(HANGS);
    let host = scene.proxy.host();
    let pairs = [
        ("PATH", helpers.on_path()),
        ("HOME", helpers.path().display().to_string()),
        ("INPUT_TAGS", reference_at(&host, "1")),
        ("INPUT_SOURCES", scene.references(&BOTH)),
        ("INPUT_WAIT", "0".to_owned()),
        ("INPUT_DOCKER-CONFIG", cred_helpers(&host, "test")),
    ];
    let environment: Environment =
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let run = move || {
        with_fast_clock(50, async {
            let start = tokio::time::Instant::now();
            let secrets = &Secrets::default();
            let context = Context { environment: &environment, folder: Path::new("."), secrets };
            (compose_lists(Invocation::step(context)).await, start.elapsed())
        })
    };
    let (ended, took) = tokio::task::spawn_blocking(run).await.unwrap();
    assert_eq!(ended.exit, Exit::Denied);
    let error = ended.run.lists[0].ended.as_ref().unwrap_err().to_string();
    let why = "docker-credential-test of input docker-config gave no login (no answer within 30 s)";
    assert!(error.contains(why), "{error}");
    assert!((29..45).contains(&took.as_secs()), "{took:?}");
    assert_eq!(helpers.asked().len(), 1);
    until("nothing of it is left", async || running(&helpers).is_empty()).await;
}

#[tokio::test]
async fn one_that_hangs_does_not_outlast_the_wait() {
    let scene = basic().await;
    let helpers = Helpers::test(HANGS);
    let step = scene.waiting_step().input("wait", "2s");
    let ran = helpers.of(step, &cred_helpers(&scene.proxy.host(), "test")).run().await.fails(6);
    assert!(ran.elapsed < Duration::from_secs(15), "{:?}", ran.elapsed);
    assert!(warnings(&ran).concat().contains("gave no login (no answer within "), "{}", ran.stdout);
    assert_eq!(warnings(&ran).len(), 1, "{}", ran.stdout);
    until("nothing of it is left", async || running(&helpers).is_empty()).await;
}

#[tokio::test]
async fn a_run_that_is_stopped_ends_its_helper() {
    for (signal, status) in [("TERM", 143), ("INT", 130)] {
        let scene = basic().await;
        let helpers = Helpers::test(HANGS);
        let step = helpers.of(scene.waiting_step(), &cred_helpers(&scene.proxy.host(), "test"));
        let run = step.spawn().await;
        until("the helper runs", async || helpers.file("pids").is_some()).await;
        assert_eq!(running(&helpers).len(), 2);
        run.signal(signal).await;
        let ran = run.wait().await.fails(status);
        assert!(ran.stdout.contains("no tag was moved"), "{}", ran.stdout);
        until("nothing of it is left", async || running(&helpers).is_empty()).await;
    }
}

#[tokio::test]
async fn what_a_helper_leaves_behind_on_purpose_stays() {
    let scene = basic().await;
    // An agent that keeps keys, as gpg starts one.
    let agent = "sleep 3600 >/dev/null & echo $! >\"$folder/pids\"";
    let helpers = Helpers::test(&format!("{agent}; {}", good()));
    helpers.of(scene.waiting_step(), &cred_helpers(&scene.proxy.host(), "test")).run().await.ok();
    let left = running(&helpers);
    assert_eq!(left.len(), 1);
    let kill = tokio::process::Command::new("/bin/kill").args(&left).status().await.unwrap();
    assert!(kill.success());
}

#[tokio::test]
async fn the_command_line_asks_helpers_too() {
    let scene = basic().await;
    let helpers = Helpers::test(&good());
    let (reference, config) = (scene.reference("amd64"), cred_helpers(&scene.proxy.host(), "test"));
    for arguments in
        [vec!["inspect", &reference], vec!["create", &scene.reference("2"), &reference]]
    {
        let ran = helpers.of(Step::new().args(&arguments), &config).run().await.ok();
        says_nothing(&ran);
    }
    let ran = helpers.of(Step::new().args(["inspect", &reference]), &config);
    let ran = ran.env("PATH", "/usr/bin").run().await.fails(6);
    assert!(
        ran.stderr.contains("(not found on PATH): install it, or for ")
            && ran.stderr.contains("give --username and --password-stdin"),
        "{}",
        ran.stderr
    );
}

#[tokio::test]
async fn what_helpers_said_elsewhere_counts() {
    let scene = basic().await;
    let host = scene.proxy.host();
    let config = cred_helpers(&host, "elsewhere");
    let document = json!({ "Username": USER, "Secret": PASSWORD }).to_string();
    let run = async |said: String| {
        let step = scene.waiting_step().input("log-level", "trace");
        let step = step.file("staged/config.json", &config).env("DOCKER_CONFIG", "staged");
        step.file("staged/manifest-action-helpers/1", said).run().await
    };
    let ran = run(format!("elsewhere {host} 0\n{document}")).await.ok();
    assert!(
        login_line(&ran).ends_with("docker-credential-elsewhere of staged/config.json"),
        "{}",
        ran.stdout
    );
    says_nothing(&ran);
    for (said, why) in [
        (format!("elsewhere {host} missing\n"), "not found on PATH"),
        (format!("elsewhere {host} timeout\n"), "no answer within 30 s"),
        (format!("elsewhere {host} 7\ncanary"), "exit status 7"),
        (format!("elsewhere {host} 0\ncanary"), "it printed no JSON"),
        (format!("elsewhere {host}:1 0\n{document}"), "not found on PATH"),
    ] {
        let ran = run(said.clone()).await.fails(6);
        assert!(warnings(&ran).concat().contains(why), "{said}: {}", ran.stdout);
        says_nothing(&ran);
    }
    let ran = run(format!("elsewhere {host} 1\ncredentials not found in native keychain")).await;
    let ran = ran.fails(6);
    assert_eq!(warnings(&ran), Vec::<String>::new());
}

#[tokio::test]
async fn what_the_action_stages_logs_in_where_no_helper_is() {
    let scene = basic().await;
    let host = scene.proxy.host();
    let helpers = Helpers::test(&good()).with("other", &good());
    let config = json!({"credHelpers": {&host: "test", "r.example": "other"}}).to_string();
    let stage = Step::new().github().home_file(".docker/config.json", config);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("action/stage.sh");
    // What the step sees of its inputs, as in action.yml.
    let stage = stage
        .env("PATH", helpers.on_path())
        .env("TAGS", scene.reference("1"))
        .env("REFERENCES", format!("\n{}\n/", scene.references(&BOTH)))
        .args(["-e".as_ref(), script.as_os_str()]);
    let staged = stage.spawn_program(Path::new("/bin/sh")).await.wait().await.ok();
    assert_eq!(helpers.asked(), [format!("docker-credential-test get {host}")]);
    let log = format!("{}{}", staged.stdout, staged.stderr);
    assert!(!log.contains("canary"), "{log}");
    let folder = staged.output("folder").unwrap();
    let ran = scene.waiting_step().env("DOCKER_CONFIG", &folder).run().await.ok();
    assert!(
        login_line(&ran).ends_with(&format!("docker-credential-test of {folder}/config.json")),
        "{}",
        ran.stdout
    );
    assert_eq!(warnings(&ran), Vec::<String>::new());
    assert_eq!(helpers.asked().len(), 1);
    says_nothing(&ran);
}
