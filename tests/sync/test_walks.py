"""Every primitive against its model, for thousands of seeds: the machines, walked at random."""

from __future__ import annotations

import pytest
from hypothesis.stateful import RuleBasedStateMachine

from tests.sync.test_channel_machine import ChannelMachine
from tests.sync.test_lock_machines import MACHINES
from tests.sync.test_other_channels_machine import (
    BroadcastMachine,
    OneshotMachine,
    WatchMachine,
)
from tests.sync.walk import examples, walks


@pytest.mark.timeout(60 * examples(1))
@pytest.mark.parametrize(
    "kind",
    [*MACHINES, ChannelMachine, BroadcastMachine, WatchMachine, OneshotMachine],
    ids=lambda kind: kind.__name__.removesuffix("Machine"),
)
def test_every_walk_agrees_with_the_model(kind: type[RuleBasedStateMachine]) -> None:
    """Conserved, in order, whoever is canceled or dropped: P71 to P73."""
    walks(kind, 1000, 30)
