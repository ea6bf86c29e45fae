"""The laws about hosts hold: P74."""

from rescind.testing.laws.law import Law
from tests.laws.kit import each_law


@each_law("hosts")
def test_law(law: Law) -> None:
    """It holds, for every program that hypothesis thinks of."""
    law.run()
