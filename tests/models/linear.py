"""Is a history that of a sequential model? "Canceled" means: no effect, or the full effect.

*What it is.* Each operation takes effect at one moment between its begin and its end. `explained`
looks for such an order (Wing and Gong, with what was tried before remembered).

*Canceled or dropped.* What gives (`GIVES`) may have had no effect, or its full effect. What takes
had none: else it would be lost. If it was dropped, it may have had one and undone it by then: it
had been given something, and passed it on.

*Blocked at the end.* It had no effect, and the model has to say that it is blocked: else a wake-up
was lost. Where operations want different amounts, that is said of the first in each line.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any

from tests.models.explore import BLOCKED, DONE, DROPPED, Call, Op

#: Given the state, the task and the operation: each possible pair of a result and the new state;
#: none if it would block.
Step = Callable[[Any, int, Op], Iterable[tuple[Any, Hashable]]]

#: Given the state, the task, the operation and its result: the state when it is undone.
Undo = Callable[[Any, int, Op, Any], Hashable]

ANY: Any = object()


#: What hands something over by its effect, so that having it and being canceled loses nothing.
GIVES = frozenset({"send"})


def explained(
    history: list[Call],
    initial: Hashable,
    step: Step,
    undo: Undo | None = None,
    line: Callable[[Op], Hashable] | None = None,
) -> bool:
    """Is there an order in which the model does the same, and leaves blocked what is blocked?

    Args:
        history: what happened.
        initial: the model's state at the beginning.
        step: the model.
        undo: what it means in the model that a dropped one passes on what it was given.
        line: in which line an operation waits, if it may be that alone which blocks it.
    """
    calls = [call for call in history if call.how != BLOCKED]
    blocked = [call for call in history if call.how == BLOCKED]
    if line is not None:
        # In the order of their arrival, for each is polled when it is begun: the first stays.
        blocked = list({line(call.op): call for call in reversed(blocked)}.values())
    everything = frozenset(range(len(calls)))
    failed: set[Hashable] = set()

    # `owed`: what was given to one that is dropped later, and is still to be passed on.
    def search(
        done: frozenset[int], owed: tuple[tuple[int, Hashable], ...], state: Hashable
    ) -> bool:
        if done == everything and not owed:
            return not any(list(step(state, call.task, call.op)) for call in blocked)
        key = (done, owed, state)
        if key in failed:
            return False
        rest = everything - done
        waiting = [*rest, *(index for index, _ in owed)]
        horizon = min(_end(calls[index]) for index in waiting)
        for index, given in owed:
            assert undo is not None
            call = calls[index]
            left = tuple(one for one in owed if one[0] != index)
            if search(done, left, undo(state, call.task, call.op, given)):
                return True
        for index in rest:
            call = calls[index]
            if call.begun > horizon:
                continue  # something ended before it began, and so comes first
            after = done | {index}
            if call.how != DONE and search(after, owed, state):
                return True
            for result, new in step(state, call.task, call.op):
                if call.how == DONE and result is not ANY and result != call.result:
                    continue
                full = call.how == DONE or call.op.name in GIVES
                if full and search(after, owed, new):
                    return True
                undone = call.how == DROPPED and undo is not None
                if undone and search(after, (*owed, (index, result)), new):
                    return True
        failed.add(key)
        return False

    return search(frozenset(), (), initial)


def _end(call: Call) -> float:
    return float("inf") if call.ended is None else call.ended


def told(history: list[Call]) -> tuple[Any, ...]:
    """Return a history in terms that compare equal if only the ticks differ."""
    ticks = sorted({tick for call in history for tick in (call.begun, call.ended or 0)})
    rank = {tick: number for number, tick in enumerate(ticks)}
    return tuple(
        (call.task, call.op, rank[call.begun], rank[call.ended or 0], call.how, repr(call.result))
        for call in history
    )
