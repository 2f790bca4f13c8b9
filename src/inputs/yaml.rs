//! YAML to a tree of strings, each with its place. No type is guessed: `1.10`, `yes` and `08` stay
//! strings.
//!
//! Bounded: 1 MiB, few levels, each key once, and no anchors, aliases or custom tags, which can
//! grow when they are read.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput, Tag};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

/// The largest file, in bytes.
pub(super) const LARGEST: usize = 1 << 20;
/// Faults that are told: what is wrong everywhere is one mistake.
const MOST_FAULTS: usize = 100;
/// Levels of sequences and mappings: a file of indexes needs four.
const DEEPEST: usize = 8;

/// Where something is: line and column, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: usize,
    /// Column in characters, from 1.
    pub(super) column: usize,
}

impl Place {
    pub(super) const START: Self = Self { line: 1, column: 1 };

    fn of(marker: Marker) -> Self {
        Self { line: marker.line(), column: marker.col() + 1 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// A value and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// A value; scalars are strings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// Nothing, `~` or `null`.
    Empty,
    /// Any other scalar.
    Text(String),
    List(Vec<Node>),
    /// A mapping, in its order: where each key begins, the key, its value.
    Map(Vec<(Place, String, Node)>),
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) place: Place,
    pub(super) text: String,
}

/// Reads one document. All faults that do not end the reading are returned together.
pub(super) fn parse(text: &str) -> Result<Node, Vec<Fault>> {
    if text.len() > LARGEST {
        let text = format!("is {} bytes long; the limit is {LARGEST} bytes", text.len());
        return Err(vec![Fault { place: Place::START, text }]);
    }
    let mut reader = Reader { parser: Parser::new_from_str(text), faults: Vec::new() };
    let tree = reader.document();
    match tree {
        Ok(tree) if reader.faults.is_empty() => Ok(tree),
        Ok(_) => Err(reader.faults),
        Err(fault) => {
            reader.faults.push(fault);
            Err(reader.faults)
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    faults: Vec<Fault>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Fault> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(Fault {
                place: Place::of(*error.marker()),
                text: format!("is not valid YAML: {}", error.info()),
            }),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn document(&mut self) -> Result<Node, Fault> {
        let mut tree = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => {
                    return Ok(tree.unwrap_or(Node { place: Place::START, value: Value::Empty }));
                }
                Event::DocumentStart(_) if tree.is_some() => {
                    return Err(Fault {
                        place: Place::of(span.start),
                        text: "contains a second document".to_owned(),
                    });
                }
                Event::Nothing
                | Event::StreamStart
                | Event::DocumentStart(_)
                | Event::DocumentEnd => {}
                event => tree = Some(self.node(event, span, 0)?),
            }
        }
    }

    /// The value that begins with this event; it calls itself [`DEEPEST`] times at most.
    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Fault> {
        let place = Place::of(span.start);
        if self.faults.len() >= MOST_FAULTS {
            let text = format!("is not read further, after {MOST_FAULTS} faults");
            return Err(Fault { place, text });
        }
        if depth > DEEPEST {
            return Err(Fault {
                place,
                text: format!("is nested more than {DEEPEST} levels deep"),
            });
        }
        let value = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_features(place, anchor, tag.as_ref());
                let empty = style == ScalarStyle::Plain
                    && matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL");
                if empty { Value::Empty } else { Value::Text(text.into_owned()) }
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_features(place, anchor, tag.as_ref());
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break Value::List(items),
                        (event, span) => items.push(self.node(event, span, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_features(place, anchor, tag.as_ref());
                self.map(depth)?
            }
            Event::Alias(_) => {
                self.fault(
                    place,
                    "an alias: anchors and aliases are not supported; write the value out",
                );
                Value::Empty
            }
            _ => Value::Empty,
        };
        Ok(Node { place, value })
    }

    fn map(&mut self, depth: usize) -> Result<Value, Fault> {
        let mut map: Vec<(Place, String, Node)> = Vec::new();
        let mut lines: HashMap<String, usize> = HashMap::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Value::Map(map));
            }
            let key = self.node(event, span, depth + 1)?;
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            match key.value {
                Value::Text(name) => {
                    let first = lines.get(&name).copied();
                    lines.entry(name.clone()).or_insert(key.place.line);
                    if let Some(first) = first {
                        let text = format!("{name:?} is given twice, first in line {first}");
                        self.fault(key.place, text);
                    }
                    map.push((key.place, name, value));
                }
                _ => self.fault(key.place, "a key must be a string"),
            }
        }
    }

    /// What can grow, or change what a text means, when it is read.
    fn refuse_features(&mut self, place: Place, anchor: usize, tag: Option<&Cow<'_, Tag>>) {
        if anchor > 0 {
            self.fault(
                place,
                "an anchor: anchors and aliases are not supported; write the value out",
            );
        }
        if let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema()) {
            self.fault(place, format!("the tag {}{} is not supported", tag.handle, tag.suffix));
        }
    }

    fn fault(&mut self, place: Place, text: impl Into<String>) {
        self.faults.push(Fault { place, text: text.into() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{damage, mixed};
    use std::time::{Duration, Instant};

    fn faults(text: &str) -> Vec<String> {
        parse(text)
            .unwrap_err()
            .into_iter()
            .map(|fault| format!("{}: {}", fault.place, fault.text))
            .collect()
    }

    #[test]
    fn scalars_stay_texts_with_their_places() {
        let tree = parse("a: 1.10\nb:\n  - yes\n  - '~'\nc: ~\n").unwrap();
        let Value::Map(map) = tree.value else { panic!("no map") };
        let shown: Vec<(usize, usize, &str)> =
            map.iter().map(|(place, key, _)| (place.line, place.column, key.as_str())).collect();
        assert_eq!(shown, [(1, 1, "a"), (2, 1, "b"), (5, 1, "c")]);
        assert_eq!(
            map[0].2,
            Node { place: Place { line: 1, column: 4 }, value: Value::Text("1.10".to_owned()) }
        );
        let Value::List(items) = &map[1].2.value else { panic!("no list") };
        assert_eq!(
            items[0],
            Node { place: Place { line: 3, column: 5 }, value: Value::Text("yes".to_owned()) }
        );
        assert_eq!(items[1].value, Value::Text("~".to_owned()));
        assert_eq!(map[2].2.value, Value::Empty);
        assert_eq!(parse("").unwrap().value, Value::Empty);
    }

    #[test]
    fn bombs_and_mistakes_are_refused_with_their_places() {
        let laughs = "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n";
        let found = faults(laughs);
        assert!(
            found[0].starts_with("line 1, column 7: an anchor")
                || found[0].starts_with("line 1, column 4: an anchor"),
            "{found:?}"
        );
        assert!(found.iter().any(|fault| fault.contains("an alias")), "{found:?}");
        assert_eq!(
            faults("a: 1\nb: 2\na: 3\nc: 4\na: 5\n"),
            [
                "line 3, column 1: \"a\" is given twice, first in line 1",
                "line 5, column 1: \"a\" is given twice, first in line 1"
            ]
        );
        assert!(faults("a: [1\nb: 2\n")[0].contains("is not valid YAML"));
        assert!(faults("a: 1\n---\nb: 2\n")[0].contains("second document"));
        assert!(faults("? [a]\n: b\n")[0].contains("a key must be a string"));
        assert!(faults("a: !secret b\n")[0].contains("the tag !secret"));
        for bomb in [
            "[".repeat(LARGEST),
            "- ".repeat(LARGEST / 2),
            "{a: ".repeat(LARGEST / 4),
            "a: ".repeat(LARGEST / 3),
            "? ".repeat(LARGEST / 2),
        ] {
            assert_eq!(faults(&bomb).len(), 1, "{}", &bomb[..4]);
        }
        assert!(faults(&"a".repeat(LARGEST + 1))[0].contains("1048577 bytes"));
    }

    /// Documents and pieces of them: no panic, no deeper tree than allowed, faults with places.
    #[test]
    fn survives_any_mixture() {
        fn depth(node: &Node) -> usize {
            match &node.value {
                Value::Empty | Value::Text(_) => 0,
                Value::List(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
                Value::Map(items) => {
                    1 + items.iter().map(|(_, _, node)| depth(node)).max().unwrap_or_default()
                }
            }
        }
        const WHOLE: &str = "indexes:\n  - tags: [r.example/a:1, \"b\"]\n    sources:\n      - r.example/a:{arch} # x\n    annotations: {a: 'b', ? c : d}\n    wait: |\n      1m\n    platforms: >-\n      linux/amd64\n";
        let pieces = [
            "a",
            ": ",
            ":",
            "\n",
            "\n",
            "\n  ",
            "\n    ",
            "- ",
            "-",
            "---",
            "...",
            "[",
            "]",
            "{",
            "}",
            ",",
            "? ",
            "&a ",
            "*a",
            "!x ",
            "!!str ",
            "|",
            ">",
            "|2-",
            "\"",
            "'",
            "\\",
            "\\x41",
            "\\u12",
            "#",
            " #",
            "%YAML 1.2\n",
            "%TAG ! x\n",
            "\t",
            "\r",
            "é",
            "\u{feff}",
            "\u{2028}",
            "\0",
            "~",
            "<<",
            "@",
            "`",
        ];
        let mut random = fastrand::Rng::with_seed(1);
        let mut accepted = 0;
        for at in 0..8_000 {
            let text = if at % 4 == 0 {
                let mut bytes = WHOLE.as_bytes().to_vec();
                damage(&mut random, &mut bytes);
                String::from_utf8_lossy(&bytes).into_owned()
            } else {
                mixed(&mut random, &pieces, 20)
            };
            match parse(&text) {
                Ok(tree) => {
                    accepted += 1;
                    assert!(depth(&tree) <= DEEPEST + 1, "{text}");
                }
                Err(faults) => {
                    assert!(!faults.is_empty(), "{text}");
                    assert!(faults.iter().all(|fault| fault.place.line > 0), "{text} {faults:?}");
                }
            }
        }
        assert!(accepted > 300, "{accepted}");
    }

    /// As large as a file may be, of the shapes that are worst for a reader. Twice as much takes it
    /// twice as long, not four times: that is told apart where a moment more of a busy machine is not.
    #[test]
    fn the_worst_of_the_largest_is_read_in_time() {
        let keys = |count: usize| (0..count).map(|at| format!("{at:x}:\n")).collect::<String>();
        for text in [
            keys(140_000),
            format!("a: [{}]", "x,".repeat(500_000)),
            format!("a: {{{}}}", (0..120_000).map(|at| format!("{at:x}: ,")).collect::<String>()),
            format!("a:\n{}", "- b\n".repeat(260_000)),
            "*a ".repeat(LARGEST / 3),
            "- &a b\n".repeat(LARGEST / 7),
            format!("\"{}", "\\n\n".repeat(LARGEST / 3 - 1)),
            format!("a: |\n{}", " \n".repeat(LARGEST / 2 - 3)),
            "#\n".repeat(LARGEST / 2),
            " ".repeat(LARGEST),
            "'".repeat(LARGEST),
            "a ".repeat(LARGEST / 2),
            "a\n".repeat(LARGEST / 2),
            "%a\n".repeat(LARGEST / 3),
            "---\n".repeat(LARGEST / 4),
            "!a ".repeat(LARGEST / 3),
            "? a\n".repeat(LARGEST / 4),
            "a: b\n".repeat(LARGEST / 5),
        ] {
            assert!(text.len() <= LARGEST, "{}", text.len());
            let started = Instant::now();
            let _ = parse(&text);
            let (took, shape) = (started.elapsed(), &text[..text.len().min(20)]);
            assert!(took < Duration::from_secs(10), "{took:?}: {shape:?}");
        }
    }

    #[test]
    fn what_is_wrong_everywhere_is_not_told_everywhere() {
        let found = faults(&"- &a b\n".repeat(1_000));
        assert_eq!(found.len(), MOST_FAULTS + 1);
        assert!(found[MOST_FAULTS].ends_with("is not read further, after 100 faults"), "{found:?}");
    }
}
