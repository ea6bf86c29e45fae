"""What hangs on a cell without being part of it: `Dependent`, and the bell of its grace.

*Threads.* The executor's thread only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .poll import Waker

if TYPE_CHECKING:
    from .cell import Cell

__all__ = ["Dependent", "GraceBell"]


class Dependent:
    """Something that hangs on a cell without being part of it, such as the tasks of a group."""

    __slots__ = ()

    def asked(self, cell: Cell[Any]) -> None:
        """Note that the cell was asked to cancel, once more perhaps; nothing is delivered yet."""

    def orphaned(self) -> None:
        """Note that the cell has ended."""


class GraceBell(Waker):
    """Wakes a cell whose grace is over."""

    __slots__ = ("_cell",)

    def __init__(self, cell: Cell[Any]) -> None:
        self._cell = cell

    def wake(self) -> None:
        self._cell.expire()
