"""What the tests of the laws share."""

from collections.abc import Callable
from typing import Any

import pytest

from rescind.testing.laws.all import laws


def each_law(group: str) -> Callable[[Any], Any]:
    """Run a test once for each law of a heading, under the law's name."""
    return pytest.mark.parametrize(
        "law", [pytest.param(one, id=one.name.replace(" ", "-")) for one in laws(group)]
    )
