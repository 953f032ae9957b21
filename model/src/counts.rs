//! What a reference count means: pure functions of counts.

use cloister_specs::Client;

use crate::design::Immortality;

/// The lowest bit of a count that 32 bits are not enough for.
const TOO_LARGE: u64 = 1 << 32;
/// The first count whose lower half is negative.
const NEGATIVE: u64 = 1 << 31;

/// The count that makes an object immortal.
pub const fn immortal(how: Immortality) -> u64 {
    match how {
        Immortality::Equality32 => 0x3fff_ffff,
        Immortality::Sign64 => 0xffff_ffff,
        // In the middle of the immortal half: 2^30 unaware steps lead to neither end.
        Immortality::Sticky => 0xc000_0000,
    }
}

/// Is an object with this count immortal?
pub const fn is_immortal(how: Immortality, count: u64) -> bool {
    match how {
        Immortality::Equality32 => count == immortal(how),
        Immortality::Sign64 | Immortality::Sticky => count & NEGATIVE != 0,
    }
}

/// What an aware client makes of a count that it takes for immortal: far from the middle of the
/// immortal half it goes back there, so that it is 2^29 unaware steps from either end at least.
const fn settled(count: u64) -> u64 {
    //= specs/rules/ref.md#ref-6
    //# An aware client MUST NOT change the count of an immortal object, but back to the one that
    //# SetImmortal gives.
    //= specs/rules/ref.md#ref-7
    //# An object that an aware client has taken for immortal MUST stay immortal, whoever counts, until
    //# ClearImmortal.
    if 0xa000_0000 <= count && count < 0xe000_0000 { count } else { immortal(Immortality::Sticky) }
}

/// The count after one more reference.
pub const fn incref(how: Immortality, client: Client, count: u64) -> u64 {
    match (how, client) {
        (Immortality::Sign64, Client::Unaware) => count.wrapping_add(1),
        (Immortality::Equality32 | Immortality::Sticky, Client::Unaware) => (count + 1) % TOO_LARGE,
        (Immortality::Equality32, Client::Aware) => {
            if is_immortal(how, count) {
                count
            } else {
                count + 1
            }
        }
        // Only the lower half is written, unless it would become 0.
        (Immortality::Sign64, Client::Aware) => {
            if count % TOO_LARGE == TOO_LARGE - 1 {
                count
            } else {
                count + 1
            }
        }
        (Immortality::Sticky, Client::Aware) => {
            if is_immortal(how, count) || is_immortal(how, count + 1) {
                settled(count)
            } else {
                count + 1
            }
        }
    }
}

/// The count after one reference less.
pub const fn decref(how: Immortality, client: Client, count: u64) -> u64 {
    match (how, client) {
        (Immortality::Sign64, Client::Unaware) => count.wrapping_sub(1),
        (Immortality::Equality32 | Immortality::Sticky, Client::Unaware) => {
            (count + TOO_LARGE - 1) % TOO_LARGE
        }
        (Immortality::Equality32 | Immortality::Sign64, Client::Aware) => {
            if is_immortal(how, count) {
                count
            } else {
                count.wrapping_sub(1)
            }
        }
        (Immortality::Sticky, Client::Aware) => {
            if is_immortal(how, count) {
                settled(count)
            } else {
                count.wrapping_sub(1)
            }
        }
    }
}

/// The count after `Py_SET_REFCNT`.
pub const fn set(how: Immortality, count: u64, to: u32) -> u64 {
    let to = to as u64;
    match how {
        Immortality::Equality32 | Immortality::Sign64 => {
            if is_immortal(how, count) {
                count
            } else {
                to
            }
        }
        Immortality::Sticky => {
            if is_immortal(how, count) || is_immortal(how, to) {
                immortal(how)
            } else {
                to
            }
        }
    }
}
