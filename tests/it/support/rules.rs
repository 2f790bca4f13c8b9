//! What goes wrong, and when: "method + path + which hit → faults". A rule that never applied fails
//! the test.

use super::http1::{Request, Response};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Something that the proxy does to an exchange. The first group keeps the request from the
/// registry.
#[derive(Clone)]
pub enum Fault {
    /// Answers with this status; refine it with [`Fault::header`] and [`Fault::body`].
    Status(u16),
    /// Answers with exactly this (what [`Fault::header`] and [`Fault::body`] make of a status).
    Answer(Response),
    /// Answers 307 with this `Location`.
    Redirect(String),
    /// Resets the connection; the registry never hears of the request.
    Reset,
    /// Never answers, until the client goes away.
    Hang,
    /// Answers as things stood before the last `PUT` to this path through the proxy: the old
    /// manifest, or 404.
    Stale,
    /// Sends this many bytes of the request's body on, then resets both connections.
    CutUpload(usize),
    /// Waits, then carries on.
    Delay(Duration),
    /// Leaves a header out of the request.
    DropRequestHeader(&'static str),
    /// Resets the connection when the registry has answered: it did the work, and nobody knows.
    ResetAfterForward,
    /// Never answers though the registry has, until the client goes away.
    HangAfterForward,
    /// Sends the answer's head and this many bytes of its body, then closes.
    Truncate(usize),
    /// Sends the answer's head and this many bytes of its body, then nothing more until the client
    /// goes away.
    Stall(usize),
    /// Sends the answer's head, then its body byte by byte with this pause before each.
    Drip(Duration),
    /// Sends the answer's body in chunks whose framing makes no sense, then closes.
    BadChunks,
    /// Changes the answer's body; `Content-Length` follows. See [`Fault::alter`] for closures that
    /// capture.
    AlterBody(fn(Vec<u8>) -> Vec<u8>),
    /// The same with a closure that captures.
    AlterWith(Alter),
    /// Leaves a header out of the answer.
    DropHeader(&'static str),
    /// Sets a header of the answer.
    SetHeader(&'static str, String),
}

/// A body from a body.
pub type Alter = Arc<dyn Fn(Vec<u8>) -> Vec<u8> + Send + Sync>;

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "Status({status})"),
            Self::Answer(answer) => write!(f, "Status({})", answer.status),
            Self::Redirect(location) => write!(f, "Redirect({location})"),
            Self::Reset => f.write_str("Reset"),
            Self::Hang => f.write_str("Hang"),
            Self::Stale => f.write_str("Stale"),
            Self::CutUpload(bytes) => write!(f, "CutUpload({bytes})"),
            Self::DropRequestHeader(name) => write!(f, "DropRequestHeader({name})"),
            Self::Delay(duration) => write!(f, "Delay({duration:?})"),
            Self::ResetAfterForward => f.write_str("ResetAfterForward"),
            Self::HangAfterForward => f.write_str("HangAfterForward"),
            Self::Truncate(bytes) => write!(f, "Truncate({bytes})"),
            Self::Stall(bytes) => write!(f, "Stall({bytes})"),
            Self::Drip(pause) => write!(f, "Drip({pause:?})"),
            Self::BadChunks => f.write_str("BadChunks"),
            Self::AlterBody(_) | Self::AlterWith(_) => f.write_str("AlterBody"),
            Self::DropHeader(name) => write!(f, "DropHeader({name})"),
            Self::SetHeader(name, value) => write!(f, "SetHeader({name}: {value})"),
        }
    }
}

impl Fault {
    /// Adds a header to the answer of [`Fault::Status`].
    pub fn header(self, name: &str, value: &str) -> Self {
        let mut answer = self.into_answer();
        answer.headers.push((name.to_owned(), value.to_owned()));
        Self::Answer(answer)
    }

    /// Gives the answer of [`Fault::Status`] a body.
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        let mut answer = self.into_answer();
        answer.set_body(body.into());
        Self::Answer(answer)
    }

    /// Gives the answer of [`Fault::Status`] the error body of the distribution spec.
    pub fn error(self, code: &str, message: &str) -> Self {
        let body = serde_json::json!({"errors": [{"code": code, "message": message}]}).to_string();
        self.header("Content-Type", "application/json").body(body)
    }

    /// [`Fault::AlterWith`].
    pub fn alter(change: impl Fn(Vec<u8>) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::AlterWith(Arc::new(change))
    }

    fn into_answer(self) -> Response {
        match self {
            Self::Status(status) => Response::new(status, &[], ""),
            Self::Answer(answer) => answer,
            other => panic!("{other:?} is no answer that could have a header or a body"),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Hits {
    Always,
    Only(usize),
    First(usize),
    From(usize),
}

/// Faults for the requests that match.
#[derive(Debug, Clone)]
pub struct Rule {
    method: String,
    pattern: String,
    hits: Hits,
    faults: Vec<Fault>,
    optional: bool,
    seen: usize,
    applied: usize,
}

impl Rule {
    /// A rule for this method (`*`: any) and path, in which `*` stands for any characters, slashes too.
    /// The query counts only when the pattern has a `?`. Every hit counts unless [`Rule::nth`] or
    /// [`Rule::first`] says otherwise.
    pub fn on(method: &str, pattern: &str) -> Self {
        let (method, pattern) = (method.to_owned(), pattern.to_owned());
        Self {
            method,
            pattern,
            hits: Hits::Always,
            faults: Vec::new(),
            optional: false,
            seen: 0,
            applied: 0,
        }
    }

    /// Only the n-th hit, from 1.
    pub fn nth(mut self, n: usize) -> Self {
        self.hits = Hits::Only(n);
        self
    }

    /// Hits 1 to n.
    pub fn first(mut self, n: usize) -> Self {
        self.hits = Hits::First(n);
        self
    }

    /// Hit n and all later ones.
    pub fn from(mut self, n: usize) -> Self {
        self.hits = Hits::From(n);
        self
    }

    /// Every hit, which is the default.
    pub fn always(mut self) -> Self {
        self.hits = Hits::Always;
        self
    }

    /// What goes wrong. More than one fault are done in the order of the [`Fault`] groups.
    pub fn then(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// Makes the rule one that need not apply.
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    fn applies(&mut self, request: &Request) -> bool {
        if !matches(&self.method, &self.pattern, request) {
            return false;
        }
        self.seen += 1;
        let applies = match self.hits {
            Hits::Always => true,
            Hits::Only(n) => self.seen == n,
            Hits::First(n) => self.seen <= n,
            Hits::From(n) => self.seen >= n,
        };
        self.applied += usize::from(applies);
        applies
    }
}

/// What goes wrong with the n-th request (from 1) of a subject: its method and path, see
/// [`Subjects::of`].
pub type Schedule = Arc<dyn Fn(&Request, &str, usize) -> Vec<Fault> + Send + Sync>;

/// What requests were about, and how many there were of each.
#[derive(Default)]
struct Subjects {
    seen: HashMap<String, usize>,
    uploads: Vec<String>,
}

impl Subjects {
    /// A name that is the same whenever the run is played: the registry names uploads at random, we
    /// by the order in which they came.
    fn of(&mut self, request: &Request) -> String {
        let path = match request.path().split_once("/blobs/uploads/") {
            Some((_, "")) => request.target.clone(),
            Some((repository, id)) => {
                let nth = self.uploads.iter().position(|known| known == id).unwrap_or_else(|| {
                    self.uploads.push(id.to_owned());
                    self.uploads.len() - 1
                });
                format!("{repository}/blobs/uploads/{nth}")
            }
            None => request.path().to_owned(),
        };
        format!("{} {path}", request.method)
    }

    /// The name, and how many of its kind there were with this one.
    fn count(&mut self, request: &Request) -> (String, usize) {
        let subject = self.of(request);
        let nth = self.seen.entry(subject.clone()).or_default();
        *nth += 1;
        (subject, *nth)
    }
}

/// All rules of a proxy.
#[derive(Default)]
pub struct Rules {
    rules: Mutex<Vec<Rule>>,
    schedule: Mutex<Option<(Schedule, Subjects)>>,
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rules").field(&self.rules).finish()
    }
}

impl Rules {
    /// Adds a rule.
    pub fn add(&self, rule: Rule) {
        assert!(!rule.faults.is_empty(), "a rule without a fault: {rule:?}");
        self.rules.lock().expect("no panic while locked").push(rule);
    }

    /// Counts this request and gives what goes wrong with it: of all rules that apply, in their
    /// order.
    pub fn faults_for(&self, request: &Request) -> Vec<Fault> {
        let mut rules = self.rules.lock().expect("no panic while locked");
        let mut faults: Vec<Fault> = rules
            .iter_mut()
            .filter_map(|rule| rule.applies(request).then(|| rule.faults.clone()))
            .flatten()
            .collect();
        if let Some((schedule, subjects)) =
            &mut *self.schedule.lock().expect("no panic while locked")
        {
            let (subject, nth) = subjects.count(request);
            faults.extend(schedule(request, &subject, nth));
        }
        faults
    }

    /// Lets this decide what goes wrong, beside the rules; `None` ends it.
    pub fn follow(&self, schedule: Option<Schedule>) {
        *self.schedule.lock().expect("no panic while locked") =
            schedule.map(|schedule| (schedule, Subjects::default()));
    }

    /// Whether any rule needs to know how things stood before a `PUT`.
    pub fn want_the_past(&self) -> bool {
        let rules = self.rules.lock().expect("no panic while locked");
        let scheduled = self.schedule.lock().expect("no panic while locked").is_some();
        scheduled
            || rules
                .iter()
                .any(|rule| rule.faults.iter().any(|fault| matches!(fault, Fault::Stale)))
    }

    /// The rules that had to apply and never did.
    pub fn never_hit(&self) -> Vec<String> {
        let rules = self.rules.lock().expect("no panic while locked");
        let idle = rules.iter().filter(|rule| rule.applied == 0 && !rule.optional);
        idle.map(|r| {
            format!(
                "{} {} {:?} → {:?} (matched {} times)",
                r.method, r.pattern, r.hits, r.faults, r.seen
            )
        })
        .collect()
    }
}

/// Whether a request has this method and a path like this pattern.
pub fn matches(method: &str, pattern: &str, request: &Request) -> bool {
    let target = if pattern.contains('?') { request.target.as_str() } else { request.path() };
    (method == "*" || method == request.method) && glob(pattern.as_bytes(), target.as_bytes())
}

fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            glob(rest, text) || text.split_first().is_some_and(|(_, later)| glob(pattern, later))
        }
        (Some((wanted, rest)), Some((found, later))) => wanted == found && glob(rest, later),
        _ => false,
    }
}
