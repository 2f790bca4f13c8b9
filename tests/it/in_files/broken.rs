//! Files that are not what they say, by accident or on purpose: refused by name, nothing moves,
//! nothing is written beside what is told to be, and memory stays bounded.

use super::step;
use crate::support::client::{OCI_INDEX, OCI_MANIFEST, sha256};
use crate::support::images::OCI_CONFIG;
use crate::support::indexes::BuiltIndex;
use crate::support::layer::gzip;
use crate::support::layouts::{Layout, Saved, blob, docker_archive};
use crate::support::running::Ran;
use crate::support::scene::{Scene, amd64, arm64};
use crate::support::tars::{BLOCK, Header, Packed, Tar, kind, zstd, zstd_of_zeros};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};
use std::os::unix::fs::symlink;
use std::path::Path;

/// What the contract allows for one list, and what the debug build takes more.
const MOST_KIB: u64 = (32 + 8) << 10;
const CUT: &str = "ends in the middle: was it copied whole?";
const FIX: &str = "fix:   build and save the image again, or copy the whole file";

struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    status: i32,
    told: String,
}

fn case(name: &'static str, bytes: Vec<u8>, status: i32, told: &str) -> Case {
    Case { name, bytes, status, told: told.to_owned() }
}

fn good() -> Layout {
    Layout::of(&amd64())
}

/// The archive of a layout that is good, from here on.
fn rest(tar: Tar) -> Vec<u8> {
    tar.files(&good().files()).end()
}

/// The names of all that is in a folder, with those below it.
fn names(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            names.push(entry.path().display().to_string());
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            }
        }
    }
    names.sort();
    names
}

#[track_caller]
fn refused(case: &str, source: &str, ran: &Ran, status: i32, told: &str) {
    assert_eq!(ran.status, status, "{case}: {}", ran.everything());
    assert!(ran.stdout.contains(source), "{case}: {}", ran.everything());
    assert!(ran.stdout.contains(told), "{case}: {}", ran.everything());
    assert!(ran.everything().len() < 20_000, "{case}: {}", ran.everything());
    assert!(ran.max_rss_kib < MOST_KIB, "{case}: {} KiB", ran.max_rss_kib);
    if status == 5 && told.len() > 3 {
        assert!(ran.stdout.contains(FIX), "{case}: {}", ran.everything());
    }
}

/// Runs each case as a file in front of which this stands.
async fn all(form: &str, cases: Vec<Case>) {
    let scene = Scene::empty().await;
    scene.push_arm64().await;
    scene.step_of(&["arm64"]).run().await.ok();
    let before = scene.state().await;
    let source = format!("{form}:a.tar");
    for Case { name, bytes, status, told } in cases {
        let step = step(&scene, &source).file("a.tar", &bytes);
        let folder = step.workdir();
        let ran = step.run().await;
        if status == 0 {
            assert_eq!(ran.status, 0, "{name}: {}", ran.everything());
            scene.step_of(&["arm64"]).run().await.ok();
            assert_eq!(scene.state().await, before, "{name}");
            continue;
        }
        refused(name, &source, &ran, status, &told);
        assert_eq!(names(&folder), [folder.join("a.tar").display().to_string()], "{name}");
        assert_eq!(scene.state().await, before, "{name}");
    }
}

#[tokio::test]
async fn members_and_links_that_lead_out() {
    let index = good().files()["index.json"].clone();
    let rest =
        |tar: Tar| tar.files(good().files().iter().filter(|(name, _)| *name != "index.json")).end();
    let link = |kind: u8, to: &str| rest(Tar::default().link(kind, "index.json", to));
    let out = |to: &str| format!("has the link index.json → {to}, which leads out of it");
    all(
        "oci-archive",
        vec![
            case(
                "..",
                rest(Tar::default().file("../x", b"")),
                5,
                "has the member ../x, which leads out of it",
            ),
            case(
                "deep ..",
                rest(Tar::default().file("a/../../x", b"")),
                5,
                "which leads out of it",
            ),
            case(
                "a .. that stays",
                rest(Tar::default().file("a/../x", b"")),
                5,
                "which leads out of it",
            ),
            case(
                "absolute",
                rest(Tar::default().file("/etc/x", b"")),
                5,
                "has the member /etc/x, which leads out of it",
            ),
            case(
                "in a pax header",
                rest(Tar::default().pax("path", "../x").file("x", b"")),
                5,
                "leads out of it",
            ),
            case(
                "in a long name",
                rest(Tar::default().extended(kind::LONG_NAME, b"../x\0").file("x", b"")),
                5,
                "leads out of it",
            ),
            case("link", link(kind::LINK, "../a.tar"), 5, &out("../a.tar")),
            case("absolute link", link(kind::LINK, "/etc/passwd"), 5, &out("/etc/passwd")),
            case("hard link", link(kind::HARD_LINK, "../a.tar"), 5, &out("../a.tar")),
            case(
                "absolute hard link",
                link(kind::HARD_LINK, "/etc/passwd"),
                5,
                &out("/etc/passwd"),
            ),
            case(
                "link in a long link",
                rest(Tar::default().extended(kind::LONG_LINK, b"../../x\0").link(
                    kind::LINK,
                    "index.json",
                    "x",
                )),
                5,
                &out("../../x"),
            ),
            case(
                "link in a pax header",
                rest(Tar::default().pax("linkpath", "/x").link(kind::LINK, "index.json", "x")),
                5,
                &out("/x"),
            ),
            case(
                "through a folder that is a link",
                rest(Tar::default().link(kind::LINK, "folder", ".").file("real/x", &index).link(
                    kind::LINK,
                    "index.json",
                    "folder/real/x",
                )),
                2,
                "there is no index.json in it",
            ),
            case(
                "out through a folder that is a link",
                rest(Tar::default().link(kind::LINK, "folder", "/etc").link(
                    kind::LINK,
                    "index.json",
                    "folder/passwd",
                )),
                5,
                "leads out of it",
            ),
            case(
                "to itself",
                link(kind::LINK, "index.json"),
                5,
                "is a link that leads to links without end",
            ),
            case("to nothing", link(kind::LINK, "none"), 2, "there is no index.json in it"),
            case(
                "to each other",
                rest(Tar::default().link(kind::LINK, "index.json", "a").link(
                    kind::LINK,
                    "a",
                    "index.json",
                )),
                5,
                "is a link that leads to links without end",
            ),
            case(
                "within",
                rest(Tar::default().file("x", &index).link(kind::LINK, "index.json", "./x")),
                0,
                "",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn headers_that_lie() {
    let file = |header: Header| rest(Tar::default().member(header, b""));
    let sparse = "has a sparse member, which no image tool writes";
    let number = "is damaged: it has a header with a size that is no number";
    let size = |size: u64| Header::new(kind::FILE, "x", size);
    let ten_gib = 10_u64 << 30;
    let huge = Header::new(kind::FILE, "x", 0);
    let long = "has a name or header of 10737418240 bytes; no image needs more than 65536";
    let cases = vec![
        case("sparse", file(Header::new(kind::SPARSE, "x", 0)), 5, sparse),
        case(
            "sparse in pax",
            rest(Tar::default().pax("GNU.sparse.major", "1").file("x", b"")),
            5,
            sparse,
        ),
        case("pax of 10 GiB", file(Header::new(kind::PAX, "x", ten_gib)), 5, long),
        case("name of 10 GiB", file(Header::new(kind::LONG_NAME, "x", ten_gib)), 5, long),
        case("link of 10 GiB", file(Header::new(kind::LONG_LINK, "x", ten_gib)), 5, long),
        case(
            "pax that is nothing",
            rest(Tar::default().extended(kind::PAX, b"nothing")),
            5,
            "is damaged: it has an extended header that cannot be read",
        ),
        case(
            "pax with a wrong length",
            rest(Tar::default().extended(kind::PAX, b"99 path=x\n")),
            5,
            "is damaged: it has an extended header that cannot be read",
        ),
        case("10 GiB", file(size(ten_gib)), 5, CUT),
        case("all digits", file(size(0).size(b"77777777777\0")), 5, CUT),
        case("no number", file(size(0).size(b"abcdefghijk\0")), 5, number),
        case("negative", file(size(0).size(b"-0000000001\0")), 5, number),
        case("negative in pax", rest(Tar::default().pax("size", "-1").file("x", b"")), 5, number),
        case(
            "too long for any number in pax",
            rest(Tar::default().pax("size", "99999999999999999999").file("x", b"")),
            5,
            number,
        ),
        case(
            "largest in pax",
            rest(Tar::default().pax("size", "18446744073709551615").file("x", b"")),
            5,
            CUT,
        ),
        case("negative in base-256", file(huge.clone().size_in_256(-1)), 5, CUT),
        case("20 TiB", file(huge.clone().size_in_256(20 << 40)), 5, CUT),
        case(
            "a folder with a size",
            file(Header::new(kind::FOLDER, "x", 512)),
            5,
            "is damaged: x, which is no file in it, has 512 bytes",
        ),
        case(
            "a link with a size",
            file(Header::new(kind::LINK, "x", 512).to("y")),
            5,
            "is damaged: x, which is no file in it, has 512 bytes",
        ),
        case(
            "a device with a size",
            file(Header::new(kind::DEVICE, "x", 512)),
            5,
            "is damaged: x, which is no file in it, has 512 bytes",
        ),
        case(
            "devices and pipes",
            rest(Tar::default().link(kind::DEVICE, "x", "").link(kind::PIPE, "y", "")),
            0,
            "",
        ),
        case(
            "a name that is no text",
            rest(Tar::default().extended(kind::LONG_NAME, b"a\xff").file("x", b"")),
            5,
            "has a member whose name is no plain text",
        ),
        case(
            "a name with a line end",
            rest(Tar::default().file("a\nb", b"")),
            5,
            "has a member whose name is no plain text",
        ),
        case("twice", rest(Tar::default().files(&good().files())), 5, "twice"),
        case(
            "damaged",
            {
                let mut bytes = good().tar();
                let at = bytes.len() - 4 * BLOCK;
                bytes[at..at + 3].copy_from_slice(b"???");
                bytes
            },
            5,
            "is damaged: no header at byte ",
        ),
        case("garbage after the end", [good().tar(), b"garbage".repeat(1_000)].concat(), 0, ""),
    ];
    in_each_packing(&cases).await;
}

/// Runs each case as an archive that is not compressed, in gzip and in zstd.
async fn in_each_packing(cases: &[Case]) {
    for packed in Packed::ALL {
        let packed = cases.iter().map(|case| Case {
            bytes: packed.of(&case.bytes),
            told: case.told.clone(),
            ..*case
        });
        all("oci-archive", packed.collect()).await;
    }
}

#[tokio::test]
async fn sizes_from_where_sums_overflow() {
    let mut cases = Vec::new();
    for at in [0, 1, 511, 512, 1023, 1024, 2047, 4096] {
        for most in [u64::MAX, i64::MAX as u64, 1 << 62] {
            let header = Header::new(kind::FILE, "x", 0).size_in_256(i128::from(most - at));
            cases.push(case("near the largest", rest(Tar::default().member(header, b"")), 5, CUT));
        }
    }
    in_each_packing(&cases).await;
}

#[tokio::test]
async fn more_members_than_any_image_has() {
    let many = |count: usize, name: &str| {
        let add = |tar: Tar, at: usize| tar.file(&format!("{at}{name}"), b"");
        rest((0..count).fold(Tar::default(), add))
    };
    let long = "x".repeat(60_000);
    all(
        "oci-archive",
        vec![
            case("50,001 members", many(50_001, ""), 5, "has more than 50000 members"),
            case("long names", many(80, &long), 5, "has names of more than 4 MiB in all"),
            case("40,000 members", many(40_000, ""), 0, ""),
            case("in gzip", gzip(&many(40_000, "")), 0, ""),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_is_no_archive() {
    let tar = good().tar();
    let in_tar = Tar::default().file("a.tar", &tar).end();
    let window =
        "needs more than 8 MiB of memory to be unpacked: compress it without --long and --ultra";
    let mut content = gzip(&tar);
    content[700] ^= 1;
    let cases = vec![
        case("empty", Vec::new(), 5, "is empty"),
        case("text", b"hello".to_vec(), 2, "is not a tar archive"),
        case("long text", b"hello\n".repeat(1_000), 2, "is not a tar archive"),
        case(
            "an empty archive",
            vec![0; 1_024],
            2,
            "holds no images: there is no index.json in it",
        ),
        case("zeros", vec![0; 1 << 20], 2, "holds no images: there is no index.json in it"),
        case(
            "xz",
            b"\xfd7zXZ\0and so on".to_vec(),
            5,
            "is compressed with xz: use gzip or zstd, or none",
        ),
        case(
            "bzip2",
            b"BZh91AY&SY".to_vec(),
            5,
            "is compressed with bzip2: use gzip or zstd, or none",
        ),
        case("gzip of text", gzip(b"hello"), 2, "is not a tar archive"),
        case("gzip of nothing", gzip(b""), 5, "is empty"),
        case("zstd of nothing", zstd(b"", 20), 5, "is empty"),
        case("the beginning of gzip", gzip(&tar)[..2].to_vec(), 5, CUT),
        case("gzip in gzip", gzip(&gzip(&tar)), 2, "is not a tar archive"),
        case("gzip of other content", content, 5, ""),
        case("a window of 2 GiB", zstd(&tar, 31), 5, window),
        case("a window of 16 MiB", zstd(&tar, 24), 5, window),
        case("a window of 8 MiB", zstd(&tar, 23), 0, ""),
        case(
            "something behind zstd",
            [zstd(&tar[..BLOCK], 20), b"garbage".to_vec()].concat(),
            5,
            "",
        ),
        case("frames of zstd", [zstd(&tar[..1_000], 20), zstd(&tar[1_000..], 20)].concat(), 0, ""),
        case("members of gzip", [gzip(&tar[..1_000]), gzip(&tar[1_000..])].concat(), 0, ""),
        case(
            "a frame of zstd that is skipped",
            [vec![0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3], zstd(&tar, 20)].concat(),
            0,
            "",
        ),
        case("zeros in zstd", zstd_of_zeros(10_000, 23), 2, "there is no index.json in it"),
        case("a tar in a tar", in_tar, 2, "there is no index.json in it"),
    ];
    all("oci-archive", cases).await;
}

#[tokio::test]
async fn truncated_archives() {
    let scene = Scene::empty().await;
    let before = scene.state().await;
    let saved = docker_archive(&[Saved::new("amd64", &["a:b"], vec![amd64().layer_tar()])]).end();
    for (form, tar) in [("oci-archive", good().tar()), ("docker-archive", saved)] {
        for packed in Packed::ALL {
            let bytes = packed.of(&tar);
            // All that counts is before the blocks of zeros and what follows them in gzip, and before
            // `oci-layout`, which is the last member.
            let needs_no_more = form == "oci-archive" && packed == Packed::No;
            let end = bytes.len() - if needs_no_more { 4 } else { 2 } * BLOCK - 8;
            let cuts = (1..).map(|at| at * BLOCK).take_while(|at| *at < end);
            for cut in cuts.chain([1, 3, 100, BLOCK + 1, end - BLOCK - 1]) {
                let source = format!("{form}:a.tar");
                let ran = step(&scene, &source).file("a.tar", &bytes[..cut]).run().await;
                let name = format!("{form} in {packed:?} of {} bytes at {cut}", bytes.len());
                if cut < BLOCK && packed == Packed::No {
                    refused(&name, &source, &ran, 2, "is not a tar archive");
                } else if packed != Packed::No && cut < 4 {
                    assert!(matches!(ran.status, 2 | 5), "{name}");
                } else {
                    refused(&name, &source, &ran, 5, CUT);
                }
                assert_eq!(scene.state().await, before, "{name}");
            }
        }
    }
}

fn index(entries: &[Value]) -> Vec<u8> {
    json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})
        .to_string()
        .into_bytes()
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": sha256(bytes), "size": bytes.len()})
}

#[tokio::test]
async fn layouts_that_are_wrong() {
    let image = amd64();
    let (config, layer) = (image.config(), image.layer_blob());
    let digests = image.blobs();
    let with = |text: &[u8]| good().with("index.json", text).tar();
    let of = |manifest: &[u8]| {
        let layout = Layout::default().blobs(image.parts()).blobs([manifest.to_vec()]);
        layout.entry(descriptor(OCI_MANIFEST, manifest), &[]).tar()
    };
    let whole = |config_digest: &str, config_size: usize| {
        json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": OCI_CONFIG, "digest": config_digest, "size": config_size},
            "layers": [],
        })
        .to_string()
        .into_bytes()
    };
    let huge =
        json!({"os": "linux", "architecture": "amd64", "x": "x".repeat(5 << 20)}).to_string();
    let huge_config = whole(&sha256(huge.as_bytes()), huge.len());
    let entry = descriptor(OCI_MANIFEST, &image.manifest());
    let mut wrong_size = entry.clone();
    wrong_size["size"] = json!(7);
    let changed = |name: &str, bytes: &[u8]| good().with(name, bytes).tar();
    let path = blob(&image.digest());
    let [config_blob, layer_blob] = [blob(&digests[0]), blob(&digests[1])];
    let mut flipped = layer.clone();
    let at = flipped.len() - 20;
    flipped[at] ^= 1;
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let not = "index.json is not that of an OCI layout: ";
    let many = |count: usize| with(&index(&vec![entry.clone(); count]));
    let nested = |depth: usize| {
        let mut layout = Layout::default().blobs(image.parts()).blobs([image.manifest()]);
        let mut last = entry.clone();
        for _ in 0..depth {
            let bytes = index(&[last]);
            last = descriptor(OCI_INDEX, &bytes);
            layout = layout.blobs([bytes]);
        }
        layout.entry(last, &[]).tar()
    };
    let cases = vec![
        case("not JSON", with(b"hello"), 5, not),
        case("empty index.json", with(b""), 5, not),
        case("deep", with(deep.as_bytes()), 5, not),
        case("an array", with(b"[]"), 5, not),
        case("no index", with(b"{}"), 5, "index.json is not "),
        case(
            "no entries",
            with(&index(&[])),
            2,
            "holds no images: there is an index.json without images in it",
        ),
        case("257 entries", many(257), 5, "names more than 256 images"),
        case("10,000 entries", many(10_000), 5, not),
        case("huge", with(&vec![b' '; 5 << 20]), 5, "index.json is larger than 4194304 bytes"),
        case("nothing but blobs", good().with("index.json", "").without("x").tar(), 5, not),
        case("no manifest", good().without(&path).tar(), 5, "is not in it"),
        case(
            "no config",
            good().without(&config_blob).tar(),
            5,
            &format!("the config {} of ", digests[0]),
        ),
        case(
            "no layer",
            good().without(&layer_blob).tar(),
            5,
            &format!("the layer {} of ", digests[1]),
        ),
        case(
            "other manifest",
            changed(&path, b"{}"),
            5,
            &format!("its member {path} has another digest"),
        ),
        case(
            "short layer",
            changed(&layer_blob, b"x"),
            5,
            &format!("the layer {} has 1 bytes; ", digests[1]),
        ),
        case(
            "short config",
            changed(&config_blob, b"x"),
            5,
            &format!("the config {} has 1 bytes; ", digests[0]),
        ),
        case("other layer", changed(&layer_blob, &flipped), 5, &digests[1]),
        case("other config", changed(&config_blob, &vec![b' '; config.len()]), 5, &digests[0]),
        case("wrong size of an entry", with(&index(&[wrong_size])), 5, "index.json and "),
        case(
            "huge config",
            {
                let layout = Layout::default().blobs([huge.into_bytes(), huge_config.clone()]);
                layout.entry(descriptor(OCI_MANIFEST, &huge_config), &[]).tar()
            },
            5,
            "5",
        ),
        case("manifest that is no JSON", of(b"hello"), 5, &sha256(b"hello")),
        case("manifest that is nothing", of(b"{}"), 5, &sha256(b"{}")),
        case("index in an index in an index", nested(9), 5, ""),
        case(
            "what docker save wrote before",
            docker_archive(&[Saved::new("amd64", &[], vec![])]).end(),
            2,
            "write docker-archive: in front of it",
        ),
    ];
    for packed in [Packed::No, Packed::Gzip] {
        let packed = cases.iter().map(|case| Case {
            bytes: packed.of(&case.bytes),
            told: case.told.clone(),
            ..*case
        });
        all("oci-archive", packed.collect()).await;
    }
}

#[tokio::test]
async fn archives_of_docker_that_are_wrong() {
    let image = Saved::new("amd64", &["acme/app:v1"], vec![amd64().layer_tar()]);
    let of = |manifest: &str| {
        Tar::default()
            .files(image.layers.iter().map(|(name, bytes)| (name, bytes)))
            .file(&image.config_name(), &image.config())
            .file("manifest.json", manifest.as_bytes())
            .end()
    };
    let item = image.item();
    let but = |key: &str, value: Value| {
        let mut item = item.clone();
        item[key] = value;
        of(&json!([item]).to_string())
    };
    let config = image.config_name();
    let layer = &image.layers[0].0;
    let not = "manifest.json is not that of an image archive: ";
    let with_config = |config: &[u8]| {
        Tar::default()
            .files(image.layers.iter().map(|(name, bytes)| (name, bytes)))
            .file(&image.config_name(), config)
            .file("manifest.json", json!([item]).to_string().as_bytes())
            .end()
    };
    let packed_layer = |bytes: &[u8]| {
        Tar::default()
            .file(layer, bytes)
            .file(&image.config_name(), &image.config())
            .file("manifest.json", json!([item]).to_string().as_bytes())
            .end()
    };
    let half = gzip(&image.layers[0].1);
    let many = vec![item.clone(); 300];
    all(
        "docker-archive",
        vec![
            case("not JSON", of("hello"), 5, not),
            case("no list", of("{}"), 5, not),
            case("nothing", of("[]"), 5, "holds no image: its manifest.json is empty"),
            case("300 images", of(&json!(many).to_string()), 5, "names more than 256 images"),
            case(
                "no config",
                but("Config", json!("none.json")),
                5,
                "none.json, which manifest.json names, is not in it",
            ),
            case(
                "config outside",
                but("Config", json!("../a.tar")),
                5,
                "../a.tar, which manifest.json names, is not in it",
            ),
            case(
                "layer outside",
                but("Layers", json!(["/etc/passwd"])),
                5,
                "/etc/passwd, which manifest.json names, is not in it",
            ),
            case(
                "no layers",
                but("Layers", json!([])),
                5,
                "has 0 layers for an image whose config names 1",
            ),
            case(
                "config that is no JSON",
                with_config(b"hello"),
                5,
                &format!("{config} is not a config: "),
            ),
            case(
                "config without layers",
                with_config(b"{}"),
                5,
                &format!("{config} is not a config: "),
            ),
            case(
                "huge config",
                with_config(&vec![b' '; 5 << 20]),
                5,
                &format!("{config} is larger than 4194304 bytes"),
            ),
            case(
                "layer in xz",
                packed_layer(b"\xfd7zXZ\0 and so on"),
                5,
                &format!("{layer} is compressed with xz: use gzip or zstd, or none"),
            ),
            case(
                "half of a layer",
                packed_layer(&half[..half.len() / 2]),
                5,
                &format!("{layer} ends in the middle"),
            ),
            case(
                "layer with a large window",
                packed_layer(&zstd(&image.layers[0].1, 31)),
                5,
                &format!("{layer} needs more than 8 MiB"),
            ),
            case(
                "something behind a layer",
                packed_layer(&[half.clone(), b"garbage".to_vec()].concat()),
                5,
                layer,
            ),
            case(
                "an image of nothing but a layout",
                Tar::default().file("oci-layout", b"{}").end(),
                2,
                "there is neither index.json nor manifest.json in it",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn folders_that_are_wrong() {
    let image = amd64();
    let layer = blob(&image.blobs()[1]);
    let folder = "dist";
    let pipe = |path: &Path| {
        std::fs::remove_file(path).ok();
        mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    };
    let outside = |path: &Path, to: &str| {
        std::fs::remove_file(path).ok();
        symlink(to, path).unwrap();
    };
    let scene = Scene::with_amd64().await;
    let before = scene.state().await;
    type Spoil<'a> = Box<dyn Fn(&Path) + 'a>;
    let cases: Vec<(&str, Spoil<'_>, i32, String)> = vec![
        (
            "a pipe",
            Box::new(|at| pipe(&at.join(&layer))),
            5,
            format!("{layer} is a pipe, not a file"),
        ),
        (
            "index.json as a pipe",
            Box::new(|at| pipe(&at.join("index.json"))),
            5,
            "index.json is a pipe, not a file".into(),
        ),
        ("a pipe beside", Box::new(|at| pipe(&at.join("blobs/sha256/pipe"))), 0, String::new()),
        (
            "a device",
            Box::new(|at| outside(&at.join(&layer), "/dev/zero")),
            5,
            format!("{layer} is a link that leads out of it"),
        ),
        (
            "out",
            Box::new(|at| outside(&at.join(&layer), "../../../outside")),
            5,
            format!("{layer} is a link that leads out of it"),
        ),
        (
            "out by a folder",
            Box::new(|at| {
                std::fs::rename(at.join("blobs"), at.join("../elsewhere")).unwrap();
                symlink("../elsewhere", at.join("blobs")).unwrap();
            }),
            5,
            "is a link that leads out of it".into(),
        ),
        (
            "within",
            Box::new(|at| {
                std::fs::rename(at.join("blobs"), at.join("elsewhere")).unwrap();
                symlink("elsewhere", at.join("blobs")).unwrap();
            }),
            0,
            String::new(),
        ),
        (
            "a loop",
            Box::new(|at| outside(&at.join(&layer), &at.join(&layer).display().to_string())),
            5,
            layer.clone(),
        ),
        (
            "a folder as a blob",
            Box::new(|at| {
                std::fs::remove_file(at.join(&layer)).unwrap();
                std::fs::create_dir_all(at.join(&layer)).unwrap();
            }),
            5,
            format!("{layer} is a folder, not a file"),
        ),
        (
            "blobs is a file",
            Box::new(|at| {
                std::fs::remove_dir_all(at.join("blobs")).unwrap();
                std::fs::write(at.join("blobs"), "").unwrap();
            }),
            5,
            "not a directory".into(),
        ),
        (
            "no index.json",
            Box::new(|at| std::fs::remove_file(at.join("index.json")).unwrap()),
            2,
            "there is no index.json in it".into(),
        ),
        (
            "no oci-layout",
            Box::new(|at| std::fs::remove_file(at.join("oci-layout")).unwrap()),
            0,
            String::new(),
        ),
    ];
    for (case, spoil, status, told) in cases {
        let step = step(&scene, "oci:dist").file("outside", image.layer_blob());
        good().write(&step.workdir().join(folder));
        spoil(&step.workdir().join(folder));
        let ran = step.run().await;
        if status == 0 {
            assert_eq!(ran.status, 0, "{case}: {}", ran.everything());
            let digest = scene.digest("1").await.unwrap();
            scene.client.delete_manifest("acme/app", &digest).await;
        } else {
            refused(case, "oci:dist", &ran, status, &told);
        }
        assert_eq!(scene.state().await, before, "{case}");
    }
}

#[tokio::test]
async fn another_form_than_it_says() {
    let scene = Scene::empty().await;
    for (source, told) in [
        ("oci-archive:dist", "is a folder: write oci: in front of it"),
        ("docker-archive:dist", "is a folder: write oci: in front of it"),
        (
            "oci:a.tar",
            "is not a folder: for an archive write oci-archive: or docker-archive: in front of it",
        ),
        ("oci-archive:none.tar", "no such file"),
        ("oci:none", "no such folder"),
        ("oci:empty", "holds no images: there is no index.json in it"),
        ("oci:dist/blobs", "holds no images: there is no index.json in it"),
        ("oci-archive:pipe", "is a pipe, not a file"),
        ("oci-archive:/dev/zero", "is a device, not a file"),
        ("oci-archive:", "the path is empty: is the variable set?"),
        ("oci-archive:a.tar:", "the name after the file's is empty"),
    ] {
        let step = good().put(step(&scene, source), "dist").file("a.tar", good().tar());
        std::fs::create_dir_all(step.workdir().join("empty")).unwrap();
        let pipe = step.workdir().join("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        refused(source, "", &step.run().await, 2, told);
    }
}

/// As a user who may not read it.
#[tokio::test]
async fn a_file_that_may_not_be_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let scene = Scene::empty().await;
    let program = env!("CARGO_BIN_EXE_manifest-action");
    let may = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    for (source, closed, told) in [
        ("oci-archive:a.tar", "a.tar", "cannot read oci-archive:a.tar: permission denied"),
        ("oci:dist", "dist", "permission denied"),
        ("oci-archive:dist/a.tar", "dist", "dist/a.tar: cannot be read: permission denied"),
        ("oci:dist", "dist/index.json", "index.json cannot be read: permission denied"),
    ] {
        let step = good().put(step(&scene, source), "dist");
        let step = step.file("a.tar", good().tar()).file("dist/a.tar", good().tar());
        // Outputs are another user's too.
        let folder = step.workdir();
        let step = step.without("GITHUB_OUTPUT").without("GITHUB_STEP_SUMMARY");
        may(folder.parent().unwrap(), 0o755);
        may(&folder.join(closed), 0o000);
        let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", program];
        let run = step.args(nobody).spawn_program(Path::new("/usr/bin/setpriv")).await;
        let ran = run.wait().await;
        refused(source, source, &ran, if source == "oci:dist" { 5 } else { 2 }, told);
        may(&folder.join(closed), 0o755);
    }
}

/// While the first blob is on its way, the file becomes another one.
#[tokio::test]
async fn a_file_that_changes_while_it_is_read() {
    let image = amd64().layer_size(3 << 20);
    let layout = Layout::of(&image);
    let layer = blob(&image.blobs()[1]);
    let saved = Saved::new("amd64", &["a:b"], vec![image.layer_tar()]);
    let docker = docker_archive(&[saved]).end();
    type Change<'a> = Box<dyn Fn(&Path) + 'a>;
    let append = |path: &Path| {
        let mut bytes = std::fs::read(path).unwrap();
        bytes.extend_from_slice(&[0; 512]);
        std::fs::write(path, bytes).unwrap();
    };
    let cases: Vec<(&str, Vec<u8>, &str, Change<'_>)> = vec![
        ("oci-archive:a.tar", layout.tar(), "grows", Box::new(|at| append(&at.join("a.tar")))),
        (
            "oci-archive:a.tar",
            gzip(&layout.tar()),
            "grows",
            Box::new(|at| append(&at.join("a.tar"))),
        ),
        ("docker-archive:a.tar", docker.clone(), "grows", Box::new(|at| append(&at.join("a.tar")))),
        (
            "oci-archive:a.tar",
            layout.tar(),
            "replaced",
            Box::new(|at| {
                std::fs::write(at.join("b.tar"), Layout::of(&arm64()).tar()).unwrap();
                std::fs::rename(at.join("b.tar"), at.join("a.tar")).unwrap();
            }),
        ),
        (
            "oci-archive:a.tar",
            layout.tar(),
            "shrinks",
            Box::new(|at| {
                std::fs::write(at.join("a.tar"), b"").unwrap();
            }),
        ),
        (
            "oci:dist",
            layout.tar(),
            "blob changes",
            Box::new(|at| {
                let mut bytes = image.layer_blob();
                bytes[100] ^= 1;
                std::fs::write(at.join("dist").join(&layer), bytes).unwrap();
            }),
        ),
        (
            "oci:dist",
            layout.tar(),
            "blob shrinks",
            Box::new(|at| {
                std::fs::write(at.join("dist").join(&layer), b"").unwrap();
            }),
        ),
        (
            "oci:dist",
            layout.tar(),
            "blob is gone",
            Box::new(|at| {
                std::fs::remove_file(at.join("dist").join(&layer)).unwrap();
            }),
        ),
    ];
    for (source, bytes, case, change) in cases {
        let scene = Scene::empty().await;
        let uploads = scene.proxy.gate("POST", "*/blobs/uploads/*");
        uploads.hold();
        let step = layout.put(step(&scene, source), "dist").file("a.tar", &bytes);
        let folder = step.workdir();
        let running = step.spawn().await;
        uploads.wait_for_hits(1).await;
        change(&folder);
        uploads.release();
        let ran = running.wait().await;
        assert_eq!(ran.status, 5, "{source} {case}: {}", ran.everything());
        assert!(ran.stdout.contains(source), "{source} {case}: {}", ran.everything());
        if source != "oci:dist" {
            assert!(
                ran.stdout.contains("was changed while it was read"),
                "{source} {case}: {}",
                ran.everything()
            );
        }
        assert_eq!(scene.digest("1").await, None, "{source} {case}");
    }
}

#[tokio::test]
async fn what_an_index_names_in_a_layout() {
    let built = BuiltIndex::new(vec![amd64(), arm64()]).attestations(true);
    let whole = Layout::default().index(&built, &[]);
    let attestation = &built.attestation_digests()[1];
    for (missing, told) in [
        (arm64().digest(), arm64().digest()),
        (attestation.clone(), attestation.clone()),
        (arm64().blobs()[1].clone(), arm64().blobs()[1].clone()),
        (built.digest(), built.digest()),
    ] {
        let scene = Scene::empty().await;
        let tar = whole.clone().without(&blob(&missing)).tar();
        let ran = step(&scene, "oci-archive:a.tar").file("a.tar", tar).run().await;
        refused("missing", "oci-archive:a.tar", &ran, 5, &told);
        assert_eq!(scene.client.tags("acme/app").await, Vec::<String>::new());
    }
}
