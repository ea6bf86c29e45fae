"""`LawBroken`: what a check of the kit raises, and the advice that goes with each law."""

from __future__ import annotations

__all__ = ["ADVICE", "LawBroken", "broken"]


class LawBroken(AssertionError):
    """Something of yours breaks a law.

    Attributes:
        law: the number, such as ``P43``.
    """

    def __init__(self, law: str, text: str) -> None:
        super().__init__(text)
        self.law = law


#: What each law of the kit says, and how one usually comes to keep it.
ADVICE: dict[str, tuple[str, str]] = {
    "P4": (
        "what was only created, or created and dropped, has no effect",
        (
            "begin the work in the first poll, not in __init__, and let drop() of an unpolled one "
            "release only what the constructor was given"
        ),
    ),
    "P8": (
        "no future is polled after it was ready, and what it gave is given once",
        (
            "keep a flag for the end: poll() after it raises PolledAfterCompletion; a combinator "
            "forgets a child that has ended"
        ),
    ),
    "P9": (
        "a cancel request is delivered where the future is parked, and nothing else goes on",
        (
            "define poll_cancel() so that it ends, or leave it to the default, which drops it; "
            "do not go on waiting for the value"
        ),
    ),
    "P12": (
        "when a cancellation is over, everything that it concerns has ended",
        "return PENDING from poll_cancel() until the cleanup of every child is done",
    ),
    "P15": (
        "a value and a cancel at once: the value is delivered or handed back, never lost",
        (
            "in poll_cancel(), look whether the value is there before giving it up, and return "
            "Completed(value) if it is; in drop(), pass it on"
        ),
    ),
    "P39": (
        "what comes after the end is ignored",
        "let the callback look whether the future has ended, and remove it in drop()",
    ),
    "P42": (
        "canceled before the first poll: nothing of it runs, and nothing is left",
        "let poll_cancel() and drop() work before poll() was ever called",
    ),
    "P43": (
        "when a parent ends, the children that lost have been canceled and have ended",
        (
            "cancel every child that is left with poll_cancel(), hold the result, and return it "
            "only when each child has given an Outcome"
        ),
    ),
    "P45": (
        "a cancel of the parent cancels all children, waits for them, and ends as Canceled",
        (
            "pass poll_cancel() on to every child that has not ended, and return Canceled with the "
            "request's reason when all have"
        ),
    ),
    "P70": (
        "extra polls and wakes change nothing; the latest waker is woken",
        (
            "store cx.waker in every poll() that returns PENDING, not only the first, and wake it "
            "once there is progress"
        ),
    ),
    "P71": (
        "whatever is canceled, nothing is kept: the next in line gets what a canceled one had",
        (
            "a waiter that was given something and is canceled before it took it has to pass it "
            "on: in drop(), if WaitList.leave() returns True, hand over to the next"
        ),
    ),
    "R3": (
        "drop releases what the future holds, at once, and has an effect once",
        "give the future a drop() that releases what poll() has taken, and remember that it did",
    ),
}


def broken(law: str, subject: str, happened: str, *, program: str | None = None) -> LawBroken:
    """Return the failure: which law, what happened, with which program, and what to do.

    Args:
        law: the number.
        subject: what was checked, in words.
        happened: what it did instead.
        program: the program with which it did, if one was generated.
    """
    says, advice = ADVICE[law]
    lines = [
        f"{subject} breaks {law}: {says}.",
        f"  what happened: {happened}",
        *([f"  program: {program}"] if program else []),
        f"  what to do: {advice}.",
    ]
    return LawBroken(law, "\n".join(lines))
