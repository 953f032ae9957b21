//! A report, drawn.

use super::report::{Arena, Class, Pool, Report};
use crate::table::{Table, WIDTH};
use cloister::heap::ALIGNMENT;
use std::fmt;
use textwrap::{Options, fill};

const KIB: usize = 1024;

/// A class in one character: 0 to 9, then letters.
fn digit(size: usize) -> char {
    let class = (size / ALIGNMENT).saturating_sub(1) as u32;
    char::from_digit(class, 36).unwrap_or('?')
}

/// How full something is, in percent.
fn percent(blocks: usize, capacity: usize) -> usize {
    (100 * blocks + capacity / 2) / capacity.max(1)
}

/// How full a pool is, in tenths; `#` if it is, and 0 only if nothing is in it.
fn tenths(pool: &Pool) -> char {
    let Pool { blocks, capacity, .. } = *pool;
    let tenths = if blocks == 0 { 0 } else { (10 * blocks / capacity.max(1)).clamp(1, 9) };
    if blocks == capacity { '#' } else { char::from_digit(tenths as u32, 10).unwrap_or('?') }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls = &self.calls;
        writeln!(f, "seed {}, {} calls", self.seed, self.ops)?;
        writeln!(
            f,
            "{} malloc, {} calloc, {} realloc ({} small ones in place), {} free\n",
            calls.malloc, calls.calloc, calls.realloc, calls.in_place, calls.free
        )?;
        writeln!(f, "{}", classes(&self.classes))?;
        let totals = &self.totals;
        writeln!(f, "large blocks    {:>6}  {} KiB", totals.large_blocks, totals.large_bytes / KIB)?;
        writeln!(f, "arenas          {:>6}  {} KiB mapped", self.arenas.len(), totals.mapped / KIB)?;
        let blocks = self.classes.iter().map(|class| class.blocks).sum::<usize>() + totals.large_blocks;
        writeln!(f, "live blocks     {blocks:>6}  {} KiB asked for\n", totals.live_bytes / KIB)?;
        self.arenas.iter().try_for_each(|arena| draw(f, arena))?;
        if !self.arenas.is_empty() {
            legend(f, &self.classes)?;
        }
        let left = Options::new(WIDTH.into()).subsequent_indent("  ");
        writeln!(f, "{}", fill(&format!("closed, {}", self.left.told), left))?;
        self.problems.iter().try_for_each(|problem| writeln!(f, "wrong: {problem}"))
    }
}

fn classes(classes: &[Class]) -> Table {
    let mut table = Table::new(["class", "bytes", "pools", "blocks", "of", "fill"]);
    for column in 1..6 {
        table = table.numbers(column);
    }
    for Class { size, pools, blocks, capacity } in classes {
        let [bytes, pools, in_use, of] = [size, pools, blocks, capacity].map(ToString::to_string);
        let fill = format!("{} %", percent(*blocks, *capacity));
        table.row([digit(*size).to_string(), bytes, pools, in_use, of, fill]);
    }
    table
}

/// Two lines: the classes of its pools, and how full each is.
fn draw(f: &mut fmt::Formatter<'_>, arena: &Arena) -> fmt::Result {
    let of = |pool: &Option<Pool>, told: fn(&Pool) -> char, none| pool.as_ref().map_or(none, told);
    let classes: String = arena.pools.iter().map(|pool| of(pool, |pool| digit(pool.size), '.')).collect();
    let fills: String = arena.pools.iter().map(|pool| of(pool, tenths, ' ')).collect();
    writeln!(f, "arena {:>4}  {classes}", arena.number)?;
    writeln!(f, "{}", format!("            {fills}").trim_end())
}

fn legend(f: &mut fmt::Formatter<'_>, classes: &[Class]) -> fmt::Result {
    let ends = classes.first().zip(classes.last());
    write!(f, "\neach column a pool of 16 KiB; above its class")?;
    if let Some((first, last)) = ends {
        write!(f, " ({} is {} bytes, {} is {})", digit(first.size), first.size, digit(last.size), last.size)?;
    }
    writeln!(f, ", . for one that nobody uses;")?;
    writeln!(f, "below how full it is, in tenths, # for one without a free block\n")
}
