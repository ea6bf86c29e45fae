"""Cancellation tokens, a parent and its child: three tasks, canceled or dropped at every park."""

from collections.abc import Iterable
from typing import Any

import pytest

import rescind
from tests.models.explore import Call, Op
from tests.models.kit import check
from tests.models.linear import ANY

#: With `--hypothesis-profile thorough` the longest take minutes.
pytestmark = pytest.mark.timeout(600)

WAIT, GUARD, CANCEL = Op("wait", 0), Op("guard", 0), Op("cancel", 0)
WAIT_CHILD, GUARD_CHILD, CANCEL_CHILD = Op("wait", 1), Op("guard", 1), Op("cancel", 1)


def make() -> list[rescind.CancellationToken]:
    """Make a token and its child."""
    parent = rescind.CancellationToken()
    return [parent, parent.child()]


def start(made: list[rescind.CancellationToken], _task: int, op: Op) -> Any:
    """Wait for one of the two, have it guard what never ends, or cancel it."""
    token = made[op.argument]
    if op.name == "cancel":
        token.cancel("now")
        return None
    return token.wait() if op.name == "wait" else token.guard(rescind.never())


def token(state: tuple[bool, bool], _task: int, op: Op) -> Iterable[tuple[Any, Any]]:
    """Model both: the state is which are canceled; a parent takes its child along."""
    if op.name == "cancel":
        return [(None, (True, True) if op.argument == 0 else (state[0], True))]
    if not state[op.argument]:
        return []
    return [("TaskCanceled" if op.name == "guard" else ANY, state)]


def as_it_says(made: list[rescind.CancellationToken], history: list[Call]) -> None:
    """A token is canceled if somebody has canceled it, or its parent."""
    canceled = {call.op.argument for call in history if call.op.name == "cancel"}
    assert made[0].canceled == (0 in canceled)
    assert made[1].canceled == bool(canceled)


def test_tokens() -> None:
    """Who waits goes on once it is canceled, and nobody before; who leaves is not in the way."""
    options: Any = {"initial": (False, False), "step": token, "conserved": as_it_says}
    cancels = (CANCEL_CHILD, CANCEL, CANCEL)
    for scripts in (
        [(WAIT, WAIT_CHILD, GUARD), (WAIT_CHILD, GUARD_CHILD, WAIT), cancels],
        [
            (GUARD_CHILD, GUARD),
            (WAIT_CHILD, WAIT),
            (CANCEL, GUARD_CHILD, CANCEL_CHILD),
        ],
    ):
        assert check(make, start, scripts, **options) > 500
