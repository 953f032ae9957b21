//! What real CPython makes of every configuration.

use super::{
    api::Api,
    child::child,
    find::Found,
    parent::Cpython,
    perform::raw,
    wire::{Answer, Order, StatusText},
};
use crate::subject::{Subject, SubjectError};
use cloister_specs::{FeatureFlags, InterpreterConfig};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What came of one configuration: the flags of the new interpreter, or the status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// The configuration.
    pub config: InterpreterConfig,
    /// What came of it.
    pub outcome: Result<FeatureFlags, StatusText>,
    /// Has the new interpreter a GIL of its own?
    pub own_gil: bool,
}

/// Creates an interpreter with each of the 256 configurations in turn, from a caller
/// with no current thread state, and ends it again.
pub fn all_configs(executable: &Path, found: &Found) -> Result<Vec<Created>, SubjectError> {
    let mut cpython = Cpython::start(executable, found)?;
    cpython.reset(1)?;
    match cpython.order(&Order::Configs)? {
        Answer::Configs(created) => Ok(created),
        other => Err(SubjectError {
            subject: "CPython",
            reason: format!("instead of 256 configurations: {other:?}"),
        }),
    }
}

/// In the child: creates an interpreter with each configuration and ends it again.
pub fn create_each(api: &Api) -> Vec<Created> {
    let layout = &child().layout;
    let main = api.swap(0);
    let created = InterpreterConfig::all().map(|config| match api.new_interpreter(raw(&config)) {
        Ok(0) => {
            let status = StatusText { func: String::new(), message: "no thread state".into() };
            Created { config, outcome: Err(status), own_gil: false }
        }
        Ok(tstate) => {
            let interp = tstate - layout.initial_thread;
            let flags = FeatureFlags::from_bits_truncate(layout.flags(interp));
            let own_gil = layout.own_gil(interp) == Some(true);
            api.end_interpreter(tstate);
            Created { config, outcome: Ok(flags), own_gil }
        }
        Err((func, message)) => {
            Created { config, outcome: Err(StatusText { func, message }), own_gil: false }
        }
    });
    let created = created.collect();
    api.swap(main);
    created
}
