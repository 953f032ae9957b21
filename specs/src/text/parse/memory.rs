//! Reading calls that allocate, free and count.

use super::super::Problem;
use super::super::cursor::Cursor;
use super::wrong_arguments;
use crate::{BlockId, Client, Domain, ObjectId, Op, OpKind};

impl Cursor<'_> {
    /// The call of this kind, behind its parenthesis, if it is one of memory.
    pub(super) fn memory_op(&mut self, kind: OpKind) -> Result<Op, Problem> {
        Ok(match kind {
            OpKind::Malloc => {
                let (domain, size, fails) = (self.domain()?, self.size()?, self.option("fails")?);
                Op::Malloc { domain, size, fails }
            }
            OpKind::Calloc => {
                let (domain, size, fails) = (self.domain()?, self.size()?, self.option("fails")?);
                Op::Calloc { domain, size, fails }
            }
            OpKind::Realloc => {
                let (domain, block) = (self.domain()?, self.second_block()?);
                Op::Realloc { domain, block, size: self.size()?, fails: self.option("fails")? }
            }
            OpKind::Free => {
                let domain = self.domain()?;
                let mut ahead = Cursor { rest: self.rest };
                if ahead.eat(",") && ahead.keyword("NULL") {
                    self.rest = ahead.rest;
                    return Ok(Op::Free { domain, block: None });
                }
                Op::Free { domain, block: Some(self.second_block()?) }
            }
            OpKind::AllocatedBlocks => Op::AllocatedBlocks(self.interp()?),
            OpKind::RefTotal => Op::RefTotal(self.interp()?),
            OpKind::ObjectNew if self.keyword("fails") => Op::ObjectNew { fails: true },
            OpKind::SetRefCnt => {
                let object = self.object()?;
                self.token(",", "`,` and how many references")?;
                Op::SetRefCnt { object, count: self.number("how many references")? }
            }
            OpKind::IncRef => Op::IncRef { object: self.object()?, client: self.client()? },
            OpKind::DecRef => Op::DecRef { object: self.object()?, client: self.client()? },
            OpKind::SetImmortal => Op::SetImmortal(self.object()?),
            OpKind::ClearImmortal => Op::ClearImmortal(self.object()?),
            OpKind::PassRef => {
                let object = self.object()?;
                self.token(",", "`,` and the number of an interpreter")?;
                Op::PassRef { object, to: self.interp()? }
            }
            _ => return Err(wrong_arguments(kind)),
        })
    }

    fn domain(&mut self) -> Result<Domain, Problem> {
        match Domain::ALL.into_iter().find(|domain| self.keyword(domain.name())) {
            Some(domain) => Ok(domain),
            None => self.expected("a domain: raw, mem or obj"),
        }
    }

    fn size(&mut self) -> Result<u16, Problem> {
        self.token(",", "`,` and a number of bytes")?;
        self.number("a number of bytes, 0 to 65535")
    }

    fn second_block(&mut self) -> Result<BlockId, Problem> {
        self.token(",", "`,` and a block")?;
        self.block()
    }

    fn client(&mut self) -> Result<Client, Problem> {
        Ok(if self.option("unaware")? { Client::Unaware } else { Client::Aware })
    }

    pub(super) fn block(&mut self) -> Result<BlockId, Problem> {
        self.prefixed("b", "a block, as b0").map(BlockId)
    }

    pub(super) fn object(&mut self) -> Result<ObjectId, Problem> {
        self.prefixed("o", "an object, as o1").map(ObjectId)
    }
}
