//! The checker: scopes, exploration, shortest runs, products, verdicts.

mod canonical;
mod coverage;
mod explore;
mod product;
mod rename;
mod scope;
mod scope_memory;
mod shortest;
mod verdict;

pub use coverage::{Coverage, Tally};
pub use explore::{Action, Exploration, Explorer, Node, Watch, explore, serve};
pub use product::{Product, same_view};
pub use rename::{Renaming, rename};
pub use scope::{Bounds, Scope};
pub use shortest::{Run, shortest};
pub use verdict::{Verdict, judge};
