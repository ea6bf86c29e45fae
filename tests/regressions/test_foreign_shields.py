"""Futures that look for a pending cancellation look for anyio's shields as well."""

import asyncio

import pytest

from rescind import Completed, Outcome, Runtime, checkpoint, shielded, sleep, spawn

anyio = pytest.importorskip("anyio")


@pytest.mark.parametrize("how", ["gate", "checkpoint"])
def test_request_held_back_by_an_anyio_shield_makes_nobody_spin(how: str) -> None:
    """A gate and a checkpoint inside such a shield do not wait for a delivery that cannot come."""

    async def victim() -> str:
        with anyio.CancelScope(shield=True):
            await asyncio.sleep(0.01)
            if how == "checkpoint":
                await checkpoint()
            else:
                with shielded() as gate:
                    await gate.open(sleep(0.001))
        return "done"

    async def main() -> Outcome[str]:
        task = spawn(victim())
        await sleep(0.001)
        task.cancel("held back")
        return await task.join()

    with Runtime() as runtime:
        outcome = runtime.block_on(main())
        steps = runtime.statistics().steps
    assert Completed("done") == outcome
    assert steps < 20
