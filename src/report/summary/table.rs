//! Tables in GitHub's Markdown.

/// A column's heading, and where its text stands.
pub(super) type Column = (&'static str, Side);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// Rows of escaped cells. A column without content is left out, and so is a table without rows.
pub(super) fn table<const N: usize>(columns: [Column; N], rows: &[[String; N]]) -> String {
    let is_shown = |at: &usize| rows.iter().any(|row| !row[*at].is_empty());
    let shown: Vec<usize> = (0..N).filter(is_shown).collect();
    if shown.is_empty() {
        return String::new();
    }
    let line = |cell: &dyn Fn(usize) -> String| {
        let cells: Vec<String> = shown.iter().map(|at| cell(*at)).collect();
        format!("|{}|\n", cells.join("|"))
    };
    let spaced = |text: &str| if text.is_empty() { " ".to_owned() } else { format!(" {text} ") };
    let mut text = line(&|at| spaced(columns[at].0));
    text += &line(&|at| match columns[at].1 {
        Side::Left => ":--".to_owned(),
        Side::Right => "--:".to_owned(),
    });
    for row in rows {
        text += &line(&|at| spaced(&row[at]));
    }
    text.push('\n');
    text
}

/// Text that a narrow column does not break in two.
pub(super) fn unbroken(text: &str) -> String {
    text.replace(' ', "&nbsp;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_without_content_are_left_out() {
        let columns = [("A", Side::Left), ("B", Side::Right), ("", Side::Left)];
        let row = |cells: [&str; 3]| cells.map(str::to_owned);
        for (rows, text) in [
            (vec![], ""),
            (vec![row(["", "", ""])], ""),
            (
                vec![row(["1", "", "3"]), row(["4", "", ""])],
                "| A | |\n|:--|:--|\n| 1 | 3 |\n| 4 | |\n\n",
            ),
            (vec![row(["1", "2", ""])], "| A | B |\n|:--|--:|\n| 1 | 2 |\n\n"),
        ] {
            assert_eq!(table(columns, &rows), text);
        }
    }
}
