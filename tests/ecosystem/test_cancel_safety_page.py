"""What docs/cancel-safety.md shows is what is claimed of rescind, for all that is measured."""

import re
from pathlib import Path

import pytest

from tests.ecosystem.kit import WAYS
from tests.ecosystem.scenarios import SCENARIOS

PAGE = Path(__file__).parents[2] / "docs" / "cancel-safety.md"
#: The ways in which rescind cancels, or is in between.
OURS = ("rescind", "rescind, a branch", "asyncio, twice, a race", "anyio, a race")


@pytest.fixture(scope="module")
def table() -> dict[str, dict[str, str]]:
    """The cells of the page, by use and way."""
    rows = [
        [cell.strip(" *") for cell in line.strip("|").split(" | ")]
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("|")
    ]
    first = next(number for number, row in enumerate(rows) if row[0] == "use")
    heads = rows[first][1:]
    names = {scenario.name for scenario in SCENARIOS}
    return {row[0]: dict(zip(heads, row[1:], strict=True)) for row in rows if row[0] in names}


def test_every_scenario_is_measured_in_every_way(table: dict[str, dict[str, str]]) -> None:
    """The page was written with all libraries and servers at hand."""
    assert {name: list(cells) for name, cells in table.items()} == {
        scenario.name: list(WAYS) for scenario in SCENARIOS
    }


def test_what_rescind_cancels_is_as_good_as_new(table: dict[str, dict[str, str]]) -> None:
    """No bad run, but for the two whose libraries race against a server or a thread."""
    bad = {
        (name, way): cells[way]
        for name, cells in table.items()
        for way in OURS
        if re.match(r"[1-9]", cells[way])
    }

    assert {name for name, _ in bad} <= {each.name for each in SCENARIOS if each.known is not None}


def test_where_the_library_races_rescind_is_about_as_good_as_asyncio(
    table: dict[str, dict[str, str]],
) -> None:
    """Within what chance does to so many runs."""
    racing = [scenario.name for scenario in SCENARIOS if scenario.known is not None]
    share = {
        name: {way: int(table[name][way].split()[0]) for way in ("asyncio", *OURS)}
        for name in racing
    }

    assert all(found[way] <= found["asyncio"] + 10 for found in share.values() for way in OURS), (
        share
    )
