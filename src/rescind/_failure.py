"""`CleanupError`: an exception that was raised while a runtime was shut down, in a report.

Apart from `_report`, which every program imports: most shutdowns meet none.

*Threads.* Data; any.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rescind._core.frames import from_library
from rescind._core.site import Site

__all__ = ["CleanupError"]


@dataclass(frozen=True, slots=True)
class CleanupError:
    """An exception that was raised while the runtime was shut down.

    Attributes:
        name: of the task, or of the resource, that raised it.
        id: the task's id; None if it was none.
        error: the exception, in words: its ``repr``.
        place: ``file:line in function`` where it was raised, in the program's own code; None if
            unknown.
        exception: the exception itself; None in a copy that was pickled.
    """

    name: str
    id: int | None
    error: str
    place: str | None
    exception: BaseException | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, name: str, number: int | None, exc: BaseException) -> CleanupError:
        """Return the record of ``exc``."""
        return cls(name, number, _repr(exc), _raised_at(exc), exc)

    @property
    def label(self) -> str:
        """How whoever raised it is called in messages."""
        return self.name if self.id is None else f"task {self.id} {self.name!r}"

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, ready for JSON."""
        return {"name": self.name, "id": self.id, "error": self.error, "place": self.place}

    def __reduce__(self) -> tuple[Any, ...]:
        return CleanupError, (self.name, self.id, self.error, self.place)


def _repr(exc: BaseException) -> str:
    try:
        return repr(exc)
    except Exception:  # an exception class of the user's may be broken in any way
        return f"{type(exc).__qualname__}(...)"


def _raised_at(exc: BaseException) -> str | None:
    found: Site | None = None
    tb = exc.__traceback__
    while tb is not None:
        code = tb.tb_frame.f_code
        if found is None or not from_library(code.co_filename):
            found = Site(code.co_filename, tb.tb_lineno, code.co_qualname)
        tb = tb.tb_next
    return None if found is None else f"{found} in {found.function}"
