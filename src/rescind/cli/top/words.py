"""Numbers and times as they are shown in a few columns.

*What it is not.* A part of the screen: it needs no textual, so that ``rescind top --list`` needs
none.

*Threads.* Functions of their arguments; any.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.cells import cell_len, set_cell_size

from rescind._core.reason import printable
from rescind.top.client import Found

__all__ = ["age", "cell", "count", "printable", "program_line", "rate", "sparkline", "uptime"]

_BARS: Final = "▁▂▃▄▅▆▇█"
_THOUSAND: Final = 1000
_TEN: Final = 10
# What is less is rounded to less.
_ONE: Final = 0.9995
_ONE_MS: Final = 0.0005
_ABOUT_TEN: Final = 9.95
_ABOUT_THOUSAND: Final = 999.5
_NOTHING: Final = 0.05
_HALF: Final = 0.5
_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86400


def age(seconds: float | None) -> str:
    """Return a time in at most five columns: ``25ms``, ``4.2s``, ``58s``, ``2m05s``, ``12m``."""
    if seconds is None:
        return ""
    if 0 < seconds < _ONE_MS:
        return "<1ms"
    if seconds < _ONE:
        return f"{max(0.0, seconds) * 1000:.0f}ms"
    if seconds < _ABOUT_TEN:
        return f"{seconds:.1f}s"
    if seconds < 2 * _MINUTE - _HALF:
        return f"{seconds:.0f}s"
    if seconds < 10 * _MINUTE - 1:
        return f"{int(seconds) // _MINUTE}m{int(seconds) % _MINUTE:02}s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f}m"
    return f"{seconds / _HOUR:.0f}h" if seconds < 3 * _DAY else f"{seconds / _DAY:.0f}d"


def uptime(seconds: float) -> str:
    """Return a time as ``12:34``, or ``1:02:03``, or ``3 d 1:02:03``."""
    whole = max(0, int(seconds))
    days, rest = divmod(whole, _DAY)
    hours, rest = divmod(rest, _HOUR)
    minutes, left = divmod(rest, _MINUTE)
    text = f"{hours}:{minutes:02}:{left:02}" if hours or days else f"{minutes}:{left:02}"
    return f"{days} d {text}" if days else text


def count(number: float) -> str:
    """Return a number in at most five columns: ``12``, ``1.2k``, ``345k``, ``1.2M``."""
    if number < _NOTHING:
        return "0"
    if number < _TEN and number != int(number):
        return f"{number:.1f}"
    if number < _ABOUT_THOUSAND:
        return f"{number:.0f}"
    for unit in "kM":
        number /= _THOUSAND
        if number < _ABOUT_TEN:
            return f"{number:.1f}{unit}"
        if number < _ABOUT_THOUSAND:
            return f"{number:.0f}{unit}"
    return f"{number / _THOUSAND:.0f}G"


def rate(number: float) -> str:
    """Return a number for each second."""
    return f"{count(number)}/s"


def sparkline(values: Sequence[float], width: int, top: float | None = None) -> str:
    """Return the latest ``width`` values as bars.

    Args:
        values: the latest one last.
        width: how many columns; where there are fewer values, the right is empty.
        top: what is a full bar; by default the greatest of the values.
    """
    if width <= 0:
        return ""
    shown = list(values)[-width:]
    most = max([*shown, 0.0]) if top is None else top
    steps = len(_BARS) - 1
    bars = (_BARS[min(steps, round(steps * one / most))] if most > 0 else _BARS[0] for one in shown)
    return "".join(bars).ljust(width)


def cell(text: str, width: int, *, right: bool = False) -> str:
    """Return a text in exactly ``width`` columns, also where a character takes two of them."""
    length = cell_len(text)
    if length > width:
        return f"{set_cell_size(text, width - 1)}…" if width > 0 else ""
    blank = " " * (width - length)
    return blank + text if right else text + blank


def program_line(found: Found, now: float) -> str:
    """Return a line about a program: its process, how long it is served, and its command line."""
    pid = f"{found.place.pid:>7}"
    if found.about is None:
        return f"{pid}  {'':>9}  ({printable(found.problem)})"
    up = uptime(now - found.about["since"])
    return f"{pid}  {up:>9}  {printable(found.about['program'])}"
