//! What there is once.

/// A static: for the process, or in explored mode for the execution.
#[cfg(not(any(feature = "loom", feature = "shuttle")))]
macro_rules! global {
    ($(#[$doc:meta])* pub(crate) static $name:ident: $type:ty = $init:expr;) => {
        $(#[$doc])* pub(crate) static $name: $type = $init;
    };
    ($(#[$doc:meta])* static $name:ident: $type:ty = $init:expr;) => {
        $(#[$doc])* static $name: $type = $init;
    };
}

#[cfg(any(feature = "loom", feature = "shuttle"))]
macro_rules! global {
    ($(#[$doc:meta])* pub(crate) static $name:ident: $type:ty = $init:expr;) => {
        $crate::sync::backend::lazy_static! { $(#[$doc])* pub(crate) static ref $name: $type = $init; }
    };
    ($(#[$doc:meta])* static $name:ident: $type:ty = $init:expr;) => {
        $crate::sync::backend::lazy_static! { $(#[$doc])* static ref $name: $type = $init; }
    };
}

pub(crate) use global;
