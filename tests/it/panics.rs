//! A panic ends a run as any other failure does: one error without secrets, what became of the tags,
//! the reports, and nothing left behind.

use crate::support::rules::{Fault, Rule};
use crate::support::scene::{BOTH, Scene, manifest};
use crate::support::step::Step;
use manifest_action::app::{Invocation, compose_lists};
use manifest_action::error::Exit;
use manifest_action::inputs::{Context, Environment};
use manifest_action::secret::Secrets;
use serde_json::{Value, json};
use std::fs;
use std::io;
use std::path::Path;

const USER: &str = "robot";
const PASSWORD: &str = "canary-password";

/// Where a log goes that panics as soon as something is told. Whoever uses the library brings a log of
/// their own, so this is code that the run really calls.
#[derive(Clone, Copy)]
struct PanicsAt(&'static str);

impl io::Write for PanicsAt {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let said = String::from_utf8_lossy(bytes);
        assert!(!said.contains(self.0), "a panic\nabout {PASSWORD}");
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A run with every kind of output in this folder, whose log panics.
async fn run(scene: &Scene, folder: &Path, panics_at: &'static str) -> Exit {
    let path = |name: &str| folder.join(name).display().to_string();
    let inputs = [
        ("tags", scene.references(&["1", "2", "latest"])),
        ("sources", scene.references(&BOTH)),
        ("wait", "0".to_owned()),
        ("username", USER.to_owned()),
        ("password", PASSWORD.to_owned()),
        ("json-file", "report.json".to_owned()),
        ("dotenv-file", "out.env".to_owned()),
        ("results-dir", "results".to_owned()),
    ];
    let mut environment: Environment = inputs
        .into_iter()
        .map(|(name, value)| (format!("INPUT_{}", name.to_uppercase()), value))
        .collect();
    for variable in ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"] {
        environment.insert(variable.to_owned(), path(variable));
    }
    let (environment, secrets) = (&environment, &Secrets::default());
    let log = tracing_subscriber::fmt().with_writer(move || PanicsAt(panics_at)).finish();
    let _log = tracing::subscriber::set_default(log);
    compose_lists(Invocation::step(Context { environment, folder, secrets })).await.exit
}

/// The report and the summary; asserts that there is nothing else, and nothing of the password.
fn left_in(folder: &Path) -> (Value, String) {
    let text = |name: &str| fs::read_to_string(folder.join(name)).expect(name);
    let names = |folder: &Path| {
        let entries = fs::read_dir(folder).expect("a folder");
        let mut names: Vec<_> = entries.map(|entry| entry.expect("an entry").file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(folder), ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "report.json", "results"]);
    assert!(names(&folder.join("results")).is_empty());
    assert_eq!(text("GITHUB_OUTPUT"), "");
    let (report, summary) = (text("report.json"), text("GITHUB_STEP_SUMMARY"));
    // In Markdown a star is an entity.
    for (text, hidden) in [(&report, "***"), (&summary, "&#42;&#42;&#42;")] {
        let shown = format!("a panic about {hidden}");
        assert!(!text.contains(PASSWORD) && text.contains(&shown), "{text}");
    }
    (serde_json::from_str(&report).expect("JSON"), summary)
}

#[tokio::test]
async fn after_a_tag_moved_the_reports_say_what_became_of_each() {
    let scene = Scene::with_login(USER, PASSWORD).await;
    scene.proxy.rule(Rule::on("PUT", &manifest("2")).then(Fault::Hang).optional());
    let folder = tempfile::tempdir().expect("a folder");
    let exit = run(&scene, folder.path(), "tag      ").await;
    assert_eq!(exit, Exit::Defect);
    let (report, summary) = left_in(folder.path());
    let states: Vec<&Value> =
        report["tags"].as_array().expect("tags").iter().map(|tag| &tag["state"]).collect();
    assert_eq!(
        (&report["exit"], states),
        (&json!(70), vec![&json!("created"), &json!("unknown"), &json!("left")])
    );
    let [moved, unknown, left] = ["1", "2", "latest"].map(|tag| scene.reference(tag));
    let became = format!("{moved} created; {unknown} may or may not have moved; {left} left");
    assert_eq!(report["error"]["details"], json!([became]));
    for row in ["| `1` | created |", "| `2` | unknown |", "| `latest` | left |"] {
        assert!(summary.contains(row), "{row}: {summary}");
    }
    let what = report["error"]["what"].as_str().unwrap_or_default();
    assert!(what.starts_with("bug in manifest-action: panicked"), "{what}");
}

#[tokio::test]
async fn before_the_first_request_there_are_reports_too() {
    let scene = Scene::with_login(USER, PASSWORD).await;
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(run(&scene, folder.path(), "manifest-action ").await, Exit::Defect);
    let (report, _) = left_in(folder.path());
    assert_eq!((&report["exit"], &report["changed"]), (&json!(70), &json!(false)));
    assert_eq!(scene.proxy.requests(), 0, "{}", scene.proxy.log_text());
}

/// With few open files, tokio panics where it begins to listen to signals. Which thread of ours that
/// is, and with how many files, depends on which is faster.
#[tokio::test]
async fn the_program_tells_of_a_panic_and_ends_with_its_status() {
    let mut panics = 0;
    for files in (4..10).cycle().take(300) {
        let script = format!("ulimit -n {files} && exec \"$0\"");
        let step = Step::new().input("password", PASSWORD).github();
        let step = step.args(["-c", &script, env!("CARGO_BIN_EXE_manifest-action")]);
        let ran = step.spawn_program(Path::new("/bin/sh")).await.wait().await;
        // Where there are enough of them, it is only the inputs that are missing.
        assert!([2, 70].contains(&ran.status), "{}", ran.everything());
        assert_eq!(ran.stderr, "", "nothing is printed by the panic itself");
        let lines = ran.stdout.lines().filter(|line| line.starts_with("error: "));
        let errors: Vec<&str> = lines.collect();
        assert_eq!(errors.len(), 1, "{}", ran.stdout);
        if ran.status == 70 {
            assert!(errors[0].starts_with("error: bug in manifest-action: "), "{}", errors[0]);
        }
        panics += usize::from(errors[0].contains("panicked at "));
        if panics == 3 {
            return;
        }
    }
    panic!("no panic came");
}

#[test]
fn the_program_that_is_shipped_unwinds() {
    let manifest = include_str!("../../Cargo.toml");
    let (_, profile) = manifest.split_once("[profile.release]").expect("a profile");
    let profile = profile.split("\n[").next().unwrap_or_default();
    assert!(profile.contains("panic = \"unwind\""), "{profile}");
}
