//! The names in a template: each must be one that templates know.

use super::helpers;
use crate::inputs::build;
use crate::inputs::table::nearest;
use crate::inputs::yaml::{Fault, Place};
use handlebars::Template;
use handlebars::template::{HelperTemplate, Parameter, TemplateElement};

/// Groups of names, which have no text of their own.
const GROUPS: [&str; 4] = ["", "build", "repo", "config"];
/// Names with several values.
const LISTS: [&str; 3] = ["build.tags", "config.tags", "config.platforms"];
/// What `each` tells of an item.
const OF_ITEMS: [&str; 4] = ["index", "key", "first", "last"];

/// All that is wrong with the names.
pub(super) fn check(template: &Template) -> Vec<Fault> {
    let mut walk = Walk { faults: Vec::new(), within: vec![Some(String::new())] };
    walk.template(template, Place::START);
    walk.faults
}

struct Walk {
    faults: Vec<Fault>,
    /// What a name is looked up in, block by block: a group, or `None` for an item.
    within: Vec<Option<String>>,
}

/// What a name is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// To be written.
    Text,
    /// To be asked or gone through.
    Any,
}

impl Walk {
    fn fault(&mut self, place: Place, text: impl Into<String>) {
        self.faults.push(Fault { place, text: text.into() });
    }

    fn template(&mut self, template: &Template, outside: Place) {
        for (at, element) in template.elements.iter().enumerate() {
            let place = template.mapping.get(at);
            let place = place.map_or(outside, |at| Place { line: at.0, column: at.1 });
            match element {
                TemplateElement::RawString(_) | TemplateElement::Comment(_) => {}
                TemplateElement::Expression(tag) | TemplateElement::HtmlExpression(tag) => {
                    self.tag(tag, place, Use::Text);
                }
                TemplateElement::HelperBlock(tag) => self.block(tag, place),
                _ => self.fault(
                    place,
                    "{{> }} and {{* }} are not known in a spec: write the text itself",
                ),
            }
        }
    }

    /// A name, or a helper with its parameters.
    fn tag(&mut self, tag: &HelperTemplate, place: Place, wanted: Use) {
        if tag.params.is_empty() && tag.hash.is_empty() {
            self.value(&tag.name, place, wanted);
            return;
        }
        self.helper(tag, place, false);
        for parameter in &tag.params {
            self.value(parameter, place, Use::Text);
        }
    }

    fn block(&mut self, tag: &HelperTemplate, place: Place) {
        self.helper(tag, place, true);
        for parameter in &tag.params {
            self.value(parameter, place, Use::Any);
        }
        let name = tag.name.as_name().unwrap_or_default();
        let within = match (name, tag.params.first()) {
            ("with", Some(Parameter::Path(_))) => {
                let path = tag.params[0].as_name().unwrap_or_default();
                let full = self.full(path).flatten();
                Some(full.filter(|full| GROUPS.contains(&full.as_str())))
            }
            ("with" | "each", _) => Some(None),
            _ => None,
        };
        let depth = self.within.len();
        self.within.extend(within);
        if let Some(block) = &tag.template {
            self.template(block, place);
        }
        self.within.truncate(depth);
        if let Some(otherwise) = &tag.inverse {
            self.template(otherwise, place);
        }
    }

    fn helper(&mut self, tag: &HelperTemplate, place: Place, has_block: bool) {
        let name = tag.name.as_name().unwrap_or_default();
        let Some(known) = helpers::find(name) else {
            let hint = nearest(name, helpers::all());
            let hint = hint.map_or_else(
                || format!("; there are {}", helpers::all().collect::<Vec<_>>().join(", ")),
                |known| format!("; did you mean {known}?"),
            );
            return self.fault(place, format!("unknown helper {name:?}{hint}"));
        };
        if known.has_block != has_block {
            let text = if known.has_block {
                format!("{name} needs a block: {{{{#{name} …}}}} … {{{{/{name}}}}}")
            } else {
                format!("{name} has no block: write {{{{{name} …}}}} without #")
            };
            self.fault(place, text);
        } else if known.parameters != tag.params.len() {
            let (wanted, given) = (known.parameters, tag.params.len());
            self.fault(place, format!("{name} takes {wanted} values, not {given}"));
        } else if !tag.hash.is_empty() || tag.block_param.is_some() {
            self.fault(place, format!("{name} takes values only, no NAME=VALUE and no |NAME|"));
        }
    }

    fn value(&mut self, value: &Parameter, place: Place, wanted: Use) {
        let path = match value {
            Parameter::Literal(_) => return,
            Parameter::Subexpression(inner) => {
                if let TemplateElement::Expression(tag) = inner.as_element() {
                    self.tag(tag, place, wanted);
                }
                return;
            }
            _ => value.as_name().unwrap_or_default(),
        };
        let Some(full) = self.full(path) else {
            return self.fault(place, unknown(path));
        };
        let Some(full) = full else { return };
        let is_known = build::FACTS.iter().any(|(fact, _)| *fact == full);
        let [is_group, is_list] =
            [GROUPS.as_slice(), &LISTS].map(|names| names.contains(&full.as_str()));
        if is_group && wanted == Use::Text {
            self.fault(
                place,
                format!("{path} is a group of names, such as build.tag: write one of them"),
            );
        } else if is_list && wanted == Use::Text {
            self.fault(place, format!("{path} has several values: use {{{{#each {path}}}}}"));
        }
        if is_group || is_list {
            return;
        }
        if full.strip_prefix("config.").is_some_and(build::is_login) {
            self.fault(place, format!("{path} is not given to a template: it belongs to a login"));
        } else if !is_known && !full.strip_prefix("config.").is_some_and(is_setting) {
            self.fault(place, unknown(path));
        }
    }

    /// The name from the root on; `Some(None)` is an item or what is told of it, `None` nothing.
    fn full(&self, path: &str) -> Option<Option<String>> {
        if let Some(data) = path.strip_prefix('@') {
            let rest = data.strip_prefix("root").map(|rest| rest.trim_start_matches(['.', '/']));
            let of_item = OF_ITEMS.contains(&data.trim_start_matches("../"));
            let is_in_item = self.within.iter().any(Option::is_none);
            return match rest {
                Some(rest) => Some(Some(rest.replace('/', "."))),
                None => (of_item && is_in_item).then_some(None),
            };
        }
        let (mut rest, mut up) = (path, 0);
        while let Some(outer) = rest.strip_prefix("..") {
            rest = outer.strip_prefix('/').unwrap_or(outer);
            up += 1;
        }
        for start in ["./", "this.", "this/"] {
            rest = rest.strip_prefix(start).unwrap_or(rest);
        }
        let rest = if matches!(rest, "this" | ".") { "" } else { rest };
        match self.within.iter().rev().nth(up)? {
            None => rest.is_empty().then_some(None),
            Some(group) => {
                let parts = [group.as_str(), rest].into_iter().filter(|part| !part.is_empty());
                Some(Some(parts.collect::<Vec<_>>().join(".").replace('/', ".")))
            }
        }
    }
}

fn is_setting(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn unknown(path: &str) -> String {
    let facts = || build::FACTS.iter().map(|(fact, _)| *fact).chain(["build.tags"]);
    let hint = nearest(path, facts()).map_or_else(
        || format!("; there are {} and config.SETTING", facts().collect::<Vec<_>>().join(", ")),
        |known| format!("; did you mean {known}?"),
    );
    format!("unknown name {path:?}{hint}")
}
