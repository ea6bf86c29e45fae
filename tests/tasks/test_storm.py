"""Random programs, canceled by real threads; `storm` plays them for as long as one likes."""

import importlib.util

import pytest

from tests.tasks.storm import HOSTS, Storm


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("host", HOSTS)
def test_program_that_threads_disturb_ends_and_leaves_nothing(host: str, seed: int) -> None:
    """R2, R8, R15, P52, P71, P72: each cleanup ran once, nothing waits, no value is lost."""
    if host == "uvloop" and importlib.util.find_spec("uvloop") is None:
        pytest.skip("uvloop is not installed")
    assert [] == Storm(seed, host).play()
