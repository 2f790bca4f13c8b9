//! Documents put together at random, for the tests of whatever reads others' bytes. A seed gives the
//! same ones every time.

use fastrand::Rng;
use serde_json::Value;

/// What stands where nobody expects it.
const ODD: [&str; 24] = [
    "null",
    "true",
    "0",
    "-1",
    "1",
    "0.5",
    "-0",
    "1e3",
    "1e400",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    r#""""#,
    r#"" ""#,
    r#""\u0000\n\u001b[2J""#,
    r#""\ud83d""#,
    r#""é\u202e\ud83d\ude00\u2028""#,
    r#""sha256:""#,
    "[]",
    "{}",
    "[null]",
    r#"{"":null}"#,
];

/// Up to `most` of these, one after another.
pub(crate) fn mixed(random: &mut Rng, pieces: &[&str], most: usize) -> String {
    (0..random.usize(0..=most)).map(|_| *chosen(random, pieces)).collect()
}

pub(crate) fn chosen<'t, T>(random: &mut Rng, all: &'t [T]) -> &'t T {
    &all[random.usize(0..all.len())]
}

/// A document like this one, of which one value in `rarity` is another, a key missing, doubled or in
/// capitals; and of which a part may be cut, doubled or flipped.
pub(crate) fn spoilt(random: &mut Rng, document: &Value, rarity: usize) -> Vec<u8> {
    let mut text = String::new();
    write(random, document, rarity, &mut text);
    let mut bytes = text.into_bytes();
    if random.usize(0..4) == 0 {
        damage(random, &mut bytes);
    }
    bytes
}

/// Cuts, doubles or flips a part.
pub(crate) fn damage(random: &mut Rng, bytes: &mut Vec<u8>) {
    let (from, to) = (random.usize(0..=bytes.len()), random.usize(0..=bytes.len()));
    let (from, to) = (from.min(to), from.max(to));
    match random.usize(0..4) {
        0 => bytes.truncate(from),
        1 => drop(bytes.drain(from..to)),
        2 => {
            let part = bytes[from..to].to_vec();
            bytes.splice(from..from, part);
        }
        _ => {
            for _ in 0..random.usize(1..4) {
                if let Some(byte) = bytes.get_mut(from) {
                    *byte ^= 1 << random.u8(0..8);
                }
            }
        }
    }
}

fn write(random: &mut Rng, value: &Value, rarity: usize, text: &mut String) {
    if random.usize(0..rarity) == 0 {
        return odd(random, text);
    }
    match value {
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                text.push_str(if at > 0 { "," } else { "" });
                write(random, item, rarity, text);
            }
            text.push(']');
        }
        Value::Object(fields) => {
            let mut written = Vec::new();
            for (key, value) in fields {
                let keys = match random.usize(0..rarity * 3) {
                    0 => vec![],
                    1 => vec![key.clone(), key.clone()],
                    2 => vec![key.clone(), key.to_uppercase()],
                    _ => vec![key.clone()],
                };
                for key in keys {
                    let mut member = format!("{}:", Value::from(key));
                    write(random, value, rarity, &mut member);
                    written.push(member);
                }
            }
            text.push_str(&format!("{{{}}}", written.join(",")));
        }
        other => text.push_str(&other.to_string()),
    }
}

fn odd(random: &mut Rng, text: &mut String) {
    match random.usize(0..16) {
        0 => {
            let (open, close) = *chosen(random, &[("[", "]"), (r#"{"a":"#, "}")]);
            let depth = random.usize(1..160);
            text.push_str(&format!("{}0{}", open.repeat(depth), close.repeat(depth)));
        }
        1 => {
            let length = random.usize(1..400);
            let piece = *chosen(random, &["x", "é", r"\u0000", r"\n", "<", "sha256:"]);
            text.push_str(&format!("\"{}\"", piece.repeat(length)));
        }
        _ => text.push_str(chosen::<&str>(random, &ODD)),
    }
}
