//! A million random calls in each of three interpreters with GILs of their own, at once: every
//! block keeps what was written into it, and when the interpreters have ended nothing is left.

mod common;

use cloister::{Block, Runtime};
use cloister_specs::{Domain, InterpreterConfig};
use common::World;
use fastrand::Rng;
use std::sync::{Arc, Barrier};
use std::thread;

const CALLS: usize = 1_000_000;
const INTERPS: u64 = 3;
/// Blocks that are live at a time.
const LIVE: usize = 64;

fn stamp(block: Block, size: usize, seed: u64) {
    // SAFETY: the block is live, and has so many bytes.
    let bytes = unsafe { std::slice::from_raw_parts_mut(block.as_ptr(), size) };
    let word = seed.to_ne_bytes();
    bytes.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&word[..chunk.len()]));
}

fn is_stamped(block: Block, size: usize, seed: u64) -> bool {
    // SAFETY: the block is live, and so many bytes of it were stamped.
    let bytes = unsafe { std::slice::from_raw_parts(block.as_ptr(), size) };
    bytes.chunks(8).all(|chunk| *chunk == seed.to_ne_bytes()[..chunk.len()])
}

/// Works in an interpreter of its own, and answers how many blocks it made, resized and freed.
fn work(runtime: &Runtime, seed: u64, begin: &Barrier) -> [usize; 3] {
    let thread = runtime.attach().unwrap();
    let (interp, tstate) = thread.new_interpreter_from_config(&InterpreterConfig::ISOLATED).unwrap();
    begin.wait();
    let mut rng = Rng::with_seed(seed);
    let mut live: Vec<(Domain, Block, usize, u64)> = Vec::with_capacity(LIVE);
    let mut done = [0; 3];
    for call in 0..CALLS {
        let size = rng.usize(16..=600);
        let seed = seed << 32 | call as u64;
        match rng.usize(0..3) {
            0 if !live.is_empty() => {
                let (domain, block, size, seed) = live.swap_remove(rng.usize(0..live.len()));
                assert!(is_stamped(block, size, seed));
                thread.free(domain, Some(block)).unwrap();
                done[2] += 1;
            }
            1 if !live.is_empty() => {
                let at = rng.usize(0..live.len());
                let (domain, block, before, old) = live[at];
                let block = thread.realloc(domain, block, size, false).unwrap().unwrap();
                assert!(is_stamped(block, before.min(size), old));
                stamp(block, size, seed);
                live[at] = (domain, block, size, seed);
                done[1] += 1;
            }
            _ if live.len() < LIVE => {
                let domain = if rng.bool() { Domain::Obj } else { Domain::Mem };
                let block = thread.malloc(domain, size, false).unwrap().unwrap();
                stamp(block, size, seed);
                live.push((domain, block, size, seed));
                done[0] += 1;
            }
            _ => {}
        }
    }
    assert_eq!(thread.allocated_blocks(interp).unwrap(), live.len());
    for (domain, block, size, seed) in live {
        assert!(is_stamped(block, size, seed));
        thread.free(domain, Some(block)).unwrap();
        done[2] += 1;
    }
    assert_eq!(thread.allocated_blocks(interp).unwrap(), 0);
    thread.end_interpreter(tstate).unwrap();
    done
}

//= specs/rules/mem.md#mem-1
//= type=test
//# A heap MUST be used by one thread at a time.
//= specs/rules/mem.md#mem-9
//= type=test
//# The blocks of an interpreter MUST be counted as those that came from its heap and were not freed.
#[test]
fn a_million_calls_in_each_of_three_interpreters_lose_nothing() {
    let w = World::new();
    let runtime = w.runtime.clone();
    let begin = Arc::new(Barrier::new(INTERPS as usize));
    let workers: Vec<_> = (1..=INTERPS)
        .map(|seed| {
            let (runtime, begin) = (runtime.clone(), Arc::clone(&begin));
            thread::spawn(move || work(&runtime, seed, &begin))
        })
        .collect();
    for worker in workers {
        let [made, resized, freed] = worker.join().unwrap();
        assert!(made > 100_000 && resized > 100_000 && freed == made, "{made} {resized} {freed}");
    }
    assert_eq!(w.thread.global_allocated_blocks().unwrap(), 0);
}
