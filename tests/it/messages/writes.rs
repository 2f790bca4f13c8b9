//! Pushes that are refused, and tags that did not move or moved elsewhere.

use super::page::Section;
use crate::support::images::Image;
use crate::support::registry::Manner;
use crate::support::rules::{Fault, Rule};
use crate::support::scene::{REPO, Scene, amd64, manifest};

const NAME: &str = "r.example";
const FOREIGN: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";

pub async fn section() -> Section {
    let mut section = Section::new("Publishing");
    tags(&mut section).await;
    refused(&mut section).await;
    across(&mut section).await;
    section
}

async fn tags(section: &mut Section) {
    let scene = Scene::with_both().await;
    let host = scene.proxy.host();
    let names = [(&*host, NAME)];
    scene.push(&amd64().seed(7), "1").await;
    let ran = scene.step_to(&["1"]).input("overwrite", "false").run().await;
    section.add("a tag that may not be moved, by the input `overwrite`", &names, &ran);
    let ran = scene.step_to(&["1"]).input("overwrite", "latest, *-rc").run().await;
    section.add("a tag that matches none of the patterns in `overwrite`", &names, &ran);
    let own = scene.step_to(&["2"]).input("platform-tags", &scene.reference("2-{os}"));
    section.add("two platforms for one tag", &names, &own.run().await);
    let denied = Fault::Status(403).error("DENIED", "cannot overwrite tag");
    scene.proxy.rule(Rule::on("PUT", &manifest("1")).then(denied));
    let ran = scene.step_to(&["1"]).run().await;
    section.add("a tag that may not be moved, by the registry", &names, &ran);

    let scene = Scene::with_both().await;
    let host = scene.proxy.host();
    scene.push(&amd64().seed(7), "2").await;
    scene.proxy.rule(Rule::on("PUT", &manifest("2")).then(Fault::Status(400).error("X", "no")));
    let ran = scene.step_to(&["1", "2"]).run().await;
    section.add("the second of two tags is refused", &[(&host, NAME)], &ran);
}

async fn refused(section: &mut Section) {
    for (what, fault) in [
        ("a push that the registry refuses", Fault::Status(400).error("MANIFEST_INVALID", "no")),
        ("a repository that is not there", Fault::Status(404).error("NAME_UNKNOWN", "no such")),
        ("an upload that a proxy does not take", Fault::Status(413)),
    ] {
        let scene = Scene::with_both().await;
        scene.proxy.rule(Rule::on("PUT", &manifest("1")).then(fault));
        let host = scene.proxy.host();
        section.add(what, &[(&host, NAME)], &scene.step_to(&["1"]).run().await);
    }
    let mut scene = Scene::with_both().await;
    scene.registry.restart_as(Manner::ReadOnly).await;
    let host = scene.proxy.host();
    let ran = scene.step_to(&["1"]).run().await;
    section.add("a registry that takes no writes", &[(&host, NAME)], &ran);
}

async fn across(section: &mut Section) {
    let (from, mut to) = (Scene::empty().await, Scene::empty().await);
    let windows = Image::docker("windows(10.0.20348.2700)/amd64");
    let windows = windows.foreign_layer(FOREIGN, "https://mcr.example/layer", b"elsewhere");
    from.push(&windows, "windows").await;
    to.registry.restart_as(Manner::NoUrls).await;
    let (source, target) = (from.proxy.host(), to.proxy.host());
    let names = [(&*source, "source.example"), (&*target, NAME)];
    let step = to.step("1").input("sources", &from.reference("windows"));
    section.add("layers that are elsewhere", &names, &step.run().await);

    let denied = "requested access to the resource is denied";
    let too_large = Fault::Status(413).header("Content-Type", "text/html").body("<html>");
    for (what, method, path, fault) in [
        ("a layer that a proxy does not take", "PATCH", "*/blobs/uploads/*", too_large),
        (
            "an upload that is denied",
            "POST",
            "*/blobs/uploads/",
            Fault::Status(403).error("DENIED", denied),
        ),
    ] {
        let to = Scene::empty().await;
        let image = amd64().layer_size(200_000);
        from.push(&image, "amd64").await;
        // So that it is always the layer that the error is about.
        to.client.put_blob(REPO, &image.config()).await;
        to.proxy.rule(Rule::on(method, path).then(fault));
        let target = to.proxy.host();
        let names = [(&*source, "source.example"), (&*target, NAME)];
        let step = to.step("1").input("sources", &from.reference("amd64"));
        section.add(what, &names, &step.run().await);
    }
}
