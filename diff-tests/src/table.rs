//! Aligned plain-text tables, the same on every terminal and in every snapshot.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Row, TableStyle};
use std::fmt;

/// How wide tables and drawings are at most, in characters.
pub const WIDTH: u16 = 110;

const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('-').junction(' '));

/// A table with a heading line.
pub struct Table(comfy_table::Table);

impl Table {
    /// A table with these columns.
    pub fn new<T: ToString>(heading: impl IntoIterator<Item = T>) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(STYLE).set_header(Row::from(heading));
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
        for column in table.column_iter_mut() {
            column.set_padding((0, 1));
        }
        Table(table)
    }

    /// With the numbers in this column under each other.
    pub fn numbers(mut self, column: usize) -> Self {
        if let Some(column) = self.0.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        self
    }

    /// With the words of this column in one piece.
    pub fn whole(mut self, column: usize) -> Self {
        if let Some(column) = self.0.column_mut(column) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
        self
    }

    /// Adds a row.
    pub fn row<T: ToString>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.0.add_row(Row::from(cells));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.lines().try_for_each(|line| writeln!(f, "{}", line.trim_end()))
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn columns_are_aligned_and_long_texts_wrap() {
        let mut table = Table::new(["rule", "runs", "says"]).numbers(1);
        table.row(["LIFE-1", "7", "short"]);
        table.row(["GIL-10", "1200", &"a sentence that is said again and ".repeat(4)]);
        let text = table.to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "rule    runs  says");
        assert_eq!(lines[2], "LIFE-1     7  short");
        assert!(lines[3].starts_with("GIL-10  1200  a sentence"));
        assert!(lines[4].starts_with("              again"), "{text}");
        assert!(lines.iter().all(|line| line.len() <= 110 && !line.ends_with(' ')));
    }
}
