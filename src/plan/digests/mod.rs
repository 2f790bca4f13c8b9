//! The input `digests`: lines, JSON of job outputs, a folder of digest files, build or bake
//! metadata files.

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
    /// Line of the input that named it.
    pub(super) line: usize,
    /// File or key that it came from, for people; empty when the line says it all.
    pub(super) from: String,
    /// The platform in front of it.
    pub(super) platform: Option<Platform>,
    /// The repository beside it, if it is not the first tag's.
    pub(super) repository: Option<Repository>,
    /// The digest.
    pub(super) digest: Digest,
}

/// Reads the input and the files that it names. `is_counted`: whether `platforms` is given, so that
/// an image is missed where a value is empty; `target`: the first tag's repository, metadata files of
/// other images are a problem.
pub(super) fn read(
    input: Given<'_>,
    is_counted: bool,
    places: &Places,
    target: Option<&Repository>,
    findings: &mut Findings,
) -> Vec<Pinned> {
    let Some(value) = input.text else { return Vec::new() };
    let before = findings.problems.len();
    let given: Vec<Pinned> = if values::is_object(value) || values::is_array(value) {
        json::read(value, is_counted, findings)
    } else {
        let items = input.items(findings).into_iter();
        items.flat_map(|item| from_item(&item, places, target, findings)).collect()
    };
    if given.is_empty() && findings.problems.len() == before {
        findings.problem(INPUT, "contains no digest");
    }
    given
}

fn from_item(
    item: &Item,
    places: &Places,
    target: Option<&Repository>,
    findings: &mut Findings,
) -> Vec<Pinned> {
    let Item { line, ref text } = *item;
    match lines::parse(text) {
        Some(Ok((platform, repository, digest))) => {
            vec![Pinned { line, from: String::new(), platform, repository, digest }]
        }
        Some(Err(why)) => {
            findings.problem_at(INPUT, line, format!("{text}: {why}"));
            Vec::new()
        }
        None => {
            let path = places.find(text).path();
            if path.is_dir() {
                files::from_folder(&path, text, line, findings)
            } else {
                files::from_files(item, places, target, findings)
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

    fn run(value: &str, folder: &Path) -> (Vec<Pinned>, Vec<String>) {
        let mut findings = Findings::default();
        let target: Repository = "r.example/acme/app".parse().unwrap();
        let inputs = RawInputs { digests: Some(value.to_owned()), ..RawInputs::default() };
        let given = read(inputs.digests(), false, &places(folder), Some(&target), &mut findings);
        (given, findings.problems.iter().map(ToString::to_string).collect())
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
            ("build/a.json", build(&one)),
            ("build/b.json", build(&two)),
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
        for value in [
            format!("{one}\n{two}"),
            format!("linux/amd64={one},linux/arm64=r.example/acme/app@{two}"),
            format!(r#"["{one}", "{two}"]"#),
            format!(r#"{{"amd64": "{one}", "version": "1.2", "linux/arm64": "{two}"}}"#),
            "names".to_owned(),
            "build/*.json".to_owned(),
            "build/a.json, build/b.json".to_owned(),
            "bake.json".to_owned(),
            "mixed.json".to_owned(),
        ] {
            assert_eq!(digests(&value, files.path()), expected, "{value}");
        }
    }

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
                let inputs = RawInputs { digests: Some(value.clone()), ..RawInputs::default() };
                let (places, mut findings) = (places(Path::new(".")), Findings::default());
                let given = read(inputs.digests(), is_counted, &places, None, &mut findings);
                let told = match findings.problems.first() {
                    None => given.len().to_string(),
                    Some(problem) => problem.to_string(),
                };
                assert!(told.contains(expected), "{value} {is_counted}: {told}");
            }
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
            ("text/README", String::new()),
            (&digest(1)[7..], String::new()),
            (&format!("named/a/{}", &digest(1)[7..]), String::new()),
            (&format!("named/a/{}", &digest(2)[7..]), String::new()),
            (&format!("named/b/sha256-{}", &digest(3)[7..]), String::new()),
            ("json/a.json", String::new()),
        ]);
        let (bare, dashed) = (digest(9)[7..].to_owned(), format!("- {}", digest(1)));
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
            (
                "named/a/*",
                "named/a/*: files there are named by their digests; name the folder instead: named/a",
            ),
            (&digest(1)[7..], "name the folder instead: ."),
            ("named/*/*", "name the folder instead: named/a, named/b"),
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
            let (given, problems) = run(value, files.path());
            assert!(
                given.is_empty() && problems.len() == 1 && problems[0].contains(why),
                "{value}: {given:?} {problems:?}"
            );
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
        ];
        let target: Repository = "r.example/acme/app".parse().unwrap();
        for (fields, why) in [
            (r#""image.name":"LONG","#, "another image (a text of 4000 bytes), not to r.example"),
            (r#""image.name":"a\nb","#, r"another image (a\nb), not to r.example"),
            ("", "containerimage.digest \"a text of 4000 bytes\": a digest is"),
        ] {
            let text = format!(r#"{{{fields}"containerimage.digest":"LONG"}}"#);
            let told = metadata::digests(&text.replace("LONG", &"x".repeat(4000)), Some(&target));
            assert!(told.as_ref().is_err_and(|told| told.contains(why)), "{told:?}");
        }
        let mut random = fastrand::Rng::with_seed(1);
        let (mut accepted, mut taken) = (0, 0);
        for _ in 0..2_000 {
            let document = chosen(&mut random, &documents);
            let text = spoilt(&mut random, document, 20);
            match metadata::digests(&String::from_utf8_lossy(&text), Some(&target)) {
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
            taken +=
                json::read(&String::from_utf8_lossy(&value), true, &mut Findings::default()).len();
        }
        assert!(accepted > 300 && taken > 300, "{accepted} {taken}");
    }
}
