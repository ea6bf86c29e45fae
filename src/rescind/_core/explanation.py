"""`Explanation`: why a task is alive, and what it waits for, as data and as an answer.

*What it is.* Pictures of tasks and of what hangs on them (`CellInfo`), taken by
`rescind.trace.explain`, and the text that reads like an answer. It holds no frame, no future and no
task; it can be pickled, and made into JSON.

*Threads.* Data; any.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any, Final, cast

from .frames import from_library, shortened
from .reason import CancelReason, printable
from .site import Site

__all__ = [
    "Blocker",
    "CellInfo",
    "Explanation",
    "GroupInfo",
    "plain_data",
    "reason_data",
    "reason_lines",
    "reason_text",
]

#: How many blockers are named, and how many frames are shown.
_NAMED: Final = 4
_FRAMES: Final = 6
#: How many others are told of in an answer, those that are alike counted as one.
_BLOCKS: Final = 8
#: Of a longer chain of reasons so many are kept at each of its ends: as data, and in words. Readers
#: of JSON nest as deep as the chain is long; and groups may be nested as deep as memory allows.
_LINKS: Final = 100
_LINES: Final = 8
#: Below this many seconds they are told as milliseconds, from that many on as minutes.
_MILLISECONDS: Final = 0.1
_MINUTES: Final = 120


@dataclass(frozen=True, slots=True)
class Blocker:
    """Somebody who has to act before a cell can go on.

    Attributes:
        label: such as ``task 9 'writer'``, or other words.
        id: the task's id; None if it is none of rescind's.
    """

    label: str
    id: int | None = None


@dataclass(frozen=True, slots=True)
class GroupInfo:
    """A task group that is open in a cell.

    Attributes:
        name: its name.
        reason: why it was canceled; None if it was not.
        tasks: those of its tasks that have not ended, in the order of spawning.
        more: how many of them were not looked at, besides these.
    """

    name: str
    reason: CancelReason | None
    tasks: tuple[CellInfo, ...]
    more: int = 0

    @property
    def alive(self) -> int:
        """How many of its tasks have not ended."""
        return len(self.tasks) + self.more


@dataclass(frozen=True, slots=True)
class CellInfo:
    """A task, or a child of a combinator. Times are in seconds.

    Attributes:
        label: how it is called in messages, such as ``task 3 'main'`` or ``child 0: fetch``.
        id: the task's id; None for a child.
        name: the task's name, or the label.
        state: in words: ``waiting``, ``cleaning up``, ``shielded``, ``completed`` …
        age: since it was made; None for a child, and for what has ended.
        asked: since it was first asked to cancel; None if it was not.
        reasons: why, the primary reason first.
        shields: where the shields that hold cancellation back were entered, outermost first.
        grace_left: until its cleanup is dropped; None if it was not asked, or has no limit.
        deadline_left: until a deadline or timeout around what it awaits expires, or None.
        waits_for: what it waits for, such as ``sleep(5)``; empty for what runs, or has ended.
        place: where, in the program's own code, as ``at file:line in function``; empty if unknown.
        stack: where, outermost frame first, libraries' frames included.
        blocked_by: who has to act before it goes on; empty if that is no task.
        children: those of the combinator that it awaits, and what is polled beside it.
        groups: the task groups that are open in it, outermost first.
        more: how many children were not looked at, besides these.
    """

    label: str
    id: int | None
    name: str
    state: str
    age: float | None = None
    asked: float | None = None
    reasons: tuple[CancelReason, ...] = ()
    shields: tuple[str, ...] = ()
    grace_left: float | None = None
    deadline_left: float | None = None
    waits_for: str = ""
    place: str = ""
    stack: tuple[Site, ...] = ()
    blocked_by: tuple[Blocker, ...] = ()
    children: tuple[CellInfo, ...] = ()
    groups: tuple[GroupInfo, ...] = ()
    more: int = 0


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a task is alive, and what it waits for. ``str()`` is the answer in words.

    Attributes:
        task: the task itself.
        chain: those that it waits for, then those that these wait for, nearest first, each once.
        cycle: the labels of tasks that wait for one another in a circle, with the first one at the
            end again; empty if there is none. What waits for something else too, such as a timer,
            may still get out of it.
    """

    task: CellInfo
    chain: tuple[CellInfo, ...] = ()
    cycle: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, ready for JSON."""
        plain: dict[str, Any] = plain_data(self)
        return plain

    def __str__(self) -> str:
        return "\n".join(map(printable, self._lines()))

    def _lines(self) -> Iterator[str]:
        yield _headline(self.task)
        yield from (f"  {line}" for line in _details(self.task))
        folded = _folded(self.chain, self.cycle)
        for info, others in folded[:_BLOCKS]:
            yield ""
            yield _headline(info) + (f"; {others} more are like it" if others else "")
            yield from (f"  {line}" for line in _details(info))
        left = sum(1 + others for _, others in folded[_BLOCKS:])
        if left:
            yield ""
            yield f"… and {left} more that they wait for"
        if self.cycle:
            yield ""
            yield f"These wait for each other: {' → '.join(self.cycle)}"


# ---------------------------------------------------------------------------------------- the words


def _folded(infos: tuple[CellInfo, ...], apart: tuple[str, ...] = ()) -> list[tuple[CellInfo, int]]:
    """Return the first one of those that are alike, and how many others there are.

    They are alike if they do the same at the same place, and were canceled by the same steps,
    whatever their groups are called. Those whose labels are in ``apart`` are told each.
    """
    alike: dict[object, tuple[CellInfo, int]] = {}
    for info in infos:
        key: object = id(info)
        if not info.children and info.label not in apart:
            why = tuple(
                (link.kind, link.where) for one in info.reasons for link in _ends(one, _LINES)
            )
            key = info.state, info.stack, why, info.shields, len(info.groups), info.id is None
        first, others = alike.get(key, (info, -1))
        alike[key] = first, others + 1
    return list(alike.values())


def _headline(info: CellInfo) -> str:
    text = f"{info.label} {'is ' if info.age is not None else 'has ended: '}{info.state}"
    if info.age is not None:
        text += f", {_seconds(info.age)} old"
    if info.id is None and info.age is None:
        text = f"{info.label} is {info.state}"
    return text


def _details(info: CellInfo) -> Iterator[str]:
    for index, reason in enumerate(info.reasons):
        ago = f"{_seconds(info.asked)} ago, " if info.asked is not None and index == 0 else ""
        first, *rest = reason_lines(reason)
        yield f"{'canceled' if index == 0 else 'and then':<12}{ago}{first}"
        yield from (f"{'':<14}{line}" for line in rest)
    for index, place in enumerate(info.shields):
        yield f"{'held back' if index == 0 else '':<12}by the shield at {place}"
    if info.grace_left is not None:
        left = f"{_seconds(info.grace_left)} of its grace left" if info.grace_left > 0 else "over"
        yield f"{'grace':<12}{left}"
    elif info.reasons and info.age is not None:
        yield f"{'grace':<12}unlimited"
    if info.deadline_left is not None:
        until = info.deadline_left
        when = f"in {_seconds(until)}" if until >= 0 else f"over for {_seconds(-until)}"
        yield f"{'deadline':<12}{when}"
    if info.waits_for:
        yield f"{'waits for':<12}{info.waits_for}"
    yield from _places(info.stack)
    if info.blocked_by:
        labels = [blocker.label for blocker in info.blocked_by]
        more = f" and {len(labels) - _NAMED} more" if len(labels) > _NAMED else ""
        yield f"{'blocked by':<12}{', '.join(labels[:_NAMED])}{more}"
    folded = _folded(info.children)
    for child, others in folded[:_BLOCKS]:
        yield f"{child.label}: {child.state}" + (f"; {others} more are like it" if others else "")
        yield from (f"  {line}" for line in _details(child))
    left_out = info.more + sum(1 + others for _, others in folded[_BLOCKS:])
    if left_out:
        yield f"… and {left_out} children more"
    for group in info.groups:
        why = f", canceled: {group.reason.line()}" if group.reason is not None else ""
        yield f"{'group':<12}{group.name!r}, {group.alive} alive{why}"


def _places(stack: tuple[Site, ...]) -> Iterator[str]:
    """The stack, innermost first; of libraries' frames only the innermost ones."""
    own = [site for site in stack if not from_library(site.file)] or list(stack)
    shown = list(reversed(own))
    if stack and stack[-1] is not shown[0]:
        shown.insert(0, stack[-1])
    for index, site in enumerate(shown[:_FRAMES]):
        yield f"{'at' if index == 0 else '':<12}{shortened(str(site))} in {site.function}"
    if len(shown) > _FRAMES:
        yield f"{'':<12}… and {len(shown) - _FRAMES} frames further out"


def reason_lines(reason: CancelReason) -> list[str]:
    """Return the lines of a reason: itself, then what it follows from; of many the outer ones."""
    own, *causes = _ends(reason, _LINES)
    return [own.line(), *(f"because {cause.line()}" for cause in causes)]


def reason_text(reason: CancelReason) -> str:
    """Return a reason and what it follows from, on one line."""
    return ", ".join(reason_lines(reason))


def reason_data(reason: CancelReason) -> dict[str, Any]:
    """Return a reason, and what it follows from, as plain data; of many the outer ones."""
    data: dict[str, Any] | None = None
    for link in reversed(_ends(reason, _LINKS)):
        data = {
            "kind": link.kind.value,
            "message": link.message,
            "by": link.by,
            "where": link.where,
            "at": link.at,
            "cause": data,
        }
    assert data is not None  # a chain has one link at least
    return data


def _ends(reason: CancelReason, most: int) -> tuple[CancelReason, ...]:
    """Return the chain of a reason; if it is long, with one link in the place of its middle."""
    chain = reason.chain()
    if len(chain) <= 2 * most + 1:
        return chain
    left_out = CancelReason(chain[most].kind, f"… and so on, {len(chain) - 2 * most} times")
    return *chain[:most], left_out, *chain[-most:]


def _seconds(seconds: float) -> str:
    if seconds < _MILLISECONDS:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < _MINUTES else f"{seconds / 60:.0f} min"


def plain_data(value: Any) -> Any:
    """Return a value that is made of dataclasses, ready for JSON: enums by their words."""
    if isinstance(value, CancelReason):
        return reason_data(value)
    if is_dataclass(value):
        return {one.name: plain_data(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, (list, tuple)):
        return [plain_data(one) for one in cast("list[Any]", value)]
    return value.value if isinstance(value, Enum) else value
