//! Failures provoked one after the other, and what the program says of each: `docs/messages.md` has
//! all of them on one page, and is held to it.

mod files;
mod images;
mod inputs;
mod logins;
mod network;
mod page;
mod referrers;
mod writes;

use page::Section;
use std::path::Path;

const PAGE: &str = include_str!("../../../docs/messages.md");

const INTRODUCTION: &str = "\
# What goes wrong, and what is said of it

One entry for each failure: what was provoked, the exit status, the error. `tests/it/messages` provokes them again in
every test run and holds this page against what it saw, so that nothing here is out of date. `r.example` and
`localhost:5000` stand for the registry. What to do beyond the advice: [troubleshooting.md](troubleshooting.md).
";

#[tokio::test]
async fn the_page_has_what_is_said() {
    let (network, logins, images, files, writes, referrers, inputs, arguments) = tokio::join!(
        network::section(),
        logins::section(),
        images::section(),
        files::section(),
        writes::section(),
        referrers::section(),
        inputs::section(),
        inputs::arguments()
    );
    let sections = [network, logins, images, files, writes, referrers, inputs, arguments];
    let page = format!("{INTRODUCTION}{}", sections.iter().map(Section::text).collect::<String>());
    let seen = Path::new(env!("CARGO_TARGET_TMPDIR")).join("messages.md");
    std::fs::write(&seen, &page).unwrap();
    let differs = page.lines().zip(PAGE.lines()).find(|(seen, written)| seen != written);
    assert!(
        page == PAGE,
        "docs/messages.md is out of date, first at\n  seen:    {}\n  written: {}\nIf all of it reads \
         well: cp {} docs/messages.md",
        differs.map_or("", |(seen, _)| seen),
        differs.map_or("(one page is longer)", |(_, written)| written),
        seen.display()
    );
}

/// Advice is what makes an error of use. Inputs and arguments have it in each line.
#[test]
fn every_error_has_its_advice() {
    const IN_THE_LINE: [&str; 2] = [
        // To push it again.
        "a manifest of 2015",
        // The entries that there are.
        "no such entry",
    ];
    for entry in PAGE.split("\n\n").filter(|entry| entry.contains("  error: ")) {
        let what = entry.lines().find(|line| line.contains(" · exit ")).expect("a heading");
        let has_it =
            what.ends_with("exit 2") || IN_THE_LINE.iter().any(|known| what.starts_with(known));
        assert!(has_it || entry.contains("  fix: "), "{entry}");
    }
}
