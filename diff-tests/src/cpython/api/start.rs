//! How CPython is initialized.

use super::Api;
use libloading::os::unix::Symbol;
use std::ffi::c_int;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

impl Api {
    /// `Py_InitializeEx(0)`: isolated from the environment, without `site` and signal handlers.
    pub fn initialize(&self, path: &Path) -> Result<(), String> {
        for flag in
            [c"Py_NoSiteFlag", c"Py_IsolatedFlag", c"Py_IgnoreEnvironmentFlag", c"Py_NoUserSiteDirectory"]
        {
            // SAFETY: these are `int` variables.
            let at = unsafe { self.library.get::<*mut c_int>(flag.to_bytes_with_nul()) }
                .map_err(|e| e.to_string())?;
            // SAFETY: as above; nobody else runs.
            unsafe { **at = 1 };
        }
        self.set_home(path)?;
        // SAFETY: as for the other calls; it does nothing if CPython is initialized.
        unsafe { (self.f.initialize)(0) };
        Ok(())
    }

    /// Tells CPython where its standard library is, when it is beside the library.
    fn set_home(&self, path: &Path) -> Result<(), String> {
        let Some(prefix) = path.ancestors().skip(1).find(|dir| {
            ["3.12", "3.13"].iter().any(|v| dir.join("lib").join(format!("python{v}")).join("os.py").exists())
        }) else {
            return Ok(());
        };
        let mut wide: Vec<libc::wchar_t> =
            prefix.as_os_str().as_bytes().iter().map(|&b| libc::wchar_t::from(b)).collect();
        wide.push(0);
        // SAFETY: `void Py_SetPythonHome(const wchar_t *)`.
        let set: Symbol<unsafe extern "C" fn(*const libc::wchar_t)> =
            unsafe { self.library.get(c"Py_SetPythonHome".to_bytes_with_nul()) }
                .map_err(|e| e.to_string())?;
        // SAFETY: the string lives as long as the process, as the call demands.
        unsafe { set(wide.leak().as_ptr()) };
        Ok(())
    }
}
