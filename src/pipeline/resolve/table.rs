//! The live table of a wait: how each source stands, on a terminal only.

use super::lines::missing;
use crate::console::Console;
use crate::pipeline::progress::{Progress, SourceState};
use crate::text::{self, style};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tracing::{Level, enabled};

/// More rows push the log out of sight.
const MOST_ROWS: usize = 16;
/// Less of a name tells nothing.
const LEAST_OF_A_NAME: usize = 8;
const TICK: Duration = Duration::from_millis(250);

/// Does the work, and meanwhile shows how its sources stand. `wait`: how long it may wait in all.
pub async fn shown<T>(
    console: Option<&Console>,
    progress: &Progress,
    wait: Duration,
    work: impl Future<Output = T>,
) -> T {
    let Some(console) = console.filter(|console| console.is_moving() && enabled!(Level::INFO))
    else {
        return work.await;
    };
    let done = tokio::select! {
        done = work => done,
        never = draw(console, progress, wait) => never,
    };
    console.bar("");
    done
}

async fn draw(console: &Console, progress: &Progress, wait: Duration) -> ! {
    let started = Instant::now();
    let mut drawn = String::new();
    loop {
        let elapsed = started.elapsed();
        let jobs = progress.jobs_line();
        // The cursor goes no further up than the screen.
        let rows =
            console.rows().map_or(MOST_ROWS, |rows| rows.saturating_sub(4).clamp(1, MOST_ROWS));
        let room = Room { rows, columns: console.columns().unwrap_or(style::COLUMNS) };
        let table = table(&progress.sources(), &jobs, elapsed, wait.saturating_sub(elapsed), room);
        if table != drawn {
            console.bar(&table);
            drawn = table;
        }
        sleep(TICK).await;
    }
}

/// What the table may take of the screen.
#[derive(Debug, Clone, Copy)]
struct Room {
    /// Rows for sources.
    rows: usize,
    columns: usize,
}

/// A row for each source, those that are waited for first when there are many, and a line below;
/// nothing as long as nothing is waited for.
fn table(
    sources: &[(String, SourceState)],
    jobs: &str,
    elapsed: Duration,
    left: Duration,
    room: Room,
) -> String {
    let most = room.rows;
    let waits = |state: SourceState| matches!(state, SourceState::Waiting(_));
    let waiting = sources.iter().filter(|(_, state)| waits(*state)).count();
    if waiting == 0 {
        return String::new();
    }
    let mut rows: Vec<&(String, SourceState)> = sources.iter().collect();
    if rows.len() > most {
        rows.sort_by_key(|(_, state)| !waits(*state));
    }
    let words: Vec<String> = rows.iter().take(most).map(|(_, state)| state.words()).collect();
    let width = words.iter().map(|words| words.chars().count()).max().unwrap_or_default();
    let names = room.columns.saturating_sub(width + 4).max(LEAST_OF_A_NAME);
    let shown = rows
        .iter()
        .zip(&words)
        .map(|((name, _), words)| format!("  {words:width$}  {}", text::shortened(name, names)));
    let mut lines: Vec<String> = shown.collect();
    if sources.len() > most {
        lines.push(format!("  and {} more", sources.len() - most));
    }
    let whole = |span: Duration| Duration::from_secs(span.as_secs());
    let missing = missing(waiting, sources.len(), whole(elapsed), whole(left));
    let below = [missing.as_str(), jobs].into_iter().filter(|line| !line.is_empty());
    lines.extend(below.map(|line| style::log_line(line, room.columns).trim_end().to_owned()));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str, state: SourceState) -> (String, SourceState) {
        (name.to_owned(), state)
    }

    #[test]
    fn a_row_a_source() {
        let mut sources = vec![
            source("r/app:amd64", SourceState::Found(Some(Duration::from_secs(42)))),
            source("r/app:arm64", SourceState::Waiting("stale")),
            source("r/app:arm", SourceState::Looking),
        ];
        let (elapsed, left) = (Duration::from_millis(60_900), Duration::from_secs(540));
        let expected = "  found after 42 s  r/app:amd64\n  stale             r/app:arm64\n  checking          r/app:arm\n\
                        waiting  1 of 3 missing after 1m, 9m left\njobs     1 watched";
        let room = Room { rows: MOST_ROWS, columns: 80 };
        assert_eq!(table(&sources, "jobs     1 watched", elapsed, left, room), expected);
        sources
            .splice(0..0, (0..20).map(|n| source(&format!("r/app:{n}"), SourceState::Found(None))));
        let many = table(&sources, "", elapsed, left, room);
        assert!(
            many.starts_with("  stale  r/app:arm64\n") && many.contains("\n  and 7 more\n"),
            "{many}"
        );
        let low = Room { rows: 4, columns: 80 };
        assert_eq!(table(&sources, "", elapsed, left, low).lines().count(), 6, "a low terminal");
        assert_eq!(table(&sources[..20], "", elapsed, left, room), "");
    }

    #[test]
    fn the_architecture_stays_on_a_narrow_terminal() {
        let name = |arch: &str| format!("ghcr.io/a-long-company-name/a-long-product:edge-{arch}");
        let sources = [
            source(&name("linux-amd64"), SourceState::Found(Some(Duration::from_secs(42)))),
            source(&name("linux-arm64"), SourceState::Waiting("not found")),
        ];
        let second = Duration::from_secs(1);
        for columns in [40, 60, 80] {
            let room = Room { rows: MOST_ROWS, columns };
            let table = table(&sources, "", 60 * second, 540 * second, room);
            let rows: Vec<&str> = table.lines().collect();
            assert!(rows[..2].iter().all(|row| row.chars().count() <= columns), "{table}");
            assert!(rows[0].ends_with("-amd64") && rows[1].ends_with("-arm64"), "{table}");
        }
        let room = Room { rows: MOST_ROWS, columns: 40 };
        let table = table(&sources, "", 60 * second, 540 * second, room);
        insta::assert_snapshot!(table, @"
          found after 42 s  ghcr.i…e-linux-amd64
          not found         ghcr.i…e-linux-arm64
        waiting  1 of 2 missing after 1m, 9m
                 left
        ");
    }
}
