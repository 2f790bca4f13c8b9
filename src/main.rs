//! Arguments and environment in, exit status out.

use manifest_action::cli;
use manifest_action::core_dump;
use manifest_action::error::Exit;
use manifest_action::inputs::{Context, Environment};
use manifest_action::secret::Secrets;
use manifest_action::signals;
use std::process::ExitCode;

fn main() -> ExitCode {
    core_dump::forbid();
    signals::end_what_hangs();
    // A name that is no UTF-8 cannot be one of ours; a value can, and then it is refused.
    let environment: Environment = std::env::vars_os()
        .filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        })
        .collect();
    let folder = std::env::current_dir().unwrap_or_else(|_| ".".into());
    let secrets = Secrets::default();
    let context = Context { environment: &environment, folder: &folder, secrets: &secrets };
    let exit = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let exit = runtime.block_on(cli::run(std::env::args_os(), &context));
            // A look-up of a name may hang in a thread of its own; nothing is lost by not waiting
            // for it.
            runtime.shutdown_background();
            exit
        }
        Err(_) => Exit::Defect,
    };
    ExitCode::from(exit as u8)
}
