"""`serve_top`: one server for the process, gone without a trace when nobody wants it any more."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import rescind
from rescind.top.places import Address, programs
from tests.cli.kit import write
from tests.top.kit import talking


def run(code: str, *options: str) -> str:
    """Run a program, and return what it printed."""
    done = subprocess.run(
        [sys.executable, *options, "-c", code],
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_server_is_closed_with_its_block(directory: Path) -> None:
    """Its thread and its file go with it; to close it again does nothing."""
    with rescind.serve_top() as server:
        assert "rescind-top" in {thread.name for thread in threading.enumerate()}
    assert "rescind-top" not in {thread.name for thread in threading.enumerate()}
    assert list(directory.iterdir()) == []
    assert repr(server) == f"<TopServer at {server.address}, closed>"
    server.close()


def test_there_is_one_server_however_often_it_is_asked_for(directory: Path) -> None:
    """It is open until the last one is closed, whichever that is."""
    first = rescind.serve_top()
    second = rescind.serve_top()
    first.close()
    first.close()
    with talking() as talker:
        assert talker.ask("tasks")["total"] == 0
    second.close()
    assert programs() == []


def test_another_address_than_the_open_one_is_refused(directory: Path) -> None:
    """The open one stays open; its own address is no other one."""
    with rescind.serve_top(), pytest.raises(rescind.UsageError, match=r"is served at .* already"):
        rescind.serve_top("127.0.0.1:0")
    with rescind.serve_top("127.0.0.1:0") as server:
        rescind.serve_top(server.address).close()
        rescind.serve_top("localhost:0").close()
        with pytest.raises(rescind.UsageError, match="close that first"):
            rescind.serve_top("127.0.0.1:1")
        assert len(programs()) == 1


def test_what_is_no_address_is_refused(directory: Path) -> None:
    """And nothing is left of it."""
    with pytest.raises(TypeError, match="an address is a str"):
        rescind.serve_top(4000)  # type: ignore[arg-type]
    with pytest.raises(rescind.UsageError, match="others must not cancel your tasks"):
        rescind.serve_top("0.0.0.0:4000")
    assert list(directory.iterdir()) == []


def test_without_unix_sockets_it_is_a_port(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a token in a file."""
    monkeypatch.setattr("rescind.top.listening._UNIX", False)
    with rescind.serve_top() as server, talking() as talker:
        assert server.address.startswith("127.0.0.1:")
        assert talker.ask("tasks")["rows"] == []
    assert list(directory.iterdir()) == []


def test_a_file_that_took_the_name_is_left_alone(directory: Path) -> None:
    """What is removed at the end is what was made."""
    with rescind.serve_top() as server:
        os.unlink(server.address)
        Path(server.address).write_text("another one's")
    assert Path(server.address).read_text() == "another one's"


def test_the_file_is_removed_at_the_exit_of_a_program(directory: Path) -> None:
    """Also of one that never closes its server."""
    code = "import os, rescind; print(os.path.exists(rescind.serve_top().address))"
    assert run(code) == "True\n"
    assert list(directory.iterdir()) == []


FORK = """
import os, socket, sys, rescind
from rescind._core.hooks import hooks
from rescind.top.client import Link
from rescind.top.places import Address, programs
import asyncio

async def look(path):
    link = await Link.open(Address(path=path))
    answer = await link.ask("tasks")
    link.close()
    return link.about["pid"] == os.getpid() if path.endswith(f"/{os.getpid()}.sock") else False

async def main():
    server = rescind.serve_top()
    link = await Link.open(Address(path=server.address))
    await link.ask("tasks")
    watched = len(hooks.observers)
    child = os.fork()
    if child == 0:
        before = len(hooks.observers)
        server.close()
        own = rescind.serve_top()
        good = own.address != server.address and os.path.exists(own.address)
        good = good and os.path.exists(server.address)
        own.close()
        os._exit(0 if (watched, before, good) == (1, 0, True) else 9)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), await look(server.address))
    await link.ask("tasks")
    link.close()
    server.close()

rescind.run(main)
"""


def test_in_a_fork_it_is_closed_and_the_parents_is_not(directory: Path) -> None:
    """The child watches nothing, removes nothing, and may serve for itself."""
    assert run(FORK, "-W", "ignore") == "0 True\n"
    assert list(directory.iterdir()) == []


def test_what_is_not_asked_for_is_not_imported() -> None:
    """``import rescind`` brings `serve_top`, and nothing of what it needs."""
    code = """
import rescind, sys
heavy = ("rescind.top.", "textual", "selectors_")
print([n for n in sys.modules if n.startswith(heavy) and n != "rescind.top.serving"])
"""
    assert run(code) == "[]\n"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_program_of_the_command_line_is_served_to_its_end(
    directory: Path, tmp_path: Path, how: signal.Signals
) -> None:
    """It says how to look at it; when it has ended by a signal, its file has gone."""
    write(
        tmp_path,
        """
        import rescind

        async def main():
            print("ready", flush=True)
            await rescind.never()
        """,
    )
    with subprocess.Popen(
        [sys.executable, "-m", "rescind", "run", "--top", "app.py"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - it takes no lock
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        with talking() as talker:
            assert [row["name"] for row in talker.ask("tasks")["rows"]] == ["main"]
        process.send_signal(how)
        _, errors = process.communicate(timeout=250)
    assert process.returncode == 128 + how
    assert errors.startswith(f"rescind: to look at it: rescind top {process.pid}\n")
    assert list(directory.iterdir()) == []


def test_a_program_of_the_command_line_can_be_served_at_a_port(
    directory: Path, tmp_path: Path
) -> None:
    """Which implies that it is served; what is no address is refused before anything runs."""
    write(tmp_path, "async def main():\n    print('ran')\n")
    command = [sys.executable, "-m", "rescind", "run", "--top-address"]
    options = {"cwd": tmp_path, "capture_output": True, "text": True, "timeout": 250}
    good = subprocess.run([*command, "127.0.0.1:0", "app.py"], check=False, **options)  # type: ignore[call-overload]
    assert (good.returncode, good.stdout) == (0, "ran\n")
    assert good.stderr.startswith("rescind: to look at it: rescind top 127.0.0.1:")
    bad = subprocess.run([*command, "example.org:0", "app.py"], check=False, **options)  # type: ignore[call-overload]
    assert (bad.returncode, bad.stdout) == (2, "")
    assert "'example.org' is no address of this machine alone" in bad.stderr
    assert list(directory.iterdir()) == []


def test_the_address_says_where_it_is(directory: Path) -> None:
    """Of IPv6, too."""
    assert str(Address(None, "::1", 80)) == "[::1]:80"
    assert str(Address(None, "127.0.0.1", 80)) == "127.0.0.1:80"
