//! Inputs and arguments that are missing, wrong, or contradict each other: all in one run, before
//! the first request.

use super::page::Section;
use crate::support::scene::{Scene, step_at};
use crate::support::step::Step;

const NAME: &str = "r.example";

pub async fn section() -> Section {
    let mut section = Section::new("Inputs of the step");
    let step = || step_at(NAME, &["amd64"]);
    let digest = format!("sha256:{}", "0".repeat(64));
    for (what, step) in [
        ("no inputs at all", Step::new().github()),
        ("slips in references", {
            let sources =
                "linux/amd46=r.example/app:amd64\nhttps://r.example/app:1\nr.example/App:1";
            step().input("tags", "1.2, r.example/app").input("sources", sources)
        }),
        ("slips in settings", {
            let slips = step().input("wait", "10 minutes").input("missing", "ignore");
            slips.input("format", "v2").input("overwrite", "no").input("concurrency", "0")
        }),
        ("slips in platforms and digests", {
            let step = Step::new().github().input("tags", "r.example/acme/app:1");
            step.input("digests", "linux/amd64=sha256:12ab").input("platforms", "amd64")
        }),
        ("half a login", step().input("username", "ci")),
        ("slips in logins and registries", {
            let slips = step().input("credentials", "s.example:canary");
            let slips = slips.input("insecure-registries", "http://r.example/acme");
            let slips = slips.file("login", "canary").input("docker-config", "login");
            slips.file("ca.pem", "").input("ca-file", "ca.pem")
        }),
        ("a login without its registry", {
            let lists = "indexes:\n  - tags: r.example/app:1\n    sources: s.example/app:2\n";
            let step = Step::new().github().file("lists.yaml", lists).input("spec", "lists.yaml");
            step.input("username", "ci").input("password", "canary")
        }),
        ("sources and digests", step().input("digests", &digest)),
        ("a folder of digests that is not there", {
            step().input("sources", "").input("digests", "/tmp/no-such-digests")
        }),
        ("a job without a digest", {
            let jobs = format!(
                r#"{{"amd64": {{"result": "success", "outputs": {{"digest": "{digest}"}}}}, "arm64": {{"result": "failure", "outputs": {{}}}}}}"#
            );
            step().input("sources", "").input("digests", &jobs)
        }),
        ("placeholders without platforms", step().input("sources", "r.example/app:{arch}")),
        ("slips in platform-tags and overwrite", {
            let own = "1.2-{arch}\nr.example/app:2\nr.example/app:2-{arhc}";
            step().input("platform-tags", own).input("overwrite", "r.example/app:latest")
        }),
        ("one image as it is, and what needs an index", {
            step().input("prefer-index", "false").input("annotations", "a=b")
        }),
        ("files that are not there", {
            Step::new().github().input("ca-file", "ca.pem").input("spec", "lists.yaml")
        }),
        ("`spec` beside `tags`", {
            step().file("lists.yaml", "indexes: []").input("spec", "lists.yaml")
        }),
        ("slips in a spec", {
            let lists = "indexes:\n  - tag: r.example/app:1\n    sources: r.example/app:amd64\n";
            Step::new().github().file("lists.yaml", lists).input("spec", "lists.yaml")
        }),
        ("an alias in a spec", {
            let lists = "indexes:\n  - &first\n    tags: r.example/app:1\n    sources: r.example/app:amd64\n  - *first\n";
            Step::new().github().file("lists.yaml", lists).input("spec", "lists.yaml")
        }),
        ("indexes in each other's way", {
            let lists = "indexes:\n  - tags: r.example/app:1\n    sources: r.example/app:amd64\n  - tags: r.example/app:1\n    sources: r.example/app:arm64\n  - tags: r.example/app:2\n    sources: r.example/app:1\n";
            Step::new().github().file("lists.yaml", lists).input("spec", "lists.yaml")
        }),
        ("slips in a file of manifest-tool", {
            let file = "image: r.example/app:1\ntag: [latest]\nmanifests:\n  - image: r.example/app:amd64\n    platform: {os: linux, arch: amd64}\n";
            Step::new().github().file("manifest.yaml", file).input("spec", "manifest.yaml")
        }),
        ("slips in a template of Drone", {
            let file =
                "image: r.example/{{config.target}}:{{trimPrefx 'v' build.tga}}\nmanifests: []\n";
            let step = Step::new().env("CI", "true").file("manifest.tmpl", file);
            step.env("PLUGIN_SPEC", "manifest.tmpl")
        }),
        ("a template of Drone that asks for what is not set", {
            let file = "image: r.example/{{config.target}}:1\nmanifests: []\n";
            let step = Step::new().env("CI", "true").file("manifest.tmpl", file);
            step.env("PLUGIN_SPEC", "manifest.tmpl")
        }),
        (
            "a report that cannot be written",
            step().input("json-file", "no/such/folder/report.json"),
        ),
        ("outputs that cannot be written", step().input("dotenv-file", "no/such/folder/build.env")),
        ("jobs of a system that has none", {
            let step = Step::new().env("CI", "true").input("tags", "r.example/acme/app:1");
            step.input("sources", "r.example/acme/app:amd64").input("watch-jobs", "build")
        }),
        ("a file to publish to", {
            let step = Step::new().github().input("tags", "oci-archive:app.tar:1");
            step.input("sources", "r.example/acme/app:amd64")
        }),
        ("slips in annotations", {
            step().input("annotations", "org.opencontainers.image.title\nindex[linux/amd64]:a=b")
        }),
    ] {
        section.add(what, &[], &step.run().await);
    }
    section
}

pub async fn arguments() -> Section {
    let mut section = Section::new("The command line");
    let scene = Scene::with_both().await;
    let host = scene.proxy.host();
    let list = scene.reference("1");
    scene.step_to(&["1"]).run().await.ok();
    let annotation = format!("annotate {list} {host}/acme/app:none --os linux");
    for (what, arguments) in [
        ("no such command", "push r.example/app:1"),
        ("no such flag", "create r.example/app:1 r.example/app:amd64 --overwrit false"),
        ("no sources", "create r.example/app:1"),
        ("slips in arguments", "create app r.example/App:1 --platforms linux/amd46 --wait soon"),
        ("a file in place of a reference", "inspect oci-archive:app.tar"),
        ("no such tag", &format!("inspect {host}/acme/app:none")),
        ("no such entry", &format!("remove {list} linux/s390x")),
        ("an annotation for an entry that is not there", &annotation),
        ("nothing to compare with", &format!("diff {list} {host}/acme/app:none")),
    ] {
        let ran = Step::new().args(arguments.split(' ')).run().await;
        section.add(what, &[(&host, NAME)], &ran);
    }
    section
}
