//! Arguments and environment in, exit status out.

use manifest_action::error::Error;
use manifest_action::inputs::{Context, Environment};
use manifest_action::secret::Secrets;
use manifest_action::{cli, panics, signals, system};
use std::process::ExitCode;

fn main() -> ExitCode {
    system::forbid_core_dumps();
    panics::note_only();
    signals::end_what_hangs();
    // A name that is no UTF-8 cannot be one of ours; a value can, and then it is refused.
    let environment: Environment = std::env::vars_os()
        .filter_map(|(name, value)| {
            Some((system::variable(name).into_string().ok()?, value.to_string_lossy().into_owned()))
        })
        .collect();
    let folder = std::env::current_dir().unwrap_or_else(|_| ".".into());
    let secrets = Secrets::default();
    let context = Context { environment: &environment, folder: &folder, secrets: &secrets };
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(Error::defect)?;
        let exit = runtime.block_on(cli::run(std::env::args_os(), &context));
        // A look-up of a name may hang in a thread of its own; nothing is lost by not waiting for
        // it.
        runtime.shutdown_background();
        Ok(exit)
    };
    let exit = panics::caught_at_once(run).flatten();
    let exit = exit.unwrap_or_else(|bug| cli::failed(&bug, std::env::args_os(), &context));
    ExitCode::from(exit as u8)
}
