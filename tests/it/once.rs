//! What went wrong stands in the log once, in the form that whoever reads it can show.

use crate::support::running::Ran;
use crate::support::scene::Scene;
use crate::support::step::Step;

/// How often the log has this text, in any form.
fn times(ran: &Ran, text: &str) -> usize {
    [&ran.raw.stdout, &ran.raw.stderr].iter().map(|log| log.matches(text).count()).sum()
}

/// A run that warns, and fails with two details and advice.
async fn failing(scene: &Scene, runner: &str) -> Ran {
    let step = scene.step_of(&["amd64", "arm64"]).input("no-such-input", "x");
    step.env(runner, "true").run().await.fails(3)
}

#[tokio::test]
async fn on_github_as_an_annotation() {
    let scene = Scene::with_amd64().await;
    let ran = failing(&scene, "CI").await;
    let commands = ran.commands();
    for (name, title) in
        [("warning", "manifest-action"), ("error", "manifest-action: images did not arrive")]
    {
        let found: Vec<_> = commands.iter().filter(|command| command.name == name).collect();
        let [one] = found.as_slice() else { panic!("one {name}: {}", ran.everything()) };
        assert_eq!(one.property("title"), Some(title));
        // A reader of the log sees the same lines as one of any other system.
        assert!(ran.stdout.contains(&format!("{name}: {}\n", one.data)), "{}", ran.stdout);
        for line in one.data.lines() {
            assert_eq!(times(&ran, line), 1, "{line}\n{}", ran.raw.stdout);
        }
    }
    assert!(!ran.raw.stdout.contains("\nerror: "), "{}", ran.raw.stdout);
    assert!(ran.stdout.contains("\n  fix:   "), "{}", ran.stdout);
}

#[tokio::test]
async fn on_runners_made_of_act_as_text() {
    let scene = Scene::with_amd64().await;
    let on_github = failing(&scene, "CI").await;
    for runner in ["ACT", "GITEA_ACTIONS", "FORGEJO_ACTIONS"] {
        let ran = failing(&scene, runner).await;
        let names: Vec<_> = ran.commands().into_iter().map(|command| command.name).collect();
        assert!(names.iter().all(|name| name.ends_with("group")), "{names:?}");
        for start in ["warning: ", "error: ", "  fix:   "] {
            let line = ran.stdout.lines().find(|line| line.starts_with(start)).expect(start);
            assert_eq!(times(&ran, line), 1, "{line}\n{}", ran.raw.stdout);
            assert!(on_github.stdout.contains(line), "{line}\n{}", on_github.stdout);
        }
    }
}

#[tokio::test]
async fn of_each_index_that_failed() {
    let scene = Scene::with_amd64().await;
    let host = scene.proxy.host();
    let list = |tag: &str, source: &str| {
        format!("  - tags: {host}/acme/app:{tag}\n    sources: {host}/acme/app:{source}\n")
    };
    let file = format!("indexes:\n{}{}", list("1", "one"), list("2", "two"));
    let step = Step::new().github().file("lists.yaml", file).input("spec", "lists.yaml");
    let ran = step.input("wait", "0").run().await.fails(3);
    let errors: Vec<_> =
        ran.commands().into_iter().filter(|command| command.name == "error").collect();
    assert_eq!(errors.len(), 2, "{}", ran.everything());
    for error in &errors {
        let what = error.data.lines().next().expect("a line");
        let (name, why) = what.rsplit_once(": ").expect("the list's name");
        assert!(ran.stdout.contains(&format!("{name} | failed   ")), "{}", ran.stdout);
        assert_eq!((times(&ran, what), times(&ran, why)), (1, 2), "{what}\n{}", ran.raw.stdout);
    }
}
