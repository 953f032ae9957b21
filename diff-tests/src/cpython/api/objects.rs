//! Objects: calling Python's own functions, and running a little code.

use super::{Address, Api, Library, symbol, text};
use std::ffi::{CStr, CString, c_char, c_int};

const PY_FILE_INPUT: c_int = 257;

/// `PyCFunction`: called with the object it belongs to and its arguments.
pub type CFunction = unsafe extern "C" fn(Address, Address) -> Address;

/// `PyMethodDef`.
#[repr(C)]
pub struct Method {
    name: *const c_char,
    function: CFunction,
    flags: c_int,
    doc: *const c_char,
}

// SAFETY: the pointers are to static strings.
unsafe impl Sync for Method {}

impl Method {
    /// A function without arguments.
    pub const fn without_arguments(name: &'static CStr, function: CFunction) -> Self {
        const METH_NOARGS: c_int = 4;
        Method { name: name.as_ptr(), function, flags: METH_NOARGS, doc: std::ptr::null() }
    }
}

functions! {
    compile: c"Py_CompileString" => fn(*const c_char, *const c_char, c_int) -> Address;
    eval_code: c"PyEval_EvalCode" => fn(Address, Address, Address) -> Address;
    dict_new: c"PyDict_New" => fn() -> Address;
    decref: c"Py_DecRef" => fn(Address);
    tuple_new: c"PyTuple_New" => fn(isize) -> Address;
    tuple_set_item: c"PyTuple_SetItem" => fn(Address, isize, Address) -> c_int;
    tuple_get_item: c"PyTuple_GetItem" => fn(Address, isize) -> Address;
    utf8: c"PyUnicode_AsUTF8" => fn(Address) -> *const c_char;
    unicode: c"PyUnicode_FromString" => fn(*const c_char) -> Address;
    long: c"PyLong_FromLongLong" => fn(i64) -> Address;
    as_long: c"PyLong_AsLongLong" => fn(Address) -> i64;
    import: c"PyImport_ImportModule" => fn(*const c_char) -> Address;
    get_attr: c"PyObject_GetAttrString" => fn(Address, *const c_char) -> Address;
    call: c"PyObject_CallObject" => fn(Address, Address) -> Address;
    str: c"PyObject_Str" => fn(Address) -> Address;
    modules: c"PyImport_GetModuleDict" => fn() -> Address;
    new_module: c"PyModule_New" => fn(*const c_char) -> Address;
    set_attr: c"PyObject_SetAttrString" => fn(Address, *const c_char, Address) -> c_int;
    dict_set: c"PyDict_SetItemString" => fn(Address, *const c_char, Address) -> c_int;
    new_function: c"PyCFunction_NewEx" => fn(*const Method, Address, Address) -> Address;
    repr: c"PyObject_Repr" => fn(Address) -> Address;
    raised: c"PyErr_GetRaisedException" => fn() -> Address;
    dict_get: c"PyDict_GetItemString" => fn(Address, *const c_char) -> Address;
}

/// The calls below make and release their objects under the current thread state of the
/// calling thread, which has one.
impl Api {
    /// Runs a code object that does nothing but poll the eval breaker, once. Has that
    /// raised no exception? One that was raised is cleared.
    ///
    /// Compiling runs no Python code, so the poll is the one that every code object begins with.
    pub fn poll(&self) -> Result<bool, String> {
        // SAFETY: see above.
        unsafe {
            let code = (self.objects.compile)(c"pass".as_ptr(), c"poll".as_ptr(), PY_FILE_INPUT);
            let globals = (self.objects.dict_new)();
            if code == 0 || globals == 0 {
                return Err("the code for a poll cannot be made".into());
            }
            let result = (self.objects.eval_code)(code, globals, globals);
            if result == 0 {
                self.clear_error();
            }
            for object in [code, globals, result] {
                (self.objects.decref)(object);
            }
            Ok(result != 0)
        }
    }

    /// Runs Python source under the current thread state: the text of what it left in
    /// `said`, or of the exception that it raised.
    pub fn run_source(&self, source: &str) -> String {
        let Ok(source) = CString::new(source) else { return "a NUL in the source".into() };
        // SAFETY: see above; CPython answers NULL with an exception, and takes NULL in `Py_DecRef`.
        unsafe {
            let code = (self.objects.compile)(source.as_ptr(), c"source".as_ptr(), PY_FILE_INPUT);
            let globals = (self.objects.dict_new)();
            let result = if code == 0 { 0 } else { (self.objects.eval_code)(code, globals, globals) };
            let said = if result == 0 {
                let error = (self.objects.raised)();
                let said = self.described(error, self.objects.repr);
                (self.objects.decref)(error);
                said
            } else {
                self.described((self.objects.dict_get)(globals, c"said".as_ptr()), self.objects.str)
            };
            for object in [code, globals, result] {
                (self.objects.decref)(object);
            }
            said
        }
    }

    fn described(&self, object: Address, how: unsafe extern "C" fn(Address) -> Address) -> String {
        if object == 0 {
            return String::new();
        }
        // SAFETY: the object lives, under the current thread state.
        unsafe {
            let shown = how(object);
            let described = if shown == 0 { String::new() } else { text((self.objects.utf8)(shown)) };
            (self.objects.decref)(shown);
            described
        }
    }

    /// The text at a place in a tuple; for audit hooks.
    pub fn tuple_text(&self, tuple: Address, at: isize) -> Option<CString> {
        // SAFETY: an audit hook is called with a tuple, under its thread state.
        unsafe {
            let item = (self.objects.tuple_get_item)(tuple, at);
            let utf8 = if item == 0 { std::ptr::null() } else { (self.objects.utf8)(item) };
            (!utf8.is_null()).then(|| CStr::from_ptr(utf8).to_owned())
        }
    }

    /// A function of a module that has to be imported for it.
    pub fn function_of(&self, module: &CStr, name: &CStr) -> Result<Address, String> {
        // SAFETY: see above.
        unsafe {
            let module = (self.objects.import)(module.as_ptr());
            if module == 0 {
                return Err(self.take_error());
            }
            let function = (self.objects.get_attr)(module, name.as_ptr());
            (self.objects.decref)(module);
            if function == 0 { Err(self.take_error()) } else { Ok(function) }
        }
    }

    /// A function object that calls this one.
    pub fn new_function(&self, method: &'static Method) -> Address {
        // SAFETY: see above.
        unsafe { (self.objects.new_function)(method, 0, 0) }
    }

    /// An empty tuple.
    pub fn no_arguments(&self) -> Address {
        // SAFETY: see above.
        unsafe { (self.objects.tuple_new)(0) }
    }

    /// A tuple of one object, which it takes over.
    pub fn tuple_of(&self, object: Address) -> Address {
        // SAFETY: see above.
        unsafe {
            let tuple = (self.objects.tuple_new)(1);
            (self.objects.tuple_set_item)(tuple, 0, object);
            tuple
        }
    }

    /// An object that means nothing.
    pub fn any_object(&self) -> Address {
        // SAFETY: see above.
        unsafe { (self.objects.dict_new)() }
    }

    /// An integer.
    pub fn long(&self, value: i64) -> Address {
        // SAFETY: see above.
        unsafe { (self.objects.long)(value) }
    }

    /// A text.
    pub fn unicode(&self, value: &CStr) -> Address {
        // SAFETY: see above.
        unsafe { (self.objects.unicode)(value.as_ptr()) }
    }

    /// A module that the interpreter has imported; borrowed.
    pub fn module(&self, name: &CStr) -> Option<Address> {
        // SAFETY: see above.
        let found = unsafe { (self.objects.dict_get)((self.objects.modules)(), name.as_ptr()) };
        (found != 0).then_some(found)
    }

    /// Puts a new module with one attribute, which it releases, where imported ones are.
    pub fn new_module(&self, name: &CStr, attribute: &CStr, value: Address) {
        // SAFETY: see above.
        unsafe {
            let module = (self.objects.new_module)(name.as_ptr());
            (self.objects.set_attr)(module, attribute.as_ptr(), value);
            (self.objects.dict_set)((self.objects.modules)(), name.as_ptr(), module);
            (self.objects.decref)(module);
            (self.objects.decref)(value);
        }
    }

    /// Calls a method without arguments: the object that is answered, or the text of the exception.
    pub fn call_method(&self, object: Address, name: &CStr) -> Result<Address, String> {
        // SAFETY: see above.
        unsafe {
            let method = (self.objects.get_attr)(object, name.as_ptr());
            let result = if method == 0 { 0 } else { (self.objects.call)(method, 0) };
            (self.objects.decref)(method);
            if result == 0 { Err(self.take_error()) } else { Ok(result) }
        }
    }

    /// `Py_DecRef`.
    pub fn release_object(&self, object: Address) {
        // SAFETY: see above.
        unsafe { (self.objects.decref)(object) };
    }

    /// Calls a function with arguments, which it releases: the integer that is answered (a
    /// truth value is one), 0 for any other object, or the text of the exception.
    pub fn call(&self, function: Address, arguments: &[Address]) -> Result<i64, String> {
        // SAFETY: see above.
        unsafe {
            let tuple = (self.objects.tuple_new)(arguments.len() as isize);
            for (at, &argument) in arguments.iter().enumerate() {
                (self.objects.tuple_set_item)(tuple, at as isize, argument);
            }
            let result = (self.objects.call)(function, tuple);
            (self.objects.decref)(tuple);
            if result == 0 {
                return Err(self.take_error());
            }
            let value = (self.objects.as_long)(result);
            self.clear_error();
            (self.objects.decref)(result);
            Ok(value.max(0))
        }
    }

    /// The text of the exception that was raised, which is cleared.
    pub fn take_error(&self) -> String {
        // SAFETY: see above.
        unsafe {
            let error = (self.objects.raised)();
            let said = self.described(error, self.objects.str);
            self.clear_error();
            (self.objects.decref)(error);
            said
        }
    }
}
