//! A run that lets go of a secret that it was given fails its test, however the secret came and
//! however it is written. A shell stands in for our binary.

use crate::support::step::Step;
use std::path::Path;

const SECRET: &str = "pa\"ss\\wo<rd>&%/+41|x~";

/// Whether a run of this step that does as the script says fails.
async fn leaks(step: Step, script: &str) -> bool {
    leaks_with(step, script, &[]).await
}

/// The same with flags, which the shell hands to the script.
async fn leaks_with(step: Step, script: &str, flags: &[&str]) -> bool {
    let step = step.args(["-c", script]).args(flags);
    let run = async move || step.spawn_program(Path::new("/bin/sh")).await.wait().await.status;
    tokio::spawn(run()).await.is_err()
}

/// A step with the secret; what it says is in `$SAID`.
fn step(said: &str) -> Step {
    Step::new().github().input("password", SECRET).env("SAID", said)
}

#[tokio::test]
async fn a_secret_is_found_wherever_it_is_let_go() {
    for script in [
        "printf %s \"$SAID\"",
        "printf 'x %s y' \"$SAID\" >&2",
        "printf 'a=%s' \"$SAID\" >> $GITHUB_OUTPUT",
        "printf %s \"$SAID\" >> $GITHUB_STEP_SUMMARY",
        "mkdir d; printf '\\0%s' \"$SAID\" > d/core.1",
    ] {
        assert!(leaks(step(SECRET), script).await, "{script}");
        assert!(!leaks(step("nothing"), script).await, "{script}");
    }
    let masked = "printf '::add-mask::%s\\nfine' \"$SAID\"";
    assert!(!leaks(step(SECRET), masked).await, "a runner swallows it");
}

#[tokio::test]
async fn a_secret_is_found_in_every_spelling() {
    for said in [
        // As JSON, Rust and a form write it.
        r#"pa\"ss\\wo<rd>&%/+41|x~"#,
        r#"pa\u0022ss\u005cwo\u003crd\u003e\u0026\u0025\u002f\u002b41\u007cx\u007e"#,
        "pa%22ss%5Cwo%3Crd%3E%26%25%2F%2B41%7Cx%7E",
        "pa%22ss%5cwo%3crd%3e%26%25%2f%2b41%7cx~",
        // As a page.
        "pa&quot;ss\\wo&lt;rd&gt;&amp;%/+41|x~",
        "pa&#34;ss&#92;wo&#60;rd&#62;&#38;&#37;&#47;&#43;41&#124;x&#126;",
        // In base64: alone, after `ci:` and `user:`, for URLs, and with something behind it.
        "cGEic3Ncd288cmQ+JiUvKzQxfHh+",
        "Y2k6cGEic3Ncd288cmQ+JiUvKzQxfHh+",
        "dXNlcjpwYSJzc1x3bzxyZD4mJS8rNDF8eH4=",
        "dXNlcjpwYSJzc1x3bzxyZD4mJS8rNDF8eH4",
        "cGEic3Ncd288cmQ-JiUvKzQxfHh-",
        "YTpwYSJzc1x3bzxyZD4mJS8rNDF8eH4gYW5kIG1vcmU=",
    ] {
        assert!(leaks(step(&format!("({said})")), "printf %s \"$SAID\"").await, "{said}");
    }
}

#[tokio::test]
async fn a_secret_is_known_however_it_comes() {
    let pair = "ci:s3cret-canary";
    let auths = r#"{"auths": {"r.example": {"auth": "Y2k6czNjcmV0LWNhbmFyeQ=="}}}"#;
    let identity = r#"{"auths": {"r.example": {"identitytoken": "s3cret-canary"}}}"#;
    let logins = r#"{"r.example": {"username": "ci", "password": "s3cret-canary"}}"#;
    let new = Step::new;
    for (case, step) in [
        ("an input", new().input("token", "s3cret-canary")),
        ("a variable", new().env("CI_REGISTRY_PASSWORD", "s3cret-canary")),
        ("lines of logins", new().input("credentials", &format!("# ours\nr.example={pair}"))),
        ("logins in JSON", new().input("credentials", logins)),
        ("an auth file as a variable", new().env("DOCKER_AUTH_CONFIG", auths)),
        ("an auth file", new().home_file(".docker/config.json", auths)),
        ("an identity token", new().file("auth.json", identity)),
        ("a proxy", new().env("https_proxy", format!("http://{pair}@proxy.example:1"))),
    ] {
        assert!(leaks(step, "printf s3cret-canary").await, "{case}");
    }
    for flags in
        [&["--password-stdin"][..], &["--password=s3cret-canary"], &["--token", "s3cret-canary"]]
    {
        let step = new().stdin("s3cret-canary\n");
        assert!(leaks_with(step, "printf s3cret-canary", flags).await, "{flags:?}");
    }
    let step = new().stdin("s3cret-canary\n");
    assert!(!leaks(step, "printf s3cret-canary").await, "standard input without the flag");
}
