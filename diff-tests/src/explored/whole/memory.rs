//! Blocks, objects and counts, beside the calls that the model is told.
//!
//! The GIL guards what these touch, and nothing of it is in the trace. What must hold instead is
//! told by the *books* of the threads: a count is what they have made and not freed, and an object
//! has as many references as they hold. A thread writes into the books while it still has the GIL
//! that it called with, and who counts has every GIL, so what is counted is what is in the books.

use super::worker::Worker;
use cloister_shuttled::{Block, Interp, Object, count};
use cloister_specs::{Client, Domain};

/// What the threads have made of memory.
#[derive(Default)]
pub(super) struct Books {
    blocks: Vec<Block>,
    /// Objects, and how many references there are.
    objects: Vec<(Object, u32)>,
    /// Blocks made and not freed, objects among them, of ended heaps too.
    live: i64,
    /// References taken and not given back.
    refs: i64,
    /// How often something was written here.
    changes: u64,
}

impl Books {
    fn write(&mut self, blocks: i64, refs: i64) {
        self.live += blocks;
        self.refs += refs;
        self.changes += 1;
    }
}

/// Requests: some for a pool, some for the system's allocator.
const SIZES: [usize; 5] = [16, 48, 512, 513, 4_000];

impl Worker<'_> {
    /// Now and then uses memory, if something is current.
    pub fn use_memory(&mut self) {
        if self.thread.current().is_none() || self.memory.bool() {
            return;
        }
        match self.memory.u8(0..12) {
            0..2 => self.malloc(),
            2 => self.realloc(),
            3 => self.free(),
            4 | 5 => self.new_object(),
            6 => self.incref(),
            7 => self.decref(),
            8 => self.incref_none(),
            _ => self.count_memory(),
        }
    }

    fn books<R>(&self, write: impl FnOnce(&mut Books) -> R) -> R {
        write(&mut self.world.known().books)
    }

    fn size(&mut self) -> usize {
        SIZES[self.memory.usize(..SIZES.len())]
    }

    fn block(&mut self) -> Option<Block> {
        let blocks = self.books(|books| books.blocks.clone());
        self.memory.choice(blocks)
    }

    fn malloc(&mut self) {
        let size = self.size();
        if let Ok(Some(block)) = self.thread.malloc(Domain::Obj, size, false) {
            self.books(|books| {
                books.blocks.push(block);
                books.write(1, 0);
            });
        }
    }

    fn realloc(&mut self) {
        let (Some(old), size) = (self.block(), self.size()) else { return };
        if let Ok(Some(new)) = self.thread.realloc(Domain::Obj, old, size, false) {
            self.books(|books| {
                books.blocks.retain(|block| *block != old);
                books.blocks.push(new);
                books.write(0, 0);
            });
        }
    }

    fn free(&mut self) {
        let Some(block) = self.block() else { return };
        if self.thread.free(Domain::Obj, Some(block)).is_ok() {
            self.books(|books| {
                books.blocks.retain(|other| *other != block);
                books.write(-1, 0);
            });
        }
    }

    fn new_object(&mut self) {
        if let Ok(Some(object)) = self.thread.object_new(false) {
            self.books(|books| {
                books.objects.push((object, 1));
                books.write(1, 1);
            });
        }
    }

    fn object(&mut self) -> Option<Object> {
        let objects = self.books(|books| books.objects.clone());
        self.memory.choice(objects).map(|(object, _)| object)
    }

    fn incref(&mut self) {
        let Some(object) = self.object() else { return };
        if let Ok(count) = self.thread.incref(object, Client::Aware) {
            let known = self.books(|books| {
                books.write(0, 1);
                let known = books.objects.iter_mut().find(|(other, _)| *other == object);
                known.map(|(_, refs)| {
                    *refs += 1;
                    *refs
                })
            });
            if known != Some(count) {
                self.world.wrong(format!("an object has {count} references, and {known:?} were taken"));
            }
        }
    }

    fn decref(&mut self) {
        let Some(object) = self.object() else { return };
        if let Ok(count) = self.thread.decref(object, Client::Aware) {
            let left = self.books(|books| {
                let place = books.objects.iter().position(|(other, _)| *other == object);
                books.write(-i64::from(count.is_none()), -1);
                place.map(|place| {
                    books.objects[place].1 -= 1;
                    let left = books.objects[place].1;
                    if count.is_none() {
                        books.objects.swap_remove(place);
                    }
                    left
                })
            });
            if left != Some(count.unwrap_or(0)) {
                self.world.wrong(format!("an object has {count:?} references left, and {left:?} are held"));
            }
        }
    }

    fn incref_none(&mut self) {
        if let Ok(count) = self.thread.incref(Object::none(), Client::Aware)
            && count != count::IMMORTAL
        {
            self.world.wrong(format!("the count of None was written: {count}"));
        }
    }

    /// Counts; compared with the books if nobody wrote into them meanwhile.
    fn count_memory(&mut self) {
        let interps = self.world.known().interps.clone();
        let interp = self.memory.choice(interps).unwrap_or_else(Interp::null);
        let _ = self.thread.allocated_blocks(interp);
        let before = self.books(|books| books.changes);
        let blocks = self.thread.global_allocated_blocks();
        let (live, refs, same) = self.books(|books| (books.live, books.refs, books.changes == before));
        self.compare("blocks", blocks.ok().filter(|_| same), live);
        let total = self.thread.global_ref_total();
        let same = self.books(|books| books.changes == before);
        self.compare("references", total.ok().filter(|_| same), refs);
    }

    fn compare(&self, what: &str, counted: Option<i64>, known: i64) {
        let Some(counted) = counted else { return };
        self.world.known().accounts.counted += 1;
        if counted != known {
            self.world.wrong(format!("{counted} {what} were counted, and there are {known}"));
        }
    }
}
