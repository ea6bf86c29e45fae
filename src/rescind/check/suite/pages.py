"""The files that tell of all swept tests together: a page, JSON, and a tracefile.

*What it is.* Workers send what is to be told with the report of each test, as text that any of
their channels takes; whoever has the workers puts it together and writes it.

*Threads.* pytest's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rescind._core.errors import UsageError
from rescind.check.lcov import as_lcov
from rescind.check.report import Report
from rescind.check.several import Several, told

if TYPE_CHECKING:
    from rescind.check.suite.trial import Swept

__all__ = ["Pages", "packed"]


def packed(report: Report) -> str:
    """Return what is told of a report, as text."""
    return json.dumps(told(report))


@dataclass(frozen=True, slots=True)
class Pages:
    """Where to write.

    Attributes:
        html, json, lcov: the files; None: not.
    """

    html: Path | None = None
    json: Path | None = None
    lcov: Path | None = None

    def __bool__(self) -> bool:
        """Is there any?"""
        return bool(self.files())

    def files(self) -> list[Path]:
        """Return the files that are asked for."""
        return [file for file in (self.html, self.json, self.lcov) if file is not None]

    def check(self) -> None:
        """Find out before the tests whether they can be written.

        Raises:
            UsageError: one cannot.
        """
        for file in self.files():
            if not file.parent.is_dir():
                raise UsageError(f"cannot write {file}: there is no directory {file.parent}")
            if file.is_dir():
                raise UsageError(f"cannot write {file}: it is a directory")

    def write(self, tests: dict[str, Swept]) -> None:
        """Write them.

        Raises:
            OSError: one cannot be written.
        """
        together = Several(left={test: one.why_not for test, one in tests.items() if one.why_not})
        for one in tests.values():
            if one.told:
                data: dict[str, Any] = json.loads(one.told)
                together.add(data)
        files = together.coverage.files()
        if self.html is not None:
            count = len(together.told) + len(together.left)
            title = "1 test" if count == 1 else f"{count} tests"
            _write(self.html, together.as_html(files, title))
        if self.json is not None:
            text = json.dumps(together.as_dict(files), indent=1, ensure_ascii=False)
            _write(self.json, f"{text}\n")
        if self.lcov is not None:
            _write(self.lcov, as_lcov(files))


def _write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8", errors="backslashreplace")
