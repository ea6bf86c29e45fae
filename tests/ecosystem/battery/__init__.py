"""The battery: 48 uses of asyncio and of libraries on it; the table is in ../README.md."""

from tests.ecosystem.battery import anyio_uses, libraries, stdlib
from tests.ecosystem.battery.use import Use

__all__ = ["BATTERY", "Use"]

BATTERY: tuple[Use, ...] = (*stdlib.USES, *anyio_uses.USES, *libraries.USES)
