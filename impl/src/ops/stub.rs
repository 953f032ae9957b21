//! Stands in for the calls of memory, which are being written.
#![allow(missing_docs, clippy::missing_errors_doc)]

use crate::interp::Interp;
use crate::thread::Thread;
use cloister_specs::{Client, Domain, Refusal};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block(usize);
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object(usize);
impl Block {
    pub const fn null() -> Self {
        Block(0)
    }
    pub fn addr(self) -> usize {
        self.0
    }
}
impl Object {
    pub const fn null() -> Self {
        Object(0)
    }
    pub const fn none() -> Self {
        Object(1)
    }
    pub fn addr(self) -> usize {
        self.0
    }
}
impl Thread {
    pub fn malloc(&self, _: Domain, _: usize, _: bool) -> Result<Option<Block>, Refusal> {
        todo!()
    }
    pub fn calloc(&self, _: Domain, _: usize, _: bool) -> Result<Option<Block>, Refusal> {
        todo!()
    }
    pub fn realloc(&self, _: Domain, _: Block, _: usize, _: bool) -> Result<Option<Block>, Refusal> {
        todo!()
    }
    pub fn free(&self, _: Domain, _: Option<Block>) -> Result<(), Refusal> {
        todo!()
    }
    pub fn allocated_blocks(&self, _: Interp) -> Result<usize, Refusal> {
        todo!()
    }
    pub fn global_allocated_blocks(&self) -> Result<i64, Refusal> {
        todo!()
    }
    pub fn object_new(&self, _: bool) -> Result<Option<Object>, Refusal> {
        todo!()
    }
    pub fn set_refcnt(&self, _: Object, _: u32) -> Result<u32, Refusal> {
        todo!()
    }
    pub fn incref(&self, _: Object, _: Client) -> Result<u32, Refusal> {
        todo!()
    }
    pub fn decref(&self, _: Object, _: Client) -> Result<Option<u32>, Refusal> {
        todo!()
    }
    pub fn set_immortal(&self, _: Object) -> Result<u32, Refusal> {
        todo!()
    }
    pub fn clear_immortal(&self, _: Object) -> Result<(), Refusal> {
        todo!()
    }
    pub fn pass_ref(&self, _: Object, _: Interp) -> Result<(), Refusal> {
        todo!()
    }
    pub fn ref_total(&self, _: Interp) -> Result<i64, Refusal> {
        todo!()
    }
    pub fn global_ref_total(&self) -> Result<i64, Refusal> {
        todo!()
    }
}
