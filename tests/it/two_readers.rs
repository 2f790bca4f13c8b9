//! Documents that our program would read in one way and a client in another, and descriptors that
//! are not true: what was checked would not be what is pulled.

use crate::support::client::{DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, sha256};
use crate::support::images::Image;
use crate::support::indexes::BuiltIndex;
use crate::support::running::Ran;
use crate::support::scene::{REPO, Scene, amd64, arm64};
use crate::support::step::Step;
use serde_json::{Value, json};

/// The index of the amd64 image and its provenance, with this done to it, at `odd`.
async fn push_odd(scene: &Scene, change: impl Fn(&mut Value)) -> String {
    let index = BuiltIndex::new(vec![amd64()]).attestations(true);
    index.push(&scene.client, REPO, "good").await;
    let mut odd = index.json();
    change(&mut odd);
    scene.put("odd", OCI_INDEX, &serde_json::to_vec(&odd).unwrap()).await
}

/// A run with `odd` among its sources is refused, and no tag moves.
#[track_caller]
fn is_refused(case: &str, ran: &Ran, word: &str) {
    assert_eq!(ran.status, 5, "{case}: {}", ran.everything());
    assert!(ran.stdout.contains(word), "{case}: {}", ran.stdout);
}

#[tokio::test]
async fn a_field_under_another_name() {
    let scene = Scene::with_both().await;
    let other = arm64().digest();
    let renamed = |at: &'static str, from: &'static str, to: &'static str| {
        move |index: &mut Value| {
            let place = index.pointer_mut(at).and_then(Value::as_object_mut).unwrap();
            let value = place.get(from).cloned().unwrap_or_else(|| json!("linux"));
            place.insert(to.to_owned(), value);
        }
    };
    let digest = move |key: &'static str| {
        let other = other.clone();
        move |index: &mut Value| index["manifests"][0][key] = json!(other)
    };
    type Change = Box<dyn Fn(&mut Value)>;
    let cases: Vec<(&str, Change)> = vec![
        ("another digest", Box::new(digest("Digest"))),
        ("a digest with a long s", Box::new(digest("dige\u{17f}t"))),
        ("another size", Box::new(renamed("/manifests/1", "size", "SIZE"))),
        ("another platform", Box::new(renamed("/manifests/0", "platform", "Platform"))),
        ("another system", Box::new(renamed("/manifests/0/platform", "os", "OS"))),
        ("a second list", Box::new(renamed("", "manifests", "Manifests"))),
        ("annotations", Box::new(renamed("/manifests/1", "annotations", "Annotations"))),
    ];
    for (case, change) in cases {
        push_odd(&scene, change).await;
        let before = scene.state().await;
        let ran = scene.step_of(&["odd", "arm64"]).run().await;
        is_refused(case, &ran, "one field to some clients");
        let appended = scene.step("odd").input("append", "true");
        let appended = appended.input("sources", &scene.reference("arm64")).run().await;
        is_refused(case, &appended, "one field to some clients");
        for arguments in [
            vec!["remove".to_owned(), scene.reference("odd"), "linux/amd64".to_owned()],
            vec!["inspect".to_owned(), scene.reference("odd")],
        ] {
            Step::new().args(arguments).run().await.fails(5);
        }
        assert_eq!(scene.state().await, before, "{case}");
    }
}

#[tokio::test]
async fn a_field_of_a_config_under_another_name() {
    let scene = Scene::with_both().await;
    for (case, odd) in [
        (
            "an architecture",
            json!({"os": "linux", "architecture": "amd64", "Architecture": "arm64"}),
        ),
        (
            "labels",
            json!({"os": "linux", "architecture": "amd64", "config": {"Labels": {}, "labels": {"a": "b"}}}),
        ),
    ] {
        let config = odd.to_string().into_bytes();
        let mut image: Value = serde_json::from_slice(&amd64().manifest()).unwrap();
        scene.client.put_blob(REPO, &config).await;
        image["config"]["digest"] = json!(sha256(&config));
        image["config"]["size"] = json!(config.len());
        scene.put("odd", OCI_MANIFEST, &serde_json::to_vec(&image).unwrap()).await;
        is_refused(
            case,
            &scene.step_of(&["odd", "arm64"]).run().await,
            "one field to some clients",
        );
        assert_eq!(scene.digest("1").await, None);
    }
}

#[tokio::test]
async fn names_that_users_choose_may_look_like_fields() {
    let scene = Scene::with_both().await;
    let image = Image::oci("linux/s390x").label("Digest", "x").label("OS", "y");
    push_odd(&scene, |index| {
        index["manifests"][0]["annotations"] = json!({"Digest": "x", "PLATFORM": "y"});
        index["annotations"] = json!({"Manifests": "x"});
        index["manifests"][0]["org.example"] = json!({"Digest": "x"});
    })
    .await;
    scene.push(&image, "labelled").await;
    scene.step_of(&["odd", "labelled"]).run().await.ok();
}

/// What an entry says is held against what the registry tells anyway.
#[tokio::test]
async fn an_entry_that_is_not_what_it_says() {
    let scene = Scene::with_both().await;
    for (case, key, value, word) in [
        ("size", "size", json!(7), "bytes, but the index says 7"),
        ("type", "mediaType", json!(DOCKER_MANIFEST), "its type is"),
        ("data of other bytes", "data", json!("e30="), "other bytes"),
        ("data that is no base64", "data", json!("%%%"), "not base64"),
    ] {
        push_odd(&scene, |index| index["manifests"][0][key] = value.clone()).await;
        let before = scene.proxy.log_text().lines().count();
        is_refused(case, &scene.step_of(&["odd", "arm64"]).run().await, word);
        let asked = scene.proxy.log_text().lines().count() - before;
        assert!(
            asked <= 5,
            "no more than what is asked anyway: {case}\n{}",
            scene.proxy.log_text()
        );
        assert_eq!(scene.digest("1").await, None, "{case}");
    }
}
