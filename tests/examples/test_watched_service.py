"""The service that can be looked at: what is in it is found, and it ends if asked to."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rescind.top.places import DIRECTORY_VARIABLE, Address
from tests.cli.kit import default_signals
from tests.examples.test_examples import ROOT, needs_cli
from tests.top.kit import Talker, talking

PROGRAM = "examples/watched_service.py"
WAYS = {"script": [PROGRAM], "command": ["-m", "rescind", "run", "--no-warn", PROGRAM]}


@contextmanager
def service(way: str) -> Iterator[tuple["subprocess.Popen[str]", Talker]]:
    """Run it, and look at it during the block."""
    with tempfile.TemporaryDirectory(prefix="top-") as folder:
        places = {DIRECTORY_VARIABLE: str(Path(folder, "run")), "RESCIND_WARN": "0"}
        with subprocess.Popen(
            [sys.executable, "-W", "error", *WAYS[way]],
            cwd=ROOT,
            env=os.environ | places,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=default_signals,  # noqa: PLW1509 - it takes no lock
        ) as process:
            try:
                assert process.stdout is not None
                line = process.stdout.readline()
                assert line == f"look at it with: rescind top {process.pid}\n"
                with talking(Address(path=f"{folder}/run/{process.pid}.sock")) as talker:
                    yield process, talker
            finally:
                process.kill()


@needs_cli
@pytest.mark.parametrize("way", WAYS)
def test_what_is_to_be_found_is_found(way: str) -> None:
    """Who holds the nightly report up, and which worker was canceled; two signals end it."""
    with service(way) as (process, talker):
        rows = {row["name"]: row for row in talker.ask("tasks")["rows"]}
        told = talker.ask("explain", task=rows["nightly report"]["id"])["text"]
        cancel = {"task": rows["worker 2"]["id"], "reason": "too slow"}
        label = talker.ask("cancel", **cancel)["label"]
        assert process.stdout is not None
        stops = process.stdout.readline()
        talker.close()
        process.send_signal(signal.SIGINT)
        while not process.stdout.readline().startswith("worker 3 stops: "):
            pass
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)

    states = {name: row["state"] for name, row in rows.items()}
    assert (states["migration"], states["nightly report"]) == ("shielded", "cleaning up")
    assert "held by task 2 'migration'" in told
    assert f"held back   by the shield at {PROGRAM}:" in told
    assert (label, stops) == (
        "task 6 'worker 2'",
        "worker 2 stops: explicit: too slow, by rescind top\n",
    )
    assert "Traceback" not in errors
    assert process.returncode == (130 if way == "command" else 0)
