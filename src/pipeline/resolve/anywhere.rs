//! A source that may be in several repositories: asked in their order, and the first that has it
//! counts. What denies or is in trouble does not keep the next from being asked.

use super::Wait;
use super::arrived::Arrived;
use super::look::Look;
use super::state::{NotYet, Stop};
use crate::error::{Error, Exit};
use crate::oci::Manifest;
use crate::plan::Source;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use std::future::pending;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// After so long without an end, the next repository is asked as well.
const PATIENCE: Duration = Duration::from_secs(5);

/// One source, in each of its repositories.
pub(super) struct Anywhere<'a> {
    wait: &'a Wait<'a>,
    source: &'a Source,
    /// Its places where there are several; most sources have one, and hundreds of them wait.
    places: Vec<Source>,
    /// The manifest that was read last in each, see [`Look::now`].
    seen: Vec<Option<Manifest>>,
    /// The same where there is one place.
    seen_there: Option<Manifest>,
    /// When the last check ended.
    since: Option<Instant>,
    /// What other lists were told before does not count at the last check.
    last_since: Option<Instant>,
}

impl<'a> Anywhere<'a> {
    pub(super) fn new(wait: &'a Wait<'a>, source: &'a Source) -> Self {
        let places =
            if source.others.is_empty() { Vec::new() } else { source.in_each_repository() };
        let seen = vec![None; places.len()];
        Self { wait, source, places, seen, seen_there: None, since: None, last_since: None }
    }

    /// Checks it. `last`: how the check before ended.
    pub(super) async fn look(&mut self, last: Option<&NotYet>) -> Result<Arrived, Stop> {
        let looked = if self.places.is_empty() {
            let look = Look::new(self.wait, self.source).after(self.since);
            look.now(last, &mut self.seen_there).await
        } else {
            let looked = Box::pin(self.one_after_the_other(last)).await;
            looked.map_err(|stops| self.worst(stops))
        };
        self.since = Some(Instant::now());
        looked
    }

    /// The next check may be the last one: what other lists were told before does not count.
    pub(super) fn last_check(&mut self, since: Instant) {
        self.last_since = Some(since);
        self.since = self.last_since;
    }

    /// Ends when another list finds that the source names something new.
    pub(super) async fn news(&self) {
        if self.places.is_empty() {
            self.wait.work.registry.news_of(&self.source.reference).await;
        } else {
            pending::<()>().await;
        }
    }

    async fn one_after_the_other(&mut self, last: Option<&NotYet>) -> Result<Arrived, Vec<Stop>> {
        let (wait, since) = (self.wait, self.since);
        let looks = self.places.iter().zip(&mut self.seen);
        let mut looks = looks.map(|(place, seen)| async move {
            Look::new(wait, place).after(since).now(last, seen).await
        });
        let (mut under_way, mut stops) = (FuturesUnordered::new(), Vec::new());
        loop {
            under_way.extend(looks.next());
            match timeout(PATIENCE, under_way.next()).await {
                Ok(None) => return Err(stops),
                Ok(Some(Ok(arrived))) => return Ok(arrived),
                // What a digest names is the same everywhere.
                Ok(Some(Err(Stop::Fatal(error)))) if error.exit == Exit::Refused => {
                    return Err(vec![Stop::Fatal(error)]);
                }
                Ok(Some(Err(stop))) => stops.push(stop),
                Err(_) => {}
            }
        }
    }

    /// Checks it by GET before it is given up for what HEAD said.
    pub(super) async fn look_by_get(&mut self, why: NotYet) -> Result<Arrived, Stop> {
        // Of several, one that says no may be hidden behind another that is in trouble.
        if !why.may_be_of_head() && self.places.is_empty() {
            return Err(why.into());
        }
        self.seen_there = None;
        self.seen.fill(None);
        self.since = Some(self.last_since.unwrap_or_else(Instant::now));
        match self.look(None).await {
            // The end of the wait takes nothing back of an honest answer.
            Err(Stop::NotYet(again)) if again.is_cut_off() => Err(why.into()),
            checked => checked,
        }
    }

    /// What counts of all that kept it from being found: where nobody knows, it may be there.
    fn worst(&self, stops: Vec<Stop>) -> Stop {
        let registry = self.wait.work.registry;
        // Registries that never answered are more likely misspelt than late.
        let is_unheard = |stop: &Stop| match stop {
            Stop::NotYet(NotYet::Trouble(error)) => !registry.has_answered(&error.host),
            _ => false,
        };
        let are_unheard = stops.iter().all(is_unheard);
        // Of equals the first.
        let worst = stops.into_iter().rev().max_by_key(Stop::weight);
        let fatal = match worst {
            Some(Stop::NotYet(NotYet::Trouble(error))) if are_unheard => {
                Error::cannot_read(&error, &self.source.name)
            }
            Some(Stop::Fatal(error)) => *error,
            Some(stop) => return stop,
            None => Error::defect("a source that is nowhere"),
        };
        if fatal.exit == Exit::Refused {
            return fatal.into();
        }
        let details = fatal.details.into_iter().chain(self.source.looked_in()).collect();
        Error { details, ..fatal }.into()
    }
}
