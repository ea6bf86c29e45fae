"""The laws P66 to P73 hold."""

from rescind.testing.laws.law import Law
from tests.laws.kit import each_law


@each_law("leaves")
def test_law(law: Law) -> None:
    """It holds, for every program that hypothesis thinks of."""
    law.run()
