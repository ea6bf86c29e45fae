"""The file that remembers what broke: each test's tokens, replayed first the next time.

*Threads.* One process writes it: the one that has no workers, or has them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, cast

__all__ = ["FILE", "load", "save"]

FILE = ".rescind-regressions.json"
_FORMAT = 1


def load(path: Path) -> dict[str, list[str]]:
    """Return the tokens by node id; none, if there is no file, or none that can be read."""
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8"))
        tests: object = data["tests"] if data["format"] == _FORMAT else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    if not isinstance(tests, dict):
        return {}
    return {
        str(test): [str(token) for token in cast("list[object]", tokens)]
        for test, tokens in cast("dict[object, object]", tests).items()
        if isinstance(tokens, list)
    }


def save(path: Path, tests: dict[str, list[str]]) -> None:
    """Write the tokens; where there are none, take the file away.

    Raises:
        OSError: it cannot be written.
    """
    if not tests:
        path.unlink(missing_ok=True)
        return
    data = {"format": _FORMAT, "tests": dict(sorted(tests.items()))}
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    draft.replace(path)
