//! The subjects that the commands tell runs to.

use std::path::PathBuf;

use cloister_model::{Design, DesignError, Grain};

use crate::capsule::Capsule;
use crate::cli::{Engine, On};
use crate::cpython::{Cpython, find};
use crate::subject::{Subject, SubjectError};
use crate::subjects::{Controlled, Model};

/// Every subject there is.
pub struct Subjects {
    executable: PathBuf,
}

impl Subjects {
    /// With this executable as the child that CPython runs in: the `cloister` command.
    pub fn new(executable: PathBuf) -> Subjects {
        Subjects { executable }
    }
}

fn unfit(subject: &'static str, reason: String) -> SubjectError {
    SubjectError { subject, reason }
}

impl Engine for Subjects {
    fn subject(&mut self, on: On, run: &Capsule) -> Result<Box<dyn Subject>, SubjectError> {
        if on != On::Model && run.grain != Grain::Atomic {
            let reason = format!(
                "a run in the {} grain can be replayed on the model alone; record it as atomic",
                run.grain.name()
            );
            return Err(unfit("replay", reason));
        }
        match on {
            On::Model => {
                let design: Design =
                    run.design.parse().map_err(|e: DesignError| unfit("model", e.to_string()))?;
                Ok(Box::new(Model::new(design, run.grain)))
            }
            On::Impl => Ok(Box::new(Controlled::new())),
            On::Cpython => {
                let found =
                    find(&self.executable)?.into_iter().find(|f| f.version.is_modelled()).ok_or_else(
                        || unfit("cpython", "no libpython 3.12 was found; set CLOISTER_LIBPYTHON".into()),
                    )?;
                Ok(Box::new(Cpython::start(&self.executable, &found)?))
            }
        }
    }
}
