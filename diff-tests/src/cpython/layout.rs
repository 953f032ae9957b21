//! Where CPython keeps what it does not tell: offsets of the fields that are
//! observed, for each minor version.
//!
//! They were read from the debug information of 3.12.1 and 3.13.0. Before they are
//! used they are compared with what the main interpreter must look like
//! ([`Layout::check`]), so that another patch release either fits or is refused.

use super::{
    api::{Address, Api},
    find::Version,
};
use cloister_specs::{InterpreterConfig, StatusBits};

/// Offsets in `PyThreadState`.
#[derive(Clone, Copy, Debug)]
struct TstateLayout {
    status: usize,
    thread_id: usize,
    /// 3.13 keeps its drop request here.
    eval_breaker: Option<usize>,
    /// 3.13 has a bit more (`holds_gil`), between `active` and `finalizing`.
    extra_status_bit: Option<u32>,
}

/// Offsets in `PyInterpreterState`, and in its GIL.
#[derive(Clone, Copy, Debug)]
struct InterpLayout {
    flags: usize,
    finalizing: usize,
    /// `_finalizing`: the thread state that tears it down.
    torn_down_by: usize,
    gil: usize,
    own_gil: usize,
    drop_request: Option<usize>,
    gil_struct: usize,
}

const GIL_LAST_HOLDER: usize = 8;
const GIL_LOCKED: usize = 16;
/// `_PY_GIL_DROP_REQUEST_BIT` in 3.13's `eval_breaker`.
const DROP_REQUEST_BIT_3_13: u64 = 1;

const PY_3_12: (TstateLayout, InterpLayout) = (
    TstateLayout { status: 0x18, thread_id: 0x88, eval_breaker: None, extra_status_bit: None },
    InterpLayout {
        flags: 0x6b0,
        finalizing: 0x2c,
        torn_down_by: 0x68,
        gil: 0x180,
        own_gil: 0x188,
        drop_request: Some(0x174),
        gil_struct: 0x410,
    },
);

const PY_3_13: (TstateLayout, InterpLayout) = (
    TstateLayout { status: 0x20, thread_id: 0x98, eval_breaker: Some(0x18), extra_status_bit: Some(5) },
    InterpLayout {
        flags: 0x20f8,
        finalizing: 0x1c98,
        torn_down_by: 0x1cd8,
        gil: 0x10,
        own_gil: 0x18,
        drop_request: None,
        gil_struct: 0x1e48,
    },
);

/// A GIL as it lies in memory.
#[derive(Clone, Copy, Debug)]
pub struct RawGil {
    /// Is it taken?
    pub locked: bool,
    /// The thread state that took it last, 0 for none.
    pub last_holder: Address,
}

/// The offsets of one libpython, checked.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    tstate: TstateLayout,
    interp: InterpLayout,
    /// Are those of the GIL right?
    pub gils: bool,
    /// The first thread state of an interpreter lies in the interpreter's struct, here.
    pub initial_thread: usize,
}

fn read<T: Copy>(at: Address) -> T {
    // SAFETY: callers pass fields of live CPython structs, whose layout has been checked.
    unsafe { (at as *const T).read_volatile() }
}

impl Layout {
    /// The offsets of this version, if the main interpreter looks as they say.
    pub fn check(version: Version, api: &Api) -> Result<Self, String> {
        let (tstate, interp) = match version.minor {
            12 => PY_3_12,
            13 => PY_3_13,
            _ => return Err(format!("no struct layout is known for {version}")),
        };
        let main = api.main_interpreter();
        let first = api.current();
        let initial_thread =
            first.checked_sub(main).ok_or("the main thread state is not in its interpreter")?;
        let mut layout = Layout { tstate, interp, gils: false, initial_thread };
        let current = StatusBits::INITIALIZED | StatusBits::BOUND | StatusBits::BOUND_GILSTATE;
        if layout.status(first) != current | StatusBits::ACTIVE {
            return Err(format!("{version}: PyThreadState._status is not where 3.{}'s is", version.minor));
        }
        if layout.thread_id(first) != api.thread_ident() {
            return Err(format!("{version}: PyThreadState.thread_id is not where 3.{}'s is", version.minor));
        }
        if layout.flags(main) != InterpreterConfig::MAIN.flags().bits()
            || layout.finalizing(main)
            || layout.torn_down(main)
        {
            return Err(format!(
                "{version}: PyInterpreterState.feature_flags is not where 3.{}'s is",
                version.minor
            ));
        }
        layout.gils = layout.gil_is_as_expected(main, first, true);
        let saved = api.save();
        layout.gils &= layout.gil_is_as_expected(main, first, false);
        api.restore(saved);
        Ok(layout)
    }

    fn gil_is_as_expected(&self, main: Address, first: Address, locked: bool) -> bool {
        let own = main + self.interp.gil_struct;
        let held =
            RawGil { locked: read::<i32>(own + GIL_LOCKED) == 1, last_holder: read(own + GIL_LAST_HOLDER) };
        read::<Address>(main + self.interp.gil) == own
            && self.own_gil(main) == Some(true)
            && held.locked == locked
            && held.last_holder == first
            && !self.drop_request(main)
    }

    /// `_status` of a live thread state, with 3.12's bits.
    pub fn status(&self, tstate: Address) -> StatusBits {
        let raw: u32 = read(tstate + self.tstate.status);
        let bits = match self.tstate.extra_status_bit {
            Some(bit) => (raw & ((1 << bit) - 1)) | (raw >> (bit + 1) << bit),
            None => raw,
        };
        StatusBits::from_bits_truncate(bits as u8)
    }

    /// `thread_id` of a live thread state: 0 before it is bound.
    pub fn thread_id(&self, tstate: Address) -> u64 {
        read(tstate + self.tstate.thread_id)
    }

    /// `feature_flags` of a live interpreter.
    pub fn flags(&self, interp: Address) -> u32 {
        read::<u64>(interp + self.interp.flags) as u32
    }

    /// Has its end begun?
    pub fn finalizing(&self, interp: Address) -> bool {
        read::<i32>(interp + self.interp.finalizing) != 0
    }

    /// Is it being torn down?
    pub fn torn_down(&self, interp: Address) -> bool {
        read::<Address>(interp + self.interp.torn_down_by) != 0
    }

    /// Has it a GIL of its own? `None` while it has none.
    pub fn own_gil(&self, interp: Address) -> Option<bool> {
        (read::<Address>(interp + self.interp.gil) != 0)
            .then(|| read::<i32>(interp + self.interp.own_gil) != 0)
    }

    /// The GIL that lies in this live interpreter.
    pub fn gil(&self, interp: Address) -> RawGil {
        let gil = interp + self.interp.gil_struct;
        RawGil { locked: read::<i32>(gil + GIL_LOCKED) > 0, last_holder: read(gil + GIL_LAST_HOLDER) }
    }

    /// Has the holder been asked to drop the GIL? For 3.12 as a holder in this
    /// interpreter sees it; 3.13 asks the holder itself.
    pub fn drop_request(&self, interp: Address) -> bool {
        match (self.interp.drop_request, self.tstate.eval_breaker) {
            (Some(offset), _) => read::<i32>(interp + offset) != 0,
            (None, Some(offset)) => {
                let holder = self.gil(interp).last_holder;
                holder != 0
                    && self.gil(interp).locked
                    && read::<u64>(holder + offset) & DROP_REQUEST_BIT_3_13 != 0
            }
            (None, None) => false,
        }
    }

    /// The name of a field of a thread state, for the report of a trap.
    pub fn tstate_field(&self, offset: usize) -> Option<&'static str> {
        match offset {
            0x0 => Some("prev"),
            0x8 => Some("next"),
            0x10 => Some("interp"),
            o if (self.tstate.status..self.tstate.status + 4).contains(&o) => Some("_status"),
            o if o == self.tstate.thread_id => Some("thread_id"),
            o if Some(o) == self.tstate.eval_breaker => Some("eval_breaker"),
            _ => None,
        }
    }

    /// The name of a field of an interpreter, for the report of a trap.
    pub fn interp_field(&self, offset: usize) -> Option<&'static str> {
        match offset {
            o if Some(o) == self.interp.drop_request => Some("ceval.gil_drop_request"),
            o if o == self.interp.gil => Some("ceval.gil"),
            o if (self.interp.gil_struct..self.interp.gil_struct + 208).contains(&o) => Some("_gil"),
            _ => None,
        }
    }
}
