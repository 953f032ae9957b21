//! Exports the functions that `cpython::interpose`, `os_threads` and `waited` put in place
//! of libc's, so that a libpython that is loaded at run time calls them.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") {
        return;
    }
    for symbol in [
        "pthread_mutex_unlock",
        "pthread_cond_wait",
        "pthread_cond_timedwait",
        "pthread_cond_signal",
        "pthread_create",
        "pthread_detach",
        "pthread_exit",
        "sem_wait",
        "sem_post",
    ] {
        println!("cargo:rustc-link-arg-bins=-Wl,--export-dynamic-symbol={symbol}");
    }
}
