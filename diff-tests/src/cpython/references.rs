//! Performing the calls that make objects and count references.

use super::{
    allocate::counted,
    api::{Address, Api, Domain, RawAllocator},
    baton, heaps,
};
use cloister_specs::{Client, NONE, ObjectId, Op, Reply};
use std::{
    cell::Cell,
    ffi::c_void,
    sync::{Mutex, PoisonError},
};

/// `_Py_IMMORTAL_REFCNT`.
const IMMORTAL: u64 = 0xffff_ffff;
/// The size of the smallest object.
const OBJECT_BYTES: u16 = 16;

/// `ob_refcnt`, which an object begins with.
#[derive(Clone, Copy)]
struct Count(*mut u64);

impl Count {
    fn of(object: Address) -> Count {
        Count(object as *mut u64)
    }

    fn get(self) -> u64 {
        // SAFETY: the object lives, or CPython is asked to do with it what no run should.
        unsafe { self.0.read_volatile() }
    }

    fn set(self, count: u64) {
        // SAFETY: as above.
        unsafe { self.0.write_volatile(count) }
    }

    /// `_Py_IsImmortal`.
    fn is_immortal(self) -> bool {
        (self.get() as i32) < 0
    }
}

/// What a run begins with: `None` as immortal as CPython made it.
pub fn begin(api: &Api) {
    Count::of(api.none()).set(IMMORTAL);
}

/// Performs such a call; `None` if it is another one.
pub fn call(api: &Api, op: &Op) -> Result<Option<Reply>, String> {
    let count = |object: ObjectId| baton::with(|run| run.heaps.object(object)).map(Count::of);
    Ok(Some(match *op {
        Op::ObjectNew { fails } => new(api, fails)?,
        Op::SetRefCnt { object, count: to } => {
            let count = count(object)?;
            // `Py_SET_REFCNT` is inline.
            if !count.is_immortal() {
                count.set(to.into());
            }
            Reply::RefCnt(count.get())
        }
        Op::IncRef { object, client: Client::Aware } => {
            let at = baton::with(|run| run.heaps.object(object))?;
            api.incref(at);
            Reply::RefCnt(Count::of(at).get())
        }
        Op::IncRef { object, client: Client::Unaware } => {
            let count = count(object)?;
            count.set(count.get().wrapping_add(1));
            Reply::RefCnt(count.get())
        }
        Op::DecRef { object, client } => decref(api, object, client)?,
        Op::SetImmortal(object) => {
            // `_Py_SetImmortal` is inline, too.
            count(object)?.set(IMMORTAL);
            Reply::RefCnt(IMMORTAL)
        }
        Op::ClearImmortal(object) => {
            count(object)?.set(1);
            decref(api, object, Client::Aware)?
        }
        // The other interpreter has the pointer as well: the count is for whoever has it.
        Op::PassRef { .. } => Reply::Done,
        Op::RefTotal(_) | Op::GlobalRefTotal => {
            return Err("a release build does not total references".into());
        }
        _ => return Ok(None),
    }))
}

fn new(api: &Api, fails: bool) -> Result<Reply, String> {
    let heap = heaps::here();
    match counted(api, OBJECT_BYTES, fails, || api.new_object()) {
        0 => {
            api.clear_error();
            Ok(Reply::Object(None))
        }
        at => baton::with(|run| run.heaps.keep_object(at, heap)).map(|slot| Reply::Object(Some(slot))),
    }
}

fn decref(api: &Api, object: ObjectId, client: Client) -> Result<Reply, String> {
    let at = baton::with(|run| run.heaps.object(object))?;
    let release = || match client {
        Client::Aware => api.release_object(at),
        Client::Unaware => {
            let left = Count::of(at).get().wrapping_sub(1);
            Count::of(at).set(left);
            if left == 0 {
                api.dealloc(at);
            }
        }
    };
    let freed = heaps::counted(|| frees(api, at, release));
    if freed && object != NONE {
        baton::with(|run| run.heaps.forget_object(object));
        return Ok(Reply::Deallocated);
    }
    Ok(Reply::RefCnt(Count::of(at).get()))
}

thread_local! {
    static WATCHED: Cell<Address> = const { Cell::new(0) };
}

static BELOW: Mutex<Option<RawAllocator>> = Mutex::new(None);

/// Makes a call: does it free the block at this address, in the domain of objects?
fn frees(api: &Api, at: Address, call: impl FnOnce()) -> bool {
    let below = api.allocator(Domain::Obj);
    *BELOW.lock().unwrap_or_else(PoisonError::into_inner) = Some(below);
    api.set_allocator(Domain::Obj, &RawAllocator { free: watching_free, ..below });
    WATCHED.set(at);
    call();
    api.set_allocator(Domain::Obj, &below);
    WATCHED.replace(0) == 0
}

unsafe extern "C" fn watching_free(context: *mut c_void, at: *mut c_void) {
    if at as Address == WATCHED.get() {
        WATCHED.set(0);
    }
    let below = *BELOW.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(below) = below {
        // SAFETY: passed on as it came.
        unsafe { (below.free)(context, at) }
    }
}
