//! Images that are not there, not the right ones, or do not belong together.

use super::page::Section;
use crate::support::client::{OCI_INDEX, sha256};
use crate::support::images::Image;
use crate::support::indexes::BuiltIndex;
use crate::support::jobs_api::{JobsApi, job};
use crate::support::rules::{Fault, Rule};
use crate::support::running::Ran;
use crate::support::scene::{REPO, Scene, amd64, manifest};
use crate::support::step::Step;

const NAME: &str = "r.example";
const SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";

pub async fn section() -> Section {
    let mut section = Section::new("Images");
    missing(&mut section).await;
    labels(&mut section).await;
    platforms(&mut section).await;
    content(&mut section).await;
    whole(&mut section).await;
    section
}

async fn missing(section: &mut Section) {
    let scene = Scene::with_amd64().await;
    let host = scene.proxy.host();
    let names = [(&*host, NAME)];
    let once = |sources: &[&str]| scene.step_of(sources).run();
    section.add("a tag that is not there", &names, &once(&["amd64", "1.2-arm64"]).await);
    scene.push(&amd64(), "1.2-aarch64").await;
    section.add("a tag with another spelling", &names, &once(&["amd64", "1.2-arm64"]).await);
    let nowhere = sha256(b"nothing");
    section.add("a digest that is not there", &names, &once(&["amd64", &nowhere]).await);
    let tags = format!("{}\n{}", scene.reference("1"), scene.full_name("acme/mirror:1"));
    let step = scene.step("1").input("tags", &tags).input("digests", &nowhere);
    section.add("a digest that no repository of the tags has", &names, &step.run().await);
    let step = scene.waiting_step().input("wait", "1s").input("wait-interval", "200ms");
    section.add("an image that did not come in time", &names, &step.run().await);

    let jobs = |state: &str| vec![job("build (amd64)", "success"), job("build (arm64)", state)];
    let api = JobsApi::github(jobs("in_progress"));
    let step = api.known_to(scene.waiting_step()).input("watch-jobs", "build *");
    let running = step.input("wait-interval", "200ms").spawn().await;
    running.wait_for_line("not found yet").await;
    api.set(jobs("failure"));
    section.add("the job that builds it failed", &names, &running.wait().await);
}

async fn labels(section: &mut Section) {
    let scene = Scene::empty().await;
    let host = scene.proxy.host();
    let names = [(&*host, NAME)];
    let key = "org.opencontainers.image.revision";
    scene.push(&amd64(), "amd64").await;
    let old = "0123456789abcdef0123456789abcdef01234567";
    scene.push(&Image::oci("linux/arm64").label(key, old), "arm64").await;
    for (what, source) in
        [("an image without the label", "amd64"), ("an image of another commit", "arm64")]
    {
        let step = scene.step_of(&[source]).input("expect-labels", &format!("{key}=89abcdef"));
        section.add(what, &names, &step.run().await);
    }
}

async fn platforms(section: &mut Section) {
    let scene = Scene::with_both().await;
    let host = scene.proxy.host();
    let names = [(&*host, NAME)];
    let of = async |sources: &[&str], platforms: &str| -> Ran {
        scene.step_of(sources).input("platforms", platforms).run().await
    };
    let three = "linux/amd64,linux/arm64,linux/arm/v7";
    section.add("a platform without an image", &names, &of(&["amd64", "arm64"], three).await);
    let ran = of(&["amd64", "arm64"], "linux/amd64").await;
    section.add("a platform that nobody asked for", &names, &ran);
    scene.push(&amd64().seed(2), "other").await;
    section.add("two images for one platform", &names, &of(&["amd64", "other"], "").await);
    scene.push(&amd64().seed(3), "1-arm64").await;
    let two = "linux/amd64,linux/arm64";
    let ran = of(&["amd64", "1-arm64"], two).await;
    section.add("a job that built for its own machine", &names, &ran);
    let ran = of(&["linux/arm64=amd64"], "").await;
    section.add("an image for another platform than the inputs say", &names, &ran);
    scene.push(&amd64(), "copy").await;
    section.add("one image under two names", &names, &of(&["amd64", "copy"], "").await);
}

async fn content(section: &mut Section) {
    let scene = Scene::with_both().await;
    let host = scene.proxy.host();
    let names = [(&*host, NAME)];
    let add = async |section: &mut Section, what: &str, source: &str| {
        section.add(what, &names, &scene.step_of(&["amd64", source]).run().await);
    };
    let config = scene.client.put_blob(REPO, b"{}").await;
    let chart = format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.cncf.helm.config.v1+json","digest":"{config}","size":2}},"layers":[]}}"#
    );
    scene.put("chart", crate::support::client::OCI_MANIFEST, chart.as_bytes()).await;
    add(section, "an artifact", "chart").await;
    let empty = br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
    scene.put("empty", OCI_INDEX, empty).await;
    add(section, "an index without images", "empty").await;

    let fault = Fault::Status(200).header("Content-Type", SCHEMA_1);
    let old = fault.body(r#"{"schemaVersion":1,"name":"a","tag":"b","fsLayers":[]}"#);
    scene.proxy.rule(Rule::on("GET", &manifest("old")).then(old));
    add(section, "a manifest of 2015", "old").await;

    let index = BuiltIndex::new(vec![amd64().seed(5)]);
    let bytes = index.bytes();
    index.push(&scene.client, REPO, "built").await;
    let other = String::from_utf8(bytes).unwrap().replace("amd64", "arm64");
    scene.put("wrong", OCI_INDEX, other.as_bytes()).await;
    let sources = scene.references(&["wrong"]);
    let label = "org.opencontainers.image.revision=1";
    let step = scene.step("1").input("sources", &sources).input("expect-labels", label);
    section.add("an index whose entries lack the label", &names, &step.run().await);
}

/// What `check` says of an index that was published once.
async fn whole(section: &mut Section) {
    let scene = Scene::empty().await;
    let host = scene.proxy.host();
    let names = [(&*host, NAME)];
    let images = ["linux/amd64", "linux/arm64", "linux/s390x"].map(Image::oci);
    let check = |more: &[&str]| {
        let name = scene.reference("1.2");
        Step::new().args(["check", &name]).args(more).run()
    };
    BuiltIndex::new(images.to_vec()).push(&scene.client, REPO, "1.2").await;
    let platforms = ["--platforms", "linux/amd64,linux/arm64,linux/riscv64"];
    section.add("a published index for other platforms", &names, &check(&platforms).await);
    let size = Fault::SetHeader("Content-Length", "7".to_owned());
    let layer = &images[2].blobs()[1];
    scene.proxy.rule(Rule::on("HEAD", &format!("*/blobs/{layer}")).nth(1).then(size));
    section.add("a published index with a layer that is cut off", &names, &check(&[]).await);
    scene.client.delete_manifest(REPO, &images[1].digest()).await;
    let config = format!("/v2/{REPO}/blobs/{}", images[2].blobs()[0]);
    scene.client.request("DELETE", &config, &[], &[]).await;
    section.add("a published index after a clean-up", &names, &check(&[]).await);
}
