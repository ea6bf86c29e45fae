"""The pages in docs/ tell the truth: their programs and commands print what they show."""

import re
from pathlib import Path

import pytest

from tests.pages import Console, Program, contents, normalized, run, run_command

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(DOCS.glob("*.md"))
FOUND = [
    (f"{page.stem}-{part.number}", part)
    for page in PAGES
    for part in contents(page.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize(
    "program",
    [pytest.param(part, id=name) for name, part in FOUND if isinstance(part, Program)],
)
def test_a_program_prints_what_the_page_shows(program: Program, tmp_path: Path) -> None:
    """The program, saved as program.py, prints exactly that, and nothing on stderr."""
    assert run(program, tmp_path) == (program.output, "", 0)


@pytest.mark.parametrize(
    "console",
    [
        pytest.param(part, id=f"{name}-{part.command}")
        for name, part in FOUND
        if isinstance(part, Console)
    ],
)
def test_a_command_prints_what_the_page_shows(console: Console, tmp_path: Path) -> None:
    """The command says that, but for the numbers of lines, runs and seconds."""
    assert normalized(run_command(console, tmp_path)) == normalized(console.output)


def test_each_page_is_in_the_index() -> None:
    """docs/README.md names every page."""
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\(([\w./-]+)\)", index))

    missing = [page.name for page in PAGES if page.name not in {*linked, "README.md"}]

    assert missing == []


def test_each_detector_is_on_the_page_of_the_check() -> None:
    """Its name stands in the table of docs/check.md, as a verdict or as a hint."""
    from rescind.check.detectors import DETECTORS

    page = (DOCS / "check.md").read_text(encoding="utf-8")

    missing = [one.name for one in DETECTORS if f"| `{one.name}` | {one.severity} |" not in page]

    assert missing == []
