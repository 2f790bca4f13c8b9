//! Templates of Drone and Woodpecker, filled in: Handlebars, with the names and the helpers that
//! plugins/manifest gives to it.
//!
//! Names are checked before anything is filled in, so that one that is misspelt is told wherever it
//! stands, also in a condition.

mod bounds;
mod helpers;
mod names;

use super::build;
use super::yaml::{Fault, LARGEST, Place};
use handlebars::{
    Handlebars, RenderError, RenderErrorReason, Template, TemplateError, TemplateErrorReason,
};
use serde_json::Value;
use std::io::{self, Write};

/// Its name, which nobody sees.
const NAME: &str = "spec";

/// The text with everything filled in; or what is wrong with it, and where.
pub(super) fn fill(text: &str, known: &Value) -> Result<String, Vec<Fault>> {
    bounds::check(text).map_err(|fault| vec![fault])?;
    let template = Template::compile(text).map_err(|error| vec![not_a_template(&error)])?;
    let faults = names::check(&template);
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut engine = Handlebars::new();
    engine.set_strict_mode(true);
    engine.register_escape_fn(escape);
    helpers::register(&mut engine);
    engine.register_template(NAME, template);
    let mut filled = Bounded(Vec::new());
    engine.render_to_write(NAME, known, &mut filled).map_err(|error| vec![not_filled(&error)])?;
    Ok(String::from_utf8_lossy(&filled.0).trim().to_owned())
}

/// As the template library of plugins/manifest does it for `{{ }}`; nothing that a tag can hold
/// changes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            other => escaped.push(other),
        }
    }
    escaped
}

fn not_a_template(error: &TemplateError) -> Fault {
    let (line, column) = error.pos().unwrap_or((1, 1));
    let text = match error.reason() {
        TemplateErrorReason::MismatchingClosedHelper(opened, closed) => {
            format!("{{{{#{opened}}}}} is closed by {{{{/{closed}}}}}")
        }
        _ => "is not a valid template from here on: is each {{ closed by }}, and each {{#if}} by {{/if}}?".to_owned(),
    };
    Fault { place: Place { line, column }, text }
}

fn not_filled(error: &RenderError) -> Fault {
    let place = Place { line: error.line_no.unwrap_or(1), column: error.column_no.unwrap_or(1) };
    let text = match error.reason() {
        RenderErrorReason::MissingVariable(Some(name)) => missing(name),
        RenderErrorReason::IOError(_) => {
            format!("is longer than the limit of {LARGEST} bytes when it is filled in")
        }
        RenderErrorReason::Other(why) => why.clone(),
        _ => "cannot be filled in".to_owned(),
    };
    Fault { place, text }
}

/// What to do about a name without a value.
fn missing(name: &str) -> String {
    let name = name.trim_start_matches("../").trim_start_matches("@root.");
    let variables = build::variables(name);
    if let Some(setting) = name.strip_prefix("config.") {
        return format!("{name} has no value: the step has no setting {setting}");
    }
    if variables.is_empty() {
        return format!("{name} has no value");
    }
    format!("{name} has no value: {} is not set", variables.join(" or "))
}

/// As much as a spec may hold.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LARGEST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::mixed;
    use serde_json::json;

    fn values() -> Value {
        json!({
            "build": {
                "tag": "v1.2.3", "tags": ["1", "1.2"], "branch": "feature/a&b",
                "commit": "0123456789abcdef", "ref": "refs/tags/v1.2.3", "number": "7",
            },
            "repo": {"owner": "Acme", "name": "app"},
            "config": {"target": "loki", "insecure": false, "platforms": ["linux/amd64"]},
        })
    }

    fn filled(text: &str) -> String {
        fill(text, &values()).unwrap_or_else(|faults| panic!("{text}: {faults:?}"))
    }

    fn told(text: &str) -> Vec<String> {
        let faults = fill(text, &values()).expect_err(text);
        faults.iter().map(|fault| format!("{}: {}", fault.place, fault.text)).collect()
    }

    #[test]
    fn names_helpers_and_blocks() {
        for (text, expected) in [
            ("a:{{build.tag}}", "a:v1.2.3"),
            ("a:{{ build.tag }}", "a:v1.2.3"),
            ("a:{{{build.branch}}}", "a:feature/a&b"),
            ("a:{{&build.branch}}", "a:feature/a&b"),
            ("a:{{build.branch}}", "a:feature/a&amp;b"),
            (
                "{{config.target}}:{{#if build.tag}}{{trimPrefix \"v\" build.tag}}{{else}}latest{{/if}}",
                "loki:1.2.3",
            ),
            ("{{#if config.insecure}}a{{else}}b{{/if}}", "b"),
            ("{{#if config.none}}a{{else if build.tag}}b{{else}}c{{/if}}", "b"),
            ("{{#unless build.event}}none{{/unless}}", "none"),
            (
                "{{#if build.tags}}\ntags:\n{{#each build.tags}}\n  - {{this}}\n{{/each}}\n{{/if}}\nx",
                "tags:\n  - 1\n  - 1.2\nx",
            ),
            (
                "{{#each build.tags}}{{@index}}{{#if @last}}!{{/if}}{{../repo.name}}{{@root.build.number}} {{/each}}",
                "0app7 1!app7",
            ),
            (
                "{{#with build}}{{tag}}{{../repo.name}}{{#with ../repo}}{{name}}{{/with}}{{/with}}",
                "v1.2.3appapp",
            ),
            ("{{#each config.platforms}}{{this}}{{/each}}", "linux/amd64"),
            ("{{this.build.tag}}{{./build.number}}", "v1.2.37"),
            ("{{build.branch}}-{{substr 0 7 build.commit}}", "feature/a&amp;b-0123456"),
            ("{{substr -1 2 \"abc\"}}{{substr 1 -1 \"abc\"}}{{substr 5 9 \"abc\"}}", "abbc"),
            (
                "{{trimSuffix \".3\" build.tag}} {{trimAll \"v3.\" build.tag}} {{trim \" a \"}}",
                "v1.2 1.2 a",
            ),
            ("{{trunc 2 \"abc\"}} {{trunc -2 \"abc\"}} {{trunc 9 \"abc\"}}", "ab bc abc"),
            ("{{truncate \"abé\" 2}} {{truncate \"abé\" -2}} {{truncate \"abé\" 9}}", "ab é abé"),
            ("{{replace \"/\" \"-\" build.ref}}", "refs-tags-v1.2.3"),
            ("{{regexReplace \"[^a-z0-9]+\" build.branch \"-\"}}", "feature-a-b"),
            ("{{regexReplace \"(.*?)/(.*)\" \"a/b\" \"$2-$1\"}}", "b-a"),
            (
                "{{lower repo.owner}}{{lowercase \"B\"}}{{upper \"c\"}}{{uppercase \"d\"}}{{uppercasefirst \"éa\"}}{{uppercasefirst \"\"}}",
                "acmebCDÉa",
            ),
            (
                "{{#if (hasPrefix \"refs/tags/\" build.ref)}}t{{/if}}{{#if (contains \"x\" build.ref)}}x{{/if}}{{#if (hasSuffix \"3\" build.tag)}}3{{/if}}",
                "t3",
            ),
            ("{{trimPrefix \"v\" (replace \".\" \"-\" build.tag)}}", "1-2-3"),
            (
                "{{#equal build.number \"7\"}}seven{{else}}other{{/equal}}{{#equal build.number 8}}8{{/equal}}",
                "seven",
            ),
            ("{{default \"none\" config.none}} {{default \"none\" build.number}}", "none 7"),
            ("a{{! a comment }}{{!-- {{another}} --}}b", "ab"),
            ("  a\n{{~#if build.tag~}} \n b {{~/if}}", "ab"),
        ] {
            assert_eq!(filled(text), expected, "{text}");
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_its_place() {
        for (text, expected) in [
            (
                "a:{{build.tga}}",
                "line 1, column 3: unknown name \"build.tga\"; did you mean build.tag?",
            ),
            (
                "\n{{#if build.tga}}{{/if}}",
                "line 2, column 1: unknown name \"build.tga\"; did you mean",
            ),
            ("{{trimPrefix \"v\" buildtag}}", "unknown name \"buildtag\"; did you mean build.tag?"),
            (
                "{{something}}",
                "line 1, column 1: unknown name \"something\"; there are build.tag, build.branch,",
            ),
            ("{{build.status}}", "unknown name \"build.status\""),
            ("{{lower}}", "unknown name \"lower\""),
            ("{{build.tag.x}}", "unknown name \"build.tag.x\""),
            ("{{config.Target}}", "unknown name \"config.Target\""),
            ("{{../build.tag}}", "unknown name \"../build.tag\""),
            ("{{@index}}", "unknown name \"@index\""),
            ("{{#each build.tags}}{{build.tag}}{{/each}}", "column 21: unknown name \"build.tag\""),
            ("{{#with build}}{{tga}}{{/with}}", "column 16: unknown name \"tga\""),
            (
                "{{config.password}}",
                "config.password is not given to a template: it belongs to a login",
            ),
            ("{{#with config}}{{username}}{{/with}}", "username is not given to a template"),
            ("{{build.tags}}", "build.tags has several values: use {{#each build.tags}}"),
            ("{{build}}", "build is a group of names"),
            (
                "{{since build.number}}",
                "unknown helper \"since\"; there are if, unless, each, with, equal, trimPrefix,",
            ),
            (
                "{{trimPrefx \"v\" build.tag}}",
                "unknown helper \"trimPrefx\"; did you mean trimPrefix?",
            ),
            ("{{#success build.tag}}{{/success}}", "unknown helper \"success\""),
            ("{{log build.tag}}", "unknown helper \"log\""),
            ("{{eq build.tag \"a\"}}", "unknown helper \"eq\""),
            ("{{#if (eq build.tag \"a\")}}{{/if}}", "unknown helper \"eq\""),
            ("{{lookup build.tag \"x\"}}", "unknown helper \"lookup\""),
            ("{{#lower build.tag}}{{/lower}}", "lower has no block: write {{lower …}} without #"),
            ("{{if build.tag}}", "if needs a block: {{#if …}} … {{/if}}"),
            ("{{trimPrefix build.tag}}", "trimPrefix takes 2 values, not 1"),
            ("{{trimPrefix \"v\" build.tag x=1}}", "trimPrefix takes values only"),
            ("{{#each build.tags as |tag|}}{{/each}}", "each takes values only"),
            ("{{> partial}}", "{{> }} and {{* }} are not known in a spec"),
            ("{{#if build.tag}}a", "is not a valid template from here on"),
            ("{{#if build.tag}}a{{/unless}}", "{{#if}} is closed by {{/unless}}"),
            ("a\n{{build.tag", "is not a valid template from here on"),
            (
                "a\n {{config.none}}",
                "line 2, column 2: config.none has no value: the step has no setting none",
            ),
            ("{{#with config}}{{none}}{{/with}}", "none has no value"),
            ("{{lower config.none}}", "config.none has no value"),
            (
                "{{build.event}}",
                "build.event has no value: DRONE_BUILD_EVENT or CI_PIPELINE_EVENT is not set",
            ),
            ("{{trunc \"x\" build.tag}}", "\"x\" is not a whole number"),
            ("{{regexReplace \"(\" build.tag \"\"}}", "regexReplace: \"(\" is not a pattern"),
        ] {
            let told = told(text);
            assert!(told.len() == 1 && told[0].contains(expected), "{text}: {told:?}");
        }
        assert_eq!(told("{{a}}\n{{b 1}}\n{{#if c}}{{d}}{{else}}{{e}}{{/if}}").len(), 5);
    }

    #[test]
    fn what_is_filled_in_has_its_limit() {
        let text = format!("{{{{#each build.tags}}}}{}{{{{/each}}}}", "x".repeat(LARGEST / 2 + 1));
        assert!(told(&text)[0].contains("is longer than the limit of 1048576 bytes"));
    }

    #[test]
    fn the_worst_of_the_largest_is_read_in_time() {
        let unclosed = "{{#if build.tag}}".repeat(20);
        let chain = "{{else if build.tag}}".repeat(18);
        for text in [
            format!("{unclosed}{}", "{{build.tag}}".repeat(1_900)),
            format!(
                "{{{{#if build.tag}}}}{chain}{}{{{{/if}}}}",
                "{{trim (trim build.tag)}}".repeat(2_500)
            ),
            "{{a}}".repeat(2_000),
            "{{#each build.tags}}{{#each build.tags}}{{/each}}{{/each}}".repeat(500),
            format!("{{{{trim \"{}", "\\\"".repeat(30_000)),
            "{{! ".repeat(16_000),
            "\\{{".repeat(20_000),
        ] {
            let started = std::time::Instant::now();
            let _ = fill(&text, &values());
            let took = started.elapsed();
            assert!(took.as_secs() < 2, "{took:?}: {}", &text[..60]);
        }
    }

    #[test]
    fn survives_any_template() {
        let pieces = [
            "{{",
            "}}",
            "{{{",
            "}}}",
            "{{#if ",
            "{{/if}}",
            "{{else}}",
            "{{else if ",
            "{{#each ",
            "{{/each}}",
            "{{#with ",
            "{{/with}}",
            "build.tag",
            "build.tags",
            "build",
            "config.x",
            "trimPrefix ",
            "\"v\" ",
            "substr ",
            "0 ",
            "-7 ",
            "(",
            ")",
            "~",
            "../",
            "@",
            "this",
            "[",
            "]",
            "{",
            "}",
            "\\",
            "\n",
            " ",
            "é",
            ".",
            "/",
            "|",
            "as ",
            "x=",
            "{{!",
            "--",
            "{{&",
            "{{>",
            "{{*",
            "{{#*inline ",
            "{{{{raw}}}}",
            "{{{{/raw}}}}",
            "{{^}}",
            "{{/equal}}",
            "{{#equal ",
            "regexReplace ",
            "null ",
            "{{#if build.tag}}",
            "{{/",
            "{{#",
        ];
        let mut random = fastrand::Rng::with_seed(1);
        let mut made = 0;
        for _ in 0..20_000 {
            let text = mixed(&mut random, &pieces, 12);
            match fill(&text, &values()) {
                Ok(_) => made += 1,
                Err(faults) => assert!(!faults.is_empty(), "{text}"),
            }
        }
        assert!(made > 300, "{made}");
    }
}
