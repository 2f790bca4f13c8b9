//! Every source that reads others' bytes has a test that feeds it documents put together at random.
//! The list is of sources: whether a test reaches each function in one is for its reader to see.

use crate::support::named::{exists, read, root};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What a source that reads text or documents calls.
const MARKS: [&str; 11] = [
    "from_slice(",
    "from_slice::<",
    "from_str(",
    "from_str::<",
    "from_value(",
    "Deserialize)]",
    "Deserialize, ",
    "Parser::new_from_str",
    "pem_slice_iter",
    "parse_rfc3339(",
    ".split_once(",
];

const TESTED: [(&str, &str); 52] = [
    ("entries/diff", "entries::diff::survives_any_lists"),
    ("inputs/build", "inputs::build::settings_without_logins"),
    ("inputs/drone", "inputs::drone::survives_any_setting"),
    ("inputs/env", "inputs::env::survives_any_value"),
    ("inputs/filling/bounds", "inputs::filling::survives_any_template"),
    ("inputs/filling/mod", "inputs::filling::survives_any_template"),
    ("inputs/manifest_tool", "inputs::manifest_tool::survives_any_tree"),
    ("inputs/slips", "inputs::values::survives_any_mixture"),
    ("inputs/spec", "inputs::spec::survives_any_tree"),
    ("inputs/values", "inputs::values::survives_any_mixture"),
    ("inputs/yaml", "inputs::yaml::survives_any_mixture"),
    ("inspect/text", "text::survives_any_time"),
    ("jobs/github", "jobs::github::survives_any_page"),
    ("jobs/gitlab", "jobs::gitlab::any_page_and_the_own_job"),
    ("jobs/limits", "jobs::limits::survives_any_pause"),
    ("jobs/mod", "jobs::github::survives_any_page"),
    ("jobs/verdict", "jobs::verdict::survives_any_jobs"),
    ("oci/descriptor", "oci::manifest::survives_any_document"),
    ("oci/digest", "oci::digest::survives_any_mixture"),
    ("oci/image_config", "oci::image_config::survives_any_document"),
    ("oci/index", "oci::manifest::survives_any_document"),
    ("oci/json", "oci::manifest::survives_any_document"),
    ("oci/manifest", "oci::manifest::survives_any_document"),
    ("oci/named", "pipeline::resolve::near::survives_any_tags"),
    ("oci/platform", "oci::platform::survives_any_mixture"),
    ("oci/reference", "oci::reference::survives_any_mixture"),
    ("oci/referrer", "oci::referrer::survives_any_referrer"),
    ("oci/slip", "oci::slip::survives_any_mixture"),
    ("pattern", "pattern::survives_any_name"),
    ("plan/annotations", "plan::annotations::survives_any_mixture"),
    ("plan/digests/json", "plan::digests::survives_any_metadata_and_any_output"),
    ("plan/digests/lines", "plan::digests::survives_any_metadata_and_any_output"),
    ("plan/digests/metadata", "plan::digests::survives_any_metadata_and_any_output"),
    ("plan/logins", "plan::logins::survives_any_credentials"),
    ("plan/sources", "plan::sources::survives_any_mixture"),
    ("layout/docker", "layout::survives_any_archive"),
    ("oci/in_file", "oci::in_file::survives_any_mixture"),
    ("plan/template", "plan::template::survives_any_mixture"),
    ("registry/blobs/stream", "registry::blobs::stream::parts_that_registries_tell_of"),
    (
        "registry/blobs/upload",
        "registry::blobs::upload::ranges_and_locations_that_registries_tell_of",
    ),
    ("registry/http/certificates", "registry::http::certificates::survives_any_file"),
    ("registry/http/exchange", "registry::http::exchange::survives_any_answer"),
    ("registry/http/link", "registry::http::link::no_link_panics"),
    ("registry/http/proxies", "registry::http::proxies::no_list_panics"),
    ("registry/login/challenge", "registry::login::challenge::survives_any_mixture"),
    ("registry/login/credentials", "registry::login::credentials::survives_any_document"),
    ("registry/login/helper", "registry::login::helper::survives_any_answer"),
    ("registry/login/token", "registry::login::token::no_answer_panics"),
    ("registry/said", "registry::said::survives_any_document"),
    ("registry/tags", "registry::tags::survives_any_page"),
    ("secret/address", "secret::address::survives_any_mixture"),
    ("secret/spelling", "secret::survives_any_mixture"),
];

/// What reads no others' bytes, or only those that a source above has accepted, and why that is so.
const NOT_OTHERS: [(&str, &str); 14] = [
    ("cli/manual", "the manual page that clap made"),
    ("cli/mod", "the command line"),
    ("inputs/table", "inputs that `inputs/env` has read"),
    ("inputs/words", "our own words"),
    ("inspect/comparison", "manifests that `oci/manifest` has accepted, or nothing"),
    ("inspect/mod", "manifests that `oci/manifest` has accepted, or nothing"),
    ("pipeline/check/platforms", "names that `plan/sources` has read"),
    ("registry/http/broken", "words of the TLS library"),
    ("report/json", "the index that this run has made"),
    ("report/outputs", "the index that this run has made"),
    ("report/summary/failure", "lines of our own errors"),
    ("system_words", "words of the operating system"),
    ("text/documented", "documents of ours, in tests"),
    ("text/style", "lines of our own"),
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

#[test]
fn every_source_that_reads_others_bytes_has_its_test() {
    let listed = TESTED.iter().chain(&NOT_OTHERS).map(|(source, _)| *source);
    let listed: BTreeSet<&str> = listed.collect();
    assert_eq!(listed.len(), TESTED.len() + NOT_OTHERS.len(), "a source is listed twice");
    let folder = root().join("src");
    let mut missing = Vec::new();
    for path in sources(&folder) {
        let name = path.strip_prefix(&folder).unwrap().with_extension("");
        let text = read(&path);
        let code = text.split("#[cfg(test)]").next().unwrap();
        let marked = MARKS.iter().find(|mark| code.contains(**mark));
        if let Some(mark) = marked.filter(|_| !listed.contains(name.to_str().unwrap())) {
            missing.push(format!("{} ({mark})", name.display()));
        }
    }
    assert_eq!(missing, Vec::<String>::new(), "put them into one of the two lists");
}

#[test]
fn every_test_of_the_list_exists() {
    for (source, test) in TESTED {
        assert!(root().join(format!("src/{source}.rs")).is_file(), "{source} is gone");
        assert!(exists(test), "{test} is gone");
    }
    for (source, _) in NOT_OTHERS {
        assert!(root().join(format!("src/{source}.rs")).is_file(), "{source} is gone");
    }
}
