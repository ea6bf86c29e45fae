"""`CaseRig`: the same for a test of `unittest.IsolatedAsyncioTestCase`.

*What it is.* Its own ``setUp``, ``asyncSetUp``, cleanups and so on, called as unittest calls them,
with a runner whose loop is the run's.

*Threads.* pytest's.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from rescind.check.suite.rig import Rig, Runner

if TYPE_CHECKING:
    from rescind.check.run import Run

__all__ = ["CaseRig"]


class CaseRig(Rig):
    """A test of unittest that is set up again and again."""

    _case: Any = None

    def set_up(self, run: Run) -> None:
        super().set_up(run)
        case = self._case = self.item.instance
        case._asyncioRunner = Runner(self)
        try:
            case._callSetUp()
        except BaseException:
            self._case = None  # unittest calls no tearDown then, but the cleanups
            self._clean_up(case)
            super().tear_down(run)
            raise
        fields: dict[str, Any] = dict(case.__dict__)
        for name, value in fields.items():
            if not name.startswith("_"):
                setattr(run.env, name, value)

    def tear_down(self, run: Run) -> None:
        case, self._case = self._case, None
        try:
            if case is not None:
                try:
                    case._callTearDown()
                finally:
                    self._clean_up(case)
        finally:
            super().tear_down(run)

    def body(self) -> Coroutine[Any, Any, Any]:
        coroutine: Coroutine[Any, Any, Any] = getattr(self._case, self.item.originalname)()
        return coroutine

    @staticmethod
    def _clean_up(case: Any) -> None:
        try:
            while case._cleanups:
                function, arguments, options = case._cleanups.pop()
                case._callCleanup(function, *arguments, **options)
        finally:
            case._asyncioRunner = None
