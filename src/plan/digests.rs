//! The input `digests`: lines, JSON of job outputs, a folder of digest files, build or bake
//! metadata files.

use crate::file;
use crate::inputs::places::{Place, Places};
use crate::inputs::table::{Given, names};
use crate::inputs::values::Item;
use crate::inputs::{Findings, slips, values};
use crate::oci::{Digest, Platform, Reference, Repository, json, shown, slip};
use glob::Pattern;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

const INPUT: &str = names::digests;
/// Metadata files contain the whole provenance; a larger file is of another kind.
const LARGEST_METADATA: u64 = 16 << 20;

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
        from_json(value, is_counted, findings)
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
    match parse_digest(text) {
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
                from_folder(&path, text, line, findings)
            } else {
                from_files(item, places, target, findings)
            }
        }
    }
}

type Parsed = (Option<Platform>, Option<Repository>, Digest);

/// `[PLATFORM=]DIGEST` or `[PLATFORM=]REF@DIGEST`; `None` when the text is not meant as a digest.
fn parse_digest(text: &str) -> Option<Result<Parsed, String>> {
    let (platform, rest) = match text.split_once('=') {
        Some((front, rest)) => (Some(front.trim()), rest.trim()),
        None => (None, text),
    };
    let meant = ["sha256:", "sha512:"]
        .iter()
        .any(|algorithm| rest.starts_with(algorithm) || rest.contains(&format!("@{algorithm}")));
    if !meant {
        return None;
    }
    let parse = || {
        let platform =
            platform.map(str::parse::<Platform>).transpose().map_err(|error| error.to_string())?;
        if !rest.contains('@') {
            return Ok((
                platform,
                None,
                rest.parse::<Digest>().map_err(|error| error.to_string())?,
            ));
        }
        let reference = rest.parse::<Reference>().map_err(|error| error.to_string())?;
        let digest = reference.digest.ok_or_else(|| "no digest after @".to_owned())?;
        Ok((platform, Some(reference.repository), digest))
    };
    Some(parse())
}

/// An object or array, such as `toJSON(needs.build.outputs)`.
fn from_json(value: &str, is_counted: bool, findings: &mut Findings) -> Vec<Pinned> {
    let entries = match json_entries(value) {
        Ok(entries) => entries,
        Err(error) => {
            let why = format!("looks like JSON but is not valid ({})", json::place(&error));
            findings.problem(INPUT, slips::array_for(value).unwrap_or(why));
            return Vec::new();
        }
    };
    let pinned = entries.into_iter().zip(1..).filter_map(|((key, value), line)| {
        if is_counted && is_empty(&value) {
            return None;
        }
        let found = from_value(value).map_err(|why| format!("{key:?}{why}"));
        let (platform, repository, digest) = findings.take(INPUT, None, found)??;
        let platform = platform.or_else(|| key.parse().ok());
        Some(Pinned { line, from: key, platform, repository, digest })
    });
    pinned.collect()
}

/// The members of an object, or the items of an array under their numbers.
fn json_entries(value: &str) -> Result<Vec<(String, Value)>, serde_json::Error> {
    if !values::is_array(value) {
        return values::object(value);
    }
    let array: Vec<Value> = serde_json::from_str(value)?;
    Ok(array.into_iter().zip(1..).map(|(value, at)| (format!("item {at}"), value)).collect())
}

/// The digest that a value of JSON is; `None` for another output of the same job.
fn from_value(value: Value) -> Result<Option<Parsed>, String> {
    const EMPTY: &str = " is empty: did the build end before it wrote its output?";
    match value {
        value if is_empty(&value) => Err(EMPTY.to_owned()),
        Value::Object(_) | Value::Array(_) => {
            Err(" is nested: a digest is expected, as a string".to_owned())
        }
        Value::String(text) => {
            parse_digest(text.trim()).transpose().map_err(|why| format!(": {why}"))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(None),
    }
}

/// Whether an output was declared and never written.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        _ => false,
    }
}

/// A folder whose file names are the digests, as in Docker's multi-runner workflow.
fn from_folder(path: &Path, shown: &str, line: usize, findings: &mut Findings) -> Vec<Pinned> {
    let names = names_in(path)
        .map_err(|error| format!("cannot read the folder {shown}: {}", file::why(&error)));
    let Some(names) = findings.take(INPUT, Some(line), names) else { return Vec::new() };
    if names.is_empty() {
        let text = format!("the folder {shown} is empty: no build left a digest there");
        findings.problem_at(INPUT, line, text);
    }
    let pinned = names.into_iter().filter_map(|(name, is_folder)| {
        let from = format!("{shown}/{name}");
        match Digest::from_file_name(&name) {
            Some(digest) if !is_folder => {
                Some(Pinned { line, from, platform: None, repository: None, digest })
            }
            _ => {
                findings.problem_at(INPUT, line, no_digest(&from, shown, is_folder));
                None
            }
        }
    });
    pinned.collect()
}

/// The names in a folder, sorted, and whether each is a folder; without hidden ones.
fn names_in(path: &Path) -> io::Result<Vec<(String, bool)>> {
    let entries = fs::read_dir(path)?.map(|entry| {
        let entry = entry?;
        Ok((entry.file_name().to_string_lossy().into_owned(), entry.file_type()?.is_dir()))
    });
    let mut names = entries.collect::<io::Result<Vec<_>>>()?;
    names.retain(|(name, _)| !name.starts_with('.'));
    names.sort();
    Ok(names)
}

/// Why something in a folder of digests is not a digest, and how to fix it.
fn no_digest(from: &str, shown: &str, is_folder: bool) -> String {
    if is_folder {
        format!(
            "{from} is a folder; digest files must lie side by side (download-artifact: merge-multiple: true)"
        )
    } else if from.ends_with(".json") {
        format!("{from} is not a digest; for metadata files write {shown}/*.json")
    } else {
        format!(
            "{from} is not a digest: file names must be 64 hex digits, with or without sha256- in front"
        )
    }
}

/// Build or bake metadata files: one by its name, or those that a pattern names.
fn from_files(
    item: &Item,
    places: &Places,
    target: Option<&Repository>,
    findings: &mut Findings,
) -> Vec<Pinned> {
    let Item { line, text: ref shown } = *item;
    let place = places.find(shown);
    let Some(files) = findings.take(INPUT, Some(line), files(&place, shown)) else {
        return Vec::new();
    };
    if files.is_empty() {
        findings.problem_at(INPUT, line, format!("{shown}: {}", not_there(shown, places)));
    }
    let mut given = Vec::new();
    let mut folders = BTreeSet::new();
    for file in files {
        let name =
            file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        match read_metadata(&file, target) {
            Ok(digests) => given.extend(digests.into_iter().map(|digest| Pinned {
                line,
                from: name.clone(),
                platform: None,
                repository: None,
                digest,
            })),
            Err(_) if Digest::from_file_name(&name).is_some() => {
                folders.insert(folder_of(&place.written(&file)));
            }
            Err(why) => findings.problem_at(INPUT, line, format!("{name}: {why}")),
        }
    }
    if !folders.is_empty() {
        let folders = folders.into_iter().collect::<Vec<_>>().join(", ");
        findings.problem_at(
            INPUT,
            line,
            format!("{shown}: files there are named by their digests; name the folder instead: {folders}"),
        );
    }
    given
}

/// Why a text is neither a digest nor a file.
fn not_there(shown: &str, places: &Places) -> String {
    const WHAT: &str = "not a digest, and no such file or folder";
    if let Some(why) = slip::of_any_text(shown) {
        why
    } else if shown.ends_with('=') {
        "the digest is empty: is the variable set?".to_owned()
    } else if let Some(digest) = Digest::from_file_name(shown) {
        format!("{WHAT}: if it is a digest, write {digest}")
    } else if shown.starts_with('~') {
        format!("{WHAT}: ~ is not replaced, write the whole path")
    } else {
        format!("{WHAT}{}", places.hint(shown))
    }
}

/// The folder that contains a file, as it can be written in the input.
fn folder_of(file: &Path) -> String {
    let parent = file.parent().unwrap_or(Path::new(""));
    if parent == Path::new("") { ".".to_owned() } else { parent.display().to_string() }
}

fn files(place: &Place, shown: &str) -> Result<Vec<PathBuf>, String> {
    let named = place.path();
    // A folder was looked for before. What else is there is read, or refused as what it is.
    if named.exists() {
        return Ok(vec![named]);
    }
    // Only what the user wrote is a pattern: the folder may have such characters in its name.
    let pattern = Path::new(&Pattern::escape(&place.base.to_string_lossy())).join(&place.below);
    let matches = glob::glob(&pattern.to_string_lossy())
        .map_err(|error| format!("{shown:?} is not a valid pattern: {error}"))?;
    let mut files: Vec<PathBuf> =
        matches.filter_map(Result::ok).filter(|path| !path.is_dir()).collect();
    files.sort();
    Ok(files)
}

/// The digests of the first tag's image in one metadata file.
fn read_metadata(file: &Path, target: Option<&Repository>) -> Result<Vec<Digest>, String> {
    metadata(&file::text(file, LARGEST_METADATA)?, target)
}

fn metadata(text: &str, target: Option<&Repository>) -> Result<Vec<Digest>, String> {
    // Whatever it is, it is not quoted: it may be a secret.
    let object: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
        format!("not a metadata file of docker build: no JSON object ({})", json::place(&error))
    })?;
    // In a file of bake, every target has what a build has at the top level.
    let is_build = object
        .keys()
        .any(|key| key.contains('.') && !object.get(key).is_some_and(Value::is_object))
        || object.contains_key("containerimage.digest");
    let builds: Vec<&Map<String, Value>> = if is_build {
        vec![&object]
    } else {
        object
            .values()
            .filter_map(Value::as_object)
            .filter(|build| build.contains_key("containerimage.digest"))
            .collect()
    };
    let (ours, others): (Vec<_>, Vec<_>) =
        builds.into_iter().partition(|build| names_target(build, target));
    if let (true, Some(other)) = (ours.is_empty(), others.first()) {
        let names = other.get("image.name").and_then(Value::as_str).unwrap_or_default();
        return Err(format!(
            "belongs to another image ({}), not to {}",
            shown(names),
            target.map(ToString::to_string).unwrap_or_default()
        ));
    }
    let digests: Vec<Digest> = ours
        .into_iter()
        .map(|build| {
            let text =
                build.get("containerimage.digest").and_then(Value::as_str).unwrap_or_default();
            text.parse().map_err(|error| {
                let text = shown(text);
                format!("containerimage.digest \"{text}\": {error} (was the image pushed?)")
            })
        })
        .collect::<Result<_, _>>()?;
    if digests.is_empty() {
        Err("contains no containerimage.digest".to_owned())
    } else {
        Ok(digests)
    }
}

/// Whether a build pushed to the target's repository, or does not say where it pushed.
fn names_target(build: &Map<String, Value>, target: Option<&Repository>) -> bool {
    let (Some(names), Some(target)) = (build.get("image.name").and_then(Value::as_str), target)
    else {
        return true;
    };
    let mut names = names.split(',').map(str::trim).filter(|name| !name.is_empty()).peekable();
    names.peek().is_none()
        || names.any(|name| {
            name.parse::<Reference>().is_ok_and(|reference| reference.repository == *target)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::Context;
    use crate::inputs::table::RawInputs;
    use crate::random::{chosen, spoilt};
    use crate::secret::Secrets;
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
            let told = metadata(&text.replace("LONG", &"x".repeat(4000)), Some(&target));
            assert!(told.as_ref().is_err_and(|told| told.contains(why)), "{told:?}");
        }
        let mut random = fastrand::Rng::with_seed(1);
        let (mut accepted, mut taken) = (0, 0);
        for _ in 0..2_000 {
            let document = chosen(&mut random, &documents);
            let text = spoilt(&mut random, document, 20);
            match metadata(&String::from_utf8_lossy(&text), Some(&target)) {
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
                from_json(&String::from_utf8_lossy(&value), true, &mut Findings::default()).len();
        }
        assert!(accepted > 300 && taken > 300, "{accepted} {taken}");
    }
}
