//! Which address a slot stands for.
//!
//! A thread state gets its slot when its creation begins, and keeps the name when
//! it is freed, as long as its address is not handed out again. An interpreter gets
//! the lowest free slot when it first appears in CPython's list.

use super::{api::Address, region, region::Region};
use cloister_specs::{InterpId, TstateId};

/// How many thread states, and how many interpreters, a run can have at a time.
const SLOT_COUNT: usize = 16;

#[derive(Clone, Copy, Default)]
struct TstateSlot {
    address: Address,
    region: Option<Region>,
    listed: bool,
    /// How often it has been listed.
    lives: u32,
}

#[derive(Clone, Copy, Default)]
struct InterpSlot {
    address: Address,
    listed: bool,
}

/// The slots of a run.
#[derive(Default)]
pub struct Slots {
    tstates: [TstateSlot; SLOT_COUNT],
    interps: [InterpSlot; SLOT_COUNT],
}

impl Slots {
    /// Follows CPython's lists: what is listed now, and what is no longer.
    pub fn follow(&mut self, interps: &[Address], tstates: &[Address]) -> Result<(), String> {
        for slot in &mut self.interps {
            slot.listed = slot.listed && interps.contains(&slot.address);
        }
        for &address in interps.iter().rev() {
            if !self.interps.iter().any(|s| s.listed && s.address == address) {
                let free = self.interps.iter_mut().find(|s| !s.listed).ok_or("too many interpreters")?;
                *free = InterpSlot { address, listed: true };
            }
        }
        for slot in &mut self.tstates {
            let listed = tstates.contains(&slot.address);
            slot.lives += u32::from(listed && !slot.listed);
            slot.listed = listed;
        }
        for &address in tstates.iter().rev() {
            if !self.tstates.iter().any(|s| s.address == address) {
                let free =
                    self.tstates.iter_mut().find(|s| s.address == 0).ok_or("too many thread states")?;
                *free = TstateSlot { address, region: None, listed: true, lives: free.lives + 1 };
            }
        }
        Ok(())
    }

    /// The slot of a thread state, which may have been freed.
    pub fn tstate(&self, address: Address) -> Option<TstateId> {
        let known = |s: &TstateSlot| address != 0 && s.address == address;
        self.tstates.iter().position(known).map(|slot| TstateId(slot as u8))
    }

    /// The slot of a listed interpreter.
    pub fn interp(&self, address: Address) -> Option<InterpId> {
        self.interps.iter().position(|s| s.listed && s.address == address).map(|slot| InterpId(slot as u8))
    }

    /// The address that a thread state's slot stands for.
    pub fn tstate_address(&self, id: TstateId) -> Result<Address, String> {
        match self.tstates.get(id.index()) {
            Some(slot) if slot.address != 0 => Ok(slot.address),
            _ => Err(format!("{id} has never been a thread state")),
        }
    }

    /// The address of a listed interpreter.
    pub fn interp_address(&self, id: InterpId) -> Result<Address, String> {
        match self.interps.get(id.index()) {
            Some(slot) if slot.listed => Ok(slot.address),
            _ => Err(format!("there is no interpreter {id}")),
        }
    }

    /// Chooses the slot of a thread state that is about to be created, and where it will
    /// lie. `named` are the addresses that something still names.
    pub fn choose(&mut self, at: Option<TstateId>, named: &[Address]) -> Result<(TstateId, Region), String> {
        let free = |s: &TstateSlot| !s.listed && !named.contains(&s.address);
        let index = match at {
            Some(id) => id.index(),
            None => self.tstates.iter().position(free).ok_or("too many thread states")?,
        };
        let id = TstateId(index as u8);
        let slot = self.tstates.get_mut(index).ok_or_else(|| format!("{id} is out of range"))?;
        if slot.listed {
            return Err(format!("{id} is in use"));
        }
        let reusable = slot.region.filter(|r| !r.content().in_use());
        let chosen = match reusable {
            Some(region) => region,
            None if slot.address != 0 && named.contains(&slot.address) => {
                return Err(format!(
                    "the address of {id} cannot be used again: it is part of a live interpreter"
                ));
            }
            None => region::reserve(id.0)?,
        };
        *slot =
            TstateSlot { address: chosen.tstate(), region: Some(chosen), listed: false, lives: slot.lives };
        Ok((id, chosen))
    }

    /// Chooses the slot of the thread state at this address, which cannot be chosen: it is
    /// part of the main interpreter, which is about to be initialized.
    pub fn choose_main(
        &mut self,
        at: Option<TstateId>,
        named: &[Address],
        address: Address,
    ) -> Result<(), String> {
        let free = |s: &TstateSlot| !s.listed && (s.address == address || !named.contains(&s.address));
        let index = match at {
            Some(id) => id.index(),
            None => self.tstates.iter().position(free).ok_or("too many thread states")?,
        };
        match self.tstates.get(index) {
            Some(slot) if !slot.listed => {}
            _ => return Err(format!("{} is in use or out of range", TstateId(index as u8))),
        }
        for slot in self.tstates.iter_mut().filter(|s| s.address == address) {
            (slot.address, slot.region) = (0, None);
        }
        let slot = &mut self.tstates[index];
        (slot.address, slot.region) = (address, None);
        Ok(())
    }

    /// How often the thread state at this address has been listed, if it is.
    pub fn life(&self, address: Address) -> Option<u32> {
        self.tstates.iter().find(|s| s.listed && s.address == address).map(|s| s.lives)
    }
}
