"""What is told of several targets as one: one page, one JSON file, one tracefile.

*What it is.* `told` makes plain data of a report, which a worker can send. `Several` puts those
together; the coverage is the union of theirs. What could not be checked is told as well, with the
reason.

*Threads.* Data; any, one at a time.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rescind._version import __version__
from rescind.check.as_json import FORMAT, as_dict, coverage_dict
from rescind.check.coverage import Coverage, FileCoverage
from rescind.check.coverage_file import as_data, of_data
from rescind.check.html import coverage_data, library_files, page_of, report_data
from rescind.check.layout import visible
from rescind.check.report import Report
from rescind.check.text import lines_of

__all__ = ["Several", "told"]

#: The worst first.
_VERDICTS = ("broken", "unresolved", "clean")


def told(report: Report) -> dict[str, Any]:
    """Return what is told of a report, as dictionaries, lists, strings and numbers."""
    data = as_dict(report, ())
    del data["coverage"]
    return {
        "json": data,
        "page": report_data(report),
        "library": library_files(report),
        "coverage": as_data(report.coverage),
        "text": "\n".join(lines_of(report, matrix=True, verbose=True)),
    }


@dataclass(slots=True)
class Several:
    """What is known of several targets.

    Attributes:
        told: what `told` returned, by target.
        left: the targets that could not be checked, with the reason.
        coverage: the union of theirs.
    """

    told: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    left: dict[str, str] = field(default_factory=dict[str, str])
    coverage: Coverage = field(default_factory=Coverage)

    def add(self, told: dict[str, Any]) -> None:
        """Take in what is told of a target."""
        self.told[told["json"]["target"]] = told
        self.coverage = self.coverage.merge(of_data(told["coverage"]))

    @property
    def verdict(self) -> str:
        """The worst of all; what could not be checked is unresolved."""
        known = {one["json"]["verdict"] for one in self.told.values()}
        known |= {"unresolved"} if self.left else set()
        return next((verdict for verdict in _VERDICTS if verdict in known), "clean")

    def as_dict(self, files: Sequence[FileCoverage]) -> dict[str, Any]:
        """Return what ``--json`` writes: ``reports`` has one for each target.

        Args:
            files: the coverage to tell.
        """
        return {
            "format": FORMAT,
            "rescind": __version__,
            "python": platform.python_version(),
            "verdict": self.verdict,
            "reports": [one["json"] for one in self.told.values()],
            "left": [{"target": target, "why": why} for target, why in self.left.items()],
            "coverage": coverage_dict(files),
        }

    def as_html(self, files: Sequence[FileCoverage], title: str) -> str:
        """Return the page: what is known of all, from where each target's own is chosen.

        Args:
            files: the coverage to tell.
            title: of all targets together.
        """
        library: Iterable[str] = (file for one in self.told.values() for file in one["library"])
        data: dict[str, Any] = {
            "title": visible(title),
            "verdict": self.verdict,
            "reports": [one["page"] for one in self.told.values()],
            "left": [
                {"target": visible(target), "why": visible(why)}
                for target, why in self.left.items()
            ],
            **coverage_data(self.coverage, files, library),
        }
        text = [one["text"] for one in self.told.values()]
        text += [f"{target}: not checked: {why}" for target, why in self.left.items()]
        return page_of(data, title, "\n\n".join(text))
