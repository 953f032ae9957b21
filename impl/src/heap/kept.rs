//! How many arenas without a pool in use a heap keeps.
//!
//! A page that comes from the system costs more than all the blocks that it is used for, so an
//! arena that will be needed again had better stay; but what was needed once should not stay for
//! ever. So a heap keeps one at first, as CPython does, and one more for each that it has given
//! back and needs again, up to [`KEPT`]. Now and then it looks how many were not needed at all
//! since it last did, and keeps so many less.

/// How many arenas without a pool in use a heap keeps at most, unless it is told otherwise.
pub const KEPT: usize = 64;

/// How many it keeps before it has learned anything.
const FEW: usize = 1;

/// So many pools it takes between two looks: a GiB of them.
const WINDOW: u32 = 1 << 16;

/// How many are kept, and what that is learned from.
pub(super) struct Kept {
    now: usize,
    least: usize,
    most: usize,
    /// How many arenas there were at most since the last look.
    peak: usize,
    /// How many had no pool in use at least since then.
    spare: usize,
    /// Pools taken since then.
    taken: u32,
}

impl Kept {
    pub(super) const fn new() -> Self {
        Kept { now: FEW, least: FEW, most: KEPT, peak: 0, spare: usize::MAX, taken: 0 }
    }

    /// So many from now on, whatever happens.
    pub(super) fn fix(&mut self, arenas: usize) {
        (self.now, self.least, self.most) = (arenas, arenas, arenas);
    }

    /// How many may stay.
    pub(super) fn now(&self) -> usize {
        self.now
    }

    /// An arena was mapped; there are so many with it.
    pub(super) fn mapped(&mut self, arenas: usize) {
        if arenas > self.peak {
            self.peak = arenas;
        } else {
            self.now = self.most.min(self.now + 1);
        }
    }

    /// A pool was taken; so many arenas there are, and so many of them without a pool in use.
    pub(super) fn taken(&mut self, arenas: usize, empty: usize) {
        self.spare = self.spare.min(empty);
        self.taken += 1;
        if self.taken == WINDOW {
            self.now = self.least.max(self.now.saturating_sub(self.spare));
            (self.peak, self.spare, self.taken) = (arenas, usize::MAX, 0);
        }
    }

    /// All of them were given back, and not because they were too many: there are so many still.
    pub(super) fn forget(&mut self, arenas: usize) {
        *self = Kept { now: self.least, peak: arenas, ..*self };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goes up to so many arenas and down again, as a heap does with each; the pools that are
    /// taken are those of the arenas. How many had to be mapped.
    fn round(kept: &mut Kept, empty: &mut usize, arenas: usize) -> usize {
        let mut mapped = 0;
        for used in 0..arenas {
            if *empty == 0 {
                mapped += 1;
                kept.mapped(used + 1);
                *empty = 1;
            }
            *empty -= 1;
            (0..63).for_each(|_| kept.taken(used + 1 + *empty, *empty));
        }
        *empty = kept.now().min(arenas);
        mapped
    }

    #[test]
    fn what_is_needed_twice_is_kept_and_no_more() {
        let (mut kept, mut empty) = (Kept::new(), 0);
        assert_eq!((round(&mut kept, &mut empty, 46), empty), (46, 1));
        assert_eq!((round(&mut kept, &mut empty, 46), empty), (45, 46));
        for _ in 0..100 {
            assert_eq!((round(&mut kept, &mut empty, 46), empty), (0, 46));
        }
        assert_eq!((round(&mut kept, &mut empty, 100), empty), (54, 46), "these are new");
        assert_eq!((round(&mut kept, &mut empty, 100), empty), (54, KEPT));
    }

    #[test]
    fn what_is_not_needed_for_long_is_given_back() {
        let (mut kept, mut empty) = (Kept::new(), 0);
        (0..2).for_each(|_| _ = round(&mut kept, &mut empty, 46));
        let mut rounds = 0;
        while kept.now() > 10 {
            assert_eq!(round(&mut kept, &mut empty, 10), 0);
            empty = kept.now();
            rounds += 1;
        }
        // One look, at which there had been a peak in between, and another.
        assert!((WINDOW..=2 * WINDOW + 630).contains(&(rounds * 630)), "{rounds}");
        assert_eq!((kept.now(), round(&mut kept, &mut empty, 10)), (10, 0));
    }

    #[test]
    fn a_fixed_number_is_not_learned_from() {
        let (mut kept, mut empty) = (Kept::new(), 0);
        kept.fix(3);
        for _ in 0..100 {
            round(&mut kept, &mut empty, 46);
            assert_eq!(empty, 3);
        }
    }

    #[test]
    fn who_gives_all_back_begins_anew() {
        let (mut kept, mut empty) = (Kept::new(), 0);
        (0..2).for_each(|_| _ = round(&mut kept, &mut empty, 46));
        kept.forget(0);
        assert_eq!((kept.now(), round(&mut kept, &mut 0, 46), kept.now()), (FEW, 46, FEW));
    }
}
