"""What is left of channels at the very exit of a program ends in silence."""

import subprocess
import sys

PROGRAM = """
import os
import rescind.sync.channel_core, rescind.sync.operation, rescind.sync.section
from rescind.lowlevel import Context, NoopWaker
from rescind.sync import broadcast, channel, oneshot, unbounded, watch

sender, receiver = channel(3)
sender.send_nowait("left")
permit = sender.reserve_nowait()
silent = unbounded()
waiting = silent[1].recv()
waiting.poll(Context(NoopWaker()))

# Modules that are referred to are emptied at the exit, the latest first, and `os` is an early one.
modules = [rescind.sync.channel_core, rescind.sync.operation, rescind.sync.section]
ends = [sender, receiver, *silent, *broadcast(2), *watch(0), *oneshot()]
os.kept = [modules, permit, waiting, ends]
del sender, receiver, permit, silent, waiting, ends
"""


def test_ends_that_outlive_their_modules_are_not_shut() -> None:
    """Nobody is left to be told, and what telling needs has gone."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", PROGRAM],
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
