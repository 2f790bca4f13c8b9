//! What a GitHub runner makes of a step's output: the parser of `GITHUB_OUTPUT` and that of
//! workflow commands on stdout, written after the runner's `FileCommandManager` and
//! `ActionCommand`, so that tests see what really gets through.

/// Parses a file command file as the runner does on Linux: `KEY=VALUE` lines and `KEY<<DELIMITER`
/// blocks, in order. An error is what would fail the step.
pub fn parse_file(text: &str) -> Result<Vec<(String, String)>, String> {
    // Only LF ends a line; a CR stays in the value. The text after the last LF is a line only if it
    // is not empty.
    let mut lines: Vec<&str> = text.split('\n').collect();
    if lines.last() == Some(&"") {
        lines.pop();
    }
    let mut lines = lines.into_iter();
    let mut pairs = Vec::new();
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let (equals, block) = (line.find('='), line.find("<<"));
        match (equals, block) {
            (equals, Some(block)) if equals.is_none_or(|equals| block < equals) => {
                let (key, delimiter) = (&line[..block], &line[block + 2..]);
                if key.is_empty() || delimiter.is_empty() {
                    return Err(format!(
                        "invalid format {line:?}: neither name nor delimiter may be empty"
                    ));
                }
                let mut value = Vec::new();
                loop {
                    match lines.next() {
                        Some(line) if line == delimiter => break,
                        Some(line) => value.push(line),
                        None => {
                            return Err(format!(
                                "{key:?}: the delimiter {delimiter:?} never comes"
                            ));
                        }
                    }
                }
                pairs.push((key.to_owned(), value.join("\n")));
            }
            (Some(0), _) => return Err(format!("invalid format {line:?}: the name is empty")),
            (Some(equals), _) => {
                pairs.push((line[..equals].to_owned(), line[equals + 1..].to_owned()));
            }
            (None, _) => return Err(format!("invalid format {line:?}")),
        }
    }
    Ok(pairs)
}

/// A workflow command that the runner would obey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Lower case: `error`, `add-mask`, `group`…
    pub name: String,
    /// Unescaped, in order.
    pub properties: Vec<(String, String)>,
    /// Unescaped.
    pub data: String,
    /// In the old form `##[name]`.
    pub legacy: bool,
}

impl Command {
    /// A property's value.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

const KNOWN: [&str; 16] = [
    "internal-set-repo-path",
    "set-env",
    "set-output",
    "save-state",
    "add-path",
    "add-mask",
    "add-matcher",
    "remove-matcher",
    "warning",
    "error",
    "notice",
    "debug",
    "group",
    "endgroup",
    "echo",
    "stop-commands",
];

/// All commands that the runner would obey, in order. Its lines end at LF, CR or both; between
/// `::stop-commands::TOKEN` and `::TOKEN::` nothing is obeyed.
pub fn commands(stdout: &str) -> Vec<Command> {
    let mut found = Vec::new();
    let mut stopped: Option<String> = None;
    for line in stdout.split(['\n', '\r']) {
        if let Some(token) = &stopped {
            if named(line).is_some_and(|command| command.name.eq_ignore_ascii_case(token)) {
                stopped = None;
            }
            continue;
        }
        let known = |command: &Command| KNOWN.contains(&command.name.as_str());
        if let Some(command) = named(line).filter(known).or_else(|| legacy(line).filter(known)) {
            if command.name == "stop-commands" {
                stopped = Some(command.data.clone());
            }
            found.push(command);
        }
    }
    found
}

/// What a reader of the log sees: errors and warnings as text, in our words for them (the runner's
/// are `Error:` and `Warning:`).
pub fn shown(log: &str) -> String {
    let line = |line: &str| match named(line.trim_end_matches('\n')) {
        Some(command) if matches!(command.name.as_str(), "error" | "warning") => {
            format!("{}: {}\n", command.name, command.data)
        }
        _ => line.to_owned(),
    };
    log.split_inclusive('\n').map(line).collect()
}

/// Whatever Azure Pipelines would take for a command: `##vso[` anywhere in a line, as it stands.
pub fn azure_commands(stdout: &str) -> Vec<String> {
    stdout
        .split(['\n', '\r'])
        .filter_map(|line| line.find("##vso[").map(|at| line[at..].to_owned()))
        .collect()
}

/// `::name k=v,k=v::data` at the start of a line, spaces aside.
fn named(line: &str) -> Option<Command> {
    let rest = line.trim_start().strip_prefix("::")?;
    let (info, data) = rest.split_once("::")?;
    let (name, properties) = info.split_once(' ').unwrap_or((info, ""));
    let data = unescape(data, &[("%0D", "\r"), ("%0A", "\n"), ("%25", "%")]);
    let escapes = [("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")];
    Some(Command {
        name: name.to_lowercase(),
        properties: split(properties, ',', &escapes),
        data,
        legacy: false,
    })
}

/// `##[name k=v;k=v]data` anywhere in a line.
fn legacy(line: &str) -> Option<Command> {
    let rest = &line[line.find("##[")? + 3..];
    let (info, data) = rest.split_once(']')?;
    let (name, properties) = info.split_once(' ').unwrap_or((info, ""));
    let escapes = [("%3B", ";"), ("%0D", "\r"), ("%0A", "\n"), ("%5D", "]")];
    let data = unescape(data, &escapes);
    Some(Command {
        name: name.to_lowercase(),
        properties: split(properties, ';', &escapes),
        data,
        legacy: true,
    })
}

fn split(properties: &str, by: char, escapes: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = properties.trim().split(by).filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.trim().to_owned(), unescape(value, escapes))).collect()
}

fn unescape(text: &str, escapes: &[(&str, &str)]) -> String {
    escapes.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}
