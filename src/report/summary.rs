//! The job summary: what was published, in Markdown, with a picture of the wait.

use crate::entries::diff::Change;
use crate::entries::images;
use crate::error::{Error, Exit};
use crate::oci::Reference;
use crate::pipeline::outcome::{DryRun, Listed, Report};
use crate::pipeline::progress::{SourceState, TagState};
use crate::pipeline::record;
use crate::pipeline::resolve::arrived::Skipped;
use crate::report::Ending;
use crate::text::{self, count, escape};
use std::fmt::Write as _;
use std::time::Duration;

/// GitHub accepts 1 MiB per step, but nobody reads more than this.
const LONGEST: usize = 64 << 10;
/// The longest wait for which the axis has a label for each second.
const SHORT: Duration = Duration::from_secs(20);
/// More bars than this cannot be read.
const MOST_BARS: usize = 40;

/// The text to append to `GITHUB_STEP_SUMMARY`: everything about one index, or a row for each of
/// several.
pub(crate) fn markdown(ending: &Ending<'_>) -> String {
    let mut text =
        ending.late.map(|error| ending.failure("Outputs not written", error)).unwrap_or_default();
    match ending.run.lists.as_slice() {
        [Listed { ended: Ok(report), .. }] => text.push_str(&ending.one(report)),
        [list @ Listed { ended: Err(error), .. }] => text.push_str(&ending.failed(list, error)),
        _ => text.push_str(&ending.several()),
    }
    let text = ending.secrets.redact(&text);
    cut(&text, LONGEST).map_or_else(|| text.to_string(), |cut| format!("{cut}\n\n… and more\n"))
}

impl Ending<'_> {
    /// The error comes first, then what was done before it.
    fn failed(&self, list: &Listed, error: &Error) -> String {
        let moved = list.tags.iter().any(|(_, state)| state.may_have_moved());
        let heading = if moved || error.exit == Exit::Partial {
            "Partly published".to_owned()
        } else {
            format!("Not published: {}", error.title())
        };
        let mut text = self.failure(&heading, error);
        text.push_str(&self.warned());
        if list
            .tags
            .iter()
            .any(|(_, state)| !matches!(state, TagState::Untouched | TagState::Unchanged))
        {
            text.push_str(&tags(&list.tags, false));
        }
        let looked_at = list.sources.iter().filter(|(_, state)| *state != SourceState::Looking);
        let bars = looked_at.map(|(name, state)| Bar::of(short(name), *state, self.run.elapsed));
        text.push_str(&timeline(bars.collect()));
        text
    }

    fn failure(&self, heading: &str, error: &Error) -> String {
        format!(
            "### ❌ {heading}\n\n{}",
            self.block("text", &error.told(self.audience).to_string())
        )
    }

    /// Foreign text, line by line, between fences that it cannot close.
    fn block(&self, language: &str, text: &str) -> String {
        let redacted = self.secrets.redact(text);
        let lines = redacted.lines().map(escape::visible).collect::<Vec<_>>().join("\n");
        let shown = cut(&lines, LONGEST / 2)
            .map_or_else(|| lines.clone(), |cut| format!("{cut}\n… and more"));
        let longest =
            shown.split(|character| character != '`').map(str::len).max().unwrap_or_default();
        let fence = "`".repeat(3.max(longest + 1));
        format!("{fence}{language}\n{shown}\n{fence}\n\n")
    }

    fn one(&self, report: &Report) -> String {
        let mut text = self.heading(report);
        text.push_str(&self.warned());
        let _ = write!(text, "```text\n{}\n```\n\n", report.image());
        text.push_str(&self.platforms(report));
        text.push_str(&tags(&report.tags, report.dry_run.is_some()));
        text.push_str(&copied(report));
        text.push_str(
            &report.dry_run.as_ref().map(|dry_run| self.left_undone(dry_run)).unwrap_or_default(),
        );
        text.push_str(&timeline(bars(report)));
        text
    }

    /// Failures come first, because the end of the text may be cut off.
    fn several(&self) -> String {
        let run = self.run;
        let (all, well) = (run.lists.len(), run.reports().count());
        let sign = if well == all { "✅" } else { "❌" };
        let mut text = format!("### {sign} {well} of {all} indexes\n\n{}", self.warned());
        text.push_str("| Index | | Digest | Platforms |\n|:--|:--|:--|:--|\n");
        for list in &run.lists {
            if let Err(error) = &list.ended {
                let _ = writeln!(
                    text,
                    "| {} | ❌ {} | | |",
                    self.shown(&list.name),
                    self.shown(&error.told(self.audience).what)
                );
            }
        }
        for report in run.reports() {
            let state = match (report.dry_run.is_some(), report.changed) {
                (true, true) => "would be published",
                (_, false) => "unchanged",
                (false, true) => "published",
            };
            let tags: Vec<String> =
                report.tags.iter().map(|(tag, _)| escape::markdown(&tag.to_string())).collect();
            let platforms: Vec<String> =
                report.platforms().iter().map(|(platform, _)| escape::markdown(platform)).collect();
            let mut platforms = platforms.join(", ");
            if !report.skipped.is_empty() {
                platforms += &format!("<br>⚠️ without {}", self.left_out(report));
            }
            let _ = writeln!(
                text,
                "| {} | {state} | `{}` | {platforms} |",
                tags.join("<br>"),
                report.composed.digest
            );
        }
        text.push('\n');
        text
    }

    /// What the index lacks: platforms, or names of images whose platform is not known.
    fn left_out(&self, report: &Report) -> String {
        let what = |skipped: &Skipped| {
            skipped.platform.as_ref().map_or_else(|| short(&skipped.name), ToString::to_string)
        };
        report
            .skipped
            .iter()
            .map(|skipped| self.shown(&what(skipped)))
            .collect::<Vec<_>>()
            .join(", ")
    }

    fn heading(&self, report: &Report) -> String {
        let (sign, without) = if report.skipped.is_empty() {
            ("✅", String::new())
        } else {
            ("⚠️", format!(" without {}", self.left_out(report)))
        };
        let state = match (report.dry_run.is_some(), report.changed) {
            (true, true) => format!("🧪 Would be published{without} (dry run)"),
            (_, false) => format!("{sign} Already published{without}, nothing to change"),
            (false, true) => format!("{sign} Published{without}"),
        };
        format!("### {state}\n\n")
    }

    /// A box with the warnings, if there are any.
    fn warned(&self) -> String {
        const MOST_SHOWN: usize = 10;
        let warnings = self.warnings;
        if warnings.is_empty() {
            return String::new();
        }
        let mut text = "> [!WARNING]\n".to_owned();
        for warning in warnings.iter().take(MOST_SHOWN) {
            let _ = writeln!(text, "> - {}", self.shown(warning));
        }
        if warnings.len() > MOST_SHOWN {
            let _ = writeln!(text, "> - and {} more in the log", warnings.len() - MOST_SHOWN);
        }
        text.push('\n');
        text
    }

    fn platforms(&self, report: &Report) -> String {
        let mut text = "| Platform | Digest | Download | Arrived |\n|:--|:--|--:|--:|\n".to_owned();
        for (platform, digest) in report.platforms() {
            let size = report.download(&digest).map_or_else(|| "–".to_owned(), text::size);
            let source = report
                .sources
                .iter()
                .find(|source| source.platforms.iter().any(|other| other.to_string() == platform));
            let after = source.and_then(|source| source.after).map_or_else(
                || "immediately".to_owned(),
                |after| format!("after {}", text::duration(after)),
            );
            // A narrow column would break the text in two.
            let (size, after) = (size.replace(' ', "&nbsp;"), after.replace(' ', "&nbsp;"));
            let _ =
                writeln!(text, "| **{}** | `{digest}` | {size} | {after} |", self.shown(&platform));
        }
        let entries = &report.composed.entries;
        let attestations = entries.len() - images(entries).count();
        if attestations > 0 {
            let _ =
                writeln!(text, "\nWith {} (provenance, SBOM).", count(attestations, "attestation"));
        }
        text.push('\n');
        text
    }

    /// What a dry run did not do. Tags with the same changes are shown together.
    fn left_undone(&self, dry_run: &DryRun) -> String {
        let mut text = String::new();
        for (repository, images) in &dry_run.copies {
            let _ = writeln!(
                text,
                "Would copy {} into `{repository}`, unless already there.\n",
                count(*images, "image")
            );
        }
        for alike in dry_run.changes.chunk_by(|(_, one), (_, other)| one == other) {
            let tags: Vec<String> = alike.iter().map(|(tag, _)| format!("`{tag}`")).collect();
            let lines: Vec<String> =
                alike.iter().take(1).flat_map(|(_, changes)| changes).map(Change::line).collect();
            if !lines.is_empty() {
                let _ = write!(
                    text,
                    "Changes to {}:\n\n{}",
                    tags.join(", "),
                    self.block("diff", &lines.join("\n"))
                );
            }
        }
        text
    }

    /// Foreign text for a table or a paragraph. Secrets are redacted first, because escaping could
    /// hide them.
    fn shown(&self, text: &str) -> String {
        escape::markdown(&self.secrets.redact(text))
    }
}

/// As many whole lines as fit; `None` if all do.
fn cut(text: &str, longest: usize) -> Option<&str> {
    let fits = &text[..text.floor_char_boundary(longest)];
    (fits.len() < text.len()).then(|| &fits[..fits.rfind('\n').unwrap_or_default()])
}

fn tags(tags: &[(Reference, TagState)], dry_run: bool) -> String {
    let mut text = "| Tag | |\n|:--|:--|\n".to_owned();
    for (tag, state) in tags {
        let state =
            if dry_run && *state == TagState::Untouched { "would move" } else { state.name() };
        let _ = writeln!(text, "| `{tag}` | {state} |");
    }
    text.push('\n');
    text
}

fn copied(report: &Report) -> String {
    let mut text = String::new();
    for copied in &report.copied {
        let _ = writeln!(text, "Copied into `{}`: {}.", copied.repository, record::sums(copied));
    }
    if !report.copied.is_empty() {
        let from: Vec<String> =
            report.copied_from().iter().map(|from| format!("`{from}`")).collect();
        let _ = writeln!(
            text,
            "Signatures and other referrers are not copied; they remain in {}.\n",
            from.join(", ")
        );
    }
    text
}

/// An image in the diagram.
struct Bar {
    label: String,
    state: SourceState,
    end: Duration,
}

impl Bar {
    /// `end`: when the wait ended, for images that did not arrive.
    fn of(label: String, state: SourceState, end: Duration) -> Self {
        match state {
            SourceState::Found(after) => Self { label, state, end: after.unwrap_or_default() },
            SourceState::Waiting(why) | SourceState::LeftOut(why) => {
                Self { label: format!("{label} ({why})"), state, end }
            }
            SourceState::Looking => Self { label, state, end },
        }
    }

    fn look(&self) -> &'static str {
        match self.state {
            SourceState::Found(None) => "done",
            SourceState::Found(Some(_)) => "active",
            _ => "crit",
        }
    }
}

fn bars(report: &Report) -> Vec<Bar> {
    let arrived = report.sources.iter().map(|source| {
        let platforms: Vec<String> = source.platforms.iter().map(ToString::to_string).collect();
        Bar::of(platforms.join(" "), SourceState::Found(source.after), report.waited)
    });
    let skipped = report.skipped.iter().map(|skipped| {
        Bar::of(short(&skipped.name), SourceState::LeftOut(skipped.word), report.waited)
    });
    arrived.chain(skipped).collect()
}

/// A name without its registry and the path to it.
fn short(name: &str) -> String {
    name.rsplit('/').next().unwrap_or_default().to_owned()
}

/// When each image arrived, as a Mermaid diagram: the bar is as long as the wait for it, also for
/// an image that never arrived. Empty if there was no wait.
fn timeline(bars: Vec<Bar>) -> String {
    if bars.iter().all(|bar| bar.end.is_zero()) {
        return String::new();
    }
    let mut text =
        "```mermaid\ngantt\n    title When the images arrived (seconds)\n    dateFormat X\n    axisFormat %s\n".to_owned();
    // By default, Mermaid labels each second of a short wait twice.
    if bars.iter().all(|bar| bar.end <= SHORT) {
        text.push_str("    tickInterval 1second\n");
    }
    for bar in bars.iter().take(MOST_BARS) {
        // A bar without length would be invisible.
        let _ = writeln!(
            text,
            "    {} :{}, 0, {}",
            mermaid(&bar.label),
            bar.look(),
            bar.end.as_secs().max(1)
        );
    }
    text.push_str("```\n\n");
    text
}

/// Text without the characters that Mermaid interprets.
fn mermaid(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character.is_ascii_alphanumeric()
                || matches!(character, '/' | '.' | '_' | '-' | '(' | ')')
            {
                character
            } else {
                ' '
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Audience;
    use crate::pipeline::outcome::Run;
    use crate::report::examples;
    use crate::secret::Secrets;
    use insta::assert_snapshot;

    fn shown(run: &Run, exit: Exit, late: Option<&Error>) -> String {
        let warnings = ["`token` is not needed here".to_owned()];
        let warnings: &[String] = if exit == Exit::Done { &[] } else { &warnings };
        let audience = Audience::default();
        markdown(&Ending { run, exit, late, warnings, secrets: &Secrets::default(), audience })
    }

    #[test]
    fn success() {
        assert_snapshot!(shown(&examples::success(), Exit::Done, None), @"
        ### ✅ Published

        ```text
        ghcr.io/acme/app@sha256:f17d048b44e8a46d4b4a43ba942f8ea2371d0679fe24315f4545debed993db4d
        ```

        | Platform | Digest | Download | Arrived |
        |:--|:--|--:|--:|
        | **linux/amd64** | `sha256:baf0239e48ff4c47ebac3ba02b5cf1506b69cd5a0c0d0c825a53ba65976fb942` | 31.4&nbsp;MB | immediately |
        | **linux/arm64** | `sha256:b3e3ab55f887c56c0bd8bec3743b0fb54daaa17861e03db5133ef2835eb0da5a` | – | after&nbsp;1m&nbsp;35s |

        With 1 attestation (provenance, SBOM).

        | Tag | |
        |:--|:--|
        | `ghcr.io/acme/app:1.4.0` | moved |
        | `ghcr.io/acme/app:1` | unchanged |

        Copied into `ghcr.io/acme/app`: 2 images, 1 image already there, 4 blobs mounted, 1 blob uploaded (8.0 MB in 4 s, 2.0 MB/s), 3 blobs already there.
        Signatures and other referrers are not copied; they remain in `ghcr.io/acme/cache`.

        ```mermaid
        gantt
            title When the images arrived (seconds)
            dateFormat X
            axisFormat %s
            linux/amd64 :done, 0, 1
            linux/arm64 :active, 0, 95
        ```
        ");
    }

    #[test]
    fn success_without_an_image_that_was_skipped() {
        let text = shown(&examples::incomplete(), Exit::Done, None);
        assert_snapshot!(text.lines().next().unwrap(), @"### ⚠️ Published without linux/s390x");
        assert!(text.contains("    cache 1.4.0-s390x (missing) :crit, 0, 95\n"), "{text}");
    }

    #[test]
    fn nothing_to_change() {
        assert_snapshot!(shown(&examples::unchanged(), Exit::Done, None), @"
        ### ✅ Already published, nothing to change

        ```text
        ghcr.io/acme/app@sha256:f17d048b44e8a46d4b4a43ba942f8ea2371d0679fe24315f4545debed993db4d
        ```

        | Platform | Digest | Download | Arrived |
        |:--|:--|--:|--:|
        | **linux/amd64** | `sha256:baf0239e48ff4c47ebac3ba02b5cf1506b69cd5a0c0d0c825a53ba65976fb942` | 31.4&nbsp;MB | immediately |
        | **linux/arm64** | `sha256:b3e3ab55f887c56c0bd8bec3743b0fb54daaa17861e03db5133ef2835eb0da5a` | 31.4&nbsp;MB | immediately |

        With 1 attestation (provenance, SBOM).

        | Tag | |
        |:--|:--|
        | `ghcr.io/acme/app:1.4.0` | unchanged |
        ");
    }

    #[test]
    fn dry_run() {
        assert_snapshot!(shown(&examples::dry_run(), Exit::Done, None), @"
        ### 🧪 Would be published (dry run)

        ```text
        ghcr.io/acme/app@sha256:f17d048b44e8a46d4b4a43ba942f8ea2371d0679fe24315f4545debed993db4d
        ```

        | Platform | Digest | Download | Arrived |
        |:--|:--|--:|--:|
        | **linux/amd64** | `sha256:baf0239e48ff4c47ebac3ba02b5cf1506b69cd5a0c0d0c825a53ba65976fb942` | 31.4&nbsp;MB | immediately |
        | **linux/arm64** | `sha256:b3e3ab55f887c56c0bd8bec3743b0fb54daaa17861e03db5133ef2835eb0da5a` | – | after&nbsp;1m&nbsp;35s |

        With 1 attestation (provenance, SBOM).

        | Tag | |
        |:--|:--|
        | `ghcr.io/acme/app:1.4.0` | would move |
        | `ghcr.io/acme/app:1` | would move |

        Would copy 2 images into `ghcr.io/acme/app`, unless already there.

        Changes to `ghcr.io/acme/app:1.4.0`, `ghcr.io/acme/app:1`:

        ```diff
        + linux/arm64  sha256:b3e3ab55f887c56c0bd8bec3743b0fb54daaa17861e03db5133ef2835eb0da5a
        ```

        ```mermaid
        gantt
            title When the images arrived (seconds)
            dateFormat X
            axisFormat %s
            linux/amd64 :done, 0, 1
            linux/arm64 :active, 0, 95
        ```
        ");
    }

    #[test]
    fn failure() {
        assert_snapshot!(shown(&examples::failure(), Exit::NotArrived, None), @"
        ### ❌ Not published: images did not arrive

        ```text
        1 of 2 images did not arrive within 10m
          not found: ghcr.io/acme/cache:1.4.0-arm64
          no tag was moved
          fix:   raise `wait`
        ```

        > [!WARNING]
        > - &#96;token&#96; is not needed here

        ```mermaid
        gantt
            title When the images arrived (seconds)
            dateFormat X
            axisFormat %s
            cache 1.4.0-amd64 :active, 0, 42
            cache 1.4.0-arm64 (not found) :crit, 0, 102
        ```
        ");
    }

    #[test]
    fn published_in_part() {
        assert_snapshot!(shown(&examples::partial(), Exit::Partial, None), @"
        ### ❌ Partly published

        ```text
        cannot move ghcr.io/acme/app:1: access denied
        ```

        > [!WARNING]
        > - &#96;token&#96; is not needed here

        | Tag | |
        |:--|:--|
        | `ghcr.io/acme/app:1.4.0` | moved |
        | `ghcr.io/acme/app:1` | failed |
        ");
    }

    #[test]
    fn several_indexes() {
        assert_snapshot!(shown(&examples::several(), Exit::NotArrived, None), @"
        ### ❌ 2 of 3 indexes

        > [!WARNING]
        > - &#96;token&#96; is not needed here

        | Index | | Digest | Platforms |
        |:--|:--|:--|:--|
        | ghcr.io/acme/app&#58;1.4.0-debug | ❌ 1 of 2 images did not arrive within 10m | | |
        | ghcr.io/acme/app&#58;1.4.0<br>ghcr.io/acme/app&#58;1 | published | `sha256:f17d048b44e8a46d4b4a43ba942f8ea2371d0679fe24315f4545debed993db4d` | linux/amd64, linux/arm64 |
        | ghcr.io/acme/app&#58;1.4.0-slim | published | `sha256:f17d048b44e8a46d4b4a43ba942f8ea2371d0679fe24315f4545debed993db4d` | linux/amd64, linux/arm64<br>⚠️ without linux/s390x |
        ");
    }

    #[test]
    fn outputs_that_could_not_be_written_come_first() {
        let late = examples::not_written();
        let text = shown(&examples::success(), Exit::Partial, Some(&late));
        let (start, rest) = text.split_at(text.find("### ✅").unwrap());
        assert_snapshot!(start, @"
        ### ❌ Outputs not written

        ```text
        published, but the outputs could not be written: No space left on device
        ```
        ");
        assert!(
            rest.starts_with("### ✅ Published\n\n> [!WARNING]\n> - &#96;token&#96; is"),
            "{rest}"
        );
    }

    #[test]
    fn no_text_of_others_ends_a_block_or_starts_markdown() {
        let secrets = Secrets::default();
        secrets.keep("canary-password");
        let error =
            Error::refused("````\n# <img> canary-password").with_details(vec!["``` x".into()]);
        let run = Run::that_never_began(error);
        let warnings = ["<b> | canary-password".to_owned()];
        let ending = Ending {
            run: &run,
            exit: Exit::Refused,
            late: None,
            warnings: &warnings,
            secrets: &secrets,
            audience: Audience::default(),
        };
        let text = markdown(&ending);
        assert!(text.contains("\n`````text\n````\n# <img> ***\n  ``` x\n`````\n"), "{text}");
        assert!(
            text.contains("> - &lt;b&gt; &#124; &#42;&#42;&#42;") && !text.contains("canary"),
            "{text}"
        );
    }

    #[test]
    fn a_long_text_is_cut_at_the_end_of_a_line() {
        for (text, longest, shown) in [
            ("one\ntwo\n", 9, None),
            ("one\ntwo\n", 5, Some("one")),
            ("ä\nb", 2, Some("")),
            ("abc", 2, Some("")),
        ] {
            assert_eq!(cut(text, longest), shown, "{text:?}");
        }
    }

    #[test]
    fn the_picture_takes_names_for_nothing_but_names() {
        assert_eq!(mermaid("app:1.2;\n%%x#y"), "app 1.2    x y");
        assert_eq!(short("ghcr.io/acme/app:1"), "app:1");
        assert_eq!(timeline(Vec::new()), "");
    }
}
