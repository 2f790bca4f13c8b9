//! Archives with whatever is wrong in them, as a seed says: each run ends by itself with the right
//! list or an error and no tag, within its memory. `ARCHIVE_SEED=17` plays one alone.

use super::step;
use crate::support::client::{Client, sha256};
use crate::support::layer::layer;
use crate::support::layouts::{Layout, REF_NAME, Saved, docker_archive};
use crate::support::registry::Registry;
use crate::support::scene::{REPO, Scene, amd64, arm64};
use crate::support::tars::{BLOCK, Packed};
use fastrand::Rng;
use std::time::Duration;

const SEEDS: u64 = 300;
const MOST_KIB: u64 = (32 + 8) << 10;

fn archive(rng: &mut Rng) -> (&'static str, Vec<u8>) {
    if rng.bool() {
        let layout = Layout::default().image(&amd64(), &[(REF_NAME, "v1")]);
        return (
            "oci-archive",
            if rng.bool() { layout.tar() } else { layout.image(&arm64(), &[]).tar() },
        );
    }
    let layers = vec![layer("a", b"a").tar, layer("b", &[b'b'; 2_000]).tar];
    ("docker-archive", docker_archive(&[Saved::new("amd64", &["acme/app:v1"], layers)]).end())
}

/// Changes something; what a header says is made whole again, most of the time.
fn spoil(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let blocks = bytes.len() / BLOCK;
    let block = rng.usize(..blocks) * BLOCK;
    match rng.u8(..8) {
        0 => bytes.truncate(rng.usize(..bytes.len())),
        1 => drop(bytes.drain(block..block + BLOCK)),
        2 => {
            let copied = bytes[block..block + BLOCK].to_vec();
            let at = rng.usize(..blocks) * BLOCK;
            bytes.splice(at..at, copied);
        }
        3 => {
            let other = rng.usize(..blocks) * BLOCK;
            for at in 0..BLOCK {
                bytes.swap(block + at, other + at);
            }
        }
        4 | 5 => {
            // A field of a header: name, size, kind, link.
            let (from, length) = [(0, 100), (124, 12), (156, 1), (157, 100)][rng.usize(..4)];
            let at = block + from + rng.usize(..length);
            bytes[at] = b"01257xLKSg./\0\x80\xff"[rng.usize(..15)];
        }
        6 => {
            let at = rng.usize(..bytes.len());
            bytes[at] = rng.u8(..);
        }
        _ => {
            // A character of a document.
            let texts: Vec<usize> =
                (0..bytes.len()).filter(|at| bytes[*at].is_ascii_graphic()).collect();
            bytes[texts[rng.usize(..texts.len())]] = b"0159af{}[]\",:-"[rng.usize(..14)];
        }
    }
    if rng.u8(..4) > 0 {
        repair(bytes);
    }
}

fn repair(bytes: &mut [u8]) {
    for block in bytes.chunks_exact_mut(BLOCK).filter(|block| block[257..262] == *b"ustar") {
        block[148..156].copy_from_slice(b"        ");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}

/// Whether all that hangs on a list is there with its digest and size.
async fn is_whole(client: &Client, tag: &str) -> bool {
    let list = client.get_manifest(REPO, tag).await.expect("a list").json();
    for entry in list["manifests"].as_array().expect("entries") {
        let digest = entry["digest"].as_str().expect("a digest");
        let Some(image) = client.get_manifest(REPO, digest).await else { return false };
        let image = image.json();
        let layers = image["layers"].as_array().expect("layers");
        for named in layers.iter().chain([&image["config"]]) {
            let digest = named["digest"].as_str().expect("a digest");
            let bytes = client.get_blob(REPO, digest).await;
            let matches = |bytes: &Vec<u8>| sha256(bytes) == digest && named["size"] == bytes.len();
            if !bytes.as_ref().is_some_and(matches) {
                return false;
            }
        }
    }
    true
}

#[tokio::test]
async fn three_hundred_archives_with_whatever_is_wrong_in_them() {
    let registry = Registry::in_memory().await;
    let client = Client::new(&registry.host());
    let scene = Scene::of(registry, client).await;
    let alone = std::env::var("ARCHIVE_SEED").ok().map(|seed| seed.parse().expect("a number"));
    let seeds = alone.map_or(0..SEEDS, |seed: u64| seed..seed + 1);
    let mut ends = [0; 3];
    for seed in seeds {
        let mut rng = Rng::with_seed(seed);
        let (form, mut bytes) = archive(&mut rng);
        for _ in 0..rng.usize(1..4) {
            if bytes.len() > BLOCK {
                spoil(&mut rng, &mut bytes);
            }
        }
        let mut packed = Packed::ALL[rng.usize(..3)].of(&bytes);
        if rng.u8(..8) == 0 && !packed.is_empty() {
            let at = rng.usize(..packed.len());
            packed[at] ^= 1 << rng.u8(..8);
        }
        let name = [":v1", ":acme/app:v1", "", ""][rng.usize(..4)];
        let tag = format!("s{seed}");
        let run = step(&scene, &format!("{form}:a.tar{name}"))
            .file("a.tar", &packed)
            .input("tags", &scene.reference(&tag))
            .limit(Duration::from_secs(20))
            .run();
        let ran = run.await;
        assert!(ran.max_rss_kib < MOST_KIB, "seed {seed}: {} KiB", ran.max_rss_kib);
        match ran.status {
            0 => assert!(is_whole(&scene.client, &tag).await, "seed {seed}: {}", ran.everything()),
            2 | 5 => {
                assert!(ran.stdout.contains(form), "seed {seed}: {}", ran.everything());
                assert_eq!(scene.digest(&tag).await, None, "seed {seed}");
            }
            _ => panic!("seed {seed}: {}", ran.everything()),
        }
        ends[[0, 2, 5].iter().position(|end| *end == ran.status).unwrap()] += 1;
    }
    if alone.is_none() {
        assert!(ends.iter().all(|count| *count > 10), "they are worth it: {ends:?}");
    }
}
