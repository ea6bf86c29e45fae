"""The project keeps its promises to those who work on it."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from rescind._version import __version__

ROOT = Path(__file__).parents[1]


def read(name: str) -> str:
    """Read a file of the project."""
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_version_is_the_same_everywhere() -> None:
    """The package and its metadata agree."""
    assert tomllib.loads(read("pyproject.toml"))["project"]["version"] == __version__


def test_nothing_is_installed_with_the_package() -> None:
    """The core has no dependency at run time."""
    assert tomllib.loads(read("pyproject.toml"))["project"]["dependencies"] == []


def test_every_ignored_lint_rule_has_its_reason_beside_it() -> None:
    """A line that turns a rule off ends in a comment."""
    lint = (
        read("pyproject.toml").partition("[tool.ruff.lint]")[2].partition("[tool.ruff.format]")[0]
    )
    ignored = lint.partition("ignore = [")[2].splitlines()

    assert [line for line in ignored if re.match(r' +"[A-Z]+\d', line) and "# " not in line] == []


def test_help_lists_every_target() -> None:
    """`make help` leaves out nothing that can be made by name."""
    makefile = read("Makefile")
    targets = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert targets is not None

    listed = re.findall(r"^([a-z][a-z-]*):.*?## ", makefile, re.MULTILINE)

    assert sorted(listed) == sorted(targets[1].split())


def test_changelog_fragments_have_a_kind() -> None:
    """Each fragment is named after its change and one of the kinds."""
    kinds = re.findall(r"^\| `(\w+)` \|", read("changelog.d/README.md"), re.MULTILINE)
    names = [path.name for path in (ROOT / "changelog.d").iterdir() if path.name != "README.md"]

    assert [name for name in names if name.split(".")[1:] not in [[k, "md"] for k in kinds]] == []


def test_every_decision_record_is_in_the_index() -> None:
    """docs/design/README.md links each record by its file name."""
    index = read("docs/design/README.md")
    records = sorted((ROOT / "docs" / "design").glob("[0-9][0-9][0-9][0-9]-*.md"))

    assert [record.name for record in records if record.name not in index] == []


@pytest.mark.parametrize("script", sorted((ROOT / "scripts").glob("*.sh")), ids=lambda p: p.name)
def test_scripts_are_plain_shell(script: Path) -> None:
    """Each script at least parses."""
    assert subprocess.run(["sh", "-n", script], check=False).returncode == 0
