//! A fast runtime of isolated interpreters.
