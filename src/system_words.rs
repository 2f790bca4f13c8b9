//! What the operating system says of a failure, as a part of a sentence of ours.

/// `connection refused` for `Connection refused (os error 111)`; `None` if it is no such text.
pub(crate) fn plain(text: &str) -> Option<String> {
    let (words, _) = text.split_once(" (os error ")?;
    // Windows says whole sentences.
    Some(uncapitalized(words.strip_suffix('.').unwrap_or(words)))
}

/// The text with a small first letter.
pub(crate) fn uncapitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_table() {
        for (text, expected) in [
            ("Connection refused (os error 111)", Some("connection refused")),
            ("No route to host (os error 113)", Some("no route to host")),
            (
                "The network name cannot be found. (os error 67)",
                Some("the network name cannot be found"),
            ),
            ("connection closed before message completed", None),
            ("tunnel error: proxy authorization required", None),
            ("", None),
        ] {
            assert_eq!(plain(text).as_deref(), expected);
        }
        assert_eq!((uncapitalized("Äb").as_str(), uncapitalized("").as_str()), ("äb", ""));
    }
}
