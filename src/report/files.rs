//! The files that outputs go to: opened before the first request, written at the end, all of them
//! or none.

use super::place::{Place, Refusal, Written};
use super::{Ending, github, gitlab, json, outputs, summary};
use crate::error::{Error, Exit};
use crate::file;
use crate::inputs::table::{Given, RawInputs};
use crate::inputs::{Context, Environment, set};
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use tracing::warn;

/// The error when everything was published, but the outputs were not written.
pub(crate) const NOT_WRITTEN: &str = "published, but the outputs could not be written";

#[derive(Debug, Default)]
pub(crate) struct Destinations {
    output: Option<Output>,
    summary: Option<Output>,
    dotenv: Option<Output>,
    results: Vec<(&'static str, Output)>,
    report: Option<Output>,
}

/// One output: its place, and how people know it.
#[derive(Debug)]
struct Output {
    /// The input or variable that names it.
    name: &'static str,
    /// The path as it stands there.
    shown: String,
    place: Place,
}

impl Destinations {
    /// Opens the files that inputs and environment name; relative paths start at `folder`. `step`:
    /// whether to write to the CI system's own files.
    pub(crate) fn open(
        inputs: &RawInputs,
        context: &Context<'_>,
        step: bool,
    ) -> Result<Self, Error> {
        let Context { environment, folder, .. } = *context;
        let on_gitlab = step && set(environment, "GITLAB_CI") == Some("true");
        let dotenv = inputs.dotenv_file().or(on_gitlab.then_some("manifest.env"));
        let own = |input: Given<'_>| {
            input.text.map(|path| Output::open(input.name, path, folder)).transpose()
        };
        let results_dir = inputs.results_dir();
        let results = results_dir.text.map(|path| results(results_dir.name, path, folder));
        let append = |variable| if step { append(environment, variable) } else { Ok(None) };
        Ok(Self {
            output: append("GITHUB_OUTPUT")?,
            summary: append("GITHUB_STEP_SUMMARY")?,
            dotenv: own(dotenv)?,
            results: results.transpose()?.unwrap_or_default(),
            report: own(inputs.json_file())?,
        })
    }

    /// Writes the outputs of a successful run. No file is moved to its place before all are
    /// written.
    pub(crate) fn write(&mut self, ending: &Ending<'_>) -> Result<(), Error> {
        let values = outputs::values(ending.run);
        // Only what is wanted: an index may have megabytes, and each format has them once more.
        let dotenv =
            self.dotenv.is_some().then(|| gitlab::dotenv(&values, &gitlab::of_named(ending.run)));
        let dotenv = dotenv.transpose()?;
        if let Some(warning) = dotenv.as_deref().and_then(gitlab::warning) {
            warn!("{warning}");
        }
        let github = self.output.is_some().then(|| github::output_file(&values));
        let texts = Texts {
            dotenv: dotenv.unwrap_or_default(),
            github: github.transpose().map_err(Error::defect)?.unwrap_or_default(),
        };
        if let Err(error) = self.write_all(&values, &texts, ending) {
            let shown = values.iter().filter(|(name, _)| *name != "manifest");
            let shown = shown.map(|(name, value)| format!("{name}: {value}")).collect();
            let error = error.with_details(shown);
            let ending = Ending { exit: error.exit, late: Some(&error), ..*ending };
            self.write_report(&ending);
            self.write_summary(&ending);
            return Err(error);
        }
        self.write_summary(ending);
        Ok(())
    }

    fn write_all(
        &mut self,
        values: &[(&'static str, String)],
        texts: &Texts,
        ending: &Ending<'_>,
    ) -> Result<(), Error> {
        let mut outputs: Vec<(&mut Output, Content<'_>)> = Vec::new();
        let for_chains = outputs::for_chains(values);
        for (name, output) in &mut self.results {
            let mut all = values.iter().chain(&for_chains);
            if let Some((_, value)) = all.find(|(other, _)| other == name) {
                outputs.push((output, Content::Text(value)));
            }
        }
        outputs.extend(self.dotenv.as_mut().map(|output| (output, Content::Text(&texts.dotenv))));
        outputs.extend(self.report.as_mut().map(|output| (output, Content::Report(ending))));
        outputs.extend(self.output.as_mut().map(|output| (output, Content::Text(&texts.github))));
        // Last what cannot be taken back.
        outputs.sort_by_key(|(output, _)| output.place.is_stream());
        let mut written = Vec::new();
        for (output, content) in outputs {
            match output.place.put(&|to| content.write(to)) {
                Ok(done) => written.push(done),
                Err(refusal) => {
                    // All or none.
                    written.into_iter().for_each(Written::undo);
                    return Err(output.not_written(refusal));
                }
            }
        }
        Ok(())
    }

    /// Writes only the report and the summary of a failed run.
    pub(crate) fn write_failure(mut self, ending: &Ending<'_>) {
        self.write_summary(ending);
        self.write_report(ending);
    }

    fn write_summary(&mut self, ending: &Ending<'_>) {
        if let Some(output) = &mut self.summary {
            let text = summary::markdown(ending);
            output.write_or_warn(Content::Text(&text));
        }
    }

    fn write_report(&mut self, ending: &Ending<'_>) {
        if let Some(output) = &mut self.report {
            output.write_or_warn(Content::Report(ending));
        }
    }
}

/// What goes into each file, empty where there is none.
struct Texts {
    dotenv: String,
    github: String,
}

/// What goes into one file. The report is made as it is written: it may have megabytes.
enum Content<'a> {
    Text(&'a str),
    Report(&'a Ending<'a>),
}

impl Content<'_> {
    fn write(&self, to: &mut dyn Write) -> io::Result<()> {
        match self {
            // One write, so that a full disk does not leave half of it.
            Self::Text(text) => to.write_all(text.as_bytes()),
            Self::Report(ending) => json::write(&json::run(ending), ending.secrets, to),
        }
    }
}

impl Output {
    fn open(name: &'static str, path: &str, folder: &Path) -> Result<Self, Error> {
        let place = Place::open(&folder.join(path))
            .map_err(|refusal| cannot_write(name, path, &refusal.why).with_fix(refusal.fix))?;
        Ok(Self { name, shown: path.to_owned(), place })
    }

    fn not_written(&self, refusal: Refusal) -> Error {
        let Self { name, shown, .. } = self;
        let what = format!("{NOT_WRITTEN}: {name} ({shown}): {}", refusal.why);
        // Nothing is pushed twice.
        let then = Some("run it again");
        Error { then, ..Error::new(Exit::Partial, what).with_fix(refusal.fix) }
    }

    /// Where a failure cannot change how the run ends.
    fn write_or_warn(&mut self, content: Content<'_>) {
        if let Err(Refusal { why, fix }) = self.place.put(&|to| content.write(to)) {
            warn!("cannot write {} ({}): {why}; {fix}", self.name, self.shown);
        }
    }
}

/// One file for each output, as Tekton reads results, and those that Tekton Chains looks for.
fn results(
    name: &'static str,
    path: &str,
    folder: &Path,
) -> Result<Vec<(&'static str, Output)>, Error> {
    let whole = folder.join(path);
    if whole.exists() && !whole.is_dir() {
        let wrong = cannot_write(name, path, "it is a file, not a folder");
        return Err(wrong.with_fix("choose another path, or remove the file"));
    }
    fs::create_dir_all(&whole).map_err(|error| {
        cannot_write(name, path, &file::why(&error)).with_fix(Refusal::from(error).fix)
    })?;
    let open = |(output, _): &(&'static str, _)| {
        let path = format!("{}/{output}", path.trim_end_matches('/'));
        Ok((*output, Output::open(name, &path, folder)?))
    };
    outputs::OUTPUTS.iter().chain(&outputs::FOR_CHAINS).map(open).collect()
}

fn append(environment: &Environment, variable: &'static str) -> Result<Option<Output>, Error> {
    let Some(path) = set(environment, variable) else { return Ok(None) };
    let place = Place::append(Path::new(path)).map_err(|refusal| {
        let wrong = cannot_write(variable, path, &refusal.why);
        wrong.with_fix("in a container, mount the folder that contains it")
    })?;
    Ok(Some(Output { name: variable, shown: path.to_owned(), place }))
}

fn cannot_write(name: &str, path: &str, why: &str) -> Error {
    Error::new(Exit::Inputs, format!("cannot write {name} ({path}): {why}; nothing was sent"))
}
