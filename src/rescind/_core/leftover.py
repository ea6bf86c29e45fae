"""`Leftover`: what had not ended when a shutdown stopped waiting for it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Leftover"]


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that had not ended when the shutdown stopped waiting for it.

    Attributes:
        resource: the name of the resource that it belongs to.
        name: what it is, such as ``thread 'blocking-3'`` or ``process 812``.
        place: where it is stuck, as ``file:line in function``; None if unknown.
    """

    resource: str
    name: str
    place: str | None = None

    def __str__(self) -> str:
        at = "" if self.place is None else f", at {self.place}"
        return f"{self.name} of {self.resource}{at}"
