//! The tags of a repository, as far as it lists them: whatever goes wrong, there are fewer.

use super::Registry;
use super::call::Call;
use super::error::{Error, Kind};
use crate::oci::{Invalid, Repository, reference, referrer};
use reqwest::Method;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout_at};
use tracing::debug;

/// Names a page. Amazon's registries refuse to list more at once.
const PAGE: usize = 1000;
const MOST_PAGES: usize = 10;
/// Bytes of a page: ten times the names of usual length, for those that know no pages.
const LARGEST_PAGE: usize = 1 << 20;
/// Names that are kept of a repository, whatever a page holds.
const MOST_NAMES: usize = PAGE * MOST_PAGES;
/// Bytes of names that a run keeps, of all repositories.
const MOST_BYTES: usize = 2 << 20;
/// Time for all pages where they are for a hint: it is not worth more.
const PATIENCE: Duration = Duration::from_secs(3);
/// Time for all pages where every name that is not listed costs a request.
const MORE_PATIENCE: Duration = Duration::from_secs(15);

/// The listings of a run, each asked for once.
#[derive(Debug, Default)]
pub(super) struct Listings {
    all: Slots,
    of_digests: Slots,
    kept: AtomicUsize,
}

type Slots = Mutex<HashMap<Repository, Arc<OnceCell<Tags>>>>;

fn slot(slots: &Slots, repository: &Repository) -> Arc<OnceCell<Tags>> {
    let mut slots = slots.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(slots.entry(repository.clone()).or_default())
}

/// Tags, as far as they were listed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tags {
    lines: Arc<str>,
    is_whole: bool,
}

impl Tags {
    /// Each of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.lines.lines()
    }

    /// Whether a tag is there; `None` where that is not known.
    pub(crate) fn has(&self, tag: &str) -> Option<bool> {
        let has = self.iter().any(|other| other == tag);
        (has || self.is_whole).then_some(has)
    }
}

impl Registry {
    /// The tags of a repository, from one listing in this run; none where it is refused, fails, or
    /// takes longer than a hint is worth.
    pub(crate) async fn tags(&self, repository: &Repository) -> Tags {
        if repository.file().is_some() {
            return self.names_in_file(repository).await;
        }
        let list = || async { self.kept(self.list_tags(repository, PATIENCE, |_| true).await) };
        slot(&self.tags.all, repository).get_or_init(list).await.clone()
    }

    /// The tags of a repository that are named after digests, from one listing in this run unless it
    /// has to be a `fresh` one.
    pub(crate) async fn tags_of_digests(&self, repository: &Repository, fresh: bool) -> Tags {
        if repository.file().is_some() {
            return self.names_in_file(repository).await;
        }
        let list = || async {
            // Never closed, so a permit always comes.
            let _permit = self.beside.acquire().await.ok();
            self.list_tags(repository, MORE_PATIENCE, referrer::is_tag_of_digest).await
        };
        if fresh {
            return list().await;
        }
        let kept = || async { self.kept(list().await) };
        slot(&self.tags.of_digests, repository).get_or_init(kept).await.clone()
    }

    async fn names_in_file(&self, file: &Repository) -> Tags {
        let names = self.layouts.names(file).await.unwrap_or_default();
        Tags { lines: names.join("\n").into(), is_whole: true }
    }

    /// A listing that is kept for the run, or nothing known where there is no room for it.
    fn kept(&self, tags: Tags) -> Tags {
        let bytes = tags.lines.len();
        let before = self.tags.kept.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes <= MOST_BYTES {
            return tags;
        }
        self.tags.kept.fetch_sub(bytes, Ordering::Relaxed);
        Tags::default()
    }

    async fn list_tags(
        &self,
        repository: &Repository,
        patience: Duration,
        wanted: fn(&str) -> bool,
    ) -> Tags {
        let deadline = Instant::now() + patience;
        let mut names = Names::default();
        let pages = self.pages(repository, deadline, |name| {
            if wanted(name) {
                names.add(name);
            }
        });
        let is_whole = match timeout_at(deadline, pages).await {
            Ok(Ok(is_whole)) => is_whole,
            Ok(Err(error)) => {
                debug!("{repository}: tags are not listed: {error}");
                false
            }
            Err(_) => {
                debug!("{repository}: tags are not listed in time");
                false
            }
        };
        let is_whole = is_whole && names.number < MOST_NAMES;
        Tags { lines: names.lines.into(), is_whole }
    }

    /// Reads page after page; says whether that were all.
    async fn pages(
        &self,
        repository: &Repository,
        deadline: Instant,
        mut take: impl FnMut(&str),
    ) -> Result<bool, Error> {
        let mut query = format!("n={PAGE}");
        for _ in 0..MOST_PAGES {
            let rest = format!("tags/list?{query}");
            let mut call = Call::new(Method::GET, repository, &rest);
            call.limit = LARGEST_PAGE;
            call.terms.deadline = Some(deadline);
            call.terms.is_optional = true;
            // As the run is logged in by now: what is answered here changes no login and no token.
            let authorization = self.auth.authorization(self.wire(&call), repository).await?;
            let (answer, request) = self.call_with(call, authorization).await?;
            let page: Page = serde_json::from_slice(&answer.body).map_err(|why| {
                request.error_of(Kind::from(Invalid::new(why.to_string())), &answer)
            })?;
            let names = page.tags.unwrap_or_default();
            names.lines.lines().for_each(&mut take);
            let base = self.root(&request)?.join(&format!("v2/{}/{rest}", repository.path()));
            let next = base.ok().and_then(|base| answer.next_page(&base));
            match next {
                // Nobody knows what comes after a page that leads to itself.
                Some(next) if next == query => return Ok(false),
                Some(next) => query = next,
                // A page that holds more than is kept was cut.
                None => return Ok(names.number < MOST_NAMES),
            }
        }
        Ok(false)
    }
}

#[derive(Deserialize)]
struct Page {
    /// `null` where there is none.
    tags: Option<Names>,
}

/// Names of tags, a line each: a page may hold more of them than memory holds one by one.
#[derive(Debug, Default)]
struct Names {
    lines: String,
    number: usize,
}

impl Names {
    /// Takes a name in. What is no tag cannot be meant, and may be written to do harm.
    fn add(&mut self, name: &str) {
        if self.number < MOST_NAMES && reference::is_tag(name) {
            self.number += 1;
            self.lines.push_str(name);
            self.lines.push('\n');
        }
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Lines;

        impl<'de> Visitor<'de> for Lines {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("names of tags")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Names, A::Error> {
                let mut page = Names::default();
                while let Some(name) = names.next_element::<Cow<'de, str>>()? {
                    page.add(&name);
                }
                Ok(page)
            }
        }

        deserializer.deserialize_seq(Lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{chosen, spoilt};

    /// Whatever a registry lists: names of tags, and no more of them than are kept.
    #[test]
    fn survives_any_page() {
        let whole = serde_json::json!({
            "name": "acme/app", "tags": ["1", "1.2-arm64", "latest", "a b", "x/y"], "x": [1, {}],
        });
        let mut random = fastrand::Rng::with_seed(1);
        let mut accepted = 0;
        for _ in 0..3_000 {
            let rarity = *chosen(&mut random, &[6, 60]);
            let page = spoilt(&mut random, &whole, rarity);
            let Ok(page) = serde_json::from_slice::<Page>(&page) else { continue };
            let names = page.tags.unwrap_or_default();
            accepted += 1;
            assert!(names.lines.lines().all(reference::is_tag), "{names:?}");
            assert_eq!(names.lines.lines().count(), names.number);
        }
        assert!(accepted > 300, "{accepted}");
        let many = format!(r#"{{"tags":[{}"2"]}}"#, r#""1","#.repeat(2 * MOST_NAMES));
        let page: Page = serde_json::from_str(&many).unwrap();
        assert_eq!(page.tags.unwrap().number, MOST_NAMES);
    }

    #[test]
    fn names_of_a_page() {
        for (body, expected) in [
            (r#"{"name":"acme/app","tags":["1","1-arm64"]}"#, Some("1 1-arm64")),
            (r#"{"tags":["1"],"more":{"a":[1,2]}}"#, Some("1")),
            (r#"{"name":"acme/app","tags":null}"#, Some("")),
            (r#"{"name":"acme/app"}"#, Some("")),
            (
                r#"{"tags":["1","a b","::warning::x","a\nb","\u001b[2J","",".x","x/y","2"]}"#,
                Some("1 2"),
            ),
            (r#"{"tags":["1",2]}"#, None),
            (r#"{"tags":"1"}"#, None),
            ("<html>", None),
            ("", None),
            (r#"{"tags":["1""#, None),
        ] {
            let page = serde_json::from_str::<Page>(body).ok();
            let names = page.map(|page| page.tags.unwrap_or_default().lines.replace('\n', " "));
            assert_eq!(names.as_deref().map(str::trim_end), expected, "{body}");
        }
        let long = format!(r#"{{"tags":["{}","{}"]}}"#, "x".repeat(129), "y".repeat(128));
        let page: Page = serde_json::from_str(&long).unwrap();
        assert_eq!(page.tags.unwrap().lines.trim_end(), "y".repeat(128));
    }
}
