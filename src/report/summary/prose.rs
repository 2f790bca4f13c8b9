//! Foreign text in Markdown. Secrets are redacted first, because escaping could hide them.

use crate::report::Ending;
use crate::text::escape;

/// Longer texts of others would push out of sight, or out of the summary, what is to be done.
const LONGEST: usize = 600;

impl Ending<'_> {
    /// For a table or a paragraph, as it is.
    pub(super) fn shown(&self, text: &str) -> String {
        escape::markdown(&clipped(&self.secrets.redact(text)))
    }

    /// A sentence in which settings and commands stand between backticks.
    pub(super) fn prose(&self, text: &str) -> String {
        let text = clipped(&self.secrets.redact(text));
        let parts: Vec<&str> = text.split('`').collect();
        let mut shown = String::with_capacity(text.len());
        for (at, part) in parts.iter().enumerate() {
            let (inside, closed) = (at % 2 == 1, at + 1 < parts.len());
            let part_shown = escape::markdown(part);
            if inside && closed && !part.is_empty() {
                // Between backticks, Markdown would not obey the escapes.
                shown += &format!("<code>{part_shown}</code>");
            } else if inside {
                let tick = escape::markdown("`");
                shown += &format!("{tick}{part_shown}{}", if closed { &tick } else { "" });
            } else {
                shown += &part_shown;
            }
        }
        shown
    }

    /// What an image is called: a reference, or a file or key that others named.
    pub(super) fn name(&self, name: &str) -> String {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:@+".contains(&byte);
        if !name.is_empty() && name.bytes().all(is_plain) {
            return format!("`{}`", clipped(name));
        }
        self.shown(name)
    }

    /// Foreign text, line by line, between fences that it cannot close.
    pub(super) fn block(&self, language: &str, text: &str, longest: usize) -> String {
        let redacted = self.secrets.redact(text);
        let lines = redacted.lines().map(escape::visible).collect::<Vec<_>>().join("\n");
        let shown =
            cut(&lines, longest).map_or_else(|| lines.clone(), |cut| format!("{cut}\n… and more"));
        let ticks =
            shown.split(|character| character != '`').map(str::len).max().unwrap_or_default();
        let fence = "`".repeat(3.max(ticks + 1));
        format!("{fence}{language}\n{shown}\n{fence}\n\n")
    }
}

fn clipped(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A name without its registry and the path to it.
pub(super) fn short(name: &str) -> String {
    name.rsplit('/').next().unwrap_or_default().to_owned()
}

/// As many whole lines as fit; `None` if all do.
pub(super) fn cut(text: &str, longest: usize) -> Option<&str> {
    let fits = &text[..text.floor_char_boundary(longest)];
    (fits.len() < text.len()).then(|| &fits[..fits.rfind('\n').unwrap_or_default()])
}

/// Ends what a cut left open: a block between fences, lines that open at a click.
pub(super) fn closing(text: &str) -> String {
    let mut open = 0;
    for line in text.lines() {
        match line.len() - line.trim_start_matches('`').len() {
            ticks if open == 0 && ticks >= 3 => open = ticks,
            ticks if open > 0 && ticks >= open => open = 0,
            _ => {}
        }
    }
    let fence = if open > 0 { format!("{}\n\n", "`".repeat(open)) } else { String::new() };
    let is_open = text.matches("<details>").count() > text.matches("</details>").count();
    [fence.as_str(), if is_open { "</details>\n\n" } else { "" }].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Audience, Exit};
    use crate::pipeline::outcome::Run;
    use crate::secret::Secrets;

    #[track_caller]
    fn with_ending(check: impl FnOnce(&Ending<'_>)) {
        let (run, secrets) = (Run::default(), Secrets::default());
        secrets.keep("canary-password");
        check(&Ending {
            run: &run,
            exit: Exit::Done,
            late: None,
            warnings: &[],
            secrets: &secrets,
            audience: Audience::default(),
        });
    }

    #[test]
    fn settings_are_code_and_all_else_is_text() {
        with_ending(|ending| {
            for (text, shown) in [
                ("raise `wait`", "raise <code>wait</code>"),
                ("`missing: skip`, `a`", "<code>missing&#58; skip</code>, <code>a</code>"),
                ("`<img> | a`b", "<code>&lt;img&gt; &#124; a</code>b"),
                ("a `b", "a &#96;b"),
                ("`` a ```", "&#96;&#96; a &#96;&#96;&#96;"),
                ("a\nb", "a&#92;u{a}b"),
                ("`canary-password`", "<code>&#42;&#42;&#42;</code>"),
            ] {
                assert_eq!(ending.prose(text), shown, "{text:?}");
            }
        });
    }

    #[test]
    fn names_are_code_where_they_hold_nothing_else() {
        with_ending(|ending| {
            for (name, shown) in [
                ("ghcr.io/acme/app:1-arm64", "`ghcr.io/acme/app:1-arm64`"),
                ("", ""),
                ("a b", "a b"),
                ("a`b", "a&#96;b"),
                ("file.json|x", "file.json&#124;x"),
            ] {
                assert_eq!(ending.name(name), shown);
            }
        });
    }

    #[test]
    fn a_long_text_is_cut() {
        for (text, longest, shown) in [
            ("one\ntwo\n", 9, None),
            ("one\ntwo\n", 5, Some("one")),
            ("ä\nb", 2, Some("")),
            ("abc", 2, Some("")),
        ] {
            assert_eq!(cut(text, longest), shown, "{text:?}");
        }
        for (text, end) in [
            ("a", ""),
            ("```diff\n+ a", "```\n\n"),
            ("````text\n```\na", "````\n\n"),
            ("```text\na\n```\n`b`", ""),
            ("<details><summary>a</summary>\n\n- b", "</details>\n\n"),
            ("<details>\n</details>\n", ""),
        ] {
            assert_eq!(closing(text), end, "{text:?}");
        }
        assert_eq!(clipped(&"ä".repeat(LONGEST)), "ä".repeat(LONGEST));
        assert_eq!(clipped(&"ä".repeat(LONGEST + 1)), format!("{}…", "ä".repeat(LONGEST)));
        assert_eq!(short("ghcr.io/acme/app:1"), "app:1");
    }
}
