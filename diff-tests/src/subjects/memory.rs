//! Blocks and objects: calls by handles, how a thread of one build of the implementation
//! performs them, and which slots the handles stand for.

/// Defines all of it for one build, in a module of its own.
macro_rules! memory {
    ($build:ident) => {
        mod memory {
            use super::super::heaps::Held;
            use cloister_model::{BLOCKS, OBJECTS};
            use cloister_specs::{BlockId, Client, Domain, NONE, ObjectId, Op, Refusal, Reply};
            use $build::{Block, Interp, Object, Thread};

            /// A call by handles.
            #[derive(Clone, Copy, Debug)]
            pub(super) enum Call {
                Malloc { domain: Domain, size: u16, fails: bool },
                Calloc { domain: Domain, size: u16, fails: bool },
                Realloc { domain: Domain, block: Block, size: u16, fails: bool },
                Free { domain: Domain, block: Option<Block> },
                AllocatedBlocks(Interp),
                GlobalAllocatedBlocks,
                New { fails: bool },
                SetRefCnt(Object, u32),
                IncRef(Object, Client),
                DecRef(Object, Client),
                SetImmortal(Object),
                ClearImmortal(Object),
                PassRef(Object, Interp),
                RefTotal(Interp),
                GlobalRefTotal,
            }

            /// An answer by handles.
            #[derive(Clone, Copy, Debug)]
            pub(super) enum Answer {
                Done,
                Block(Option<Block>),
                Object(Option<Object>),
                Count(i64),
                RefCnt(u32),
                Deallocated,
            }

            /// Lets this thread make the call.
            pub(super) fn perform(thread: &Thread, call: Call) -> Result<Answer, Refusal> {
                let done = |()| Answer::Done;
                match call {
                    Call::Malloc { domain, size, fails } => {
                        thread.malloc(domain, size.into(), fails).map(Answer::Block)
                    }
                    Call::Calloc { domain, size, fails } => {
                        thread.calloc(domain, size.into(), fails).map(Answer::Block)
                    }
                    Call::Realloc { domain, block, size, fails } => {
                        thread.realloc(domain, block, size.into(), fails).map(Answer::Block)
                    }
                    Call::Free { domain, block } => thread.free(domain, block).map(done),
                    Call::AllocatedBlocks(i) => thread.allocated_blocks(i).map(|n| Answer::Count(n as i64)),
                    Call::GlobalAllocatedBlocks => thread.global_allocated_blocks().map(Answer::Count),
                    Call::New { fails } => thread.object_new(fails).map(Answer::Object),
                    Call::SetRefCnt(o, count) => thread.set_refcnt(o, count).map(Answer::RefCnt),
                    Call::IncRef(o, client) => thread.incref(o, client).map(Answer::RefCnt),
                    Call::DecRef(o, client) => {
                        let left = thread.decref(o, client)?;
                        Ok(left.map_or(Answer::Deallocated, Answer::RefCnt))
                    }
                    Call::SetImmortal(o) => thread.set_immortal(o).map(Answer::RefCnt),
                    Call::ClearImmortal(o) => thread.clear_immortal(o).map(|()| Answer::Deallocated),
                    Call::PassRef(o, to) => thread.pass_ref(o, to).map(done),
                    Call::RefTotal(i) => thread.ref_total(i).map(Answer::Count),
                    Call::GlobalRefTotal => thread.global_ref_total().map(Answer::Count),
                }
            }

            /// The slots of blocks and objects.
            #[derive(Debug)]
            pub(super) struct Memory {
                blocks: [Held<Block>; BLOCKS],
                objects: [Held<Object>; OBJECTS],
            }

            impl Memory {
                pub(super) fn new() -> Memory {
                    let mut objects = [const { Held::nothing(Object::null()) }; OBJECTS];
                    objects[NONE.index()] = Held::forever(Object::none());
                    Memory { blocks: [const { Held::nothing(Block::null()) }; BLOCKS], objects }
                }

                /// The call of an operation by a thread that works in this heap, if it is one of memory.
                pub(super) fn call(
                    &self,
                    op: &Op,
                    heap: Option<u64>,
                    interp: impl Fn(cloister_specs::InterpId) -> Interp,
                ) -> Option<Call> {
                    let block = |b: BlockId| {
                        self.blocks
                            .get(b.index())
                            .map_or(Block::null(), |held| held.handle(heap, Block::null()))
                    };
                    let object = |o: ObjectId| {
                        self.objects
                            .get(o.index())
                            .map_or(Object::null(), |held| held.handle(heap, Object::null()))
                    };
                    Some(match *op {
                        Op::Malloc { domain, size, fails } => Call::Malloc { domain, size, fails },
                        Op::Calloc { domain, size, fails } => Call::Calloc { domain, size, fails },
                        Op::Realloc { domain, block: b, size, fails } => {
                            Call::Realloc { domain, block: block(b), size, fails }
                        }
                        Op::Free { domain, block: b } => Call::Free { domain, block: b.map(block) },
                        Op::AllocatedBlocks(i) => Call::AllocatedBlocks(interp(i)),
                        Op::GlobalAllocatedBlocks => Call::GlobalAllocatedBlocks,
                        Op::ObjectNew { fails } => Call::New { fails },
                        Op::SetRefCnt { object: o, count } => Call::SetRefCnt(object(o), count),
                        Op::IncRef { object: o, client } => Call::IncRef(object(o), client),
                        Op::DecRef { object: o, client } => Call::DecRef(object(o), client),
                        Op::SetImmortal(o) => Call::SetImmortal(object(o)),
                        Op::ClearImmortal(o) => Call::ClearImmortal(object(o)),
                        Op::PassRef { object: o, to } => Call::PassRef(object(o), interp(to)),
                        Op::RefTotal(i) => Call::RefTotal(interp(i)),
                        Op::GlobalRefTotal => Call::GlobalRefTotal,
                        _ => return None,
                    })
                }

                /// The reply to an operation, of a thread that works in this heap.
                pub(super) fn reply(
                    &mut self,
                    op: &Op,
                    answer: Answer,
                    heap: Option<u64>,
                ) -> Result<Reply, String> {
                    Ok(match (*op, answer) {
                        (Op::Free { block: Some(b), .. }, Answer::Done) => {
                            self.blocks[b.index()].live = false;
                            Reply::Done
                        }
                        (Op::Realloc { block: b, .. }, Answer::Block(Some(block))) => {
                            let domain_heap = self.blocks[b.index()].heap;
                            Held::place(&mut self.blocks, Some(b.index()), block, domain_heap, |b| b.addr())?;
                            Reply::Block(Some(b))
                        }
                        (
                            Op::Malloc { domain, .. } | Op::Calloc { domain, .. },
                            Answer::Block(Some(block)),
                        ) => {
                            let heap = heap.filter(|_| domain != Domain::Raw);
                            let slot = Held::place(&mut self.blocks, None, block, heap, |b| b.addr())?;
                            Reply::Block(Some(BlockId(slot as u8)))
                        }
                        (_, Answer::Object(Some(object))) => {
                            let slot = Held::place(&mut self.objects, None, object, heap, |o| o.addr())?;
                            Reply::Object(Some(ObjectId(slot as u8)))
                        }
                        (Op::DecRef { object: o, .. } | Op::ClearImmortal(o), Answer::Deallocated) => {
                            self.objects[o.index()].live = false;
                            Reply::Deallocated
                        }
                        (_, Answer::Block(block)) => Reply::Block(block.map(|_| BlockId(u8::MAX))),
                        (_, Answer::Object(None)) => Reply::Object(None),
                        (_, Answer::Done) => Reply::Done,
                        (_, Answer::Deallocated) => Reply::Deallocated,
                        (_, Answer::RefCnt(count)) => Reply::RefCnt(count.into()),
                        (_, Answer::Count(count)) => {
                            Reply::Count(count.try_into().map_err(|_| format!("{count} is no count"))?)
                        }
                    })
                }

                /// Only these heaps are there still.
                pub(super) fn retain(&mut self, still: impl Fn(u64) -> bool) {
                    self.blocks.iter_mut().for_each(|held| held.retain(&still));
                    self.objects.iter_mut().for_each(|held| held.retain(&still));
                }
            }
        }
    };
}

pub(super) use memory;
