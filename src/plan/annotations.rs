//! Annotations as metadata-action and buildx write them: `[LEVEL[,LEVEL…]:]KEY=VALUE`.

use super::platforms;
use crate::inputs::table::Given;
use crate::inputs::{Findings, slips, values};
use crate::oci::{Annotations, Platform, slip};

/// The annotations that were asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requested {
    /// Of the index itself.
    pub index: Annotations,
    /// Of every entry.
    pub entries: Annotations,
    /// Of the entry for one platform.
    pub one_entry: Vec<(Platform, Annotations)>,
}

impl Requested {
    /// Whether nothing was asked for.
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

enum Level {
    Index,
    Entries,
    OneEntry(Platform),
    Ignored,
}

/// Reads the input.
pub(super) fn read(input: Given<'_>, findings: &mut Findings) -> Requested {
    let mut requested = Requested::default();
    input.warn_of_crowded("KEY=VALUE", values::parts_pairs, findings);
    for (line, pair) in input.pairs(findings) {
        let Some((name, value)) = findings.take(input.name, Some(line), pair) else { continue };
        let Some((levels, key)) = findings.take(input.name, Some(line), parse(&name)) else {
            continue;
        };
        // It is published as it is: a text about variables is a good value, too.
        let odd = slips::odd_value(&value).map(str::to_owned);
        if let Some(why) = odd.or_else(|| slip::left_over(&value)).or_else(|| slip::unset(&value)) {
            findings.warn(format!("annotation {key}: {why}"));
        }
        for level in levels {
            let place = match level {
                Level::Index => &mut requested.index,
                Level::Entries => &mut requested.entries,
                Level::OneEntry(platform) => {
                    let text = platform.to_string();
                    platforms::warn_of_odd(&text, &platform, findings);
                    one_entry(&mut requested.one_entry, platform)
                }
                Level::Ignored => {
                    findings.warn(format!(
                        "annotation index-descriptor:{key} is ignored: nothing points to the index"
                    ));
                    continue;
                }
            };
            match place.get(key) {
                Some(other) if *other != value => {
                    findings.problem_at(
                        input.name,
                        line,
                        format!("{key} has two values: {other:?} and {value:?}"),
                    );
                }
                _ => {
                    place.insert(key.to_owned(), value.clone());
                }
            }
        }
    }
    requested
}

fn one_entry(entries: &mut Vec<(Platform, Annotations)>, platform: Platform) -> &mut Annotations {
    let at = entries.iter().position(|(other, _)| other.same(&platform)).unwrap_or_else(|| {
        entries.push((platform, Annotations::new()));
        entries.len() - 1
    });
    &mut entries[at].1
}

/// The levels in front of a key, and the key.
fn parse(name: &str) -> Result<(Vec<Level>, &str), String> {
    let Some((front, key)) = name
        .split_once(':')
        .filter(|(front, key)| !key.starts_with("//") && front.split(',').all(is_level))
    else {
        return Ok((vec![Level::Index], name));
    };
    if key.trim().is_empty() {
        return Err(format!("no key after {front}:"));
    }
    let mut levels: Vec<Level> = front.split(',').map(level).collect::<Result<_, _>>()?;
    // `index,manifest:` names the index twice.
    let mut index_seen = false;
    levels.retain(|level| {
        !matches!(level, Level::Index) || !std::mem::replace(&mut index_seen, true)
    });
    Ok((levels, key.trim()))
}

/// Whether the text before a colon has the form of a level; the colon of other keys is their own.
fn is_level(text: &str) -> bool {
    let word = text.split('[').next().unwrap_or_default();
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
}

fn level(text: &str) -> Result<Level, String> {
    let (word, platform) = match text.split_once('[') {
        Some((word, rest)) => {
            (word, Some(rest.strip_suffix(']').ok_or_else(|| format!("{text}: a [ without a ]"))?))
        }
        None => (text, None),
    };
    match (word, platform) {
        ("index" | "manifest", None) => Ok(Level::Index),
        ("manifest", Some(platform)) => Err(format!(
            "manifest[{platform}]: would change an image that is already pushed; to annotate its entry, use manifest-descriptor[{platform}]:"
        )),
        ("manifest-descriptor", None) => Ok(Level::Entries),
        ("manifest-descriptor", Some(platform)) => platform
            .parse()
            .map(Level::OneEntry)
            .map_err(|error: crate::oci::Invalid| error.to_string()),
        ("index-descriptor", _) => Ok(Level::Ignored),
        _ => Err(format!(
            "{text} is not a level; use index, manifest, manifest-descriptor or manifest-descriptor[PLATFORM]"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::table::RawInputs;
    use crate::random::mixed;

    fn run(value: &str) -> (Requested, Vec<String>, Vec<String>) {
        let mut findings = Findings::default();
        let inputs = RawInputs { annotations: Some(value.to_owned()), ..RawInputs::default() };
        let requested = read(inputs.annotations(), &mut findings);
        let problems = findings.problems.iter().map(ToString::to_string).collect();
        (requested, problems, findings.warnings)
    }

    fn pairs(pairs: &[(&str, &str)]) -> Annotations {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn levels() {
        let (requested, problems, warnings) = run(
            "a=1\nindex:b=x=y,z\nmanifest:c=3\nindex,manifest:d=4\nmanifest-descriptor:e=5\nmanifest-descriptor[linux/arm64]:f=6\n\
             manifest-descriptor[linux/arm64/v8]:g=7\nindex-descriptor:h=8\nindex,manifest-descriptor:i=9\nhttps://x/y=10\na=1",
        );
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(warnings.len(), 1);
        assert_eq!(
            requested.index,
            pairs(&[
                ("a", "1"),
                ("b", "x=y,z"),
                ("c", "3"),
                ("d", "4"),
                ("i", "9"),
                ("https://x/y", "10")
            ])
        );
        assert_eq!(requested.entries, pairs(&[("e", "5"), ("i", "9")]));
        assert_eq!(
            requested.one_entry,
            [("linux/arm64".parse().unwrap(), pairs(&[("f", "6"), ("g", "7")]))]
        );
    }

    #[test]
    fn quotes_round_a_line_are_not_part_of_it() {
        let (requested, problems, warnings) =
            run("\"index:a.b=c d\"\n\"manifest-descriptor[linux/arm64]:e=say \"\"f\"\"\"");
        assert_eq!((problems, warnings), (Vec::new(), Vec::new()));
        assert_eq!(requested.index, pairs(&[("a.b", "c d")]));
        assert_eq!(requested.one_entry[0].1, pairs(&[("e", "say \"f\"")]));
    }

    #[test]
    fn odd_values_are_published_with_a_warning() {
        for (value, why) in [
            ("a=\"b\"", "annotation a: the quotes round its value are part of it"),
            ("a=1,", "annotation a: the comma at its end is part of the value"),
            ("a=$VERSION", "annotation a: $VERSION was not replaced: is the variable set?"),
            (
                "a=undefined",
                "annotation a: \"undefined\" stands for a missing value: is the variable set?",
            ),
            (
                "manifest-descriptor[linux/amd46]:a=1",
                "unknown platform linux/amd46; did you mean linux/amd64? It is used as given",
            ),
        ] {
            let (requested, problems, warnings) = run(value);
            assert_eq!((problems, warnings), (Vec::new(), vec![why.to_owned()]), "{value}");
            assert!(!requested.is_empty());
        }
    }

    #[test]
    fn refusals() {
        for (value, why) in [
            ("a=1\na=2", "line 2: a has two values"),
            ("index:a=1\nmanifest:a=2", "two values"),
            (r#"{"a": "1", "a": "2"}"#, "line 2: a has two values"),
            ("manifest[linux/amd64]:a=1", "manifest-descriptor[linux/amd64]:"),
            ("manifest-descriptor[x]:a=1", "is not a platform"),
            ("manifest-descriptor[linux/amd64:a=1", "without a ]"),
            ("idnex:a=1", "not a level"),
            ("index:=1", "no key"),
            ("novalue", "not KEY=VALUE"),
            ("- index:a=1", "line 1: leave out what is in front of KEY=VALUE"),
            ("--annotation index:a=1", "line 1: leave out what is in front of KEY=VALUE"),
            ("a=1\n'index:b=2'", "line 2: leave out the quotes"),
            ("[a=1, b=2]", "annotations: not a JSON array: write [\"a=1\",\"b=2\"]"),
            ("{a: b}", "annotations: not a JSON object of strings"),
        ] {
            let (_, problems, _) = run(value);
            assert!(problems.iter().any(|problem| problem.contains(why)), "{value}: {problems:?}");
        }
    }

    #[test]
    fn survives_any_mixture() {
        let pieces = [
            "index",
            "manifest",
            "manifest-descriptor",
            "index-descriptor",
            "[",
            "linux/amd64",
            "]",
            ":",
            ",",
            "a",
            "=",
            "\n",
            "é",
            "\"",
            "{",
            "}",
            "- ",
            "//",
            " ",
        ];
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..5_000 {
            let value = mixed(&mut random, &pieces, 10);
            run(&value);
        }
    }
}
