//! What lies where: headers, arenas, pools and size classes.

use crate::table::Table;
use cloister::heap::{ALIGNMENT, ARENA, CLASSES, POOLS};
use cloister::layout::{Layout, all};
use serde::Serialize;
use std::fmt;

/// Everything that has a place.
#[derive(Clone, Debug, Serialize)]
pub struct Layouts {
    /// Bytes of an arena.
    pub arena: usize,
    /// Bytes of a pool.
    pub pool: usize,
    /// Pools of an arena.
    pub pools: usize,
    /// Bytes between the beginnings of two headers of pools.
    pub headers: usize,
    /// The headers, field by field.
    pub types: Vec<Type>,
    /// The size classes.
    pub classes: Vec<SizeClass>,
}

/// A type.
#[derive(Clone, Debug, Serialize)]
pub struct Type {
    /// What it is.
    pub name: &'static str,
    /// Bytes.
    pub size: usize,
    /// What its address is a multiple of.
    pub align: usize,
    /// Its fields.
    pub fields: Vec<Field>,
}

/// A field.
#[derive(Clone, Debug, Serialize)]
pub struct Field {
    /// Bytes from the beginning of the type.
    pub at: usize,
    /// Bytes.
    pub size: usize,
    /// What it is called.
    pub name: &'static str,
}

/// A size class.
#[derive(Clone, Debug, Serialize)]
pub struct SizeClass {
    /// Bytes of a block.
    pub size: usize,
    /// Blocks of a pool.
    pub blocks: usize,
    /// Bytes of a pool that are in no block.
    pub rest: usize,
}

impl From<Layout> for Type {
    fn from(layout: Layout) -> Self {
        let fields = layout.fields.iter().map(|f| Field { at: f.offset, size: f.size, name: f.name });
        Type { name: layout.name, size: layout.size, align: layout.align, fields: fields.collect() }
    }
}

impl Layouts {
    /// Those of this build.
    pub fn here() -> Layouts {
        let pool = ARENA / (POOLS + 1);
        let class = |size: usize| SizeClass { size, blocks: pool / size, rest: pool % size };
        let types: Vec<Type> = all().into_iter().map(Type::from).collect();
        let headers = types.iter().find(|one| one.name == "header of a pool").map_or(0, |one| one.size);
        let classes = (1..=CLASSES).map(|class| class * ALIGNMENT).map(class).collect();
        Layouts { arena: ARENA, pool, pools: POOLS, headers, types, classes }
    }
}

impl fmt::Display for Layouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Layouts { arena, pool, pools, headers, .. } = self;
        let all_headers = headers * (pools + 1);
        writeln!(f, "An arena has {arena} bytes, and its address is a multiple of that.\n")?;
        let mut table = Table::new(["from", "bytes", "what"]).numbers(0).numbers(1);
        table.row(["0".into(), headers.to_string(), "header of the arena".to_string()]);
        let every = format!("headers of {pools} pools, {headers} bytes each");
        table.row([headers.to_string(), (all_headers - headers).to_string(), every]);
        table.row([all_headers.to_string(), (pool - all_headers).to_string(), "nothing".into()]);
        table.row([
            pool.to_string(),
            (pools * pool).to_string(),
            format!("{pools} pools, {pool} bytes each"),
        ]);
        write!(f, "{table}")?;
        for one in &self.types {
            writeln!(f, "\n{}: {} bytes, aligned to {}\n", one.name, one.size, one.align)?;
            let mut table = Table::new(["at", "bytes", "field"]).numbers(0).numbers(1);
            for field in &one.fields {
                table.row([field.at.to_string(), field.size.to_string(), field.name.to_string()]);
            }
            write!(f, "{table}")?;
        }
        writeln!(f, "\nsize classes\n")?;
        let mut table = Table::new(["bytes of a block", "blocks of a pool", "bytes left"]);
        for column in 0..3 {
            table = table.numbers(column);
        }
        for class in &self.classes {
            table.row([class.size, class.blocks, class.rest].map(|number| number.to_string()));
        }
        write!(f, "{table}")
    }
}
