//! Foreign text, made harmless for the place where it is shown. Sources: GitHub's runner (command
//! parser) and toolkit.

use std::borrow::Cow;

/// Makes control characters visible, including line ends and those that change the direction of
/// text.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unseen) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().fold(String::with_capacity(text.len()), |mut shown, character| {
        if is_unseen(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
        shown
    }))
}

/// Escapes the characters of a JSON document that JSON allows as they are, but that could command a
/// terminal or the CI system that shows it. No line of a document begins with `::`.
pub(crate) fn json(document: &str) -> String {
    let document = document.replace("##[", "#\\u0023[").replace("##vso[", "#\\u0023vso[");
    document.chars().fold(String::with_capacity(document.len()), |mut safe, character| {
        if is_unseen(character) && character != '\n' {
            safe.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            safe.push(character);
        }
        safe
    })
}

/// Controls, and what Unicode calls default-ignorable: a text that holds them is not what it looks
/// like, and some readers look for a command as if they were not there.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fff8}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// One line for the log of any CI system.
pub(crate) fn log_line(text: &str) -> String {
    without_commands(&visible(text))
}

/// A line without commands of GitHub's runner (`::name` at the start, `##[name]` anywhere) or
/// Azure's (`##vso[name]` anywhere).
pub(crate) fn without_commands(line: &str) -> String {
    let line = line.replace("##[", "# #[").replace("##vso[", "# #vso[");
    let indent = line.len() - line.trim_start().len();
    match line.split_at(indent) {
        (spaces, rest) if rest.starts_with("::") => format!("{spaces}: {}", &rest[1..]),
        _ => line,
    }
}

/// The data of a workflow command.
pub(crate) fn command_data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a workflow command.
pub(crate) fn command_property(text: &str) -> String {
    command_data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Text that a Markdown table or paragraph shows as it is, links of its own included: a comment ends
/// a text, so that no reader finds an address in it.
pub(crate) fn markdown(text: &str) -> String {
    const COMMENT: &str = "<!---->";
    let mut escaped = String::with_capacity(text.len());
    let shown = visible(text);
    for (at, character) in shown.char_indices() {
        let (before, after) = (&shown[..at], &shown[at + character.len_utf8()..]);
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // An entity cannot end a table cell or start a link in any Markdown dialect.
            '|' | '`' | '*' | '_' | '[' | ']' | '(' | ')' | '#' | '!' | '\\' | '~' | '@' | ':' => {
                escaped.push_str(&format!("&#{};", u32::from(character)));
            }
            other => escaped.push(other),
        }
        let is_address = match character {
            '@' => true,
            ':' => after.starts_with("//"),
            '.' => ends_with_www(before),
            _ => false,
        };
        if is_address {
            escaped.push_str(COMMENT);
        }
    }
    escaped
}

fn ends_with_www(text: &str) -> bool {
    let start = text.len().checked_sub(3);
    start.and_then(|start| text.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case("www"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out() {
        assert_eq!(log_line("::error::x"), ": :error::x");
        assert_eq!(log_line("  ::set-output name=a::x"), "  : :set-output name=a::x");
        assert_eq!(log_line("a ##[error]x ##vso[task]"), "a # #[error]x # #vso[task]");
        assert_eq!(log_line("a::b"), "a::b");
        assert_eq!(
            log_line("a\r\n::error::b\u{1b}[31m\u{202e}"),
            "a\\u{d}\\u{a}::error::b\\u{1b}[31m\\u{202e}"
        );
        assert_eq!(json("{\n\"\u{9b}\u{7f}\u{202e}\"}"), "{\n\"\\u009b\\u007f\\u202e\"}");
        assert_eq!(json("[\"###[x ##vso[y\"]"), "[\"##\\u0023[x #\\u0023vso[y\"]");
        assert_eq!(log_line("#\u{ad}#[error]x"), "#\\u{ad}#[error]x");
        assert_eq!(command_data("50%\r\n::x"), "50%25%0D%0A::x");
        assert_eq!(command_property("a:b,c%"), "a%3Ab%2Cc%25");
        assert_eq!(
            markdown("a|b `c` <img src=x> [l](u)\n# h"),
            "a&#124;b &#96;c&#96; &lt;img src=x&gt; &#91;l&#93;&#40;u&#41;&#92;u{a}&#35; h"
        );
        for (address, shown) in [
            ("www.x.example", "www.<!---->x.example"),
            ("WWW.x.example", "WWW.<!---->x.example"),
            ("a@b.example", "a&#64;<!---->b.example"),
            ("mailto:a@b.example", "mailto&#58;a&#64;<!---->b.example"),
            ("https://x.example", "https&#58;<!---->//x.example"),
            ("r.example:5000/app:1", "r.example&#58;5000/app&#58;1"),
        ] {
            assert_eq!(markdown(address), shown);
        }
    }
}
