//! Everything that holds the model, the implementation and CPython together.

pub mod bench;
pub mod capsule;
pub mod citations;
pub mod cli;
pub mod cpython;
pub mod decode;
pub mod designs;
pub mod draw;
pub mod engine;
pub mod explored;
pub mod free_running;
pub mod heap;
pub mod lockstep;
pub mod model_run;
pub mod progress;
pub mod report;
pub mod scopes;
pub mod soak;
pub mod stages;
pub mod subject;
pub mod subjects;
pub mod table;
