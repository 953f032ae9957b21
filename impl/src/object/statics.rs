//! Static objects: what each interpreter needs, and none of them owns.
//!
//! They are immortal from the start, lie in no heap, and all interpreters of a runtime share
//! them, whatever their GILs are. Aware clients never write to them.

use super::header::{Header, Kind};

/// How many there are.
pub(super) const STATICS: usize = INTS + (LAST_INT - FIRST_INT) as usize + 1;

pub(super) const NONE: usize = 0;
pub(super) const FALSE: usize = 1;
const INTS: usize = 3;
const FIRST_INT: i16 = -5;
const LAST_INT: i16 = 256;

static NONE_KIND: Kind = Kind::of::<()>("NoneType");
static BOOL_KIND: Kind = Kind::of::<()>("bool");
static INT_KIND: Kind = Kind::of::<()>("int");

/// Which of them is this number, if one is?
pub(super) fn int(value: i16) -> Option<usize> {
    (FIRST_INT..=LAST_INT).contains(&value).then(|| INTS + (value - FIRST_INT) as usize)
}

/// Those of a runtime.
pub(crate) struct Statics(Box<[Header]>);

impl Default for Statics {
    fn default() -> Self {
        let kind = |index| match index {
            NONE => &NONE_KIND,
            FALSE..INTS => &BOOL_KIND,
            _ => &INT_KIND,
        };
        Statics((0..STATICS).map(|index| Header::immortal(kind(index))).collect())
    }
}

impl Statics {
    pub(crate) fn get(&self, index: usize) -> Option<&Header> {
        self.0.get(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_place_of_its_own() {
        let ints: Vec<_> = (-10..300).filter_map(int).collect();
        assert_eq!(ints, (INTS..STATICS).collect::<Vec<_>>());
        assert_eq!(Statics::default().0.len(), 1 + 2 + 262);
    }
}
