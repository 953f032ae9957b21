//! What lies where: headers, field by field.
//!
//! ```
//! use cloister::layout;
//!
//! let header = layout::all().into_iter().find(|one| one.name == "header of an object").unwrap();
//! assert_eq!((header.size, header.fields[0].name, header.fields[0].size), (16, "count", 4));
//! ```

/// A field of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// What it is called.
    pub name: &'static str,
    /// How far behind the beginning of the type, in bytes.
    pub offset: usize,
    /// How large, in bytes.
    pub size: usize,
}

/// A type that lies in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// What it is.
    pub name: &'static str,
    /// How large, in bytes.
    pub size: usize,
    /// What its address is a multiple of.
    pub align: usize,
    /// Every field, by offset.
    pub fields: Vec<Field>,
}

impl Layout {
    pub(crate) fn new<T>(name: &'static str, mut fields: Vec<Field>) -> Layout {
        fields.sort_unstable_by_key(|field| field.offset);
        Layout { name, size: size_of::<T>(), align: align_of::<T>(), fields }
    }
}

/// How large a field is that this picks.
pub(crate) const fn size_of_picked<T, F>(_: fn(&T) -> &F) -> usize {
    size_of::<F>()
}

/// The layout of a type, every field of which has to be given.
macro_rules! layout {
    ($name:literal, $type:ident { $($field:ident),+ $(,)? }) => {{
        let _every = |whole: &$type| {
            let $type { $($field: _),+ } = whole;
        };
        $crate::layout::Layout::new::<$type>(
            $name,
            vec![$($crate::layout::Field {
                name: stringify!($field),
                offset: std::mem::offset_of!($type, $field),
                size: $crate::layout::size_of_picked::<$type, _>(|whole| &whole.$field),
            }),+],
        )
    }};
}
pub(crate) use layout;

/// Those of an object and of a heap.
pub fn all() -> Vec<Layout> {
    let mut all = vec![crate::object::Header::layout()];
    all.extend(crate::heap::layouts());
    all
}
