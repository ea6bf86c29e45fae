"""Servers are started once, answer on loopback, and are ended by whoever started them."""

import http.client
import json
import os
import socket
from pathlib import Path

import pytest

from corpus import servers


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(autouse=True)
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Keep all state in a directory of the test, and end what a failing test leaves."""
    monkeypatch.setenv("CORPUS_DIR", str(tmp_path))
    for name in ("http", "ws"):
        monkeypatch.setitem(servers.PORTS, name, free_port())
    yield
    for name in ("http", "ws"):
        servers.stop(name)


def get(path: str) -> bytes:
    """Ask the http server."""
    connection = http.client.HTTPConnection("127.0.0.1", servers.PORTS["http"], timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


def test_a_server_is_started_once_and_ended_once() -> None:
    """The second start finds it running, the second stop finds nothing."""
    assert servers.start("http") == ["http"]
    assert servers.start("http") == []
    assert get("/echo/hello") == b"hello"
    assert get("/chunks/ab") == b"ab" * 5

    (child,) = servers._children.values()
    assert servers.stop("http")
    assert not servers.stop("http")
    assert child.returncode is not None  # and so it is no zombie
    assert not servers._children
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", servers.PORTS["http"])) != 0


def test_a_server_of_somebody_else_is_used_and_left_alone() -> None:
    """Whoever listens on the port is taken for the server."""
    with socket.create_server(("127.0.0.1", servers.PORTS["http"])):
        assert servers.start("http") == []
        assert not servers.stop("http")


def test_a_process_that_only_has_the_number_of_a_server_is_not_ended(tmp_path: Path) -> None:
    """The number may have been given to another since; here it is our own."""
    (tmp_path / "http.json").write_text(json.dumps({"pid": os.getpid(), "birth": "long ago"}))

    assert not servers.stop("http")
    assert not (tmp_path / "http.json").exists()


def test_a_server_that_ends_at_once_is_told_with_what_it_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And no record of it is left."""
    monkeypatch.setitem(
        servers._PREPARE, "http", lambda _name: ["/bin/sh", "-c", "echo no; exit 3"]
    )

    with pytest.raises(servers.ServerError, match="exit code 3: no"):
        servers.start("http")

    assert not servers.stop("http")


@pytest.mark.parametrize("name", ["redis", "slowredis", "postgres"])
def test_a_server_that_is_not_installed_is_told_with_what_to_install(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is another error than one that fails, so that its cases can be skipped."""
    monkeypatch.setitem(servers.PORTS, name, free_port())
    monkeypatch.setattr(servers.shutil, "which", lambda _name: None)
    monkeypatch.setattr(servers, "_postgres_programs", lambda: None)

    with pytest.raises(servers.NotInstalledError, match="apt install"):
        servers.start(name)
    assert servers.main(["start", name]) == servers.NOT_INSTALLED


def test_the_command_line_names_what_it_started(capsys: pytest.CaptureFixture[str]) -> None:
    """That is how it is known what to end."""
    port = servers.PORTS["http"]

    assert servers.main(["start", "http"]) == 0
    assert servers.main(["start", "http"]) == 0
    assert servers.main(["stop", "http", "ws"]) == 0
    assert servers.main([]) == 2

    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [f"http {port} started", f"http {port} was running already", "http ended"]


def test_an_unknown_server_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """With the names of those that there are."""
    assert servers.main(["start", "mongo"]) == servers.NOT_INSTALLED

    assert "no server is called 'mongo'; there are: http" in capsys.readouterr().err
