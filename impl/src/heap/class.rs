//! Size classes: which blocks there are.

/// Every block is aligned to this, and its size is a multiple of it.
pub const ALIGNMENT: usize = 16;

/// How many size classes there are.
pub const CLASSES: usize = 32;

/// The largest request that gets a block of a pool.
pub const LARGEST: usize = ALIGNMENT * CLASSES;

/// The class of a request; none if it is 0, or too large for a pool.
#[inline]
pub(super) fn of(size: usize) -> Option<usize> {
    let class = size.wrapping_sub(1) / ALIGNMENT;
    (class < CLASSES).then_some(class)
}

/// How large a block of a class is.
#[inline]
pub(super) const fn size_of(class: usize) -> usize {
    (class + 1) * ALIGNMENT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_the_least_that_holds_the_request() {
        for size in 1..=LARGEST {
            let class = of(size).unwrap();
            assert!((size..size + ALIGNMENT).contains(&size_of(class)), "{size}");
        }
        assert_eq!([0, LARGEST + 1, usize::MAX].map(of), [None; 3]);
    }
}
