//! Why a source is not there yet, and how that is said.

use crate::error::Error;
use crate::registry;
use crate::text::brief;
use std::mem;

/// Waiting has no sense any more, before its time is up; why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Over(pub(super) String);

/// How a check ended when the source is not there.
pub(super) enum Stop {
    NotYet(NotYet),
    Fatal(Box<Error>),
}

impl Stop {
    /// How much it says of several that a source meets at the same time, see
    /// [`super::anywhere::Anywhere`].
    pub(super) fn weight(&self) -> u8 {
        match self {
            Self::Fatal(_) => 4,
            Self::NotYet(NotYet::Trouble(_) | NotYet::Silent(_)) => 3,
            Self::NotYet(NotYet::Denied(_)) => 2,
            Self::NotYet(NotYet::Incomplete(_) | NotYet::Stale(_)) => 1,
            Self::NotYet(NotYet::Missing) => 0,
        }
    }
}

impl From<NotYet> for Stop {
    fn from(why: NotYet) -> Self {
        Self::NotYet(why)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Fatal(Box::new(error))
    }
}

/// Why a source is not complete yet.
#[derive(Debug, Clone)]
pub(super) enum NotYet {
    /// No such manifest.
    Missing,
    /// The manifest is there, something that it names is not.
    Incomplete(String),
    /// It is there, and says of itself that it is another one than is waited for.
    Stale(WrongLabel),
    /// 401 or 403.
    Denied(Box<registry::Error>),
    /// The registry or the network is in trouble.
    Trouble(Box<registry::Error>),
    /// This registry did not answer before waiting ended.
    Silent(String),
}

/// A label that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WrongLabel {
    /// Of which entry, where the source is an index.
    pub(super) platform: Option<String>,
    /// The label.
    pub(super) key: String,
    /// The value that it must have.
    pub(super) expected: String,
    /// The one that it has.
    pub(super) found: Option<String>,
}

impl WrongLabel {
    /// For people.
    pub(super) fn text(&self) -> String {
        let platform =
            self.platform.as_ref().map(|platform| format!("{platform}: ")).unwrap_or_default();
        let expected = brief(&self.expected);
        match &self.found {
            Some(found) => {
                format!("{platform}label {} is {:?}, expected {expected:?}", self.key, brief(found))
            }
            None => format!("{platform}label {} is missing, expected {expected:?}", self.key),
        }
    }

    /// How builders set a label that is missing.
    pub(super) fn how_to_set(&self) -> Option<String> {
        if self.found.is_some() {
            return None;
        }
        let (key, value) = (&self.key, brief(&self.expected));
        Some(format!(
            "builders set it with `--label {key}={value}`, docker/build-push-action with \
             `labels:`; an annotation is no label"
        ))
    }
}

impl NotYet {
    /// The label that makes it stale.
    pub(super) fn label(&self) -> Option<&WrongLabel> {
        if let Self::Stale(label) = self { Some(label) } else { None }
    }

    /// Whether it is known that it is not there; else it may well be.
    pub(super) fn is_known(&self) -> bool {
        !matches!(self, Self::Denied(_) | Self::Trouble(_) | Self::Silent(_))
    }

    /// Whether there was no answer, which the end of the wait may be the cause of.
    pub(super) fn is_cut_off(&self) -> bool {
        match self {
            Self::Silent(_) => true,
            Self::Trouble(error) => error.kind == registry::Kind::Timeout,
            _ => false,
        }
    }

    /// Whether it may be about the method HEAD, by which it is asked again and again.
    pub(super) fn may_be_of_head(&self) -> bool {
        match self {
            Self::Missing => true,
            Self::Denied(error) => error.may_be_of_head(),
            Self::Incomplete(_) | Self::Stale(_) | Self::Trouble(_) | Self::Silent(_) => false,
        }
    }

    /// Whether there is nothing new to tell after this: the same, whatever the words of an answer and
    /// the number of tries.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        let essence = |error: &registry::Error| {
            (mem::discriminant(&error.kind), error.status, error.failing_host().to_owned())
        };
        match (self, other) {
            (Self::Trouble(one), Self::Trouble(other))
            | (Self::Denied(one), Self::Denied(other)) => essence(one) == essence(other),
            (Self::Trouble(_) | Self::Denied(_), _) | (_, Self::Trouble(_) | Self::Denied(_)) => {
                false
            }
            (one, other) => one.state() == other.state(),
        }
    }

    /// In a word or two.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Missing => "not found",
            Self::Incomplete(_) => "incomplete",
            Self::Stale(_) => "stale",
            Self::Denied(_) => "denied",
            Self::Trouble(_) | Self::Silent(_) => "unknown",
        }
    }

    /// What there is to say beyond the word.
    pub(super) fn reason(&self) -> Option<String> {
        match self {
            Self::Missing => None,
            Self::Incomplete(what) => Some(what.clone()),
            Self::Stale(label) => Some(label.text()),
            Self::Denied(error) => Some(format!("or not pushed yet: {}", error.place())),
            Self::Trouble(error) => Some(error.to_string()),
            Self::Silent(host) => Some(format!("{host} did not answer before waiting ended")),
        }
    }

    /// For people, when it is not waited for any more.
    pub(super) fn left_out(&self) -> String {
        if matches!(self, Self::Missing) { self.word().to_owned() } else { self.state() }
    }

    /// For people, while it is waited for; the same text as long as nothing changes.
    pub(super) fn state(&self) -> String {
        match (self, self.reason()) {
            (Self::Missing, _) => "not found yet".to_owned(),
            (Self::Denied(error), _) => format!("denied (or not pushed yet): {}", error.place()),
            (_, None) => self.word().to_owned(),
            (_, Some(reason)) => format!("{}: {reason}", self.word()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Kind;

    #[test]
    fn one_change_is_one_line() {
        let trouble = |kind: &Kind, status: u16, host: &str, tries: u32| {
            NotYet::Trouble(Box::new(registry::Error {
                kind: kind.clone(),
                host: host.into(),
                request: None,
                elsewhere: None,
                status: Some(status),
                said: None,
                tries,
                spent: tries > 3,
                login: None,
                withheld: None,
                helper: None,
            }))
        };
        let first = trouble(&Kind::Server, 503, "r.example", 1);
        for (other, is_same) in [
            (trouble(&Kind::Server, 503, "r.example", 6), true),
            (trouble(&Kind::Server, 502, "r.example", 1), false),
            (trouble(&Kind::Server, 503, "s.example", 1), false),
            (trouble(&Kind::Timeout, 503, "r.example", 1), false),
            (NotYet::Missing, false),
            (NotYet::Silent("r.example".to_owned()), false),
        ] {
            assert_eq!((first.is_as(&other), other.is_as(&first)), (is_same, is_same), "{other:?}");
        }
        assert!(NotYet::Missing.is_as(&NotYet::Missing));
        let incomplete = |what: &str| NotYet::Incomplete(what.to_owned());
        assert!(!incomplete("a").is_as(&incomplete("b")));
    }

    #[test]
    fn a_stale_image_says_which_value_it_has() {
        let label = |platform: Option<&str>, found: Option<&str>| WrongLabel {
            platform: platform.map(str::to_owned),
            key: "k".to_owned(),
            expected: "new".to_owned(),
            found: found.map(str::to_owned),
        };
        for (label, text) in [
            (label(None, Some("old")), r#"stale: label k is "old", expected "new""#),
            (
                label(Some("linux/arm64"), None),
                r#"stale: linux/arm64: label k is missing, expected "new""#,
            ),
            (
                label(None, Some(&"x".repeat(100))),
                &format!(r#"stale: label k is "{}…", expected "new""#, "x".repeat(64)),
            ),
        ] {
            assert_eq!(NotYet::Stale(label).state(), text);
        }
        assert_eq!(NotYet::Missing.state(), "not found yet");
        assert_eq!(label(None, Some("old")).how_to_set(), None);
        let how = "builders set it with `--label k=new`, docker/build-push-action with `labels:`; an annotation is no label";
        assert_eq!(label(None, None).how_to_set().as_deref(), Some(how));
    }
}
