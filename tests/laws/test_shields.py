"""The laws P16 to P27 hold."""

from rescind.testing.laws.law import Law
from tests.laws.kit import each_law


@each_law("shields")
def test_law(law: Law) -> None:
    """It holds, for every program that hypothesis thinks of."""
    law.run()
