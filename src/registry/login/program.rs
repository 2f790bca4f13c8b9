//! Runs a credential helper: no shell, no path but PATH, a limit on time and output, and nothing of
//! it left running.

use super::helper::{LARGEST_ANSWER, Output};
use crate::inputs::Environment;
use crate::registry::error::HelperCause;
use crate::system::{self, Group};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::time::timeout;

/// Asks the program for this server, in an environment of these variables. Whoever drops the future
/// ends the program.
pub(super) async fn ask(
    program: &str,
    server: &str,
    environment: &Environment,
    limit: Duration,
) -> Result<Output, HelperCause> {
    let path = on_path(program, environment).ok_or(HelperCause::Missing)?;
    let mut child = system::put_in_group(&mut Command::new(path))
        .arg("get")
        .env_clear()
        .envs(environment)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| HelperCause::NotStarted(error.to_string()))?;
    // Dropped before the child: its id is its own only until somebody has waited for it.
    let mut group = Group::of(&child);
    let talk = async {
        if let Some(mut stdin) = child.stdin.take() {
            // One that answers without reading may have closed it.
            let _ = stdin.write_all(server.as_bytes()).await;
        }
        let mut stdout = Vec::new();
        if let Some(pipe) = child.stdout.take() {
            let read = pipe.take(LARGEST_ANSWER as u64 + 1).read_to_end(&mut stdout).await;
            read.map_err(|error| HelperCause::NotStarted(error.to_string()))?;
        }
        if stdout.len() > LARGEST_ANSWER {
            return Err(HelperCause::TooLong);
        }
        let status = child.wait().await;
        let status = status.map_err(|error| HelperCause::NotStarted(error.to_string()))?;
        Ok(Output { status: status.code(), stdout })
    };
    let output = timeout(limit, talk).await.unwrap_or(Err(HelperCause::Silent(limit)));
    if output.is_ok() {
        // What it leaves behind on purpose (an agent that keeps keys) is not ours to end.
        group.leave();
    }
    output
}

/// The program in the first folder of PATH that has it. What is relative there would be looked for
/// in the repository that is being built.
fn on_path(program: &str, environment: &Environment) -> Option<PathBuf> {
    let folders = std::env::split_paths(environment.get("PATH")?);
    let in_folder = |folder: PathBuf| {
        system::PROGRAM_ENDINGS.iter().map(move |ending| folder.join(format!("{program}{ending}")))
    };
    folders
        .filter(|folder| folder.is_absolute())
        .flat_map(in_folder)
        .find(|path| system::is_executable(path))
}
