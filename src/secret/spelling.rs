//! A secret in the spellings that programs give to text: quoted, percent-encoded, as an entity, in
//! base64. Pure.

use base64::Engine as _;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, PAD};

/// Bytes that one character may be written in: both halves of `\ud83d\udd11`, quoted as often. A text of
/// nothing but backslashes would else be read to its end from each of them.
const LONGEST_CHARACTER: usize = 48;

/// How often a backslash may be doubled: each program that quotes does it again.
const MOST_QUOTED: usize = 5;

/// A value, and all that it may look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spelled {
    texts: Vec<String>,
}

impl Spelled {
    pub(super) fn new(value: &str) -> Self {
        let mut texts = vec![value.to_owned()];
        for times in (1..=MOST_QUOTED).filter(|_| value.contains('\\')) {
            texts.push(value.replace('\\', &"\\".repeat(1 << times)));
        }
        for text in [&STANDARD, &URL_SAFE].into_iter().flat_map(|alphabet| base64(value, alphabet))
        {
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        Self { texts }
    }

    /// How many bytes of `text` it is, in the longest spelling with which the text begins.
    pub(super) fn at_start_of(&self, text: &str) -> Option<usize> {
        self.texts.iter().filter_map(|secret| length(secret, text)).max()
    }
}

/// In base64 with and without `=`, and as a part of something longer, wherever it begins there.
fn base64(value: &str, alphabet: &Alphabet) -> Vec<String> {
    let encode = |bytes: &[u8], config| GeneralPurpose::new(alphabet, config).encode(bytes);
    let mut texts = vec![encode(value.as_bytes(), PAD), encode(value.as_bytes(), NO_PAD)];
    for before in 0..3 {
        let longer = [&[0; 2][..before], value.as_bytes()].concat();
        // Six bits a character. Those that hold bits of a neighbour are not the secret's alone.
        let (first, end) = ((before * 8).div_ceil(6), longer.len() * 8 / 6);
        texts.extend(encode(&longer, NO_PAD).get(first..end).map(str::to_owned));
    }
    texts
}

/// How many bytes of `text` are `secret`, each character in a spelling of its own.
fn length(secret: &str, text: &str) -> Option<usize> {
    let mut ends = vec![0];
    for character in secret.chars() {
        let mut next: Vec<usize> = Vec::new();
        for end in ends {
            let rest = text.get(end..).unwrap_or_default();
            let rest = &rest[..rest.floor_char_boundary(LONGEST_CHARACTER)];
            next.extend(lengths(character, rest).into_iter().map(|length| end + length));
        }
        next.sort_unstable();
        next.dedup();
        if next.is_empty() {
            return None;
        }
        ends = next;
    }
    ends.last().copied()
}

/// How many bytes of `text` may be this character.
fn lengths(character: char, text: &str) -> Vec<usize> {
    let mut lengths = Vec::new();
    if text.starts_with(character) {
        lengths.push(character.len_utf8());
    }
    match text.as_bytes().first() {
        Some(b'+') if character == ' ' => lengths.push(1),
        Some(b'\\') => lengths.extend(escaped(character, text)),
        Some(b'%') if character == '%' => lengths.extend(again(1, text, "25")),
        Some(b'%') => lengths.extend(percent(character, text)),
        Some(b'&') => {
            lengths
                .extend((character == '&').then(|| again(1, text, "amp;")).into_iter().flatten());
            lengths.extend(entity(character, text));
        }
        _ => {}
    }
    lengths
}

/// `\"`, `\u0022`, `\u{22}`, `\x22` (JSON, Rust, C, shells), with any number of backslashes: each
/// program that quotes adds some.
fn escaped(character: char, text: &str) -> Vec<usize> {
    let slashes = text.bytes().take_while(|byte| *byte == b'\\').count();
    let rest = text.get(slashes..).unwrap_or_default();
    let mut lengths = Vec::new();
    if !rest.starts_with([character, 'u', 'x']) {
        return lengths;
    }
    // A backslash is doubled, which is a text of its own.
    if character != '\\' && character.is_ascii_punctuation() && rest.starts_with(character) {
        lengths.push(slashes + 1);
    }
    let mut units = [0; 2];
    let units = character.encode_utf16(&mut units);
    let mut end = slashes;
    for unit in units.iter() {
        // The second of a pair has backslashes of its own.
        let part = text.get(end..).unwrap_or_default().trim_start_matches('\\');
        end = text.len() - part.len();
        let hex = part.strip_prefix('u').and_then(|hex| hex.get(..4));
        if hex.and_then(|hex| u16::from_str_radix(hex, 16).ok()) != Some(*unit) {
            end = 0;
            break;
        }
        end += 5;
    }
    lengths.extend((end > slashes).then_some(end));
    let code = |hex: &str| u32::from_str_radix(hex, 16) == Ok(u32::from(character));
    if let Some((hex, _)) = rest.strip_prefix("u{").and_then(|rest| rest.split_once('}'))
        && code(hex)
    {
        lengths.push(slashes + hex.len() + 3);
    }
    if rest.strip_prefix('x').and_then(|hex| hex.get(..2)).is_some_and(code) {
        lengths.push(slashes + 3);
    }
    lengths
}

/// The lengths of what begins with `start` bytes and then has `more` once or several times: a
/// character that is written in this way begins what all others are written as.
fn again(start: usize, text: &str, more: &str) -> Vec<usize> {
    let rest = text.get(start..).unwrap_or_default();
    let times = (rest.len() - rest.trim_start_matches(more).len()) / more.len();
    (1..=times).map(|times| start + times * more.len()).collect()
}

/// `%2F` or `%2f`, also encoded once more: `%252F`.
fn percent(character: char, text: &str) -> Option<usize> {
    let mut rest = text;
    for byte in character.encode_utf8(&mut [0; 4]).bytes() {
        rest = rest.strip_prefix('%')?;
        rest = rest.trim_start_matches("25");
        if u8::from_str_radix(rest.get(..2)?, 16) != Ok(byte) {
            return None;
        }
        rest = &rest[2..];
    }
    Some(text.len() - rest.len())
}

/// `&#47;`, `&#x2F;` or `&quot;`, also escaped once more: `&amp;quot;`.
fn entity(character: char, text: &str) -> Option<usize> {
    let (name, rest) = text.strip_prefix('&')?.trim_start_matches("amp;").split_once(';')?;
    let code = match name.strip_prefix('#') {
        Some(number) => match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        },
        None => u32::from(match name {
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => return None,
        }),
    };
    (code == u32::from(character)).then(|| text.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use url::form_urlencoded::byte_serialize;

    const SECRET: &str = "p/a+s\"s w<o>&r'd\\%41=ä\u{1f511}x";

    /// The secret with each character written in this way.
    fn each(write: impl Fn(char) -> String) -> String {
        SECRET.chars().map(write).collect()
    }

    fn bytes(character: char, write: impl Fn(u8) -> String) -> String {
        character.encode_utf8(&mut [0; 4]).bytes().map(write).collect()
    }

    fn utf16(character: char) -> String {
        character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04X}")).collect()
    }

    #[test]
    fn every_spelling_is_known() {
        let inside = |quoted: String| quoted[1..quoted.len() - 1].to_owned();
        let json = inside(serde_json::to_string(SECRET).unwrap());
        let of = |alphabet, config| GeneralPurpose::new(alphabet, config);
        let form: String = byte_serialize(SECRET.as_bytes()).collect();
        let twice = inside(serde_json::to_string(&json).unwrap());
        for (how, text) in [
            ("plain", SECRET.to_owned()),
            ("Rust", inside(format!("{SECRET:?}"))),
            ("JSON", json.clone()),
            ("JSON in JSON", twice),
            (
                "JSON of Go",
                json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"),
            ),
            ("JSON of PHP", json.replace('/', "\\/")),
            ("JSON in ASCII", each(utf16)),
            ("code points", each(|c| format!("\\u{{{:x}}}", u32::from(c)))),
            ("a form", form.clone()),
            ("a form, lowercase", form.to_lowercase()),
            ("every byte", each(|c| bytes(c, |b| format!("%{b:02x}")))),
            ("twice", each(|c| bytes(c, |b| format!("%25{b:02X}")))),
            ("entities", each(|c| format!("&#{};", u32::from(c)))),
            ("hexadecimal entities", each(|c| format!("&#x{:X};", u32::from(c)))),
            (
                "named entities",
                SECRET
                    .replace('&', "&amp;")
                    .replace('<', "&lt;")
                    .replace('>', "&gt;")
                    .replace('"', "&quot;")
                    .replace('\'', "&apos;"),
            ),
            ("base64", of(&STANDARD, PAD).encode(SECRET)),
            ("base64 without =", of(&STANDARD, NO_PAD).encode(SECRET)),
            ("base64url", of(&URL_SAFE, NO_PAD).encode(SECRET)),
            (
                "base64 in a form",
                byte_serialize(of(&STANDARD, PAD).encode(SECRET).as_bytes()).collect(),
            ),
        ] {
            assert_eq!(Spelled::new(SECRET).at_start_of(&text), Some(text.len()), "{how}: {text}");
        }
    }

    #[test]
    fn a_part_of_something_in_base64_is_known() {
        for before in ["", "u:", "user:", "someone:"] {
            for after in ["", "\n", "xy", "xyz"] {
                let text =
                    GeneralPurpose::new(&STANDARD, PAD).encode(format!("{before}{SECRET}{after}"));
                let spelled = Spelled::new(SECRET);
                let found = (0..text.len()).filter_map(|at| spelled.at_start_of(&text[at..])).max();
                assert!(found.is_some_and(|length| length + 2 >= SECRET.len() * 8 / 6), "{text}");
            }
        }
    }

    #[test]
    fn other_text_is_left() {
        let spelled = Spelled::new("secret%2Fx");
        for text in [
            "",
            "secret",
            "secret/x",
            "Secret%2Fx",
            "\\",
            "%",
            "&",
            "%2",
            "&#",
            "\\u",
            "\\u{",
            "\\x",
            "%25",
        ] {
            assert_eq!(spelled.at_start_of(text), None, "{text}");
        }
    }
}
