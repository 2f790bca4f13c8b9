//! The header `Link`: where the next page of a listing is.

use super::Answer;
use reqwest::header::LINK;
use url::Url;

impl Answer {
    /// The query of the page after this one, which was asked for at `base` (RFC 8288). Only that is
    /// taken over: the address stays our own, so that a login can go nowhere else.
    pub(crate) fn next_page(&self, base: &Url) -> Option<String> {
        let links = self.headers.get_all(LINK).iter();
        let links: Vec<&str> = links.filter_map(|link| link.to_str().ok()).collect();
        next(base, &links.join(", "))
    }
}

fn next(base: &Url, header: &str) -> Option<String> {
    let mut rest = header;
    while let Some((_, tail)) = rest.split_once('<') {
        let (target, tail) = tail.split_once('>')?;
        let parameters = tail.split('<').next().unwrap_or_default();
        if parameters
            .split([';', ','])
            .any(|part| matches!(part.trim(), r#"rel="next""# | "rel=next"))
        {
            return base.join(target).ok()?.query().map(str::to_owned);
        }
        rest = tail;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_of_the_next_page() {
        let base: Url = "https://api.example/repos/a/b/jobs?per_page=100".parse().unwrap();
        for (header, expected) in [
            ("", None),
            (
                r#"<https://api.example/repositories/1/jobs?per_page=100&page=2>; rel="next", <https://x/?page=9>; rel="last""#,
                Some("per_page=100&page=2"),
            ),
            (
                r#"<https://x/?page=1>; rel="prev", <https://evil.example/steal?page=3>; rel="next""#,
                Some("page=3"),
            ),
            (r#"</jobs?cursor=a,b>; title="x"; rel=next"#, Some("cursor=a,b")),
            (r#"<https://x/?page=9>; rel="last""#, None),
            ("<https://x/?page=2", None),
            (r#"<https://x/>; rel="next""#, None),
        ] {
            assert_eq!(next(&base, header).as_deref(), expected, "{header}");
        }
    }

    /// Pieces of headers put together at random: nothing panics, and only a query is taken over.
    #[test]
    fn no_link_panics() {
        const PIECES: [&str; 14] = [
            "<",
            ">",
            ";",
            ",",
            "rel=next",
            "rel=\"next\"",
            "https://x/?page=2",
            "?a=b",
            "#",
            " ",
            "é",
            "http://[",
            "//evil.example?c=d",
            "%zz",
        ];
        let base: Url = "https://api.example/jobs?per_page=100".parse().unwrap();
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..50_000 {
            let header: String =
                (0..random.usize(0..12)).map(|_| PIECES[random.usize(0..14)]).collect();
            let found = next(&base, &header);
            assert!(!found.is_some_and(|query| query.contains('#')), "{header}");
        }
    }
}
