//! The table of inputs. Tests compare names, flags, `--help`, action.yml and docs/inputs.md with
//! it.

use super::Findings;
use super::slips;
use super::values::{self, Item, Pair};
use serde::Deserialize;

/// One input.
#[derive(Debug, Clone, Copy)]
pub struct Input {
    /// Its name, in the form of action.yml.
    pub name: &'static str,
    /// What applies when it is not set, as people read it; empty for nothing.
    pub default: &'static str,
    /// What it is, one line.
    pub help: &'static str,
    /// What kind of value it takes.
    pub kind: Kind,
    /// Where it can be set when `spec` names a file of indexes.
    pub scope: Scope,
}

/// What an input applies to: an index of the file that `spec` names, or the whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The run: an index cannot have its own.
    Run,
    /// One index: there is no default for all.
    List,
    /// An index, or all indexes that do not set it.
    Any,
}

/// Kinds of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One value.
    Text,
    /// Yes or no; a flag without a value on the command line.
    Switch,
    /// Lines, commas or a JSON array.
    List,
    /// Yes, no, or a list; on the command line the value is behind `=` only.
    SwitchOrList,
    /// Lines or JSON, because values may contain commas.
    Lines,
    /// One value that is never shown.
    Secret,
    /// Lines or JSON that are never shown.
    SecretLines,
}

impl Input {
    /// The words that its value must be one of, for completions; none if any text will do.
    pub fn words(&self) -> &'static [&'static str] {
        match (self.kind, self.name) {
            (Kind::Switch | Kind::SwitchOrList, _) => &["true", "false"],
            (_, names::missing) => &["fail", "skip"],
            (_, names::format) => &["auto", "oci", "docker"],
            (_, names::attestations) => &["keep", "drop", "discover"],
            (_, names::referrers) => &["copy", "leave"],
            (_, names::log_level) => &["error", "warn", "info", "debug", "trace"],
            _ => &[],
        }
    }
}

macro_rules! inputs {
    ($($field:ident $name:literal $kind:ident $scope:ident $default:literal $help:literal;)*) => {
        /// All inputs, in the order in which they are shown.
        pub const INPUTS: &[Input] = &[$(Input { name: $name, default: $default, help: $help, kind: Kind::$kind, scope: Scope::$scope }),*];

        /// The name of every input, so that one that is misspelt does not compile.
        #[allow(non_upper_case_globals)]
        pub(crate) mod names {
            $(pub(crate) const $field: &str = $name;)*
        }

        /// The cleaned value of every input: trimmed, `None` where it is not set. Filled by envy.
        #[derive(Debug, Clone, Default, Deserialize)]
        pub struct RawInputs {
            $(#[serde(rename = $name)] pub(crate) $field: Option<String>,)*
        }

        impl RawInputs {
            $(pub(crate) fn $field(&self) -> Given<'_> {
                Given {
                    name: names::$field,
                    text: self.$field.as_deref(),
                    default: $default,
                    kind: Kind::$kind,
                }
            })*

            /// The value of an input by its name.
            pub fn get(&self, name: &str) -> Option<&str> {
                match name {
                    $($name => self.$field.as_deref(),)*
                    _ => None,
                }
            }
        }
    };
}

inputs! {
    images "images" List Any "" "repositories that every bare tag of tags goes to, such as ghcr.io/acme/app";
    tags "tags" List List "DOCKER_METADATA_OUTPUT_TAGS" "references to publish, such as ghcr.io/acme/app:1.4.0; with images also bare tags, such as 1.4.0";
    platform_tags "platform-tags" List List "" "a tag for each platform, such as 1.4.0-{arch}, under which its image is published as it is; may contain {os} {arch} {variant} {platform}";
    sources "sources" List List "" "images to combine: REF, REF@DIGEST or PLATFORM=REF; {os} {arch} {variant} {platform} are replaced for each platform; REF may be a file: oci:FOLDER, oci-archive:FILE, docker-archive:FILE";
    digests "digests" List List "" "images to combine, by digest: lines, JSON such as job outputs, a folder of digest files, or build metadata files";
    platforms "platforms" List Any "those of the sources" "the exact platforms the index must have";
    missing "missing" Text Any "fail" "fail, or skip images that have not arrived when the wait ends";
    annotations "annotations" Lines Any "" "KEY=VALUE for the index; prefix manifest-descriptor[PLATFORM]: for one entry";
    format "format" Text Any "auto" "format of the index: auto, oci or docker";
    attestations "attestations" Text Any "keep" "keep or drop provenance and SBOM entries; discover also takes those that refer to plain images (referrers)";
    append "append" Switch Any "false" "add to the index the first tag points to";
    overwrite "overwrite" SwitchOrList Any "true" "which tags may move away from another digest: true, false, or patterns such as latest, *-rc";
    prefer_index "prefer-index" Switch Any "true" "false: publish a single image as it is, under its own digest, instead of an index of it";
    referrers "referrers" Text Any "copy" "copy or leave signatures, SBOMs and other referrers when images go to another repository";
    wait "wait" Text Any "10m" "how long to wait for all images; 0 checks once; the default is 1m if all are given by digest, 0 if all are files";
    wait_interval "wait-interval" Text Any "10s" "longest pause between two checks of an image";
    expect_labels "expect-labels" Lines Any "" "KEY=VALUE labels every image must have; an image with another value counts as not arrived";
    watch_jobs "watch-jobs" Lines Any "" "names of the build jobs (* and ? allowed); when one fails, the run ends";
    token "token" Secret Run "github.token, CI_JOB_TOKEN" "CI token, for watch-jobs and ghcr.io";
    registry "registry" Text Run "the first tag's registry" "registry that username and password are for";
    username "username" Text Run "" "user name";
    password "password" Secret Run "" "password or token";
    credentials "credentials" SecretLines Run "" "more logins, REGISTRY=USERNAME:PASSWORD one per line, or JSON";
    docker_config "docker-config" Secret Run "~/.docker/config.json and others" "Docker or containers auth file: folder, path or JSON";
    insecure_registries "insecure-registries" List Run "" "registries (HOST[:PORT]) to contact over plain HTTP";
    ca_file "ca-file" Text Run "" "PEM file of additional CA certificates";
    dry_run "dry-run" Switch Any "false" "do everything except write";
    spec "spec" Text Run "" "YAML that describes several indexes: a file, or the text itself";
    together "together" Switch Run "true" "with spec: move no tag before all indexes are complete; false: each index for itself";
    dotenv_file "dotenv-file" Text Run "manifest.env on GitLab" "also write outputs to this dotenv file";
    results_dir "results-dir" Text Run "" "also write one file per output to this folder";
    json_file "json-file" Text Run "" "write a JSON report, also on failure";
    concurrency "concurrency" Text Run "32" "maximum number of simultaneous requests; fewer where a registry is slow or says so";
    log_level "log-level" Text Run "info" "error, warn, info, debug or trace";
}

/// An input as it was given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Given<'a> {
    /// Its name, for problems.
    pub(crate) name: &'static str,
    /// Its cleaned value, if it is set.
    pub(crate) text: Option<&'a str>,
    /// What applies when it is not.
    pub(crate) default: &'static str,
    kind: Kind,
}

impl<'a> Given<'a> {
    /// The input, or this text in its place where it is not set.
    pub(crate) fn or(self, text: Option<&'a str>) -> Self {
        Self { text: self.text.or(text), ..self }
    }

    /// The items of a list, none when it is not set or cannot be read. Commas separate where the
    /// input's kind says so.
    pub(crate) fn items(self, findings: &mut Findings) -> Vec<Item> {
        self.read_items(findings).unwrap_or_default()
    }

    /// The same, where a list without any item is a problem; `what` it should contain.
    pub(crate) fn some_items(self, what: &str, findings: &mut Findings) -> Vec<Item> {
        let items = self.read_items(findings);
        if items.as_ref().is_some_and(Vec::is_empty) {
            findings.problem(self.name, format!("contains no {what}"));
        }
        items.unwrap_or_default()
    }

    fn read_items(self, findings: &mut Findings) -> Option<Vec<Item>> {
        let commas = matches!(self.kind, Kind::List | Kind::SwitchOrList);
        let text = self.text?;
        findings.take(self.name, None, values::items(text, commas).map_err(self.to_write(text)))
    }

    /// The lines of `KEY=VALUE` pairs, none when it is not set or cannot be read.
    pub(crate) fn pairs(self, findings: &mut Findings) -> Vec<Pair> {
        let pairs = self.text.map(|text| values::pairs(text).map_err(self.to_write(text)));
        pairs.and_then(|pairs| findings.take(self.name, None, pairs)).unwrap_or_default()
    }

    /// Why the text is no list, with what to write where that may be shown.
    fn to_write(self, text: &str) -> impl Fn(String) -> String {
        let is_secret = matches!(self.kind, Kind::Secret | Kind::SecretLines);
        let write = (!is_secret).then(|| slips::array_for(text)).flatten();
        move |why| write.clone().unwrap_or(why)
    }

    /// Warns of each line that may be meant as several items. `what`: what an item is; `parts`:
    /// whether the texts before and after a comma are two of them.
    pub(crate) fn warn_of_crowded(
        self,
        what: &str,
        parts: fn(&str, &str) -> bool,
        findings: &mut Findings,
    ) {
        let text = self.text.unwrap_or_default();
        findings.warnings.extend(values::crowded(self.name, text, what, parts));
    }

    /// Its value, or the default. After a problem it does not matter: nothing is
    /// done.
    pub(crate) fn read<T: Default>(
        self,
        parse: impl Fn(&str) -> Result<T, String>,
        findings: &mut Findings,
    ) -> T {
        let text = self.text.unwrap_or(self.default);
        findings.take(self.name, None, parse(text)).unwrap_or_default()
    }

    /// The value that its word stands for, in any case.
    pub(crate) fn one_of<T: Copy + Default>(
        self,
        words: &[(&str, T)],
        findings: &mut Findings,
    ) -> T {
        let parse = |text: &str| {
            let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
            found.map(|(_, value)| *value).ok_or_else(|| {
                let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                let (last, others) = words.split_last().unwrap_or((&"", &[]));
                format!("must be {} or {last}, not {text:?}", others.join(", "))
            })
        };
        self.read(parse, findings)
    }
}

/// What applies when an input is not set.
pub fn default_of(name: &str) -> &'static str {
    find(name).map_or("", |input| input.default)
}

/// The input with this name.
pub fn find(name: &str) -> Option<&'static Input> {
    INPUTS.iter().find(|input| input.name == name)
}

/// That there is no such input, and which one may be meant.
pub fn unknown(name: &str) -> String {
    let known = nearest(name, INPUTS.iter().map(|input| input.name));
    let hint = known.map(|known| format!("; did you mean {known}?")).unwrap_or_default();
    format!("there is no input {name:?}{hint}")
}

/// The name that is so like it that a slip of the keyboard explains the rest.
pub(super) fn nearest(
    name: &str,
    known: impl Iterator<Item = &'static str>,
) -> Option<&'static str> {
    let (distance, known) =
        known.map(|known| (strsim::damerau_levenshtein(name, known), known)).min()?;
    (distance <= 3.min(known.len().div_ceil(2))).then_some(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(findings: &Findings) -> Vec<String> {
        findings.problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn accessors_give_names_defaults_and_kinds() {
        let inputs = RawInputs { wait_interval: Some("5s".to_owned()), ..RawInputs::default() };
        let input = inputs.wait_interval();
        assert_eq!((input.name, input.text, input.default), ("wait-interval", Some("5s"), "10s"));
        assert_eq!(inputs.get(names::wait_interval), Some("5s"));
        assert_eq!(
            (inputs.wait().text, inputs.get("wait"), inputs.get("wiat")),
            (None, None, None)
        );
        assert_eq!(inputs.wait().or(Some("1m")).text, Some("1m"));
        assert_eq!(input.or(Some("1m")).text, Some("5s"));
    }

    #[test]
    fn values_defaults_and_words() {
        for (text, expected, problem) in [
            (None, true, None),
            (Some("OCI"), false, None),
            (Some("auto"), true, None),
            (Some("dockr"), false, Some("format: must be auto, oci or docker, not \"dockr\"")),
        ] {
            let mut findings = Findings::default();
            let inputs = RawInputs { format: text.map(str::to_owned), ..RawInputs::default() };
            let words = [("auto", true), ("oci", false), ("docker", false)];
            assert_eq!(inputs.format().one_of(&words, &mut findings), expected, "{text:?}");
            assert_eq!(shown(&findings), Vec::from_iter(problem), "{text:?}");
        }
        let mut findings = Findings::default();
        assert!(!RawInputs::default().append().read(values::switch, &mut findings));
        assert_eq!(shown(&findings), Vec::<String>::new());
    }

    #[test]
    fn commas_part_the_items_of_some_inputs() {
        let text = Some("a,b\nc".to_owned());
        let inputs =
            RawInputs { platforms: text.clone(), watch_jobs: text, ..RawInputs::default() };
        let mut findings = Findings::default();
        let count = |items: Vec<Item>| items.len();
        assert_eq!(count(inputs.platforms().items(&mut findings)), 3);
        assert_eq!(count(inputs.watch_jobs().items(&mut findings)), 2);
        assert_eq!(count(inputs.tags().some_items("reference", &mut findings)), 0);
        assert_eq!(shown(&findings), Vec::<String>::new());
    }

    #[test]
    fn a_list_without_items_has_one_problem() {
        for (text, expected) in [
            ("# none", "tags: contains no reference"),
            ("[]", "tags: contains no reference"),
            ("[1]", "tags: item 1 of the JSON array must be a non-empty string"),
        ] {
            let inputs = RawInputs { tags: Some(text.to_owned()), ..RawInputs::default() };
            let mut findings = Findings::default();
            assert_eq!(inputs.tags().some_items("reference", &mut findings), []);
            assert_eq!(shown(&findings), [expected]);
        }
    }

    #[test]
    fn a_slip_of_the_keyboard_gets_a_hint() {
        for (name, expected) in [
            ("tag", "there is no input \"tag\"; did you mean tags?"),
            ("watchjobs", "there is no input \"watchjobs\"; did you mean watch-jobs?"),
            ("wiat", "there is no input \"wiat\"; did you mean wait?"),
            ("zzzzzzzz", "there is no input \"zzzzzzzz\""),
            ("x", "there is no input \"x\""),
        ] {
            assert_eq!(unknown(name), expected);
        }
    }
}
