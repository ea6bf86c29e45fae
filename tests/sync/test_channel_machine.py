"""A channel does what a channel of plain lists does, whatever is done to it, in any order.

Values and slots are conserved, nobody overtakes, nobody waits for what is there, and each is woken
once.
"""

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from rescind import Canceled, Closed, WouldBlock
from rescind.lowlevel import PENDING
from rescind.sync import Full, NotSent, Permit, Receiver, Sender
from rescind.sync.channel_core import ChannelCore
from rescind.testing import poll_cancel_once
from tests.sync.channel_kit import Polled, ended
from tests.sync.channel_model import BACK, END, PERMIT, SENT, SHUT, VALUE, Model
from tests.sync.walk import examples

PICK = st.integers(0, 1000)


class Pending:
    """An operation that waits: the future, what it sends, or how much it takes."""

    def __init__(self, number: int, future: Any, *, value: Any = None, limit: int = 0) -> None:
        self.number = number
        self.polled = Polled(future)
        self.value = value
        self.limit = limit


class ChannelMachine(RuleBasedStateMachine):
    """Several senders and receivers, polled by hand."""

    @initialize(capacity=st.sampled_from([0, 1, 1, 2, 3, 5, None]))
    def begin(self, capacity: int | None) -> None:
        self.undelivered: list[int] = []
        self.core: ChannelCore[Any] = ChannelCore(capacity, self.undelivered.append, None)
        self.model = Model(capacity)
        self.senders: list[Sender[Any]] = [Sender(self.core)]
        self.receivers: list[Receiver[Any]] = [Receiver(self.core)]
        self.permits: list[Permit[Any]] = []
        self.waiting: list[Pending] = []
        self.numbers = 0
        # Where each value is that was ever made: with its sender (again), or received.
        self.made: list[int] = []
        self.back: list[int] = []
        self.received: list[int] = []

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    def value(self) -> int:
        value = self.number()
        self.made.append(value)
        return value

    # -- senders -----------------------------------------------------------------------------------

    @rule(pick=PICK)
    def send(self, pick: int) -> None:
        sender, value, who = self.senders[pick % len(self.senders)], self.value(), self.number()
        pending = Pending(who, sender.send(value), value=value)
        if sender._open:
            self.model.come(who, (value,))
        else:
            self.model.given[who] = BACK
        self.first_poll(pending)

    @rule(pick=PICK)
    def send_nowait(self, pick: int) -> None:
        sender, value = self.senders[pick % len(self.senders)], self.value()
        try:
            sender.send_nowait(value)
        except NotSent as exc:
            assert self.model.closed or not sender._open
            self.back.append(exc.value)
        except Full as exc:
            assert not self.model.room(1)
            self.back.append(exc.value)
        else:
            assert self.model.room(1)
            self.model.accept(value)
            self.model.pump()

    @rule(pick=PICK, slots=st.integers(0, 3))
    def reserve(self, pick: int, slots: int) -> None:
        sender, who = self.senders[pick % len(self.senders)], self.number()
        if self.core.capacity is not None:
            slots = min(slots, max(self.core.capacity, 1))
        pending = Pending(who, sender.reserve_many(slots))
        if sender._open:
            self.model.come(who, slots)
        else:
            self.model.given[who] = SHUT
        self.first_poll(pending)

    @rule(pick=PICK)
    def reserve_nowait(self, pick: int) -> None:
        sender = self.senders[pick % len(self.senders)]
        try:
            self.permits.append(sender.reserve_nowait())
        except Closed:
            assert self.model.closed or not sender._open
        except WouldBlock:
            assert not self.model.room(1)
        else:
            assert self.model.room(1)
            self.model.reserved += 1

    @precondition(lambda self: any(permit.left for permit in self.permits))
    @rule(pick=PICK)
    def permit_send(self, pick: int) -> None:
        usable = [permit for permit in self.permits if permit.left]
        value = self.value()
        usable[pick % len(usable)].send(value)
        self.model.reserved -= 1
        self.model.accept(value)
        self.model.pump()

    @precondition(lambda self: self.permits)
    @rule(pick=PICK, forget=st.booleans())
    def permit_ends(self, pick: int, forget: bool) -> None:
        permit = self.permits.pop(pick % len(self.permits))
        self.model.reserved -= permit.left
        if not forget:
            permit.release()
        del permit
        self.model.pump()

    @rule(pick=PICK)
    def sender_cloned(self, pick: int) -> None:
        sender = self.senders[pick % len(self.senders)]
        if sender._open:
            self.senders.append(sender.clone())
            self.model.senders += 1

    @rule(pick=PICK)
    def sender_closed(self, pick: int) -> None:
        sender = self.senders[pick % len(self.senders)]
        if sender._open and (len(self.senders) > 1 or pick % 5 == 0):
            sender.close()
            self.model.senders -= 1
            self.model.pump()

    # -- receivers ---------------------------------------------------------------------------------

    @rule(pick=PICK, limit=st.integers(0, 3))
    def recv(self, pick: int, limit: int) -> None:
        receiver, who = self.receivers[pick % len(self.receivers)], self.number()
        future = receiver.recv_many(limit) if limit else receiver.recv()
        if receiver._open:
            self.model.go(who, limit or 1)
        else:
            self.model.given[who] = END
        self.first_poll(Pending(who, future, limit=limit))

    @rule(pick=PICK)
    def recv_nowait(self, pick: int) -> None:
        receiver = self.receivers[pick % len(self.receivers)]
        expected = self.model.take_nowait() if receiver._open else None
        try:
            value = receiver.recv_nowait()
        except Closed:
            assert expected is None
        except WouldBlock:
            assert expected == []
        else:
            assert expected == [value]
            self.received.append(value)

    @rule(pick=PICK)
    def drain(self, pick: int) -> None:
        receiver = self.receivers[pick % len(self.receivers)]
        if receiver._open:
            expected = [value for _, value in self.model.queue]
            self.model.queue = []
            self.model.pump()
            taken = receiver.drain()
            assert expected == taken
            self.received += taken

    @rule(pick=PICK)
    def receiver_cloned(self, pick: int) -> None:
        receiver = self.receivers[pick % len(self.receivers)]
        if receiver._open:
            self.receivers.append(receiver.clone())
            self.model.receivers += 1

    @rule(pick=PICK)
    def receiver_dropped(self, pick: int) -> None:
        receiver = self.receivers[pick % len(self.receivers)]
        if receiver._open and (len(self.receivers) > 1 or pick % 5 == 0):
            receiver.drop()
            self.model.lose_receiver()

    @rule(pick=PICK)
    def receiver_closes(self, pick: int) -> None:
        if pick % 10 == 0:
            self.receivers[pick % len(self.receivers)].close()
            self.model.close()

    # -- what waits --------------------------------------------------------------------------------

    def first_poll(self, pending: Pending) -> None:
        """Poll an operation that the model has queued; it waits if the model says so."""
        result = pending.polled.poll()
        if pending.number in self.model.given:
            self.check(pending, result)
        else:
            assert result is PENDING
            self.waiting.append(pending)

    def check(self, pending: Pending, result: Any) -> None:
        """The result is what the model has given."""
        given = self.model.given.pop(pending.number)
        if given == SENT:
            assert result is None
        elif given == BACK:
            assert isinstance(result, NotSent)
            assert pending.value == result.value
            self.back.append(result.value)
        elif given == PERMIT:
            assert self.model.slots.pop(pending.number) == result.left
            self.permits.append(result)
        elif given == VALUE:
            expected = self.model.collect(pending.number, pending.limit or 1)
            assert (expected if pending.limit else expected[0]) == result
            self.received += expected
        else:
            assert isinstance(result, Closed)
            assert not isinstance(result, NotSent)

    @precondition(lambda self: self.waiting)
    @rule(pick=PICK)
    def poll(self, pick: int) -> None:
        pending = self.waiting.pop(pick % len(self.waiting))
        result = pending.polled.poll()
        if pending.number in self.model.given:
            self.check(pending, result)
        else:
            assert result is PENDING
            self.waiting.append(pending)

    @precondition(lambda self: self.waiting)
    @rule(pick=PICK)
    def cancel(self, pick: int) -> None:
        pending = self.waiting.pop(pick % len(self.waiting))
        outcome = poll_cancel_once(pending.polled.future)
        if pending.number in self.model.given:
            self.check(pending, ended(outcome))
        else:
            assert isinstance(outcome, Canceled)
            self.gone(pending)

    @precondition(lambda self: self.waiting)
    @rule(pick=PICK, forget=st.booleans())
    def drop(self, pick: int, forget: bool) -> None:
        pending = self.waiting.pop(pick % len(self.waiting))
        if forget:
            del pending.polled
        else:
            pending.polled.drop()
        self.gone(pending)

    def gone(self, pending: Pending) -> None:
        """The operation has left, whatever it had."""
        had = self.model.leave(pending.number)
        if pending.value is not None and had != SENT:
            self.back.append(pending.value)

    # -- what is always so -------------------------------------------------------------------------

    @invariant()
    def it_is_what_the_model_is(self) -> None:
        if not hasattr(self, "model"):
            return
        seen, model = self.core.statistics(), self.model
        assert (
            len(model.queue),
            len(model.granted),
            model.reserved,
            model.senders,
            model.receivers,
            len(model.coming),
            len(model.going),
            model.closed,
            model.undelivered,
        ) == (
            seen.queued,
            seen.granted,
            seen.reserved,
            seen.senders,
            seen.receivers,
            seen.sending,
            seen.receiving,
            seen.closed,
            self.undelivered,
        )
        assert [value for _, value in model.queue] == list(self.core.queue)
        if seen.capacity:
            assert seen.queued + seen.granted + seen.reserved <= seen.capacity  # C1

    @invariant()
    def each_is_woken_when_it_was_given_something(self) -> None:
        for pending in getattr(self, "waiting", ()):
            assert pending.polled.wakes == (pending.number in self.model.given)

    def teardown(self) -> None:
        """Everything goes; each value is in one place."""
        if not hasattr(self, "model"):
            return
        while self.waiting:
            pending = self.waiting.pop()
            sent = self.model.given.get(pending.number) == SENT
            pending.polled.drop()
            self.model.leave(pending.number)
            if pending.value is not None and not sent:
                self.back.append(pending.value)
        self.permits.clear()
        for receiver in self.receivers:
            receiver.drop()
        places = Counter(self.back) + Counter(self.received) + Counter(self.undelivered)
        assert Counter(self.made) == places


ChannelMachine.TestCase.settings = settings(
    max_examples=examples(150),
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestChannelMachine = ChannelMachine.TestCase
