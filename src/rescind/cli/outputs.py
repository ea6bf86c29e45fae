"""Where the report of ``rescind check`` goes: the terminal, and the files that were asked for."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from rescind.check.as_json import as_dict
from rescind.check.coverage import Coverage, percent_of
from rescind.check.coverage_file import BadCoverage, add_coverage
from rescind.check.html import as_html
from rescind.check.lcov import as_lcov
from rescind.check.report import Report
from rescind.check.terminal import draw, draw_coverage
from rescind.cli import say
from rescind.cli.target import Refused

__all__ = ["Outputs"]

_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Outputs:
    """What to write.

    Attributes:
        json, html, lcov: the files to write; None: not.
        coverage: show the table of coverage.
        coverage_file: add the coverage to this file, and tell that of all it holds.
        fail_under: the least percentage of awaits that has to be canceled; None: any.
        sources: whose awaits count, besides those of the user's files that were seen.
        verbose: tell of hints that stand alone in full, too.
        color: may the text be colored, if it goes to a terminal?
    """

    json: str | None = None
    html: str | None = None
    lcov: str | None = None
    coverage: bool = False
    coverage_file: str | None = None
    fail_under: float | None = None
    sources: tuple[str, ...] = ()
    verbose: bool = False
    color: bool = True

    def check(self) -> None:
        """Find out now, and not when all is done, whether it can be written.

        Raises:
            Refused: it cannot.
        """
        for file in (self.json, self.html, self.lcov, self.coverage_file):
            if file is None:
                continue
            folder = os.path.dirname(file) or "."
            if not os.path.isdir(folder):
                raise Refused(f"cannot write {file!r}: there is no directory {folder!r}")
            if os.path.isdir(file):
                raise Refused(f"cannot write {file!r}: it is a directory")
        for source in self.sources:
            if not os.path.exists(source):
                raise Refused(f"there is no {source!r} to take as a source; check the path")

    def write(self, report: Report) -> int:
        """Write everything; return the exit code."""
        coverage = self._coverage(report.coverage)
        files = coverage.files(self.sources)
        if self.json is not None:
            data = json.dumps(as_dict(report, files), indent=1, ensure_ascii=False)
            _write(self.json, data + "\n")
        if self.html is not None:
            _write(self.html, as_html(report, files))
        if self.lcov is not None:
            _write(self.lcov, as_lcov(files))
        console = Console(
            file=sys.stdout, color_system="auto" if self.color else None, highlight=False
        )
        if not console.is_terminal:
            console.width = _WIDTH
        draw(report, console, verbose=self.verbose)
        if self.coverage:
            draw_coverage(files, console)
        percent = percent_of(files)
        if self.fail_under is None or percent >= self.fail_under:
            return report.exit_code
        say.error(
            f"{percent:.1f} % of the awaits were canceled, which is less than the "
            f"{self.fail_under:g} % asked for"
        )
        return report.exit_code or 1

    def _coverage(self, coverage: Coverage) -> Coverage:
        if self.coverage_file is None:
            return coverage
        try:
            return add_coverage(coverage, self.coverage_file)
        except BadCoverage as exc:
            raise Refused(str(exc)) from exc
        except OSError as exc:
            raise Refused(f"cannot write {self.coverage_file!r}: {exc.strerror}") from exc


def _write(file: str, text: str) -> None:
    try:
        # A name that is no text (a lone surrogate) is escaped, as JSON does it too.
        Path(file).write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as exc:
        raise Refused(f"cannot write {file!r}: {exc.strerror} (in {os.getcwd()})") from exc
