"""Oneshot, broadcast and watch channels do what their models do, in any order of events."""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from rescind import Canceled, Closed, UsageError, WouldBlock
from rescind.lowlevel import PENDING
from rescind.sync import (
    BroadcastReceiver,
    Lagged,
    NotSent,
    WatchReceiver,
    broadcast,
    oneshot,
    watch,
)
from rescind.testing import poll_cancel_once
from tests.sync.channel_kit import Polled, ended
from tests.sync.walk import examples

PICK = st.integers(0, 1000)
SETTINGS = settings(
    max_examples=examples(100),
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


class Waiting:
    """A receive that waits, and the end by which it does."""

    def __init__(self, end: Any, future: Any) -> None:
        self.end = end
        self.polled = Polled(future)


class BroadcastMachine(RuleBasedStateMachine):
    """The model is the whole history, and how far each receiver has come."""

    @initialize(capacity=st.integers(1, 4))
    def begin(self, capacity: int) -> None:
        self.sender, receiver = broadcast[int](capacity)
        self.capacity = capacity
        self.history: list[int] = []
        self.come: dict[BroadcastReceiver[int], int] = {receiver: 0}
        self.waiting: list[Waiting] = []
        self.open = True

    def pick(self, pick: int) -> BroadcastReceiver[int]:
        return list(self.come)[pick % len(self.come)]

    def expected(self, receiver: BroadcastReceiver[int]) -> Any:
        """Say what the receiver gets next: a value, a lag, the end or nothing; and move it on."""
        at = self.come[receiver]
        missed = max(0, len(self.history) - self.capacity - at)
        if missed:
            self.come[receiver] += missed
            return ("missed", missed)
        if at < len(self.history):
            self.come[receiver] += 1
            return ("value", self.history[at])
        return ("nothing",) if self.open else ("end",)

    @staticmethod
    def seen(result: Any) -> Any:
        if isinstance(result, Lagged):
            return ("missed", result.missed)
        if isinstance(result, Closed):
            return ("end",)
        return ("nothing",) if result is PENDING else ("value", result)

    @precondition(lambda self: self.open)
    @rule(count=st.integers(1, 3))
    def send(self, count: int) -> None:
        for _ in range(count):
            value = len(self.history)
            if self.come:
                assert len(self.come) == self.sender.send(value)
                self.history.append(value)
            else:
                with pytest.raises(NotSent) as caught:
                    self.sender.send(value)
                assert value == caught.value.value

    @precondition(lambda self: self.open)
    @rule()
    def subscribe(self) -> None:
        self.come[self.sender.subscribe()] = len(self.history)

    @precondition(lambda self: self.come)
    @rule(pick=PICK)
    def clone(self, pick: int) -> None:
        receiver = self.pick(pick)
        self.come[receiver.clone()] = self.come[receiver]

    @precondition(lambda self: self.come)
    @rule(pick=PICK)
    def drop(self, pick: int) -> None:
        receiver = self.pick(pick)
        del self.come[receiver]
        receiver.drop()
        self.waiting = [one for one in self.waiting if one.end is not receiver]

    @rule(pick=PICK)
    def close(self, pick: int) -> None:
        if pick % 8 == 0:
            self.sender.close()
            self.open = False

    @precondition(lambda self: self.come)
    @rule(pick=PICK)
    def recv(self, pick: int) -> None:
        receiver = self.pick(pick)
        waiting = Waiting(receiver, receiver.recv())
        result = waiting.polled.poll()
        assert self.expected(receiver) == self.seen(result)
        if result is PENDING:
            self.waiting.append(waiting)

    @precondition(lambda self: self.waiting)
    @rule(pick=PICK, how=st.sampled_from(["poll", "cancel", "drop", "forget"]))
    def go_on(self, pick: int, how: str) -> None:
        waiting = self.waiting.pop(pick % len(self.waiting))
        woken = waiting.polled.wakes > 0
        match how:
            case "poll":
                result = waiting.polled.poll()
                assert self.expected(waiting.end) == self.seen(result)
                if result is PENDING:
                    self.waiting.append(Waiting(waiting.end, waiting.polled.future))
                    self.waiting[-1].polled.poll()
            case "cancel":
                outcome = poll_cancel_once(waiting.polled.future)
                if isinstance(outcome, Canceled):
                    assert not woken or self.expected(waiting.end) == ("nothing",)
                else:
                    assert self.expected(waiting.end) == self.seen(ended(outcome))
            case "drop":
                waiting.polled.drop()

    @invariant()
    def nobody_sleeps_over_what_is_there(self) -> None:
        for waiting in getattr(self, "waiting", ()):
            news = self.come[waiting.end] < len(self.history) or not self.open
            assert waiting.polled.wakes or not news

    @invariant()
    def no_more_is_kept_than_somebody_has_not_seen(self) -> None:
        if hasattr(self, "come"):
            unseen = max((len(self.history) - at for at in self.come.values()), default=0)
            assert min(unseen, self.capacity) == self.sender.statistics().kept


class WatchMachine(RuleBasedStateMachine):
    """The model is a value, its version, and the version that each receiver has seen."""

    @initialize()
    def begin(self) -> None:
        self.sender, receiver = watch(0)
        self.version = 0
        self.seen: dict[WatchReceiver[int], int] = {receiver: 0}
        self.waiting: list[Waiting] = []
        self.open = True

    @precondition(lambda self: self.open)
    @rule(how=st.sampled_from(["send", "modify", "in place", "not", "raise"]))
    def change(self, how: str) -> None:
        match how:
            case "send":
                self.sender.send(self.version + 1)
            case "modify":
                assert self.version + 1 == self.sender.modify(lambda value: value + 1)
            case "in place":
                self.sender.send(self.version)
                self.version -= 1  # the same value again is a change, too
                self.seen = dict.fromkeys(self.seen, -1)
            case "not":
                assert not self.sender.send_if_modified(lambda value: False)
                return
            case _:
                try:
                    self.sender.modify(lambda value: 1 // 0)
                except ZeroDivisionError:
                    return
        self.version += 1

    @precondition(lambda self: self.open)
    @rule()
    def subscribe(self) -> None:
        self.seen[self.sender.subscribe()] = self.version

    @precondition(lambda self: len(self.seen) > 1)
    @rule(pick=PICK)
    def drop(self, pick: int) -> None:
        receiver = list(self.seen)[pick % len(self.seen)]
        del self.seen[receiver]
        receiver.drop()
        self.waiting = [one for one in self.waiting if one.end is not receiver]

    @rule(pick=PICK)
    def close(self, pick: int) -> None:
        if pick % 10 == 0:
            self.sender.close()
            self.open = False

    def check(self, receiver: WatchReceiver[int], result: Any) -> None:
        if self.seen[receiver] != self.version:
            assert self.version == result
            self.seen[receiver] = self.version
        elif self.open:
            assert result is PENDING
        else:
            assert isinstance(result, Closed)

    @rule(pick=PICK)
    def changed(self, pick: int) -> None:
        receiver = list(self.seen)[pick % len(self.seen)]
        waiting = Waiting(receiver, receiver.changed())
        result = waiting.polled.poll()
        self.check(receiver, result)
        if result is PENDING:
            self.waiting.append(waiting)

    @precondition(lambda self: self.waiting)
    @rule(pick=PICK, how=st.sampled_from(["poll", "cancel", "drop", "forget"]))
    def go_on(self, pick: int, how: str) -> None:
        waiting = self.waiting.pop(pick % len(self.waiting))
        match how:
            case "poll":
                result = waiting.polled.poll()
                self.check(waiting.end, result)
                if result is PENDING:
                    self.waiting.append(Waiting(waiting.end, waiting.polled.future))
                    self.waiting[-1].polled.poll()
            case "cancel":
                outcome = poll_cancel_once(waiting.polled.future)
                if not isinstance(outcome, Canceled):
                    self.check(waiting.end, ended(outcome))
            case "drop":
                waiting.polled.drop()

    @invariant()
    def everybody_is_told(self) -> None:
        for waiting in getattr(self, "waiting", ()):
            news = self.seen[waiting.end] != self.version or not self.open
            assert waiting.polled.wakes or not news

    @invariant()
    def the_value_is_the_latest(self) -> None:
        for receiver, seen in getattr(self, "seen", {}).items():
            assert (self.version, seen != self.version) == (receiver.get(), receiver.has_changed)


class OneshotMachine(RuleBasedStateMachine):
    """The model is where the one value is."""

    @initialize()
    def begin(self) -> None:
        self.undelivered: list[int] = []
        self.sender, self.receiver = oneshot[int](on_undelivered=self.undelivered.append)
        self.place = "nowhere"  # sent, received or undelivered
        self.sender_open = self.receiver_open = self.wanted = True
        self.waiting: list[Polled] = []

    @rule(close=st.booleans())
    def send(self, close: bool) -> None:
        if close:
            self.sender.close()
            self.sender_open = False
            return
        if self.place != "nowhere":
            with pytest.raises(UsageError):
                self.sender.send(1)
        elif self.sender_open and self.wanted:
            self.sender.send(1)
            self.place = "sent"
        else:
            with pytest.raises(NotSent) as caught:
                self.sender.send(1)
            assert 1 == caught.value.value

    @rule(pick=PICK)
    def receiver_goes(self, pick: int) -> None:
        if pick % 6 == 0:
            self.receiver.close()
            self.wanted = False
        elif pick % 6 == 1:
            self.receiver.drop()
            self.wanted = self.receiver_open = False
            if self.place == "sent":
                self.place = "undelivered"

    def check(self, result: Any) -> None:
        if self.place == "sent":
            assert 1 == result
            self.place = "received"
        elif self.place == "nowhere" and self.sender_open and self.wanted:
            assert result is PENDING or isinstance(result, WouldBlock)
        else:
            assert isinstance(result, Closed)

    @rule()
    def recv(self) -> None:
        polled = Polled(self.receiver.recv())
        result = polled.poll()
        self.check(result)
        if result is PENDING:
            self.waiting.append(polled)

    @rule()
    def recv_nowait(self) -> None:
        try:
            result: Any = self.receiver.recv_nowait()
        except (WouldBlock, Closed) as exc:
            result = exc
        self.check(result)

    @precondition(lambda self: self.waiting)
    @rule(pick=PICK, how=st.sampled_from(["poll", "cancel", "drop", "forget"]))
    def go_on(self, pick: int, how: str) -> None:
        polled = self.waiting.pop(pick % len(self.waiting))
        match how:
            case "poll":
                result = polled.poll()
                self.check(result)
                if result is PENDING:
                    self.waiting.append(polled)
            case "cancel":
                outcome = poll_cancel_once(polled.future)
                if not isinstance(outcome, Canceled):
                    self.check(ended(outcome))
            case "drop":
                polled.drop()

    @invariant()
    def the_value_is_in_one_place(self) -> None:
        if hasattr(self, "place"):
            assert [1] * (self.place == "undelivered") == self.undelivered
            seen = self.sender.statistics()
            assert (self.place != "nowhere", self.place == "received") == (seen.sent, seen.received)
            for polled in self.waiting:
                over = self.place != "nowhere" or not (self.sender_open and self.wanted)
                assert polled.wakes == over


BroadcastMachine.TestCase.settings = SETTINGS
WatchMachine.TestCase.settings = SETTINGS
OneshotMachine.TestCase.settings = SETTINGS
TestBroadcastMachine = BroadcastMachine.TestCase
TestWatchMachine = WatchMachine.TestCase
TestOneshotMachine = OneshotMachine.TestCase
