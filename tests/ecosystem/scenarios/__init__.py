"""The scenarios: representative uses of libraries, by kind; `SCENARIOS` has them all."""

from tests.ecosystem.kit import Scenario
from tests.ecosystem.scenarios import databases, local, network

__all__ = ["SCENARIOS"]

SCENARIOS: tuple[Scenario, ...] = (
    *network.SCENARIOS,
    *databases.SCENARIOS,
    *local.SCENARIOS,
)
