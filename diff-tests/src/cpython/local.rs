//! Functions that libpython keeps to itself, found through the symbol table of its file.
//!
//! A release build exports neither of the functions that count blocks. Where they lie is
//! told from where an exported one lies, in the file and in memory. A file that was
//! stripped has no such table.

use super::api::{Address, Api, LANDMARK};
use object::{Object, ObjectSymbol, read::elf::ElfFile64};
use std::{fs, path::Path};

/// `_PyInterpreterState_GetAllocatedBlocks` and `_Py_GetGlobalAllocatedBlocks`.
#[derive(Clone, Copy)]
pub struct Counters {
    of_interp: unsafe extern "C" fn(Address) -> isize,
    of_all: unsafe extern "C" fn() -> isize,
}

impl Counters {
    /// Finds them.
    pub fn find(api: &Api, path: &Path) -> Result<Counters, String> {
        let file = fs::read(path).map_err(|e| e.to_string())?;
        let elf: ElfFile64<'_> = ElfFile64::parse(&*file).map_err(|e| e.to_string())?;
        let in_file = |name: &str| {
            let symbol = elf.symbols().find(|s| s.is_definition() && s.name() == Ok(name));
            symbol.map(|s| s.address() as Address).ok_or_else(|| format!("{name} is not in its symbol table"))
        };
        let landmark = LANDMARK.to_str().map_err(|e| e.to_string())?;
        let base = api.address_of(LANDMARK)?.wrapping_sub(in_file(landmark)?);
        let in_memory = |name| in_file(name).map(|at| base.wrapping_add(at));
        // SAFETY: the types are those of the functions of these names, which this version defines.
        unsafe {
            Ok(Counters {
                of_interp: std::mem::transmute::<Address, unsafe extern "C" fn(Address) -> isize>(in_memory(
                    "_PyInterpreterState_GetAllocatedBlocks",
                )?),
                of_all: std::mem::transmute::<Address, unsafe extern "C" fn() -> isize>(in_memory(
                    "_Py_GetGlobalAllocatedBlocks",
                )?),
            })
        }
    }

    /// The blocks of an interpreter; fatal if it has no heap of its own.
    pub fn of_interp(&self, interp: Address) -> i64 {
        // SAFETY: as for the other calls of the C API; it reads counters of a listed interpreter.
        unsafe { (self.of_interp)(interp) as i64 }
    }

    /// All blocks.
    pub fn of_all(&self) -> i64 {
        // SAFETY: as above.
        unsafe { (self.of_all)() as i64 }
    }
}
