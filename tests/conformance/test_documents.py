"""The table of cases names tests that exist."""

import re
from pathlib import Path

HERE = Path(__file__).parent


def test_every_test_that_the_table_names_exists() -> None:
    """A test that is renamed is renamed there."""
    defined = {
        name
        for folder in (HERE, HERE.parent / "sync")
        for path in folder.glob("test_*.py")
        for name in re.findall(r"def (test_\w+)\(", path.read_text())
    }
    text = (HERE / "README.md").read_text()
    table = text.split("### tokio's primitives, case by case")[1].split("\nThe tests are in")[0]
    named = re.findall(r"`(test_[a-z0-9_]+)`", table)
    assert len(named) > 40
    assert [] == [name for name in named if name not in defined]
