//! The command line, with clap.

use crate::app;
use crate::error::Exit;
use crate::inputs::Environment;
use crate::inputs::spec::INPUTS;
use crate::report::outputs::OUTPUTS;
use clap::Command;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;

/// The command and its help.
pub fn command() -> Command {
    Command::new("manifest-action")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Waits for per-architecture images, composes them into one multi-architecture image, pushes it and reads it back.")
        .long_about("Without a command it runs as a CI step: all inputs come from environment variables, outputs go where the CI system reads them.")
        .after_help(tables())
}

/// Parses arguments and runs. Help and mistakes are clap's to print.
pub async fn run(arguments: impl Iterator<Item = OsString>, environment: &Environment, folder: &Path) -> Exit {
    match command().try_get_matches_from(arguments) {
        Ok(_) => app::step(environment, folder).await,
        Err(error) => {
            let wrong = error.use_stderr();
            // Nobody reads a closed pipe.
            let _ = if wrong {
                write!(std::io::stderr(), "{}", error.render())
            } else {
                write!(std::io::stdout(), "{}", error.render())
            };
            if wrong { Exit::Inputs } else { Exit::Done }
        }
    }
}

/// Inputs and outputs, aligned.
fn tables() -> String {
    let inputs = INPUTS.iter().map(|input| {
        let default = if input.default.is_empty() { String::new() } else { format!(" [{}]", input.default) };
        let later = if input.supported { "" } else { " (not supported yet)" };
        format!("  {:20} {}{default}{later}", input.name, input.help)
    });
    let outputs = OUTPUTS.iter().map(|(name, help)| format!("  {name:20} {help}"));
    let heading = "Inputs, each looked up as INPUT_NAME, PLUGIN_NAME or MANIFEST_ACTION_NAME [default]:";
    let inputs = inputs.collect::<Vec<_>>().join("\n");
    let outputs = outputs.collect::<Vec<_>>().join("\n");
    format!("{heading}\n{inputs}\n\nOutputs:\n{outputs}")
}
