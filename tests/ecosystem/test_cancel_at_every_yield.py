"""Libraries canceled by rescind at each of their suspensions: nothing is left broken (R30)."""

import importlib.util

import pytest

from tests.ecosystem.kit import Loop, Scenario, cancel_at_every_yield

pytestmark = pytest.mark.filterwarnings("default")  # the kit notes each warning with its point


@pytest.mark.parametrize(
    ("way", "early", "loop"),
    [
        ("rescind", False, "asyncio"),
        ("rescind", True, "asyncio"),
        ("rescind, a branch", False, "asyncio"),
        ("rescind", False, "uvloop"),
        ("rescind, a branch", True, "uvloop"),
        ("anyio, a race", False, "asyncio"),
        ("asyncio, twice, a race", False, "uvloop"),
    ],
    ids=[
        *("parked-asyncio", "ready-asyncio", "branch-asyncio", "parked-uvloop", "ready-uvloop"),
        *("anyio-around-asyncio", "twice-around-uvloop"),
    ],
)
def test_canceled_at_every_suspension_it_stays_whole(
    scenario: Scenario, port: int, loop: Loop, way: str, early: bool
) -> None:
    """No slot is lost, no transaction left open, no answer mixed up, nothing reported or warned."""
    if loop == "uvloop" and importlib.util.find_spec("uvloop") is None:
        pytest.skip("uvloop is not installed")
    points = cancel_at_every_yield(scenario, way, port=port, loop=loop, early=early)

    assert points
    found = [(point.number, problem) for point in points for problem in point.problems]
    known = scenario.known
    assert [each for each in found if known is None or not each[1].startswith(known)] == []
