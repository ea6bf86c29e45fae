"""The laws P43 to P51 hold."""

from rescind.testing.laws.law import Law
from tests.laws.kit import each_law


@each_law("parents")
def test_law(law: Law) -> None:
    """It holds, for every program that hypothesis thinks of."""
    law.run()
