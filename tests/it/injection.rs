//! Text that is not ours can hold anything: nothing breaks out of a log, an annotation, an output
//! or a summary.

use crate::support::client::{OCI_INDEX, sha256};
use crate::support::github::{azure_commands, commands};
use crate::support::images::Image;
use crate::support::indexes::BuiltIndex;
use crate::support::rules::{Fault, Rule};
use crate::support::running::Ran;
use crate::support::scene::{REPO, Scene, amd64, arm64, manifest, step_at};
use crate::support::scripted::{ScriptedServer, answer};
use crate::support::step::Step;
use serde_json::{Value, json};

/// Every way out that a CI system, a terminal or a Markdown reader offers.
const HOSTILE: [&str; 17] = [
    "\n::error::pwned",
    "\r\n::set-output name=digest::pwned",
    "\r::add-mask::sha256",
    "::stop-commands::pwned",
    "  ::warning file=a,line=1::pwned",
    "\n\u{a0}::error::pwned",
    "##[error]pwned",
    "###[set-env name=PATH]pwned",
    "##vso[task.setvariable variable=x]pwned",
    "#\u{0}#[error]pwned",
    "\u{1b}[2J\u{1b}]8;;http://pwned\u{7}",
    "\u{9b}31m\u{85}::error::pwned",
    "\u{202e}pwned\u{2066}\u{200f}\u{feff}\u{2028}::error::pwned",
    "| `pwned` | <img src=x onerror=pwned> [pwned](javascript:pwned) @pwned",
    "\nEOF\nghadelimiter_0\ndigest=pwned\ndigest<<EOF\npwned\nEOF",
    "%0A::error::pwned%0D%25",
    "\n```\n~~~\n``````\n<img src=x onerror=pwned>\n# pwned",
];

/// All of them, each at the start of a line; and those that need no line end of their own. For
/// tests with many runs.
fn few() -> Vec<String> {
    let alone = HOSTILE
        .into_iter()
        .filter(|text| text.starts_with(['#', ':', ' ']))
        .step_by(2)
        .map(str::to_owned);
    alone.chain([HOSTILE.join("\n")]).collect()
}

const OUTPUTS: [&str; 12] = [
    "digest",
    "media-type",
    "size",
    "image",
    "images",
    "repository",
    "refs",
    "platforms",
    "digests",
    "manifest",
    "changed",
    "indexes",
];

/// What a runner, Azure's agent, a terminal and a Markdown reader make of it is ours alone.
#[track_caller]
fn harmless(case: &str, ran: &Ran) {
    let said = format!("{}\n{}", ran.raw.stdout, ran.raw.stderr);
    for command in commands(&said) {
        let title = command.property("title").unwrap_or_default();
        let ours = match command.name.as_str() {
            "group" => matches!(command.data.as_str(), "Sources" | "Publish"),
            "endgroup" => command.data.is_empty(),
            "error" => title.starts_with("manifest-action: ") && command.properties.len() == 1,
            "warning" => title == "manifest-action" && command.properties.len() == 1,
            _ => false,
        };
        assert!(ours && !command.legacy, "{case}: {command:?}\n{said}");
        assert_eq!(
            commands(&command.data),
            [],
            "{case}: shown line by line, it would be taken for one: {command:?}"
        );
    }
    assert_eq!(azure_commands(&said), [""; 0], "{case}");
    let odd = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    assert_eq!(said.chars().find(|c| odd(*c)), None, "{case}: {said:?}");
    for name in ran.outputs().keys() {
        assert!(OUTPUTS.contains(&name.as_str()), "{case}: {name:?}");
    }
    let summary = ran.summary();
    assert_eq!(summary.chars().find(|c| odd(*c)), None, "{case}: {summary:?}");
    let markdown = outside_fences(&summary);
    for way in ["<img", "](", "`pwned", "@pwned", "::error"] {
        assert!(!markdown.contains(way), "{case}: {way} in {summary}");
    }
    // No line is theirs: each that ends with their text begins with ours.
    let is_ours =
        |line: &&str| ["- ", "> - ", "### ❌ ", "**"].iter().any(|own| line.starts_with(own));
    let theirs =
        markdown.lines().filter(|line| line.ends_with("pwned")).find(|line| !is_ours(line));
    assert_eq!(theirs, None, "{case}: {summary}");
    for table in markdown.split("\n\n").filter(|part| part.starts_with('|')) {
        let cells: Vec<usize> = table.lines().map(|line| line.matches('|').count()).collect();
        assert!(
            cells.iter().all(|count| *count == cells[0]),
            "{case}: a row has another number of cells: {table}"
        );
    }
}

/// What a Markdown reader obeys: all but what stands between fences (`CommonMark`, section 4.5),
/// which must be closed.
#[track_caller]
fn outside_fences(summary: &str) -> String {
    let ticks = |line: &str| line.len() - line.trim_start_matches('`').len();
    let mut fence = 0;
    let mut outside = String::new();
    for line in summary.lines() {
        let shallow = if line.starts_with("    ") { line } else { line.trim_start_matches(' ') };
        match ticks(shallow) {
            run if fence == 0 && run >= 3 => fence = run,
            run if fence > 0 && run >= fence && shallow[run..].trim().is_empty() => fence = 0,
            _ if fence == 0 => outside += &format!("{line}\n"),
            _ => {}
        }
    }
    assert_eq!(fence, 0, "an open fence: {summary}");
    outside
}

#[tokio::test]
async fn in_annotations() {
    let scene = Scene::with_both().await;
    let pairs: Value = HOSTILE
        .iter()
        .enumerate()
        .map(|(at, text)| (format!("key{at}{text}"), json!(text)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let ran = scene.waiting_step().input("annotations", &pairs.to_string()).run().await.ok();
    harmless("annotations", &ran);
    let manifest: Value = serde_json::from_str(&ran.output("manifest").unwrap()).unwrap();
    assert_eq!(ran.output("manifest").unwrap().lines().count(), 1, "one line");
    for (at, text) in HOSTILE.iter().enumerate() {
        let key = format!("key{at}{text}");
        assert_eq!(
            manifest["annotations"][key.trim()].as_str().map(str::trim),
            Some(text.trim()),
            "kept as it is: {key:?}"
        );
    }
    assert_eq!(ran.output("digest"), scene.digest("1").await);
}

#[tokio::test]
async fn in_inputs_that_are_refused() {
    let tags = ("tags", "127.0.0.1:1/acme/app:1".to_owned());
    let list = |text: &str| json!([format!("127.0.0.1:1/acme/app:{text}")]).to_string();
    for text in HOSTILE {
        let object = json!({ text: "" }).to_string();
        let step = Step::new()
            .github()
            .input("tags", &list(text))
            .input("sources", &list(text))
            .input("platforms", &json!([text]).to_string())
            .input("annotations", &json!([text.replace('=', "-")]).to_string())
            .input("insecure-registries", &json!([text]).to_string())
            .input("registry", text)
            .input("username", text)
            .input("ca-file", &text.replace('\0', ""))
            .env("INPUT_FORMAT", text.replace('\0', ""))
            .env("INPUT_WAIT", text.replace('\0', ""))
            .env("INPUT_LOG-LEVEL", text.replace('\0', ""));
        harmless(text, &scrubbed(step, text).run().await.fails(2));
        let step = Step::new().github().input(tags.0, &tags.1).input("digests", &object);
        harmless(text, &step.run().await.fails(2));
        let unknown = Step::new().github().input(tags.0, &tags.1).input("sources", "x y");
        let unknown = unknown.env(&format!("INPUT_{}", text.replace(['\0', '='], "")), "1");
        harmless(text, &unknown.run().await.fails(2));
    }
}

/// No variable can hold NUL.
fn scrubbed(step: Step, text: &str) -> Step {
    if text.contains('\0') {
        step.without("INPUT_REGISTRY").without("INPUT_USERNAME")
    } else {
        step
    }
}

#[tokio::test]
async fn in_names_of_files() {
    let scene = Scene::with_both().await;
    let names = HOSTILE.map(|text| text.replace(['\0', '/', '*', '?', '['], "_"));
    let metadata = |digest: String| json!({ "containerimage.digest": digest }).to_string();
    let mut broken = Step::new()
        .github()
        .input("tags", &scene.reference("1"))
        .input("digests", "meta/*.json\ndigests");
    for (at, name) in names.iter().enumerate() {
        let step = Step::new()
            .github()
            .input("tags", &scene.reference(&format!("v{at}")))
            .file(&format!("meta/a{name}.json"), metadata(amd64().digest()))
            .file(&format!("meta/{name}.json"), metadata(arm64().digest()))
            .input("digests", "meta/*.json");
        harmless(name, &step.run().await.ok());
        broken =
            broken.file(&format!("meta/{name}.json"), name).file(&format!("digests/{name}"), "");
    }
    let ran = broken.run().await.fails(2);
    assert!(ran.stdout.contains("problems with the inputs"), "{}", ran.stdout);
    harmless("broken files", &ran);
}

#[tokio::test]
async fn in_what_a_registry_says() {
    let scene = Scene::with_both().await;
    for (at, text) in few().iter().enumerate() {
        let body = json!({"errors": [{"code": text, "message": text, "detail": text}]}).to_string();
        let odd = |body: String| {
            Fault::Status(400)
                .header("Warning", "299 - \"::error::pwned ##[error]pwned\"")
                .body(body)
        };
        let tag = format!("v{at}");
        scene.proxy.rule(Rule::on("PUT", &manifest(&tag)).nth(1).then(odd(body)));
        let ran = scene
            .waiting_step()
            .input("tags", &scene.reference(&tag))
            .input("log-level", "trace")
            .run()
            .await
            .fails(7);
        harmless(text, &ran);
        assert!(ran.stdout.contains("the registry said:"), "{}", ran.stdout);
        scene.proxy.rule(Rule::on("PUT", &manifest(&tag)).nth(1).then(odd(text.clone())));
        harmless(
            text,
            &scene.waiting_step().input("tags", &scene.reference(&tag)).run().await.fails(7),
        );
    }
}

#[tokio::test]
async fn in_the_headers_of_a_registry() {
    for text in few() {
        // What HTTP itself allows in a header; the rest is the next test's.
        let text = text.replace(|c: char| c.is_ascii_control(), "");
        for header in [
            "Warning",
            "Content-Type",
            "Docker-Content-Digest",
            "WWW-Authenticate",
            "Location",
            "Retry-After",
        ] {
            let value = if header == "WWW-Authenticate" {
                format!("Bearer realm=\"{text}\"")
            } else {
                text.clone()
            };
            let status = match header {
                "WWW-Authenticate" => 401,
                "Location" => 307,
                _ => 200,
            };
            let said = answer(status, &[(header, &value)], format!("{{\"mediaType\": {text:?}}}"));
            let server = ScriptedServer::answering(move |_, _| said.clone());
            let ran = tracing_step(&server).run().await;
            assert!(matches!(ran.status, 5..=7), "{header} {text:?}: {}", ran.everything());
            harmless(&format!("{header} {text:?}"), &ran);
        }
    }
}

/// The step that asks this server for a tag and for a digest, and logs all that it does.
fn tracing_step(server: &ScriptedServer) -> Step {
    let digest = format!("sha256:{}", "0".repeat(64));
    step_at(&server.host(), &["a", &digest]).input("log-level", "trace")
}

#[tokio::test]
async fn in_headers_that_break_http() {
    let server = ScriptedServer::answering(|_, _| {
        answer(200, &[("Warning", "299 - \"\u{1b}[2J\u{7}\r\r\n::error::pwned\"")], "")
    });
    // Said to be plain HTTP, so that it is not tried whether it speaks TLS.
    let running = tracing_step(&server).input("insecure-registries", &server.host()).spawn().await;
    // It is tried again and again: the point is what is said about it.
    running.wait_for_line("again in").await;
    running.signal("TERM").await;
    harmless("broken HTTP", &running.wait().await.fails(143));
}

#[tokio::test]
async fn in_the_configs_of_images() {
    let scene = Scene::with_both().await;
    for (at, text) in few().iter().enumerate() {
        let text = text.replace('/', "_");
        let step = |image: &Image| {
            let image = image.clone();
            let (tag, scene) = (format!("s{at}"), &scene);
            async move {
                image.push(&scene.client, REPO, &tag).await;
                let sources = format!("{}\n{}", scene.reference("amd64"), scene.reference(&tag));
                scene
                    .waiting_step()
                    .input("tags", &scene.reference(&format!("v{at}")))
                    .input("sources", &sources)
                    .input("log-level", "trace")
                    .run()
                    .await
            }
        };
        harmless(&text, &step(&Image::oci("linux/arm64").label(&text, &text)).await.ok());
        // Where it stands for the next text in turn.
        let images = [
            Image::oci(&format!("windows({})/amd64", text.replace(['(', ')'], "_"))),
            Image::oci("windows(10.0.20348.2700)/amd64").os_feature(&text),
            Image::oci(&format!("{text}/amd64")),
            Image::oci(&format!("linux/{text}")),
            Image::oci(&format!("linux/arm/{text}")),
        ];
        let ran = step(&images[at % images.len()]).await.fails(5);
        assert!(ran.stdout.contains("which is not allowed"), "{}", ran.stdout);
        harmless(&text, &ran);
    }
}

#[tokio::test]
async fn in_the_entries_of_an_index() {
    let scene = Scene::with_both().await;
    for (at, text) in few().iter().enumerate() {
        let mut index = BuiltIndex::new(vec![amd64()]).annotation("a", text).json();
        index["manifests"][0]["annotations"] = json!({ text: text });
        index["manifests"][0]["urls"] = json!([text]);
        let bytes = serde_json::to_vec(&index).unwrap();
        let tag = format!("s{at}");
        scene.client.put_manifest(REPO, &tag, OCI_INDEX, &bytes).await;
        let sources = format!("{}\n{}", scene.reference(&tag), scene.reference("arm64"));
        let step = || {
            scene
                .waiting_step()
                .input("tags", &scene.reference(&format!("v{at}")))
                .input("sources", &sources)
                .input("log-level", "trace")
        };
        harmless(text, &step().input("dry-run", "true").run().await.ok());
        let ran = step().run().await.ok();
        harmless(text, &ran);
        let published: Value = serde_json::from_str(&ran.output("manifest").unwrap()).unwrap();
        assert_eq!(published["manifests"][0], index["manifests"][0], "copied as it stands");
        assert_eq!(
            ran.output("digest"),
            Some(sha256(&scene.client.get_manifest(REPO, &format!("v{at}")).await.unwrap().bytes))
        );

        index["manifests"][0]["platform"]["os.version"] = json!(text);
        scene
            .client
            .put_manifest(REPO, &tag, OCI_INDEX, &serde_json::to_vec(&index).unwrap())
            .await;
        harmless(text, &step().run().await.fails(5));
    }
}

/// On stdout, which a CI system reads as it reads the step's log.
#[tokio::test]
async fn in_what_commands_print() {
    let scene = Scene::with_both().await;
    let image = Image::oci("linux/s390x");
    let image = HOSTILE.iter().fold(image, |image, text| image.label(text, text));
    scene.push(&image, "labelled").await;
    for (at, text) in HOSTILE.iter().enumerate() {
        let mut index = BuiltIndex::new(vec![amd64()]).annotation(text, text).json();
        index["manifests"][0]["annotations"] = json!({ *text: text });
        index["manifests"][0]["artifactType"] = json!(text);
        let tag = format!("s{at}");
        scene.put(&tag, OCI_INDEX, &serde_json::to_vec(&index).unwrap()).await;
        let (odd, good) = (scene.reference(&tag), scene.reference("arm64"));
        for arguments in [
            vec!["inspect", &odd],
            vec!["inspect", &odd, "--platform", "linux/amd64"],
            vec!["inspect", &scene.reference("labelled")],
            vec!["diff", &odd, &good],
            vec!["diff", &good, &odd],
            vec!["remove", &odd, "linux/s390x"],
        ] {
            for json in [&[][..], &["--json"]] {
                let step = Step::new().env("GITHUB_ACTIONS", "true");
                let ran = step.args(arguments.iter().chain(json)).run().await;
                // What a document holds is foreign, so only what obeys it is looked for.
                let said = format!("{}\n{}", ran.stdout, ran.stderr);
                assert_eq!(commands(&said), [], "{text}: {arguments:?}");
                assert_eq!(azure_commands(&said), [""; 0], "{text}: {arguments:?}");
                if json.is_empty() || arguments[0] != "inspect" {
                    continue;
                }
                let document: Value = serde_json::from_str(&ran.stdout).unwrap();
                let names = ["annotations", "entryAnnotations", "labels"];
                let is_held = names.iter().any(|name| document[name][*text] == *text);
                assert!(is_held, "as it is: {document}");
            }
        }
    }
}
