//! Objects: making them, and counting references.

use cloister_specs::{Client, InterpId, ObjectId, OpKind, Reply, Rule, ThreadId};

use crate::counts;
use crate::design::{Counts, Design, NoneIs, RefTotal};
use crate::label::{Count, Counted, Inside, Label, Totalled, Work};
use crate::machine::Flow;
use crate::runtime::{Class, Object, Runtime};

impl Object {
    /// The class of the block that an object lies in.
    pub const CLASS: Class = Class::Small(1);
}

impl Runtime {
    /// `None`, before anybody has used it.
    pub(crate) fn none(d: &Design) -> Object {
        let (refcnt, was_immortal) = match d.none {
            NoneIs::Mortal => (1, false),
            NoneIs::Immortal => (counts::immortal(d.immortality), true),
        };
        Object { live: true, owner: None, refcnt, refs: 1, was_immortal, ..Object::FREE }
    }

    /// `ObjectNew`.
    pub(crate) fn object_new(&mut self, d: &Design, h: ThreadId, fails: bool) -> Flow {
        match (self.works_with(d, h), self.selected(d, h)) {
            (Ok(tstate), Some(heap)) => {
                let inside = Inside::New { fails };
                Flow::Goto(Label::HeapWork(Work { tstate, heap, call: OpKind::ObjectNew, inside }))
            }
            (Ok(_) | Err(_), _) => Flow::Died(Rule::Ref1),
        }
    }

    /// Puts an object with one reference into the first free slot.
    pub(crate) fn give_object(&mut self, d: &Design, h: ThreadId, heap: InterpId, fails: bool) -> Flow {
        let free = Runtime::object_ids().find(|o| !self.object(*o).live);
        let Some(slot) = free.filter(|_| !fails) else { return Flow::Answer(Reply::Object(None)) };
        self.charge_object(heap);
        *self.object_mut(slot) = Object { live: true, owner: Some(heap), refcnt: 1, refs: 1, ..Object::FREE };
        let total = self.total(d, h);
        self.set_total(d, h, total.saturating_add(1));
        self.totals.all_refs = self.totals.all_refs.saturating_add(1);
        Flow::Answer(Reply::Object(Some(slot)))
    }

    /// `IncRef` and `DecRef`: the count is read ...
    pub(crate) fn count(&mut self, d: &Design, h: ThreadId, c: Count) -> Flow {
        let read = self.object(c.object).refcnt;
        match self.works_with(d, h) {
            Ok(tstate) => Flow::Goto(Label::RefStore(Counted { tstate, count: c, read })),
            Err(rule) => Flow::Died(rule),
        }
    }

    /// ... and written.
    pub(crate) fn ref_store(&mut self, d: &Design, h: ThreadId, c: Counted) -> Flow {
        let Count { object: o, up, client } = c.count;
        if !self.object_live(o) {
            return Flow::Died(Rule::Ref2);
        }
        //= specs/rules/ref.md#ref-5
        //# The count of an object that was never immortal MUST be the number of references to it.
        let read = match d.counts {
            Counts::Plain => c.read,
            Counts::Atomic => self.object(o).refcnt,
        };
        let how = d.immortality;
        let mortal = !counts::is_immortal(how, read);
        let written = if up { counts::incref(how, client, read) } else { counts::decref(how, client, read) };
        let delta = if up { 1 } else { -1 };
        self.object_mut(o).refcnt = written;
        let seen = client == Client::Aware && counts::is_immortal(how, read);
        self.keep_ghosts(d, h, o, delta, client);
        self.object_mut(o).was_immortal |= seen;
        //= specs/rules/ref.md#ref-8
        //# An object MUST be deallocated when its last reference is given back, and only then.
        let last = !up && written == 0 && mortal;
        if written == read {
            return self.counted(d, h, c.count.call(), o, false);
        }
        match client {
            Client::Unaware => {
                self.totals.legacy = self.totals.legacy.saturating_add(delta);
                self.totals.all_refs = self.totals.all_refs.saturating_add(delta);
                self.counted(d, h, c.count.call(), o, last)
            }
            Client::Aware => {
                self.totals.all_refs = self.totals.all_refs.saturating_add(delta);
                let read = self.total(d, h);
                Flow::Goto(Label::TotalStore(Totalled { tstate: c.tstate, count: c.count, read, last }))
            }
        }
    }

    /// What really became of the references.
    fn keep_ghosts(&mut self, d: &Design, h: ThreadId, o: ObjectId, delta: i16, client: Client) {
        let here = self.own_current(d, h).map(|t| self.tstate(t).interp);
        let heap = self.selected(d, h);
        let object = self.object_mut(o);
        if !object.was_immortal {
            object.refs = object.refs.saturating_add(i64::from(delta));
        }
        object.was_immortal |= client == Client::Aware && counts::is_immortal(d.immortality, object.refcnt);
        let tracked = object.owner.is_some() || !object.was_immortal;
        if let (Some(i), true) = (here, tracked && object.owner != heap) {
            let away = &mut object.away[i.index()];
            *away = if delta > 0 { away.saturating_add(1) } else { away.saturating_sub(1) };
        }
    }

    /// The total is written.
    pub(crate) fn total_store(&mut self, d: &Design, h: ThreadId, t: Totalled) -> Flow {
        //= specs/rules/ref.md#ref-10
        //# A change of a count by an aware client MUST be added to the reference total of the
        //# interpreter that it works in.
        let delta = if t.count.up { 1 } else { -1 };
        self.set_total(d, h, t.read.saturating_add(delta));
        self.counted(d, h, t.count.call(), t.count.object, t.last)
    }

    fn counted(&mut self, d: &Design, h: ThreadId, call: OpKind, o: ObjectId, last: bool) -> Flow {
        if !last {
            return Flow::Answer(Reply::RefCnt(self.object(o).refcnt));
        }
        match (self.works_with(d, h), self.target(d, h, self.object(o).owner)) {
            (Ok(tstate), Some(heap)) => {
                let inside = Inside::Dealloc { object: o };
                Flow::Goto(Label::HeapWork(Work { tstate, heap, call, inside }))
            }
            // `None` lies in no heap.
            (Ok(_), None) => Flow::Died(Rule::Ref8),
            (Err(rule), _) => Flow::Died(rule),
        }
    }

    pub(crate) fn release_object(&mut self, heap: InterpId, o: ObjectId) -> Flow {
        let object = *self.object(o);
        if !object.live {
            return Flow::Died(Rule::Ref2);
        }
        if object.owner.is_none() {
            return Flow::Died(Rule::Ref8);
        }
        match self.leaves(heap, object.owner, Object::CLASS) {
            Ok(()) => {
                *self.object_mut(o) = Object::FREE;
                Flow::Answer(Reply::Deallocated)
            }
            Err(rule) => Flow::Died(rule),
        }
    }

    /// `Py_SET_REFCNT`, with as many references taken or given back.
    pub(crate) fn set_refcnt(&mut self, d: &Design, o: ObjectId, count: u32) -> Flow {
        let how = d.immortality;
        let object = self.object_mut(o);
        object.refcnt = counts::set(how, object.refcnt, count);
        if !object.was_immortal {
            object.refs = i64::from(count);
        }
        object.was_immortal |= counts::is_immortal(how, object.refcnt);
        Flow::Answer(Reply::RefCnt(object.refcnt))
    }

    /// `_Py_SetImmortal`.
    pub(crate) fn set_immortal(&mut self, d: &Design, o: ObjectId) -> Flow {
        let object = self.object_mut(o);
        object.refcnt = counts::immortal(d.immortality);
        object.was_immortal = true;
        Flow::Answer(Reply::RefCnt(object.refcnt))
    }

    /// `_Py_ClearImmortal`: one reference, which is given back.
    pub(crate) fn clear_immortal(&mut self, d: &Design, h: ThreadId, o: ObjectId) -> Flow {
        let object = self.object_mut(o);
        (object.refcnt, object.refs, object.was_immortal) = (0, 0, false);
        let total = self.total(d, h);
        self.set_total(d, h, total.saturating_sub(1));
        self.totals.all_refs = self.totals.all_refs.saturating_sub(1);
        self.counted(d, h, OpKind::ClearImmortal, o, true)
    }

    /// A reference goes to another interpreter.
    pub(crate) fn pass_ref(&mut self, d: &Design, h: ThreadId, o: ObjectId, to: InterpId) -> Flow {
        let here = self.own_current(d, h).map(|t| self.tstate(t).interp);
        let heaps = (self.selected(d, h), Some(self.heap_of(d, to)));
        let object = self.object_mut(o);
        if object.owner.is_some() {
            if let (Some(i), true) = (here, heaps.0 != object.owner) {
                object.away[i.index()] = object.away[i.index()].saturating_sub(1);
            }
            if heaps.1 != object.owner {
                object.away[to.index()] = object.away[to.index()].saturating_add(1);
            }
        }
        Flow::Answer(Reply::Done)
    }

    /// The reference total that this thread adds to.
    pub(crate) fn total(&self, d: &Design, h: ThreadId) -> i16 {
        match (d.ref_total, self.own_current(d, h)) {
            (RefTotal::PerInterpreter, Some(t)) => self.interp(self.tstate(t).interp).ref_total,
            (RefTotal::PerInterpreter, None) | (RefTotal::Global | RefTotal::PerRuntime, _) => {
                self.totals.refs
            }
        }
    }

    fn set_total(&mut self, d: &Design, h: ThreadId, to: i16) {
        match (d.ref_total, self.own_current(d, h)) {
            (RefTotal::PerInterpreter, Some(t)) => {
                let i = self.tstate(t).interp;
                self.interp_mut(i).ref_total = to;
            }
            (RefTotal::PerInterpreter, None) | (RefTotal::Global | RefTotal::PerRuntime, _) => {
                self.totals.refs = to;
            }
        }
    }
}
