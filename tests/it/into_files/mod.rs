//! `copy SOURCE oci-archive:FILE` and `oci:FOLDER`: images in files, to be scanned or carried over an
//! air gap before they are published.

mod faults;
mod large;
mod names;
mod whole;

use crate::support::images::Image;
use crate::support::indexes::BuiltIndex;
use crate::support::layer::layer;
use crate::support::running::Ran;
use crate::support::step::Step;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Runs `copy` with these arguments in a folder that stays.
fn copy<S: AsRef<str>>(arguments: &[S]) -> Step {
    Step::new().args(["copy"]).args(arguments.iter().map(AsRef::as_ref))
}

/// An index of two platforms, each with its attestation.
fn built() -> BuiltIndex {
    let shared = layer("shared.txt", b"by both").gzip;
    let images = ["linux/amd64", "linux/arm64"]
        .map(|platform| Image::oci(platform).layer_size(30_000).more_layer(shared.clone()));
    BuiltIndex::new(images.to_vec()).attestations(true)
}

fn document(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).expect("JSON")
}

/// What is in a folder, sorted.
fn entries(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let mut names: Vec<String> = entries.map(|entry| name(entry.expect("an entry"))).collect();
    names.sort();
    names
}

/// What a layout in a folder lists: digest and name of each.
fn listed(folder: &Path) -> Vec<(String, Option<String>)> {
    let text = fs::read(folder.join("index.json")).expect("an index");
    let index: Value = serde_json::from_slice(&text).expect("JSON");
    let entry = |entry: &Value| {
        let name = entry["annotations"]["org.opencontainers.image.ref.name"].as_str();
        (entry["digest"].as_str().expect("a digest").to_owned(), name.map(str::to_owned))
    };
    index["manifests"].as_array().expect("a list").iter().map(entry).collect()
}

/// `oci-archive:FOLDER/NAME`.
fn archive(folder: &Path, name: &str) -> String {
    format!("oci-archive:{}", folder.join(name).display())
}

/// `oci:FOLDER/NAME`.
fn layout(folder: &Path, name: &str) -> String {
    format!("oci:{}", folder.join(name).display())
}
