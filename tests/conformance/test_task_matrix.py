"""tokio's ``task_combinations``, for our semantics: every way in which one task can end.

Kind of end × what becomes of the handle × moment of the request × by whom × host; on the manual one
also × what the program is part of. The cells, and the oracle, are in `task_matrix`.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from .support import logged
from .task_matrix import Cell, Kind, When, Wrap, cells, differences, play


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Let nothing but reference counts free what is freed."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def play_all(runtime: Any, these: Iterable[Cell]) -> list[str]:
    """Play cells one after the other, and return the differences to what is expected."""
    found: list[str] = []
    with logged() as log:
        for cell in these:
            task = runtime.spawn(play(cell, log), name="driver")
            runtime.block_on(task.join())
            found += differences(cell, task.unwrap())
    return found


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("when", When, ids=lambda when: when.value)
@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.value)
def test_every_end_of_a_task_is_as_the_rules_say(host: Any, kind: Kind, when: When) -> None:
    """Tokio task_combinations: outcome, trace, joiners, logs and leftovers of each cell agree."""
    with host() as runtime:
        assert [] == play_all(runtime, cells(kind, when))


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize(
    "wrap", [wrap for wrap in Wrap if wrap is not Wrap.PLAIN], ids=lambda wrap: wrap.value
)
@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.value)
def test_a_combinator_around_the_body_changes_no_end(kind: Kind, wrap: Wrap) -> None:
    """Tokio task_combinations, inside each combinator, which passes all of it through."""
    from rescind import Runtime
    from rescind.lowlevel import ManualHost

    with Runtime(host=ManualHost()) as runtime:
        these = [cell for when in When for cell in cells(kind, when, wrap)]
        assert [] == play_all(runtime, these)


def test_the_matrix_is_complete() -> None:
    """The number of cells is the product of the dimensions, less those that cannot be."""
    plain = sum(1 for kind in Kind for when in When for _ in cells(kind, when))
    wrapped = plain * (len(Wrap) - 1)
    assert (805, 5635) == (plain, wrapped)
