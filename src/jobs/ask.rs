//! Polls the API of the CI system: with `ETag`s, with back-off, and never in a pause that it asked
//! for.

use super::{Job, System, limits};
use crate::backoff::Backoff;
use crate::registry::Kind;
use crate::registry::http::{Answer, Transport};
use crate::text::duration;
use reqwest::header::{ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::{debug, info, warn};
use url::Url;

/// Bytes. A hundred jobs with all their steps are smaller.
const LARGEST_PAGE: usize = 4 << 20;
const MOST_PAGES: usize = 20;
/// Longest pause between two looks at one page; for several pages it is as many times as long, up
/// to `LONGEST_PAUSE_OF_PAGES`.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE_OF_PAGES: Duration = Duration::from_secs(180);

/// The jobs of this run, for all lists that watch some.
#[derive(Debug)]
pub struct Jobs {
    system: Box<dyn System>,
    transport: Transport,
    asked: Mutex<Asked>,
    /// Names that were told to be those of no job.
    told: std::sync::Mutex<HashSet<String>>,
}

/// What is known of the jobs.
#[derive(Debug, Clone)]
pub enum Listing {
    /// Nothing yet: the API could not be reached, or asked for a pause.
    Unknown,
    /// Nothing, and it will stay so: the API does not let us in.
    Closed,
    /// All jobs, as they were at the last look that succeeded.
    Jobs(Arc<[Job]>),
}

/// The outcome of a look.
#[derive(Debug, Clone)]
pub struct Look {
    /// What is known.
    pub listing: Listing,
    /// When there may be more to know.
    pub next: Instant,
    /// Whether it is as the API has it now; else as it was at the last look that succeeded.
    pub is_fresh: bool,
}

#[derive(Debug)]
struct Asked {
    listing: Listing,
    pages: HashMap<String, Page>,
    backoff: Backoff,
    at: Option<Instant>,
    next: Option<Instant>,
    /// Whether the API itself asked for the pause.
    held: bool,
    in_trouble: bool,
}

/// A page as it was received, under the `ETag` that it came with.
#[derive(Debug, Clone)]
struct Page {
    etag: HeaderValue,
    jobs: Vec<Job>,
    next: Option<String>,
}

struct Listed {
    jobs: Vec<Job>,
    /// The pause between two requests that the allowance suggests.
    wish: Option<Duration>,
    pages: u32,
}

enum Unlisted {
    Closed(String),
    Held(Duration),
    Trouble(String),
}

impl Jobs {
    /// For this system; `certificates`: PEM to trust as well. Sends nothing.
    pub fn new(system: Box<dyn System>, certificates: Option<&[u8]>) -> anyhow::Result<Self> {
        let asked = Asked {
            listing: Listing::Unknown,
            pages: HashMap::new(),
            backoff: Backoff::new(LONGEST_PAUSE),
            at: None,
            next: None,
            held: false,
            in_trouble: false,
        };
        Ok(Self {
            system,
            transport: Transport::new(certificates, HashSet::new(), 1)?,
            asked: Mutex::new(asked),
            told: std::sync::Mutex::default(),
        })
    }

    /// Whether nobody was told of this name yet; from now on somebody was. Lists share the jobs, and
    /// mostly the slips.
    pub fn is_news(&self, name: &str) -> bool {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned())
    }

    /// The system that is asked.
    pub fn system(&self) -> &dyn System {
        &*self.system
    }

    /// Looks, if it is time to. `since`: a look before this moment is too old; only a pause that
    /// the API asked for is kept all the same.
    pub async fn look(&self, since: Option<Instant>) -> Look {
        // Lists that ask at the same time share one look.
        let mut asked = self.asked.lock().await;
        let now = Instant::now();
        let early = asked.next.filter(|next| now < *next);
        let too_old =
            since.is_some_and(|since| asked.at.is_none_or(|at| at < since)) && !asked.held;
        if let Some(next) = early.filter(|_| !too_old || matches!(asked.listing, Listing::Closed)) {
            return Look {
                listing: asked.listing.clone(),
                next,
                is_fresh: !asked.in_trouble && !asked.held,
            };
        }
        let outcome = self.pages(&mut asked.pages).await;
        let is_fresh = outcome.is_ok();
        asked.at = Some(now);
        let pause = self.note(&mut asked, outcome);
        let next = Instant::now() + pause;
        asked.next = Some(next);
        Look { listing: asked.listing.clone(), next, is_fresh }
    }

    /// Notes what a look gave, and says how long to stay away after it.
    fn note(&self, asked: &mut Asked, outcome: Result<Listed, Unlisted>) -> Duration {
        let pause = asked.backoff.next(fastrand::f64());
        asked.held = matches!(outcome, Err(Unlisted::Held(_)));
        match outcome {
            Ok(Listed { jobs, wish, pages }) => {
                let longest = LONGEST_PAUSE.saturating_mul(pages).min(LONGEST_PAUSE_OF_PAGES);
                asked.backoff.grow_to(longest);
                asked.in_trouble = false;
                asked.listing = Listing::Jobs(jobs.into());
                pause.max(wish.unwrap_or_default().saturating_mul(pages))
            }
            Err(Unlisted::Closed(what)) => {
                let fix = self.system.permission();
                warn!("cannot watch jobs: {what}; only the registry is polled ({fix})");
                asked.listing = Listing::Closed;
                // Nobody asks again: weeks are longer than any wait.
                Duration::from_secs(30 * 24 * 3600)
            }
            Err(Unlisted::Held(wish)) => {
                let name = self.system.name();
                info!(
                    "jobs     rate limited by {name} for {}; until then only the registry is polled",
                    duration(wish)
                );
                wish
            }
            Err(Unlisted::Trouble(what)) => {
                let text = format!(
                    "cannot list the jobs of this run: {what}; the registry is still polled, and the API will be asked again"
                );
                // Once, for it may go on for as long as the wait.
                if std::mem::replace(&mut asked.in_trouble, true) {
                    debug!("{text}");
                } else {
                    warn!("{text}");
                }
                pause
            }
        }
    }

    /// All pages, as far as they changed since they were `known`.
    async fn pages(&self, known: &mut HashMap<String, Page>) -> Result<Listed, Unlisted> {
        let mut url = self.system.jobs().clone();
        let (mut jobs, mut wish, mut seen) = (Vec::new(), None, HashSet::new());
        loop {
            let query = url.query().unwrap_or_default().to_owned();
            if seen.len() == MOST_PAGES || !seen.insert(query.clone()) {
                return Err(Unlisted::Trouble(format!(
                    "{} lists more than {MOST_PAGES} pages of jobs",
                    self.system.name()
                )));
            }
            let (page, answer) = self.page(&url, known.get(&query)).await?;
            wish = wish.max(limits::gentle(&answer, SystemTime::now()));
            jobs.extend(page.jobs.iter().cloned());
            let next = page.next.clone();
            if !page.etag.is_empty() {
                known.insert(query, page);
            }
            match next {
                Some(next) => url.set_query(Some(&next)),
                None => {
                    let pages = u32::try_from(seen.len()).unwrap_or(u32::MAX);
                    return Ok(Listed { jobs, wish, pages });
                }
            }
        }
    }

    async fn page(&self, url: &Url, known: Option<&Page>) -> Result<(Page, Answer), Unlisted> {
        let mut headers: HeaderMap = self.system.headers().clone();
        if let Some(known) = known {
            headers.insert(IF_NONE_MATCH, known.etag.clone());
        }
        let request = format!("GET {}", url.path());
        let answer = self.transport.ask(url.clone(), headers, LARGEST_PAGE).await;
        let answer = answer.map_err(|broken| {
            Unlisted::Trouble(format!("{request}: {}", Kind::from(broken).reason("the server")))
        })?;
        debug!(
            "{} {request} → {} ({} bytes)",
            self.system.name(),
            answer.status,
            answer.body.len()
        );
        if let Some(pause) = limits::asked_too_much(&answer, SystemTime::now()) {
            return Err(Unlisted::Held(pause));
        }
        match (answer.status, known) {
            (200, _) => {
                let jobs = self
                    .system
                    .read(&answer.body)
                    .map_err(|why| Unlisted::Trouble(format!("{request}: {why}")))?;
                let etag =
                    answer.headers.get(ETAG).cloned().unwrap_or(HeaderValue::from_static(""));
                Ok((Page { etag, jobs, next: answer.next_page(url) }, answer))
            }
            (304, Some(known)) => Ok((known.clone(), answer)),
            (status @ (401 | 403 | 404), _) => {
                Err(Unlisted::Closed(format!("the API denies access: {request} → {status}")))
            }
            // Where it leads, the token must not go, and without it nothing is to be seen there.
            (status @ 300..=399, _) => {
                Err(Unlisted::Closed(format!("the API redirects: {request} → {status}")))
            }
            (status, _) => Err(Unlisted::Trouble(format!("{request} → {status}"))),
        }
    }
}
