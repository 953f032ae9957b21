//! What a count means: pure functions of 32 bits.
//!
//! Bit 31 says that the object is *immortal*. Who is *aware* of that leaves such a count alone,
//! and so no two threads that only count ever write to the same immortal object. Who is
//! *unaware*, compiled before there were immortal objects, adds 1 and subtracts 1 whatever the
//! count is. [`IMMORTAL`] is in the middle of the immortal half, 2^30 such steps from either
//! end; an aware client that meets a count which has come near an end puts it back there.

/// The count that makes an object immortal.
pub const IMMORTAL: u32 = 0xc000_0000;

/// Is an object with this count immortal?
#[inline]
pub const fn is_immortal(count: u32) -> bool {
    (count as i32) < 0
}

/// Is this so far from both ends of the immortal half that it can stay as it is?
#[inline]
pub(super) const fn is_settled(count: u32) -> bool {
    count.wrapping_sub(0xa000_0000) < 0x4000_0000
}

/// What an aware client makes of a count that is not to be changed by 1.
//= specs/rules/ref.md#ref-6
//# An aware client MUST NOT change the count of an immortal object, but back to the one that
//# SetImmortal gives.
//= specs/rules/ref.md#ref-7
//# An object that an aware client has taken for immortal MUST stay immortal, whoever counts, until
//# ClearImmortal.
#[inline]
const fn settled(count: u32) -> u32 {
    if is_settled(count) { count } else { IMMORTAL }
}

/// The count after one more reference, if that is all there is to it: the object is not immortal
/// and does not become so.
#[inline]
pub(super) const fn more(count: u32) -> Option<u32> {
    let new = count.wrapping_add(1);
    // 0 comes from the last immortal count alone.
    if new as i32 > 0 { Some(new) } else { None }
}

/// The count after one reference less, if that is all there is to it.
#[inline]
pub(super) const fn less(count: u32) -> Option<u32> {
    if is_immortal(count) { None } else { Some(count.wrapping_sub(1)) }
}

/// `Py_INCREF`: the count after one more reference.
#[inline]
pub const fn incref(count: u32) -> u32 {
    match more(count) {
        Some(new) => new,
        None => settled(count),
    }
}

/// `Py_DECREF`: the count after one reference less.
#[inline]
pub const fn decref(count: u32) -> u32 {
    match less(count) {
        Some(new) => new,
        None => settled(count),
    }
}

/// The count after one more reference of an unaware client.
#[inline]
pub const fn incref_unaware(count: u32) -> u32 {
    count.wrapping_add(1)
}

/// The count after one reference less of an unaware client.
#[inline]
pub const fn decref_unaware(count: u32) -> u32 {
    count.wrapping_sub(1)
}

/// `Py_SET_REFCNT`: the count `now` when it is to be set `to` another.
#[inline]
pub const fn set(now: u32, to: u32) -> u32 {
    if is_immortal(now) || is_immortal(to) { IMMORTAL } else { to }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Around every place where something changes.
    fn interesting() -> impl Iterator<Item = u32> {
        let edges = [0, 1 << 30, 1 << 31, 0xa000_0000, IMMORTAL, 0xe000_0000, u32::MAX];
        let near = edges
            .into_iter()
            .flat_map(|edge: u32| (0..=4).map(move |n| edge.wrapping_add(n).wrapping_sub(2)));
        near.chain((0..1 << 12).map(|n| n << 20 | n))
    }

    #[test]
    fn a_mortal_count_goes_up_and_down_by_one() {
        for count in interesting().filter(|count| (1..0x7fff_ffff).contains(count)) {
            assert_eq!((incref(count), decref(count)), (count + 1, count - 1));
            assert_eq!(decref(incref(count)), count);
        }
    }

    #[test]
    fn an_immortal_count_far_from_the_ends_stays() {
        let far = interesting().filter(|count| (0xa000_0000..0xe000_0000).contains(count));
        for count in far {
            assert_eq!((incref(count), decref(count)), (count, count));
        }
    }

    #[test]
    fn an_immortal_count_near_an_end_is_put_back() {
        let near = (1_u32 << 31..0xa000_0000).chain(0xe000_0000..=u32::MAX);
        for count in near.step_by(4099).chain([1 << 31, 0x9fff_ffff, 0xe000_0000, u32::MAX]) {
            assert_eq!((incref(count), decref(count)), (IMMORTAL, IMMORTAL), "{count:#x}");
        }
    }

    #[test]
    fn the_largest_mortal_count_becomes_immortal() {
        assert_eq!(incref(0x7fff_ffff), IMMORTAL);
        assert_eq!(decref(0x7fff_ffff), 0x7fff_fffe);
    }

    #[test]
    fn an_unaware_client_counts_round_and_round() {
        for count in interesting() {
            assert_eq!(decref_unaware(incref_unaware(count)), count);
            assert_eq!(incref_unaware(count).wrapping_sub(count), 1);
        }
        assert_eq!((incref_unaware(u32::MAX), decref_unaware(0)), (0, u32::MAX));
    }

    #[test]
    fn what_is_immortal_stays_so_whatever_it_is_set_to() {
        assert_eq!(set(1, 7), 7);
        for (now, to) in [(IMMORTAL, 1), (u32::MAX, 1), (1, 1 << 31), (1, u32::MAX)] {
            assert_eq!(set(now, to), IMMORTAL);
        }
    }

    /// All that two clients can do to what is immortal: it stays so while fewer than 2^29 unaware
    /// steps come between two aware ones.
    #[test]
    fn unaware_steps_do_not_kill_what_aware_clients_visit() {
        const STEPS: u32 = (1 << 29) - 1;
        for start in interesting().filter(|count| is_immortal(*count)) {
            for aware in [incref, decref] {
                let count = aware(start);
                assert!(is_immortal(count.wrapping_add(STEPS)) && is_immortal(count.wrapping_sub(STEPS)));
            }
        }
    }
}
