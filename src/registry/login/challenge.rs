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

/// A challenge as it was sent: its scheme and parameters.
type Raw = (String, Vec<(String, String)>);

/// The challenge to answer among all header values: the first Bearer with a realm, else Basic.
pub(super) fn choose<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Challenge> {
    let all = parse_all(headers);
    let bearer = all.iter().filter(|challenge| is_of(challenge, "bearer")).find_map(|challenge| {
        Some(Challenge::Bearer {
            realm: parameter(challenge, "realm")?,
            service: parameter(challenge, "service"),
            scope: parameter(challenge, "scope"),
        })
    });
    let basic = || all.iter().any(|challenge| is_of(challenge, "basic"));
    bearer.or_else(|| basic().then_some(Challenge::Basic))
}

/// The scope that a token lacked, if that is what the answer says (RFC 6750 section 3.1).
pub(super) fn lacking_scope<'a>(headers: impl Iterator<Item = &'a str>) -> Option<String> {
    let all = parse_all(headers);
    let lacking = all.iter().filter(|challenge| {
        is_of(challenge, "bearer")
            && parameter(challenge, "error").as_deref() == Some("insufficient_scope")
    });
    lacking.into_iter().find_map(|challenge| parameter(challenge, "scope"))
}

fn parse_all<'a>(headers: impl Iterator<Item = &'a str>) -> Vec<Raw> {
    let short = headers.filter(|header| header.len() <= LONGEST_HEADER);
    short.flat_map(parse).take(MOST_CHALLENGES).collect()
}

fn is_of(challenge: &Raw, scheme: &str) -> bool {
    challenge.0.eq_ignore_ascii_case(scheme)
}

/// A parameter's value unless it is empty.
fn parameter((_, parameters): &Raw, name: &str) -> Option<String> {
    let found = parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
}

/// All challenges of one header value: scheme and parameters. A token without `=` after it starts a
/// new challenge.
fn parse(header: &str) -> Vec<Raw> {
    let mut challenges: Vec<Raw> = Vec::new();
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
            (vec![r#"Bearer realm="""#, r#"Basic realm="""#], Some(Challenge::Basic)),
            (vec![r#"Bearer realm="",service="s""#], None),
            (
                vec!["Bearer\trealm=https://a/t,,, ,service=\"s\","],
                bearer("https://a/t", Some("s"), None),
            ),
            (
                vec![
                    r#"Negotiate, NTLM, Digest realm="d", nonce="a, Bearer realm=no", Bearer realm="https://a/t""#,
                ],
                bearer("https://a/t", None, None),
            ),
            (
                vec![
                    r#"Basic realm="say \"hi\", Bearer realm=no", bEARER Realm="/t?x=1&y=\\",SCOPE="a b""#,
                ],
                bearer("/t?x=1&y=\\", None, Some("a b")),
            ),
            (
                vec![r#"Bearer realm="https://a/t",realm="https://b/t""#],
                bearer("https://a/t", None, None),
            ),
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
    fn the_scope_that_was_lacking() {
        for (header, expected) in [
            (r#"Bearer realm="/t",error="insufficient_scope",scope="a:b:pull""#, Some("a:b:pull")),
            (r#"Basic, bearer ERROR=insufficient_scope , scope = "a:b:pull""#, Some("a:b:pull")),
            (r#"Bearer realm="/t",error="invalid_token",scope="a:b:pull""#, None),
            (r#"Bearer realm="/t",scope="a:b:pull""#, None),
            (r#"Bearer realm="/t",error="insufficient_scope""#, None),
            (r#"Basic error="insufficient_scope",scope="a:b:pull""#, None),
            ("", None),
        ] {
            assert_eq!(lacking_scope([header].into_iter()).as_deref(), expected, "{header}");
        }
    }

    /// Pieces of challenges put together at random: nothing panics, all of it is bounded, and a
    /// Bearer challenge in front is found whatever follows it.
    #[test]
    fn survives_any_mixture() {
        const PIECES: [&str; 18] = [
            "Bearer ",
            "basic",
            "Negotiate",
            " ",
            ",",
            "=",
            "\"",
            "\\",
            "realm",
            "realm=\"/t\"",
            "scope=",
            "a:b:pull,push",
            "service=s",
            "error=insufficient_scope",
            "\t",
            "é",
            "abc==",
            ";",
        ];
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..50_000 {
            let noise: String =
                (0..random.usize(0..24)).map(|_| PIECES[random.usize(0..18)]).collect();
            let found = parse_all([noise.as_str(), &noise].into_iter());
            assert!(found.len() <= MOST_CHALLENGES);
            let first = format!("Bearer realm=\"/first\", Basic realm=\"x\", {noise}");
            let chosen = choose([first.as_str()].into_iter());
            assert_eq!(chosen, bearer("/first", None, None), "{noise}");
            lacking_scope([noise.as_str()].into_iter());
        }
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
