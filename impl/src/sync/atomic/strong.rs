//! loom's atomics, sequentially consistent where that is asked for.
//!
//! loom takes `SeqCst` for `AcqRel` where it is asked of an access, and for what it is where
//! it is asked of a fence. So here an access has a fence at its side, after a write and
//! before a read, and loom sees no run that C11 forbids.

use loom::sync::atomic::{self, Ordering, fence};
use std::ops::Deref;

fn fence_beside(order: Ordering) {
    if order == Ordering::SeqCst {
        fence(Ordering::SeqCst);
    }
}

macro_rules! strong {
    ($($name:ident($value:ty);)+) => {$(
        /// Only what may be sequentially consistent is defined here; the rest is loom's.
        #[derive(Debug, Default)]
        pub(crate) struct $name(atomic::$name);

        impl $name {
            pub(crate) fn load(&self, order: Ordering) -> $value {
                fence_beside(order);
                self.0.load(order)
            }

            pub(crate) fn store(&self, value: $value, order: Ordering) {
                self.0.store(value, order);
                fence_beside(order);
            }

            #[allow(dead_code, reason = "not every one of them is exchanged")]
            pub(crate) fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                fence_beside(success);
                let result = self.0.compare_exchange(current, new, success, failure);
                fence_beside(if result.is_ok() { success } else { failure });
                result
            }
        }

        impl Deref for $name {
            type Target = atomic::$name;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }
    )+};
}

strong! {
    AtomicBool(bool);
    AtomicI64(i64);
    AtomicU8(u8);
    AtomicU32(u32);
    AtomicU64(u64);
    AtomicUsize(usize);
}
