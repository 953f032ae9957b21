//! Performing the calls that allocate, free and count blocks.

use super::{
    api::{Address, Api},
    baton,
    child::{Child, child},
    exhausted::while_exhausted,
    heaps,
};
use cloister_specs::{BlockId, Domain, InterpId, Op, Reply};

/// Performs such a call; `None` if it is another one.
pub fn call(api: &Api, op: &Op) -> Result<Option<Reply>, String> {
    Ok(Some(match *op {
        Op::Malloc { domain, size, fails } => {
            allocate(api, domain, size, fails, || api.malloc(domain, size.into()))?
        }
        Op::Calloc { domain, size, fails } => {
            allocate(api, domain, size, fails, || api.calloc(domain, size.into()))?
        }
        Op::Realloc { domain, block, size, fails } => {
            let at = baton::with(|run| run.heaps.block(block))?;
            match counted(api, size, fails, || api.realloc(domain, at, size.into())) {
                0 => Reply::Block(None),
                moved => {
                    baton::with(|run| run.heaps.move_block(block, moved));
                    Reply::Block(Some(block))
                }
            }
        }
        Op::Free { domain, block } => {
            free(api, domain, block)?;
            Reply::Done
        }
        Op::AllocatedBlocks(interp) => Reply::Count(count_of(interp)?),
        Op::GlobalAllocatedBlocks => {
            counters()?.of_all();
            Reply::Count(small(baton::with(|run| run.heaps.account_of_all()))?)
        }
        _ => return Ok(None),
    }))
}

/// Makes a call that allocates, when there is no memory for it if it is to fail.
pub fn counted<T>(api: &Api, bytes: u16, fails: bool, call: impl FnOnce() -> T) -> T {
    heaps::counted(|| if fails { while_exhausted(api, bytes.into(), call) } else { call() })
}

fn allocate(
    api: &Api,
    domain: Domain,
    bytes: u16,
    fails: bool,
    call: impl FnOnce() -> Address,
) -> Result<Reply, String> {
    let heap = match domain {
        Domain::Raw => None,
        Domain::Mem | Domain::Obj => heaps::here(),
    };
    match counted(api, bytes, fails, call) {
        0 => Ok(Reply::Block(None)),
        at => baton::with(|run| run.heaps.keep_block(at, heap)).map(|slot| Reply::Block(Some(slot))),
    }
}

fn free(api: &Api, domain: Domain, block: Option<BlockId>) -> Result<(), String> {
    let at = block.map(|block| baton::with(|run| run.heaps.block(block))).transpose()?;
    heaps::counted(|| api.free(domain, at.unwrap_or(0)));
    block.into_iter().for_each(|block| baton::with(|run| run.heaps.forget_block(block)));
    Ok(())
}

fn counters() -> Result<&'static super::local::Counters, String> {
    let Child { counters, .. } = child();
    counters.as_ref().map_err(|why| format!("blocks cannot be counted: {why}"))
}

/// CPython is asked, and the account is told: what is more in the heap is CPython's own.
fn count_of(interp: InterpId) -> Result<i32, String> {
    let address = baton::with(|run| run.slots.interp_address(interp))?;
    counters()?.of_interp(address);
    small(baton::with(|run| run.heaps.account(address)))
}

fn small(blocks: i64) -> Result<i32, String> {
    i32::try_from(blocks).map_err(|e| format!("{blocks} blocks: {e}"))
}
