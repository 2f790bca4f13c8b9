//! What the lists of a run have seen of manifests: what one was told, another takes in place of asking
//! again, and who waits for one hears when it is there.

use super::Registry;
use super::error::{Error, Kind};
use super::look::Head;
use crate::oci::{Digest, Manifest, Reference};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard, watch};
use tokio::time::{Instant, timeout_at};

/// Lists whose time ends together look once more at its very end, and the answer of the first is on its
/// way to all. They have a second for that.
const MOMENT: Duration = Duration::from_millis(250);

/// How new an answer must be that another list was given.
#[derive(Debug, Clone, Copy)]
pub struct News {
    /// That it is there: told after this, or at any time in this run.
    pub found: Option<Instant>,
    /// That it is not there, or denied: told after this.
    pub missing: Instant,
}

impl News {
    /// Told after this, whatever it is.
    pub fn since(then: Instant) -> Self {
        Self { found: Some(then), missing: then }
    }

    fn counts<T>(&self, told: &Told<T>) -> bool {
        match &told.answer {
            Ok(_) => self.found.is_none_or(|then| told.at > then),
            Err(_) => told.at > self.missing,
        }
    }
}

/// What is known of one reference. Whoever asks holds the lock, and others wait for the answer.
#[derive(Debug, Default)]
pub(super) struct Seen {
    answers: Mutex<Answers>,
    /// What the reference names, as far as that is known.
    digest: watch::Sender<Option<Digest>>,
}

#[derive(Debug, Default)]
struct Answers {
    manifest: Latest<Manifest>,
    head: Latest<Head>,
}

/// What was said last when it was asked for in one way.
#[derive(Debug)]
struct Latest<T> {
    told: Option<Told<T>>,
    /// The trouble that came instead, since then.
    trouble: Option<Box<Told<T>>>,
}

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self { told: None, trouble: None }
    }
}

#[derive(Debug, Clone)]
struct Told<T> {
    at: Instant,
    answer: Result<T, Error>,
}

impl<T: Clone> Latest<T> {
    /// Keeps the answer to whoever asked until this deadline. Says whether the registry told of the
    /// reference.
    fn keep(&mut self, answer: &Result<T, Error>, deadline: Option<Instant>) -> bool {
        let now = Instant::now();
        let told = Told { at: now, answer: answer.clone() };
        let is_trouble = answer
            .as_ref()
            .is_err_and(|error| !matches!(error.kind, Kind::NotFound | Kind::Denied));
        if !is_trouble {
            *self = Self { told: Some(told), trouble: None };
        } else if deadline.is_none_or(|end| now < end) {
            // At its end it may only have been cut off.
            self.trouble = Some(Box::new(told));
        }
        !is_trouble
    }

    /// The trouble of one who asked while another waited since then, who would only wait as long
    /// again. It is no answer to those who ask later.
    fn trouble_since(&self, then: Instant) -> Option<Result<T, Error>> {
        let trouble = self.trouble.as_ref().filter(|trouble| trouble.at > then)?;
        Some(trouble.answer.clone())
    }
}

/// A way in which a reference is asked for.
trait Answer: Clone {
    fn digest(&self) -> &Digest;
    fn place(answers: &mut Answers) -> &mut Latest<Self>;
}

impl Answer for Manifest {
    fn digest(&self) -> &Digest {
        &self.digest
    }

    fn place(answers: &mut Answers) -> &mut Latest<Self> {
        &mut answers.manifest
    }
}

impl Answer for Head {
    fn digest(&self) -> &Digest {
        &self.digest
    }

    fn place(answers: &mut Answers) -> &mut Latest<Self> {
        &mut answers.head
    }
}

impl Answers {
    /// The latest answer that says whether it is there, whichever way it was asked for.
    fn head(&self, news: News) -> Option<Result<Head, Error>> {
        let by_get = self.manifest.told.as_ref().filter(|told| news.counts(told));
        let by_get = by_get.map(|told| Told {
            at: told.at,
            answer: told.answer.as_ref().map(Head::of).map_err(Error::clone),
        });
        let by_head = self.head.told.as_ref().filter(|told| news.counts(told)).cloned();
        by_get.into_iter().chain(by_head).max_by_key(|told| told.at).map(|told| told.answer)
    }

    fn weight(&self) -> usize {
        let manifest = self.manifest.told.as_ref().and_then(|told| told.answer.as_ref().ok());
        size_of::<Seen>() + manifest.map_or(0, |manifest| manifest.share.weight())
    }
}

impl Seen {
    /// What is known, when nobody asks; `None`: somebody with more time still does at the deadline, or
    /// a moment after one that is over.
    async fn answers(&self, deadline: Option<Instant>) -> Option<MutexGuard<'_, Answers>> {
        match deadline {
            Some(deadline) => {
                let end = deadline.max(Instant::now() + MOMENT);
                timeout_at(end, self.answers.lock()).await.ok()
            }
            None => Some(self.answers.lock().await),
        }
    }

    /// Tells those who wait for it, if it is another than was known.
    fn names(&self, digest: Option<&Digest>) {
        self.digest.send_if_modified(|known| {
            let is_new = known.as_ref() != digest;
            if is_new {
                *known = digest.cloned();
            }
            is_new
        });
    }
}

impl Registry {
    /// Reads a manifest as [`Registry::manifest`] does, unless a list has read it and that is news
    /// enough.
    pub async fn seen_manifest(
        &self,
        reference: &Reference,
        news: News,
        deadline: Option<Instant>,
    ) -> Result<Manifest, Error> {
        self.read_unless(reference, |told| news.counts(told), deadline).await
    }

    /// Reads the manifest that a look has just found, unless a list has read it.
    pub async fn found_manifest(
        &self,
        reference: &Reference,
        found: &Head,
        deadline: Option<Instant>,
    ) -> Result<Manifest, Error> {
        let is_known = |told: &Told<Manifest>| {
            told.answer.as_ref().is_ok_and(|manifest| manifest.digest == found.digest)
        };
        self.read_unless(reference, is_known, deadline).await
    }

    /// Looks at a manifest as [`Registry::look`] does, unless a list has asked for it and that is news
    /// enough.
    pub async fn seen_head(
        &self,
        reference: &Reference,
        news: News,
        deadline: Option<Instant>,
    ) -> Result<Head, Error> {
        let look = self.look(reference, deadline);
        self.unless_seen(reference, |answers| answers.head(news), look, deadline).await
    }

    /// Ends when another list finds that the reference names something new.
    pub async fn news_of(&self, reference: &Reference) {
        let seen: Arc<Seen> = self.cache.seen.at(&reference.to_string());
        // The sender is there as long as `seen` is.
        let _ = seen.digest.subscribe().changed().await;
    }

    async fn read_unless(
        &self,
        reference: &Reference,
        counts: impl Fn(&Told<Manifest>) -> bool,
        deadline: Option<Instant>,
    ) -> Result<Manifest, Error> {
        let read = self.manifest(reference, deadline);
        let known = |answers: &Answers| {
            answers
                .manifest
                .told
                .as_ref()
                .filter(|told| counts(told))
                .map(|told| told.answer.clone())
        };
        self.unless_seen(reference, known, read, deadline).await
    }

    /// What is known of a reference, or else what it is asked for, which others are told.
    async fn unless_seen<T: Answer>(
        &self,
        reference: &Reference,
        known: impl FnOnce(&Answers) -> Option<Result<T, Error>>,
        ask: impl Future<Output = Result<T, Error>>,
        deadline: Option<Instant>,
    ) -> Result<T, Error> {
        let key = reference.to_string();
        let seen = self.cache.seen.at(&key);
        let begun = Instant::now();
        let Some(mut answers) = seen.answers(deadline).await else { return ask.await };
        if let Some(answer) = known(&answers) {
            return answer;
        }
        if let Some(trouble) = T::place(&mut answers).trouble_since(begun) {
            return trouble;
        }
        let answer = ask.await;
        if T::place(&mut answers).keep(&answer, deadline) {
            seen.names(answer.as_ref().ok().map(T::digest));
        }
        self.cache.seen.keep(&key, answers.weight());
        answer
    }
}
