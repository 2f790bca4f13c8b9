//! The images are real: skopeo, which knows nothing of us, reads every kind and follows every
//! digest.

use crate::support::client::{Client, DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};
use crate::support::images::Image;
use crate::support::indexes::{BuiltIndex, DockerList};
use crate::support::registry::Registry;
use crate::support::skopeo::{copy_all, inspect_as, inspect_raw, skopeo};
use std::io::Read as _;

#[tokio::test]
async fn skopeo_reads_every_kind_of_image() {
    let registry = Registry::start().await;
    let client = Client::new(&registry.host());
    let folder = tempfile::tempdir().unwrap();
    let reference = |tag: &str| format!("{}/acme/app:{tag}", registry.host());

    let windows =
        Image::docker("windows(10.0.20348.2700)/amd64").os_feature("win32k").label("a", "b");
    windows.push(&client, "acme/app", "docker").await;
    Image::oci("linux/arm").push(&client, "acme/app", "oci").await;
    let built =
        BuiltIndex::new(vec![Image::oci("linux/amd64"), Image::oci("linux/arm/v7").seed(1)])
            .attestations(true);
    assert_eq!(built.push(&client, "acme/app", "built").await, built.digest());
    let list = DockerList::new(vec![Image::docker("linux/amd64"), windows.clone()]);
    assert_eq!(list.push(&client, "acme/app", "list").await, list.digest());

    for (tag, media_type) in [
        ("docker", DOCKER_MANIFEST),
        ("oci", OCI_MANIFEST),
        ("built", OCI_INDEX),
        ("list", DOCKER_LIST),
    ] {
        let fetched = client.get_manifest("acme/app", tag).await.expect("pushed");
        assert_eq!(fetched.media_type, media_type, "{tag}");
        let to = folder.path().join(tag);
        copy_all(&reference(tag), &to).await;
        assert_eq!(std::fs::read(to.join("manifest.json")).unwrap(), fetched.bytes, "{tag}");
    }
    assert_eq!(inspect_raw(&reference("built")).await.as_bytes(), built.bytes());
    let arm = inspect_as(&reference("built"), "linux", "arm", "v7").await;
    assert_eq!((&arm["Architecture"], &arm["Os"]), (&"arm".into(), &"linux".into()));
    let seen = inspect_as(&reference("docker"), "windows", "amd64", "").await;
    assert_eq!(seen["Labels"]["a"], "b");
}

/// The copy into an OCI layout unpacks nothing, but a conversion from Docker's format reads every
/// part.
#[tokio::test]
async fn skopeo_converts_a_docker_list() {
    let registry = Registry::start().await;
    let client = Client::new(&registry.host());
    let folder = tempfile::tempdir().unwrap();
    DockerList::new(vec![Image::docker("linux/amd64"), Image::docker("linux/arm64")])
        .push(&client, "acme/app", "1")
        .await;
    let from = format!("docker://{}/acme/app:1", registry.host());
    let to = format!("oci:{}:1", folder.path().join("layout").display());
    skopeo(&["copy", "--all", "--src-tls-verify=false", &from, &to]).await;
    assert!(folder.path().join("layout/index.json").is_file());
}

#[tokio::test]
async fn a_built_index_is_laid_out_as_buildkit_does_it() {
    let built = BuiltIndex::new(vec![Image::oci("linux/arm64/v8")]).attestations(true);
    let (index, image) = (built.json(), &built.images()[0]);
    let attestation = &index["manifests"][1];
    assert_eq!(attestation["annotations"]["vnd.docker.reference.digest"], image.digest());
    assert_eq!(attestation["annotations"]["vnd.docker.reference.type"], "attestation-manifest");
    assert_eq!(attestation["digest"], built.attestation_digests()[0]);
    let text = String::from_utf8(built.bytes()).unwrap();
    let start = format!(
        "{{\n  \"schemaVersion\": 2,\n  \"mediaType\": \"{OCI_INDEX}\",\n  \"manifests\": [\n    {{\n      \"mediaType\": \"{OCI_MANIFEST}\",\n      \
         \"digest\": \"{}\",\n      \"size\": {},\n      \"platform\": {{\n        \"architecture\": \"arm64\",\n        \"os\": \"linux\",\n        \
         \"variant\": \"v8\"\n",
        image.digest(),
        image.manifest().len()
    );
    assert!(text.starts_with(&start), "{text}");
    assert!(text.ends_with("\n}"), "no final newline");
    assert_ne!(Image::oci("linux/amd64").digest(), Image::oci("linux/amd64").seed(1).digest());
    assert_ne!(Image::oci("linux/amd64").digest(), Image::docker("linux/amd64").digest());
    let list =
        String::from_utf8(DockerList::new(vec![Image::docker("linux/amd64")]).bytes()).unwrap();
    assert!(
        list.starts_with("{\n   \"schemaVersion\": 2,\n")
            && list.contains("\n      {\n         \"mediaType\""),
        "{list}"
    );
}

#[test]
fn a_layer_is_real_gzip_and_tar() {
    let layer = Image::oci("linux/amd64").layer_size(200_000).layer_blob();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("layer.tgz"), layer).unwrap();
    let done = std::process::Command::new("tar")
        .args(["-xzf", "layer.tgz"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let mut content = Vec::new();
    std::fs::File::open(folder.path().join("hello.txt"))
        .unwrap()
        .read_to_end(&mut content)
        .unwrap();
    assert!(content.len() > 200_000 && content.starts_with(b"image 0 of "));
}
