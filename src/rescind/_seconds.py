"""`seconds_of`: what people write for a time, and what it means.

*Threads.* Any.
"""

from __future__ import annotations

import math
from typing import Final

from rescind._core.errors import UsageError

__all__ = ["seconds_of"]

_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0}


def seconds_of(text: str | float) -> float:
    """Return the seconds that ``30s``, ``2m``, ``1h`` or ``45`` means.

    Raises:
        UsageError: it is no time, or none that is positive.
    """
    written = str(text).strip()
    unit = _UNITS.get(written[-1:].lower())
    try:
        seconds = float(written if unit is None else written[:-1]) * (unit or 1.0)
    except ValueError:
        seconds = math.nan
    if isinstance(text, bool) or not 0 < seconds < math.inf:
        raise UsageError(f"{text!r} is no time; write it as 30s, 2m or 1h")
    return seconds
