"""Every law: importing this enters them all into `law.LAWS`, in order."""

from __future__ import annotations

from rescind.testing.laws import (
    clock,
    finalizers,
    hosts,
    leaves,
    outcomes,
    parents,
    requests,
    shields,
    trees,
)
from rescind.testing.laws.law import LAWS, Law

__all__ = ["ELSEWHERE", "GROUPS", "laws"]

#: The headings, in order.
GROUPS = tuple(
    module.__name__.rpartition(".")[2]
    for module in (outcomes, requests, shields, finalizers, parents, trees, clock, leaves, hosts)
)

#: Laws about the search for schedules itself; its own tests check them.
ELSEWHERE = (75, 76, 77, 78)


def laws(group: str | None = None) -> list[Law]:
    """Return the laws of one heading, or all of them, by number."""
    found = [one for one in LAWS if group is None or one.group == group]
    return sorted(found, key=lambda one: one.number)
