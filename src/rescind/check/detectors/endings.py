"""How the scenario, its follow-up and its copies ended: the detectors that need no sensor."""

from __future__ import annotations

from collections.abc import Iterable

from rescind.check.detectors.base import Detector
from rescind.check.record import Record, Symptom

__all__ = [
    "CrowdDiffers",
    "FollowUpDiffers",
    "Hang",
    "Invariants",
    "TeardownFails",
]


class Hang(Detector):
    """The canceled scenario never ends."""

    name = "hang"

    @classmethod
    def judge(cls, seen: Record, clean: Record) -> Iterable[Symptom]:
        if seen.end.kind == "hung":
            yield Symptom(
                "the canceled scenario never ends",
                expected="it ends once it was canceled",
                seen=seen.end.shown,
                remedy="bound the awaits of the cleanup, or shield what must be waited for",
            )


class FollowUpDiffers(Detector):
    """Run again on the same env, the scenario does not end as it does without a cancellation."""

    name = "follow-up"

    @classmethod
    def judge(cls, seen: Record, clean: Record) -> Iterable[Symptom]:
        was, now = clean.follow_up, seen.follow_up
        if now.kind == "not run" or (now.kind, now.shown) == (was.kind, was.shown):
            return
        if now.kind == "hung":
            sentence = "the next use hangs"
        elif now.kind == "returned" and was.kind == "returned":
            sentence = (
                "the next use gets another result: a response that belongs to another request"
            )
        else:
            sentence = "the next use fails"
        yield Symptom(
            sentence,
            expected=str(was),
            seen=str(now),
            remedy="on a cancellation in the middle of an exchange, give the resource up (close "
            "the connection, release the slot) instead of putting it back as it is",
        )


class CrowdDiffers(Detector):
    """Copies that ran at the same time, and were not canceled, noticed."""

    name = "crowd"

    @classmethod
    def judge(cls, seen: Record, clean: Record) -> Iterable[Symptom]:
        was = sorted((end.kind, end.shown) for end in clean.crowd)
        now = sorted((end.kind, end.shown) for end in seen.crowd)
        if was != now:
            yield Symptom(
                "a neighbor that was not canceled noticed",
                expected="; ".join(map(str, clean.crowd)),
                seen="; ".join(map(str, seen.crowd)),
                remedy="hand on what a canceled waiter had been given; tell each waiter apart",
            )


class Invariants(Detector):
    """The user's own promise is broken."""

    name = "invariant"

    @classmethod
    def judge(cls, seen: Record, clean: Record) -> Iterable[Symptom]:
        for failure in seen.invariants:
            yield Symptom("an invariant does not hold", expected="it holds", seen=failure)


class TeardownFails(Detector):
    """What setup made cannot be ended any more."""

    name = "teardown"

    @classmethod
    def judge(cls, seen: Record, clean: Record) -> Iterable[Symptom]:
        if seen.teardown:
            yield Symptom(
                "teardown fails, or hangs",
                expected="it ends as it does without a cancellation",
                seen=seen.teardown,
                remedy="leave what is shared in a state in which it can be closed",
            )
