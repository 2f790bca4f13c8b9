//! The input `digests`: lines; JSON of job outputs, of jobs, of metadata; files that are named by
//! digests or contain them; metadata files of build or bake.

mod files;
mod json;
mod lines;
mod metadata;

use crate::inputs::places::Places;
use crate::inputs::table::{Given, names};
use crate::inputs::values::Item;
use crate::inputs::{Findings, values};
use crate::oci::{Digest, Platform, Repository};

const INPUT: &str = names::digests;

/// One source by digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pinned {
    /// File or key that it came from, for people; empty when the line says it all.
    pub(super) from: String,
    /// The platform in front of it, or that its file or key is named by.
    pub(super) platform: Option<Platform>,
    /// The repository beside it; else it may be in any of the targets'.
    pub(super) repository: Option<Repository>,
    /// The digest.
    pub(super) digest: Digest,
}

impl Pinned {
    fn new(from: &str, digest: Digest) -> Self {
        Self { from: from.to_owned(), platform: None, repository: None, digest }
    }
}

/// What the input gives.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) pinned: Vec<Pinned>,
    /// Jobs that have no digest, where `platforms` tells whether one is missing.
    pub(super) without: Vec<String>,
}

impl From<Vec<Pinned>> for Read {
    fn from(pinned: Vec<Pinned>) -> Self {
        Self { pinned, without: Vec::new() }
    }
}

/// What the meaning of the input depends on.
pub(super) struct Reader<'a> {
    /// Whether `platforms` is given, so that an image is missed where a value is empty.
    pub(super) is_counted: bool,
    /// Where files are.
    pub(super) places: &'a Places,
    /// The targets' repositories: metadata of other images is a problem.
    pub(super) targets: &'a [Repository],
}

impl Reader<'_> {
    /// Reads the input and the files that it names.
    pub(super) fn read(&self, input: Given<'_>, findings: &mut Findings) -> Read {
        let Some(value) = input.text else { return Read::default() };
        let before = findings.problems.len();
        let read = if values::is_object(value) || values::is_array(value) {
            self.json(value, findings)
        } else {
            let items = input.items(findings).into_iter();
            items.flat_map(|item| self.item(&item, findings)).collect::<Vec<_>>().into()
        };
        if read.pinned.is_empty() && findings.problems.len() == before {
            findings.problem(INPUT, "contains no digest");
        }
        read
    }

    fn item(&self, item: &Item, findings: &mut Findings) -> Vec<Pinned> {
        let Item { line, ref text } = *item;
        match lines::parse(text) {
            Some(Ok((platform, repository, digest))) => {
                vec![Pinned { from: String::new(), platform, repository, digest }]
            }
            Some(Err(why)) => {
                findings.problem_at(INPUT, line, format!("{text}: {why}"));
                Vec::new()
            }
            None => {
                let path = self.places.find(text).path();
                if path.is_dir() {
                    self.folder(&path, item, findings)
                } else {
                    self.files(item, findings)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::Context;
    use crate::inputs::table::RawInputs;
    use crate::random::{chosen, spoilt};
    use crate::secret::Secrets;
    use std::fs;
    use std::path::Path;
    use tempfile::TempDir;

    fn digest(number: u8) -> String {
        format!("sha256:{}", format!("{number:02x}").repeat(32))
    }

    fn places(folder: &Path) -> Places {
        let environment = [("CI".to_owned(), "true".to_owned())].into();
        let secrets = Secrets::default();
        Places::of(&Context { environment: &environment, folder, secrets: &secrets })
    }

    fn given(value: &str, is_counted: bool, folder: &Path) -> (Read, Findings) {
        let mut findings = Findings::default();
        let targets =
            ["r.example/acme/app", "s.example/acme/app"].map(|name| name.parse().unwrap());
        let inputs = RawInputs { digests: Some(value.to_owned()), ..RawInputs::default() };
        let reader = Reader { is_counted, places: &places(folder), targets: &targets };
        (reader.read(inputs.digests(), &mut findings), findings)
    }

    fn run(value: &str, folder: &Path) -> (Vec<Pinned>, Vec<String>) {
        let (read, findings) = given(value, false, folder);
        (read.pinned, findings.problems.iter().map(ToString::to_string).collect())
    }

    fn digests(value: &str, folder: &Path) -> Vec<String> {
        let (given, problems) = run(value, folder);
        assert_eq!(problems, Vec::<String>::new());
        given.into_iter().map(|given| given.digest.to_string()).collect()
    }

    fn folder(files: &[(&str, String)]) -> TempDir {
        let folder = TempDir::new().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn all_forms_give_the_same() {
        let (one, two) = (digest(1), digest(2));
        let build = |digest: &str| {
            format!(
                r#"{{"buildx.build.ref": "x", "containerimage.digest": "{digest}", "image.name": "r.example/acme/app:1,r.example/acme/app"}}"#
            )
        };
        let files = folder(&[
            (&format!("names/{}", &one[7..]), String::new()),
            (&format!("names/{}", two.replace(':', "-")), String::new()),
            ("names/.gitkeep", String::new()),
            ("held/linux-amd64", one.clone()),
            ("held/arm64.digest", format!("r.example/acme/app:1@{two}\n")),
            ("held/.hidden/x", String::new()),
            ("jobs/a/digest", format!("\u{feff}{one}\r\n")),
            ("jobs/b/linux-arm-v7.txt", two.clone()),
            ("jobs/b/.x", String::new()),
            ("build/a.json", build(&one)),
            ("build/b.json", build(&two)),
            ("second.json", build(&one).replace("r.example", "s.example")),
            (
                "bake.json",
                format!(
                    r#"{{"a": {}, "b": {}, "buildx.build.warnings": {{}}}}"#,
                    build(&one),
                    build(&two)
                ),
            ),
            (
                "mixed.json",
                format!(
                    r#"{{"a": {}, "b": {}, "x": {}}}"#,
                    build(&one),
                    build(&two),
                    build(&digest(3)).replace("acme/app", "acme/other")
                ),
            ),
        ]);
        let expected = vec![one.clone(), two.clone()];
        // Their order is that of the files' names; that of platforms comes later.
        let digests = |value: &str, folder: &Path| {
            let mut digests = digests(value, folder);
            digests.sort();
            digests
        };
        for value in [
            format!("{one}\n{two}"),
            format!("linux/amd64={one},linux/arm64=r.example/acme/app@{two}"),
            format!(r#"["{one}", "{two}"]"#),
            format!(r#"{{"amd64": "{one}", "version": "1.2", "linux/arm64": "{two}"}}"#),
            format!(
                r#"{{"build": {{"result": "success", "outputs": {{"a": "{one}", "version": "1", "pushed": "true"}}}}, "more": {{"result": "failure", "outputs": {{"digest": "{two}"}}}}}}"#
            ),
            format!("[{}, {}]", build(&one), build(&two)),
            format!(r#"{{"a": {}, "b": {}}}"#, build(&one), build(&two)),
            "names".to_owned(),
            "names/*".to_owned(),
            format!("names/{}, names/sha256-*", &one[7..]),
            "held/*".to_owned(),
            "held".to_owned(),
            "jobs/*/*".to_owned(),
            "jobs/**/*".to_owned(),
            "jobs/a/digest\njobs/b".to_owned(),
            "build/*.json".to_owned(),
            "build/a.json, build/b.json".to_owned(),
            "bake.json".to_owned(),
            "mixed.json".to_owned(),
            "second.json, build/b.json".to_owned(),
        ] {
            assert_eq!(digests(&value, files.path()), expected, "{value}");
        }
    }

    // Only there can names have such characters.
    #[cfg(unix)]
    #[test]
    fn a_pattern_is_what_was_written_not_where_it_was_written() {
        let build = format!(r#"{{"containerimage.digest": "{}"}}"#, digest(1));
        let files = folder(&[("[x] *?/build[1].json", build)]);
        let folder = files.path().join("[x] *?");
        for value in ["*.json", "build[1].json", "build[[]1].json"] {
            assert_eq!(digests(value, &folder), [digest(1)], "{value}");
        }
    }

    #[test]
    fn an_empty_output_is_left_out_where_platforms_tell_what_is_missing() {
        for (value, counted, uncounted) in [
            (format!(r#"{{"a": "{}", "b": ""}}"#, digest(1)), "1", "\"b\" is empty"),
            (format!(r#"{{"a": " ", "linux/arm64": "{}"}}"#, digest(1)), "1", "\"a\" is empty"),
            (format!(r#"{{"a": null, "b": "{}"}}"#, digest(1)), "1", "\"a\" is empty"),
            (format!(r#"["", "{}", null]"#, digest(1)), "1", "\"item 1\" is empty"),
            (r#"{"a": ""}"#.to_owned(), "contains no digest", "\"a\" is empty"),
            (r#"{"a": {}}"#.to_owned(), "\"a\" is nested", "\"a\" is nested"),
            ("linux/arm64=".to_owned(), "the digest is empty", "the digest is empty"),
        ] {
            for (is_counted, expected) in [(true, counted), (false, uncounted)] {
                let (read, findings) = given(&value, is_counted, Path::new("."));
                let told = match findings.problems.first() {
                    None => read.pinned.len().to_string(),
                    Some(problem) => problem.to_string(),
                };
                assert!(told.contains(expected), "{value} {is_counted}: {told}");
            }
        }
    }

    /// The context `needs`: two jobs that build, one that does not.
    #[test]
    fn a_job_without_a_digest_is_named_unless_platforms_tell() {
        let job = |result: &str, outputs: &str| {
            format!(r#"{{"result": "{result}", "outputs": {outputs}}}"#)
        };
        let good = job("success", &format!(r#"{{"digest": "{}", "b": ""}}"#, digest(1)));
        let (lost, other) = (job("failure", r#"{"digest": ""}"#), job("success", r#"{"v": "1"}"#));
        let (none, no_object) = (job("skipped", "{}"), job("cancelled", "null"));
        let no = "has no digest among its outputs: see its log";
        let without = |uncounted: &str| {
            vec![format!(
                "digests: job {uncounted} {no}; if it builds no image, set platforms, which tells whether one is missing"
            )]
        };
        let empty = "digests: \"a.b\" is empty: did the build end before it wrote its output?";
        for (jobs, count, uncounted, counted, told) in [
            (format!(r#"{{"a": {good}}}"#), 1, vec![empty.to_owned()], "", ""),
            (
                format!(r#"{{"a-1": {lost}, "b": {}}}"#, good.replace(r#", "b": """#, "")),
                1,
                without("a-1 (result: failure)"),
                "",
                "job a-1 (result: failure)",
            ),
            (
                format!(
                    r#"{{"a": {}, "c": {other}, "d": {none}}}"#,
                    good.replace(r#", "b": """#, "")
                ),
                1,
                [without("c (result: success)"), without("d (result: skipped)")].concat(),
                "",
                "job c (result: success)|job d (result: skipped)",
            ),
            (
                format!(r#"{{"a": {no_object}}}"#),
                0,
                without("a (result: cancelled)"),
                "digests: job a (result: cancelled) has no digest among its outputs: see its log",
                "",
            ),
            (
                r#"{"a": {"result": "success", "outputs": {"x": {}}}}"#.to_owned(),
                0,
                vec!["digests: \"a.x\" is nested: a digest is expected, as a string".to_owned()],
                "digests: \"a.x\" is nested: a digest is expected, as a string",
                "",
            ),
            (
                r#"{"a": {"result": "success", "outputs": {"x": "sha256:1"}}}"#.to_owned(),
                0,
                vec!["digests: \"a.x\": a sha256 digest has 64 hex digits, not 1".to_owned()],
                "digests: \"a.x\": a sha256 digest has 64 hex digits, not 1",
                "",
            ),
        ] {
            let problems = |findings: Findings| -> Vec<String> {
                findings.problems.iter().map(ToString::to_string).collect()
            };
            let (read, findings) = given(&jobs, false, Path::new("."));
            assert_eq!((read.pinned.len(), problems(findings)), (count, uncounted), "{jobs}");
            let (read, findings) = given(&jobs, true, Path::new("."));
            assert_eq!(read.pinned.len(), count, "{jobs}");
            assert_eq!(problems(findings).join("|"), counted, "{jobs}");
            assert_eq!(read.without.join("|"), told, "{jobs}");
        }
        let (given, _) = run(&format!(r#"{{"build-arm64": {good}}}"#), Path::new("."));
        assert_eq!(given[0].from, "build-arm64.digest");
    }

    #[test]
    fn files_may_be_named_by_platforms() {
        let held = |name: &str, text: &str| {
            let files = folder(&[(&format!("d/{name}"), text.to_owned())]);
            let (read, findings) = given("d", false, files.path());
            let problems = findings.problems.iter().map(ToString::to_string);
            assert_eq!(problems.collect::<Vec<_>>(), [""; 0], "{name}");
            let Pinned { from, platform, repository, .. } = &read.pinned[0];
            assert_eq!(*from, format!("d/{name}"));
            let show = |platform: &Platform| platform.to_string();
            let repository = repository.as_ref().map(ToString::to_string).unwrap_or_default();
            let platform = platform.as_ref().map(show).unwrap_or_default();
            (platform, repository, findings.warnings.concat())
        };
        for (name, expected) in [
            ("linux-amd64", "linux/amd64"),
            ("linux-arm64.txt", "linux/arm64"),
            ("linux-arm-v7.digest", "linux/arm/v7"),
            ("Linux-ARM64-v8", "linux/arm64"),
            ("windows-amd64", "windows/amd64"),
            ("linux-riscv128", "linux/riscv128"),
            ("linux", ""),
            ("amd64", ""),
            ("digest-amd64", ""),
            ("app-linux-amd64", ""),
            ("linux-arm-v7-2", ""),
            ("linux-amd64.sha256", ""),
        ] {
            let (platform, _, warnings) = held(name, &digest(1));
            assert_eq!(platform, expected, "{name}");
            let is_odd = expected == "linux/riscv128";
            assert_eq!(warnings.contains("unknown platform"), is_odd, "{name}: {warnings}");
        }
        let (one, two) =
            (format!("q.example/a@{}", digest(1)), format!("s.example/acme/app@{}", digest(1)));
        for (text, repository) in [
            (digest(1), ""),
            (one.clone(), "q.example/a"),
            // kaniko writes a line for each repository that it pushed to.
            (format!("{one}\n{two}\n"), "s.example/acme/app"),
            (format!("{one}\n{}\n", one.replace("/a@", "/b:1@")), "q.example/a"),
        ] {
            assert_eq!(held("x", &text).1, repository, "{text}");
        }
    }

    #[test]
    fn nothing_is_lost_that_was_said_twice() {
        let (given, problems) =
            run(&format!(r#"{{"a": "{}", "a": "{}"}}"#, digest(1), digest(2)), Path::new("."));
        assert_eq!((given.len(), problems.len()), (2, 0));
        let by_address = format!("[fe80::1]:5000/acme/app@{}", digest(1));
        assert_eq!(run(&by_address, Path::new(".")).0.len(), 1);
    }

    #[test]
    fn platforms_and_repositories_are_kept() {
        let (given, _) = run(
            &format!(
                r#"{{"linux/arm64": "{}", "digest": "r.example/b@{}"}}"#,
                digest(1),
                digest(2)
            ),
            Path::new("."),
        );
        assert_eq!(given[0].platform.as_ref().unwrap().to_string(), "linux/arm64");
        assert_eq!(
            (given[1].platform.as_ref(), given[1].repository.as_ref().unwrap().to_string()),
            (None, "r.example/b".to_owned())
        );
    }

    #[test]
    fn refuses_what_would_lose_an_architecture() {
        let files = folder(&[
            ("empty/.keep", String::new()),
            (
                "other/x.json",
                format!(
                    r#"{{"containerimage.digest": "{}", "image.name": "r.example/acme/app-api:1"}}"#,
                    digest(1)
                ),
            ),
            ("unpushed/x.json", r#"{"buildx.build.ref": "x"}"#.to_owned()),
            ("deep/a/x", String::new()),
            ("text/README", "canary".to_owned()),
            ("held/none/linux-arm64", " \n".to_owned()),
            ("held/two/x.txt", format!("{}\n{}\n", digest(1), digest(2))),
            ("held/half/x.txt", format!("{}\ncanary", digest(1))),
            ("held/front/x.txt", format!("linux/amd64={}", digest(1))),
            ("held/json/x", format!(r#"{{"containerimage.digest": "{}"}}"#, digest(1))),
            (&format!("named/a/{}", &digest(1)[7..]), String::new()),
            ("json/a.json", String::new()),
        ]);
        let (bare, dashed) = (digest(9)[7..].to_owned(), format!("- {}", digest(1)));
        let of_other = format!(
            r#"{{"containerimage.digest": "{}", "image.name": "r.example/acme/app-api:1"}}"#,
            digest(1)
        );
        let (quoted, flow) =
            (format!("'{}'", digest(1)), format!("[{}, {}]", digest(1), digest(2)));
        for (value, why) in [
            (r#"{"a": ""}"#, "\"a\" is empty"),
            (r#"{"a": null}"#, "\"a\" is empty"),
            (r#"{"a": {"digest": "x"}}"#, "nested"),
            (r#"{"a": "sha256:12"}"#, "64 hex digits"),
            (r#"{"a": "text"}"#, "contains no digest"),
            ("[]", "contains no digest"),
            ("{", "not valid"),
            ("sha256:12", "64 hex digits"),
            ("linux=sha256:12", "is not a platform"),
            ("empty", "is empty"),
            ("other/*.json", "another image (r.example/acme/app-api:1)"),
            ("unpushed/*.json", "was the image pushed?"),
            ("deep", "merge-multiple"),
            ("text", "not a digest"),
            ("text/*", "text/README: is not a digest and contains none"),
            ("named", "named/a is a folder; digest files must lie side by side"),
            ("named/*", "named/a: is a folder: for the files in it write named/a/*"),
            ("held/none", "held/none/linux-arm64: is empty: did the build end"),
            ("held/none/*", "held/none/linux-arm64: is empty: did the build end"),
            ("held/two", "held/two/x.txt: contains several digests"),
            ("held/half", "held/half/x.txt: is not a digest and contains none"),
            ("held/front", "held/front/x.txt: is not a digest and contains none"),
            ("held/json", "held/json/x is not a digest; for metadata files write held/json/*"),
            (
                &of_other[..],
                "metadata: belongs to another image (r.example/acme/app-api:1), not to r.example/acme/app, s.example/acme/app",
            ),
            (r#"{"buildx.build.ref": "x"}"#, "metadata: containerimage.digest \"\": a digest is"),
            (r#"{"a": {"buildx.build.ref": "x"}}"#, "metadata: contains no containerimage.digest"),
            (r#"[{"buildx.build.ref": "x"}]"#, "item 1: containerimage.digest \"\": a digest is"),
            (
                r#"{"result": "success", "outputs": {}}"#,
                "is one job: write toJSON(needs.JOB.outputs)",
            ),
            ("json", "write json/*.json"),
            ("nothing", "no such file"),
            ("/nowhere/digests", "here: a step in a container sees only the workspace"),
            ("~/digests", "~ is not replaced, write the whole path"),
            ("${{ runner.temp }}/digests", "${{ runner.temp }} was not replaced: workflow files"),
            ("$RUNNER_TEMP/digests", "$RUNNER_TEMP was not replaced: is the variable set?"),
            ("linux/arm64=", "the digest is empty: is the variable set?"),
            ("undefined", "stands for a missing value: is the variable set?"),
            (&bare[..], "if it is a digest, write sha256:"),
            (&dashed[..], "leave out \"-\" in front: write sha256:"),
            (&quoted[..], "leave out the quotes: write sha256:"),
            (&flow[..], "not a JSON array: write [\"sha256:"),
            ("nothing/*.json", "no such file"),
        ] {
            let (given, mut problems) = run(value, files.path());
            for problem in &mut problems {
                // Paths as they are found on Windows.
                *problem = problem.replace('\\', "/");
            }
            assert!(
                given.is_empty() && problems.len() == 1 && problems[0].contains(why),
                "{value}: {given:?} {problems:?}"
            );
            assert!(!problems[0].contains("canary"), "{value}: {problems:?}");
        }
    }

    #[test]
    fn survives_any_metadata_and_any_output() {
        let build = serde_json::json!({
            "containerimage.digest": digest(1),
            "image.name": "docker.io/x/y:1,r.example/acme/app:1",
            "buildx.build.provenance": {"a.b": [1]},
        });
        let documents = [
            build.clone(),
            serde_json::json!({"a": build, "b": build, "c": {"x": 1}, "buildx.build.warnings": {}}),
        ];
        let outputs = [
            serde_json::json!({"linux/amd64": digest(1), "b": format!("linux/arm64={}", digest(2)), "c": 1, "d": format!("r.example/a@{}", digest(3))}),
            serde_json::json!([digest(1), "x"]),
            serde_json::json!({"a": {"result": "success", "outputs": {"b": digest(1)}}, "c": {"result": "failure", "outputs": null}}),
            documents[1].clone(),
        ];
        let places = &places(Path::new("."));
        let targets: Vec<Repository> = vec!["r.example/acme/app".parse().unwrap()];
        for (fields, why) in [
            (r#""image.name":"LONG","#, "another image (a text of 4000 bytes), not to r.example"),
            (r#""image.name":"a\nb","#, r"another image (a\nb), not to r.example"),
            ("", "containerimage.digest \"a text of 4000 bytes\": a digest is"),
        ] {
            let text = format!(r#"{{{fields}"containerimage.digest":"LONG"}}"#);
            let told = metadata::parse(&text.replace("LONG", &"x".repeat(4000)), &targets);
            assert!(told.as_ref().is_err_and(|told| told.contains(why)), "{told:?}");
        }
        let mut random = fastrand::Rng::with_seed(1);
        let (mut accepted, mut taken) = (0, 0);
        for _ in 0..2_000 {
            let document = chosen(&mut random, &documents);
            let text = spoilt(&mut random, document, 20);
            match metadata::parse(&String::from_utf8_lossy(&text), &targets) {
                Ok(digests) => {
                    accepted += 1;
                    assert!(!digests.is_empty());
                }
                Err(why) => {
                    assert!(why.len() < 600 && !why.contains(char::is_control), "{why}");
                }
            }
            let output = chosen(&mut random, &outputs);
            let value = spoilt(&mut random, output, 20);
            let reader = Reader { is_counted: true, places, targets: &targets };
            let value = String::from_utf8_lossy(&value);
            taken += reader.json(&value, &mut Findings::default()).pinned.len();
        }
        assert!(accepted > 300 && taken > 300, "{accepted} {taken}");
    }
}
