"""Where sockets are: in a directory of the user's alone, and what was left there is found out."""

import os
import socket
import stat
from pathlib import Path

import pytest

import rescind
from rescind.top.places import Address, find, loopback, private_directory, programs
from tests.top.kit import talking


def test_only_the_user_can_get_to_the_socket(directory: Path) -> None:
    """The directory that is made has mode 0700, the socket 0600."""
    directory.rmdir()
    with rescind.serve_top() as server:
        assert server.address == str(directory / f"{os.getpid()}.sock")
        modes = [stat.S_IMODE(os.stat(path).st_mode) for path in (directory, server.address)]
        assert modes == [0o700, 0o600]
        assert [path.name for path in directory.iterdir()] == [f"{os.getpid()}.sock"]


def test_only_the_user_can_read_the_token(directory: Path) -> None:
    """Where a port is used instead, which anybody could connect to."""
    with rescind.serve_top("localhost:0") as server:
        file = directory / f"{os.getpid()}.tcp"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        [place] = programs()
        assert str(place.address) == server.address
        assert place.address.token is not None
        assert place.address.token not in f"{place!r} {server!r}"


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o701])
def test_a_directory_that_others_can_enter_is_refused(directory: Path, mode: int) -> None:
    """Somebody may have made it, to pretend to be this program; nobody is looked for there."""
    with rescind.serve_top():
        directory.chmod(mode)
        assert programs() == []
        with pytest.raises(rescind.UsageError, match=r"is not a directory of yours alone"):
            private_directory()
        directory.chmod(0o700)


def test_a_link_to_a_directory_is_refused(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may lead to one that somebody else can write to later."""
    link = directory / "link"
    link.symlink_to(directory)
    monkeypatch.setenv("RESCIND_TOP_DIR", str(link))
    with pytest.raises(rescind.UsageError, match="set RESCIND_TOP_DIR to another"):
        rescind.serve_top()


def test_a_directory_of_another_user_is_refused(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its mode."""
    monkeypatch.setattr(os, "getuid", lambda: os.geteuid() + 1)
    with pytest.raises(rescind.UsageError, match="is not a directory of yours alone"):
        rescind.serve_top()


def test_a_path_that_is_too_long_for_a_socket_is_refused(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to do about it."""
    monkeypatch.setenv("RESCIND_TOP_DIR", str(directory / ("x" * 90)))
    with pytest.raises(rescind.UsageError, match="is too long for a socket; set RESCIND_TOP_DIR"):
        rescind.serve_top()


def test_what_a_killed_program_left_is_removed(directory: Path) -> None:
    """And what is there of a program that runs is not."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(directory / "999999999.sock"))
    (directory / "999999999.tcp").write_text('{"host": "127.0.0.1", "port": 1, "token": "x"}')
    (directory / "notes.txt").write_text("somebody's")
    (directory / "12.tcp").write_text("no JSON")
    with rescind.serve_top():
        assert [place.pid for place in programs()] == [os.getpid()]
        left = {path.name for path in directory.iterdir()}
        assert left == {f"{os.getpid()}.sock", "notes.txt", "12.tcp"}


def test_what_a_process_with_the_same_number_left_is_replaced(directory: Path) -> None:
    """Numbers are used again."""
    path = directory / f"{os.getpid()}.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with rescind.serve_top(), talking() as talker:
        assert talker.ask("tasks")["rows"] == []
    assert not path.exists()


def test_a_process_of_another_container_is_left_alone(directory: Path) -> None:
    """It may have the same number, and listens."""
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(directory / f"{os.getpid()}.sock"))
        other.listen()
        with pytest.raises(rescind.UsageError, match="of another container perhaps"):
            rescind.serve_top()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("localhost:0", ("127.0.0.1", 0)),
        ("[::1]:4000", ("::1", 4000)),
        ("127.1.2.3:65535", ("127.1.2.3", 65535)),
    ],
)
def test_an_address_is_one_of_this_machine_alone(text: str, expected: tuple[str, int]) -> None:
    """By number, or localhost."""
    assert loopback(text) == expected


@pytest.mark.parametrize(
    "text", ["0.0.0.0:80", "192.168.1.1:80", "example.org:80", ":80", "[::]:80", "localhost.x:1"]
)
def test_an_address_that_others_can_reach_is_refused(text: str) -> None:
    """Nothing is looked up for it."""
    with pytest.raises(rescind.UsageError, match="is no address of this machine alone"):
        loopback(text)


@pytest.mark.parametrize("text", ["", "80", "localhost", "localhost:", "localhost:x", "::1:70000"])
def test_what_is_no_address_is_refused(text: str) -> None:
    """With an example of one."""
    with pytest.raises(rescind.UsageError, match=r"give HOST:PORT, such as '127.0.0.1:0'"):
        loopback(text)


def test_a_program_is_found_by_its_process_its_path_or_its_port(directory: Path) -> None:
    """What is not there is not found."""
    assert find(str(os.getpid())) is None
    with rescind.serve_top() as server:
        assert find(str(os.getpid())) == find(server.address) == Address(path=server.address)
    with rescind.serve_top("127.0.0.1:0") as server:
        address = find(server.address)
        assert address == find(str(os.getpid()))
        assert address is not None
        assert address.token
    assert find("127.0.0.1:9") is None
    with pytest.raises(rescind.UsageError):
        find("nonsense")
