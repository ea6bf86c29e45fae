"""Each lock and signal against a model, under random arrivals, polls, cancellations and drops.

Up to six parties are moved by hand. The model says, after each step, who has what: a plain list in
order of arrival, written from the contract. So permits, owners and notifications are conserved
(P71), survivors keep their order, and a canceled operation has no effect or its full effect (P73).
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rescind import Canceled, Closed, Completed, Error, UsageError
from rescind.lowlevel import PENDING, Future
from rescind.sync import (
    Barrier,
    Condition,
    Event,
    Mutex,
    Notify,
    OnceCell,
    RwLock,
    Semaphore,
)
from tests.sync.kit import Party
from tests.sync.walk import examples

SLOTS = 6
slots = st.integers(0, SLOTS - 1)


class Machine(RuleBasedStateMachine):
    """Parties in slots; the model's line holds (slot, what it wants).

    A slot is free, in ``line``, or in ``given``: woken, and not resumed yet.
    """

    def __init__(self) -> None:
        super().__init__()
        self.parties: dict[int, Party] = {}
        self.line: list[tuple[int, Any]] = []
        self.given: dict[int, Any] = {}

    # -- for the machines -------------------------------------------------------------------------

    def begin(self, slot: int, future: Future[Any], wants: Any, now: Any) -> None:
        """Poll a new operation; the model expects the output ``now``, or that it waits."""
        party = Party(future)
        outcome = party.poll()
        if now is PENDING:
            assert PENDING is outcome
            self.parties[slot] = party
            self.line.append((slot, wants))
        else:
            assert Completed(now) == outcome

    def grant(self, slot: int, output: Any) -> None:
        """Note that the model gives the output to one in line."""
        self.line = [entry for entry in self.line if entry[0] != slot]
        self.given[slot] = output

    def delivered(self, slot: int, output: Any) -> None:
        """Note that somebody got what it was given."""

    def gone(self, slot: int, wants: Any) -> None:
        """Note that somebody left the line unwoken."""

    def returned(self, slot: int, output: Any) -> None:
        """Note that somebody was dropped with what it was given."""

    def waiting(self) -> int:
        """Return how many wait, in the primitive's words."""
        raise NotImplementedError

    # -- what happens to parties ------------------------------------------------------------------

    def free(self, slot: int) -> bool:
        """Tell whether nobody is in the slot."""
        return slot not in self.parties

    def _end(self, slot: int, outcome: Any) -> None:
        output = self.given.pop(slot)
        del self.parties[slot]
        if isinstance(output, BaseException):
            assert isinstance(outcome, Error)
            assert type(output) is type(outcome.exception)
        else:
            assert Completed(output) == outcome
            self.delivered(slot, output)

    @precondition(lambda self: self.parties)
    @rule(data=st.data())
    def poll(self, data: st.DataObject) -> None:
        """Poll a party: it goes on if it was given something, and waits if not."""
        slot = data.draw(st.sampled_from(sorted(self.parties)))
        outcome = self.parties[slot].poll()
        if slot in self.given:
            self._end(slot, outcome)
        else:
            assert PENDING is outcome

    @precondition(lambda self: self.parties)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """Cancel a party: what it was given it gets (R7), else it is as if it had not come."""
        slot = data.draw(st.sampled_from(sorted(self.parties)))
        outcome = self.parties[slot].cancel()
        if slot in self.given:
            self._end(slot, outcome)
        else:
            assert isinstance(outcome, Canceled)
            self._leave(slot)

    @precondition(lambda self: self.parties)
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        """Drop a party: what it was given goes back."""
        slot = data.draw(st.sampled_from(sorted(self.parties)))
        self.parties[slot].drop()
        if slot in self.given:
            del self.parties[slot]
            self.returned(slot, self.given.pop(slot))
        else:
            self._leave(slot)

    def _leave(self, slot: int) -> None:
        wants = dict(self.line)[slot]
        self.line = [entry for entry in self.line if entry[0] != slot]
        del self.parties[slot]
        self.gone(slot, wants)

    @invariant()
    def the_model_agrees_who_was_woken(self) -> None:
        """Who was given something was woken, once; nobody else was."""
        for slot, party in self.parties.items():
            assert int(slot in self.given) == party.wakes
        assert len(self.line) == self.waiting()


class MutexMachine(Machine):
    """Model: an owner, and a line."""

    def __init__(self) -> None:
        super().__init__()
        self.mutex = Mutex()
        self.held = False

    def waiting(self) -> int:
        return self.mutex.statistics().waiting

    def pass_on(self) -> None:
        if self.line:
            self.grant(self.line[0][0], None)
        else:
            self.held = False

    def returned(self, slot: int, output: Any) -> None:
        self.pass_on()

    @rule(slot=slots)
    def acquire(self, slot: int) -> None:
        """Come."""
        if self.free(slot):
            self.begin(slot, self.mutex.acquire(), None, PENDING if self.held else None)
            self.held = True

    @precondition(lambda self: not self.given)
    @rule()
    def release(self) -> None:
        """Leave; refused if nobody holds it."""
        if self.held:
            self.mutex.release()
            self.pass_on()
        else:
            with pytest.raises(UsageError):
                self.mutex.release()

    @invariant()
    def the_model_agrees_whether_it_is_held(self) -> None:
        """One owner, or none."""
        assert self.held == self.mutex.locked()
        assert len(self.given) <= 1


class SemaphoreMachine(Machine):
    """Model: free permits, what the first in line has gathered, and permits in use."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 6
        self.semaphore = Semaphore(6, max=6)
        self.free_permits = 6
        self.gathered = 0
        self.in_use: list[int] = []
        self.closed = False
        # What those have who were woken and not resumed yet; and everyone's place in the order.
        self.granted: dict[int, int] = {}
        self.arrival: dict[int, int] = {}

    def waiting(self) -> int:
        return self.semaphore.statistics().waiting

    def serve(self) -> None:
        while self.line and not self.closed:
            slot, n = self.line[0]
            if self.gathered + self.free_permits < n:
                self.gathered += self.free_permits
                self.free_permits = 0
                return
            self.free_permits -= n - self.gathered
            self.gathered = 0
            self.grant(slot, None)
            self.granted[slot] = n

    def delivered(self, slot: int, output: Any) -> None:
        self.in_use.append(self.granted.pop(slot))

    def returned(self, slot: int, output: Any) -> None:
        if not isinstance(output, Closed):
            self.free_permits += self.granted.pop(slot)
            self.serve()

    def gone(self, slot: int, wants: Any) -> None:
        if not any(ticket < self.arrival[slot] for ticket in self.tickets()):
            self.free_permits += self.gathered
            self.gathered = 0
        self.serve()

    def tickets(self) -> list[int]:
        return [self.arrival[slot] for slot, _ in self.line]

    @rule(slot=slots, n=st.sampled_from([1, 1, 2, 3, 5]))
    def acquire(self, slot: int, n: int) -> None:
        """Come for some permits."""
        if not self.free(slot):
            return
        if n > self.semaphore.statistics().maximum:  # type: ignore[operator]
            with pytest.raises(ValueError, match="waited for for ever"):
                self.semaphore.acquire(n)
            return
        if self.closed:
            assert isinstance(Party(self.semaphore.acquire(n)).poll(), Error)
            return
        self.arrival[slot] = 1 + max(self.arrival.values(), default=0)
        if self.free_permits >= n and not self.line:
            self.free_permits -= n
            self.in_use.append(n)
            self.begin(slot, self.semaphore.acquire(n), n, None)
        else:
            self.begin(slot, self.semaphore.acquire(n), n, PENDING)
            self.serve()

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """Give back what is in use; more than that is refused."""
        if self.in_use:
            n = data.draw(st.sampled_from(self.in_use))
            self.in_use.remove(n)
            self.semaphore.release(n)
            self.free_permits += n
            self.serve()
        else:
            granted = sum(self.granted.values())
            with pytest.raises(UsageError):
                self.semaphore.release(granted + 1)

    @precondition(lambda self: self.total > 4)
    @rule()
    def forget(self) -> None:
        """Take one out for good, if it is free; leave enough for those who want much."""
        forgotten = self.semaphore.forget_permits(1)
        assert forgotten == min(1, self.free_permits)
        self.free_permits -= forgotten
        self.total -= forgotten

    @precondition(lambda self: len(self.line) > 2)
    @rule()
    def close(self) -> None:
        """Fail all who wait."""
        self.semaphore.close()
        self.closed = True
        self.free_permits += self.gathered
        self.gathered = 0
        for slot, _ in list(self.line):
            self.grant(slot, Closed())

    @invariant()
    def permits_are_conserved(self) -> None:
        """P71, S1: none is lost, none is made."""
        stats = self.semaphore.statistics()
        granted = sum(self.granted.values())
        assert (self.free_permits, self.gathered) == (stats.available, stats.gathered)
        assert self.total == stats.available + stats.gathered + granted + sum(self.in_use)


class RwLockMachine(Machine):
    """Model: how many read, whether one writes, and one line for both."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = RwLock()
        self.readers = 0
        self.writer = False
        self.form: dict[int, str] = {}

    def waiting(self) -> int:
        stats = self.lock.statistics()
        return stats.waiting_readers + stats.waiting_writers

    def admits(self, form: str) -> bool:
        return not self.writer and (form == "read" or not self.readers)

    def let_in(self, form: str) -> None:
        if form == "read":
            self.readers += 1
        else:
            self.writer = True

    def let_out(self, form: str) -> None:
        if form == "read":
            self.readers -= 1
        else:
            self.writer = False
        self.serve()

    def serve(self) -> None:
        while self.line and self.admits(self.line[0][1]):
            slot, form = self.line[0]
            self.let_in(form)
            self.form[slot] = form
            self.grant(slot, None)

    def delivered(self, slot: int, output: Any) -> None:
        del self.form[slot]

    def returned(self, slot: int, output: Any) -> None:
        self.let_out(self.form.pop(slot))

    def gone(self, slot: int, wants: Any) -> None:
        self.serve()

    @rule(slot=slots, form=st.sampled_from(["read", "write"]))
    def acquire(self, slot: int, form: str) -> None:
        """Come to read or to write."""
        if self.free(slot):
            at_once = not self.line and self.admits(form)
            if at_once:
                self.let_in(form)
            future = getattr(self.lock, f"acquire_{form}")()
            self.begin(slot, future, form, None if at_once else PENDING)

    @rule(form=st.sampled_from(["read", "write", "downgrade"]))
    def release(self, form: str) -> None:
        """Leave, or go on as a reader, if somebody who was let in knows it."""
        unseen = list(self.form.values())
        if form == "read" and self.readers > unseen.count("read"):
            self.lock.release_read()
            self.let_out("read")
        elif self.writer and "write" not in unseen:
            if form == "write":
                self.lock.release_write()
                self.let_out("write")
            elif form == "downgrade":
                self.lock.downgrade()
                self.writer = False
                self.readers += 1
                self.serve()

    @invariant()
    def the_model_agrees_who_is_inside(self) -> None:
        """K1."""
        stats = self.lock.statistics()
        assert (self.readers, self.writer) == (stats.readers, stats.writer is not None)
        assert not (self.readers and self.writer)


class EventMachine(Machine):
    """Model: a flag."""

    def __init__(self) -> None:
        super().__init__()
        self.event = Event()
        self.flag = False

    def waiting(self) -> int:
        return self.event.statistics().waiting

    @rule(slot=slots)
    def wait(self, slot: int) -> None:
        """Come."""
        if self.free(slot):
            self.begin(slot, self.event.wait(), None, None if self.flag else PENDING)

    @rule()
    def set(self) -> None:
        """All who wait go on."""
        self.event.set()
        self.flag = True
        for slot, _ in list(self.line):
            self.grant(slot, None)

    @rule()
    def clear(self) -> None:
        """Those who were let go on are not held back."""
        self.event.clear()
        self.flag = False


class NotifyMachine(Machine):
    """Model: a stored notification, and the end of the line that each was for."""

    def __init__(self) -> None:
        super().__init__()
        self.notify = Notify()
        self.stored = False
        self.told: dict[int, str] = {}

    def waiting(self) -> int:
        return self.notify.statistics().waiting

    def tell(self, end: str) -> None:
        if self.line:
            slot = self.line[0 if end == "first" else -1][0]
            self.told[slot] = end
            self.grant(slot, None)
        else:
            self.stored = True

    def delivered(self, slot: int, output: Any) -> None:
        del self.told[slot]

    def returned(self, slot: int, output: Any) -> None:
        end = self.told.pop(slot)
        if end != "all":
            self.tell(end)

    @rule(slot=slots, how=st.sampled_from(["poll"] * 6 + ["enable"] * 2 + ["told before"]))
    def notified(self, slot: int, how: str) -> None:
        """Come, by a poll or by `enable`; or having heard of all being notified."""
        if not self.free(slot):
            return
        future = self.notify.notified()
        if how == "told before":
            self.notify_waiters()
            assert Completed(None) == Party(future).poll()
            return
        had, self.stored = self.stored, False
        if how == "enable":
            assert had is future.enable()
        self.begin(slot, future, None, None if had else PENDING)

    @rule()
    def notify_one(self) -> None:
        """Tell the first."""
        self.notify.notify_one()
        self.tell("first")

    @rule()
    def notify_last(self) -> None:
        """Tell the last."""
        self.notify.notify_last()
        self.tell("last")

    @rule()
    def notify_waiters(self) -> None:
        """Tell all, and store nothing."""
        self.notify.notify_waiters()
        for slot, _ in list(self.line):
            self.told[slot] = "all"
            self.grant(slot, None)

    @invariant()
    def the_model_agrees_what_is_stored(self) -> None:
        """N1: at most one, and never while somebody waits."""
        assert self.stored == self.notify.statistics().stored
        assert not (self.stored and self.line)


class BarrierMachine(Machine):
    """Model: a line that empties when it is full."""

    def __init__(self) -> None:
        super().__init__()
        self.barrier = Barrier(3)

    def waiting(self) -> int:
        return self.barrier.statistics().waiting

    @rule(slot=slots)
    def wait(self, slot: int) -> None:
        """Come; the third to be there lets all go on."""
        if not self.free(slot):
            return
        full = len(self.line) == 2
        if full:
            for index, (early, _) in enumerate(list(self.line)):
                self.grant(early, index)
        self.begin(slot, self.barrier.wait(), None, 2 if full else PENDING)


class OnceCellMachine(Machine):
    """Model: who makes the value, who waits to; the makers are moved by hand too."""

    def __init__(self) -> None:
        super().__init__()
        self.cell: OnceCell[str] = OnceCell()
        self.gates: dict[int, Notify] = {}
        self.fail: dict[int, bool] = {}
        self.maker: int | None = None
        self.value: str | None = None
        # The heir that was told, and has not begun.
        self.told: int | None = None

    def waiting(self) -> int:
        return self.cell.statistics().waiting

    async def make(self, slot: int) -> str:
        await self.gates[slot].notified()
        if self.fail[slot]:
            raise LookupError(str(slot))
        return str(slot)

    def pass_on(self) -> None:
        self.maker = self.told = None
        if self.line:
            slot = self.line.pop(0)[0]
            self.maker = self.told = slot

    @rule(slot=slots, fail=st.booleans())
    def get(self, slot: int, fail: bool) -> None:
        """Come for the value."""
        if not self.free(slot):
            return
        self.gates[slot], self.fail[slot] = Notify(), fail
        future = self.cell.get_or_init(lambda: self.make(slot))
        self.begin(slot, future, None, PENDING if self.value is None else self.value)
        if self.value is None and self.maker is None:
            self.line.pop()
            self.maker = slot

    @rule()
    def finish(self) -> None:
        """Let the maker end: with the value, or an error."""
        slot = self.maker
        if slot is None:
            return
        self.told = None
        self.gates[slot].notify_one()
        outcome = self.parties.pop(slot).poll()
        if self.fail[slot]:
            assert isinstance(outcome, Error)
            self.pass_on()
            return
        assert Completed(str(slot)) == outcome
        self.value, self.maker = str(slot), None
        for waiter, _ in list(self.line):
            self.grant(waiter, self.value)

    @rule(data=st.data(), how=st.sampled_from(["poll", "cancel", "drop"]))
    def move_maker(self, data: st.DataObject, how: str) -> None:
        """Poll, cancel or drop the maker: ended without a value, the next in line is told."""
        slot = self.maker
        if slot is None:
            return
        party = self.parties[slot]
        outcome = getattr(party, how)()
        if how == "poll":
            assert PENDING is outcome
            self.told = None
            return
        assert outcome is None or isinstance(outcome, Canceled)
        del self.parties[slot]
        self.pass_on()

    def movable(self) -> list[int]:
        return sorted(slot for slot in self.parties if slot != self.maker)

    @precondition(lambda self: self.movable())
    @rule(data=st.data(), how=st.sampled_from(["poll", "cancel", "drop"]))
    def poll(self, data: st.DataObject, how: str) -> None:  # type: ignore[override]
        """Move one who waits, or was given the value."""
        slot = data.draw(st.sampled_from(self.movable()))
        outcome = getattr(self.parties[slot], how)()
        if slot in self.given:
            if how == "drop":
                del self.parties[slot], self.given[slot]
            else:
                self._end(slot, outcome)
        elif how == "poll":
            assert PENDING is outcome
        else:
            self._leave(slot)

    cancel = drop = None  # type: ignore[assignment]  # `poll` does these too

    @invariant()
    def the_model_agrees_who_was_woken(self) -> None:
        """The maker was told if it had waited; the value is the model's."""
        stats = self.cell.statistics()
        assert (self.value is not None, self.maker is not None) == (stats.set, stats.initializing)
        assert len(self.line) == stats.waiting
        for slot, party in self.parties.items():
            if slot in self.given or slot == self.told:
                assert party.wakes >= 1
            elif slot != self.maker:
                assert party.wakes == 0


class ConditionMachine(Machine):
    """Model: an owner, those who wait for news, and one line for the mutex.

    Entries of the mutex's line are ``(slot, kind)``: "acquire", "notified" or "canceled".
    """

    def __init__(self) -> None:
        super().__init__()
        self.condition = Condition()
        self.held = False
        self.asleep: list[int] = []
        self.kind: dict[int, str] = {}
        self.sent = self.seen = 0

    def waiting(self) -> int:
        return self.condition.mutex.statistics().waiting

    def pass_on(self) -> None:
        self.held = bool(self.line)
        if self.line:
            self.grant(self.line[0][0], None)

    def to_line(self, slot: int, kind: str) -> None:
        self.asleep.remove(slot)
        self.line.append((slot, None))
        self.kind[slot] = kind
        if not self.held:
            self.held = True
            self.grant(slot, None)

    def tell_one(self) -> None:
        if self.asleep:
            self.to_line(self.asleep[0], "notified")
            self.sent += 1

    @rule(slot=slots)
    def acquire(self, slot: int) -> None:
        """Come for the mutex."""
        if self.free(slot):
            self.kind[slot] = "acquire"
            self.begin(slot, self.condition.acquire(), None, PENDING if self.held else None)
            self.held = True

    @precondition(lambda self: self.held and not self.given)
    @rule()
    def release(self) -> None:
        """Leave."""
        self.condition.release()
        self.pass_on()

    @precondition(lambda self: self.held and not self.given)
    @rule(slot=slots)
    def wait(self, slot: int) -> None:
        """Whoever holds the mutex waits for news."""
        if self.free(slot):
            self.parties[slot] = party = Party(self.condition.wait())
            assert PENDING is party.poll()
            self.asleep.append(slot)
            self.pass_on()

    @rule(n=st.integers(1, 3))
    def notify(self, n: int) -> None:
        """Tell some."""
        self.condition.notify(n)
        for _ in range(n):
            self.tell_one()

    @rule()
    def notify_all(self) -> None:
        """Tell all."""
        self.condition.notify_all()
        while self.asleep:
            self.tell_one()

    @precondition(lambda self: self.parties)
    @rule(data=st.data(), how=st.sampled_from(["poll", "cancel"]))
    def poll(self, data: st.DataObject, how: str) -> None:  # type: ignore[override]
        """Poll or cancel: only with the mutex does a wait end, and then with its news (C1, C2)."""
        slot = data.draw(st.sampled_from(sorted(self.parties)))
        party = self.parties[slot]
        canceled = self.kind.get(slot) == "canceled"
        outcome = party.cancel() if how == "cancel" or canceled else party.poll()
        if slot in self.asleep and how == "cancel":
            self.to_line(slot, "canceled")
            canceled = True
        if slot in self.given:
            if canceled:
                assert isinstance(outcome, Canceled)
            else:
                assert Completed(None) == outcome
                self.seen += self.kind[slot] == "notified"
            del self.given[slot], self.parties[slot], self.kind[slot]
        elif how == "cancel" and self.kind.get(slot) == "acquire":
            assert isinstance(outcome, Canceled)
            self._leave(slot)
            del self.kind[slot]
        else:
            assert PENDING is outcome

    cancel = None  # type: ignore[assignment]  # `poll` does that too

    @precondition(lambda self: self.parties)
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        """Drop: a wait holds the mutex then, if it was free; its news go to the next."""
        slot = data.draw(st.sampled_from(sorted(self.parties)))
        self.parties.pop(slot).drop()
        kind = self.kind.pop(slot, "asleep")
        if slot in self.asleep:
            self.asleep.remove(slot)
            self.held = True
        elif slot in self.given:
            del self.given[slot]
            if kind == "acquire":
                self.pass_on()
        else:
            self.line = [entry for entry in self.line if entry[0] != slot]
        if kind == "notified":
            self.sent -= 1
            self.tell_one()

    @invariant()
    def the_model_agrees_who_was_woken(self) -> None:
        """News are conserved, the mutex has one owner, and those who sleep are not woken."""
        assert len(self.asleep) == self.condition.statistics().waiting
        assert self.held == self.condition.locked()
        assert len(self.line) == self.waiting()
        notified = sum(1 for kind in self.kind.values() if kind == "notified")
        assert self.sent == self.seen + notified
        for slot, party in self.parties.items():
            assert int(slot in self.given) == party.wakes


MACHINES = (
    MutexMachine,
    SemaphoreMachine,
    RwLockMachine,
    EventMachine,
    NotifyMachine,
    BarrierMachine,
    OnceCellMachine,
    ConditionMachine,
)

for machine in MACHINES:
    test = machine.TestCase
    test.settings = settings(max_examples=examples(100), stateful_step_count=40, deadline=None)
    test.__doc__ = f"{machine.__doc__}".splitlines()[0]
    globals()[f"Test{machine.__name__}"] = test
del test, machine
