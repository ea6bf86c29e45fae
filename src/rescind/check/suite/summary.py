"""What the terminal says at the end, of all tests together.

*Threads.* pytest's.
"""

from __future__ import annotations

from collections.abc import Iterator

from rescind.check.suite.trial import Swept

__all__ = ["summary_lines"]

_MOST = 20


def summary_lines(tests: dict[str, Swept]) -> Iterator[str]:
    """Yield the lines of the section ``cancel sweep``."""
    swept = {test: one for test, one in tests.items() if not one.why_not}
    left_out = {test: one.why_not for test, one in tests.items() if one.why_not}
    broken = [test for test, one in swept.items() if one.text]
    runs = sum(one.runs for one in tests.values())
    parts = [f"{_tests(len(swept))} swept in {runs} runs", f"{len(broken)} broken"]
    if left_out:
        parts.append(f"{len(left_out)} not swept")
    yield ", ".join(parts)
    yield from (f"BROKEN {test}" for test in broken)
    for test, why in list(left_out.items())[:_MOST]:
        yield f"not swept {test}: {why}"
    if len(left_out) > _MOST:
        yield f"… and {len(left_out) - _MOST} more that were not swept"
    cut = sum(bool(one.untried) for one in swept.values())
    if cut:
        yield (
            f"{_tests(cut)}: not all was tried, the budget was spent (--cancel-budget, or fewer "
            "--cancel-modes)"
        )
    unresolved = sum(one.unresolved for one in swept.values())
    if unresolved:
        yield f"{unresolved} runs went another way than the clean ones, and say nothing"


def _tests(count: int) -> str:
    return "1 test" if count == 1 else f"{count} tests"
