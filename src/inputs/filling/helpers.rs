//! The helpers of plugins/manifest's template library that make something for an index: texts from
//! texts, and conditions. Their parameters are in its order.

use handlebars::{
    Context, Handlebars, Helper, HelperDef, HelperResult, JsonRender as _, Output, RenderContext,
    RenderError, RenderErrorReason, Renderable as _, ScopedJson,
};
use regex_lite::Regex;
use serde_json::Value;

/// What a helper without a block does with its parameters.
type Run = fn(&[Value]) -> Result<Value, String>;

/// Their names, the number of their parameters, and what they do.
const INLINE: [(&str, usize, Run); 18] = [
    ("trimPrefix", 2, |given| {
        let text = text(given, 1);
        Ok(text.strip_prefix(&*self::text(given, 0)).unwrap_or(&text).into())
    }),
    ("trimSuffix", 2, |given| {
        let text = text(given, 1);
        Ok(text.strip_suffix(&*self::text(given, 0)).unwrap_or(&text).into())
    }),
    ("trimAll", 2, |given| {
        let cut: Vec<char> = text(given, 0).chars().collect();
        Ok(text(given, 1).trim_matches(&*cut).into())
    }),
    ("trim", 1, |given| Ok(text(given, 0).trim().into())),
    ("trunc", 2, |given| Ok(cut(&text(given, 1), number(given, 0)?, false))),
    ("truncate", 2, |given| Ok(cut(&text(given, 0), number(given, 1)?, true))),
    ("substr", 3, |given| Ok(part(&text(given, 2), number(given, 0)?, number(given, 1)?))),
    ("replace", 3, |given| Ok(text(given, 2).replace(&text(given, 0), &text(given, 1)).into())),
    ("regexReplace", 3, |given| {
        let pattern = text(given, 0);
        let regex = Regex::new(&pattern)
            .map_err(|why| format!("regexReplace: {pattern:?} is not a pattern: {why}"))?;
        Ok(regex.replace_all(&text(given, 1), &*text(given, 2)).into_owned().into())
    }),
    ("lower", 1, |given| Ok(text(given, 0).to_lowercase().into())),
    ("lowercase", 1, |given| Ok(text(given, 0).to_lowercase().into())),
    ("upper", 1, |given| Ok(text(given, 0).to_uppercase().into())),
    ("uppercase", 1, |given| Ok(text(given, 0).to_uppercase().into())),
    ("uppercasefirst", 1, |given| {
        let text = text(given, 0);
        let mut rest = text.chars();
        let first = rest.next().into_iter().flat_map(char::to_uppercase);
        Ok(first.chain(rest).collect::<String>().into())
    }),
    ("contains", 2, |given| Ok(text(given, 1).contains(&*text(given, 0)).into())),
    ("hasPrefix", 2, |given| Ok(text(given, 1).starts_with(&*text(given, 0)).into())),
    ("hasSuffix", 2, |given| Ok(text(given, 1).ends_with(&*text(given, 0)).into())),
    (DEFAULT, 2, |given| {
        let [default, value] = [text(given, 0), text(given, 1)];
        Ok(if value.is_empty() { default } else { value }.into())
    }),
];
/// The one whose last parameter may be missing.
const DEFAULT: &str = "default";
const EQUAL: &str = "equal";
/// Those with a block, and the number of their parameters.
const BLOCKS: [(&str, usize); 5] = [("if", 1), ("unless", 1), ("each", 1), ("with", 1), (EQUAL, 2)];

/// A helper, as far as a check of names needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) parameters: usize,
    pub(super) has_block: bool,
}

/// The helper of this name.
pub(super) fn find(name: &str) -> Option<Known> {
    let inline = INLINE.iter().map(|(known, parameters, _)| (*known, *parameters, false));
    let blocks = BLOCKS.iter().map(|(known, parameters)| (*known, *parameters, true));
    let (_, parameters, has_block) = inline.chain(blocks).find(|(known, _, _)| *known == name)?;
    Some(Known { parameters, has_block })
}

/// The names of all of them.
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    BLOCKS.iter().map(|(name, _)| *name).chain(INLINE.iter().map(|(name, _, _)| *name))
}

/// Makes them known to the engine, which has the usual ones itself.
pub(super) fn register(engine: &mut Handlebars<'_>) {
    for (name, _, run) in INLINE {
        let takes_missing = name == DEFAULT;
        engine.register_helper(name, Box::new(Inline { run, takes_missing }));
    }
    engine.register_helper(EQUAL, Box::new(Equal));
}

struct Inline {
    run: Run,
    takes_missing: bool,
}

impl HelperDef for Inline {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        let mut given = Vec::new();
        for parameter in helper.params() {
            if parameter.is_value_missing() && !self.takes_missing {
                return Err(RenderError::strict_error(parameter.relative_path()));
            }
            given.push(parameter.value().clone());
        }
        let made = (self.run)(&given).map_err(RenderErrorReason::Other)?;
        Ok(ScopedJson::Derived(made))
    }
}

/// `{{#equal a b}}`: whether both are the same text.
struct Equal;

impl HelperDef for Equal {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        engine: &'reg Handlebars<'reg>,
        context: &'rc Context,
        state: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let given: Vec<Value> =
            helper.params().iter().map(|parameter| parameter.value().clone()).collect();
        let is_equal = text(&given, 0) == text(&given, 1);
        let block = if is_equal { helper.template() } else { helper.inverse() };
        block.map_or(Ok(()), |block| block.render(engine, context, state, out))
    }
}

fn text(given: &[Value], at: usize) -> String {
    given.get(at).map(|value| value.render()).unwrap_or_default()
}

fn number(given: &[Value], at: usize) -> Result<i64, String> {
    let text = text(given, at);
    text.parse().map_err(|_| format!("{text:?} is not a whole number"))
}

/// So many characters from the start; below zero, so many from the end or, with `leaves`, all but so
/// many from the start.
fn cut(text: &str, number: i64, leaves: bool) -> Value {
    let count = usize::try_from(number.unsigned_abs()).unwrap_or(usize::MAX);
    let length = text.chars().count();
    if count >= length {
        return text.into();
    }
    let skipped = match number < 0 {
        false => return text.chars().take(count).collect::<String>().into(),
        true if leaves => count,
        true => length - count,
    };
    text.chars().skip(skipped).collect::<String>().into()
}

/// The characters from one place to another; below zero, from the start and to the end.
fn part(text: &str, start: i64, end: i64) -> Value {
    let start = usize::try_from(start).unwrap_or(0);
    let end = usize::try_from(end).unwrap_or(usize::MAX);
    text.chars().take(end).skip(start).collect::<String>().into()
}
