"""What every test of the checker has: time enough for what does not hang."""

import pytest

from rescind.check.loop import CheckLoop

#: Seconds that a part of a run has at least, before it counts as hung.
PATIENCE = 60.0


@pytest.fixture(autouse=True)
def patient(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a machine that stands still for seconds hang nothing.

    The limit is real time. What hangs shows at once that nothing can happen any more, unless
    something outside could: what is about that is marked with ``real_limits``.
    """
    if request.node.get_closest_marker("real_limits"):
        return
    allow = CheckLoop.allow

    def longer(loop: CheckLoop, seconds: float) -> None:
        allow(loop, max(seconds, PATIENCE))

    monkeypatch.setattr(CheckLoop, "allow", longer)
