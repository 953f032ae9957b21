//! CPython as a contender: a libpython in this process.

use super::{BenchError, binding};
use crate::cpython::{self, Cpython, Found, NOT_FOUND};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

/// A pointer of CPython's; 0 is NULL.
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

impl RawConfig {
    /// `_PyInterpreterConfig_INIT`.
    pub const ISOLATED: Self = RawConfig([0, 0, 0, 1, 0, 1, 2]);
    /// `_PyInterpreterConfig_LEGACY_INIT`.
    pub const LEGACY: Self = RawConfig([1, 1, 1, 1, 1, 0, 1]);
    /// Refused: its own allocator without the check of extension modules.
    pub const REFUSED: Self = RawConfig([0, 0, 0, 1, 0, 0, 2]);
}

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident: $($symbol:literal)|+ => fn($($arg:ty),*) $(-> $ret:ty)?;)*) => {
        /// The C API.
        pub struct Functions {
            $($(#[$doc])* pub $name: unsafe extern "C" fn($($arg),*) $(-> $ret)?,)*
        }

        impl Functions {
            fn load(library: &Library) -> Result<Self, String> {
                Ok(Functions { $(
                    // SAFETY: the type is that of the function of this name in pyport's headers.
                    $name: unsafe { symbol(library, &[$($symbol),+]) }?,
                )* })
            }
        }
    };
}

functions! {
    initialize: c"Py_InitializeEx" => fn(c_int);
    set_home: c"Py_SetPythonHome" => fn(*const libc::wchar_t);
    /// The current thread state, without a check.
    current: c"_PyThreadState_UncheckedGet" | c"PyThreadState_GetUnchecked" => fn() -> Address;
    /// `PyEval_SaveThread`.
    save: c"PyEval_SaveThread" => fn() -> Address;
    /// `PyEval_RestoreThread`.
    restore: c"PyEval_RestoreThread" => fn(Address);
    /// `PyThreadState_Swap`.
    swap: c"PyThreadState_Swap" => fn(Address) -> Address;
    /// `PyThreadState_New`.
    tstate_new: c"PyThreadState_New" => fn(Address) -> Address;
    /// `PyThreadState_Clear`.
    clear: c"PyThreadState_Clear" => fn(Address);
    /// `PyThreadState_DeleteCurrent`.
    delete_current: c"PyThreadState_DeleteCurrent" => fn();
    new_interpreter: c"Py_NewInterpreterFromConfig" => fn(*mut Address, *const RawConfig) -> RawStatus;
    /// `Py_EndInterpreter`.
    end_interpreter: c"Py_EndInterpreter" => fn(Address);
    main_interpreter: c"PyInterpreterState_Main" => fn() -> Address;
    set_switch_interval: c"_PyEval_SetSwitchInterval" => fn(libc::c_ulong);
    compile: c"Py_CompileString" => fn(*const c_char, *const c_char, c_int) -> Address;
    eval_code: c"PyEval_EvalCode" => fn(Address, Address, Address) -> Address;
    /// `PyDict_New`.
    dict_new: c"PyDict_New" => fn() -> Address;
    /// `Py_IncRef`.
    incref: c"Py_IncRef" => fn(Address);
    /// `Py_DecRef`.
    decref: c"Py_DecRef" => fn(Address);
    /// `PyLong_FromLong`.
    long_from: c"PyLong_FromLong" => fn(libc::c_long) -> Address;
    /// `Py_AddPendingCall`.
    add_pending_call: c"Py_AddPendingCall" => fn(extern "C" fn(*mut c_void) -> c_int, *mut c_void) -> c_int;
    /// `Py_MakePendingCalls`.
    make_pending_calls: c"Py_MakePendingCalls" => fn() -> c_int;
    /// `PyObject_Malloc`.
    object_malloc: c"PyObject_Malloc" => fn(usize) -> *mut c_void;
    /// `PyObject_Free`.
    object_free: c"PyObject_Free" => fn(*mut c_void);
    finalize: c"Py_FinalizeEx" => fn() -> c_int;
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

/// A CPython in this process. The thread that loaded it is its main thread, and has the
/// main thread state current whenever no work is under way.
pub struct Python {
    name: String,
    functions: &'static Functions,
    home: *const libc::wchar_t,
    life: Cell<Life>,
    not_send: PhantomData<*const ()>,
}

/// What there is from one initialization to the next end.
#[derive(Clone, Copy)]
struct Life {
    main: Address,
    main_interpreter: Address,
    code: Address,
}

static LOADED: AtomicBool = AtomicBool::new(false);

/// What our executable exports and the measured library must not call.
const INTERPOSED: [&CStr; 4] =
    [c"pthread_mutex_unlock", c"pthread_cond_wait", c"pthread_cond_timedwait", c"pthread_cond_signal"];
const FLAGS: [&CStr; 4] =
    [c"Py_NoSiteFlag", c"Py_IsolatedFlag", c"Py_IgnoreEnvironmentFlag", c"Py_NoUserSiteDirectory"];
const PY_FILE_INPUT: c_int = 257;

impl Python {
    /// Loads and initializes the best libpython of this machine, which can be done once in a
    /// process. `executable` is the `cloister` command.
    ///
    /// # Errors
    ///
    /// There is none, or it cannot be measured; a sentence for the user.
    pub fn load(executable: &Path) -> Result<Self, String> {
        let found = cpython::find(executable).map_err(|e| e.to_string())?;
        let found = found.into_iter().next().ok_or(NOT_FOUND)?;
        let name = format!("CPython {}", found.version);
        let explain = |reason: String| format!("{} is not measured: {reason}", found.version);
        // A libpython that cannot be initialized ends its process: let that be another one.
        Cpython::start(executable, &found).map_err(|e| explain(e.to_string()))?;
        if LOADED.swap(true, Ordering::Relaxed) {
            return Err(explain("it was loaded into this process before".into()));
        }
        Self::load_found(&found, name.clone()).map_err(explain)
    }

    fn load_found(found: &Found, name: String) -> Result<Self, String> {
        let how = RTLD_NOW | RTLD_LOCAL | libc::RTLD_DEEPBIND;
        // SAFETY: libpython's initializers have no conditions.
        let library = unsafe { Library::open(Some(&found.path), how) }.map_err(|e| e.to_string())?;
        let functions = Functions::load(&library)?;
        for flag in FLAGS {
            // SAFETY: these are `int` variables.
            let at = unsafe { library.get::<*mut c_int>(flag.to_bytes_with_nul()) };
            // SAFETY: as above; nobody else uses the library yet.
            unsafe { **at.map_err(|e| e.to_string())? = 1 };
        }
        let handle: *mut c_void = library.into_raw();
        // SAFETY: it was opened above, with `RTLD_NOW`, and is never closed.
        match unsafe { binding::calls_ours(handle, &INTERPOSED) } {
            Some(false) => {}
            Some(true) => return Err("it calls the pthread functions of this executable".into()),
            None => return Err("which pthread functions it calls cannot be told".into()),
        }
        let functions: &'static Functions = Box::leak(Box::new(functions));
        let home = home(&found.path);
        // SAFETY: called once in this process (`LOADED`), before anything else of CPython's;
        // the thread is its main thread from here on.
        let life = unsafe { begin(functions, home) }.ok_or("it cannot be initialized")?;
        Ok(Python { name, functions, home, life: Cell::new(life), not_send: PhantomData })
    }

    /// What it is called, with its version.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The C API.
    pub fn functions(&self) -> &'static Functions {
        self.functions
    }

    /// The main thread state.
    pub fn main(&self) -> Address {
        self.life.get().main
    }

    /// The main interpreter.
    pub fn main_interpreter(&self) -> Address {
        self.life.get().main_interpreter
    }

    /// A code object that does nothing but poll the eval breaker.
    pub fn empty_code(&self) -> Address {
        self.life.get().code
    }

    /// How long a thread waits for the main interpreter's GIL before it asks for it.
    pub fn set_switch_interval(&self, microseconds: u32) {
        // SAFETY: this thread has the main thread state current, as the type says.
        unsafe { (self.functions.set_switch_interval)(microseconds.into()) };
    }

    /// Finalizes it and initializes it again: whatever came from it before is gone.
    pub fn restart(&self) -> Result<(), BenchError> {
        // SAFETY: this is the main thread, with the main thread state current, and no work of
        // another thread is under way; the code object is this one's.
        let life = unsafe {
            (self.functions.decref)(self.empty_code());
            if (self.functions.finalize)() != 0 {
                return Err(BenchError::Python("Py_FinalizeEx"));
            }
            begin(self.functions, self.home)
        };
        self.life.set(life.ok_or(BenchError::Python("Py_InitializeEx"))?);
        Ok(())
    }

    /// A new interpreter, its thread state current.
    pub fn new_interpreter(&self, config: &RawConfig) -> Result<Address, BenchError> {
        let mut tstate = 0;
        // SAFETY: both pointers are valid for the call, and the main thread may create
        // interpreters at any time.
        let status = unsafe { (self.functions.new_interpreter)(&mut tstate, config) };
        if status.kind == 0 && tstate != 0 {
            Ok(tstate)
        } else {
            Err(BenchError::Python("Py_NewInterpreterFromConfig"))
        }
    }
}

/// Initializes it.
///
/// # Safety
///
/// It is not initialized, and the string, unless it is null, lives as long as the process.
unsafe fn begin(functions: &Functions, home: *const libc::wchar_t) -> Option<Life> {
    // SAFETY: as this function's.
    let life = unsafe {
        if !home.is_null() {
            (functions.set_home)(home);
        }
        (functions.initialize)(0);
        let code = (functions.compile)(c"pass".as_ptr(), c"poll".as_ptr(), PY_FILE_INPUT);
        Life { main: (functions.current)(), main_interpreter: (functions.main_interpreter)(), code }
    };
    (life.main != 0 && life.code != 0).then_some(life)
}

/// Where its standard library is, when it is beside the library; else null.
fn home(library: &Path) -> *const libc::wchar_t {
    let has_library = |dir: &&Path| {
        ["3.12", "3.13"].iter().any(|v| dir.join("lib").join(format!("python{v}")).join("os.py").exists())
    };
    library.ancestors().skip(1).find(has_library).map_or(ptr::null(), |prefix| {
        let bytes = prefix.as_os_str().as_bytes();
        let wide: Vec<_> = bytes.iter().chain(&[0]).map(|&b| libc::wchar_t::from(b)).collect();
        wide.leak().as_ptr()
    })
}
