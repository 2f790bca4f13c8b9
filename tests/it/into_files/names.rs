//! What an image in a file is called, what may be replaced, and what is refused.

use super::{archive, copy, document, entries, layout, listed};
use crate::support::scene::{BOTH, Scene, amd64, arm64};
use crate::support::skopeo::skopeo;
use crate::support::step::Step;
use serde_json::json;
use std::fs;
use tempfile::tempdir;

#[tokio::test]
async fn a_layout_keeps_what_has_another_name_and_an_archive_is_replaced() {
    let scene = Scene::with_both().await;
    let folder = tempdir().unwrap();
    let [amd, arm] = BOTH.map(|tag| scene.reference(tag));
    let (dir, tar) = (layout(folder.path(), "all"), archive(folder.path(), "a.tar"));
    for (source, name) in [(&amd, "a"), (&arm, "b"), (&amd, "c"), (&arm, "c")] {
        for file in [&dir, &tar] {
            copy(&[source, &format!("{file}:{name}")]).run().await.ok();
        }
    }
    let named = |digest: String, name: &str| (digest, Some(name.to_owned()));
    let expected =
        [named(amd64().digest(), "a"), named(arm64().digest(), "b"), named(arm64().digest(), "c")];
    assert_eq!(listed(&folder.path().join("all")), expected);
    skopeo(&["inspect", &format!("{dir}:a"), "--override-arch=amd64"]).await;
    assert_eq!(skopeo(&["inspect", "--raw", &tar]).await.as_bytes(), arm64().manifest());
    // An archive that has it under another name is replaced, too; a dry run says so.
    let renamed = format!("{tar}:d");
    let ran = copy(&[&arm, &renamed, "--dry-run"]).run().await.ok();
    assert!(ran.stderr.contains(&format!("would move {renamed}")), "{}", ran.stderr);
    let ran = copy(&[&arm, &renamed, "--overwrite=false"]).run().await.fails(5);
    let told = [
        "--overwrite does not allow replacing an archive that contains an image under another name"
            .to_owned(),
        format!("{tar} contains {} under another name", arm64().digest()),
        "write another file, or replace it: --overwrite".to_owned(),
    ];
    assert!(told.iter().all(|told| ran.stderr.contains(told)), "{}", ran.stderr);
    copy(&[&arm, &renamed]).run().await.ok();
    skopeo(&["inspect", &renamed, "--override-arch=arm64"]).await;
    let ran = copy(&[&amd, &format!("{tar}:e"), "--dry-run"]).run().await.ok();
    assert!(ran.stderr.contains("would move"), "{}", ran.stderr);
    // A source by digest has no name to hand on.
    let by_digest = scene.reference(&amd64().digest());
    let ran = copy(&[&by_digest, &tar]).run().await.ok();
    assert_eq!(ran.stdout, format!("{tar}@{}\n", amd64().digest()));
    // An empty folder, and what is there but for a blob.
    fs::create_dir_all(folder.path().join("empty")).unwrap();
    let empty = layout(folder.path(), "empty");
    copy(&[&amd, &empty]).run().await.ok();
    let blob = folder.path().join("empty/blobs").join(amd64().blobs()[1].replace(':', "/"));
    fs::write(&blob, "torn").unwrap();
    let ran = copy(&[&amd, &empty]).run().await.fails(5);
    assert!(ran.stderr.contains("there is something else already: the layer"), "{}", ran.stderr);
    copy(&[&amd, &empty, "--overwrite"]).run().await.ok();
    assert_eq!(fs::read(&blob).unwrap(), amd64().layer_blob());
    assert_eq!(entries(folder.path()), ["a.tar", "all", "empty"]);
}

#[tokio::test]
async fn what_is_there_already_is_left_and_what_may_not_move_is_refused() {
    let scene = Scene::with_both().await;
    let folder = tempdir().unwrap();
    let [amd, arm] = BOTH.map(|tag| scene.reference(tag));
    for file in [layout(folder.path(), "all"), archive(folder.path(), "a.tar")] {
        let list = format!("{file}:1");
        let dry = copy(&[&amd, &list, "--dry-run", "--json"]).run().await.ok();
        assert_eq!(
            (&document(&dry)["status"], &document(&dry)["changed"]),
            (&json!("dry-run"), &json!(true))
        );
        let ran = copy(&[&amd, &list, "--json"]).run().await.ok();
        assert_eq!(document(&ran)["changed"], json!(true));
        let before = scene.proxy.count("GET", "*/blobs/*");
        let ran = copy(&[&amd, &list, "--json"]).run().await.ok();
        assert_eq!(document(&ran)["changed"], json!(false));
        assert!(scene.proxy.count("GET", "*/blobs/*") <= before + 1, "{}", scene.proxy.log_text());
        let ran = copy(&[&arm, &list, "--overwrite=false"]).run().await.fails(5);
        let told = format!("{list} points to {}", amd64().digest());
        assert!(ran.stderr.contains(&told), "{}", ran.stderr);
        let back = copy(&[&list, &scene.reference("back")]).run().await.ok();
        assert!(back.stdout.ends_with(&format!("@{}\n", amd64().digest())));
    }
    assert_eq!(entries(folder.path()), ["a.tar", "all"]);
}

#[tokio::test]
async fn a_dry_run_writes_nothing() {
    let scene = Scene::with_amd64().await;
    let folder = tempdir().unwrap();
    for file in [layout(folder.path(), "all"), archive(folder.path(), "a.tar")] {
        copy(&[&scene.reference("amd64"), &file, "--dry-run"]).run().await.ok();
    }
    assert_eq!(entries(folder.path()), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_no_layout_stays_as_it_is() {
    let scene = Scene::with_amd64().await;
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("notes.txt"), "notes").unwrap();
    fs::create_dir_all(at("things/in it")).unwrap();
    let source = scene.reference("amd64");
    for (list, status, told) in [
        ("oci-archive:notes.txt", 5, "cannot write LIST: there is something else already: it "),
        (
            "oci:things",
            2,
            "cannot write LIST: it is a folder with other things in it: name a new one",
        ),
        ("oci-archive:things", 2, "cannot write LIST: it is a folder: write oci: in front of it"),
        (
            "oci:notes.txt",
            2,
            "cannot write LIST: it is a file: for an archive write oci-archive: in front of it",
        ),
        ("oci-archive:no/a.tar", 2, "cannot write LIST: there is no folder "),
        ("oci:no/a", 2, "cannot write LIST: there is no folder "),
    ] {
        let (form, path) = list.split_once(':').unwrap();
        let list = format!("{form}:{}", at(path).display());
        let ran = copy(&[&source, &list]).run().await.fails(status);
        let told = told.replace("LIST", &format!("{list}:amd64"));
        assert!(ran.stderr.contains(&told), "{told}\n{}", ran.stderr);
    }
    assert_eq!(entries(folder.path()), ["notes.txt", "things"]);
    assert_eq!(fs::read_to_string(at("notes.txt")).unwrap(), "notes");
    let list = archive(folder.path(), "notes.txt");
    copy(&[&source, &list, "--overwrite"]).run().await.ok();
    assert_eq!(skopeo(&["inspect", "--raw", &list]).await.as_bytes(), amd64().manifest());
}

#[tokio::test]
async fn problems_are_told_before_anything_is_done() {
    let digest = format!("sha256:{:064}", 1);
    for (arguments, told) in [
        (
            vec!["r.example/a:1", "docker-archive:a.tar"],
            "LIST 1: docker-archive:a.tar: docker-archive: is only read: write oci-archive:a.tar, which docker load reads since Docker 25",
        ),
        (
            vec!["r.example/a:1", "oci:a", "oci:a:2"],
            "LIST: oci:a: is given twice: a file gets one image in a run",
        ),
        (vec!["oci:a:1", "oci:a:2"], "LIST: oci:a: is the source itself"),
        (vec!["r.example/a:1", "oci:"], "LIST 1: oci:: the path is empty: is the variable set?"),
        (
            vec!["r.example/a:1", "oci-archive:a.tar:-x"],
            "LIST 1: oci-archive:a.tar:-x: \"-x\" cannot be the name of an image in a file: it has letters and digits, and one of - . _ : @ + / between them",
        ),
        (
            vec!["r.example/a:1", &format!("oci-archive:a.tar@{digest}")],
            "a file to write cannot contain a digest",
        ),
    ] {
        let ran = copy(&arguments).file("a/index.json", "{}").run().await.fails(2);
        assert!(ran.stderr.contains(told), "{told}\n{}", ran.stderr);
        assert_eq!(ran.stdout, "");
    }
    for source in ["oci-archive:*.tar", "oci:dist/[ab]"] {
        let ran = copy(&[source, "r.example/a:1"]).run().await.fails(2);
        assert!(ran.stderr.contains("it must be one file, not a pattern"), "{}", ran.stderr);
    }
    // A step and create write no files.
    let only = "only the command copy writes files: manifest-action copy SOURCE LIST";
    let step = Step::new().input("tags", "oci-archive:a.tar:1").input("sources", "r.example/a:1");
    let ran = step.run().await.fails(2);
    assert!(ran.everything().contains(only), "{}", ran.everything());
    let ran = Step::new().args(["create", "oci:a:1", "r.example/a:1"]).run().await.fails(2);
    assert!(ran.stderr.contains(only), "{}", ran.stderr);
    let check = Step::new().args(["check", "--spec", "indexes.yaml"]);
    let spec = "indexes: [{tags: 'oci:a:1', sources: r.example/a:1}]";
    let ran = check.file("indexes.yaml", spec).run().await.fails(2);
    assert!(ran.stderr.contains(only), "{}", ran.stderr);
}

/// Docker Hub has no image that is meant by it.
#[tokio::test]
async fn other_commands_take_no_files() {
    for arguments in [
        &["inspect", "oci-archive:a.tar"][..],
        &["wait", "r.example/a:1", "oci-archive:a.tar"],
        &["check", "oci-archive:a.tar"],
        &["diff", "oci-archive:a.tar", "r.example/a:1"],
        &["annotate", "oci-archive:a.tar", "linux/arm64", "--variant", "v8"],
        &["annotate", "r.example/a:1", "oci-archive:a.tar", "--variant", "v8"],
        &["remove", "oci-archive:a.tar", "linux/arm64"],
        &["remove", "r.example/a:1", "oci-archive:a.tar"],
    ] {
        let ran = Step::new().args(arguments).file("a.tar", "").run().await.fails(2);
        let told = "only create and copy take files";
        assert!(ran.stderr.contains(told), "{arguments:?}\n{}", ran.stderr);
        assert_eq!(ran.stdout, "");
    }
}

#[tokio::test]
async fn links_stay_and_what_they_lead_to_is_written() {
    let scene = Scene::with_amd64().await;
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("real")).unwrap();
    std::os::unix::fs::symlink("real", at("link")).unwrap();
    copy(&[&scene.reference("amd64"), &layout(folder.path(), "link")]).run().await.ok();
    assert!(at("link").is_symlink());
    assert_eq!(listed(&at("real")), [(amd64().digest(), Some("amd64".to_owned()))]);
    // What the user may read, others may as his umask says.
    copy(&[&scene.reference("amd64"), &archive(folder.path(), "a.tar")]).run().await.ok();
    let mode = |name: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(at(name)).unwrap().permissions().mode() & 0o777
    };
    fs::write(at("usual"), "").unwrap();
    assert_eq!(mode("a.tar"), mode("usual"));
}

/// A login that names no registry is for the source's where nothing else is spoken to.
#[tokio::test]
async fn the_login_is_the_sources() {
    let scene = Scene::with_login("user", "secret-password").await;
    let folder = tempdir().unwrap();
    let list = archive(folder.path(), "a.tar");
    let step = copy(&[&scene.reference("amd64"), &list]);
    let ran = step.args(["--username=user", "--password-stdin"]).stdin("secret-password").run();
    ran.await.ok().never_says("secret-password");
    assert_eq!(entries(folder.path()), ["a.tar"]);
}

#[tokio::test]
async fn a_folder_that_takes_no_files_is_told() {
    let scene = Scene::with_amd64().await;
    for list in ["oci-archive:/sys/a.tar", "oci:/sys/a"] {
        let ran = copy(&[&scene.reference("amd64"), list]).run().await.fails(2);
        let told = format!("cannot write {list}");
        assert!(ran.stderr.contains(&told), "{}", ran.stderr);
        assert!(ran.stderr.contains("nothing can be written there: "), "{}", ran.stderr);
        assert!(!ran.stderr.contains("manifest-action-"), "{}", ran.stderr);
    }
}
