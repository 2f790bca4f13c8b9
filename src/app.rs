//! A run of the program: from inputs to the lists, and to the outputs that they leave.

use crate::console::{Console, Stream, log};
use crate::error::{Error, Exit};
use crate::inputs::env;
use crate::inputs::table::RawInputs;
use crate::inputs::{Asked, Context, Findings, Problem, auto_tag};
use crate::jobs::Jobs;
use crate::lists::Lists;
use crate::panics;
use crate::pipeline;
use crate::pipeline::outcome::{Listed, Report, Run, all_done, done, still_waiting};
use crate::pipeline::work::Work;
use crate::plan::{self, Planned};
use crate::registry::Registry;
use crate::report::Ending;
use crate::report::files::Destinations;
use crate::signals::Signals;
use std::sync::Arc;
use tracing::{info, warn};

/// Who asks, and how the answer is given.
#[derive(Debug)]
pub struct Invocation<'a> {
    /// What the process hands over.
    pub(crate) context: Context<'a>,
    /// The inputs.
    pub(crate) inputs: RawInputs,
    /// What was found while reading them.
    pub(crate) findings: Findings,
    /// Whether this is a CI step, whose outputs go to the CI system's files.
    pub(crate) step: bool,
    /// Where the log goes.
    pub(crate) console: Arc<Console>,
    /// What ends the run early, from its first moment on.
    pub(crate) signals: Signals,
    /// How the inputs were given.
    pub(crate) asked: Asked,
}

impl<'a> Invocation<'a> {
    /// A CI step: everything comes from the environment.
    pub fn step(context: Context<'a>) -> Self {
        let signals = Signals::listen();
        let mut findings = Findings::default();
        let inputs = env::read(context.environment, &mut findings);
        let console = Console::of_run(&context, Stream::Stdout);
        let asked = Asked::INPUTS;
        Self { context, inputs, findings, step: true, console, signals, asked }
    }

    /// The command `create`: flags only.
    pub fn create(
        pairs: Vec<(String, String)>,
        mut findings: Findings,
        context: Context<'a>,
    ) -> Self {
        let inputs = env::from_pairs(pairs.into_iter(), &mut findings);
        let console = Console::of_run(&context, Stream::Stderr);
        let (signals, asked) = (Signals::listen(), Asked::INPUTS);
        Self { context, inputs, findings, step: false, console, signals, asked }
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit status; why it is not 0 was told.
    pub exit: Exit,
    /// The lists; one without a name when the run ended before it began.
    pub run: Run,
}

/// A CI step, or a line that says why there is nothing to do in this build.
pub async fn run_step(context: Context<'_>) -> Exit {
    let invocation = Invocation::step(context);
    let Some(why) = auto_tag::stands_aside(context.environment) else {
        return compose_lists(invocation).await.exit;
    };
    let Invocation { inputs, mut findings, console, .. } = invocation;
    log::start(&console, plan::log_level(&inputs, context.environment, &mut findings));
    info!("{why}");
    Exit::Done
}

/// Composes and publishes all lists, from inputs to outputs.
pub async fn compose_lists(invocation: Invocation<'_>) -> Ended {
    let Invocation { context, inputs, findings, step, console, signals, asked } = invocation;
    let opened = panics::caught(async {
        let prepared = prepare(&inputs, asked, findings, &context, &console)
            .map_err(|problems| plan::refused(asked, &problems));
        prepared.and_then(|(planned, warnings)| {
            let destinations = Destinations::open(&inputs, &context, step)?;
            for warning in warnings {
                warn!("{warning}");
            }
            let concurrency = planned.settings.concurrency;
            let certificates = planned.settings.certificates.clone();
            let jobs = planned
                .jobs
                .map(|system| Jobs::new(system, certificates.as_deref()))
                .transpose()
                .map_err(Error::defect)?;
            let registry = Registry::new(planned.settings).map_err(Error::defect)?;
            Ok((
                Lists::new(planned.plans, planned.together),
                concurrency,
                registry,
                jobs,
                destinations,
            ))
        })
    });
    let (lists, concurrency, registry, jobs, destinations) = match opened.await.flatten() {
        Ok(opened) => opened,
        Err(error) => {
            if error.exit == Exit::Defect {
                env::keep_secrets(|name| inputs.get(name), context.secrets);
            }
            console.failure(&error);
            let exit = error.exit;
            let run = Run::that_never_began(error);
            if let Ok(destinations) = Destinations::open(&inputs, &context, step) {
                let warnings = console.warnings();
                destinations.write_failure(&Ending::of(&run, exit, &warnings, &console));
            }
            return Ended { exit, run };
        }
    };
    let alone = (!lists.are_several()).then_some(&*console);
    let working = async {
        tokio::select! {
            () = lists.carry_out(concurrency, &console, async |plan, progress, seat| {
                let work = Work { registry: &registry, plan, progress, seat, console: alone };
                let ended = pipeline::run(&work, jobs.as_ref()).await;
                if alone.is_none() {
                    tell_how_it_ended(&ended);
                }
                ended
            }) => None,
            stopped = signals.stopped() => Some(stopped.leaving(&lists.left_undone())),
        }
    };
    let stopped = panics::caught(Box::pin(working))
        .await
        .unwrap_or_else(|bug| Some(bug.with_details(vec![lists.left_undone()])));
    console.bar("");
    finish(lists, stopped, destinations, &console)
}

/// Outputs and the last words.
fn finish(
    lists: Lists,
    stopped: Option<Error>,
    mut destinations: Destinations,
    console: &Console,
) -> Ended {
    let unfinished = stopped.clone().unwrap_or_else(|| Error::defect("an index did not end"));
    let run = lists.ended(&unfinished);
    let mut exit = stopped.as_ref().map_or(run.exit(), |stopped| stopped.exit);
    console.end_group();
    let warnings = console.warnings();
    let ending = Ending::of(&run, exit, &warnings, console);
    if exit == Exit::Done {
        if let Err(error) = destinations.write(&ending) {
            console.failure(&error);
            exit = error.exit;
        }
    } else {
        match &stopped {
            Some(error) => console.failure(error),
            None => tell_failures(&run, console),
        }
        destinations.write_failure(&ending);
    }
    match run.lists.as_slice() {
        [Listed { ended: Ok(report), .. }] if exit == Exit::Done => {
            info!("{}", done(report));
        }
        [_] => {}
        // The error of a signal or a panic has said it.
        _ if stopped.is_some() => {}
        _ => info!("{}", all_done(&run)),
    }
    Ended { exit, run }
}

fn tell_failures(run: &Run, console: &Console) {
    for list in run.lists.iter().filter(|list| !list.is_left_alone()) {
        let Err(error) = &list.ended else { continue };
        if run.lists.len() == 1 {
            console.failure(error);
        } else {
            let what = format!("{}: {}", list.name, error.what);
            console.failure(&Error { what, ..error.clone() });
        }
    }
    for line in run.lists.iter().filter_map(still_waiting) {
        info!("{line}");
    }
}

/// Of one list among others, at once; all about a failure comes at the end.
fn tell_how_it_ended(ended: &Result<Report, Error>) {
    match ended {
        Ok(report) => info!("{}", done(report)),
        // Why is told once, where the run ends: nobody looks for it among the lines of the others.
        Err(_) => info!("failed   see the error at the end of this log"),
    }
}

/// Inputs to a plan: all problems in one run, and the log at its level before anything is logged.
fn prepare(
    inputs: &RawInputs,
    asked: Asked,
    mut findings: Findings,
    context: &Context<'_>,
    console: &Arc<Console>,
) -> Result<(Planned, Vec<String>), Vec<Problem>> {
    let level = plan::log_level(inputs, context.environment, &mut findings);
    log::start(console, level);
    for warning in std::mem::take(&mut findings.warnings) {
        warn!("{warning}");
    }
    plan::all(inputs, context, asked, findings)
}
