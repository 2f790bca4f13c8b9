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
use std::time::Duration;
use tokio::time::timeout;

/// After so long without an end, the next repository is asked as well.
const PATIENCE: Duration = Duration::from_secs(5);

/// One source, in each of its repositories.
pub(super) struct Anywhere<'a> {
    wait: &'a Wait<'a>,
    source: &'a Source,
    places: Vec<Source>,
    /// The manifests that were read last, see [`Look::now`].
    seen: Vec<Option<Manifest>>,
}

impl<'a> Anywhere<'a> {
    pub(super) fn new(wait: &'a Wait<'a>, source: &'a Source) -> Self {
        let places: Vec<Source> = source.in_each_repository().collect();
        Self { wait, source, seen: vec![None; places.len()], places }
    }

    /// Checks it. `last`: how the check before ended.
    pub(super) async fn look(&mut self, last: Option<&NotYet>) -> Result<Arrived, Stop> {
        let wait = self.wait;
        let mut stops = Vec::new();
        {
            let looks = self.places.iter().zip(&mut self.seen);
            let mut looks = looks
                .map(|(place, seen)| async move { Look::new(wait, place).now(last, seen).await });
            let mut under_way = FuturesUnordered::new();
            loop {
                under_way.extend(looks.next());
                match timeout(PATIENCE, under_way.next()).await {
                    Ok(None) => break,
                    Ok(Some(Ok(arrived))) => return Ok(arrived),
                    // What a digest names is the same everywhere.
                    Ok(Some(Err(Stop::Fatal(error)))) if error.exit == Exit::Refused => {
                        return Err(Stop::Fatal(error));
                    }
                    Ok(Some(Err(stop))) => stops.push(stop),
                    Err(_) => {}
                }
            }
        }
        Err(self.worst(stops))
    }

    /// Checks it by GET before it is given up for what HEAD said.
    pub(super) async fn look_by_get(&mut self, why: NotYet) -> Result<Arrived, Stop> {
        // Of several, one that says no may be hidden behind another that is in trouble.
        if !why.may_be_of_head() && self.places.len() < 2 {
            return Err(why.into());
        }
        self.seen.fill(None);
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
        let (name, looked_in) = (&self.source.name, self.source.looked_in());
        let fatal = match worst {
            Some(Stop::NotYet(NotYet::Trouble(error))) if are_unheard => {
                Error::cannot_read(&error, name)
            }
            Some(Stop::Fatal(error)) => *error,
            Some(stop) => return stop,
            None => Error::defect("a source that is nowhere"),
        };
        let looked_in = looked_in.filter(|_| self.places.len() > 1);
        Error { details: fatal.details.into_iter().chain(looked_in).collect(), ..fatal }.into()
    }
}
