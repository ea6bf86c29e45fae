"""The server: who is let in, what is answered, what is refused, and that it never waits long."""

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import rescind
from rescind._core.hooks import hooks
from rescind.top import server as server_module
from rescind.top.places import programs
from rescind.top.protocol import MAX_REQUEST
from tests.top.kit import PATIENCE, Talker, running, talking

pytestmark = pytest.mark.usefixtures("directory")


@contextmanager
def served() -> Iterator[Talker]:
    """Somebody who has not said yet who it is."""
    with rescind.serve_top():
        talker = Talker()
        try:
            yield talker
        finally:
            talker.close()


# -- who is let in --------------------------------------------------------------------------------


def test_hello_is_answered_with_who_this_is() -> None:
    """And with the version that is spoken."""
    with served() as talker:
        about = talker.hello()["ok"]
        assert about["pid"] == os.getpid()
        assert about["version"] == 1
        assert set(about) == {"version", "pid", "program", "python", "rescind", "since"}


def test_another_user_is_refused_before_anything_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """It learns who could, and no more."""
    monkeypatch.setattr(server_module, "peer_uid", lambda _peer: os.geteuid() + 1)
    with served() as talker:
        refused = talker.hear()
        assert refused is not None
        assert refused["error"]["code"] == "user"
        assert f"you are user {os.geteuid() + 1}" in refused["error"]["message"]
        assert talker.hear() is None


def test_who_is_at_the_other_end_is_what_the_system_says() -> None:
    """Of a Unix socket the user; of another one nothing."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert server_module.peer_uid(ours) == os.getuid()
    with socket.socket() as other:
        assert server_module.peer_uid(other) is None


@pytest.mark.parametrize("token", [None, "", "guessed", "ä", 7, []])
def test_a_wrong_token_is_refused(token: Any) -> None:
    """Where a port is used, to which every user of the machine can connect."""
    with rescind.serve_top("127.0.0.1:0"):
        talker = Talker()
        assert talker.hello(token=token)["error"]["code"] == "token"
        assert talker.hear() is None
        talker.close()
        with talking() as right:
            assert right.ask("tasks")["rows"] == []


@pytest.mark.parametrize("version", [None, 0, 2, "1"])
def test_another_version_is_refused(version: object) -> None:
    """With which one is spoken."""
    with served() as talker:
        error = talker.hello(version=version)["error"]
        assert error["code"] == "version"
        assert f"speaks version 1 of the protocol, and not {version!r}" in error["message"]
        assert talker.hear() is None


def test_nothing_is_answered_to_who_did_not_say_who_it_is() -> None:
    """Not even whether there is such a request."""
    with running() as runtime, served() as talker:
        task = runtime.tasks()[0].id
        assert talker.refused("cancel", task=task)[0] == "hello"
        assert talker.hear() is None
        assert runtime.tasks()[0].cancel_reasons == ()


def test_more_than_a_few_are_told_to_come_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who are in stay in."""
    with rescind.serve_top(), talking() as first, talking(first.address) as second:
        for one in (first, second):  # by then those are gone who only looked whether it listens
            one.ask("tasks")
        monkeypatch.setattr(server_module, "_CLIENTS", 2)
        third = Talker(first.address)
        refused = third.hear()
        assert refused is not None
        assert refused["error"]["code"] == "busy"
        third.close()
        assert [one.ask("tasks")["total"] for one in (first, second)] == [0, 0]


# -- malformed requests ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        *(b"GET / HTTP/1.1\r\n", b"\n", b"[]\n", b"7\n", b'"hello"\n', b"{\n", b"\xff\xfe\n"),
        b"[" * 5000 + b"\n",
    ],
)
def test_what_is_no_request_is_refused(line: bytes) -> None:
    """Somebody who has not said who it is, is let go of; others may go on."""
    with served() as talker:
        talker.say(line)
        refused = talker.hear()
        assert refused is not None
        assert refused["error"]["code"] == "malformed"
        assert talker.hear() is None
        with talking() as known:
            known.say(line)
            refused = known.hear()
            assert refused is not None
            assert refused["id"] is None
            assert "a line must be one JSON object" in refused["error"]["message"]
            assert known.ask("tasks")["rows"] == []


def test_a_line_without_an_end_is_refused() -> None:
    """It is not kept, however much comes."""
    with rescind.serve_top(), talking() as talker:
        talker.say(b"x" * MAX_REQUEST)
        refused = talker.hear()
        assert refused is not None
        assert f"a request has at most {MAX_REQUEST} bytes" in refused["error"]["message"]
        assert talker.hear() is None


@pytest.mark.parametrize(
    ("op", "fields", "message"),
    [
        ("dance", {}, "there is no request 'dance', only hello, tasks, tree, ended, explain"),
        ("hello", {}, "there is no request 'hello'"),
        ([], {}, "there is no request []"),
        (None, {}, "there is no request None"),
        ("tasks", {"sort": "luck"}, "sorted by age, state, name, polls, busy, waits, and not by"),
        ("tasks", {"sort": 7}, "'sort' must be of type str, not 7"),
        ("tasks", {"limit": 0}, "limit must be from 1 to 5000, not 0"),
        ("tasks", {"limit": 5001}, "limit must be from 1 to 5000"),
        ("tasks", {"limit": True}, "'limit' must be of type int, not True"),
        ("tasks", {"reverse": 1}, "'reverse' must be of type bool"),
        ("tree", {"filter": []}, "'filter' must be of type str"),
        ("explain", {}, "'task' is missing"),
        ("explain", {"task": "1"}, "'task' must be of type int"),
        ("explain", {"task": 999999999}, "task 999999999 has ended, or there never was one"),
        ("cancel", {"task": 999999999}, "task 999999999 has ended"),
        ("cancel", {"task": 1, "grace": -1}, "grace must be a number of seconds from 0, not -1"),
        ("cancel", {"task": 1, "grace": 1e999}, "grace must be a number of seconds"),
        ("cancel", {"task": 1, "grace": "0"}, "'grace' must be of type int or float"),
        ("cancel", {"task": 1, "reason": "x" * 501}, "at most 500 characters, not 501"),
        ("cancel", {"task": 1, "reason": 7}, "'reason' must be of type str"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(
    op: object, fields: dict[str, Any], message: str
) -> None:
    """With what was wrong; the next one is answered."""
    with rescind.serve_top(), talking() as talker:
        assert message in talker.request(op, **fields)["error"]["message"]  # type: ignore[arg-type]
        assert talker.ask("tasks")["rows"] == []


def test_a_fault_of_ours_is_told_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is in the program's log, too."""

    def broken(*_args: object) -> None:
        raise ValueError("broken")

    with rescind.serve_top(), talking() as talker:
        with monkeypatch.context() as patched:
            patched.setattr("rescind.top.picture.overview", broken)
            code, message = talker.refused("tasks")
        assert (code, message) == ("internal", "this is a fault: ValueError: broken")
        assert "a request of rescind top could not be answered" in caplog.text
        assert talker.ask("tasks")["rows"] == []


def test_requests_that_come_together_are_answered_one_by_one() -> None:
    """In their order, also if they come in pieces."""
    with rescind.serve_top(), talking() as talker:
        lines = b"".join(json.dumps({"id": n, "op": "tasks"}).encode() + b"\n" for n in range(5))
        talker.say(lines[:40])
        talker.say(lines[40:])
        answers = [talker.hear() for _ in range(5)]
        assert [one["id"] for one in answers if one is not None] == [0, 1, 2, 3, 4]


# -- patience -------------------------------------------------------------------------------------


def test_who_does_not_say_who_it_is_is_let_go_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while; who has said it may be silent."""
    monkeypatch.setattr(server_module, "_PATIENCE", 0.1)
    with rescind.serve_top(), talking() as known:
        silent = Talker()
        assert silent.hear() is None
        silent.close()
        assert known.ask("tasks")["rows"] == []


def test_who_takes_no_answer_is_let_go_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """One answer is kept for it, and no request read, until then."""
    gone = threading.Event()
    let_go = server_module.Server._let_go

    def note(self: server_module.Server, client: Any) -> None:
        let_go(self, client)
        gone.set()

    async def begin() -> None:
        for number in range(300):
            rescind.spawn(rescind.never(), name=f"{number} {'x' * 150}")
        await rescind.yield_now()

    with running(begin), rescind.serve_top(), talking() as greedy:
        greedy.ask("tasks")  # by then those are gone who only looked whether it listens
        monkeypatch.setattr(server_module.Server, "_let_go", note)
        monkeypatch.setattr(server_module, "_PATIENCE", 0.1)
        greedy.say(b'{"op": "tasks"}\n' * 100)
        answers = 0
        assert gone.wait(PATIENCE)
        while greedy.hear_raw():
            answers += 1
        assert answers < 100
        with talking() as other:
            assert other.ask("tasks")["total"] == 301


def test_a_client_that_goes_away_does_no_harm() -> None:
    """In the middle of a request, or of an answer."""
    with rescind.serve_top():
        for said in (b"", b'{"op": "ta', b'{"op": "tasks"}\n' * 50):
            with talking() as talker:
                talker.say(said)
        with talking() as talker:
            assert talker.ask("tasks")["rows"] == []


def test_closing_lets_go_of_everybody() -> None:
    """Those who wait for an answer learn that there is none."""
    server = rescind.serve_top()
    with talking() as talker:
        server.close()
        assert talker.hear() is None


# -- what it costs --------------------------------------------------------------------------------


def _watchers() -> int:
    return len([one for one in hooks.observers if type(one).__name__ == "Watcher"])


def test_nothing_is_watched_until_somebody_looks_and_when_nobody_is_left() -> None:
    """To say hello is not to look."""
    with rescind.serve_top():
        with talking() as first:
            assert _watchers() == 0
            first.ask("tasks")
            assert _watchers() == 1
            with talking() as second:
                second.ask("tree")
                assert _watchers() == 1
            first.ask("tasks")  # the other one has been let go of by now
            assert _watchers() == 1
        with talking() as last:
            last.request("explain", task=1)  # answered when those before it have gone
            assert _watchers() == 0


def test_it_answers_while_the_loop_is_stuck() -> None:
    """And says who is stuck, for how long, and where."""
    go_on, stuck = threading.Event(), threading.Event()

    async def block() -> None:
        stuck.set()
        go_on.wait(PATIENCE)

    async def begin() -> None:
        rescind.spawn(rescind.sleep(1000), name="patient")
        rescind.spawn(block(), name="blocker")
        await rescind.sleep(0)

    with running() as runtime, rescind.serve_top(), talking() as talker:
        talker.ask("tasks")
        runtime.spawn(begin())
        assert stuck.wait(PATIENCE)
        try:
            told = None
            while told is None:  # it takes a moment until that is worth a word
                [told] = [one["stuck"] for one in talker.ask("tasks")["runtimes"]]
            assert told["name"] == "blocker"
            assert told["for"] >= 0.1
            assert "test_server.py" in told["place"]
            assert told["place"].endswith(
                " in test_it_answers_while_the_loop_is_stuck.<locals>.block"
            )
            blocker = told["id"]
            assert "is running" in talker.ask("explain", task=blocker)["text"]
            [row] = talker.ask("tasks", sort="busy", limit=1)["rows"]
            assert (row["id"], row["state"]) == (blocker, "running")
            asked = talker.ask("cancel", task=blocker - 1, reason="while it is stuck")
            assert asked["accepted"]
        finally:
            go_on.set()


def test_somebody_who_comes_when_it_is_stuck_already_is_told() -> None:
    """The time counts from then."""
    go_on, stuck = threading.Event(), threading.Event()

    async def block() -> None:
        stuck.set()
        go_on.wait(PATIENCE)

    with running() as runtime, rescind.serve_top():
        runtime.spawn(block(), name="blocker")
        assert stuck.wait(PATIENCE)
        try:
            with talking() as talker:
                told = None
                while told is None:
                    [told] = [one["stuck"] for one in talker.ask("tasks")["runtimes"]]
                assert told["name"] == "blocker"
        finally:
            go_on.set()


def test_ten_thousand_tasks_are_a_few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only those that are shown are looked at closely; the rest is counted."""
    looks: list[object] = []

    async def begin() -> None:
        async def hold() -> None:
            async with rescind.task_group(name="many") as group:
                for _ in range(10_000):
                    group.spawn(rescind.never())
                await rescind.never()

        rescind.spawn(hold(), name="holder")
        await rescind.sleep(0)
        await rescind.sleep(0)

    from rescind.top import picture
    from rescind.trace.snapshot import info_of

    def counted(cell: Any, *args: Any, **options: Any) -> Any:
        looks.append(cell)
        return info_of(cell, *args, **options)

    monkeypatch.setattr(picture, "info_of", counted)
    with running(begin) as runtime, rescind.serve_top(), talking() as talker:
        answer = talker.ask("tasks", limit=50)
        assert (len(answer["rows"]), answer["matching"]) == (50, 10_002)
        assert sum(answer["states"].values()) == answer["total"] == 10_002
        tree = talker.ask("tree", limit=300)["rows"]
        assert len(tree) < 120
        assert tree[-2]["name"] == "… and 9900 more" or tree[-1]["name"] == "… and 9900 more"
        assert len(looks) < 300
        holder = next(task for task in runtime.tasks() if task.name == "holder")
        text = talker.ask("explain", task=holder.id)["text"]
        assert "group       'many', 10000 alive" in text
        assert len(text.splitlines()) < 100


def test_the_server_is_found_by_its_process() -> None:
    """And the kit speaks to the one that this process has."""
    with rescind.serve_top() as server:
        assert [str(place.address) for place in programs()] == [server.address]
        assert Path(server.address).name == f"{os.getpid()}.sock"
