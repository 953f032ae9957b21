//! The contract: the rules of isolated interpreters, and the words that the
//! model, the implementation and the tests share.
//!
//! A *runtime* holds *interpreters*; an interpreter holds *thread states*
//! (`tstate`); an OS *thread* has at most one of them *current*. Every
//! interpreter has a *GIL*, its own or the main interpreter's.
//!
//! There is no behaviour here: ids, configurations, operations, replies, what can
//! be observed, and the rules by id ([`Rule`] is generated from `rules/*.md`).

mod config;
mod ids;
mod memory;
mod observe;
mod op;
mod pending;
mod reply;
mod rule;
mod run;
pub mod text;

pub use config::{FeatureFlags, GilKind, InterpreterConfig};
pub use ids::{BlockId, InterpId, MAIN, NONE, ObjectId, ThreadId, TstateId};
pub use memory::{Client, Domain, SMALL};
pub use observe::{GilView, InterpView, Observation, Phase, StatusBits, ThreadView, TstateView};
pub use op::{Fault, Op, OpKind};
pub use pending::{Calls, PendingCall, RING};
pub use reply::{CreationError, Denied, GilState, Refusal, Reply};
pub use rule::{Answer, Rule, RuleText, Status};
pub use run::{Move, Parking, Start};
