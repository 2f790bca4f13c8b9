//! The job summary: what was published or why not, in Markdown, with a picture of the wait.

mod failure;
mod prose;
mod published;
mod several;
mod table;
mod timeline;

use crate::pipeline::outcome::Listed;
use crate::report::Ending;
use prose::{closing, cut};
use std::fmt::Write as _;

/// GitHub accepts 1 MiB per step, but nobody reads more than this.
const LONGEST: usize = 256 << 10;

/// The text to append to `GITHUB_STEP_SUMMARY`: everything about one index, or a row for each of
/// several.
pub(crate) fn markdown(ending: &Ending<'_>) -> String {
    let mut text = ending.late.map(|error| ending.late(error)).unwrap_or_default();
    match ending.run.lists.as_slice() {
        [Listed { name, ended: Ok(report), .. }] => text.push_str(&ending.one(name, report)),
        [list @ Listed { ended: Err(error), .. }] => text.push_str(&ending.failed(list, error)),
        _ => text.push_str(&ending.several()),
    }
    let text = ending.secrets.redact(&text);
    match cut(&text, LONGEST) {
        Some(cut) => format!("{cut}\n{}\n… and more\n", closing(cut)),
        None => text.to_string(),
    }
}

impl Ending<'_> {
    /// A box with the warnings, if there are any.
    fn warned(&self) -> String {
        const MOST_SHOWN: usize = 10;
        let warnings = self.warnings;
        if warnings.is_empty() {
            return String::new();
        }
        let mut text = "> [!WARNING]\n".to_owned();
        for warning in warnings.iter().take(MOST_SHOWN) {
            let _ = writeln!(text, "> - {}", self.prose(warning));
        }
        if warnings.len() > MOST_SHOWN {
            let _ = writeln!(text, "> - and {} more in the log", warnings.len() - MOST_SHOWN);
        }
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Audience, Error, Exit};
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
        ### ✅ `ghcr.io/acme/app:1.4.0` published

        2 platforms, 1 attestation (provenance, SBOM), OCI image index, waited 1m 35s

        ```text
        ghcr.io/acme/app@sha256:f17d048b44e8a46d4b4a43ba942f8ea2371d0679fe24315f4545debed993db4d
        ```

        | Tag | |
        |:--|:--|
        | `1.4.0` | created |
        | `1` | moved, was `sha256:0f3eec0b23b0` |

        | Platform | Arrived | Download | Digest |
        |:--|--:|--:|:--|
        | **linux/amd64** | at&nbsp;once | 31.4&nbsp;MB | `sha256:baf0239e48ff` |
        | **linux/arm64** | after&nbsp;1m&nbsp;35s | – | `sha256:b3e3ab55f887` |

        Copied into `ghcr.io/acme/app`: 2 images, 1 image already there, 1 referrer (cosign signature), 1 referrer already there, 4 blobs mounted, 1 blob uploaded (8.0 MB in 4 s, 2.0 MB/s), 3 blobs already there.

        ```mermaid
        gantt
            title When the images arrived (seconds)
            dateFormat x
            axisFormat %s
            linux/amd64 :done, 0, 285
            linux/arm64 :active, 0, 95000
        ```

        <details><summary>Full digests</summary>

        - **linux/amd64** `sha256:baf0239e48ff4c47ebac3ba02b5cf1506b69cd5a0c0d0c825a53ba65976fb942`
        - **linux/arm64** `sha256:b3e3ab55f887c56c0bd8bec3743b0fb54daaa17861e03db5133ef2835eb0da5a`
        - `ghcr.io/acme/app:1` was `ghcr.io/acme/app@sha256:0f3eec0b23b00b6fae9106fcc4245e516b17f34be27943e1a47ff068338119c5`

        </details>
        ");
    }

    #[test]
    fn success_after_forty_minutes() {
        assert_snapshot!(shown(&examples::long_wait(), Exit::Done, None), @"
        ### ✅ `ghcr.io/acme/app:1.4.0` published

        8 platforms, OCI image index, waited 39m 54s

        ```text
        ghcr.io/acme/app@sha256:275d7b84b351d7a3f73ca8fcdc35aba95dbdd753a2b70fc36bafd33494161666
        ```

        | Tag | |
        |:--|:--|
        | `1.4.0` | created |
        | `latest` | moved, was `sha256:0f3eec0b23b0` |

        | Platform | Arrived | Download | Digest |
        |:--|--:|--:|:--|
        | **linux/amd64** | at&nbsp;once | 31.4&nbsp;MB | `sha256:baf0239e48ff` |
        | **linux/arm64** | after&nbsp;1m | 29.8&nbsp;MB | `sha256:b3e3ab55f887` |
        | **linux/arm/v7** | after&nbsp;4m&nbsp;5s | 27.9&nbsp;MB | `sha256:35df9beb9b1c` |
        | **linux/386** | after&nbsp;5m&nbsp;1s | 30.2&nbsp;MB | `sha256:3b4d633cbc5e` |
        | **linux/ppc64le** | after&nbsp;18m&nbsp;40s | 33.6&nbsp;MB | `sha256:8764d67247e7` |
        | **linux/s390x** | after&nbsp;20m&nbsp;5s | 31.1&nbsp;MB | `sha256:f2bd2b7d44b2` |
        | **linux/riscv64** | after&nbsp;33m&nbsp;30s | 30.6&nbsp;MB | `sha256:a80ad7f1ef0c` |
        | **windows&#40;10.0.20348.2700&#41;/amd64** | after&nbsp;39m&nbsp;54s | 118.2&nbsp;MB | `sha256:8fa15b25c389` |

        ```mermaid
        gantt
            title When the images arrived (minutes)
            dateFormat x
            axisFormat %s
            linux/amd64 :done, 0, 119
            linux/arm64 :active, 0, 1000
            linux/arm/v7 :active, 0, 4083
            linux/386 :active, 0, 5016
            linux/ppc64le :active, 0, 18666
            linux/s390x :active, 0, 20083
            linux/riscv64 :active, 0, 33500
            windows(10.0.20348.2700)/amd64 :active, 0, 39900
        ```

        <details><summary>Full digests</summary>

        - **linux/amd64** `sha256:baf0239e48ff4c47ebac3ba02b5cf1506b69cd5a0c0d0c825a53ba65976fb942`
        - **linux/arm64** `sha256:b3e3ab55f887c56c0bd8bec3743b0fb54daaa17861e03db5133ef2835eb0da5a`
        - **linux/arm/v7** `sha256:35df9beb9b1c4fe630707bc51e4360b94b506b4e6d5372d5d0d52a385350621b`
        - **linux/386** `sha256:3b4d633cbc5ea29b878de9ed9fe873b83e0dc92bcd05faeffbd814eb2a06e0cc`
        - **linux/ppc64le** `sha256:8764d67247e7c98cb9965393e2def9a0acec2f6851c8e134c4c3b31a6f3f8077`
        - **linux/s390x** `sha256:f2bd2b7d44b2622465708aad8d95db149be8437447c4f93fd0437024ed277208`
        - **linux/riscv64** `sha256:a80ad7f1ef0c162b823e9be9383851c12eb0a0e5c9214b49fb806c198ec8f7a5`
        - **windows&#40;10.0.20348.2700&#41;/amd64** `sha256:8fa15b25c389e7a96a16a5ae9e9ab1ecaf7b7a7723795c6922c53d729483c1ca`
        - `ghcr.io/acme/app:latest` was `ghcr.io/acme/app@sha256:0f3eec0b23b00b6fae9106fcc4245e516b17f34be27943e1a47ff068338119c5`

        </details>
        ");
    }

    #[test]
    fn success_without_an_image_that_was_skipped() {
        let text = shown(&examples::incomplete(), Exit::Done, None);
        assert_snapshot!(text.lines().next().unwrap(), @"### ⚠️ `ghcr.io/acme/app:1.4.0` published without linux/s390x");
        assert!(text.contains("    cache 1.4.0-s390x (missing) :crit, 0, 95000\n"), "{text}");
    }

    #[test]
    fn nothing_to_change() {
        assert_snapshot!(shown(&examples::unchanged(), Exit::Done, None), @"
        ### ✅ `ghcr.io/acme/app:1.4.0` already published, nothing to change

        2 platforms, 1 attestation (provenance, SBOM), OCI image index

        ```text
        ghcr.io/acme/app@sha256:f17d048b44e8a46d4b4a43ba942f8ea2371d0679fe24315f4545debed993db4d
        ```

        | Tag | |
        |:--|:--|
        | `1.4.0` | unchanged |

        | Platform | Download | Digest |
        |:--|--:|:--|
        | **linux/amd64** | 31.4&nbsp;MB | `sha256:baf0239e48ff` |
        | **linux/arm64** | 31.4&nbsp;MB | `sha256:b3e3ab55f887` |

        <details><summary>Full digests</summary>

        - **linux/amd64** `sha256:baf0239e48ff4c47ebac3ba02b5cf1506b69cd5a0c0d0c825a53ba65976fb942`
        - **linux/arm64** `sha256:b3e3ab55f887c56c0bd8bec3743b0fb54daaa17861e03db5133ef2835eb0da5a`

        </details>
        ");
    }

    /// What builders push with provenance is an index, whose images' manifests are not read.
    #[test]
    fn what_is_known_of_no_image_has_no_column() {
        let mut run = examples::unchanged();
        for source in &mut run.lists[0].ended.as_mut().unwrap().sources {
            (source.download, source.created) = (None, None);
            source.revisions.clear();
        }
        let text = shown(&run, Exit::Done, None);
        assert!(
            text.contains("\n| Platform | Digest |\n|:--|:--|\n| **linux/amd64** | `"),
            "{text}"
        );
        assert!(!text.contains('–'), "{text}");
    }

    #[test]
    fn dry_run() {
        assert_snapshot!(shown(&examples::dry_run(), Exit::Done, None), @"
        ### 🧪 `ghcr.io/acme/app:1.4.0` would be published (dry run)

        2 platforms, 1 attestation (provenance, SBOM), OCI image index, waited 1m 35s

        ```text
        ghcr.io/acme/app@sha256:f17d048b44e8a46d4b4a43ba942f8ea2371d0679fe24315f4545debed993db4d
        ```

        | Tag | |
        |:--|:--|
        | `1.4.0` | would be created |
        | `1` | would move, now `sha256:0f3eec0b23b0` |

        | Platform | Arrived | Download | Digest |
        |:--|--:|--:|:--|
        | **linux/amd64** | at&nbsp;once | 31.4&nbsp;MB | `sha256:baf0239e48ff` |
        | **linux/arm64** | after&nbsp;1m&nbsp;35s | – | `sha256:b3e3ab55f887` |

        Would copy 2 images, 3 referrers (cosign signature) into `ghcr.io/acme/app`, unless already there.

        Changes to `ghcr.io/acme/app:1.4.0`, `ghcr.io/acme/app:1`:

        ```diff
        + linux/arm64  sha256:b3e3ab55f887c56c0bd8bec3743b0fb54daaa17861e03db5133ef2835eb0da5a
        ```

        ```mermaid
        gantt
            title When the images arrived (seconds)
            dateFormat x
            axisFormat %s
            linux/amd64 :done, 0, 285
            linux/arm64 :active, 0, 95000
        ```

        <details><summary>Full digests</summary>

        - **linux/amd64** `sha256:baf0239e48ff4c47ebac3ba02b5cf1506b69cd5a0c0d0c825a53ba65976fb942`
        - **linux/arm64** `sha256:b3e3ab55f887c56c0bd8bec3743b0fb54daaa17861e03db5133ef2835eb0da5a`

        </details>
        ");
    }

    #[test]
    fn failure() {
        assert_snapshot!(shown(&examples::failure(), Exit::NotArrived, None), @"
        ### ❌ `ghcr.io/acme/app:1.4.0` not published: 1 of 2 images did not arrive within 10m

        No tag was moved.

        | Image | |
        |:--|:--|
        | **linux/amd64** | ✅ after&nbsp;42&nbsp;s |
        | **linux/arm64** | ❌ not found: `ghcr.io/acme/cache:1.4.0-arm64` |

        **What to do:** raise <code>wait</code>

        > [!WARNING]
        > - <code>token</code> is not needed here
        ");
    }

    #[test]
    fn published_in_part() {
        assert_snapshot!(shown(&examples::partial(), Exit::Partial, None), @"
        ### ❌ `ghcr.io/acme/app:1.4.0` partly published: cannot push to ghcr.io/acme/app&#58;1&#58; permission denied

        | Tag | |
        |:--|:--|
        | `1.4.0` | moved, was `sha256:0f3eec0b23b0` |
        | `1` | failed |
        | `latest` | left |

        **What to do:** give the job <code>permissions&#58; packages&#58; write</code>

        > [!WARNING]
        > - <code>token</code> is not needed here

        <details><summary>Full digests</summary>

        - `ghcr.io/acme/app:1.4.0` was `ghcr.io/acme/app@sha256:0f3eec0b23b00b6fae9106fcc4245e516b17f34be27943e1a47ff068338119c5`

        </details>
        ");
    }

    #[test]
    fn several_indexes() {
        assert_snapshot!(shown(&examples::several(), Exit::NotArrived, None), @r"
        ### ❌ 2 of 3 indexes published

        | Index | Result | Platforms | Digest |
        |:--|:--|:--|:--|
        | `ghcr.io/acme/app:1.4.0-debug` | ❌ failed | | |
        | `ghcr.io/acme/app:1.4.0`<br>`…:1` | published | linux/amd64, linux/arm64 | `sha256:f17d048b44e8` |
        | `ghcr.io/acme/app:1.4.0-slim` | published | linux/amd64, linux/arm64<br>⚠️ without linux/s390x | `sha256:f17d048b44e8` |

        **`ghcr.io/acme/app:1.4.0-debug`:** 1 of 2 images did not arrive within 10m: `ghcr.io/acme/cache:1.4.0-arm64`\
        **What to do:** raise <code>wait</code>

        > [!WARNING]
        > - <code>token</code> is not needed here

        <details><summary>Full digests</summary>

        - `ghcr.io/acme/app:1.4.0` `sha256:f17d048b44e8a46d4b4a43ba942f8ea2371d0679fe24315f4545debed993db4d`
        - `ghcr.io/acme/app:1` was `ghcr.io/acme/app@sha256:0f3eec0b23b00b6fae9106fcc4245e516b17f34be27943e1a47ff068338119c5`
        - `ghcr.io/acme/app:1.4.0-slim` `sha256:f17d048b44e8a46d4b4a43ba942f8ea2371d0679fe24315f4545debed993db4d`
        - `ghcr.io/acme/app:1.4.0-slim` was `ghcr.io/acme/app@sha256:0f3eec0b23b00b6fae9106fcc4245e516b17f34be27943e1a47ff068338119c5`

        </details>
        ");
    }

    #[test]
    fn outputs_that_could_not_be_written_come_first() {
        let late = examples::not_written();
        let text = shown(&examples::success(), Exit::Partial, Some(&late));
        let (start, rest) = text.split_at(text.find("### ✅").unwrap());
        assert_snapshot!(start, @"
        ### ❌ Outputs not written

        published, but the outputs could not be written&#58; No space left on device
        ");
        assert!(rest.contains("\n\n> [!WARNING]\n> - <code>token</code> is"), "{rest}");
    }

    #[test]
    fn no_text_of_others_ends_a_block_or_starts_markdown() {
        let secrets = Secrets::default();
        secrets.keep("canary-password");
        let error = Error::refused("````\n# <img> canary-password")
            .with_details(vec!["``` x".into()])
            .with_fix("- canary-password | <b>");
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
        assert_snapshot!(markdown(&ending), @"
        ### ❌ Not published: &#96;&#96;&#96;&#96;&#92;u{a}&#35; &lt;img&gt; &#42;&#42;&#42;

        - &#96;&#96;&#96; x

        **What to do:** - &#42;&#42;&#42; &#124; &lt;b&gt;

        > [!WARNING]
        > - &lt;b&gt; &#124; &#42;&#42;&#42;
        ");
        let fenced = ending.block("text", "````\n# canary-password", LONGEST);
        assert_eq!(fenced, "`````text\n````\n# ***\n`````\n\n");
    }

    #[test]
    fn of_very_many_indexes_each_failure_comes_first() {
        let mut run = examples::several();
        let published = run.lists[0].clone();
        run.lists.splice(0..0, vec![published; 900]);
        let text = shown(&run, Exit::NotArrived, None);
        assert!(text.len() <= LONGEST + 100, "{}", text.len());
        for part in [
            "902 of 903 indexes",
            "| ❌ failed |",
            "And 703 more in the log.",
            "**What to do:** raise",
        ] {
            assert!(text.contains(part), "no {part}");
        }
        assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
    }

    #[test]
    fn what_to_do_is_said_however_long_the_text_of_others() {
        let error = Error::refused("<".repeat(2 << 20))
            .with_details(vec!["|".repeat(10_000); 1_000])
            .with_fix("do *this*");
        let run = Run::that_never_began(error);
        let text = shown(&run, Exit::Refused, None);
        assert!(text.len() < 1 << 20, "GitHub takes no more: {}", text.len());
        for part in
            ["### ❌ Not published: a check failed\n", "- and 960 more in the log", "do &#42;this"]
        {
            assert!(text.contains(part), "no {part}");
        }
    }
}
