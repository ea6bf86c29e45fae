"""The pages in docs/ tell the truth: each of their programs runs, and prints what they show."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def programs() -> list[tuple[str, str, str]]:
    """Find each python block with what it prints: the text block that is next, or nothing."""
    found: list[tuple[str, str, str]] = []
    for page in sorted(DOCS.glob("*.md")):
        blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
        for number, (language, source) in enumerate(blocks):
            if language == "python":
                after = blocks[number + 1] if number + 1 < len(blocks) else ("", "")
                output = after[1] if after[0] == "text" else ""
                found.append((f"{page.stem}-{number}", source, output))
    return found


PROGRAMS = programs()


@pytest.mark.parametrize(
    ("source", "output"),
    [pytest.param(source, output, id=name) for name, source, output in PROGRAMS],
)
def test_a_program_prints_what_the_page_shows(source: str, output: str, tmp_path: Path) -> None:
    """The program, saved as program.py, prints exactly that, and nothing on stderr."""
    (tmp_path / "program.py").write_text(source, encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-W", "error", "program.py"],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=50,
        check=False,
    )

    assert (done.stdout, done.stderr, done.returncode) == (output, "", 0)
