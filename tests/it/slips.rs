//! Slips in inputs: the cause and what to write, all of them in one run and before the first
//! request.

use crate::support::scene::Scene;
use serde_json::json;

#[tokio::test]
async fn every_slip_is_told_in_one_run_before_any_request() {
    let scene = Scene::with_both().await;
    let host = scene.proxy.host();
    let ran = scene
        .step("1")
        .input("tags", &format!("{host}/acme/app:\n1.2\n{host}/acme/app:feature/login\n- {host}/acme/app:3"))
        .input(
            "sources",
            &format!("'{host}/acme/app:amd64'\n{host}/***/app:arm64\n{host}/acme/app:${{{{ github.sha }}}}\nnull"),
        )
        .input("platforms", "[linux/amd64, linux/arm64]")
        .input("annotations", "- a=b\n--annotation c=d\n'e=f'")
        .input("expect-labels", "org.opencontainers.image.revision=$GITHUB_SHA")
        .run()
        .await
        .fails(2);
    for told in [
        format!("tags, line 1: {host}/acme/app:: the tag is empty: is the variable set?"),
        "tags, line 2: 1.2 is only a tag or only a repository: write both, such as ghcr.io/acme/app:1.2".to_owned(),
        format!("a tag cannot contain a slash: write {host}/acme/app:feature-login"),
        format!("leave out \"-\" in front: write {host}/acme/app:3"),
        format!("leave out the quotes: write {host}/acme/app:amd64"),
        "*** is what a log shows in place of a secret".to_owned(),
        "${{ github.sha }} was not replaced: workflow files".to_owned(),
        "\"null\" stands for a missing value: is the variable set?".to_owned(),
        "platforms: not a JSON array: write [\"linux/amd64\",\"linux/arm64\"]".to_owned(),
        "annotations, line 1: leave out what is in front of KEY=VALUE".to_owned(),
        "annotations, line 2: leave out what is in front of KEY=VALUE".to_owned(),
        "annotations, line 3: leave out the quotes".to_owned(),
        "org.opencontainers.image.revision: $GITHUB_SHA was not replaced: is the variable set?".to_owned(),
    ] {
        assert!(ran.stdout.contains(&told), "{told:?} is missing:\n{}", ran.stdout);
    }
    assert_eq!(scene.proxy.requests(), 0, "{}", scene.proxy.log_text());
}

#[tokio::test]
async fn quotes_round_an_annotation_are_not_published() {
    let scene = Scene::with_both().await;
    scene
        .step_to(&["1"])
        .input("annotations", "\"index:org.opencontainers.image.title=My App\"\nb=\"c\"")
        .run()
        .await
        .ok();
    let annotations = scene.at("1").await.json()["annotations"].clone();
    let expected = json!({"b": "\"c\"", "org.opencontainers.image.title": "My App"});
    assert_eq!(annotations, expected);
}
