//! The C API of a libpython, loaded at run time.
//!
//! The functions here can be called with anything, as CPython's can: runs exist to
//! find out what happens then. What a wrong call can harm is the run process, which
//! is expendable; that is why these wrappers are not `unsafe fn`, though they are
//! reached from the child alone.

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW, Symbol};
use std::{
    ffi::{CStr, c_char, c_int, c_void},
    path::Path,
};

/// A pointer of CPython's, to a thread state, an interpreter or an object; 0 is NULL.
pub type Address = usize;

/// `PyInterpreterConfig`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RawConfig(pub [c_int; 7]);

/// `PyStatus`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RawStatus {
    kind: c_int,
    func: *const c_char,
    message: *const c_char,
    exitcode: c_int,
}

/// `PyMemAllocatorEx`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RawAllocator {
    /// Passed to each of the functions.
    pub context: *mut c_void,
    /// Allocates.
    pub malloc: unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void,
    /// Allocates zeroed memory.
    pub calloc: unsafe extern "C" fn(*mut c_void, usize, usize) -> *mut c_void,
    /// Resizes.
    pub realloc: unsafe extern "C" fn(*mut c_void, *mut c_void, usize) -> *mut c_void,
    /// Frees.
    pub free: unsafe extern "C" fn(*mut c_void, *mut c_void),
}

/// `PyMemAllocatorDomain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Domain {
    /// `PyMem_RawMalloc` and its kin: needs no GIL.
    Raw = 0,
    /// `PyMem_Malloc` and its kin.
    Mem = 1,
    /// `PyObject_Malloc` and its kin.
    Obj = 2,
}

/// A function that can be a pending call.
pub type PendingFunction = unsafe extern "C" fn(*mut c_void) -> c_int;

/// `Py_AuditHookFunction`.
pub type AuditHook = unsafe extern "C" fn(*const c_char, Address, *mut c_void) -> c_int;

macro_rules! functions {
    ($($name:ident: $($symbol:literal)|+ => fn($($arg:ty),*) $(-> $ret:ty)?;)*) => {
        pub(super) struct Functions {
            $($name: unsafe extern "C" fn($($arg),*) $(-> $ret)?,)*
        }

        impl Functions {
            pub(super) fn load(library: &Library) -> Result<Self, String> {
                Ok(Functions { $(
                    // SAFETY: the type is that of the function of this name in pyport's headers.
                    $name: unsafe { symbol(library, &[$($symbol),+]) }?,
                )* })
            }
        }
    };
}

mod heap;
mod objects;
mod start;

pub use heap::{ArenaAllocator, LANDMARK};
pub use objects::Method;

functions! {
    audit_hook: c"PySys_AddAuditHook" => fn(AuditHook, *mut c_void) -> c_int;
    initialize: c"Py_InitializeEx" => fn(c_int);
    new_interpreter: c"Py_NewInterpreterFromConfig" => fn(*mut Address, *const RawConfig) -> RawStatus;
    new_interpreter_legacy: c"Py_NewInterpreter" => fn() -> Address;
    end_interpreter: c"Py_EndInterpreter" => fn(Address);
    tstate_new: c"_PyThreadState_New" => fn(Address, c_int) -> Address;
    tstate_new_bound: c"PyThreadState_New" => fn(Address) -> Address;
    tstate_swap: c"PyThreadState_Swap" => fn(Address) -> Address;
    tstate_clear: c"PyThreadState_Clear" => fn(Address);
    tstate_delete: c"PyThreadState_Delete" => fn(Address);
    tstate_delete_current: c"PyThreadState_DeleteCurrent" => fn();
    acquire_thread: c"PyEval_AcquireThread" => fn(Address);
    release_thread: c"PyEval_ReleaseThread" => fn(Address);
    save_thread: c"PyEval_SaveThread" => fn() -> Address;
    restore_thread: c"PyEval_RestoreThread" => fn(Address);
    current: c"_PyThreadState_UncheckedGet" | c"PyThreadState_GetUnchecked" => fn() -> Address;
    gilstate: c"PyGILState_GetThisThreadState" => fn() -> Address;
    gilstate_ensure: c"PyGILState_Ensure" => fn() -> c_int;
    gilstate_release: c"PyGILState_Release" => fn(c_int);
    gilstate_check: c"PyGILState_Check" => fn() -> c_int;
    add_pending_call: c"Py_AddPendingCall" => fn(PendingFunction, *mut c_void) -> c_int;
    make_pending_calls: c"Py_MakePendingCalls" => fn() -> c_int;
    interp_main: c"PyInterpreterState_Main" => fn() -> Address;
    interp_head: c"PyInterpreterState_Head" => fn() -> Address;
    interp_next: c"PyInterpreterState_Next" => fn(Address) -> Address;
    thread_head: c"PyInterpreterState_ThreadHead" => fn(Address) -> Address;
    thread_next: c"PyThreadState_Next" => fn(Address) -> Address;
    thread_ident: c"PyThread_get_thread_ident" => fn() -> u64;
    get_allocator: c"PyMem_GetAllocator" => fn(c_int, *mut RawAllocator);
    set_allocator: c"PyMem_SetAllocator" => fn(c_int, *const RawAllocator);
    err_no_memory: c"PyErr_NoMemory" => fn() -> Address;
    err_clear: c"PyErr_Clear" => fn();
    gc_disable: c"PyGC_Disable" => fn() -> c_int;
    is_initialized: c"Py_IsInitialized" => fn() -> c_int;
    finalize: c"Py_FinalizeEx" => fn() -> c_int;
    interp_id: c"PyInterpreterState_GetID" => fn(Address) -> i64;
    look_up_id: c"_PyInterpreterState_LookUpID" => fn(i64) -> Address;
    require_idref: c"_PyInterpreterState_RequireIDRef" => fn(Address, c_int);
    id_incref: c"_PyInterpreterState_IDIncref" => fn(Address) -> c_int;
    id_decref: c"_PyInterpreterState_IDDecref" => fn(Address);
    set_running: c"_PyInterpreterState_SetRunningMain" => fn(Address) -> c_int;
    set_not_running: c"_PyInterpreterState_SetNotRunningMain" => fn(Address);
    interp_of_thread: c"PyThreadState_GetInterpreter" => fn(Address) -> Address;
    before_fork: c"PyOS_BeforeFork" => fn();
    after_fork_child: c"PyOS_AfterFork_Child" => fn();
    after_fork_parent: c"PyOS_AfterFork_Parent" => fn();
}

/// # Safety
///
/// `T` is the type of a function pointer, with the signature of the function of that name.
unsafe fn symbol<T: Copy>(library: &Library, names: &[&CStr]) -> Result<T, String> {
    for name in names {
        // SAFETY: as this function's.
        if let Ok(found) = unsafe { library.get::<T>(name.to_bytes_with_nul()) } {
            return Ok(*found);
        }
    }
    Err(format!("it has no {}", names[0].to_string_lossy()))
}

/// A loaded libpython.
pub struct Api {
    library: Library,
    f: Functions,
    /// `_PyThreadState_Bind`; 3.13 keeps it to itself.
    bind: Option<unsafe extern "C" fn(Address)>,
    /// `_PyEval_AddPendingCall`, which is no public function.
    add_pending: Option<AddPending>,
    /// `_PyThreadState_DeleteExcept`; 3.13 keeps it to itself.
    delete_except: Option<unsafe extern "C" fn(Address)>,
    objects: objects::Functions,
    heap: heap::Functions,
    /// `_Py_NoneStruct`.
    none: Address,
    /// `PyBaseObject_Type`.
    base_type: Address,
}

type AddPending = unsafe extern "C" fn(Address, PendingFunction, *mut c_void, c_int) -> c_int;

macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident => $field:ident($($arg:ident: $ty:ty),*) $(-> $ret:ty)?;)*) => {
        impl Api {
            $(
                $(#[$doc])*
                pub fn $name(&self $(, $arg: $ty)*) $(-> $ret)? {
                    // SAFETY: the symbol was loaded with its own signature; what else can
                    // go wrong is CPython's to answer, in a process that is expendable.
                    unsafe { (self.f.$field)($($arg),*) }
                }
            )*
        }
    };
}

calls! {
    /// `Py_NewInterpreter`.
    new_interpreter_legacy => new_interpreter_legacy() -> Address;
    /// `Py_EndInterpreter`.
    end_interpreter => end_interpreter(tstate: Address);
    /// `PyThreadState_New`.
    tstate_new_bound => tstate_new_bound(interp: Address) -> Address;
    /// `PyThreadState_Swap`.
    swap => tstate_swap(tstate: Address) -> Address;
    /// `PyThreadState_Clear`.
    clear => tstate_clear(tstate: Address);
    /// `PyThreadState_Delete`.
    delete => tstate_delete(tstate: Address);
    /// `PyThreadState_DeleteCurrent`.
    delete_current => tstate_delete_current();
    /// `PyEval_AcquireThread`.
    acquire => acquire_thread(tstate: Address);
    /// `PyEval_ReleaseThread`.
    release => release_thread(tstate: Address);
    /// `PyEval_SaveThread`.
    save => save_thread() -> Address;
    /// `PyEval_RestoreThread`.
    restore => restore_thread(tstate: Address);
    /// The current thread state, without a check.
    current => current() -> Address;
    /// What the gilstate slot of the calling thread names; only reads it.
    gilstate => gilstate() -> Address;
    /// `PyGILState_Ensure`: 0 if the thread had its GIL, 1 if not.
    ensure => gilstate_ensure() -> c_int;
    /// `PyGILState_Release`, with what `ensure` answered.
    gilstate_release => gilstate_release(state: c_int);
    /// `PyGILState_Check`.
    gilstate_check => gilstate_check() -> c_int;
    /// `Py_AddPendingCall`.
    add_pending_main => add_pending_call(function: PendingFunction, arg: *mut c_void) -> c_int;
    /// `Py_MakePendingCalls`.
    make_pending => make_pending_calls() -> c_int;
    /// The main interpreter.
    main_interpreter => interp_main() -> Address;
    /// `pthread_self`, as CPython records it.
    thread_ident => thread_ident() -> u64;
    /// `PyErr_NoMemory`.
    set_no_memory => err_no_memory() -> Address;
    /// `PyErr_Clear`.
    clear_error => err_clear();
    /// `PyGC_Disable`, in the interpreter of the current thread state.
    disable_gc => gc_disable() -> c_int;
    /// `Py_IsInitialized`.
    is_initialized => is_initialized() -> c_int;
    /// `Py_FinalizeEx`.
    finalize => finalize() -> c_int;
    /// `PyInterpreterState_GetID`.
    interp_id => interp_id(interp: Address) -> i64;
    /// `_PyInterpreterState_LookUpID`: 0 with an exception if there is none.
    look_up_id => look_up_id(id: i64) -> Address;
    /// `_PyInterpreterState_RequireIDRef`.
    require_idref => require_idref(interp: Address, required: c_int);
    /// `_PyInterpreterState_IDIncref`.
    id_incref => id_incref(interp: Address) -> c_int;
    /// `_PyInterpreterState_IDDecref`.
    id_decref => id_decref(interp: Address);
    /// `_PyInterpreterState_SetRunningMain`.
    set_running => set_running(interp: Address) -> c_int;
    /// `_PyInterpreterState_SetNotRunningMain`.
    set_not_running => set_not_running(interp: Address);
    /// `PyThreadState_GetInterpreter`.
    interp_of_thread => interp_of_thread(tstate: Address) -> Address;
    /// Adds a hook for the whole process; before the initialization.
    add_audit_hook => audit_hook(hook: AuditHook, context: *mut c_void) -> c_int;
    /// `PyOS_BeforeFork`.
    before_fork => before_fork();
    /// `PyOS_AfterFork_Child`.
    after_fork_child => after_fork_child();
    /// `PyOS_AfterFork_Parent`.
    after_fork_parent => after_fork_parent();
}

impl Api {
    /// Loads a libpython, so that its symbols are there for what it loads itself.
    pub fn load(path: &Path) -> Result<Self, String> {
        // SAFETY: libpython's initializers have no conditions; the child has one thread.
        let library =
            unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) }.map_err(|e| e.to_string())?;
        let f = Functions::load(&library)?;
        // SAFETY: `void _PyThreadState_Bind(PyThreadState *)`.
        let bind = unsafe { symbol(&library, &[c"_PyThreadState_Bind"]) }.ok();
        // SAFETY: `int _PyEval_AddPendingCall(PyInterpreterState *, int (*)(void *), void *, int)`;
        // 3.13's answer is an enum with the same values.
        let add_pending = unsafe { symbol(&library, &[c"_PyEval_AddPendingCall"]) }.ok();
        // SAFETY: `void _PyThreadState_DeleteExcept(PyThreadState *)`.
        let delete_except = unsafe { symbol(&library, &[c"_PyThreadState_DeleteExcept"]) }.ok();
        let objects = objects::Functions::load(&library)?;
        let heap = heap::Functions::load(&library)?;
        let none = heap::address_of(&library, c"_Py_NoneStruct")?;
        let base_type = heap::address_of(&library, c"PyBaseObject_Type")?;
        Ok(Api { library, f, bind, add_pending, delete_except, objects, heap, none, base_type })
    }

    /// `Py_GetVersion`, of a library that need not have all of the rest.
    pub fn version_text(path: &Path) -> Result<String, String> {
        // SAFETY: as in `load`.
        let library =
            unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) }.map_err(|e| e.to_string())?;
        // SAFETY: `const char *Py_GetVersion(void)`, which needs no initialization.
        let get: Symbol<unsafe extern "C" fn() -> *const c_char> =
            unsafe { library.get(c"Py_GetVersion".to_bytes_with_nul()) }.map_err(|e| e.to_string())?;
        // SAFETY: as above.
        Ok(text(unsafe { get() }))
    }

    /// `Py_NewInterpreterFromConfig`: the new thread state, or the function and message of the status.
    pub fn new_interpreter(&self, config: RawConfig) -> Result<Address, (String, String)> {
        let mut tstate: Address = 0;
        // SAFETY: both pointers are valid for the call.
        let status = unsafe { (self.f.new_interpreter)(&mut tstate, &config) };
        match status.kind {
            0 => Ok(tstate),
            _ => Err((text(status.func), text(status.message))),
        }
    }

    /// `_PyThreadState_New`: bound to no thread. The second argument is 3.13's.
    pub fn tstate_new(&self, interp: Address) -> Address {
        const WHENCE_UNKNOWN: c_int = 0;
        // SAFETY: as for the other calls; 3.12 does not look at the second argument.
        unsafe { (self.f.tstate_new)(interp, WHENCE_UNKNOWN) }
    }

    /// Can a thread state be bound by a call of its own?
    pub fn can_bind(&self) -> bool {
        self.bind.is_some()
    }

    /// `_PyThreadState_Bind`.
    pub fn bind(&self, tstate: Address) {
        if let Some(bind) = self.bind {
            // SAFETY: as for the other calls.
            unsafe { bind(tstate) }
        }
    }

    /// `_PyEval_AddPendingCall` to the ring of this interpreter, if there is such a function.
    pub fn add_pending(&self, interp: Address, function: PendingFunction, arg: *mut c_void) -> Option<c_int> {
        const ANY_THREAD: c_int = 0;
        // SAFETY: as for the other calls.
        self.add_pending.map(|add| unsafe { add(interp, function, arg, ANY_THREAD) })
    }

    /// `_PyThreadState_DeleteExcept`. Is there such a function?
    pub fn delete_except(&self, tstate: Address) -> bool {
        if let Some(delete) = self.delete_except {
            // SAFETY: as for the other calls.
            unsafe { delete(tstate) }
        }
        self.delete_except.is_some()
    }

    /// Every interpreter, the newest first.
    pub fn interpreters(&self) -> impl Iterator<Item = Address> {
        // SAFETY: walks CPython's list while all its threads are stopped.
        list(unsafe { (self.f.interp_head)() }, |i| unsafe { (self.f.interp_next)(i) })
    }

    /// Every thread state of an interpreter, the newest first.
    pub fn thread_states(&self, interp: Address) -> impl Iterator<Item = Address> {
        // SAFETY: as above.
        list(unsafe { (self.f.thread_head)(interp) }, |t| unsafe { (self.f.thread_next)(t) })
    }

    /// The allocator of a domain.
    pub fn allocator(&self, domain: Domain) -> RawAllocator {
        let mut allocator = std::mem::MaybeUninit::uninit();
        // SAFETY: the call fills it in.
        unsafe {
            (self.f.get_allocator)(domain as c_int, allocator.as_mut_ptr());
            allocator.assume_init()
        }
    }

    /// Sets the allocator of a domain.
    pub fn set_allocator(&self, domain: Domain, allocator: &RawAllocator) {
        // SAFETY: the new one passes what it does not handle to the old one.
        unsafe { (self.f.set_allocator)(domain as c_int, allocator) }
    }
}

fn list(first: Address, next: impl Fn(Address) -> Address) -> impl Iterator<Item = Address> {
    let some = |at: Address| (at != 0).then_some(at);
    std::iter::successors(some(first), move |&at| some(next(at)))
}

fn text(at: *const c_char) -> String {
    if at.is_null() {
        return String::new();
    }
    // SAFETY: CPython's status texts are static strings.
    unsafe { CStr::from_ptr(at) }.to_string_lossy().into_owned()
}
