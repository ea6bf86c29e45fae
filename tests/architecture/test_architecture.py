"""The package follows every rule on its shape."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.architecture.rules import RULES
from tests.architecture.source import modules

SOURCE = Path(__file__).parents[2] / "src" / "rescind"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.__name__))
def test_the_package_follows(rule: Callable[[Path], list[str]]) -> None:
    """No module of the package breaks the rule."""
    assert rule(SOURCE) == []


def test_the_source_is_found() -> None:
    """The rules look at the real package: one that looked at nothing would find nothing."""
    assert "_version" in {module.name for module in modules(SOURCE)}
