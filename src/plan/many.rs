//! The plans of a run: of one index, or of all indexes in the file that `spec` names.

use super::{Plan, PlatformTags, Source, one, platform_tags, platforms, settings, targets};
use crate::error::words::{input, setting};
use crate::inputs::table::{RawInputs, names};
use crate::inputs::{Asked, Context, Findings, Problem, drone, spec, spec_text, values};
use crate::jobs::{self, System};
use crate::oci::{Reference, Repository};
use crate::registry::{Settings, Writable};
use std::collections::{BTreeSet, HashMap};

/// What to do, and how registries and jobs are reached.
#[derive(Debug)]
pub struct Planned {
    /// The indexes to publish, at least one.
    pub plans: Vec<Plan>,
    /// Whether no tag of any moves before all are complete.
    pub together: bool,
    /// The CI system whose jobs are watched, if any are.
    pub jobs: Option<Box<dyn System>>,
    /// How registries are reached, for all of them.
    pub settings: Settings,
}

/// Makes all plans from inputs, and gives them with the warnings, or all problems. `found`: what
/// was found before.
pub fn all(
    inputs: &RawInputs,
    context: &Context<'_>,
    asked: Asked,
    found: Findings,
) -> Result<(Planned, Vec<String>), Vec<Problem>> {
    let mut findings = Findings::default();
    let mut planned = planned(inputs, context, &mut findings);
    for plan in &mut planned.plans {
        // What was copied may have been signed since.
        plan.seek_referrers = asked.is_copy;
        files_to_write(plan, asked.is_copy, &mut findings);
    }
    let mut all = found;
    all.extend(findings);
    all.settle(planned)
}

/// Refuses files to write where they cannot be meant, or that are in each other's way.
fn files_to_write(plan: &Plan, is_copy: bool, findings: &mut Findings) {
    let files = plan.targets.iter().map(|target| &target.repository);
    let files: Vec<&Repository> = files.filter(|file| file.file().is_some()).collect();
    for (at, file) in files.iter().enumerate() {
        let why = if !is_copy {
            "only the command copy writes files: manifest-action copy SOURCE LIST"
        } else if files[..at].contains(file) {
            "is given twice: a file gets one image in a run"
        } else if plan.sources.iter().any(|source| source.reference.repository == **file) {
            "is the source itself"
        } else {
            continue;
        };
        findings.problem(names::tags, format!("{file}: {why}"));
    }
}

fn planned(inputs: &RawInputs, context: &Context<'_>, findings: &mut Findings) -> Planned {
    let plans = match inputs.spec().text {
        None => vec![one(inputs, context, findings)],
        Some(path) => of_file(path, inputs, context, findings, one),
    };
    let writable = writable(&plans);
    let host = host_of_login(inputs, &plans, findings);
    let mut settings = settings(inputs, context, host, writable, findings);
    if drone::is_insecure(context.environment) {
        settings.plain_http.extend(hosts(&plans).into_iter().map(str::to_owned));
    }
    let watches = plans.iter().any(|plan| !plan.watch_jobs.is_empty());
    let jobs = watches
        .then(|| findings.take(names::watch_jobs, None, jobs::find(context, inputs.token().text)))
        .flatten();
    let together = inputs.together().read(values::switch, findings);
    Planned { plans, together, jobs, settings }
}

/// What to check of what was published: these references, each on its own, or all indexes of the file
/// that `spec` names, whose sources do not matter any more; and how registries are reached.
pub fn to_check(
    references: &[Reference],
    inputs: &RawInputs,
    context: &Context<'_>,
    findings: &mut Findings,
) -> (Settings, Vec<Plan>) {
    let plans = match inputs.spec().text {
        None => {
            let platforms = platforms::read(inputs.platforms(), findings);
            let none = PlatformTags::default();
            let plan =
                |tag: &Reference| Plan::to_check(vec![tag.clone()], &platforms, none.clone());
            references.iter().map(plan).collect()
        }
        Some(path) => of_file(path, inputs, context, findings, |inputs, context, findings| {
            let targets = targets::read(inputs, context.environment, findings);
            let platforms = platforms::read(inputs.platforms(), findings);
            let own = inputs.platform_tags();
            let own = platform_tags::read(own, &targets, &platforms, findings);
            // Which platforms such a run added nobody knows later.
            let is_added = inputs.append().read(values::switch, findings) && platforms.is_empty();
            let own = if is_added { PlatformTags::default() } else { own };
            let plan = Plan::to_check(targets.tags, &platforms, own);
            files_to_write(&plan, false, findings);
            plan
        }),
    };
    let host = host_of_login(inputs, &plans, findings);
    (settings(inputs, context, host, Writable::new(), findings), plans)
}

/// The registry of a login that names none: the first tag's. Beside a file, whose first line would
/// then say who gets the password, it must be the only one.
fn host_of_login<'p>(
    inputs: &RawInputs,
    plans: &'p [Plan],
    findings: &mut Findings,
) -> Option<&'p str> {
    let Some(file) = inputs.spec().text.map(spec_text::called) else {
        // Where all targets are files, the source's.
        let targets = plans.iter().flat_map(|plan| &plan.targets);
        let sources = plans.iter().flat_map(|plan| &plan.sources).map(|source| &source.reference);
        let is_written = targets.clone().next().is_some();
        let mut all = targets.chain(sources.filter(|_| is_written));
        let first = all.find(|reference| reference.repository.file().is_none());
        return first.map(|reference| reference.repository.host());
    };
    let hosts = hosts(plans);
    let is_login = inputs.password().text.is_some() && inputs.registry().text.is_none();
    match hosts.iter().collect::<Vec<_>>().as_slice() {
        [only] => {
            if is_login {
                findings.warn(format!(
                    "username and password go to {only}, the only registry in {file}; to be sure, \
                     set {}",
                    setting(names::registry, only)
                ));
            }
            Some(only)
        }
        several => {
            if is_login && !several.is_empty() {
                let hosts = hosts.iter().copied().collect::<Vec<_>>().join(", ");
                findings.problem(
                    inputs.registry().name,
                    format!(
                        "{} is required beside {} and {}: {file} names {hosts}",
                        input(names::registry),
                        input(names::username),
                        input(names::password)
                    ),
                );
            }
            None
        }
    }
}

/// The registries of all targets and sources.
fn hosts(plans: &[Plan]) -> BTreeSet<&str> {
    let targets = plans.iter().flat_map(|plan| &plan.targets);
    let sources = plans.iter().flat_map(|plan| &plan.sources).map(|source| &source.reference);
    let own = plans.iter().flat_map(|plan| plan.platform_tags.hosts());
    let all = targets.chain(sources).filter(|reference| reference.repository.file().is_none());
    all.map(|reference| reference.repository.host()).chain(own).collect()
}

/// The repositories of all targets, each with those of the same registry that its children may come
/// from.
fn writable(plans: &[Plan]) -> Writable {
    let mut writable = Writable::new();
    for plan in plans.iter().filter(|plan| !plan.dry_run) {
        // With `append`, the entries of the first tag go to the others.
        let base = plan.targets.first().filter(|_| plan.append).map(|first| &first.repository);
        let origins = plan.sources.iter().flat_map(Source::repositories).chain(base);
        // What files hold is taken from the first target of a registry for the others.
        let are_files = origins.clone().any(|from| from.file().is_some());
        let siblings = plan.targets.iter().filter(|_| are_files).map(|target| &target.repository);
        let origins = origins.chain(siblings);
        let places = plan.places().filter(|place| place.repository.file().is_none());
        for Reference { repository: target, .. } in places {
            let mounts = writable.entry(target.clone()).or_default();
            mounts.extend(
                origins
                    .clone()
                    .filter(|from| from.host() == target.host() && **from != target)
                    .cloned(),
            );
        }
    }
    writable
}

/// `one`: makes the plan of each.
fn of_file(
    path: &str,
    inputs: &RawInputs,
    context: &Context<'_>,
    findings: &mut Findings,
    one: impl Fn(&RawInputs, &Context<'_>, &mut Findings) -> Plan,
) -> Vec<Plan> {
    // It gives the tags of one index; here each index has its own.
    let mut environment = context.environment.clone();
    for variable in targets::METADATA {
        environment.remove(variable);
    }
    let entries = spec::read(path, context, inputs, findings);
    let mut heard: Vec<(String, Vec<String>)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut plans = Vec::new();
    let context = &Context { environment: &environment, ..*context };
    for entry in &entries {
        let mut found = Findings::default();
        let plan = one(entry.inputs(), context, &mut found);
        plans.push(Plan { name: entry.given_name(), ..plan });
        let warned = std::mem::take(&mut found.warnings);
        entry.keep(found, findings);
        for warning in warned {
            let at = *places.entry(warning).or_insert_with_key(|warning| {
                heard.push((warning.clone(), Vec::new()));
                heard.len() - 1
            });
            heard[at].1.push(entry.name());
        }
    }
    // One line for what many indexes have in common.
    findings.warnings.extend(heard.into_iter().map(|(warning, names)| match names.as_slice() {
        [first, _] => format!("{first} and 1 other index: {warning}"),
        [first, _, ..] => format!("{first} and {} other indexes: {warning}", names.len() - 1),
        _ => format!("{}: {warning}", names.concat()),
    }));
    each_tag_once(&entries, &plans, findings);
    plans
}

/// Indexes are composed at the same time: the result would be random if two publish one tag, or if
/// one reads what another publishes.
fn each_tag_once(entries: &[spec::Entry], plans: &[Plan], findings: &mut Findings) {
    let mut publishers: HashMap<Reference, usize> = HashMap::new();
    let mut templates: HashMap<&str, usize> = HashMap::new();
    for (at, (entry, plan)) in entries.iter().zip(plans).enumerate() {
        let tags = plan.targets.iter().cloned().map(|tag| (names::tags, tag));
        let own = plan.platform_tags.known(&plan.platforms).into_iter();
        for (input, target) in tags.chain(own.map(|tag| (names::platform_tags, tag))) {
            let text = |first: usize| format!("{target} is also published by index {}", first + 1);
            let first = *publishers.entry(target.clone()).or_insert(at);
            if first != at {
                findings.problems.push(entry.problem_of(input, text(first)));
            }
        }
        for template in plan.platform_tags.texts().filter(|_| plan.platforms.is_empty()) {
            let first = *templates.entry(template).or_insert(at);
            if first != at {
                let text = format!(
                    "{template} is also published by index {}: set {} of both",
                    first + 1,
                    input(names::platforms)
                );
                findings.problems.push(entry.problem_of(names::platform_tags, text));
            }
        }
    }
    for (at, (entry, plan)) in entries.iter().zip(plans).enumerate() {
        for source in &plan.sources {
            if let Some(other) = publishers.get(&source.reference).filter(|other| **other != at) {
                let text = format!(
                    "{} is published by index {}, and indexes are composed at the same time: use its sources, or two runs",
                    source.reference,
                    other + 1
                );
                findings.problems.push(entry.problem_of(names::sources, text));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::Environment;
    use crate::secret::Secrets;
    use std::fs;
    use tempfile::TempDir;

    fn run(file: &str, beside: RawInputs) -> Result<(Planned, Vec<String>), Vec<String>> {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("x.yaml"), file).unwrap();
        // It is for one index only, so it must not reach those of a file.
        let tags = ("DOCKER_METADATA_OUTPUT_TAGS".to_owned(), "r.example/metadata:1".to_owned());
        let (environment, secrets) = (&Environment::from([tags]), &Secrets::default());
        let context = Context { environment, folder: folder.path(), secrets };
        let inputs = RawInputs { spec: Some("x.yaml".to_owned()), ..beside };
        all(&inputs, &context, Asked::INPUTS, Findings::default())
            .map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    fn problems(file: &str) -> Vec<String> {
        run(file, RawInputs::default()).map(|_| ()).unwrap_err()
    }

    /// The work grows as the file does: a square of it would take minutes.
    #[test]
    fn the_largest_file_is_planned_in_time() {
        let room = (1 << 20) - 200;
        let many = |each: &dyn Fn(usize) -> String| {
            let (mut text, mut at) = (String::new(), 0);
            while text.len() < room {
                text += &each(at);
                at += 1;
            }
            text
        };
        let list = |key: &str, each: &dyn Fn(usize) -> String| {
            let other = if key == "tags" { "sources" } else { "tags" };
            format!("indexes:\n- {other}: r.example/b:x\n  {key}:\n{}", many(each))
        };
        for (case, file) in [
            ("tags", list("tags", &|at| format!("  - r.io/a:{at}\n"))),
            ("one tag", list("tags", &|_| "  - r.io/a:1\n".to_owned())),
            ("short tags", list("tags", &|at| format!("  - a:{at}\n"))),
            ("sources", list("sources", &|at| format!("  - r.io/a:{at}\n"))),
            ("wrong sources", list("sources", &|at| format!("  - A:{at}\n"))),
            ("annotations", list("annotations", &|at| format!("    k{at}: v\n"))),
            ("platforms", list("platforms", &|at| format!("  - a/b{at}\n"))),
            ("keys", list("wait: 1s\n  xx", &|at| format!("    k{at}: v\n"))),
            ("unknown", format!("indexes:\n- a: b\n{}", many(&|at| format!("  k{at}: v\n")))),
            ("empty", format!("indexes:\n{}", many(&|_| "- a: b\n".to_owned()))),
        ] {
            let started = std::time::Instant::now();
            let _ = run(&file, RawInputs::default());
            let took = started.elapsed();
            println!("{case}: {took:?}");
            assert!(took.as_secs() < 20, "{case}: {took:?}");
        }
    }

    #[test]
    fn each_index_has_its_own_inputs_and_the_defaults() {
        let file = "indexes:\n  - {tags: r.example/a:1, sources: r.example/a:x}\n  - {tags: 'r.example/b:1,s.example/b:1', sources: r.example/c:x, wait: 1m}\n";
        let beside = RawInputs { wait: Some("2m".to_owned()), ..RawInputs::default() };
        let (planned, _) = run(file, beside).unwrap();
        let seconds: Vec<u64> = planned.plans.iter().map(|plan| plan.wait.as_secs()).collect();
        assert_eq!(seconds, [120, 60]);
        let mut writable: Vec<String> = planned
            .settings
            .writable
            .iter()
            .map(|(target, from)| {
                let from: Vec<String> = from.iter().map(ToString::to_string).collect();
                format!("{target} from [{}]", from.join(" "))
            })
            .collect();
        writable.sort();
        assert_eq!(
            writable,
            ["r.example/a from []", "r.example/b from [r.example/c]", "s.example/b from []"]
        );
        assert!(planned.jobs.is_none());
    }

    #[test]
    fn what_is_in_one_target_may_be_brought_to_the_other() {
        let digest = format!("sha256:{}", "1".repeat(64));
        let file = format!(
            "indexes:\n  - {{tags: 'r.example/a:1,r.example/b:1,s.example/b:1', digests: '{digest}'}}\n"
        );
        let (planned, _) = run(&file, RawInputs::default()).unwrap();
        let of = |name: &str| {
            let mounts = &planned.settings.writable[&name.parse().unwrap()];
            mounts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        let all = ["r.example/a", "r.example/b", "s.example/b"].map(of);
        assert_eq!(all, ["r.example/b", "r.example/a", ""]);
    }

    #[test]
    fn tags_are_of_one_index() {
        let file = "indexes:\n  - tags: r.example/a:1\n    sources: r.example/a:x\n  - tags: r.example/a:1\n    sources: r.example/a:y\n";
        assert_eq!(
            problems(file),
            [
                "x.yaml, line 4, column 11: index 2 (r.example/a:1): tags: r.example/a:1 is also published by index 1"
            ]
        );
        let file = "indexes:\n  - tags: r.example/a:1\n    sources: r.example/b:1\n  - tags: r.example/b:1\n    sources: r.example/a:y\n";
        assert_eq!(
            problems(file),
            [
                "x.yaml, line 3, column 14: index 1 (r.example/a:1): sources: r.example/b:1 is published by index 2, and indexes are composed at the same time: use its sources, or two runs"
            ]
        );
        let file = "indexes:\n  - {sources: r.example/b:1}\n";
        assert!(problems(file)[0].contains("tags is required"), "{:?}", problems(file));
    }

    #[test]
    fn a_login_beside_a_file_is_for_its_only_registry() {
        let login = |registry: Option<&str>| RawInputs {
            username: Some("u".to_owned()),
            password: Some("canary-password".to_owned()),
            registry: registry.map(str::to_owned),
            ..RawInputs::default()
        };
        let file = |target: &str, source: &str| {
            format!("indexes:\n  - {{tags: {target}/a:1, sources: {source}/a:x}}\n")
        };
        let (planned, warnings) = run(&file("r.example", "r.example"), login(None)).unwrap();
        let hosts = |planned: &Planned| {
            let stated = planned.settings.logins.stated.iter();
            stated.map(|(host, _)| host.clone()).collect::<Vec<_>>()
        };
        assert_eq!(hosts(&planned), ["r.example"]);
        assert!(
            warnings[0].contains("go to r.example, the only registry in x.yaml"),
            "{warnings:?}"
        );
        assert_eq!(
            run(&file("evil.example", "r.example"), login(None)).unwrap_err(),
            [
                "registry is required beside username and password: x.yaml names evil.example, r.example"
            ]
        );
        let (planned, warnings) =
            run(&file("evil.example", "r.example"), login(Some("r.example"))).unwrap();
        assert_eq!((hosts(&planned), warnings), (vec!["r.example".to_owned()], vec![]));
        let (_, warnings) = run(&file("a.example", "b.example"), RawInputs::default()).unwrap();
        assert_eq!(warnings, [""; 0]);
    }

    #[test]
    fn a_warning_of_several_indexes_is_one() {
        let file = "indexes:\n  - {tags: r.example/a:1, sources: r.example/a:x}\n  - {tags: r.example/b:1, sources: r.example/b:x}\n  - {tags: r.example/c:1, sources: r.example/c:x, platforms: linux/amd46}\n";
        let beside = RawInputs { platforms: Some("haiku/x".to_owned()), ..RawInputs::default() };
        let (_, warnings) = run(file, beside).unwrap();
        assert_eq!(
            warnings,
            [
                "r.example/a:1 and 1 other index: unknown platform haiku/x; it is used as given",
                "r.example/c:1: unknown platform linux/amd46; did you mean linux/amd64? It is used as given"
            ]
        );
    }
}
