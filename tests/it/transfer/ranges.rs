//! Downloads that break before servers which have ranges in their own way, or none.

use super::step_with_report;
use crate::support::client::sha256;
use crate::support::images::Image;
use crate::support::scene::Scene;
use crate::support::scripted::{Reply, Request, ScriptedServer, answer};

/// What a server does about a `Range` of a blob of so many bytes.
type Ranges = fn(range: &str, blob: &[u8]) -> Reply;

/// Knows closed ranges only.
fn closed(range: &str, blob: &[u8]) -> Reply {
    let (from, to) = range.trim_start_matches("bytes=").split_once('-').unwrap();
    let (Ok(from), Ok(to)) = (from.parse::<usize>(), to.parse::<usize>()) else {
        return answer(416, &[], "").into();
    };
    let told = format!("bytes {from}-{to}/{}", blob.len());
    answer(206, &[("Content-Range", &told)], &blob[from..=to]).into()
}

/// A registry with one image at `a`; the first answer with its layer breaks off in the middle.
fn breaking(image: &Image, ranges: Ranges) -> ScriptedServer {
    let (manifest, media_type) = (image.manifest(), image.media_type());
    let blobs = [image.config(), image.layer_blob()].map(|blob| (sha256(&blob), blob));
    let layer = blobs[1].0.clone();
    let broken = std::sync::atomic::AtomicBool::new(false);
    ScriptedServer::answering(move |request: &Request, _| {
        let path = request.path();
        if path.contains("/manifests/") {
            return answer(200, &[("Content-Type", media_type)], manifest.clone()).into();
        }
        let Some((digest, blob)) = blobs.iter().find(|(digest, _)| path.ends_with(digest)) else {
            return answer(404, &[], "").into();
        };
        if *digest == layer && !broken.swap(true, std::sync::atomic::Ordering::SeqCst) {
            let mut cut = answer(200, &[], blob.clone());
            cut.truncate(cut.len() - blob.len() / 2);
            return cut.into();
        }
        match request.header("range") {
            Some(range) => ranges(range, blob),
            None => answer(200, &[], blob.clone()).into(),
        }
    })
}

#[tokio::test]
async fn a_download_goes_on_whatever_a_server_thinks_of_ranges() {
    let none: [(&str, Ranges); 4] = [
        ("416", |_, _| answer(416, &[], "").into()),
        ("400", |_, _| answer(400, &[], "no ranges").into()),
        ("501", |_, _| answer(501, &[], "").into()),
        ("200, from the start", |_, blob| answer(200, &[], blob).into()),
    ];
    for (case, ranges) in [("closed ones only", closed as Ranges)].into_iter().chain(none) {
        let image = Image::oci("linux/amd64").layer_size(300_000);
        let (from, to) = (breaking(&image, ranges), Scene::empty().await);
        let source = format!("{}/acme/app:a", from.host());
        let ran = step_with_report(&to.full_name("acme/app:1"), &source).run().await.ok();
        assert!(to.client.holds("acme/app", &image).await, "{case}: {}", ran.everything());
        let layer = sha256(&image.layer_blob());
        let reads: Vec<Request> = from
            .requests()
            .into_iter()
            .filter(|request| request.path().ends_with(&layer))
            .collect();
        let asked: Vec<bool> =
            reads.iter().map(|request| request.header("range").is_some()).collect();
        let expected: &[bool] = match case {
            "closed ones only" | "200, from the start" => &[false, true],
            _ => &[false, true, false],
        };
        assert_eq!(asked, expected, "{case}");
        let end = image.layer_blob().len() - 1;
        let range = reads[1].header("range").unwrap_or_default();
        assert!(range.ends_with(&format!("-{end}")), "{case}: {range}");
    }
}

/// What is no matter of ranges ends the run as before: it is not asked for twice.
#[tokio::test]
async fn a_blob_that_is_gone_is_not_read_again_from_its_start() {
    let image = Image::oci("linux/amd64").layer_size(300_000);
    let (from, to) = (breaking(&image, |_, _| answer(404, &[], "").into()), Scene::empty().await);
    let source = format!("{}/acme/app:a", from.host());
    step_with_report(&to.full_name("acme/app:1"), &source).run().await.fails(7);
    let layer = sha256(&image.layer_blob());
    let reads = from.requests().iter().filter(|request| request.path().ends_with(&layer)).count();
    assert_eq!(reads, 2);
}
