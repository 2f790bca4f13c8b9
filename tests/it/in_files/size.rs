//! Large files, many layers, and runs that are cut off: memory is bounded, and nothing is sent
//! twice.

use super::{read_whole, step};
use crate::support::client::{Client, sha256};
use crate::support::images::{Image, OCI_CONFIG};
use crate::support::layer::{gzip, layer};
use crate::support::layouts::{Layout, Saved, blob, docker_archive};
use crate::support::registry::Registry;
use crate::support::rules::{Fault, Rule};
use crate::support::scene::{REPO, Scene};
use crate::support::tars::{BLOCK, Header, Packed, Tar, kind, zstd, zstd_of_zeros};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::io::Write as _;
use std::path::Path;

/// What the contract allows for one list, and what the debug build takes more.
const MOST_KIB: u64 = (32 + 8) << 10;
/// Many times that.
const LARGE: usize = 192 << 20;
const PIECE: usize = 64 << 10;

/// An archive with a large member of zeros in the middle.
struct Large {
    before: Vec<u8>,
    after: Vec<u8>,
}

impl Large {
    fn write(&self, path: &Path, packed: Packed) {
        let mut file = std::fs::File::create(path).unwrap();
        let zeros = vec![0; PIECE];
        file.write_all(&packed.of(&self.before)).unwrap();
        match packed {
            Packed::No => {
                file.set_len((self.before.len() + LARGE) as u64).unwrap();
                std::io::Seek::seek(&mut file, std::io::SeekFrom::End(0)).unwrap();
            }
            Packed::Gzip => {
                let mut encoder = GzEncoder::new(&file, Compression::fast());
                (0..LARGE / PIECE).for_each(|_| encoder.write_all(&zeros).unwrap());
                encoder.finish().unwrap();
            }
            Packed::Zstd => file.write_all(&zstd_of_zeros(LARGE / PIECE, 23)).unwrap(),
        }
        file.write_all(&packed.of(&self.after)).unwrap();
    }
}

fn digest_of_zeros() -> String {
    let mut hash = Sha256::new();
    let zeros = vec![0; PIECE];
    (0..LARGE / PIECE).for_each(|_| hash.update(&zeros));
    let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

fn config(diff_id: &str) -> Vec<u8> {
    json!({
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
    })
    .to_string()
    .into_bytes()
}

/// An OCI layout whose one layer is not compressed.
fn layout(diff_id: &str) -> Large {
    let config = config(diff_id);
    let manifest = json!({
        "schemaVersion": 2,
        "config": {"mediaType": OCI_CONFIG, "digest": sha256(&config), "size": config.len()},
        "layers": [{
            "mediaType": "application/vnd.oci.image.layer.v1.tar",
            "digest": diff_id,
            "size": LARGE,
        }],
    });
    let manifest = manifest.to_string().into_bytes();
    let entry = json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": sha256(&manifest),
        "size": manifest.len(),
    });
    let rest = Layout::default().blobs([config, manifest]).entry(entry, &[]);
    large(&blob(diff_id), Tar::default().files(&rest.files()))
}

/// What `docker save` wrote before Docker 25.
fn saved(diff_id: &str) -> Large {
    let config = config(diff_id);
    let item = json!([{"Config": "config.json", "RepoTags": ["a:b"], "Layers": ["layer.tar"]}]);
    let rest = Tar::default().file("config.json", &config);
    large("layer.tar", rest.file("manifest.json", item.to_string().as_bytes()))
}

fn large(name: &str, rest: Tar) -> Large {
    let header = Header::new(kind::FILE, name, LARGE as u64);
    Large { before: Tar::default().member(header, b"").open(), after: rest.end() }
}

#[tokio::test]
async fn a_large_layer_takes_no_more_memory() {
    let diff_id = digest_of_zeros();
    for (form, file, packings) in [
        ("oci-archive", layout(&diff_id), &Packed::ALL[..]),
        ("docker-archive", saved(&diff_id), &Packed::ALL[..]),
    ] {
        for packed in packings {
            let scene = Scene::empty().await;
            let tag = format!("{}/{REPO}:1", scene.registry.host());
            // Neither is searched for secrets nor held in memory.
            let folder = tempfile::tempdir().unwrap();
            file.write(&folder.path().join("a.tar"), *packed);
            let source = format!("{form}:{}/a.tar", folder.path().display());
            let ran = step(&scene, &source).input("tags", &tag).run().await.ok();
            let case = format!("{form} {packed:?}");
            assert!(ran.max_rss_kib < MOST_KIB, "{case}: {} KiB", ran.max_rss_kib);
            assert_eq!(scene.entries("1").await.len(), 1, "{case}");
        }
    }
}

/// Each with a window as large as any may be. One is unpacked at a time; but the allocator keeps some
/// of what was freed, so this is the one case that may take more than [`MOST_KIB`].
#[tokio::test]
async fn eight_archives_in_zstd() {
    let scene = Scene::empty().await;
    let tag = format!("{}/{REPO}:1", scene.registry.host());
    let folder = tempfile::tempdir().unwrap();
    let zeros = vec![0; 16 << 20];
    for (form, are_layers) in
        [("oci-archive", false), ("docker-archive", false), ("docker-archive", true)]
    {
        let mut sources = Vec::new();
        for at in 0..8 {
            let arch = format!("a{at}");
            let saved = Saved::new(&arch, &["a:b"], vec![zeros.clone()]);
            let file = match (form, are_layers) {
                ("oci-archive", _) => {
                    let image = Image::oci(&format!("linux/{arch}")).seed(at);
                    zstd(&Layout::of(&image.more_layer(zeros.clone())).tar(), 23)
                }
                (_, false) => zstd(&docker_archive(&[saved]).end(), 23),
                (_, true) => Tar::default()
                    .file(&saved.layers[0].0, &zstd(&zeros, 23))
                    .file(&saved.config_name(), &saved.config())
                    .file("manifest.json", json!([saved.item()]).to_string().as_bytes())
                    .end(),
            };
            let path = folder.path().join(format!("{at}.tar"));
            std::fs::write(&path, file).unwrap();
            sources.push(format!("{form}:{}", path.display()));
        }
        let ran = step(&scene, &sources.join("\n")).input("tags", &tag).run().await.ok();
        let kib = ran.max_rss_kib;
        assert!(kib < 64 << 10, "{form}, layers: {are_layers}: {kib} KiB");
        assert_eq!(scene.entries("1").await.len(), 8, "{form}");
    }
}

#[tokio::test]
async fn an_image_of_64_layers() {
    let more = |at: usize| vec![b'a'; 40_000 + at];
    let image = (1..64).fold(Image::oci("linux/amd64"), |image, at| image.more_layer(more(at)));
    let saved = Saved::new("amd64", &["a:b"], (0..64).map(more).collect());
    let docker = docker_archive(&[saved]).end();
    for (form, tar) in [("oci-archive", Layout::of(&image).tar()), ("docker-archive", docker)] {
        for packed in Packed::ALL {
            let registry = Registry::in_memory().await;
            let client = Client::new(&registry.host());
            let scene = Scene::of(registry, client).await;
            let source = format!("{form}:a.tar");
            let ran = step(&scene, &source).file("a.tar", packed.of(&tar)).run().await.ok();
            let case = format!("{form} {packed:?}");
            assert!(ran.max_rss_kib < MOST_KIB, "{case}: {} KiB", ran.max_rss_kib);
            read_whole(&scene, "1").await;
            let posts = scene.proxy.count("POST", "*/blobs/uploads/*");
            assert_eq!(posts, 65, "{case}: {}", scene.proxy.log_text());
        }
    }
}

/// Bytes that a registry was sent of blobs, and of how many.
fn sent(scene: &Scene) -> Vec<usize> {
    let uploads = scene.proxy.entries("PATCH", "*/blobs/uploads/*");
    uploads.iter().map(|entry| entry.request_bytes).collect()
}

/// The files of one image that can be sent in each way.
fn files() -> [(&'static str, Vec<u8>); 3] {
    let image = (0..4).fold(Image::oci("linux/amd64"), |image, at| {
        image.more_layer(gzip(&layer("x", &vec![at; 200_000]).tar))
    });
    let oci = Layout::of(&image).tar();
    let layers = (0..5).map(|at| {
        let mut rng = fastrand::Rng::with_seed(at);
        let random: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(200_000).collect();
        layer("x", &random).tar
    });
    let docker = docker_archive(&[Saved::new("amd64", &["a:b"], layers.collect())]).end();
    [("oci-archive", gzip(&oci)), ("oci-archive", oci), ("docker-archive", docker)]
}

#[tokio::test]
async fn after_a_kill_what_is_there_is_not_sent_again() {
    for (form, bytes) in files() {
        let scene = Scene::empty().await;
        let uploads = scene.proxy.gate("PATCH", "*/blobs/uploads/*");
        uploads.hold_from(4);
        let source = format!("{form}:a.tar");
        let make = || step(&scene, &source).file("a.tar", &bytes).input("concurrency", "1");
        let running = make().spawn().await;
        uploads.wait_for_hits(4).await;
        running.signal("KILL").await;
        assert_eq!(running.wait().await.status, -9, "{form}");
        assert_eq!(scene.digest("1").await, None, "{form}");
        uploads.release();
        let before = scene.proxy.entries("PUT", "*/blobs/uploads/*");
        let there = before.iter().filter(|entry| entry.status == 201).count();
        assert!(there >= 2, "{form}: {}", scene.proxy.log_text());
        let tried = sent(&scene).len();
        make().run().await.ok();
        assert_eq!(sent(&scene).len() - tried, 6 - there, "{form}: {}", scene.proxy.log_text());
        read_whole(&scene, "1").await;
    }
}

#[tokio::test]
async fn an_upload_that_breaks_goes_on() {
    for (form, bytes) in files() {
        for (case, fault) in [
            ("cut in the middle", Fault::CutUpload(100_000)),
            ("done, and nobody knows", Fault::ResetAfterForward),
            ("busy", Fault::Status(502)),
        ] {
            let scene = Scene::empty().await;
            scene.proxy.rule(Rule::on("PATCH", "*").first(3).then(fault));
            let source = format!("{form}:a.tar");
            step(&scene, &source).file("a.tar", &bytes).run().await.ok();
            read_whole(&scene, "1").await;
            let asked = scene.proxy.count("GET", "*/blobs/uploads/*");
            assert!(asked >= 1, "{form} {case}: {}", scene.proxy.log_text());
        }
    }
}

/// The place of a layer in a file does not matter, nor that the file ends in the middle of a block.
#[tokio::test]
async fn files_as_long_as_they_need_to_be() {
    let image = Image::oci("linux/amd64");
    let files = Layout::of(&image).files();
    let mut names: Vec<&String> = files.keys().collect();
    for turn in 0..names.len() {
        names.rotate_left(1);
        let tar = names.iter().fold(Tar::default(), |tar, name| tar.file(name, &files[*name]));
        let last = files[names[names.len() - 1]].len() % BLOCK;
        let open = tar.clone().open();
        let short = open[..open.len() - (BLOCK - last) % BLOCK].to_vec();
        for bytes in [tar.end(), open.clone(), short] {
            let scene = Scene::empty().await;
            let ran = step(&scene, "oci-archive:a.tar").file("a.tar", &bytes).run().await.ok();
            assert!(ran.output("digest").is_some(), "{turn}");
        }
    }
}
