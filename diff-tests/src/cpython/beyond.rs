//! Calls that no operation stands for: what witnesses need beside them. Each answers a
//! short text.

use super::{api::Api, arenas, baton, fork, os_threads, pending};
use cloister_specs::{InterpId, Reply, TstateId};
use serde::{Deserialize, Serialize};

/// Such a call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Beyond {
    /// Run Python source under the current thread state: what it leaves in `said`, or the
    /// exception that it raises.
    Python(String),
    /// Fork for real, as `os.fork` does: what becomes of the child. The last call of a run.
    Fork {
        /// What fresh memory holds in the child; `malloc` promises nothing.
        fresh: u8,
    },
    /// `PyGILState_Check`.
    Check,
    /// `_PyInterpreterState_RequireIDRef` and `_PyInterpreterState_IDIncref`: from now on the
    /// interpreter is ended when its id is released.
    HoldId(InterpId),
    /// `_PyInterpreterState_IDDecref`.
    ReleaseId(InterpId),
    /// `Py_EndInterpreter`: which pending calls it runs.
    End(TstateId),
    /// `Py_FinalizeEx`.
    Finalize,
    /// Make the next creation of an OS thread by the calling one fail.
    FailThread,
    /// Let the OS threads that Python code has started run, and wait for their end.
    JoinThreads,
    /// How many arenas are mapped more than at the first such call.
    Arenas,
}

/// Makes the call in the calling thread.
pub fn perform(api: &Api, call: &Beyond) -> Result<String, String> {
    let address = |interp: InterpId| baton::with(|run| run.slots.interp_address(interp));
    Ok(match call {
        Beyond::Python(source) => os_threads::counted(|| api.run_source(source)),
        Beyond::Fork { fresh } => fork::fork(api, *fresh),
        Beyond::Check => api.gilstate_check().to_string(),
        Beyond::HoldId(interp) => {
            let interp = address(*interp)?;
            api.require_idref(interp, 1);
            api.id_incref(interp).to_string()
        }
        Beyond::ReleaseId(interp) => {
            api.id_decref(address(*interp)?);
            "released".into()
        }
        Beyond::End(tstate) => {
            let tstate = baton::with(|run| run.slots.tstate_address(*tstate))?;
            pending::begin();
            api.end_interpreter(tstate);
            let (calls, failed) = pending::ran();
            Reply::Ran { calls, failed }.to_string()
        }
        Beyond::Finalize => api.finalize().to_string(),
        Beyond::FailThread => {
            os_threads::fail_next();
            "armed".into()
        }
        Beyond::JoinThreads => {
            os_threads::join();
            "joined".into()
        }
        Beyond::Arenas => arenas::mapped(api).to_string(),
    })
}
