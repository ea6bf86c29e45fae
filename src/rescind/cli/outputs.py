"""Where the report of ``rescind check`` goes: the terminal, and the files that were asked for."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from rescind.check.as_json import as_dict
from rescind.check.coverage import Coverage, FileCoverage, percent_of
from rescind.check.coverage_file import BadCoverage, add_coverage
from rescind.check.html import as_html
from rescind.check.lcov import as_lcov
from rescind.check.report import Report
from rescind.check.several import Several, told
from rescind.check.terminal import STYLES, draw, draw_coverage
from rescind.cli import say
from rescind.cli.target import Refused

__all__ = ["Outputs"]

_WIDTH: Final = 100
_BROKEN: Final = 1
_UNRESOLVED: Final = 2


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

    def show(self, report: Report) -> None:
        """Write a report to the terminal."""
        draw(report, self._console(), verbose=self.verbose)

    def finish(self, reports: Sequence[Report], left: Mapping[str, str], *, several: bool) -> int:
        """Write the files, and what is told of all targets together; return the exit code.

        Args:
            reports: of the targets that were checked.
            left: why the others were not.
            several: were several targets named? Then the files tell of several, however many could
                be checked.
        """
        if not reports and not several:
            return _UNRESOLVED
        union = Coverage()
        for report in reports:
            union = union.merge(report.coverage)
        coverage = self._coverage(union)
        files = coverage.files(self.sources)
        if several:
            together = Several(left=dict(left))
            for report in reports:
                together.add(told(report))
            together.coverage = coverage
            self._write_files(
                lambda: together.as_dict(files),
                lambda: together.as_html(files, f"{len(reports) + len(left)} targets"),
                files,
            )
        else:
            report = reports[0]
            self._write_files(lambda: as_dict(report, files), lambda: as_html(report, files), files)
        if self.coverage:
            draw_coverage(files, self._console())
        if several:
            self._console().print(Text.assemble("\n", *_sum(reports, left)), soft_wrap=True)
        return self._code(reports, left, percent_of(files))

    def _write_files(
        self,
        data: Callable[[], dict[str, Any]],
        page: Callable[[], str],
        files: Sequence[FileCoverage],
    ) -> None:
        if self.json is not None:
            _write(self.json, json.dumps(data(), indent=1, ensure_ascii=False) + "\n")
        if self.html is not None:
            _write(self.html, page())
        if self.lcov is not None:
            _write(self.lcov, as_lcov(files))

    def _code(self, reports: Sequence[Report], left: Mapping[str, str], percent: float) -> int:
        codes = [report.exit_code for report in reports] + [_UNRESOLVED for _ in left]
        code = next((one for one in (_BROKEN, _UNRESOLVED) if one in codes), 0)
        if self.fail_under is None or percent >= self.fail_under:
            return code
        say.error(
            f"{percent:.1f} % of the awaits were canceled, which is less than the "
            f"{self.fail_under:g} % asked for"
        )
        return code or _BROKEN

    def _console(self) -> Console:
        console = Console(
            file=sys.stdout, color_system="auto" if self.color else None, highlight=False
        )
        if not console.is_terminal:
            console.width = _WIDTH
        return console

    def _coverage(self, coverage: Coverage) -> Coverage:
        if self.coverage_file is None:
            return coverage
        try:
            return add_coverage(coverage, self.coverage_file)
        except BadCoverage as exc:
            raise Refused(str(exc)) from exc
        except OSError as exc:
            raise Refused(f"cannot write {self.coverage_file!r}: {exc.strerror}") from exc


def _sum(reports: Sequence[Report], left: Mapping[str, str]) -> Iterator[str | tuple[str, str]]:
    """Yield one line about all targets."""
    yield f"{len(reports) + len(left)} targets"
    verdicts = Counter(report.verdict for report in reports)
    verdicts.update(["not checked"] * len(left))
    between = ": "
    for verdict, style in (
        *(("broken", "bad"), ("unresolved", "warn")),
        *(("not checked", "warn"), ("clean", "good")),
    ):
        if verdicts[verdict]:
            yield between
            yield f"{verdicts[verdict]} {verdict}", STYLES[style]
            between = ", "


def _write(file: str, text: str) -> None:
    try:
        # A name that is no text (a lone surrogate) is escaped, as JSON does it too.
        Path(file).write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as exc:
        raise Refused(f"cannot write {file!r}: {exc.strerror} (in {os.getcwd()})") from exc
