//! `WWW-Authenticate`, as registries really write it (RFC 9110 section 11.6.1, read leniently).

/// Bytes of a header beyond which it is not read at all.
const LONGEST_HEADER: usize = 8 << 10;
const MOST_CHALLENGES: usize = 16;

/// The challenges that we can answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    /// A token from a token server (distribution's token authentication).
    Bearer {
        /// Address of the token server; may be relative to the request.
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
}

/// The challenge to answer among all header values: the first Bearer with a realm, else Basic.
pub(super) fn choose<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Challenge> {
    let all: Vec<(String, Vec<(String, String)>)> = headers
        .filter(|header| header.len() <= LONGEST_HEADER)
        .flat_map(parse)
        .take(MOST_CHALLENGES)
        .collect();
    let bearer = all.iter().filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).find_map(
        |(_, parameters)| {
            let get = |name: &str| {
                parameters
                    .iter()
                    .find(|(key, _)| key.eq_ignore_ascii_case(name))
                    .map(|(_, value)| value.clone())
                    .filter(|value| !value.is_empty())
            };
            Some(Challenge::Bearer {
                realm: get("realm")?,
                service: get("service"),
                scope: get("scope"),
            })
        },
    );
    bearer.or_else(|| {
        all.iter()
            .any(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
            .then_some(Challenge::Basic)
    })
}

/// All challenges of one header value: scheme and parameters. A token without `=` after it starts a
/// new challenge.
fn parse(header: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut challenges: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.find([' ', '\t', ',', '=', '"']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.is_empty() {
            // A stray quote or equals sign: nothing sensible can follow.
            return challenges;
        }
        let after_spaces = after.trim_start_matches([' ', '\t']);
        // `Negotiate abc==` is a token68, not a parameter: then the equals sign is not followed by
        // a value.
        match (after_spaces.strip_prefix('='), challenges.last_mut()) {
            (Some(value), Some((_, parameters))) => {
                let (value, after) = parse_value(value.trim_start_matches([' ', '\t']));
                parameters.push((word.to_owned(), value));
                rest = after;
            }
            (Some(value), None) => rest = parse_value(value).1,
            (None, _) => {
                challenges.push((word.to_owned(), Vec::new()));
                rest = after;
            }
        }
        if challenges.len() > MOST_CHALLENGES || rest.is_empty() {
            return challenges;
        }
    }
}

/// A quoted string or a bare token, and what follows it.
fn parse_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([' ', '\t', ',']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Option<Challenge> {
        Some(Challenge::Bearer {
            realm: realm.into(),
            service: service.map(Into::into),
            scope: scope.map(Into::into),
        })
    }

    #[test]
    fn survives_what_registries_send() {
        let both = "repository:a/b:pull,push";
        for (headers, expected) in [
            (
                vec![r#"Bearer realm="https://a/t",service="s",scope="repository:a/b:pull,push""#],
                bearer("https://a/t", Some("s"), Some(both)),
            ),
            (
                vec![r#"bearer REALM = "https://a/t" , service=s"#],
                bearer("https://a/t", Some("s"), None),
            ),
            (
                vec![r#"Basic realm="x", Bearer realm="https://a/t""#],
                bearer("https://a/t", None, None),
            ),
            (
                vec!["Negotiate", "NTLM abc==", r#"Bearer realm="/token""#],
                bearer("/token", None, None),
            ),
            (vec![r#"Negotiate abc=, Bearer realm="/token""#], bearer("/token", None, None)),
            (vec![r#"BASIC realm="Sonatype Nexus""#], Some(Challenge::Basic)),
            (vec!["Basic"], Some(Challenge::Basic)),
            (vec![r#"Bearer realm="a\"b,c=d""#], bearer("a\"b,c=d", None, None)),
            (
                vec![r#"Bearer realm="https://a/t",error="insufficient_scope""#],
                bearer("https://a/t", None, None),
            ),
            (vec![r#"Bearer service="s""#, r#"Basic realm="x""#], Some(Challenge::Basic)),
            (vec![r#"Bearer service="s""#], None),
            (vec![r#"Bearer realm="unclosed"#], bearer("unclosed", None, None)),
            (vec!["", ",,,", "=", "\"", "Digest realm=x"], None),
        ] {
            assert_eq!(choose(headers.iter().copied()), expected, "{headers:?}");
        }
        let long = format!("Bearer realm=\"{}\"", "x".repeat(9000));
        assert_eq!(choose([long.as_str()].into_iter()), None);
        let many = "Digest, ".repeat(1000);
        assert_eq!(choose([many.as_str()].into_iter()), None);
    }

    #[test]
    fn never_panics_on_any_short_text() {
        let alphabet = ['B', ' ', ',', '=', '"', '\\', 'é'];
        for seed in 0..alphabet.len().pow(6) {
            let text: String =
                (0..6).map(|at| alphabet[seed / alphabet.len().pow(at) % alphabet.len()]).collect();
            parse(&text);
        }
    }
}
