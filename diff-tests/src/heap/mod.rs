//! A heap at work, to be looked at.
//!
//! A *workload* is a random sequence of allocations, reallocations and frees, the same for the
//! same seed. The number of live blocks rises to a peak, and falls to a quarter of it. What is
//! drawn is what the heap has then: it is not tidy, as that of a program is not. In the end the
//! heap is closed, and tells what was left.
//!
//! | module | what is in it |
//! | --- | --- |
//! | `work` | the workload |
//! | `report` | what came of it, for machines too |
//! | `picture` | the same, drawn |
//! | `layouts` | what lies where, whatever the work is |

mod layouts;
mod picture;
mod report;
mod work;

pub use layouts::{Field, Layouts, SizeClass, Type};
pub use report::{Arena, Class, Left, Pool, Report, Totals};
pub use work::{Calls, HeapError, Plan, run};
