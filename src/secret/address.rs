//! Logins that were written into an address, `USER:PASSWORD@HOST`, wherever that stands. Pure.

/// What is secret in the addresses of a text.
pub(super) fn secrets<'t>(text: &'t str) -> Vec<&'t str> {
    let is_end = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>');
    // A password may contain a comma, and a list may have no spaces.
    let words = text.split(is_end).chain(text.split(|c| is_end(c) || c == ','));
    let mut found: Vec<&str> = Vec::new();
    // An input that is a list is quoted item by item.
    let parts = |secret: &'t str| [secret].into_iter().chain(secret.split(','));
    for secret in words.filter_map(of_word).flatten().flat_map(parts) {
        if !found.contains(&secret) {
            found.push(secret);
        }
    }
    found
}

fn of_word(word: &str) -> Option<[&str; 2]> {
    let (scheme, address) = word.split_once("://").unwrap_or(("", word));
    let is_digest = |rest: &str| rest.starts_with("sha256:") || rest.starts_with("sha512:");
    let ats = address.rmatch_indices('@').map(|(at, _)| at);
    let at = ats.into_iter().find(|at| !address.get(at + 1..).is_some_and(is_digest))?;
    let (login, host) = (address.get(..at)?, address.get(at + 1..)?);
    let (user, password) = match login.split_once(':') {
        Some(parts) => parts,
        // Alone before a host it is a token.
        None if !scheme.is_empty() => return Some([login, login]),
        None => return None,
    };
    // What is behind `PLATFORM=`.
    let user = user.rsplit_once('=').map_or(user, |(_, user)| user);
    let is_host = host.contains(['.', ':', '/']);
    let is_reference = user.contains('/') || starts_with_port(password);
    let is_mail = matches!(user, "mailto" | "xmpp" | "sip");
    if password.is_empty() || !is_host || is_mail || (scheme.is_empty() && is_reference) {
        return None;
    }
    // A short password is no word to look for; with its user it is.
    let start = login.len() - password.len() - 1 - user.len();
    Some([password, address.get(start..=at)?])
}

/// `5000/acme/app`, of a reference.
fn starts_with_port(text: &str) -> bool {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    rest.len() < text.len() && rest.starts_with('/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::mixed;

    #[test]
    fn by_table() {
        for (text, expected) in [
            ("user:canary@host.example/app:1", &["canary", "user:canary@"][..]),
            ("user:canary@localhost:5000", &["canary", "user:canary@"]),
            ("https://user:canary@host.example", &["canary", "user:canary@"]),
            ("http://user:can/ary:x@y@host:3128/", &["can/ary:x@y", "user:can/ary:x@y@"]),
            ("linux/amd64=user:canary@host.example/app@sha256:00", &["canary", "user:canary@"]),
            ("a.example/b:1,user:canary@c.example/d", &["canary", "user:canary@"]),
            ("user:can,ary@host.example/app", &["can,ary", "user:can,ary@"]),
            ("x\nuser:canary@host.example y", &["canary", "user:canary@"]),
            ("https://canary-token@host.example", &["canary-token"]),
            (r#"{"a": "user:canary@host.example"}"#, &["canary", "user:canary@"]),
            ("host.example/app:1.2@sha256:00", &[]),
            ("localhost:5000/app@v1.2", &[]),
            ("localhost:5000/app:1@v1.2/x", &[]),
            ("app:1.2@v1", &[]),
            ("Name <someone@host.example>", &[]),
            ("mailto:someone@host.example", &[]),
            ("org/repo/.github/workflows/x.yml@refs/heads/main", &[]),
            ("user:@host.example", &[]),
            ("@", &[]),
            (":@.", &[]),
            ("", &[]),
        ] {
            let found = secrets(text);
            assert!(expected.iter().all(|secret| found.contains(secret)), "{text}: {found:?}");
            assert!(!expected.is_empty() || found.is_empty(), "{text}: {found:?}");
        }
    }

    #[test]
    fn survives_any_mixture() {
        let pieces = [
            "u", ":", "@", "canary", "://", "https", ".", "/", "=", ",", " ", "\"", "é", "sha256:",
            "[", "5000",
        ];
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..10_000 {
            let text = mixed(&mut random, &pieces, 10);
            for secret in secrets(&text) {
                assert!(text.contains(secret), "{text}");
            }
        }
    }
}
