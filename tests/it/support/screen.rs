//! What a terminal shows of what is written to it, as far as our program commands one.

/// A terminal that is high enough for all of the text.
#[derive(Debug)]
pub struct Screen {
    /// What it shows in the end.
    pub lines: Vec<String>,
    /// What it showed each time that it was told something other than text.
    pub seen: Vec<String>,
    /// Text that it cut at its right margin, because it was told not to wrap.
    pub cut: String,
    /// Its width.
    pub columns: usize,
    /// Where the cursor is.
    pub row: usize,
    /// Likewise.
    pub column: usize,
    /// Whether a long line goes on in the next.
    pub wraps: bool,
}

impl Screen {
    /// A terminal of so many columns, after this text. Panics on a command that no text of ours has.
    pub fn of(text: &str, columns: usize) -> Self {
        let mut screen = Self {
            lines: vec![String::new()],
            seen: Vec::new(),
            cut: String::new(),
            columns,
            row: 0,
            column: 0,
            wraps: true,
        };
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            if let Some(sequence) = rest.strip_prefix("\u{1b}[") {
                let at =
                    sequence.find(|c: char| c.is_ascii_alphabetic()).expect("a whole sequence");
                screen.obey(&sequence[..=at]);
                rest = &sequence[at + 1..];
                continue;
            }
            rest = &rest[character.len_utf8()..];
            match character {
                '\r' => screen.column = 0,
                '\n' => screen.feed(),
                other => screen.print(other),
            }
        }
        screen
    }

    /// Whether this was on it at any time.
    pub fn showed(&self, part: &str) -> bool {
        self.seen.iter().any(|seen| seen.contains(part))
    }

    fn feed(&mut self) {
        self.row += 1;
        if self.row == self.lines.len() {
            self.lines.push(String::new());
        }
    }

    fn print(&mut self, character: char) {
        if self.column == self.columns && self.wraps {
            self.feed();
            self.column = 0;
        } else if self.column == self.columns {
            self.cut.push(character);
            return;
        }
        let line = &mut self.lines[self.row];
        line.truncate(line.char_indices().nth(self.column).map_or(line.len(), |(at, _)| at));
        line.push(character);
        self.column += 1;
    }

    fn obey(&mut self, sequence: &str) {
        self.seen.push(self.lines.join("\n"));
        match sequence {
            "K" => self.lines[self.row].truncate(self.column),
            "J" => {
                self.lines[self.row].truncate(self.column);
                self.lines.truncate(self.row + 1);
            }
            "?7l" => self.wraps = false,
            "?7h" => self.wraps = true,
            colour if colour.ends_with('m') => {}
            up => {
                let rows: usize = up
                    .strip_suffix('A')
                    .and_then(|rows| rows.parse().ok())
                    .unwrap_or_else(|| panic!("{up}"));
                self.row = self.row.checked_sub(rows).expect("never above the first line");
            }
        }
    }
}
